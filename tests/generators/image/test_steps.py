"""The whole method on pipelines of random weights: rows, their files, and what is said of where they come from."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import synth_stack.generators
import synth_stack.teachers  # noqa: F401  (both register by being imported)
from synth_stack.diffusion.random_weights import write_random_controlnet, write_random_pipeline
from synth_stack.errors import ConfigError
from synth_stack.generation.driver import drive
from synth_stack.images.decoding import decode
from synth_stack.images.pixel_digest import digest_pixels
from synth_stack.images.store import store_name
from synth_stack.registry import bind
from synth_stack.rows.schemas import build_candidates
from synth_stack.teachers.scripted_llm import ScriptedLLM
from tests.generators.image.test_methods import make_plan
from tests.picture_rows import draw_picture, save

pytestmark = [
    pytest.mark.diffusion,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SMALL = {"width": 64, "height": 64, "steps": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    write_random_pipeline(folder / "model", "sdxl")
    write_random_controlnet(folder / "net", "sdxl")
    (folder / "photos" / "cat").mkdir(parents=True)
    (folder / "photos" / "cat" / "1.png").write_bytes(save(draw_picture(1, 90)))
    (folder / "photos" / "2.png").write_bytes(b"no image")
    return folder


def make_rows(folder: Path, *, rewriter: Any = None, **params: Any) -> list[dict[str, Any]]:
    control = {"kind": "canny", "path": str(folder / "net"), "license": "Apache-2.0"}
    told = {"model": str(folder / "model"), "license": "MIT", "devices": ["cpu"], "controls": [control]}
    llm = bind("teacher", "diffusion", told, where="r").make()
    bound = bind("generator", "text_to_image", {**SMALL, **params}, where="m", folder=folder)
    pipeline = bound.make(llm, make_plan("cat", "dog"), 2)
    for name in pipeline.dag:
        step = pipeline.dag.get_step(name)["step"]
        if rewriter is not None and getattr(step, "part", "") == "rewriter":
            step.llm = rewriter
        if rewriter is not None and hasattr(step, "_models"):
            step._models = {"rewriter": {"name": "scripted", "digest": "d"}}
    made: list[dict[str, Any]] = []
    drive(pipeline, is_done=lambda *_: False, commit=lambda _number, _items, rows: made.extend(rows))
    return made


def test_a_row_names_its_image_its_prompt_and_what_made_it(folder: Path) -> None:
    rows = make_rows(folder, prompt="{{ seed }} {{ light }}", variables={"light": ["at dusk", "in fog"]})
    assert [row["failure"] for row in rows] == [None] * 4
    row = rows[0]
    (attached,) = row["attachments"]
    data = row["files"][attached["path"]]
    assert attached["path"] == store_name("a.png", hashlib.sha256(data).hexdigest())
    assert (attached["role"], attached["width"], attached["height"]) == ("result", 64, 64)
    assert attached["pixels_sha256"] == digest_pixels(decode(data).pixels)
    said = json.loads(row["extra"])["image"]
    assert row["text"] == said["prompt"] == f"a {row['slice']} {said['variables']['light']}"
    assert [(each["part"], each["name"]) for each in row["models"]] == [("writer", "model")]
    params = json.loads(row["params"])
    assert (params["steps"], params["size"], params["sampling"]["device"]) == (2, [64, 64], "'cpu'")
    assert row["replayable"]
    table = build_candidates(rows)
    assert len(set(table["row_id"].to_pylist())) == 4
    assert len({row["attachments"][0]["sha256"] for row in rows}) == 4


def test_the_same_draws_give_the_same_files_in_any_batch(folder: Path) -> None:
    first, second = make_rows(folder), make_rows(folder)
    assert [row["attachments"] for row in first] == [row["attachments"] for row in second]


def test_a_condition_is_attached_with_where_it_comes_from_and_one_that_is_broken_fails_its_row(
    folder: Path,
) -> None:
    told = {"kind": "canny", "path": "photos", "license": "CC-BY-4.0", "scale": 0.5, "end": 0.8}
    rows = make_rows(folder, conditions=[told])
    good = [row for row in rows if row["slice"] == "cat"]
    bad = [row for row in rows if row["slice"] == "dog"]
    assert good
    assert bad
    result, edges = good[0]["attachments"]
    assert (result["role"], edges["role"]) == ("result", "condition")
    (said,) = json.loads(good[0]["extra"])["image"]["conditions"]
    source = hashlib.sha256((folder / "photos" / "cat" / "1.png").read_bytes()).hexdigest()
    assert said == {
        "kind": "canny",
        "sha256": edges["sha256"],
        "scale": "0.5",
        "start": "0.0",
        "end": "0.8",
        "drawn": "canny",
        "low": 100,
        "high": 200,
        "source": {"file": "cat/1.png", "sha256": source, "license": "CC-BY-4.0"},
    }
    assert [each["part"] for each in good[0]["models"]] == ["writer", "control:canny"]
    assert all("condition 2.png gives no image" in row["failure"] for row in bad)
    assert all(row["attachments"] == [] and not row["files"] for row in bad)


def test_a_model_of_text_writes_prompts_out(folder: Path) -> None:
    rewriter = ScriptedLLM(rules=[("a (cat|dog)", ["a small animal at dusk"])])
    row = make_rows(folder, rewriter=rewriter, write_prompts=True)[0]
    said = json.loads(row["extra"])["image"]
    assert (row["text"], said["asked"]) == ("a small animal at dusk", f"a {row['slice']}")
    assert [each["part"] for each in row["models"]] == ["writer", "rewriter"]
    assert "image_prompt@" in row["template_id"]
    with pytest.raises(ConfigError, match=r"Name one as models\.rewriter"):
        make_rows(folder, write_prompts=True)
