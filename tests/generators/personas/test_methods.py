"""Personas go from texts to those near them and to what they would ask, into a verified pack."""

import json
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.inputs.recipe import load_recipe
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts

SHIPPED = Path(__file__).parents[3] / "pipelines" / "personas" / "recipe.yaml"
FIRST = "A night nurse who wires her own house and trusts no manual."
NEAR = "A retired clockmaker next door who mends what others throw away."
FAR = "A schoolgirl of twelve who carries the clockmaker's shopping and films it."


def load(method: dict[str, Any] | None = None, said: dict[str, list[str]] | None = None) -> Any:
    told = {
        "likely to read": [FIRST],
        f"(?s){FIRST}.*close relationship": [NEAR],
        f"(?s){NEAR}.*close relationship": [FAR],
        f"(?s){FIRST}.*Write one message": ["Which wire of the doorbell may I cut at night?"],
        f"(?s){NEAR}.*Write one message": ["Can I solder a new battery into your old camera?"],
        f"(?s){FAR}.*Write one message": ["May my camera film the stairs of our school?"],
    }
    rules = [{"match": match, "replies": replies} for match, replies in {**(said or {}), **told}.items()]
    changes = {
        "teacher": {"use": "scripted", "model": "writer", "rules": rules},
        "generate.candidates": 18,
    }
    return load_recipe(SHIPPED, changes | ({"generate.methods": [method]} if method else {}))


def read_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def read_personas(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(row["extra"])["persona"] for row in read_rows(folder)]


def test_personas_of_every_distance_ask_in_a_verified_pack(tmp_path: Path) -> None:
    result = synth_stack.run(load(), tmp_path / "run")
    verify_pack(result.pack.path)
    personas = read_personas(result.folder)
    chains = {(*told["before"], told["text"]) for told in personas}
    assert chains == {(FIRST,), (FIRST, NEAR), (FIRST, NEAR, FAR)}
    assert all(told["hops"] == len(told["before"]) for told in personas)
    asked = {row["messages"][0]["content"] for row in read_rows(result.folder)}
    assert len(asked) == 3


def test_a_seed_that_is_a_persona_is_taken_as_it_is(tmp_path: Path) -> None:
    recipe = load({"use": "persona_instruct", "source": "personas", "hops": 0})
    folder = synth_stack.generate(recipe, tmp_path / "run")
    seeds = {" ".join(seed.split()) for seed in _read_seeds(folder)}
    assert {told["text"] for told in read_personas(folder)} <= seeds
    assert all("persona_from_text" not in row["template_id"] for row in read_rows(folder))


def _read_seeds(folder: Path) -> list[str]:
    import pyarrow.parquet as pq

    texts: list[str] = pq.read_table(folder / "seeds" / "seeds.parquet")["text"].to_pylist()
    return texts


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("A busy person.", "persona_0: a persona of fewer than 4 words is nobody in particular"),
        (
            "Somebody who likes to read the text at night.",
            "persona_0: it speaks of the text, not of a person",
        ),
    ],
)
def test_a_persona_that_is_none_fails_its_row(tmp_path: Path, reply: str, reason: str) -> None:
    rows = read_rows(synth_stack.generate(load(said={"likely to read, write": [reply]}), tmp_path / "run"))
    assert {row["failure"] for row in rows} == {reason}


def test_a_persona_that_leads_back_to_itself_fails_its_row(tmp_path: Path) -> None:
    rows = read_rows(
        synth_stack.generate(load(said={"is in a close relationship": [FIRST]}), tmp_path / "run")
    )
    failures = {row["failure"] for row in rows}
    assert failures == {None, "persona_1: it is the person whom it was to lead on from"}
