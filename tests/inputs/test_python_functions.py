"""Functions become schemas without being run."""

import re

import pytest

from synth_stack.inputs.python_functions import read_functions

TEXT = '''
"""A module."""
import os, nothing_of_that_name
raise SystemExit("run")

def price(weight_kg: float, zone: "int" = 1, *, express: bool = False, note: str | None = None) -> dict:
    """The price
    of a parcel.

    More about it.

    Args:
        weight_kg (float): Its weight.
        zone: 1 to 5.

    Returns:
        euros: no parameter.
    """

def _private(a): ...

class Other:
    def method(self): ...
'''


def test_a_function_is_read_from_its_signature_and_docstring() -> None:
    [tool] = read_functions(TEXT)
    assert tool["name"] == "price"
    assert tool["description"] == "The price of a parcel."
    assert tool["returns"] == {"type": "object"}
    assert tool["parameters"] == {
        "type": "object",
        "properties": {
            "weight_kg": {"type": "number", "description": "Its weight."},
            "zone": {"type": "integer", "description": "1 to 5.", "default": 1},
            "express": {"type": "boolean", "default": False},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "required": ["weight_kg"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("list[str]", {"type": "array", "items": {"type": "string"}}),
        ("dict[str, list[int]]", {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}}),
        ("Literal['a', 2]", {"enum": ["a", 2]}),
        ("typing.Optional[float]", {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        ("Union[int, str]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("Annotated[str, 'A city.']", {"type": "string", "description": "A city."}),
        ("Any", {}),
        ("int | Shop", {}),
        ("list[Shop]", {"type": "array", "items": {}}),
        ("'not an [annotation'", {}),
    ],
)  # fmt: skip
def test_annotations_say_what_json_can_say(annotation: str, schema: object) -> None:
    [tool] = read_functions(f"def f(a: {annotation}): ...")
    assert tool["parameters"]["properties"]["a"] == schema


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(:", "no Python"),
        ("def f(*args): ...", "the function f takes arguments that have no name"),
        ("def f(a, /): ...", "the function f takes arguments that have no name"),
        ("async def f(a): ...", "the function f is asynchronous"),
        ("x = " + "(" * 5_000, "no Python"),
        ("def f(a: " + "list[" * 60 + "int" + "]" * 60 + "): ...", "an annotation is nested too deeply"),
    ],
)
def test_what_cannot_be_called_by_name_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_functions(text)
