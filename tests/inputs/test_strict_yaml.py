"""YAML as configuration: what is refused, and in which words."""

import os
from pathlib import Path

import pytest

from synth_stack.errors import ConfigError
from synth_stack.inputs.strict_yaml import parse_yaml, read_yaml


def refuse(text: str, *, where: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, where=where)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("text", ['!!int ""', "!!bool maybe", "!!timestamp soon", "!!float x"])
def test_what_the_yaml_library_trips_over_is_still_one_sentence(text: str) -> None:
    message = refuse(f"a: {text}", where="gates.yaml")

    assert message.startswith("gates.yaml is not YAML that can be read: ")


def test_an_alias_bomb_and_deep_nesting_end_at_once() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}]\n" for i in range(9))

    assert refuse(bomb, where="x").endswith("aliases are not allowed")
    assert refuse("[" * 5_000, where="x") == "x: line 1, column 101 is not YAML: values more than 100 deep"


def test_more_values_than_any_configuration_has_end_at_once() -> None:
    assert "more than 100000 values" in refuse("[" + "[]," * 1_300_000 + "]", where="x")


@pytest.mark.parametrize(
    "number", ["9" * 4_000_000, "1_" * 2_000_000, "-0x" + "f" * 4_000_000, "1" * 500 + ".5"]
)
def test_a_number_of_many_digits_is_refused_before_it_is_computed(number: str) -> None:
    assert refuse(f"a: {number}", where="x") == "x: line 1, column 4 is not YAML: a number is too long"


@pytest.mark.parametrize("text", ["1:30", "190:20:30", "1:30.5", ":".join(["59"] * 1_000_000)])
def test_a_number_in_sixties_is_a_text(text: str) -> None:
    assert parse_yaml(f"a: {text}", where="x") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-17", -17),
        ("1_000", 1000),
        ("0x1f", 31),
        ("0b11", 3),
        ("017", 15),
        ("1.5", 1.5),
        ("1.0e-05", 1e-05),
        ("-.5", "-.5"),
        (".inf", float("inf")),
        ("1e5", "1e5"),
        ("2026-11-30x", "2026-11-30x"),
    ],
)
def test_numbers_are_read_as_they_were(text: str, value: object) -> None:
    assert parse_yaml(f"a: {text}", where="x") == {"a": value}


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gates.yaml")
    with pytest.raises(ConfigError, match=r"gates\.yaml cannot be read: it is a pipe or a device"):
        read_yaml(tmp_path / "gates.yaml")
    with pytest.raises(ConfigError, match="it is a folder"):
        read_yaml(tmp_path)


def test_a_key_that_stands_twice_is_refused_with_its_place() -> None:
    said = refuse("a: 1\nb:\n  c: 1\n  c: 2\n", where="gates.yaml")

    assert said.startswith("gates.yaml: line 4, column 3 is not YAML: the key 'c' stands twice")


def test_plain_yaml_is_its_value() -> None:
    assert parse_yaml("a: [1, two, null, 2.5, true]", where="x") == {"a": [1, "two", None, 2.5, True]}
