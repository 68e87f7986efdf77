import shutil
from pathlib import Path

import pytest

from synth_stack.errors import InputError, VerificationError
from synth_stack.files import read_table
from synth_stack.packs.images import METADATA, describe_images, list_images
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.packs.write import write_pack
from synth_stack.rows.schemas import build_candidates
from synth_stack.workflows.curate import curate
from tests.packs.image_pack import curate_images, name_picture
from tests.picture_rows import draw_picture
from tests.some_rows import make_row

DIGESTS = [f"{n}{n}" * 32 for n in range(4)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return curate_images(tmp_path_factory.mktemp("images"))


def test_a_finished_run_is_judged_again_and_packed_without_its_originals(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run.parent, tmp_path / "all")
    shutil.rmtree(tmp_path / "all" / "photos")
    there, gates = tmp_path / "all" / "run", tmp_path / "all" / "gates.yaml"
    assert curate(there, gates, tmp_path / "second").figures.accepted == 5
    gates.write_text(gates.read_text().replace("}", ", max_blur: 0.74}"))
    assert curate(there, gates, there).figures.accepted == 5
    for place in (there, tmp_path / "second"):
        write_pack(place, tmp_path / f"{place.name}-pack", signer=local_signer(tmp_path / "key.pem"))
        assert verify_pack(tmp_path / f"{place.name}-pack").problems == ()


def test_a_pack_is_a_dataset_of_images_that_datasets_loads(run: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    loaded = load_dataset(
        str(tmp_path / "pack"), data_dir="images", split="train", cache_dir=str(tmp_path / "c")
    )
    assert sorted(loaded["slice"]) == ["cats"] * 3 + ["dogs"] * 2
    told = read_table(tmp_path / "pack" / METADATA)
    seeds = {name_picture(seed): seed for seed in range(1, 6)}
    for name, line in zip(told["file_name"].to_pylist(), loaded, strict=True):
        assert line["image"].size == (128, 128)
        assert line["image"].tobytes() == draw_picture(seeds[f"images/{name}"]).tobytes()


def test_the_card_shows_one_image_of_each_slice(run: Path, tmp_path: Path) -> None:
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    card = (tmp_path / "pack" / "README.md").read_text()
    shown = [part.split('"')[0] for part in card.split('<img src="')[1:]]
    assert len(shown) == 2
    assert all((tmp_path / "pack" / name).is_file() for name in shown)
    assert "5 image files in `images/`" in card


@pytest.mark.parametrize(("spoil", "said"), [("remove", "not there any more"), ("change", "not the one")])
def test_an_image_that_is_gone_or_another_is_not_packed(
    run: Path, tmp_path: Path, spoil: str, said: str
) -> None:
    shutil.copytree(run, tmp_path / "run")
    image = tmp_path / "run" / name_picture(2)
    image.unlink()
    if spoil == "change":
        image.write_bytes(b"another")
    with pytest.raises(InputError, match=said):
        write_pack(tmp_path / "run", tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert not (tmp_path / "pack").exists()


def _attach(*roles: str | None) -> list[dict[str, str | None]]:
    return [{"path": f"{n}.png", "sha256": DIGESTS[n], "role": role} for n, role in enumerate(roles)]


def test_results_and_conditions_are_handed_over_and_sources_are_not() -> None:
    rows = build_candidates(
        [
            make_row(draw=0, attachments=_attach("result", "condition", "source")),
            make_row(draw=1),
            make_row(draw=2, attachments=_attach(None, "result")),
        ]
    )
    assert [image.name[10:12] for image in list_images(rows)] == ["00", "11", "00", "11"]
    lines = describe_images(rows).to_pylist()
    assert [line["file_name"][:2] for line in lines] == ["00", "00", "11"]
    assert [[name[:2] for name in line["condition_file_names"]] for line in lines] == [["11"], [], []]


@pytest.mark.parametrize("attached", [{"path": "a.png"}, {"path": "a.svg", "sha256": DIGESTS[0]}])
def test_what_has_no_digest_or_is_no_image_is_not_handed_over(attached: dict[str, str]) -> None:
    with pytest.raises(VerificationError, match="no image with a digest"):
        list(list_images(build_candidates([make_row(attachments=[attached])])))
