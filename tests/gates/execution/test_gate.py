"""Execution: solutions pass their tests, tests kill mutants, hostile code is contained and rejected."""

import json
from typing import Any

import pyarrow as pa
import pytest

import synth_stack.gates  # noqa: F401  (registers the gate)
from synth_stack.errors import ConfigError
from synth_stack.gates.execution.gate import execution
from synth_stack.gates.gate import Judge
from synth_stack.registry import bind, registered
from synth_stack.rows.code_pairs import OTHER_CODE, SAME_CODE, fence
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from tests.gates.dialling import decide_again
from tests.gates.playing import play
from tests.rows.code_rows import CLAMP, TESTS, code_row, row_of, table_of

WEAK = "def test_it_is_there():\n    assert clamp(5, 0, 9) is not clamp\n"
CALLS = "clamp(5, 0, 9)\nassert len('ab') == 2\n"
HOSTILE = {
    "import os\nwhile True:\n    os.fork()\n" + CLAMP: "refused by the sandbox",
    CLAMP + "while True:\n    print('x' * 10000)\n": "too much output",
    CLAMP + "held = [0] * 10**10\n": "out of memory",
    CLAMP + "print(open('/etc/passwd').read())\n": "solution fails its tests",
    CLAMP + "import socket\nsocket.socket()\n": "refused by the sandbox",
    CLAMP + "import sys\nsys.exit(0)\n": "solution fails its tests",
    CLAMP.replace("<", ">")
    + "import builtins\nbuiltins.exec = lambda *a: None\n": "solution fails its tests",
}


def say(gate: Judge, table: pa.Table) -> pa.Table:
    """What the gate says of a batch of one table."""
    ((verdicts,), _) = play(gate, [table], name="execution")
    return verdicts


def judge(*rows: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    verdicts: list[dict[str, Any]] = say(execution(**params), table_of(*rows)).to_pylist()
    return verdicts


def test_a_solution_that_passes_tests_which_kill_its_mutants_is_accepted_with_its_counts() -> None:
    [verdict] = judge(code_row())
    assert (verdict["outcome"], verdict["reason"], verdict["threshold"]) == ("accept", None, 1.0)
    assert verdict["reason_class"] is None
    evidence = json.loads(verdict["evidence"])
    assert evidence["checks"] == 3
    assert 0 < evidence["killed"] <= evidence["mutants"] <= 8
    assert verdict["score"] == pytest.approx(1 - evidence["killed"] / evidence["mutants"])
    assert all(set(mutant) == {"line", "change"} for mutant in evidence["alive"])


@pytest.mark.parametrize(
    ("row", "reason", "named"),
    [
        (code_row("def clamp(:"), "does not parse: line 1", "unparsable_code"),
        (code_row(tests=""), "no tests", "no_tests"),
        (code_row(tests="assert ("), "tests do not parse", "unparsable_tests"),
        (code_row(tests="assert True"), "tests check nothing", "tests_check_nothing"),
        (
            code_row(CLAMP.replace("<", ">")),
            "solution fails its tests: AssertionError (line 2 of the tests)",
            "fails_tests",
        ),
        (
            code_row(tests="import numpy\nassert numpy"),
            "solution fails its tests: ModuleNotFoundError",
            "fails_tests",
        ),
        (code_row(tests=WEAK), "tests kill too few mutants: 0 of", "weak_tests"),
        (code_row(tests=CALLS), "tests kill too few mutants: 0 of", "weak_tests"),
        (code_row("def f(x):\n    return None\n", "assert f(1) is None\n"), "no mutants", "no_mutants"),
        (code_row("def f():\n    while True:\n        pass\n", "assert f() == 1\n"), "timeout", "timeout"),
        (row_of("I would rather not.", {"code": {"tests": TESTS}}), "does not parse", "unparsable_code"),
        (row_of("", {"code": {"tests": TESTS}}), "no code", "no_code"),
        (code_row(reference=CLAMP, relation=OTHER_CODE), "code unchanged", "wrong_change"),
    ],
)
def test_each_way_to_fail_is_rejected_with_its_own_reason(
    row: dict[str, Any], reason: str, named: str
) -> None:
    [verdict] = judge(row, cpu_s=1)
    assert verdict["outcome"] == "reject"
    assert verdict["reason"].startswith(reason)
    assert verdict["reason_class"] == f"execution.{named}"


def test_every_hostile_snippet_is_contained_and_rejected_with_a_reason() -> None:
    verdicts = judge(*(code_row(solution, draw=k) for k, solution in enumerate(HOSTILE)), cpu_s=1)
    assert {verdict["outcome"] for verdict in verdicts} == {"reject"}
    for verdict, reason in zip(verdicts, HOSTILE.values(), strict=True):
        assert verdict["reason"].startswith(reason), verdict["reason"]


def test_a_solution_that_passes_whatever_its_tests_say_shows_nothing() -> None:
    patched = "import ast\nast.NodeTransformer.generic_visit = lambda self, node: ast.Module([], [])\n"
    [verdict] = judge(code_row(patched + CLAMP.replace("<", ">")))
    assert verdict["outcome"] == "reject"


def test_a_result_that_equals_everything_is_rejected() -> None:
    equal = "class Any:\n    def __eq__(self, other):\n        return True\ndef clamp(x, low, high):\n    return Any()\n"
    [verdict] = judge(code_row(equal))
    assert verdict["reason"].startswith("solution fails its tests: AssertionError")


def test_a_refactoring_has_to_pass_where_the_code_before_it_passes() -> None:
    better = CLAMP.replace("return min(x, high)", "return high if x > high else x")
    kept = code_row(better, reference=CLAMP, relation=OTHER_CODE)
    broken = code_row(better.replace("x > high", "x < high"), reference=CLAMP, relation=OTHER_CODE, draw=1)
    wrong = TESTS.replace("== 9\n", "== 10\n")
    untrue = code_row(better, wrong, reference=CLAMP, relation=OTHER_CODE, draw=2)
    verdicts = judge(kept, broken, untrue)
    assert [verdict["outcome"] for verdict in verdicts] == ["accept", "reject", "reject"]
    assert verdicts[1]["reason"].startswith("solution fails its tests")
    assert verdicts[2]["reason"].startswith("tests fail on the reference: failed: AssertionError")


def test_the_prelude_stands_before_the_solution_and_is_not_mutated() -> None:
    solution = "def area(r):\n    return PI * r * r\n"
    [verdict] = judge(code_row(solution, "assert area(2) == 12\n", prelude="PI = 3"))
    assert verdict["outcome"] == "accept"
    [verdict] = judge(code_row(solution, "assert area(2) == 12\n"))
    assert verdict["reason"].startswith("solution fails its tests: NameError")


def test_examples_in_a_docstring_that_are_not_true_are_found() -> None:
    before = 'def double(x):\n    """Twice."""\n    return 2 * x\n'
    after = before.replace("Twice.", "Twice x. >>> double(2)")
    row = code_row(after, "assert repr(double(2)) == '5'\n", reference=before, relation=SAME_CODE)
    [verdict] = judge(row)
    assert verdict["reason"].startswith("tests fail on the reference")


def test_the_threshold_is_the_share_of_mutants_from_which_on_a_row_is_rejected() -> None:
    rows = [code_row(tests="assert clamp(-1, 0, 9) == 0\n")]
    [verdict] = judge(*rows)
    assert verdict["outcome"] == "accept"
    assert 0 < verdict["score"] < 1
    at, above = judge(*rows, threshold=verdict["score"]), judge(*rows, threshold=verdict["score"] + 0.01)
    assert (at[0]["outcome"], above[0]["outcome"]) == ("reject", "accept")


def test_what_is_no_code_is_not_judged() -> None:
    verdicts = judge(row_of("Hello.", {}, kind="instruction"), row_of("Hello.", {}, kind="foreign", draw=1))
    assert {verdict["outcome"] for verdict in verdicts} == {"abstain"}
    assert {verdict["reason_class"] for verdict in verdicts} == {"execution.not_a_pair"}
    assert say(execution(), CANDIDATE_SCHEMA.empty_table()).num_rows == 0


def test_a_foreign_row_is_run_against_its_own_column_of_tests() -> None:
    rows = [row_of(fence(CLAMP), {"tests": tests}, kind="foreign") for tests in (TESTS, "assert 1 == 2")]
    assert [verdict["outcome"] for verdict in judge(*rows)] == ["accept", "reject"]


def test_the_verdict_on_a_row_does_not_depend_on_its_table() -> None:
    rows = [code_row(), code_row("def f(:", draw=1), code_row(tests=WEAK, draw=2)]
    together = judge(*rows)
    assert together == [judge(row)[0] for row in rows]


def test_every_canary_is_caught_whatever_the_sample() -> None:
    gate = execution()
    for sample in (table_of(code_row(), code_row("def f(:", draw=1)), table_of(code_row(tests=WEAK))):
        assert gate.plant is not None
        canaries = gate.plant(sample, 10, 7)
        assert canaries.num_rows == 50
        assert set(say(gate, canaries).column("outcome").to_pylist()) == {"reject"}
        assert len({json.loads(extra)["canary"] for extra in canaries.column("extra").to_pylist()}) == 5


def test_every_control_passes() -> None:
    gate = execution()
    assert gate.control is not None
    controls = gate.control(table_of(code_row("def f(:")), 2, 7)
    assert say(gate, controls).column("outcome").to_pylist() == ["accept"] * 8


def test_each_way_to_spoil_a_pair_is_a_kind_of_its_own() -> None:
    gate = execution()
    assert gate.plant is not None
    canaries = gate.plant(table_of(code_row()), 2, 7)
    kinds = [json.loads(extra)["kind"] for extra in canaries.column("extra").to_pylist()]
    assert sorted(set(kinds)) == [
        "it_has_no_tests",
        "its_tests_look_at_nothing",
        "the_solution_does_not_parse",
        "the_solution_leaves_before_its_tests",
        "the_solution_returns_nothing",
    ]


def test_a_batch_without_code_has_no_canaries() -> None:
    gate = execution()
    assert gate.plant is not None
    assert gate.control is not None
    assert gate.control(table_of(row_of("Hello.", {}, kind="instruction")), 10, 7).num_rows == 0
    assert gate.plant(table_of(row_of("Hello.", {}, kind="instruction")), 10, 7).num_rows == 0


def test_another_threshold_decides_as_judging_again_would() -> None:
    table = table_of(
        code_row(),
        code_row(tests=WEAK, draw=1),
        code_row("def f(:", draw=2),
        code_row(tests="assert clamp(-1, 0, 9) == 0\n", draw=3),
        row_of("Hello.", {}, kind="instruction", draw=4),
    )
    old = dict(bind("gate", "execution", {}, where="gates[0]").params)
    verdicts = say(execution(), table)
    for threshold in (0.1, 0.5, 1.0):
        again = say(execution(threshold=threshold), table).column("outcome").to_pylist()
        assert decide_again(verdicts, execution().dials, {**old, "threshold": threshold}, old) == again


def test_of_a_row_with_alternatives_the_chosen_solution_is_run() -> None:
    def prefer(chosen: str, rejected: str, draw: int) -> dict[str, Any]:
        row = code_row(draw=draw)
        sides = [
            {"label": label, "messages": [{"role": "assistant", "content": fence(said)}]}
            for label, said in (("rejected", rejected), ("chosen", chosen))
        ]
        return {**row, "messages": row["messages"][:1], "alternatives": sides}

    wrong = CLAMP.replace("<", ">")
    verdicts = judge(prefer(CLAMP, wrong, 0), prefer(wrong, CLAMP, 1))
    assert [verdict["outcome"] for verdict in verdicts] == ["accept", "reject"]
    gate = execution()
    assert gate.plant is not None
    assert gate.plant(table_of(prefer(CLAMP, wrong, 0)), 5, 7).num_rows == 25


def test_the_parts_that_are_read_are_declared_and_facts_name_the_sandbox() -> None:
    assert registered("gate")["execution"].reads == ("content", "alternatives", "extra")
    facts = execution().facts
    assert set(facts) == {"sandbox", "python", "javascript"}
    assert str(facts["python"]).startswith("Python 3.")


@pytest.mark.parametrize("params", [{"threshold": 0}, {"threshold": 1.1}, {"mutants": 0}, {"cpu_s": 0}])
def test_parameters_out_of_range_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        bind("gate", "execution", params, where="gates.yaml: gates[0]")
