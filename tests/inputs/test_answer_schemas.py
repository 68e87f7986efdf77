"""Schemas are read one, listed or by name, and a file that holds none is refused in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from synth_stack.errors import InputError
from synth_stack.inputs.answer_schemas import SchemaFile, SchemaList, read_schemas

ONE = {"type": "object", "properties": {"a": {"type": "string"}}}


class Address(BaseModel):
    street: str


class Customer(BaseModel):
    name: str
    address: Address


def read(folder: Path, said: Any, name: str = "schemas.json") -> SchemaList:
    (folder / name).write_text(said if isinstance(said, str) else json.dumps(said), encoding="utf-8")
    return read_schemas(SchemaFile(path=str(folder / name)))


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (ONE, ["schemas"]),
        ({**ONE, "title": "A thing"}, ["A_thing"]),
        ([ONE, {**ONE, "title": "Other"}], ["schemas_1", "Other"]),
        ({"first": ONE, "second": ONE}, ["first", "second"]),
        (Customer.model_json_schema(), ["Customer"]),
    ],
)
def test_schemas_are_read_in_every_form(said: Any, names: list[str], tmp_path: Path) -> None:
    assert [each.name for each in read(tmp_path, said).schemas] == names


def test_yaml_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "thing: {type: object}\n", "schemas.yaml").schemas[0].name == "thing"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("{", "no JSON"),
        ("7", "neither a mapping nor a list"),
        ([], "it has 0 schemas"),
        ([{**ONE, "title": "a"}] * 2, "of different names"),
        ({"a": 7}, "a is no schema of an object"),
        ({"a": {"type": "array"}}, "a is no schema of an object"),
        ({"a": {"$ref": "https://elsewhere.example/schema"}}, "a is no JSON schema"),
        ({"a": {"properties": {"b": {"$ref": "#/nothing"}}}}, "a is no JSON schema"),
        ({"a": {"type": "object", "description": "x" * 70_000}}, "at most 65536 are read"),
        ('{"a": ' * 5_000, "holds no JSON schemas"),
    ],
)
def test_a_file_that_holds_none_is_refused(said: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, said)
    assert reason in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
