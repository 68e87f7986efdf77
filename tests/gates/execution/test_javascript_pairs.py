"""JavaScript at the gate: run by node as Python is by its interpreter, with reasons, canaries and controls of its own."""

import json
from typing import Any

import pytest

import synth_stack.gates  # noqa: F401  (registers the gate)
from synth_stack.gates.execution import gate as gate_module
from synth_stack.gates.execution.gate import execution
from synth_stack.rows.code_pairs import JAVASCRIPT, fence
from synth_stack.sandbox.room import find_javascript
from tests.gates.execution.test_gate import judge, say
from tests.rows.code_rows import code_row, row_of, table_of

CLAMP = "const clamp = (x, low, high) => Math.max(low, Math.min(x, high));\n"
TESTS = "assert.strictEqual(clamp(5, 0, 9), 5);\nassert.strictEqual(clamp(-1, 0, 9), 0);\n"

needs_node = pytest.mark.skipif(
    isinstance(find_javascript(), str), reason="JavaScript is run by node, and there is none that holds"
)


def js_row(solution: str = CLAMP, tests: str = TESTS, draw: int = 0, **fields: Any) -> dict[str, Any]:
    row = code_row(solution, tests, draw, language=JAVASCRIPT, **fields)
    row["messages"][1]["content"] = fence(solution, "js")
    return row


@needs_node
def test_javascript_that_passes_tests_which_look_at_it_is_accepted_with_its_counts() -> None:
    [verdict] = judge(js_row())
    assert (verdict["outcome"], verdict["reason"]) == ("accept", None)
    evidence = json.loads(verdict["evidence"])
    assert (evidence["checks"], evidence["mutants"], evidence["killed"]) == (2, 3, 2)
    assert evidence["alive"] == [{"change": "what its functions return does nothing"}]


@needs_node
@pytest.mark.parametrize(
    ("row", "reason", "named"),
    [
        (js_row("const clamp = (;"), "does not parse: SyntaxError", "unparsable_code"),
        (js_row("function clamp(x: number) {}"), "does not parse: SyntaxError", "unparsable_code"),
        (js_row("const clamp = (;", ""), "does not parse: SyntaxError", "unparsable_code"),
        (js_row(tests=" "), "no tests", "no_tests"),
        (js_row(tests="assert.("), "tests do not parse: SyntaxError", "unparsable_tests"),
        (js_row(tests="clamp(1, 2, 3);"), "tests check nothing", "tests_check_nothing"),
        (js_row(tests="assert.equal('ab'.length, 2);"), "tests kill too few mutants: 0 of 3", "weak_tests"),
        (js_row(CLAMP.replace("max", "min")), "solution fails its tests: AssertionError", "fails_tests"),
        (js_row("process.exit(0)"), "solution fails its tests: the process ended", "fails_tests"),
        (js_row("const clamp = () => { for (;;) {} };"), "timeout", "timeout"),
        (js_row("", TESTS), "no code", "no_code"),
    ],
)
def test_each_way_to_fail_has_the_reason_that_it_has_in_python(
    row: dict[str, Any], reason: str, named: str
) -> None:
    [verdict] = judge(row, cpu_s=1)
    assert verdict["outcome"] == "reject"
    assert verdict["reason"].startswith(reason)
    assert verdict["reason_class"] == f"execution.{named}"


@needs_node
@pytest.mark.parametrize(
    ("answer", "extra"),
    [
        (fence(CLAMP, "js"), {"tests": TESTS}),
        (fence(CLAMP, "javascript"), {"test": TESTS}),
        (f"Install it:\n```bash\nnpm i\n```\n{fence(CLAMP, 'js')}", {"tests": TESTS}),
        (CLAMP, {"tests": TESTS, "language": "JavaScript"}),
        (CLAMP, {"tests": TESTS, "meta": {"lang": "js"}}),
    ],
)
def test_a_foreign_row_is_javascript_by_its_fence_its_column_or_its_meta(
    answer: str, extra: dict[str, Any]
) -> None:
    assert [verdict["outcome"] for verdict in judge(row_of(answer, extra, kind="foreign"))] == ["accept"]


def test_a_foreign_row_of_a_language_that_nothing_runs_is_not_judged() -> None:
    rows = [
        row_of(fence("fn f() -> i32 { 1 }", "rust"), {"tests": "assert_eq!(f(), 1);"}, kind="foreign"),
        row_of("func f() int { return 1 }", {"tests": "f()", "language": "Go"}, kind="foreign", draw=1),
    ]
    verdicts = judge(*rows)
    assert {verdict["outcome"] for verdict in verdicts} == {"abstain"}
    assert {verdict["reason_class"] for verdict in verdicts} == {"execution.no_runtime"}


def test_without_node_javascript_is_not_judged_and_the_reason_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate_module, "find_javascript", lambda: "there is no node on PATH")
    gate = execution()
    table = table_of(js_row(), code_row(draw=1))
    first, second = say(gate, table).to_pylist()
    assert (first["outcome"], first["reason_class"]) == ("abstain", "execution.no_runtime")
    assert first["reason"].endswith("there is no node on PATH")
    assert second["outcome"] == "accept"
    assert gate.facts["javascript"] is None
    assert gate.plant is not None
    assert gate.plant(table_of(js_row()), 10, 7).num_rows == 0


@needs_node
def test_a_batch_with_javascript_has_canaries_and_controls_of_it_which_the_gate_tells_apart() -> None:
    gate = execution()
    assert gate.plant is not None
    assert gate.control is not None
    sample = table_of(js_row("const clamp = (;"), js_row(tests="", draw=1))
    canaries, controls = gate.plant(sample, 1, 7), gate.control(sample, 1, 7)
    assert set(say(gate, canaries).column("outcome").to_pylist()) == {"reject"}
    assert set(say(gate, controls).column("outcome").to_pylist()) == {"accept"}
    kinds = {json.loads(extra)["kind"] for extra in canaries.column("extra").to_pylist()}
    assert len(kinds) == 5
    both = gate.plant(table_of(js_row(), code_row(draw=1)), 2, 7)
    assert both.num_rows == 20
    assert gate.plant(table_of(js_row()), 20, 7).num_rows == 25
    assert str(gate.facts["javascript"]).startswith("node v")


@needs_node
def test_a_reference_in_javascript_has_to_pass_the_same_tests() -> None:
    [verdict] = judge(js_row(reference=CLAMP.replace("max", "min")))
    assert verdict["reason"].startswith("tests fail on the reference")
