from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.packs.counts import SHARED_NGRAM, Tally
from synth_stack.packs.gate_log import Measures
from synth_stack.packs.splits import SplitCount
from synth_stack.rows.redacted import REDACTED_IN
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.canary_recall import KindCount, measure_recall
from tests.lineage.shards import make_candidates


def verdict(gate: str, outcome: str, threshold: str | None = "0.5", **changes: Any) -> dict[str, Any]:
    said = {"gate": gate, "outcome": outcome, "threshold": threshold}
    return {**said, "reason": None, "evidence_sha256": None, **changes}


def record(decision: str = "accepted", gate: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "row_id": "0" * 32,
        "kind": "instruction",
        "slice": "billing/late",
        "locale": "en",
        "origin": {"generator": "instruction", "generator_version": "1", "seed_id": "seed-0"}
        | {"parent_id": None},
        "verdicts": [verdict("dedup", "accept")],
        "decision": {"decision": decision, "gate": gate, "reason": None if gate is None else f"{gate}: x"},
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


def test_abstentions_are_counted_by_row() -> None:
    counts = count(record(verdicts=[verdict("dedup", "abstain")] * 2), record())
    assert counts.gates[0].abstained == 1


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


def test_a_reason_counts_up_to_its_first_colon() -> None:
    rows = [record("rejected", "dedup") for _ in range(2)]
    rows[0]["decision"]["reason"] = "near: of row a"
    rows[1]["decision"]["reason"] = "near: of row b"
    assert [(r.reason, r.rows) for r in count(*rows).reasons] == [("near", 2)]


@pytest.mark.parametrize(
    ("reason", "how"),
    [
        ("shared n-gram: with the prompt of gsm8k/test-12", "shared n-gram"),
        ("rephrased item: like gsm8k/7, cosine 0.912", "rephrased item"),
        ("solves a held-out item: passes the 7 tests of gsm8k/HumanEval/31", "solves a held-out item"),
    ],
)
def test_a_row_that_fell_to_an_eval_item_is_counted_for_its_set_and_how(reason: str, how: str) -> None:
    row = record("rejected", "contamination")
    row["decision"]["reason"] = reason
    assert count(row).eval_sets == {("contamination", "gsm8k", how): 1}
    row["decision"]["reason"] = "answer too short: 3 words, allowed 5 to 900"
    assert count(row).eval_sets == {}


def test_a_reject_without_gate_and_reason_is_counted_too() -> None:
    rows = [record("rejected")]
    assert [(r.gate, r.reason, r.rows) for r in count(*rows).reasons] == [("", "", 1)]
    assert count(*rows).gates[-1].left == 0


def test_slices_are_counted_by_their_first_part_and_none_stands_last() -> None:
    counts = count(record(), record(slice="billing/early"), record(slice="locks"), record(slice=None))
    assert [(g.name, g.generated) for g in counts.slices] == [("billing", 2), ("locks", 1), (None, 1)]


def test_seeds_are_counted_with_the_most_used_one() -> None:
    other = {**record()["origin"], "seed_id": "seed-1"}
    counts = count(record(), record(), record("rejected", "dedup"), record(origin=other))
    assert (counts.seeds, counts.max_accepted_per_seed) == (2, 2)


def redacted(copy: str, original: str = "a" * 32) -> dict[str, Any]:
    """A rejected row whose reason names its redacted copy."""
    row = record("rejected", "personal_data", row_id=original)
    row["decision"]["reason"] = f"personal data: email, {REDACTED_IN}{copy}"
    return row


def copy_of(parent: str | None, row_id: str = "b" * 32, **changes: Any) -> dict[str, Any]:
    row = record(row_id=row_id, **changes)
    return {**row, "origin": {**row["origin"], "parent_id": parent}}


def test_redacted_copies_are_counted_apart_and_not_as_generated() -> None:
    counts = count(record(), redacted("b" * 32), copy_of("a" * 32))
    assert (counts.generated, counts.redacted, counts.rows) == (2, 1, 3)
    assert (counts.accepted, counts.rejected) == (2, 1)
    assert counts.gates[-1].left == counts.accepted
    assert [(g.name, g.generated, g.accepted) for g in counts.slices] == [("billing", 2, 2)]
    assert counts.to_predicate()["redacted"] == 1
    assert [(r.reason, r.rows) for r in counts.reasons] == [("personal data, redacted", 1)]


def test_a_row_that_only_its_parent_or_only_itself_calls_a_copy_is_none() -> None:
    assert count(redacted("b" * 32), copy_of(None)).redacted == 0
    assert count(redacted("b" * 32), copy_of("c" * 32)).redacted == 0
    assert count(redacted("c" * 32), copy_of("a" * 32)).redacted == 0


def test_the_short_list_has_the_rows_with_evidence_that_words_alone_did_not_decide() -> None:
    rows = [
        record(verdicts=[verdict("contamination", "accept", evidence_sha256="e" * 64)]),
        record(
            verdicts=[verdict("contamination", "reject", evidence_sha256="e" * 64, reason="rephrased: x")]
        ),
        record(
            verdicts=[
                verdict("contamination", "reject", evidence_sha256="e" * 64, reason=f"{SHARED_NGRAM}: x")
            ]
        ),
        record(verdicts=[verdict("contamination", "accept")]),
    ]
    assert count(*rows).short_lists == {"contamination": 2}


def test_what_the_gates_caught_of_their_canaries_is_signed() -> None:
    tally = Tally()
    found = measure_recall("dedup", [KindCount("copy", 20, 19)], min_recall=0.95)
    assert tally.finish(["dedup"], Measures((found,))).to_predicate()["canaries"] == [
        {"gate": "dedup", "planted": 20, "caught": 19, "min_recall": "0.95"}
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
    table = build_candidates([{**base, "text": text, "draw": i} for i, text in enumerate(texts)])
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
    tally.add_rows(make_candidates(3))
    assert "splits" not in tally.finish(()).to_predicate()
    tally.add_rows(make_candidates(2, kind="adversarial"))
    assert tally.finish(()).to_predicate()["splits"] == {"train": 3, "adversarial": 2}


def test_a_row_without_text_has_no_length() -> None:
    tally = Tally()
    tally.add_rows(make_candidates(2, text=None))
    assert tally.finish(()).lengths is None


def test_the_contamination_gate_words_its_reasons_so_that_the_set_is_counted(tmp_path: Path) -> None:
    from synth_stack.gates.contamination.gate import contamination
    from synth_stack.inputs.gate_file import NamedEvalSet

    leaked = "How many apples does the grocer on the corner have left after he has sold half of them today?"
    path = tmp_path / "tiny.jsonl"
    path.write_text(orjson.dumps({"id": "q1", "question": leaked, "answer": "4"}).decode() + "\n")
    judge = contamination(against=[NamedEvalSet(name="tiny", path=str(path))], embedding=None)
    verdicts = judge.judge(make_candidates(1, text=leaked)).to_pylist()
    assert verdicts[0]["outcome"] == "reject"
    row = record("rejected", "contamination")
    row["decision"]["reason"] = verdicts[0]["reason"]
    assert count(row).eval_sets == {("contamination", "tiny", SHARED_NGRAM): 1}
