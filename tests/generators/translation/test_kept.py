"""What a translation must not lose."""

import pytest

from synth_stack.generators.translation.kept import find_lost


@pytest.mark.parametrize(
    ("source", "translation", "lost"),
    [
        ("It costs 1,000.50 since 9.30.", "Es kostet 1.000,50 seit 9:30.", []),
        ("It costs 1,000.", "Es kostet 1000.", []),
        ("It costs 1 000 crowns.", "It costs 1000 crowns.", []),
        ("Order 4711 and 4711 again.", "Auftrag 4711, noch einmal.", ["4711"]),
        ("Run `reset` and ```\nx = 1\n```", "Starte `reset` und ```\nx = 2\n```", ["```\nx = 1\n```"]),
        ("Write to a.b@shop.example.", "Schreibe an a.b@laden.example.", ["a.b@shop.example"]),
        ("See https://shop.example/a?b=1.", "Siehe https://shop.example/a?b=1!", []),
        ("Dear {{ name }}, <b>, %s, {x}", "Liebe {{ name }}, <b>, {x}", ["%s"]),
        ("The Hub is off.", "Die Zentrale ist aus.", ["Hub"]),
        ("The lamp is off.", "Die Lampe ist aus.", []),
    ],
)
def test_what_is_lost_is_named(source: str, translation: str, lost: list[str]) -> None:
    assert find_lost(source, translation, ["Hub"]) == lost
