"""Functions are called in the sandbox, in order, and whatever they do is a result or a reason."""

import pytest

from synth_stack.sandbox.function_calls import FunctionCall, Returned, call_functions
from synth_stack.sandbox.room import Limits

PROGRAM = """
import random
kept = []
def keep(what):
    print("kept", what)
    kept.append(what)
    return {"kept": len(kept), "drawn": random.random()}
def read(): return kept
def say(text): return text
def fail(): raise ValueError("no such \\x1b[31m city")
def leave():
    import os
    os._exit(0)
def wait():
    while True: pass
def give(): return object()
def grow(): return "x" * 20_000
def open_file(): return open("/etc/passwd").read()
"""


def call(*calls: tuple[str, dict[str, object]]) -> list[Returned]:
    [results] = call_functions(PROGRAM, [[FunctionCall(*each) for each in calls]], limits=Limits(wall_s=1.0))
    return results


def test_a_course_shares_one_process_and_no_other_does() -> None:
    course = [FunctionCall("keep", {"what": "a"}), FunctionCall("read", {})]
    first, second = call_functions(PROGRAM, [course, course])
    assert first == second
    assert first[1] == Returned('["a"]')


def test_arguments_are_data_and_results_are_json() -> None:
    text = "''' + __import__('os').getcwd() + ''' {0} \\ \x1e é"
    [returned] = call(("say", {"text": text}))
    assert returned.failure is None
    assert returned.result is not None
    assert "getcwd" in returned.result
    assert "é" in returned.result


def test_a_call_that_fails_has_a_reason_and_the_course_goes_on() -> None:
    results = call(
        ("fail", {}),
        ("nothing", {}),
        ("say", {}),
        ("give", {}),
        ("grow", {}),
        ("open_file", {}),
        ("read", {}),
    )
    assert [result.result for result in results] == [None] * 6 + ["[]"]
    reasons = [result.failure or "" for result in results]
    assert reasons[0] == "ValueError: no such ?[31m city"
    assert "missing 1 required positional argument" in reasons[2]
    assert "not JSON serializable" in reasons[3]
    assert reasons[4] == "its result is too long"
    assert "Error" in reasons[5]


@pytest.mark.parametrize(("name", "reason"), [("leave", "line is closed"), ("wait", "timeout")])
def test_a_call_that_ends_or_hangs_its_process_fails(name: str, reason: str) -> None:
    first, second = call(("read", {}), (name, {}))
    assert reason in (second.failure or "")
    assert first.failure in {None, second.failure}


def test_a_program_that_does_not_load_fails_every_call() -> None:
    [results] = call_functions(
        "import nothing_of_that_name", [[FunctionCall("a", {}), FunctionCall("b", {})]]
    )
    assert {"nothing_of_that_name" in (result.failure or "") for result in results} == {True}
