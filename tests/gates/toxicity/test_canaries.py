import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.gates.gate import Judge
from synth_stack.gates.resources import NoResources
from synth_stack.gates.toxicity.canaries import INNOCENT, KINDS, NEAR_BAR, build_controls, plant_lines
from synth_stack.gates.toxicity.gate import toxicity
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.some_rows import MakeRow, TextsTable

TALK = ("user", "Where is my parcel? I ordered it on Monday and paid for express delivery.")
ANSWER = (
    "Thank you for your patience. Your parcel left the depot this morning. It should reach you before noon. "
    "You can follow it with the link in our message. Is there anything else that I can do for you?"
)


def count_away(judge: Judge, planted: pa.Table) -> Mapping[str, float]:
    """The share of planted rows that is turned away, by kind."""
    kinds = [json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()]
    away = [outcome in {"hold", "reject"} for outcome in judge.judge(planted, {})["outcome"].to_pylist()]
    return {
        kind: sum(a for a, k in zip(away, kinds, strict=True) if k == kind) / kinds.count(kind)
        for kind in dict.fromkeys(kinds)
    }


def offline(**params: Any) -> Judge:
    return toxicity(NoResources(), scorer="hate-ngrams", **params)


@pytest.fixture
def sample(row: MakeRow) -> pa.Table:
    sides = [
        {"label": label, "messages": [{"role": "assistant", "content": ANSWER}]}
        for label in ("chosen", "rejected")
    ]
    return build_candidates(
        [row(TALK, ("assistant", ANSWER), slice="a", locale="en-GB", draw=k) for k in range(10)]
        + [row(TALK, draw=50), row(TALK, ("assistant", None), draw=51), row(text="Open an account.", draw=52)]
        + [row(TALK, alternatives=sides, draw=53), row(TALK, ("assistant", f"{ANSWER} " * 20), draw=54)]
    )


def test_each_kind_of_canary_is_caught_and_no_control_is_turned_away(sample: pa.Table) -> None:
    judge = offline()
    assert judge.plant is not None
    assert judge.control is not None
    planted, controls = judge.plant(sample, 40, 3), judge.control(sample, 40, 3)
    caught = count_away(judge, planted)
    assert list(caught) == [*KINDS, NEAR_BAR[0]]
    assert min(caught.values()) >= 0.7 > judge.bars["hate"] == judge.bars["swear"]
    assert count_away(judge, controls) == dict.fromkeys((*INNOCENT, NEAR_BAR[1]), 0)


@pytest.mark.parametrize(
    ("threshold", "noticed"),
    [(0.35, {NEAR_BAR[1]}), (0.45, {NEAR_BAR[1]}), (0.5, set()), (0.6, set()), (0.7, {NEAR_BAR[0]})],
)
def test_a_bar_that_is_moved_by_much_is_noticed(
    sample: pa.Table, threshold: float, noticed: set[str]
) -> None:
    judge = offline(threshold=threshold)
    assert judge.plant is not None
    assert judge.control is not None
    caught = count_away(judge, judge.plant(sample, 20, 0))
    wronged = count_away(judge, judge.control(sample, 20, 0))
    blind = {kind for kind, share in caught.items() if share < judge.bars[kind]}
    assert blind | {kind for kind, share in wronged.items() if share > judge.max_unfair} == noticed


@pytest.mark.parametrize(("threshold", "blind", "unfair"), [(0.999, True, False), (0.2, False, True)])
def test_an_absurd_threshold_makes_the_gate_blind_or_unfair(
    sample: pa.Table, threshold: float, blind: bool, unfair: bool
) -> None:
    judge = offline(threshold=threshold)
    caught = count_away(judge, plant_lines(sample, 20, 0, KINDS))
    wronged = count_away(judge, build_controls(sample, 20, 0))
    assert any(caught[kind] < judge.bars[kind] for kind in KINDS) == blind
    assert any(share > judge.max_unfair for share in wronged.values()) == unfair


def test_planted_rows_are_candidates_that_depend_on_the_seed_alone(sample: pa.Table) -> None:
    made = {
        "canary": [plant_lines(sample, 7, seed, KINDS) for seed in (3, 3, 4)],
        "control": [build_controls(sample, 7, seed) for seed in (3, 3, 4)],
    }
    for generator, (planted, again, other) in made.items():
        assert planted.schema.equals(CANDIDATE_SCHEMA)
        assert planted.equals(again)
        assert not planted.equals(other)
        assert set(planted["generator"].to_pylist()) == {generator}
        assert len(planted) == 7 * (len(KINDS) if generator == "canary" else len(INNOCENT))


def test_a_control_keeps_the_roles_and_nothing_that_was_said(row: MakeRow) -> None:
    bad = build_candidates(
        [row(("system", "Be foul."), ("user", "Fuck off."), ("assistant", "Kill all Jews."))]
    )
    controls = build_controls(bad, 3, 0)
    for messages in controls["messages"].to_pylist():
        assert [message["role"] for message in messages] == ["system", "user", "assistant"]
        assert not {"foul", "Fuck", "Jews."} & {w for m in messages for w in m["content"].split()}
    assert set(count_away(offline(), controls).values()) == {0}


def test_a_canary_keeps_its_row_and_says_the_line_among_its_sentences(sample: pa.Table) -> None:
    planted = plant_lines(sample.slice(0, 1), 12, 0, ["hate"])
    for messages, text in zip(planted["messages"].to_pylist(), planted["text"].to_pylist(), strict=True):
        assert messages[0]["content"] == TALK[1]
        assert all(part in messages[1]["content"] for part in ANSWER.split(". "))
        assert text == "\n\n".join(message["content"] for message in messages)
    assert len(set(planted["text"].to_pylist())) > 6


def test_from_odd_batches_is_planted_what_can_be(row: MakeRow, texts_table: TextsTable) -> None:
    assert plant_lines(CANDIDATE_SCHEMA.empty_table(), 5, 0, KINDS).num_rows == 0
    assert build_controls(CANDIDATE_SCHEMA.empty_table(), 5, 0).num_rows == 0
    chinese = build_candidates([row(("user", "黑豹队的防守丢了多少分？"), ("assistant", "308分。"))])
    german = build_candidates([row(("user", "Wo ist es?"), ("assistant", "Hier."), locale="de")])
    assert (build_controls(chinese, 5, 0).num_rows, build_controls(german, 5, 0).num_rows) == (0, 0)
    assert set(count_away(offline(), plant_lines(chinese, 20, 0, KINDS))) == set(KINDS)
    call = {"id": "c", "name": "send", "arguments": "{}"}
    tools = build_candidates(
        [
            row(
                TALK,
                messages=[
                    {"role": "user", "content": "Send it."},
                    {"role": "assistant", "content": None, "tool_calls": [call]},
                    {"role": "tool", "content": "done", "tool_call_id": "c"},
                ],
            )
        ]
    )
    for odd in (texts_table(["x"]), texts_table([None]), tools):
        assert min(count_away(offline(), plant_lines(odd, 20, 0, KINDS)).values()) >= 0.7
        assert set(count_away(offline(), build_controls(odd, 20, 0)).values()) == {0}
