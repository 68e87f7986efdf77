from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import synth_stack.generators
import synth_stack.teachers  # noqa: F401  (both register by being imported)
from synth_stack.errors import ConfigError, InputError
from synth_stack.generation.draws import Plan
from synth_stack.generation.provenance import record_params
from synth_stack.generators.template import find_templates
from synth_stack.inputs.seeds import SEED_SCHEMA, Corpus, Topic
from synth_stack.registry import bind
from tests.diffusion.diffusers_folder import write_sdxl
from tests.picture_rows import draw_picture, save


def make_plan(*slices: str) -> Plan:
    rows = [{"seed_id": s, "slice": s, "locale": None, "text": f"a {s}"} for s in slices]
    topics = {s: Topic(slice=s, title=s) for s in slices}
    return Plan(Corpus(pa.Table.from_pylist(rows, SEED_SCHEMA), topics, {}), "pets", 1, "text_to_image", 0, 4)


def build(folder: Path, teacher: str = "diffusion", *, controls: bool = False, **params: Any) -> Any:
    told: dict[str, Any] = {}
    if teacher == "diffusion":
        told = {"model": str(write_sdxl(folder / "model")), "license": "MIT", "devices": ["cpu"]}
    llm = bind("teacher", teacher, told, where="r").make()
    bound = bind("generator", "text_to_image", params, where="generate.methods[0]", folder=folder)
    return bound.make(llm, make_plan("cat", "dog"), 2)


def test_it_needs_a_teacher_that_makes_images(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a teacher that makes images"):
        build(tmp_path, "scripted")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"width": 100}, "no images of that width"),
        ({"steps": 0}, "steps"),
        ({"variables": {"seed": ["a"]}}, "no name of a variable"),
        ({"variables": {"light": []}}, "no value to draw"),
        ({"prompt": "{{ seed"}, "not a Jinja template"),
        (
            {"conditions": [{"kind": "canny", "path": "photos", "license": "CC0-1.0"}]},
            "no control for a condition",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_loaded(
    tmp_path: Path, params: dict[str, Any], said: str
) -> None:
    with pytest.raises((ConfigError, InputError), match=said):
        build(tmp_path, **params)


def test_the_prompt_is_a_template_whose_id_changes_with_its_text() -> None:
    ids = [
        [each.template_id for each in find_templates(bind("generator", "text_to_image", params, where="r"))]
        for params in ({"prompt": "a {{ seed }}"}, {"prompt": "the {{ seed }}"}, {"write_prompts": True})
    ]
    assert ids[0] != ids[1]
    assert [each.partition("@")[0] for each in ids[2]] == ["text_to_image", "image_prompt"]


def test_the_lock_has_conditions_by_their_digest_and_no_float(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(save(draw_picture(1, 32)))
    told = {"guidance": 4.5, "conditions": [{"kind": "canny", "path": "photos", "license": "CC0-1.0"}]}
    recorded = record_params(bind("generator", "text_to_image", told, where="r", folder=tmp_path))
    assert recorded["guidance"] == "4.5"
    assert (recorded["conditions"][0]["path"], recorded["conditions"][0]["files"]) == ("photos", 1)
    assert str(tmp_path) not in repr(recorded)
