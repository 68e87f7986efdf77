from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa
import pytest

from synth_stack.errors import StoreError
from synth_stack.report.sample import AUDIT_SCHEMA, MAX_ITEMS, choose_decisions, collect_audit_rows
from tests.report.planted_run import EMPTY, Run, build_run, plant_run, replace_rows


def collect(run: Run, **limits: int) -> pa.Table:
    return collect_audit_rows(run.candidates, run.verdicts, run.decisions, **limits)


def judged(evidence: str | None, **verdict: Any) -> Run:
    """One rejected row with this evidence, and one accepted row beside it."""
    full = {"row": 0, "gate": "dedup", "outcome": "reject", "evidence": evidence, **verdict}
    decisions = [
        {"row": 0, "decision": "rejected", "gate": "dedup", "reason": "too close"},
        {"row": 1, "decision": "accepted"},
    ]
    return build_run([{"text": "one"}, {"text": "two"}], [full], decisions)


def evidence_of(run: Run, **limits: int) -> Mapping[str, Any]:
    evidence = collect(run, **limits).to_pylist()[0]["verdicts"][0]["evidence"]
    value: Mapping[str, Any] = orjson.loads(evidence)
    return value


def test_rejected_rows_come_first_then_held_then_accepted_each_in_batch_order() -> None:
    run = plant_run(300)
    found = collect(run)
    assert found.schema == AUDIT_SCHEMA
    expected = [
        row["row_id"]
        for name in ("rejected", "held", "accepted")
        for row in run.decisions.to_pylist()
        if row["decision"] == name
    ]
    assert found["row_id"].to_pylist() == expected
    assert all(found["listed"].to_pylist())


def test_the_kind_of_decision_that_does_not_fit_is_sampled_at_even_distances() -> None:
    names = ["rejected"] * 3 + ["accepted"] * 100 + ["held"]
    decisions = pa.table({"row_id": [str(i) for i in range(104)], "decision": names})
    chosen = [int(row_id) for row_id in choose_decisions(decisions, 14)["row_id"].to_pylist()]
    assert chosen == [0, 1, 2, 103, *range(3, 103, 10)]


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5, 299, 300, 301])
def test_the_limit_holds_and_no_row_is_chosen_twice(limit: int) -> None:
    run = plant_run(300)
    chosen = choose_decisions(run.decisions, limit)["row_id"].to_pylist()
    assert len(chosen) == len(set(chosen)) == min(limit, 300)


def test_a_row_carries_all_its_verdicts_in_gate_order() -> None:
    rows = {row["row_id"]: row for row in collect(plant_run(200)).to_pylist()}
    accepted = next(row for row in rows.values() if row["decision"] == "accepted")
    gates = [verdict["gate"] for verdict in accepted["verdicts"]]
    assert gates == ["dedup", "toxicity", "contamination", "drift", "factuality"]
    toxic = next(row for row in rows.values() if row["gate"] == "toxicity")
    assert [(v["gate"], v["outcome"]) for v in toxic["verdicts"]] == [
        ("dedup", "accept"),
        ("toxicity", "reject"),
    ]
    assert toxic["verdicts"][1]["threshold"] == 0.05


def test_a_replaced_row_names_its_replacement_and_that_the_row_that_it_is_made_from() -> None:
    run = replace_rows(plant_run(20), [4])
    rows = {row["row_id"]: row for row in collect(run).to_pylist()}
    original = run.decisions["row_id"][4].as_py()
    copy = run.decisions["row_id"][20].as_py()
    assert (rows[original]["replaced_by"], rows[original]["parent_id"]) == (copy, None)
    assert (rows[copy]["replaced_by"], rows[copy]["parent_id"]) == (None, original)


def test_a_twin_outside_the_sample_follows_unlisted_with_its_decision() -> None:
    probe = judged(None)
    twin = probe.candidates[0]["row_id"][1].as_py()
    found = collect(judged(f'{{"twin":"{twin}"}}'), limit=1).to_pylist()
    assert [(row["listed"], row["decision"], row["text"]) for row in found] == [
        (True, "rejected", "one"),
        (False, "accepted", "two"),
    ]


def test_a_twin_inside_the_sample_is_there_once() -> None:
    twin = judged(None).candidates[0]["row_id"][1].as_py()
    found = collect(judged(f'{{"twin":"{twin}"}}'))
    assert found["row_id"].to_pylist().count(twin) == 1
    assert found["listed"].to_pylist() == [True, True]


@pytest.mark.parametrize("twin", ['"no such row"', "7", "null", '["a"]'])
def test_a_twin_that_is_no_row_of_the_run_adds_nothing(twin: str) -> None:
    assert collect(judged(f'{{"twin":{twin}}}')).num_rows == 2


@pytest.mark.parametrize(
    "evidence", ["not json", "", "[1]", '"text"', "null", "[" * 300 + "]" * 300, '"\\ud800"']
)
def test_evidence_that_is_no_object_is_kept_as_one_value(evidence: str) -> None:
    assert list(evidence_of(judged(evidence))) == ["evidence"]


def test_long_texts_are_cut_and_say_by_how_much() -> None:
    long = "é" * 120
    run = build_run(
        [{"text": long, "messages": [{"role": "user", "content": long}]}],
        [
            {
                "row": 0,
                "gate": "dedup",
                "outcome": "reject",
                "reason": long,
                "evidence": f'{{"note":"{long}"}}',
            }
        ],
        [{"row": 0, "decision": "rejected", "gate": "dedup", "reason": long}],
    )
    cut = "é" * 100 + " [… 20 more characters]"
    (row,) = collect(run, max_chars=100).to_pylist()
    assert (
        row["text"] == row["reason"] == row["messages"][0]["content"] == row["verdicts"][0]["reason"] == cut
    )
    assert evidence_of(run, max_chars=100) == {"note": cut}
    assert collect(run, max_chars=120).to_pylist()[0]["text"] == long


def test_a_long_nested_value_is_cut_as_text() -> None:
    found = evidence_of(judged('{"near":[1,2,3,4,5,6,7,8,9]}'), max_chars=5)
    assert found == {"near": "[1,2, [… 14 more characters]"}


def test_a_row_without_messages_or_text_is_shown_empty() -> None:
    run = build_run([{"text": None}], [], [{"row": 0, "decision": "accepted"}])
    (row,) = collect(run).to_pylist()
    assert (row["text"], row["messages"], row["verdicts"]) == (None, [], None)


def test_an_empty_run_gives_an_empty_table() -> None:
    assert collect(EMPTY).num_rows == 0


def test_a_decision_on_a_row_that_is_not_there_is_refused() -> None:
    run = plant_run(5)
    missing = run.decisions["row_id"][4].as_py()
    with pytest.raises(StoreError, match=missing):
        collect_audit_rows([run.candidates[0].slice(0, 4)], run.verdicts, run.decisions)


def test_every_text_of_a_row_is_cut_however_deep_it_lies() -> None:
    long = "word " * 100
    call = {"id": "c1", "name": "find", "arguments": long}
    said = {"role": "assistant", "content": long, "reasoning": long, "tool_calls": [call]}
    nested = {
        "messages": [said],
        "alternatives": [{"label": "chosen", "messages": [said]}],
        "documents": [{"id": "d", "text": long}],
        "tools": long,
    }
    (row,) = collect(build_run([nested], [], [{"row": 0, "decision": "accepted"}]), max_chars=20).to_pylist()
    cut = "word word word word  [… 480 more characters]"
    for message in (row["messages"][0], row["alternatives"][0]["messages"][0]):
        assert (message["content"], message["reasoning"]) == (cut, cut)
        assert message["tool_calls"] == [{**call, "arguments": cut}]
    assert (row["documents"][0]["text"], row["tools"], row["left_out"]) == (cut, cut, 0)


def test_what_a_list_has_beyond_a_bound_is_left_out_and_counted() -> None:
    said = {"role": "user", "content": "x"}
    many = {"messages": [said] * (MAX_ITEMS + 3), "documents": [{"text": "x"}] * (MAX_ITEMS + 1)}
    (row,) = collect(build_run([many], [], [{"row": 0, "decision": "accepted"}])).to_pylist()
    assert (len(row["messages"]), len(row["documents"]), row["left_out"]) == (MAX_ITEMS, MAX_ITEMS, 4)
