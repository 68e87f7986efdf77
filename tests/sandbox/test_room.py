import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import ConfigError
from synth_stack.sandbox.room import Limits, Room, describe, find_level, run_checks
from synth_stack.sandbox.syscalls import MACHINES, OTHER, USING, WRITING, number_calls
from tests.examples import examples

ADD = "def add(a, b):\n    return a + b\n"

WITHOUT_A_SANDBOX = """
import ctypes, struct, sys
from synth_stack.errors import SandboxError
from synth_stack.sandbox import room

refused = {calls}  # unshare, and the creation of a Landlock ruleset
steps = [struct.pack("=HBBI", 0x20, 0, 0, 0)]
for number in refused:
    steps += [struct.pack("=HBBI", 0x15, 0, 1, number), struct.pack("=HBBI", 0x06, 0, 0, 0x00050001)]
code = b"".join([*steps, struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)])
held = ctypes.create_string_buffer(code, len(code))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, struct.pack("@HP", len(code) // 8, ctypes.addressof(held)), 0, 0) == 0
try:
    room.run_checks("print('it ran')", "assert 1 + 1 == 2")
except SandboxError as exc:
    print(exc.exit_code, exc)
"""


def test_a_solution_passes_when_every_assert_of_its_tests_holds(room: Room) -> None:
    outcome = room.run(ADD, "assert add(1, 2) == 3\nfor k in range(3):\n    assert add(k, 0) == k")

    assert (outcome.status, outcome.reason, outcome.checks) == ("passed", "", 4)


def test_a_wrong_answer_fails_and_names_the_line_of_the_tests(room: Room) -> None:
    outcome = room.run(ADD, "assert add(1, 2) == 3\nassert add(2, 2) == 5, 'two and two'")

    assert outcome.status == "failed"
    assert outcome.reason == "AssertionError: two and two (line 2 of the tests)"


def test_test_functions_are_called_and_others_are_not(room: Room) -> None:
    tests = "def test_sum():\n    assert add(1, 2) == 3\n\ndef test_of(x):\n    assert False\n\ndef help():\n    assert False"

    assert room.run(ADD, tests).checks == 1
    assert room.run(ADD, "def test_sum():\n    assert add(1, 2) == 4").status == "failed"


def test_tests_may_import_the_solution_and_the_solution_is_not_run_as_a_script(room: Room) -> None:
    solution = "if __name__ == '__main__':\n    raise SystemExit\nLIMIT = 3"

    assert room.run(solution, "from solution import LIMIT\nassert LIMIT == 3").status == "passed"


def test_names_that_the_tests_redefine_do_not_change_the_solution(room: Room) -> None:
    solution = "def half(x):\n    return x / 2\ndef quarter(x):\n    return half(half(x))"

    assert room.run(solution, "def half(x):\n    return 0\nassert quarter(4) == 1").status == "passed"


@pytest.mark.parametrize(
    "tests", ["", "x = 1", "assert True", "assert 1, 'this prints'", "def test_x(): pass"]
)
def test_tests_that_check_nothing_never_pass(room: Room, tests: str) -> None:
    outcome = room.run(ADD, tests)

    assert (outcome.status, outcome.reason) == ("failed", "the tests check nothing")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("Here is the function:", "SyntaxError"),
        ("x = 1\0", "null bytes"),
        ("x = '\ud800'", "surrogates"),
        ("(" * 5000, "too many nested parentheses"),
        ("x = " + "1+" * 100_000 + "1", "RecursionError"),
        ("x" * 1_000_001, "more than 1000000 characters"),
        ("import numpy", "No module named 'numpy'"),
        ("import synth_stack", "No module named 'synth_stack'"),
        ("input()", "EOFError"),
    ],
)
def test_what_is_no_program_fails_with_its_reason(room: Room, source: str, reason: str) -> None:
    for solution, tests in [(source, "assert 1 < 2"), ("", source)]:
        outcome = room.run(solution, tests)
        assert outcome.status == "failed"
        assert reason in outcome.reason


def test_ordinary_programs_find_what_they_need(room: Room) -> None:
    solution = """
import asyncio, dataclasses, json, re, socket, tempfile, threading, typing, email.message, encodings.cp1252

@dataclasses.dataclass
class Point:
    x: int

async def wait():
    await asyncio.sleep(0.001)
    return 3

def collect():
    found = []
    threads = [threading.Thread(target=found.append, args=(k,)) for k in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return sorted(found)

def keep(text):
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write(text); file.seek(0)
        return file.read()
"""
    tests = """
assert Point(1) == Point(1)
assert asyncio.run(wait()) == 3
assert collect() == list(range(8))
assert keep("kept") == "kept"
assert json.loads(json.dumps({"a": [1.5, None]})) == {"a": [1.5, None]}
"""
    outcome = room.run(solution, tests)

    assert (outcome.status, outcome.checks, outcome.reason) == ("passed", 5, "")


def test_a_run_knows_nothing_of_the_one_before_and_repeats_exactly(room: Room) -> None:
    solution = (
        "import builtins, json, os, random\n"
        "assert not hasattr(builtins, 'left') and not hasattr(json, 'left') and os.listdir('.') == []\n"
        "builtins.left = json.left = 1\n"
        "open('left', 'w').write('x')\n"
        "print(random.random(), hash('a'), sorted(os.environ))"
    )
    first, second = (room.run(solution, "assert 1 < 2") for _ in range(2))

    assert (first.status, second.status) == ("passed", "passed")
    assert first.stdout == second.stdout


def test_a_run_in_another_room_prints_the_same() -> None:
    solution = "import random\nprint(random.random(), hash('a'), list({'x', 'y', 'z'}))"

    assert len({run_checks(solution, "assert 1 < 2").stdout for _ in range(2)}) == 1


def test_what_a_program_prints_comes_back_as_text(room: Room) -> None:
    solution = "import os, sys\nos.write(1, b'caf\\xc3\\xa9 \\xff')\nsys.stderr.write('aside')"
    outcome = room.run(solution, "assert 1 < 2")

    assert (outcome.stdout, outcome.stderr) == ("café �", "aside")


@pytest.mark.parametrize(
    "limits", [{"cpu_s": 0}, {"memory_mb": -1}, {"threads": 2**31}, {"wall_s": float("nan")}, {"files": 7}]
)
def test_limits_that_limit_nothing_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"sandbox: {next(iter(limits))} is out of range"):
        Limits(**limits)


def test_the_smallest_limits_are_enough_to_run_and_to_say_what_was_missing(room: Room) -> None:
    least = Limits(cpu_s=1, memory_mb=64, threads=1, files=8, file_mb=1)

    assert room.run(ADD, "assert add(1, 2) == 3", least).status == "passed"
    assert room.run("x = [0]\nwhile True: x += x", "", least).status == "memory"
    assert room.run("x = [open('/dev/null') for _ in range(9)]", "", least).status == "space"


def test_tests_larger_than_a_pipe_arrive_whole(room: Room) -> None:
    tests = "\n".join(f"assert add({k}, 1) == {k + 1}  # {'x' * 300}" for k in range(1_000))

    assert len(tests) > 4 * 65_536
    assert room.run(ADD, tests).checks == 1_000
    assert room.run("raise ValueError('early')", tests).reason == "ValueError: early"


def test_the_machine_says_what_it_holds() -> None:
    facts = describe()

    assert facts["level"] == find_level()
    assert json.loads(json.dumps(facts)) == facts


def test_a_machine_without_any_of_them_is_refused_in_one_sentence() -> None:
    calls = {"x86_64": (272, 444), "aarch64": (97, 444)}[platform.machine()]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_SANDBOX.replace("{calls}", str(calls))],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PATH": ""},
        check=True,
    )

    assert done.stdout.startswith("2 this machine has no sandbox for generated code; seen: namespaces: ")
    assert "Run it on Linux" in done.stdout
    assert "it ran" not in done.stdout


def test_no_system_call_is_named_twice_or_without_a_number() -> None:
    for machine in MACHINES:
        numbers = [n for table in (USING, WRITING, OTHER) for n in number_calls(table, machine).values()]
        assert len(set(numbers)) == len(numbers)
    names = [entry.split()[0] for entry in ",".join([USING, WRITING, OTHER]).split(",")]
    assert len(set(names)) == len(names)
    assert not set(names) & {
        "execve",
        "fork",
        "vfork",
        "ptrace",
        "mount",
        "socket",
        "connect",
        "bpf",
        "setuid",
    }


@settings(max_examples=examples(30))
@given(source=st.text(max_size=200))
def test_no_text_passes_tests_that_it_does_not_solve(room: Room, source: str) -> None:
    assert room.run(source, "assert solve_it_all(3) == 4").status != "passed"
