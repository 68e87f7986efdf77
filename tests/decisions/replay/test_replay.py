"""A run decided again: against judging it again, and against everything that may be wrong with the request."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synth_stack
from synth_stack.decisions.decide import Rule, decide
from synth_stack.decisions.replay.replay import replay
from synth_stack.decisions.replay.result import CHANGED_SCHEMA, Replay
from synth_stack.errors import BlindGate, ConfigError, InputError, StoreError
from synth_stack.files import SHARD_ROWS, write_table
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_verdicts
from synth_stack.runs.judged import open_judged, read_shards
from synth_stack.workflows.curate import curate
from tests.decisions.replay.scored_run import (
    draw_scores,
    judge_rows,
    make_rows,
    read_decisions,
    use,
    write_gates,
)
from tests.examples import examples
from tests.recipes import read_tree

ROWS = draw_scores(400)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 rows under two gates with a threshold of 0.5 each."""
    return judge_rows(tmp_path_factory.mktemp("replay"), make_rows(ROWS), *use())


def decide_again(run: Path, folder: Path, *gates: dict[str, Any]) -> Replay:
    return replay(run, write_gates(folder, *gates, name="new.yaml"))


def read_changes(replayed: Replay) -> dict[str, tuple[str, str]]:
    """(before, after) of each changed row by its own id."""
    return {row["source_id"]: (row["before"], row["after"]) for row in replayed.changed.to_pylist()}


def test_the_same_gates_change_nothing(run: Path, tmp_path: Path) -> None:
    replayed = decide_again(run, tmp_path, *use())

    assert replayed.before == replayed.after
    assert sum(replayed.after.values()) == 400
    assert replayed.changed.schema == CHANGED_SCHEMA
    assert (len(replayed.changed), replayed.caveats) == (0, ())
    assert all(not g.changes and g.before == g.after for g in replayed.gates)


def test_nothing_in_the_run_is_written(run: Path, tmp_path: Path) -> None:
    before = read_tree(run)
    decide_again(run, tmp_path, *use(0.2, 0.9))

    assert read_tree(run) == before


@settings(max_examples=examples(8))
@given(first=st.integers(1, 50), second=st.integers(1, 50), slices=st.booleans())
def test_stricter_thresholds_give_what_judging_again_gives_slices_included(
    first: int, second: int, slices: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("stricter")
    rows = make_rows(draw_scores(60, seed=first), slices=7 if slices else 0)
    gates = use(first / 100, second / 100)
    replayed = decide_again(judge_rows(folder, rows, *use()), folder, *gates)
    again = judge_rows(folder / "again", rows, *gates)

    assert replayed.after == {**count(again), "undecided": 0}
    expected = read_decisions(again)
    before = read_decisions(folder / "run")
    assert read_changes(replayed) == {k: (before[k], d) for k, d in expected.items() if before[k] != d}


@settings(max_examples=examples(8))
@given(first=st.integers(1, 100), second=st.integers(1, 100))
def test_what_is_not_undecided_is_what_judging_again_gives(
    first: int, second: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    rows = make_rows(draw_scores(60, seed=first))
    gates = use(first / 100, second / 100)
    replayed = decide_again(judge_rows(folder, rows, *use()), folder, *gates)
    again = read_decisions(judge_rows(folder / "again", rows, *gates))
    now = read_decisions(folder / "run") | {k: after for k, (_, after) in read_changes(replayed).items()}

    assert all(decision in {again[k], "undecided"} for k, decision in now.items())
    # whom the first gate lets through now, it had turned away before the second could score it
    late = [k for k, (a, _) in enumerate(draw_scores(60, seed=first)) if 0.5 <= a < first / 100]
    assert sorted(k for k, d in now.items() if d == "undecided") == sorted(f"r{k}" for k in late)


def count(run: Path) -> dict[str, int]:
    decided = list(read_decisions(run).values())
    return {name: decided.count(name) for name in ("accepted", "rejected", "held")}


def test_a_row_that_gets_past_an_earlier_gate_is_undecided_and_never_accepted(tmp_path: Path) -> None:
    run = judge_rows(tmp_path, make_rows([(0.6, 0.1), (0.6, 0.9), (0.1, 0.1)]), *use())
    replayed = decide_again(run, tmp_path, *use(first=0.7))

    assert replayed.after == {"accepted": 1, "rejected": 0, "held": 0, "undecided": 2}
    [row, _] = replayed.changed.to_pylist()
    assert {k: row[k] for k in ("source_id", "before", "gate_before", "reason_before")} == {
        "source_id": "r0", "before": "rejected", "gate_before": "replay_first", "reason_before": "too much: 0.6",
    }  # fmt: skip
    assert (row["after"], row["gate"], row["reason"]) == (
        "undecided", "replay_second", "not scored by replay_second",
    )  # fmt: skip
    assert replayed.gates[1].after["undecided"] == 2
    assert replayed.caveats == (
        "replay_second never scored 2 of the rows: a gate had turned them away before",
    )


def test_a_later_gate_that_scored_every_row_leaves_nothing_undecided(tmp_path: Path) -> None:
    gates = use()
    run = judge_rows(tmp_path, make_rows([(0.6, 0.1), (0.6, 0.9)]), gates[0], {**gates[1], "all": True})
    replayed = decide_again(run, tmp_path, *use(first=0.7))

    assert replayed.after == {"accepted": 1, "rejected": 1, "held": 0, "undecided": 0}
    assert read_changes(replayed) == {"r0": ("rejected", "accepted")}


def test_a_gate_that_the_file_leaves_out_decides_nothing(run: Path, tmp_path: Path) -> None:
    replayed = decide_again(run, tmp_path, *use(second=None))

    over = sum(a >= 0.5 for a, _ in ROWS)
    assert replayed.after == {"accepted": 400 - over, "rejected": over, "held": 0, "undecided": 0}
    assert replayed.caveats == ("the gate file leaves replay_second out: its verdicts count no more",)
    replayed = decide_again(run, tmp_path, *use(first=None))
    assert replayed.after["undecided"] == over


@pytest.mark.parametrize("left_out", [(), ("replay_first",), ("replay_second",)])
def test_naming_gates_to_leave_out_is_a_file_without_them(
    run: Path, tmp_path: Path, left_out: tuple[str, ...]
) -> None:
    kept = [gate for gate in use() if gate["use"] not in left_out]
    assert replay(run, without=left_out).changed.equals(decide_again(run, tmp_path, *kept).changed)
    file = write_gates(tmp_path, *use(), name="all.yaml")
    assert replay(run, file, without=left_out).to_json() == replay(run, without=left_out).to_json()


def test_leaving_out_a_gate_that_did_not_judge_or_all_of_them_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match=r"drift has not judged .*; allowed: replay_first, replay_second"):
        replay(run, without=["drift"])
    with pytest.raises(ConfigError, match=r"no gate of .* is left to decide"):
        replay(run, without=["replay_first", "replay_second"])


def test_a_new_reject_says_its_score_and_threshold(tmp_path: Path) -> None:
    run = judge_rows(tmp_path, make_rows([(0.3, 0.0)]), *use())
    [row] = decide_again(run, tmp_path, *use(first=0.25)).changed.to_pylist()

    assert (row["gate"], row["reason"]) == ("replay_first", "score 0.3 >= threshold 0.25")


def test_a_row_exactly_at_the_new_threshold_is_on_the_side_that_the_gate_puts_it(tmp_path: Path) -> None:
    run = judge_rows(tmp_path, make_rows([(0.3, 0.0), (0.29, 0.0)]), *use())

    assert read_changes(decide_again(run, tmp_path, *use(first=0.3))) == {"r0": ("accepted", "rejected")}


def test_a_broken_record_stays_rejected_when_no_gate_rejects_it(tmp_path: Path) -> None:
    run = judge_rows(tmp_path, [*make_rows([(0.9, 0.0)]), {"id": "broken", "text": 7}], *use())
    replayed = decide_again(run, tmp_path, *use(first=0.95))

    assert replayed.after == {"accepted": 0, "rejected": 1, "held": 0, "undecided": 1}
    assert "broken" not in read_changes(replayed)


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.3, 0.4), (0.5, 0.8), (0.9, 0.9)])
def test_every_point_of_a_curve_is_the_replay_with_that_threshold(
    run: Path, tmp_path: Path, first: float, second: float
) -> None:
    replayed = decide_again(run, tmp_path, *use(first, second))

    assert [c.gate for c in replayed.curves] == ["replay_first", "replay_second"]
    for curve, standing in zip(replayed.curves, (first, second), strict=True):
        assert curve.threshold == standing in [p.threshold for p in curve.points]
        assert (curve.rejects, curve.planted) == (">=", 0)
        # the gate refuses a threshold of 0
        assert all(0 < p.threshold <= 1 for p in curve.points)
        for point in curve.points[::9]:
            own = {"first": first, "second": second} | {curve.gate.removeprefix("replay_"): point.threshold}
            after = decide_again(run, tmp_path, *use(**own)).after
            assert (point.accepted, point.undecided) == (after["accepted"], after["undecided"])


BOTH = {"use": "replay_both"}


def tone(above: float = 0.7, action: str = "hold", **more: Any) -> dict[str, Any]:
    return {**BOTH, "tone": {"above": above, "action": action}, **more}


SETTINGS = [
    tone(),
    tone(threshold=0.9),
    tone(threshold=0.4),
    tone(above=0.3),
    tone(above=0.99),
    tone(action="reject"),
    tone(action="ignore"),
    tone(above=0.4, action="reject", threshold=0.6),
]


@pytest.mark.parametrize("new", SETTINGS)
def test_two_dials_of_one_gate_turn_together_as_judging_again_does(
    tmp_path: Path, new: dict[str, Any]
) -> None:
    rows = make_rows(draw_scores(300))
    replayed = decide_again(judge_rows(tmp_path, rows, tone()), tmp_path, new)
    again = judge_rows(tmp_path / "again", rows, new)

    assert replayed.after == {**count(again), "undecided": 0}
    before, expected = read_decisions(tmp_path / "run"), read_decisions(again)
    assert read_changes(replayed) == {k: (before[k], d) for k, d in expected.items() if before[k] != d}


@pytest.mark.parametrize("new", SETTINGS)
def test_a_curve_is_exact_where_a_row_is_held_for_something_else_than_its_score(
    tmp_path: Path, new: dict[str, Any]
) -> None:
    run = judge_rows(tmp_path, make_rows(draw_scores(80)), tone())
    replayed = decide_again(run, tmp_path, new)
    [curve] = replayed.curves

    assert (curve.parameter, curve.threshold) == ("threshold", new.get("threshold", 0.9))
    assert all(point.threshold >= 0.1 for point in curve.points)
    for point in curve.points[::4]:
        after = decide_again(run, tmp_path, {**new, "threshold": point.threshold}).after
        assert point.accepted == after["accepted"]


def test_a_new_verdict_of_a_dial_names_the_score_that_it_reads(tmp_path: Path) -> None:
    run = judge_rows(tmp_path, make_rows([(0.2, 0.6), (0.2, 0.61), (0.2, 0.8)]), tone())
    changed = decide_again(run, tmp_path, tone(above=0.5, action="reject")).changed.to_pylist()

    assert [(r["source_id"], r["before"], r["after"], r["reason"], r["reason_class"]) for r in changed] == [
        ("r0", "accepted", "rejected", "tone.level 0.6 > threshold 0.5", "replay_both.tone"),
        ("r1", "held", "rejected", "tone.level 0.61 > threshold 0.5", "replay_both.tone"),
        ("r2", "held", "rejected", "for replay_both.tone", "replay_both.tone"),
    ]


def test_a_gate_without_dials_keeps_its_verdicts_and_has_no_curve(tmp_path: Path) -> None:
    fixed = {"use": "replay_fixed", "word": "good"}
    run = judge_rows(tmp_path, make_rows([(0.1, 0.1)]), fixed, *use())
    replayed = decide_again(run, tmp_path, fixed, *use(first=0.05))

    assert replayed.after["rejected"] == 1
    assert [c.gate for c in replayed.curves] == ["replay_first", "replay_second"]


def test_rows_that_are_now_rejected_earlier_no_longer_weigh_on_their_slice(tmp_path: Path) -> None:
    # three of five in one slice are rejected by the second gate, so the others are held
    rows = [{**row, "slice": "s"} for row in make_rows([(0.4, 0.9)] * 3 + [(0.0, 0.0)] * 2)]
    run = judge_rows(tmp_path, rows, *use())
    replayed = decide_again(run, tmp_path, *use(first=0.4))

    assert replayed.before == {"accepted": 0, "rejected": 3, "held": 2, "undecided": 0}
    assert replayed.after == {"accepted": 2, "rejected": 3, "held": 0, "undecided": 0}
    assert [(g.before["rejected"], g.after["rejected"]) for g in replayed.gates] == [(0, 3), (3, 0)]
    assert [(g.before["held"], g.after["held"]) for g in replayed.gates] == [(0, 0), (2, 0)]


def test_a_slice_that_now_passes_its_bar_is_held_with_its_reason(tmp_path: Path) -> None:
    rows = [{**row, "slice": "s"} for row in make_rows([(0.0, 0.4)] * 3 + [(0.0, 0.0)] * 2)]
    replayed = decide_again(judge_rows(tmp_path, rows, *use()), tmp_path, *use(second=0.4))
    changed = {r["source_id"]: (r["after"], r["gate"], r["reason"]) for r in replayed.changed.to_pylist()}

    assert changed["r4"] == ("held", "replay_second", "slice")
    assert changed["r0"] == ("rejected", "replay_second", "score 0.4 >= threshold 0.4")


@pytest.mark.parametrize("max_share", [0.2, 0.9, None])
def test_another_bar_for_slices_gives_what_judging_again_gives(
    tmp_path: Path, max_share: float | None
) -> None:
    rows = make_rows(draw_scores(120), slices=9)
    gates = [use()[0], {**use()[1], "max_share": max_share, "threshold": 0.4}]
    replayed = decide_again(judge_rows(tmp_path, rows, *use()), tmp_path, *gates)
    again = judge_rows(tmp_path / "again", rows, *gates)

    assert replayed.after == {**count(again), "undecided": 0}


def review(run: Path, outcomes: dict[str, str]) -> None:
    """A person says something of some rows, by their own ids, and the run is decided anew."""
    ids = dict(
        zip(
            *(pq.read_table(run / "decisions.parquet")[c].to_pylist() for c in ("source_id", "row_id")),
            strict=True,
        )
    )
    said = build_verdicts(
        [ids[row] for row in outcomes],
        "review",
        list(outcomes.values()),
        reasons=["a person says so"] * len(outcomes),
        reason_classes=[None if o in {"accept", "abstain"} else f"review.{o}" for o in outcomes.values()],
    )
    write_table(run / "verdicts" / "review" / "part-00000.parquet", said)
    lock = open_judged(run).lock
    rule = Rule(tuple(lock.rule.order), tuple(lock.rule.overriding))
    decided = [decide(s.candidates, s.verdicts, rule) for s in read_shards(run, [g.use for g in lock.gates])]
    write_table(run / "decisions.parquet", pa.concat_tables(decided))


PEOPLE = {"r0": "reject", "r1": "accept", "r2": "hold", "r3": "accept", "r4": "abstain", "r5": "accept"}


def make_reviewed(folder: Path) -> Path:
    """Rows of which the slice of the second to fifth is held, and a person who has looked at some."""
    texts = [(0.1, 0.1), (0.1, 0.2), (0.1, 0.3), (0.1, 0.9), (0.1, 0.9), (0.45, 0.9)]
    rows = [{**row, "slice": f"s{k > 0}"} for k, row in enumerate(make_rows(texts))]
    run = judge_rows(folder, rows, *use())
    review(run, PEOPLE)
    return run


def test_what_a_person_said_counts_as_it_did(tmp_path: Path) -> None:
    run = make_reviewed(tmp_path)
    replayed = decide_again(run, tmp_path, *use())

    assert read_decisions(run) == {
        "r0": "rejected", "r1": "accepted", "r2": "held", "r3": "rejected", "r4": "rejected", "r5": "rejected",
    }  # fmt: skip
    assert (replayed.before, len(replayed.changed)) == (replayed.after, 0)


@pytest.mark.parametrize(("first", "second"), [(0.4, 0.5), (0.5, 0.95), (0.5, 0.2), (0.05, 0.05), (1.0, 1.0)])
def test_under_other_thresholds_a_person_overrides_as_when_the_run_is_judged_again(
    tmp_path: Path, first: float, second: float
) -> None:
    run = make_reviewed(tmp_path)
    replayed = decide_again(run, tmp_path, *use(first, second))
    shutil.copytree(run, tmp_path / "again")
    curate(tmp_path / "again", write_gates(tmp_path, *use(first, second)), tmp_path / "again")
    review(tmp_path / "again", PEOPLE)

    expected, before = read_decisions(tmp_path / "again"), read_decisions(run)
    assert read_changes(replayed) == {k: (before[k], d) for k, d in expected.items() if before[k] != d}
    for curve, threshold in zip(replayed.curves, (first, second), strict=True):
        [point] = [p for p in curve.points if p.threshold == threshold]
        assert (point.accepted, point.undecided) == (replayed.after["accepted"], replayed.after["undecided"])


def test_a_released_row_is_not_held_with_a_batch_that_fails(tmp_path: Path) -> None:
    run = judge_rows(tmp_path, make_rows([(0.1, 0.1), (0.1, 0.2)]), *use(first=0.6, plants=True))
    review(run, {"r0": "accept"})
    replayed = decide_again(run, tmp_path, *use(first=0.6, plants=True, min_recall=0.9))

    assert read_changes(replayed) == {"r1": ("accepted", "held")}


def test_canaries_of_other_parameters_are_told_and_hold_nothing(tmp_path: Path) -> None:
    rows = make_rows([(0.1, 0.1), (0.95, 0.1)])
    run = judge_rows(tmp_path, rows, *use(plants=True))
    replayed = decide_again(run, tmp_path, *use(first=0.8, plants=True))

    [first, _] = replayed.gates
    assert (first.self_test_before.caught, first.self_test_before.blind) == (20, False)
    assert (first.self_test.planted, first.self_test.caught, first.self_test.blind) == (20, 8, True)
    assert replayed.after == {"accepted": 1, "rejected": 1, "held": 0, "undecided": 0}
    assert replayed.caveats == (
        "replay_first caught 8 of 20 planted rows of kind too_much, where 0.8 of them is the bar: it planted "
        "them for its old parameters, and plants others when it judges again",
    )
    caught = {p.threshold: p.caught for p in replayed.curves[0].points}
    assert (caught[0.8], caught[0.12]) == (8, 20)
    lenient = use(first=0.8, plants=True, min_recall=0.3)
    assert decide_again(run, tmp_path, *lenient).caveats == ()


def test_a_bar_above_what_a_gate_caught_holds_the_batch(tmp_path: Path) -> None:
    run = judge_rows(tmp_path, make_rows([(0.1, 0.1), (0.95, 0.1)]), *use(first=0.6, plants=True))
    replayed = decide_again(run, tmp_path, *use(first=0.6, plants=True, min_recall=0.9))

    assert replayed.after == {"accepted": 0, "rejected": 1, "held": 1, "undecided": 0}
    [row] = replayed.changed.to_pylist()
    assert (row["after"], row["gate"]) == ("held", "replay_first")
    assert row["reason"].startswith("blind gate: replay_first caught 16 of 20 planted rows")
    assert row["reason_class"] == "replay_first.blind"
    assert replayed.caveats == (f"{row['reason']}; the batch is held",)
    unplanted = use(first=0.6, plants=True, min_recall=0.9, canaries=0)
    assert decide_again(run, tmp_path, *unplanted).after["accepted"] == 1


def test_a_batch_that_was_held_for_a_blind_gate_can_be_decided_again(tmp_path: Path) -> None:
    gates = use(first=0.9, plants=True)
    with pytest.raises(BlindGate):
        judge_rows(tmp_path, make_rows([(0.1, 0.1), (0.95, 0.1)]), *gates)
    still = decide_again(tmp_path / "run", tmp_path, *use(first=0.8, plants=True))
    replayed = decide_again(tmp_path / "run", tmp_path, *use(first=0.5, plants=True))

    assert still.after == still.before
    assert replayed.before == {"accepted": 0, "rejected": 1, "held": 1, "undecided": 0}
    assert replayed.after == {"accepted": 1, "rejected": 1, "held": 0, "undecided": 0}
    assert [(g.before["rejected"], g.before["held"]) for g in replayed.gates] == [(1, 1), (0, 0)]


def test_rejects_whose_twin_is_rejected_itself_are_told(tmp_path: Path) -> None:
    # the first row is the twin of all others
    rows = make_rows([(0.3, 0.1), (0.1, 0.9), (0.1, 0.8), (0.1, 0.2)])
    twins = {"use": "replay_twins", "threshold": 0.5}
    run = judge_rows(tmp_path, rows, *use(second=None), twins)

    assert decide_again(run, tmp_path, *use(second=None), twins).caveats == ()
    replayed = decide_again(run, tmp_path, *use(first=0.3, second=None), {**twins, "threshold": 0.6})
    assert replayed.caveats == (
        "replay_twins compared rows with what stayed then: rows that now pass were not compared anew",
        "replay_twins rejects 2 rows for a twin that is now rejected itself: judged again, one of each would stay",
    )


def test_a_run_of_several_shards_is_decided_like_one(tmp_path: Path) -> None:
    scores = draw_scores(SHARD_ROWS + 100)
    run = judge_rows(tmp_path, make_rows(scores), *use())
    replayed = decide_again(run, tmp_path, *use(0.4, 0.3))

    accepted = sum(a < 0.4 and b < 0.3 for a, b in scores)
    assert replayed.after["accepted"] == accepted
    assert len(list((run / "candidates").glob("*.parquet"))) == 2
    places = [int(row["source_id"][1:]) for row in replayed.changed.to_pylist()]
    assert places == sorted(places)


def test_an_empty_batch_is_decided_again_to_nothing(tmp_path: Path) -> None:
    run = judge_rows(tmp_path, make_rows([(0.1, 0.1)]), *use())
    for name in ("candidates", "verdicts/replay_first", "verdicts/replay_second"):
        [part] = (run / name).glob("part-00000.parquet")
        pq.write_table(pq.read_table(part).slice(0, 0), part)
    pq.write_table(pq.read_table(run / "decisions.parquet").slice(0, 0), run / "decisions.parquet")
    replayed = decide_again(run, tmp_path, *use(0.2, 0.2))

    assert replayed.after == {"accepted": 0, "rejected": 0, "held": 0, "undecided": 0}


def test_the_result_is_plain_json(run: Path, tmp_path: Path) -> None:
    value = decide_again(run, tmp_path, *use(0.4, 0.6)).to_json()

    assert json.loads(json.dumps(value)) == value
    assert value["scheme"] == "synth_stack/replay/v2"
    assert set(value) == {"scheme", "folder", "before", "after", "gates", "curves", "caveats", "changed"}
    assert value["gates"][0]["changes"] == [["threshold", 0.5, 0.4]]
    assert value["changed"][0].keys() == set(CHANGED_SCHEMA.names)


def test_the_package_offers_it() -> None:
    assert synth_stack.replay is replay


def cut_file(run: Path, name: str) -> None:
    (run / name).write_bytes((run / name).read_bytes()[:-9])


def change_verdict(run: Path, column: str, value: str) -> None:
    path = run / "verdicts" / "replay_first" / "part-00000.parquet"
    table = pq.read_table(path)
    values = [value, *table[column].to_pylist()[1:]]
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, VERDICT_SCHEMA.field(column), [values]), path)


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (shutil.rmtree, InputError, "holds no judged rows"),
        (lambda run: (run / "gates.lock.yaml").unlink(), InputError, "it has no gates.lock.yaml"),
        (lambda run: (run / "decisions.parquet").unlink(), InputError, "it has no decisions.parquet"),
        (lambda run: shutil.rmtree(run / "verdicts" / "replay_second"), StoreError, "are not what its verdicts give"),
        (lambda run: shutil.rmtree(run / "candidates"), InputError, "one decision for every row"),
        (lambda run: cut_file(run, "verdicts/replay_first/part-00000.parquet"), StoreError, "not a readable"),
        (lambda run: cut_file(run, "candidates/part-00000.parquet"), StoreError, "not a readable"),
        (lambda run: change_verdict(run, "outcome", "perhaps"), StoreError, "outcome that is none; seen: perhaps"),
        (lambda run: change_verdict(run, "row_id", "f" * 32), StoreError, "rows that the run does not have"),
        (lambda run: change_verdict(run, "outcome", "accept"), StoreError, "are not what its verdicts give"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_whole_judged_run_is_refused(
    run: Path, tmp_path: Path, spoil: Any, error: type[Exception], says: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    spoil(copy)

    with pytest.raises(error, match=says):
        decide_again(copy, tmp_path, *use())


def test_candidates_that_were_changed_are_refused(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    part = copy / "candidates" / "part-00000.parquet"
    table = pq.read_table(part)
    pq.write_table(pa.concat_tables([table.slice(1), table.slice(0, 1)]), part)

    with pytest.raises(StoreError, match="not those of its candidates, in their order"):
        decide_again(copy, tmp_path, *use())


def test_a_row_that_stands_twice_is_refused(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    for name in ("candidates/part-00000.parquet", "decisions.parquet"):
        table = pq.read_table(copy / name)
        pq.write_table(pa.concat_tables([table.slice(0, 1), table.slice(0, 1), table.slice(2)]), copy / name)

    with pytest.raises(StoreError, match="two rows with one row_id"):
        decide_again(copy, tmp_path, *use())


def test_a_parameter_that_needs_new_verdicts_is_refused_with_the_way_to_them(
    run: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError,
        match=r"replay_first.field cannot change without .*; seen: 'answer'; .*`synth-stack curate",
    ) as caught:
        decide_again(run, tmp_path, *use(field="answer"))

    assert str(run) in str(caught.value)
