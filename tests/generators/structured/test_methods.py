"""Texts are read into schemas from a recipe to a verified pack, and what does not fit fails."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import disable_progress_bars, load_dataset

import synth_stack
from synth_stack.errors import InputError
from synth_stack.inputs.recipe import load_recipe
from synth_stack.packs.export import export_pack
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from tests.openai_server import MODEL, serve

Row = dict[str, Any]
SHIPPED = Path(__file__).parents[3] / "pipelines" / "structured_output"
BOOKING = {"name": "Lena Kraus", "guests": 6, "day": "Friday", "meal": "dinner", "wishes": []}
COMPLAINT = {"name": None, "about": "room", "amount": None, "quote": "the window does not close"}
READ = "Write the JSON that fits the schema"


def script(*rules: tuple[str, str]) -> Row:
    """A model that reads one message into each schema; `rules` come before what it says of itself."""
    written = "Lena Kraus here: six, or 6, of us for dinner on Friday, and the window does not close."
    own = [
        (f'(?s)"guests".*{READ}', json.dumps(BOOKING)),
        (f'(?s)"amount".*{READ}', f"```json\n{json.dumps(COMPLAINT)}\n```"),
        ("Write another message of this kind", written),
    ]
    return {
        "use": "scripted",
        "rules": [{"match": match, "replies": [reply]} for match, reply in [*rules, *own]],
    }


def load(teacher: Row, *, candidates: int = 8, **method: Any) -> Any:
    schemas = {"schemas": {"path": str(SHIPPED / "schemas.json")}}
    return load_recipe(
        SHIPPED / "recipe.yaml",
        {
            "teacher": teacher,
            "generate.candidates": candidates,
            "generate.methods": [{"use": "structured_output", **schemas, **method}],
        },
    )


def make(folder: Path, teacher: Row, **said: Any) -> list[Row]:
    out = synth_stack.generate(load(teacher, **said), folder / "run")
    return [row for table in read_parts(out / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def test_answers_that_fit_are_packed_verified_loaded_and_exported(tmp_path: Path) -> None:
    result = synth_stack.run(load(script(), texts="written"), tmp_path / "run")
    verify_pack(result.pack.path)
    disable_progress_bars()
    rows = list(load_dataset(str(result.pack.path), split="train", cache_dir=str(tmp_path / "cache")))
    assert rows
    for row in rows:
        system, user, assistant = row["messages"]
        told = json.loads(row["extra"])["json_answer"]
        assert json.dumps(told["schema"]["required"][0]) in system["content"]
        assert user["content"].startswith("Lena Kraus here")
        assert json.loads(assistant["content"]) in (BOOKING, COMPLAINT)
    export_pack(result.pack.path, tmp_path / "out.jsonl", format="alpaca")
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == len(rows)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I cannot do that.", "answer: no JSON: Expecting value at character 0"),
        ('{"name": 1, "name": 2}', "answer: a member is named twice"),
        ("{}", "answer: it does not fit the schema "),
        ('{"name": "\\ud800"}', "answer: no JSON: a lone surrogate"),
    ],
)
def test_a_reply_that_does_not_fit_fails_its_row(reply: str, reason: str, tmp_path: Path) -> None:
    failures = {row["failure"] for row in make(tmp_path, script((READ, reply)), candidates=2)}
    assert all(str(failure).startswith(reason) for failure in failures), failures


@pytest.mark.parametrize("field", ["response_format", "json_object", "guided_json", "json_schema", None])
def test_a_server_is_sent_the_schema_as_it_takes_one(
    field: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve() as server:
        teacher = {"use": "http", "base_url": server.base_url, "model": MODEL, "schema_field": field}
        make(tmp_path, teacher, candidates=1)
        [body] = [asked.body for asked in server.asked if READ in str(asked.body)]
    sent = {name: body[name] for name in ("response_format", "guided_json", "json_schema") if name in body}
    if field == "response_format":
        said = sent["response_format"]["json_schema"]
        assert sent["response_format"]["type"] == "json_schema"
        assert said["strict"] is True
        assert said["schema"]["type"] == "object"
    elif field == "json_object":
        assert sent == {"response_format": {"type": "json_object"}}
    else:
        assert list(sent) == ([] if field is None else [field])


def test_a_file_that_holds_no_schemas_is_refused_before_the_first_prompt(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("[]")
    with pytest.raises(InputError, match=r"no\.json holds no JSON schemas"):
        make(tmp_path, script(), schemas={"path": str(tmp_path / "no.json")})
