"""YAML as configuration: what is refused, and in which words."""

import pytest

from synth_stack.errors import ConfigError
from synth_stack.inputs.strict_yaml import parse_yaml


def refuse(text: str, *, where: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, where=where)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("text", ['!!int ""', "!!bool maybe", "!!timestamp soon", "!!float x", "9" * 5000])
def test_what_the_yaml_library_trips_over_is_still_one_sentence(text: str) -> None:
    message = refuse(f"a: {text}", where="gates.yaml")

    assert message.startswith("gates.yaml is not YAML that can be read: ")


def test_an_alias_bomb_and_deep_nesting_end_at_once() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}]\n" for i in range(9))

    assert refuse(bomb, where="x").endswith("aliases are not allowed")
    assert refuse("[" * 5_000, where="x").startswith(
        "x is not YAML that can be read: maximum recursion depth exceeded"
    )


def test_a_key_that_stands_twice_is_refused_with_its_place() -> None:
    said = refuse("a: 1\nb:\n  c: 1\n  c: 2\n", where="gates.yaml")

    assert said.startswith("gates.yaml: line 4, column 3 is not YAML: the key 'c' stands twice")


def test_plain_yaml_is_its_value() -> None:
    assert parse_yaml("a: [1, two, null, 2.5, true]", where="x") == {"a": [1, "two", None, 2.5, True]}
