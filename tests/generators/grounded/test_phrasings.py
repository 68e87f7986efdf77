"""Phrasings: what a phrase may say, and one sentence for what it may not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from synth_stack.errors import ConfigError
from synth_stack.generators.grounded.phrasings import MAX_DEPTH, read_phrasings
from synth_stack.teachers.grammar import list_texts

SLICE = "lamps/broken"
BASE: dict[str, Any] = {"slices": {SLICE: {"asks": ["Can I send {thing} back(| by post)?"]}}}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "phrasings.yaml"
    path.write_text(yaml.safe_dump({**BASE, "slots": {"thing": ["the lamp", "a bulb"]}, **changes}))
    return path


def read_texts(folder: Path, phrase: str, **changes: Any) -> set[str]:
    found = read_phrasings(write(folder, slices={SLICE: {"asks": [phrase]}}, **changes))
    return set(list_texts(found.slices[SLICE].asks[0]))


def test_a_phrase_holds_choices_within_choices_slots_and_marks_that_are_meant(tmp_path: Path) -> None:
    assert read_texts(tmp_path, "Is it (on|o(f|n)f|) {thing}\\?") == {
        f"Is it {state} {thing}?" for state in ("on", "off", "onf", "") for thing in ("the lamp", "a bulb")
    }
    assert read_texts(tmp_path, "a \\(b\\|c\\) \\{d\\}") == {"a (b|c) {d}"}


def test_a_message_is_put_together_as_its_form_says(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        slices={SLICE: {"asks": ["Why?", "How?"], "situations": ["It is dark.", "It hums."]}},
        openings=["Hi."],
        closings=["Thanks."],
        forms=["{opening} {ask} {closing}", "{situation} {ask}"],
    )
    found = read_phrasings(path)
    assert set(list_texts(found.message(SLICE, 0, 1))) == {"Hi. How? Thanks."}
    assert set(list_texts(found.message(SLICE, 1, 0))) == {"It is dark. Why?", "It hums. Why?"}


def test_a_piece_that_there_is_none_of_is_left_out_with_its_blank(tmp_path: Path) -> None:
    found = read_phrasings(write(tmp_path, slices={SLICE: {"asks": ["Why?"]}}))
    assert set(list_texts(found.message(SLICE, 0, 0))) == {"Why?"}


def test_the_digest_is_that_of_what_is_said_and_not_of_its_layout(tmp_path: Path) -> None:
    first = read_phrasings(write(tmp_path)).digest
    path = write(tmp_path)
    path.write_text("# a comment\n" + path.read_text())
    assert read_phrasings(path).digest == first
    assert read_phrasings(write(tmp_path, openings=["Hi."])).digest != first


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        ("a (b|c", "a choice is not closed"),
        ("a b)", "closes or parts nothing"),
        ("a | b", "closes or parts nothing"),
        ("send {nothing} back", "there is no slot 'nothing'"),
        ("send {thing", "there is no slot"),
        ("  ", "it is empty"),
        ("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1), "choices within choices"),
    ],
)
def test_a_phrase_that_is_none_is_refused_with_its_place(tmp_path: Path, phrase: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_texts(tmp_path, phrase)
    assert f"slices.{SLICE}.asks[0]" in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"forms": ["{situation}"]}, "is not a form"),
        ({"forms": ["{ask} {ask}"]}, "is not a form"),
        ({"forms": ["please {ask}"]}, "is not a form"),
        ({"slots": {"ask": ["x"], "thing": ["y"]}}, "has the name of a piece"),
        ({"slices": {SLICE: {"asks": []}}}, "asks"),
        ({"slices": {}}, "slices"),
        ({"slices": {SLICE: {"asks": ["x"], "answers": ["y"]}}}, "answers"),
        ({"slices": {SLICE: {"asks": [7]}}}, "asks"),
        ({"slices": {SLICE: {"asks": ["x" * 401]}}}, "asks"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason.replace("(", r"\(")):
        read_phrasings(write(tmp_path, **changes))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_phrasings(tmp_path / "none.yaml")
