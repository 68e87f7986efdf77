"""Values cross by exact type, and what no encoder writes is refused and builds nothing."""

import collections
import datetime
import decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.sandbox.values import Decoder, Encoder, ForeignValueError
from tests.examples import examples

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.integers())
        | st.sets(st.text())
    ),
    max_leaves=20,
)


class NoHandles:
    def describe(self, value: Any, encoder: Encoder) -> Any:
        raise TypeError("not copied")

    def resolve(self, code: list[Any], decoder: Decoder) -> Any:
        raise ForeignValueError("no handle")


def cross(value: Any) -> Any:
    return Decoder(NoHandles()).decode(Encoder(NoHandles()).encode(value))


@settings(max_examples=examples(60))
@given(VALUES)
def test_a_value_arrives_as_it_was(value: Any) -> None:
    arrived = cross(value)

    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        True,
        2**4000,
        bytearray(b"x"),
        collections.Counter("aab"),
        datetime.date(2024, 2, 29),
        decimal.Decimal("-0.10"),
    ],
)
def test_the_type_is_kept(value: Any) -> None:
    assert type(cross(value)) is type(value)
    assert repr(cross(value)) == repr(value)


def test_one_container_in_two_places_stays_one() -> None:
    shared: list[int] = []
    first, second = cross([shared, {"a": shared}])

    assert first is second["a"]


def test_a_container_that_holds_itself_arrives() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    arrived = cross(loop)

    assert arrived[1] is arrived


@pytest.mark.parametrize(
    "subclass", [type("Int", (int,), {}), type("Str", (str,), {}), type("List", (list,), {})]
)
def test_an_object_of_a_subclass_is_never_copied(subclass: type) -> None:
    with pytest.raises(TypeError):
        Encoder(NoHandles()).encode(subclass())


@pytest.mark.parametrize(
    "code",
    [
        [],
        ["l"],
        ["l", 3],
        ["d", [[1]]],
        ["s", [["l", []]]],
        ["&", 0],
        ["&", "x"],
        ["i", "zz"],
        ["T", "print"],
        ["T", "__import__"],
        ["x", "datetime", "now", 0],
        ["x", "system", "ls"],
        ["D", [], ["T", "eval"]],
        ["S", 1, 2, 3, 4],
        [None],
        [["l"]],
        {"l": []},
    ],
)
def test_a_code_that_no_encoder_writes_is_refused(code: Any) -> None:
    with pytest.raises(ForeignValueError):
        Decoder(NoHandles()).decode(code)


@settings(max_examples=examples(100))
@given(
    st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4))
)
def test_whatever_is_sent_is_a_value_or_refused(code: Any) -> None:
    try:
        Decoder(NoHandles()).decode(code)
    except ForeignValueError:
        return
