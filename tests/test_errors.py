import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack import errors
from synth_stack.errors import (
    BlindGate,
    ConfigError,
    GateError,
    InputError,
    MissingExtra,
    ModelError,
    RunMismatch,
    SandboxError,
    ServerError,
    SigningError,
    StoreError,
    SynthStackError,
    TeacherError,
    UnfairGate,
    UntrustedGate,
    UsageError,
    VerificationError,
    WorkError,
)

USAGE = [ConfigError, InputError, ModelError, MissingExtra, SandboxError, RunMismatch]
WORK = [
    TeacherError,
    StoreError,
    GateError,
    UntrustedGate,
    BlindGate,
    UnfairGate,
    ServerError,
    SigningError,
    VerificationError,
]


@pytest.mark.parametrize("kind", USAGE)
def test_what_the_caller_can_mend_exits_with_2(kind: type[SynthStackError]) -> None:
    assert issubclass(kind, UsageError)
    assert kind("x").exit_code == 2


@pytest.mark.parametrize("kind", WORK)
def test_work_that_failed_exits_with_1(kind: type[SynthStackError]) -> None:
    assert issubclass(kind, WorkError)
    assert kind("x").exit_code == 1


def test_the_tree_in_the_docstring_names_every_error_and_no_other() -> None:
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, SynthStackError)
    }
    drawn = {line.strip("│├└─ ").split(" ")[0] for line in (errors.__doc__ or "").splitlines()}

    assert classes == {name for name in drawn if name.endswith(("Error", "Extra", "Mismatch", "Gate"))}
    assert classes == {kind.__name__ for kind in [*USAGE, *WORK, SynthStackError, UsageError, WorkError]}


def test_a_message_says_what_was_seen_what_is_allowed_and_how_to_mend_it() -> None:
    error = ConfigError("threshold is out of range", seen=1.5, allowed="0 to 1", mend="Lower it.")

    assert str(error) == "threshold is out of range; seen: 1.5; allowed: 0 to 1. Lower it."
    assert str(ConfigError("a key is missing")) == "a key is missing"


@pytest.mark.parametrize("seen", [0, False, "", []])
def test_a_seen_value_that_counts_as_false_is_still_shown(seen: object) -> None:
    assert str(InputError("wrong", seen=seen)).startswith("wrong; seen: ")


def test_a_long_value_is_cut_and_control_characters_cannot_reach_a_terminal() -> None:
    error = InputError("wrong\x1b[2J", seen="\x1b]0;owned\x07" + "x" * 500)

    assert str(error).startswith("wrong�[2J; seen: �]0;owned�x")
    assert str(error).endswith("x…")
    assert len(str(error).partition("seen: ")[2]) == 120


@given(st.text(), st.text())
def test_a_message_is_one_printable_line_whatever_it_quotes(what: str, seen: str) -> None:
    message = str(InputError(what, seen=seen))

    assert message.isprintable()
    assert len(message.splitlines()) <= 1


def test_a_quoted_message_of_several_lines_becomes_one() -> None:
    assert str(StoreError("x is torn: thrift failed\n  in page 3\n")) == "x is torn: thrift failed in page 3"


@pytest.mark.parametrize("kind", [*USAGE, *WORK])
def test_an_error_crosses_a_process_boundary_whole(kind: type[SynthStackError]) -> None:
    error = kind("what", seen=3, allowed="1 or 2", mend="Choose one.")

    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert (twin.what, twin.seen, twin.allowed, twin.mend) == ("what", 3, "1 or 2", "Choose one.")


def test_what_does_not_print_is_replaced_wherever_a_text_is_shown() -> None:
    hostile = "a\x1b[2Jb\u202ec\nd"

    assert errors.replace_unprintable(hostile) == "a\ufffd[2Jb\ufffdc\ufffdd"
    assert errors.replace_unprintable(hostile, keep="\n") == "a\ufffd[2Jb\ufffdc\nd"
    assert errors.replace_unprintable(hostile, mark="?") == "a?[2Jb?c?d"


def test_a_sentence_that_was_seen_keeps_its_one_full_stop() -> None:
    error = ConfigError("the teacher refuses: I cannot help.", mend="Ask another one.")
    assert str(error) == "the teacher refuses: I cannot help. Ask another one."
    assert str(ConfigError("a", seen="Slow down.", mend="Wait.")) == "a; seen: Slow down. Wait."
    assert str(ConfigError("a", seen="b", mend="Wait.")) == "a; seen: b. Wait."


def test_what_a_file_names_without_end_is_cut() -> None:
    told = str(InputError("x" * 100_000, allowed=", ".join(f"c{n}\u202e" for n in range(100_000))))
    assert len(told) < 4_100
    assert told.isprintable()
