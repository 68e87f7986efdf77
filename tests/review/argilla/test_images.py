from pathlib import Path

import pyarrow as pa

from synth_stack.review.argilla.form import list_fields
from synth_stack.review.argilla.images import read_images
from synth_stack.review.argilla.records import build_record
from synth_stack.rows.schemas import build_candidates
from tests.picture_rows import draw_picture, save, write_rows
from tests.some_rows import make_row


def test_each_row_has_its_images_and_what_cannot_be_decoded_is_left_out(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"a.png": save(draw_picture(1)), "x.png": b"no image"})
    (tmp_path / "edges.png").write_bytes(save(draw_picture(2)))
    files = [{"path": "a.png", "role": "result"}, {"path": "edges.png", "role": "condition"}]
    rows = pa.concat_tables(
        [table, build_candidates([make_row(draw=7), make_row(draw=8, attachments=files)])]
    )
    found = list(read_images(rows, tmp_path))
    assert [sorted(each) for each in found] == [["image"], [], [], ["condition", "image"]]
    assert found[3]["image"] == found[0]["image"] != found[3]["condition"]
    assert all(url.startswith("data:image/jpeg;base64,") for each in found for url in each.values())


def test_an_image_is_a_field_of_its_record_and_comes_first() -> None:
    row = make_row(text="a cat")
    record = build_record(
        row | {"row_id": "ab" * 16}, purpose="held", metadata={}, images={"image": "data:x"}
    )
    assert next(iter(record["fields"])) == "image"
    assert record["fields"]["image"] == "data:x"


def test_a_campaign_has_image_fields_only_where_its_rows_have_images() -> None:
    named = {field["name"]: field for field in list_fields(adjudicates=False, images=True)}
    assert named["image"]["settings"] == {"type": "image"}
    assert not named["image"]["required"]
    assert list(named)[:2] == ["image", "condition"]
    assert "image" not in {field["name"] for field in list_fields(adjudicates=False)}
