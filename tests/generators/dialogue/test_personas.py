"""The persona file: read whole, or refused in one sentence that names the place."""

import json
import os
from pathlib import Path

import pytest

from synth_stack.errors import ConfigError, InputError, UsageError
from synth_stack.generators.dialogue.personas import (
    MAX_FILE_BYTES,
    MAX_PERSONAS,
    PersonaFile,
    digest_personas,
    read_personas,
)

RUTH = {"name": "Ruth Alder", "product": "Doorbell D1", "date": "2 May 2026", "tone": "brief"}
OMAR = {"name": "Omar Diaz", "product": "Lock L2", "date": "2026-06-14", "tone": "polite"}


def source(path: Path, content: str | bytes) -> PersonaFile:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return PersonaFile(path=str(path))


def test_a_yaml_list_and_json_lines_give_the_same_personas(tmp_path: Path) -> None:
    lines = source(tmp_path / "p.jsonl", f"{json.dumps(RUTH)}\n\n{json.dumps(OMAR)}\n")
    listed = source(
        tmp_path / "p.yaml",
        "- {name: Ruth Alder, product: Doorbell D1, date: 2 May 2026, tone: brief}\n"
        "- {name: Omar Diaz, product: Lock L2, date: 2026-06-14, tone: polite}\n",
    )
    assert read_personas(lines) == read_personas(listed)
    assert [persona.model_dump() for persona in read_personas(listed)] == [RUTH, OMAR]
    assert digest_personas(read_personas(lines)) == digest_personas(read_personas(listed))


def test_another_fact_or_another_order_has_another_digest(tmp_path: Path) -> None:
    digests = {
        digest_personas(read_personas(source(tmp_path / "p.jsonl", "\n".join(map(json.dumps, personas)))))
        for personas in ([RUTH, OMAR], [OMAR, RUTH], [RUTH], [{**RUTH, "tone": "curt"}, OMAR])
    }
    assert len(digests) == 4


@pytest.mark.parametrize("field", RUTH)
def test_a_missing_field_is_named_with_file_and_place(field: str, tmp_path: Path) -> None:
    lacking = {name: value for name, value in OMAR.items() if name != field}
    path = tmp_path / "p.jsonl"
    with pytest.raises(UsageError) as caught:
        read_personas(source(path, f"{json.dumps(RUTH)}\n{json.dumps(lacking)}\n"))
    assert str(caught.value) == f"{path}: line 2: {field} is missing"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"date": "last spring"}, "is not a day such as 3 May"),
        ({"date": "31 June"}, "is not a day such as 3 May"),
        ({"date": "3/5/2026"}, "is not a day such as 3 May"),
        ({"date": 3}, "date is not usable"),
        ({"name": ""}, "name is not usable"),
        ({"name": "Omar\nAgent: hi"}, "one line of text"),
        ({"name": " Omar"}, "one line of text"),
        ({"name": "Omar\u202eziD"}, "one line of text"),
        ({"name": "Ruth Alder"}, "the name stands already in line 1"),
        ({"product": ["Lock"]}, "product is not usable"),
        ({"product": "x" * 121}, "product is not usable"),
        ({"tone": "very " * 80}, "tone is not usable"),
        ({"mood": "brief"}, "mood is not a known key"),
    ],
)
def test_a_wrong_field_is_refused_in_one_sentence(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        read_personas(
            source(tmp_path / "p.jsonl", f"{json.dumps(RUTH)}\n{json.dumps({**OMAR, **changes})}\n")
        )
    assert message in str(caught.value)
    assert "line 2" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.yaml", "", "is not a list of personas"),
        ("p.yaml", "[]", "holds no personas"),
        ("p.yaml", "name: Ruth", "is not a list of personas; seen: dict"),
        ("p.yaml", "- Ruth", "persona 1 is not usable"),
        ("p.yaml", "- &a {name: Ruth}\n- *a", "aliases are not allowed"),
        ("p.yaml", "- !!python/object/apply:os.system [id]", "is not YAML"),
        ("p.yaml", "[" * 5000, "is not YAML"),
        ("p.yaml", b"- {name: \xff}", "is not UTF-8"),
        ("p.yaml", f"# {'x' * MAX_FILE_BYTES}", "is too large"),
        ("p.jsonl", "", "holds no personas"),
        ("p.jsonl", "{", "line 1: not JSON"),
        ("p.jsonl", "[1]", "line 1: not an object"),
        ("p.csv", "name,product\n", "is of a kind that is not read"),
        ("p", "x", "is of a kind that is not read; seen: no suffix"),
    ],
)
def test_a_file_that_is_no_list_of_personas_is_refused(
    name: str, content: str | bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        read_personas(source(tmp_path / name, content))
    assert message in str(caught.value)
    assert name in str(caught.value)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in ("pipe.yaml", "nowhere.yaml", "folder.yaml"):
        (tmp_path / "folder.yaml").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="is not a file"):
            read_personas(PersonaFile(path=str(tmp_path / name)))


def test_more_personas_than_anybody_needs_are_refused(tmp_path: Path) -> None:
    many = [{**RUTH, "name": f"Ruth {k}"} for k in range(MAX_PERSONAS + 1)]
    with pytest.raises(InputError, match="too many personas"):
        read_personas(source(tmp_path / "p.jsonl", "\n".join(map(json.dumps, many))))


def test_a_date_with_a_time_is_not_a_day(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="persona 1: date is not usable"):
        read_personas(
            source(tmp_path / "p.yaml", "- {name: A, product: B, tone: C, date: 2026-06-14 10:00:00}")
        )
