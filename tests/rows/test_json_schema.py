import time
from typing import Any

import jsonschema
import pytest
import referencing
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.rows.json_schema import read_schema
from tests.examples import examples

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1},
        "days": {"type": "array", "items": {"$ref": "#/$defs/day"}, "maxItems": 7},
        "unit": {"enum": ["c", "f", None]},
    },
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"day": {"type": "integer", "minimum": 1, "maximum": 31}},
}


@pytest.mark.parametrize(
    ("value", "misfit"),
    [
        ({"city": "Oslo", "days": [1, 31.0], "unit": None}, None),
        ({"city": 7}, "$.city: type"),
        ({"city": ""}, "$.city: minLength"),
        ({}, "$: required"),
        ({"city": "Oslo", "days": [1, 32]}, "$.days[1]: maximum"),
        ({"city": "Oslo", "days": [True]}, "$.days[0]: type"),
        ({"city": "Oslo", "unit": "k"}, "$.unit: enum"),
        ({"city": "Oslo", "hour": 1}, "$.hour: false"),
        ([], "$: type"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_keyword(value: Any, misfit: str | None) -> None:
    assert read_schema(WEATHER).find_misfit(value) == misfit


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 1.5, "", "a", "ab", "b1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
COUNTS = st.integers(0, 3)
NUMBERS = st.sampled_from([-1, 0, 1, 2, 0.5, 1.0, 1.5])
NAMES = st.lists(st.sampled_from("abc"), max_size=2, unique=True)
TYPES = st.sampled_from(["null", "boolean", "object", "array", "number", "integer", "string"])
PATTERNS = st.sampled_from(["^a", "b$", "[0-9]", "a|b", ""])


def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some, named = (
        st.lists(inner, min_size=1, max_size=3),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), NUMBERS),
            "multipleOf": st.sampled_from([1, 2, 0.5, 1.5]),
            **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), COUNTS),
            **dict.fromkeys(("minProperties", "maxProperties", "minContains", "maxContains"), COUNTS),
            "uniqueItems": st.booleans(),
            "pattern": PATTERNS,
            "required": NAMES,
            "dependentRequired": st.dictionaries(st.sampled_from("abc"), NAMES, max_size=2),
            "properties": named,
            "patternProperties": st.dictionaries(PATTERNS, inner, max_size=2),
            "dependentSchemas": named,
            **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), some),
            **dict.fromkeys(("items", "additionalProperties", "propertyNames", "contains"), inner),
            **dict.fromkeys(("not", "if", "then", "else"), inner),
            "$ref": st.just("#/$defs/a"),
        },
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(st.booleans() | st.just({}), extend, max_leaves=8)


@settings(max_examples=examples(400), deadline=None)
@given(SCHEMAS, SCHEMAS, VALUES)
def test_a_value_fits_where_the_package_jsonschema_says_so(root: Any, part: Any, value: Any) -> None:
    named = part if isinstance(part, bool) else {k: v for k, v in part.items() if k != "$ref"}
    schema = {"$defs": {"a": True if "$ref" in repr(named) else named}, "allOf": [root]}
    theirs = jsonschema.Draft202012Validator(schema, registry=referencing.Registry())
    assert (read_schema(schema).find_misfit(value) is None) == theirs.is_valid(value)


@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        ({"items": [{"type": "string"}], "additionalItems": False}, ["a"], True),
        ({"items": [{"type": "string"}], "additionalItems": False}, ["a", 1], False),
        ({"items": [{"type": "string"}]}, [1], False),
        ({"minimum": 1, "exclusiveMinimum": True}, 1, False),
        ({"minimum": 1, "exclusiveMinimum": False}, 1, True),
        ({"definitions": {"d": {"type": "null"}}, "$ref": "#/definitions/d"}, 1, False),
    ],
)
def test_older_drafts_are_read_as_they_were_meant(schema: Any, value: Any, fits: bool) -> None:
    assert (read_schema(schema).find_misfit(value) is None) is fits


def test_a_schema_may_refer_to_itself_and_to_parts_with_strange_names() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}, "a/b~c": {"type": "null"}}}
    assert read_schema(tree).find_misfit({"next": {"next": {}}}) is None
    assert read_schema(tree).find_misfit({"next": {"next": 1}}) == "$.next.next: type"
    strange = {**tree, "allOf": [{"properties": {"x": {"$ref": "#/properties/a~1b~0c"}}}]}
    assert read_schema(strange).find_misfit({"x": 1}) == "$.x: type"


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("string", "str stands where a schema should be"),
        ({"type": "dict"}, "its type is none that there is: 'dict'"),
        ({"type": []}, "its type is none"),
        ({"properties": []}, "its properties is list, not dict"),
        ({"required": True}, "its required is bool, not list"),
        ({"required": [1]}, "its required is no list of names"),
        ({"properties": {"a": {"type": 1}}}, "its type is none that there is: '1'"),
        ({"minLength": -1}, "its minLength is no count"),
        ({"maximum": "9"}, "its maximum is no number"),
        ({"multipleOf": 0}, "its multipleOf is no number that it can be"),
        ({"enum": 1}, "its enum is int, not list"),
        ({"anyOf": {}}, "its anyOf is dict, not list"),
        ({"$ref": "https://example.com/schema"}, "it refers to something outside of it"),
        ({"$ref": "#anchor"}, "it refers to something outside of it"),
        ({"$ref": "#/$defs/none"}, "and there is no such part"),
        ({"$ref": "#/allOf/9", "allOf": [{}]}, "and there is no such part"),
        ({"$defs": {"a": 1}, "$ref": "#/$defs/a"}, "int stands where a schema should be"),
    ],
)
def test_what_is_no_schema_is_refused_with_the_reason(schema: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("$", r"\$")):
        read_schema(schema)


def test_keywords_that_there_are_not_are_passed_over() -> None:
    assert read_schema({"city": {"type": "str"}, "format": "date", "title": 3}).find_misfit([]) is None


def nest(depth: int, inner: Any, key: str = "not") -> Any:
    for _ in range(depth):
        inner = {key: inner}
    return inner


def test_what_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(ValueError, match="deeper than 40"):
        read_schema(nest(200, {}))
    with pytest.raises(ValueError, match="deeper than 40"):
        read_schema({"const": nest(200, {})})
    with pytest.raises(ValueError, match="deeper than 40"):
        read_schema({}).find_misfit(nest(200, {}))


def both(pointer: str) -> Any:
    return {"allOf": [{"$ref": pointer}, {"$ref": pointer}]}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#"}, 1),
        (
            {
                "$defs": {str(k): both(f"#/$defs/{k + 1}") for k in range(30)} | {"30": {}},
                **both("#/$defs/0"),
            },
            1,
        ),
        ({"items": {"enum": [[k] for k in range(500)]}}, [[k] for k in range(30_000)]),
        ({"allOf": [{"uniqueItems": True}] * 100}, [{"a": k} for k in range(2_000)]),
        ({"allOf": [{"items": True}] * 1_000}, [0] * 1_000),
    ],
)
def test_work_without_end_is_cut_short(schema: Any, value: Any) -> None:
    read = read_schema(schema)
    start = time.perf_counter()
    with pytest.raises(ValueError, match="it takes more than"):
        read.find_misfit(value)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*$", r"^(\w+\s?)*$"])
def test_a_pattern_takes_linear_time(pattern: str) -> None:
    start = time.perf_counter()
    assert read_schema({"pattern": pattern}).find_misfit("a" * 50_000 + "!") == "$: pattern"
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "[", "(a{900}){900}", "a{99999999999}"])
def test_a_pattern_that_cannot_be_read_in_linear_time_is_not_checked(pattern: str) -> None:
    assert read_schema({"pattern": pattern}).find_misfit("x") is None
    closed = read_schema({"patternProperties": {pattern: False}, "additionalProperties": False})
    assert closed.find_misfit({"x": 1}) is None
