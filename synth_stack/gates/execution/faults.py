"""What is wrong with a code pair: before it is run, and by what came of its run."""

from dataclasses import dataclass

from synth_stack.rows.code_pairs import CodePair, find_fault, parse_source
from synth_stack.sandbox.room import Outcome

WEAK_TESTS, NO_MUTANTS = "weak_tests", "no_mutants"

_REASON_CHARS = 200
_RUNS = {
    "failed": ("fails_tests", "solution fails its tests"),
    "timeout": ("timeout", "timeout"),
    "memory": ("out_of_memory", "out of memory"),
    "output": ("too_much_output", "too much output"),
    "space": ("too_many_files", "too many or too large files"),
    "blocked": ("sandbox_refused", "refused by the sandbox"),
    "crashed": ("crash", "crash"),
    "unparsable": ("unparsable_code", "does not parse"),
    "unparsable_tests": ("unparsable_tests", "tests do not parse"),
}
"""By how a run ended: the class, and the reason in words."""

_SHOWS_NOTHING = {
    "the tests check nothing": (
        "tests_check_nothing",
        "tests check nothing: none of their asserts could fail",
    ),
    "passes whatever the tests say": (
        "passes_any_tests",
        "passes with any tests, and so shows nothing",
    ),
}
"""The same by the sandbox's own word for runs that passed and prove nothing."""


@dataclass(frozen=True, slots=True)
class PairFault:
    """The class (without the gate's name) and the reason of a verdict."""

    what: str
    reason: str


NOT_A_PAIR = PairFault("not_a_pair", "no code pair: neither of kind code nor foreign with tests")


NO_TESTS = PairFault("no_tests", "no tests: there is nothing that the solution has to pass")


def refuse_language(language: str, why: str | None = None) -> PairFault:
    """What is said of a pair in a language that nothing here can run in a room of its own, and why not."""
    reason = f"no sandboxed runtime for {language[:40]}: nothing was run"
    return PairFault("no_runtime", reason if why is None else _shorten(f"{reason}: {why}"))


def examine_pair(pair: CodePair) -> PairFault | None:
    """What is wrong with a pair before anything is run, or None."""
    reason = find_fault(pair)
    return None if reason is None else PairFault(_classify(pair), reason)


def explain_runs(pair: CodePair, outcome: Outcome, reference: Outcome | None) -> PairFault | None:
    """What the runs of a solution and its reference against the tests show to be wrong, or None."""
    if not pair.tests.strip() and outcome.status != "unparsable":
        return NO_TESTS
    if outcome.reason in _SHOWS_NOTHING:
        return PairFault(*_SHOWS_NOTHING[outcome.reason])
    if reference is not None and reference.status != "passed":
        reason = f"tests fail on the reference: {reference.status}: {reference.reason}"
        return PairFault("reference_fails_tests", _shorten(reason))
    if outcome.status == "passed":
        return None
    what, reason = _RUNS[outcome.status]
    return PairFault(what, _shorten(f"{reason}: {outcome.reason}"))


def _classify(pair: CodePair) -> str:
    """Which of the things that a pair needs is not there."""
    if not pair.solution.strip():
        return "no_code"
    if not _parses(pair.solution):
        return "unparsable_code"
    if not _parses(pair.tests):
        return "unparsable_tests"
    return "wrong_change" if parse_source(pair.tests).body else "no_tests"


def _parses(source: str) -> bool:
    try:
        parse_source(source)
    except SyntaxError:
        return False
    return True


def _shorten(reason: str) -> str:
    return " ".join(reason.split())[:_REASON_CHARS]
