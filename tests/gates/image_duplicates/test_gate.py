import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

from synth_stack.errors import InputError
from synth_stack.gates.gate import Judge
from synth_stack.gates.image_duplicates import greedy_star
from synth_stack.gates.image_duplicates.gate import image_duplicates
from synth_stack.gates.image_duplicates.image_sets import NamedImageSet
from synth_stack.images.decoding import Pixels
from tests.gates.playing import play
from tests.picture_rows import PictureFolder, draw_picture, save, write_rows

BIG, SMALL = 128, 96


def bind(folder: Path, **params: Any) -> Judge:
    return image_duplicates(PictureFolder(folder), **params)


def judge_files(
    folder: Path, files: dict[str, bytes], cut: int = 1000, **params: Any
) -> list[dict[str, Any]]:
    table = write_rows(folder, files)
    shards = [table.slice(first, cut) for first in range(0, max(len(table), 1), cut)]
    verdicts, _ = play(bind(folder, **params), shards, name="image_duplicates")
    return list(pa.concat_tables(verdicts).to_pylist())


def shrink(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((SMALL, SMALL), Image.Resampling.LANCZOS))


def mark(pixels: Pixels) -> Pixels:
    picture = Image.fromarray(pixels)
    ImageDraw.Draw(picture).text((10, 80), "SAMPLE", fill=(255, 255, 255), font_size=22)
    return np.asarray(picture)


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "as it is": shrink,
    "mirrored": lambda pixels: shrink(pixels[:, ::-1]),
    "upside down": lambda pixels: shrink(pixels[::-1, ::-1]),
    "turned by a quarter": lambda pixels: shrink(np.rot90(pixels)),
    "turned by a quarter and mirrored": lambda pixels: shrink(pixels.swapaxes(0, 1)),
}


@pytest.mark.parametrize("lying", CHANGES)
def test_a_copy_is_rejected_however_it_lies_and_names_its_twin(tmp_path: Path, lying: str) -> None:
    picture = draw_picture(1)
    first, other, copy = judge_files(
        tmp_path,
        {"a.png": save(picture), "b.png": save(draw_picture(2)), "c.png": save(CHANGES[lying](picture))},
    )
    assert [v["outcome"] for v in (first, other, copy)] == ["accept", "accept", "reject"]
    assert copy["reason_class"] == "image_duplicates.near_duplicate"
    evidence = json.loads(copy["evidence"])
    assert (evidence["twin"], evidence["lying"]) == (first["row_id"], lying)
    assert copy["score"] == evidence["likeness"] > 0.9
    assert copy["reason"].startswith(f"near duplicate: like {first['row_id']} {lying}, likeness 0.9")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda p: shrink(p[12:, 6:120]), id="cropped"),
        pytest.param(lambda p: shrink(np.clip(p * np.array([0.8, 1, 1.2]), 0, 255).astype(np.uint8)), id="colours"),
        pytest.param(lambda p: shrink(mark(p)), id="watermark"),
        pytest.param(lambda p: shrink(np.asarray(Image.fromarray(p).convert("L").convert("RGB"))), id="grey"),
    ],
)  # fmt: skip
def test_a_changed_copy_is_rejected(tmp_path: Path, change: Callable[[Pixels], Pixels]) -> None:
    for seed in range(3):
        picture = draw_picture(seed)
        first, copy = judge_files(tmp_path, {"a.png": save(picture), "b.jpg": save(change(picture), "JPEG")})
        assert (first["outcome"], copy["outcome"]) == ("accept", "reject")


def test_a_crop_says_which_part_it_is_and_of_which(tmp_path: Path) -> None:
    picture = draw_picture(3)
    _, crop = judge_files(tmp_path, {"a.png": save(picture), "b.png": save(shrink(picture[26:, :102]))})
    evidence = json.loads(crop["evidence"])
    assert (evidence["part"], evidence["part_of"]) == ([0.2, 1.0, 0.0, 0.8], "twin")
    # what stays is the image with more pixels, be it the part
    larger = np.asarray(Image.fromarray(picture[26:, :102]).resize((200, 200)))
    whole, part = judge_files(tmp_path, {"a.png": save(picture), "b.png": save(larger)})
    assert [whole["outcome"], part["outcome"]] == ["reject", "accept"]
    assert json.loads(whole["evidence"])["part_of"] == "row"


def test_other_pictures_stay(tmp_path: Path) -> None:
    files = {f"{seed}.png": save(draw_picture(seed)) for seed in range(40)}
    said = judge_files(tmp_path, files)
    assert {v["outcome"] for v in said} == {"accept"}
    assert max(v["score"] for v in said) < 0.6


def draw_sky(seed: int, grain: float) -> Pixels:
    """A sky over water: the same soft light each time, the grain of its own."""
    down = np.linspace(0, 1, BIG)[:, None] * np.ones(BIG)
    light = 90 + 90 * down**1.5 + 15 * np.sin(2.2 * down.T + 0.1 * seed)
    light[round(BIG * 0.85) :] *= 0.5
    rough = np.random.default_rng(seed).normal(0, grain, (BIG // 4, BIG // 4))
    patches = np.asarray(Image.fromarray(rough.astype(np.float32)).resize((BIG, BIG)))
    grey: Pixels = np.clip(light + patches, 0, 255).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)


def test_skies_of_one_light_stay_where_their_texture_is_another(tmp_path: Path) -> None:
    skies = [draw_sky(seed, grain=1) for seed in range(4)]
    files = {f"{seed}.png": save(sky) for seed, sky in enumerate(skies)}
    files |= {"copy.jpg": save(shrink(skies[2][:, ::-1]), "JPEG")}
    said = judge_files(tmp_path, files)
    assert [v["outcome"] for v in said] == ["accept"] * 4 + ["reject"]
    assert json.loads(said[4]["evidence"])["twin"] == said[2]["row_id"]
    assert max(v["score"] for v in said[:4]) < 0.5


def test_a_sky_without_texture_is_abstained_on_and_its_exact_copy_is_not(tmp_path: Path) -> None:
    sky, other = draw_sky(1, grain=0), draw_sky(2, grain=0)
    first, second, copy = judge_files(
        tmp_path, {"a.png": save(sky), "b.png": save(other), "c.bmp": save(sky, "BMP")}
    )
    said = {v["reason_class"] for v in (first, second, copy)}
    assert second["reason_class"] == "image_duplicates.no_detail"
    assert said == {"image_duplicates.no_detail", "image_duplicates.near_duplicate"}


def test_shards_blocks_and_order_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [draw_picture(seed) for seed in range(8)]
    files = {f"{n}.png": save(p) for n, p in enumerate(pictures)}
    files |= {f"copy{n}.png": save(shrink(p[:, ::-1])) for n, p in enumerate(pictures)}
    files |= {f"same{n}.bmp": save(p, "BMP") for n, p in enumerate(pictures)}
    table = write_rows(tmp_path, files)
    judge = bind(tmp_path)

    def told(order: list[int], cut: int) -> dict[str, Any]:
        shuffled = table.take(order)
        verdicts, _ = play(judge, [shuffled.slice(k, cut) for k in range(0, len(table), cut)])
        return {v["row_id"]: v for each in verdicts for v in each.to_pylist()}

    whole = told(list(range(24)), 24)
    assert sum(v["outcome"] == "accept" for v in whole.values()) == 8
    assert told(list(range(24)), 5) == whole
    assert told(list(np.random.default_rng(1).permutation(24)), 7) == whole
    monkeypatch.setattr(greedy_star, "_BLOCK", 3)
    assert told(list(range(24)), 24) == whole


def test_a_copy_of_a_copy_names_the_one_that_stays(tmp_path: Path) -> None:
    picture, middle = draw_picture(5), shrink(draw_picture(5))
    said = judge_files(
        tmp_path, {"a.png": save(picture), "b.png": save(middle), "c.bmp": save(middle, "BMP")}
    )
    twins = {json.loads(v["evidence"])["twin"] for v in said[1:]}
    assert twins == {said[0]["row_id"]}


def test_images_of_a_set_always_stay_and_are_named(tmp_path: Path) -> None:
    for name, seed in (("eval/cats/1.png", 1), ("eval/2.png", 2), ("real/3.png", 3)):
        write_rows(tmp_path / "sets", {name: save(draw_picture(seed, SMALL))})
    (tmp_path / "sets" / "eval" / "broken.png").write_bytes(b"no image")
    sets = [
        NamedImageSet(name="exam", path=str(tmp_path / "sets" / "eval")),
        NamedImageSet(name="photos", path=str(tmp_path / "sets" / "real"), what="real"),
    ]
    files = {f"{seed}.png": save(draw_picture(seed)[:, ::-1]) for seed in (1, 3, 4)} | {
        "exact.png": save(draw_picture(2, SMALL))
    }
    leaked, real, new, exact = judge_files(tmp_path / "rows", files, against=sets)
    assert leaked["reason_class"] == exact["reason_class"] == "image_duplicates.eval_image"
    evidence = json.loads(leaked["evidence"])
    assert (evidence["eval_set"], evidence["item"]) == ("exam", "cats/1.png")
    assert json.loads(exact["evidence"])["likeness"] == 1
    assert real["reason_class"] == "image_duplicates.real_image"
    assert json.loads(real["evidence"])["real_set"] == "photos"
    assert new["outcome"] == "accept"
    facts = bind(tmp_path, against=sets).facts["sets"]
    assert [(each["name"], each["images"]) for each in facts] == [("exam", 3), ("photos", 1)]


def test_nothing_and_too_little_to_see_are_abstained_on(tmp_path: Path) -> None:
    grey = np.full((64, 64, 3), 90, np.uint8)
    files = {"a.png": save(grey), "b.png": save(grey + 1), "c.png": b"no image", "d.bmp": save(grey, "BMP")}
    said = judge_files(tmp_path, files)
    classes = [v["reason_class"] for v in said]
    assert sorted(map(str, classes[:1] + classes[3:])) == [
        "image_duplicates.near_duplicate",
        "image_duplicates.no_detail",
    ]
    assert classes[1:3] == ["image_duplicates.no_detail", "image_duplicates.no_image"]
    assert said[2]["score"] is None


def test_an_empty_batch_has_no_verdicts(tmp_path: Path) -> None:
    assert judge_files(tmp_path, {}) == []


@pytest.mark.parametrize("path", ["nowhere", "empty"])
def test_a_set_without_images_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        bind(tmp_path, against=[NamedImageSet(name="x", path=str(tmp_path / path))])


def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    write_rows(tmp_path, {"a.png": save(draw_picture(1))})
    with pytest.raises(InputError, match="one name"):
        bind(tmp_path, against=[NamedImageSet(name="x", path=str(tmp_path))] * 2)


def test_canaries_are_caught_controls_pass_and_nothing_changes(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {f"{seed}.png": save(draw_picture(seed)) for seed in range(6)})
    judge = bind(tmp_path)
    assert judge.plant is not None
    assert judge.control is not None
    canaries, controls = judge.plant(table, 5, 1), judge.control(table, 5, 1)
    assert len(canaries) == 30
    plain, _ = play(judge, [table])
    (said, caught, passed), _ = play(judge, [table, canaries, controls], name="image_duplicates")
    assert said.equals(plain[0])
    assert caught["outcome"].to_pylist() == ["reject"] * 30
    assert passed["outcome"].to_pylist() == ["accept"] * 5
