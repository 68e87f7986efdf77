from typing import Any

import pytest

from synth_stack.packs.counts import Tally
from synth_stack.packs.gate_log import Measures
from synth_stack.packs.splits import SplitCount
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.self_tests import KindCount, SelfTestBars, measure
from tests.lineage.shards import make_candidates
from tests.packs.judged_run import tell_terms


def verdict(gate: str, outcome: str, threshold: str | None = "0.5", **changes: Any) -> dict[str, Any]:
    said = {"gate": gate, "outcome": outcome, "threshold": threshold}
    return {**said, "cites": None, **changes}


def record(decision: str = "accepted", gate: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "row_id": "0" * 32,
        "kind": "instruction",
        "slice": "billing/late",
        "locale": "en",
        "origin": {"generator": "instruction", "generator_version": "1", "seed_id": "seed-0"}
        | {"parent_id": None},
        "verdicts": [verdict("dedup", "accept")],
        "decision": {"decision": decision, "gate": gate, "replaced_by": None}
        | {"reason_class": None if gate is None else f"{gate}.x"},
        **changes,
    }


def count(*records: dict[str, Any], gates: tuple[str, ...] = ("dedup", "toxicity")) -> Any:
    tally = Tally()
    tally.add_records(records)
    return tally.finish(gates)


def test_the_funnel_ends_with_the_accepted_rows() -> None:
    counts = count(record(), record("rejected", "dedup"), record("held", "toxicity"), record())
    assert [gate.left for gate in counts.gates] == [3, 2]
    assert counts.gates[-1].left == counts.accepted == 2
    assert (counts.generated, counts.rejected, counts.held) == (4, 1, 1)


def test_a_row_with_two_verdicts_of_a_gate_is_looked_at_once() -> None:
    counts = count(record(verdicts=[verdict("dedup", "accept"), verdict("dedup", "hold", None)]))
    assert counts.gates[0].looked_at == 1


def test_thresholds_stand_in_the_order_of_their_size() -> None:
    counts = count(*(record(verdicts=[verdict("dedup", "accept", t)]) for t in ("10.0", "9.5", "1e-05")))
    assert counts.gates[0].thresholds == ("1e-05", "9.5", "10.0")


def test_a_reader_that_rejects_before_the_gates_stands_first_and_a_reviewer_last() -> None:
    counts = count(
        record("rejected", "read", verdicts=[]),
        record("rejected", "review", verdicts=[verdict("dedup", "accept"), verdict("review", "reject")]),
        record("held", "lot", verdicts=[verdict("dedup", "accept")]),
    )
    assert [gate.gate for gate in counts.gates] == ["read", "dedup", "toxicity", "lot", "review"]
    assert counts.gates[-1].left == 0


def test_reasons_are_counted_by_their_class() -> None:
    rows = [record("rejected", "dedup"), record("rejected", "dedup"), record("held", "dedup")]
    rows[2]["decision"]["reason_class"] = "dedup.cluster"
    assert [(r.decision, r.reason_class, r.rows) for r in count(*rows).reasons] == [
        ("rejected", "dedup.x", 2),
        ("held", "dedup.cluster", 1),
    ]


def test_a_reject_without_gate_and_reason_is_counted_too() -> None:
    rows = [record("rejected")]
    assert [(r.gate, r.reason_class, r.rows) for r in count(*rows).reasons] == [("", "", 1)]
    assert count(*rows).gates[-1].left == 0


def test_slices_are_counted_by_their_first_part_and_none_stands_last() -> None:
    counts = count(record(), record(slice="billing/early"), record(slice="locks"), record(slice=None))
    assert [(g.name, g.generated) for g in counts.slices] == [("billing", 2), ("locks", 1), (None, 1)]


def test_seeds_are_counted_with_the_most_used_one() -> None:
    other = {**record()["origin"], "seed_id": "seed-1"}
    counts = count(record(), record(), record("rejected", "dedup"), record(origin=other))
    assert (counts.seeds, counts.max_accepted_per_seed) == (2, 2)


def replaced(by: str, original: str = "a" * 32) -> dict[str, Any]:
    """A rejected row whose decision names the row that stands for it."""
    row = record("rejected", "personal_data", row_id=original)
    row["decision"]["replaced_by"] = by
    return row


def child_of(parent: str | None, row_id: str = "b" * 32, **changes: Any) -> dict[str, Any]:
    row = record(row_id=row_id, **changes)
    return {**row, "origin": {**row["origin"], "parent_id": parent}}


def test_replacements_are_counted_apart_and_not_as_generated() -> None:
    counts = count(record(), replaced("b" * 32), child_of("a" * 32))
    assert (counts.generated, counts.replacements, counts.rows) == (2, 1, 3)
    assert (counts.accepted, counts.rejected) == (2, 1)
    assert counts.gates[-1].left == counts.accepted
    assert [(g.name, g.generated, g.accepted) for g in counts.slices] == [("billing", 2, 2)]
    assert counts.to_predicate()["replacements"] == 1
    assert [(r.reason_class, r.rows) for r in counts.reasons] == [("personal_data.x", 1)]


def test_a_row_that_only_its_parent_or_only_itself_calls_a_replacement_is_none() -> None:
    assert count(replaced("b" * 32), child_of(None)).replacements == 0
    assert count(replaced("b" * 32), child_of("c" * 32)).replacements == 0
    assert count(replaced("c" * 32), child_of("a" * 32)).replacements == 0


def test_the_eval_set_is_the_one_that_the_deciding_verdict_cites() -> None:
    def leaked(decision: str, outcome: str, **cites: str) -> dict[str, Any]:
        others = [
            verdict("first", "reject", cites={"eval_set": "not this one"}),
            verdict("leaks", "accept", cites={"eval_set": "nor this"}),
        ]
        return record(decision, "leaks", verdicts=[*others, verdict("leaks", outcome, cites=cites or None)])

    rows = [
        *[leaked("rejected", "reject", eval_set="gsm8k", item="q1")] * 2,
        leaked("held", "hold", eval_set="humaneval"),
        leaked("rejected", "reject", twin="f" * 32),
        leaked("rejected", "reject"),
        record(verdicts=[verdict("leaks", "accept", cites={"eval_set": "gsm8k"})]),
    ]
    assert count(*rows, gates=("leaks",)).eval_sets == {
        ("leaks", "gsm8k", "leaks.x"): 2,
        ("leaks", "humaneval", "leaks.x"): 1,
    }


def test_a_row_that_was_turned_away_without_a_verdict_has_no_eval_set() -> None:
    assert count(record("rejected", "reader", verdicts=[])).eval_sets == {}


def test_what_the_gates_caught_of_their_canaries_is_signed() -> None:
    tally = Tally()
    found = measure("dedup", [KindCount("copy", 20, 19)], SelfTestBars(0.95))
    assert tally.finish(["dedup"], Measures((found,))).to_predicate()["self_tests"] == [
        {"gate": "dedup", "planted": 20, "caught": 19, "innocent": 0, "turned_away": 0}
    ]


def test_the_dataset_of_foreign_rows_is_no_seed() -> None:
    assert count(record(kind="foreign")).seeds == 0


def test_nothing_counts_as_nothing() -> None:
    counts = count()
    assert (counts.generated, counts.seeds, counts.lengths) == (0, 0, None)
    assert (counts.splits, counts.labels, counts.adversarial) == ((SplitCount("train", 0, 0),), (), 0)
    assert counts.to_predicate()["gates"][0] == {
        "gate": "dedup",
        "looked_at": 0,
        "abstained": 0,
        "rejected": 0,
        "held": 0,
    }


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_lengths_and_bytes_do_not_depend_on_how_rows_are_batched(pieces: int) -> None:
    base = make_candidates(1).to_pylist()[0]
    texts = ["é" * n for n in (5, 1, 9, 3, 7)]
    table = tell_terms(build_candidates([{**base, "text": text, "draw": i} for i, text in enumerate(texts)]))
    tally = Tally()
    step = -(-5 // pieces)
    for start in range(0, 5, step):
        tally.add_rows(table.slice(start, step))
    lengths = tally.finish(()).lengths
    assert lengths is not None
    assert (lengths.shortest, lengths.median, lengths.p95, lengths.longest) == (1, 5, 9, 9)
    whole = Tally()
    whole.add_rows(table)
    (split,) = tally.finish(()).splits
    assert (split,) == whole.finish(()).splits
    assert (split.rows, split.num_bytes > 50) == (5, True)


def test_what_stands_in_which_split_is_signed_only_where_it_is_not_all_in_train() -> None:
    tally = Tally()
    tally.add_rows(tell_terms(make_candidates(3)))
    assert "splits" not in tally.finish(()).to_predicate()
    tally.add_rows(tell_terms(make_candidates(2, kind="adversarial")))
    assert tally.finish(()).to_predicate()["splits"] == {"train": 3, "adversarial": 2}


def test_a_row_without_text_has_no_length() -> None:
    tally = Tally()
    tally.add_rows(tell_terms(make_candidates(2, text=None)))
    assert tally.finish(()).lengths is None
