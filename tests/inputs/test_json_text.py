"""JSON as Python and others write it: nothing that stands in the text is lost on the way."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.inputs.json_text import MAX_DIGITS, MAX_LITERAL_CHARS, parse_json, parse_list, parse_text
from tests.examples import examples

numbers = st.integers(-(10**45), 10**45) | st.floats(allow_nan=False)
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | numbers
    | st.text(st.characters(codec="utf-8"))
    | st.sampled_from(['\\":', '":']),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8")) | st.sampled_from(["a\\", '"', '\\":']), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=examples(300))
@given(
    value=values, ascii_only=st.booleans(), colon=st.sampled_from([":", ": ", " : ", "\t:", " \r\n :", "\n:"])
)
def test_what_python_writes_is_read_back_digit_by_digit(value: Any, ascii_only: bool, colon: str) -> None:
    separators = (",", colon)
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators)

    assert parse_json(text.encode()) == value
    assert parse_text(text) == value


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**38 + 7])
def test_an_integer_of_any_length_keeps_its_digits(number: int) -> None:
    assert parse_json(b'{"a": [{"id": %d}]}' % number) == {"a": [{"id": number}]}
    assert parse_json(b"%d" % number) == number


def test_nan_and_infinity_are_read_as_python_writes_them() -> None:
    read = parse_json(
        b'{"a": NaN, "b": [Infinity, -Infinity], "id": 210987654321098765432109876543210987651}'
    )

    assert str(read) == "{'a': nan, 'b': [inf, -inf], 'id': 210987654321098765432109876543210987651}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice in one object"),
        (b'{"x": [{"a": 1, "a": 1}]}', "the key 'a' stands twice in one object"),
        (b'{"a" : 1, "a": "\\":"}', "the key 'a' stands twice in one object"),
        (b'{"a"\t \n:1,"a":"\\":"}', "the key 'a' stands twice in one object"),
        (b'{"a\\\\": 1, "a\\\\": 2}', "the key 'a\\\\' stands twice in one object"),
        (b'{"a": NaN, "a": 1}', "the key 'a' stands twice in one object"),
        (b"{'a': 1}", "not JSON: "),
        (b'{"a": NaN', "not JSON: "),
        (b'{"a": NaN, "b": "\\ud800"}', "not JSON: a lone surrogate"),
        (b'{"a": "\\ud800"}', "not JSON: "),
        (b'{"a": NaN, "b": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "not JSON: nested too deep"),
        (b"\xff", "not UTF-8: byte 0 is 0xff"),
        (b'{"a": "\0"}', "holds a NUL byte"),
        (b"1" * (MAX_DIGITS + 1), "a number of 4001 digits; allowed: at most 4000"),
        (b'{"a": -' + b"1" * 5_000 + b"}", "a number of 5001 digits; allowed: at most 4000"),
    ],
)
def test_what_is_no_json_or_hides_something_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (any ValueError; its text is what is tested)
        parse_json(text)

    assert str(caught.value).startswith(reason)


def test_an_object_with_100_000_keys_twice_is_refused_at_once() -> None:
    keys = ",".join(f'"{n}":1' for n in range(100_000))
    began = time.monotonic()
    with pytest.raises(ValueError, match="the key '0' stands twice"):
        parse_json(f"{{{keys},{keys}}}".encode())
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('[{"role": "user"}]', [{"role": "user"}]),
        (" [1] ", [1]),
        (
            "[{'role': 'user', 'content': \"It's\", 'n': None}]",
            [{"role": "user", "content": "It's", "n": None}],
        ),
        ("[NaN]", None),
        ("['a', 'b'", None),
        ("[{'a': 1, 'a': 2}]", None),
        ("[__import__('os').getcwd()]", None),
        ("[{'a': 1}\n {'a': 2}]", None),
        ("[]", []),
        ('{"role": "user"}', None),
        ("a [list]", None),
        ("", None),
        ("[" * 3_000 + "]" * 3_000, None),
        ("['" + "a" * MAX_LITERAL_CHARS + "']", None),
        ("[\ud800]", None),
    ],
)
def test_a_list_in_a_text_is_read_as_json_or_as_python_wrote_it(text: str, value: list[Any] | None) -> None:
    if text == "[NaN]":
        assert str(parse_list(text)) == "[nan]"
    else:
        assert parse_list(text) == value
