import subprocess
import sys
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.rows.canonical import canonical_json, canonical_text, derive_seed, digest_json

texts = st.text(st.characters(codec="utf-8"), max_size=30)
integers = st.integers(-(2**53) + 1, 2**53 - 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {"\ud800": 1}])
def test_a_value_that_json_cannot_say_exactly_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (the reference implementation words it)
        canonical_json(value)


SIMPLE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(SIMPLE)
def test_canonical_json_is_what_the_reference_writes_or_refuses(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        with pytest.raises(ValueError, match="canonical JSON"):
            canonical_json(value)
    else:
        assert canonical_json(value) == expected


def test_canonical_json_follows_the_example_of_rfc_8785_section_3_2_3() -> None:
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }

    order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
    written = canonical_text(value)
    assert sorted(order, key=written.index) == order


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_json({"a": 1, "b": [2]}) == digest_json({"b": [2], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": "1"})
    assert digest_json({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(integers, st.lists(st.integers() | texts, max_size=4))
def test_a_seed_fits_31_bits_and_is_the_same_each_time(run_seed: int, parts: list[object]) -> None:
    seed = derive_seed(run_seed, *parts)

    assert 0 <= seed < 2**31
    assert derive_seed(run_seed, *parts) == seed


def test_a_seed_is_the_same_in_another_process_and_in_every_version() -> None:
    script = "from synth_stack.rows.canonical import derive_seed; print(derive_seed(7, 'magpie', 12))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert int(done.stdout) == derive_seed(7, "magpie", 12) == 1806175309


def test_seeds_of_different_draws_differ() -> None:
    draws = {derive_seed(7, "magpie", draw) for draw in range(1000)}

    assert len(draws) == 1000
    assert derive_seed(7, "ab", "c") != derive_seed(7, "a", "bc")
    assert derive_seed(7, "magpie", 1) != derive_seed(8, "magpie", 1)
