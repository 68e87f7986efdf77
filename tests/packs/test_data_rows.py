from collections.abc import Mapping
from typing import Any

import pytest

from synth_stack.errors import VerificationError
from synth_stack.files import render_yaml
from synth_stack.packs.data_rows import DATA_SCHEMA, RowTerms, list_terms
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.locks import RecipeLock, parse_recipe

ROW = {"kind": "foreign", "messages": [], "attachments": [], "generator": "foreign", "generator_version": "2"}


def make_lock(**parts: Any) -> RecipeLock:
    lock = {"identity": digest_json("x"), "synth_stack": "0.1.0", **parts}
    return parse_recipe(render_yaml(lock), where="lock")


def make_teacher(model: str, output: str | None) -> dict[str, Any]:
    terms = {} if output is None else {"terms": {"output": output, "license": "MIT"}}
    return {"use": "http", "version": "1", "model": model, "replayable": False, **terms}


RECIPE = make_lock(
    teacher=make_teacher("big", "train-any"),
    models={"judge": make_teacher("strict", "research-only"), "rewriter": make_teacher("silent", None)},
)


def tell(recipe: RecipeLock, **row: Any) -> Mapping[str, Any]:
    """What stands beside one row."""
    rows = build_candidates([{**ROW, "draw": 0, "replayable": False, **row}])
    table = RowTerms(recipe).add_columns(rows)
    assert table.schema.equals(DATA_SCHEMA)
    [told] = table.to_pylist()
    return {name: told[name] for name in ("license", "output_terms", "synthetic")}


@pytest.mark.parametrize(
    ("row", "terms", "synthetic"),
    [
        ({}, None, None),
        ({"teacher": "big"}, "train-any", True),
        ({"teacher": "unheard of"}, "undeclared", True),
        ({"teacher": "big", "models": [("judge", "strict")]}, "research-only", True),
        ({"teacher": "big", "models": [("rewriter", "silent")]}, "undeclared", True),
        ({"models": [("judge", "strict")]}, "research-only", None),
        ({"models": [("rewriter", "big")]}, "train-any", True),
        ({"generator": "evol_instruct"}, None, True),
    ],
)
def test_the_strictest_terms_of_a_row_and_whether_it_is_synthetic(
    row: dict[str, Any], terms: str | None, synthetic: bool | None
) -> None:
    models = [{"part": part, "name": name, "digest": None} for part, name in row.pop("models", ())]
    told = tell(RECIPE, **row, models=models or None)
    assert (told["output_terms"], told["synthetic"]) == (terms, synthetic)


def test_a_digest_tells_a_model_before_its_name() -> None:
    recipe = make_lock(teacher={**make_teacher("big", "non-commercial"), "digest": "sha256:1"})
    assert tell(recipe, teacher="other", teacher_digest="sha256:1")["output_terms"] == "non-commercial"
    assert tell(recipe, teacher="big", teacher_digest="sha256:2")["output_terms"] == "non-commercial"


def test_rows_of_a_pack_come_with_its_licence_and_terms() -> None:
    source = {
        "name": "p",
        "sha256": "e" * 64,
        "license": "mit",
        "terms": {"big": {"output": "train-any", "license": "MIT"}},
    }
    told = tell(make_lock(source=source), models=[{"part": "teacher", "name": "big", "digest": None}])
    assert told == {"license": "mit", "output_terms": "train-any", "synthetic": True}


def test_the_stricter_terms_count_where_two_models_share_a_name() -> None:
    recipe = make_lock(
        teacher=make_teacher("big", "train-any"), models={"judge": make_teacher("big", "non-commercial")}
    )
    assert list_terms(recipe)["big"].output == "non-commercial"


@pytest.mark.parametrize("column", ["license", "output_terms", "synthetic"])
def test_a_column_that_says_otherwise_is_named_with_its_row(column: str) -> None:
    rows = build_candidates([{**ROW, "draw": n, "replayable": False} for n in range(3)])
    table = RowTerms(RECIPE).add_columns(rows)
    RowTerms(RECIPE).require(table, "data/x")
    place = table.schema.get_field_index(column)
    values: list[Any] = [None, None, True if column == "synthetic" else "train-any"]
    forged = table.set_column(place, DATA_SCHEMA.field(column), [values])
    says = f"data/x: the {column} of row {rows['row_id'][2]} is not what the recipe gives"
    with pytest.raises(VerificationError, match=says):
        RowTerms(RECIPE).require(forged, "data/x")


def test_no_rows_have_the_columns_too() -> None:
    empty = build_candidates([{**ROW, "draw": 0, "replayable": False}]).slice(0, 0)
    assert RowTerms(RECIPE).add_columns(empty).schema.equals(DATA_SCHEMA)
