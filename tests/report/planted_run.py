"""A small run as it might come out of a support-desk recipe: every kind of decision and evidence in it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, VERDICT_SCHEMA, build_candidates
from synth_stack.runs.self_tests import KindCount, SelfTest, SelfTestBars, measure
from tests.some_rows import make_row

CLASSES = {
    "generate": "generate.failure",
    "dedup": "dedup.near_duplicate",
    "toxicity": "toxicity.insult",
    "contamination": "contamination.eval_item",
    "drift": "drift.off_slice",
    "factuality": "factuality.contradiction",
    "personal_data": "personal_data.redacted",
}
"""The class of reason for which each gate turns rows away."""
THRESHOLDS = {"dedup": 0.85, "toxicity": 0.05, "contamination": 0.8, "drift": 3.5, "factuality": 0.6}

SLICES = {
    "billing/duplicate_charge": ("charged twice for", "The second charge is a pending authorisation"),
    "billing/refund": ("owed a refund on", "Refunds reach the card within five working days"),
    "billing/invoice_copy": (
        "missing the invoice for",
        "Every invoice can be downloaded from the account page",
    ),
    "account/locked": (
        "locked out after paying for",
        "An account unlocks itself thirty minutes after the last try",
    ),
    "account/two_factor": (
        "no longer getting codes to open",
        "A recovery code signs you in once without the phone",
    ),
    "delivery/late": ("still waiting for", "A parcel counts as late once the promised day has passed"),
    "delivery/damaged": (
        "looking at a broken",
        "A photograph of the damage is enough to start a replacement",
    ),
    "privacy/erasure": (
        "asking you to erase all data about",
        "Erasure requests are confirmed within thirty days",
    ),
}
THINGS = (
    "the annual plan",
    "my headphones",
    "order 4471",
    "a train pass",
    "the kitchen scale",
    "two tickets",
)
OPENINGS = (
    "Hello, I am",
    "Since Monday I have been",
    "For the third time I am",
    "Hi there, I seem to be",
    "I am",
)
WISHES = (
    "Could you tell me what happens next?",
    "Please sort this out before the end of the week.",
    "What do you need from me?",
    "I would rather not call again about it.",
    "Is there anything that I can do myself?",
)
INSULT = "you useless pack of idiots"
EVAL_ITEM = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
GENERATORS = (("instruction", "1"), ("dialogue", "2"), ("longtail", "1"))
LOCALES = ("en-GB", "en-US", "de-DE", "fr-FR", "pt-BR")


@dataclass(frozen=True)
class Run:
    """The three tables of a run, in parts as a run folder keeps them, and its gates' self-tests."""

    candidates: Sequence[pa.Table]
    verdicts: Mapping[str, Sequence[pa.Table]]
    decisions: pa.Table
    self_tests: Sequence[SelfTest] = ()


SELF_TESTS = (
    measure("dedup", [KindCount("copy", 40, 40), KindCount("near_duplicate", 60, 58)], SelfTestBars(0.95)),
    measure(
        "toxicity", [KindCount("combative_tone", 50, 20), KindCount("insult", 50, 41)], SelfTestBars(0.7)
    ),
    measure(
        "contamination",
        [KindCount("rephrased_item", 30, 27), KindCount("same_topic", 20, 1, control=True)],
        SelfTestBars(0.8, max_unfair=0.1, off=("translated_item",)),
    ),
    measure("drift", [], SelfTestBars(0.9)),
)
"""One gate that sees well, a blind one, one in doubt, and one that could plant nothing."""


def plant_run(n: int, *, part_size: int = 200, seed: int = 7) -> Run:
    """`n` rows; about one in eight is rejected or held, each for a reason that its text bears out."""
    rng = random.Random(seed)
    faults = [_draw_fault(rng) if i else None for i in range(n)]
    drafts: list[dict[str, Any]] = []
    for i, fault in enumerate(faults):
        drafts.append(_copy_row(i, drafts[i // 2]) if fault == "dedup" else _plant_row(i, fault, rng))
    table = build_candidates(drafts)
    rows = table.to_pylist()
    judged: dict[str, list[dict[str, Any]]] = {gate: [] for gate in THRESHOLDS}
    decisions = [_decide(i, rows, faults[i], judged, rng) for i in range(n)]
    return Run(
        _split(table, part_size),
        {g: _split(pa.Table.from_pylist(v, schema=VERDICT_SCHEMA), part_size) for g, v in judged.items()},
        pa.Table.from_pylist(decisions, schema=DECISION_SCHEMA),
    )


def build_run(
    rows: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Mapping[str, Any]] = (),
    decisions: Sequence[Mapping[str, Any]] = (),
) -> Run:
    """A run from a few hand-written rows; verdicts and decisions name their row by its index as `row`."""
    table = build_candidates(
        {**make_row(draw=i, generator="instruction"), **row} for i, row in enumerate(rows)
    )
    ids = table["row_id"].to_pylist()
    by_gate: dict[str, list[dict[str, Any]]] = {}
    for verdict in verdicts:
        full = {"scope": "row", **verdict, "row_id": ids[verdict["row"]]}
        by_gate.setdefault(verdict["gate"], []).append(full)
    settled = [{**decision, "row_id": ids[decision["row"]]} for decision in decisions]
    return Run(
        [table],
        {g: [pa.Table.from_pylist(v, schema=VERDICT_SCHEMA)] for g, v in by_gate.items()},
        pa.Table.from_pylist(settled, schema=DECISION_SCHEMA),
    )


def replace_rows(run: Run, rows: Sequence[int]) -> Run:
    """The run with some rows rejected for a redacted copy of each, which is accepted and comes last."""
    table = pa.concat_tables(run.candidates)
    decisions = run.decisions.to_pylist()
    copies = []
    for row in (table.slice(i, 1).to_pylist()[0] for i in rows):
        text = f"{row['text']} Write to [EMAIL]."
        extra = canonical_text({"redacted": [{"end": 7, "kind": "email", "message": 0, "start": 0}]})
        copies.append({**row, "text": text, "parent_id": row["row_id"], "extra": extra})
    amended = build_candidates(copies)
    said = []
    for i, copy in zip(rows, amended.to_pylist(), strict=True):
        away = _away(copy["parent_id"], "rejected", "personal_data", "an e-mail address was taken out")
        decisions[i] = {**away, "replaced_by": copy["row_id"]}
        evidence = canonical_text({"replaced_by": copy["row_id"]})
        explained = {name: away[name] for name in ("row_id", "reason", "reason_class")}
        said.append({**explained, "outcome": "reject", "score": 1.0, "evidence": evidence})
        decisions.append({"row_id": copy["row_id"], "decision": "accepted"})
    verdicts = [{**v, "gate": "personal_data", "threshold": 1.0, "scope": "row"} for v in said]
    judged = {"personal_data": [pa.Table.from_pylist(verdicts, schema=VERDICT_SCHEMA)], **run.verdicts}
    settled = pa.Table.from_pylist(decisions, schema=DECISION_SCHEMA)
    return Run([*run.candidates, amended], judged, settled, run.self_tests)


def _split(table: pa.Table, size: int) -> list[pa.Table]:
    return [table.slice(start, size) for start in range(0, max(table.num_rows, 1), size)]


def _draw_fault(rng: random.Random) -> str | None:
    faults = ["generate", "dedup", "toxicity", "contamination", "drift", "factuality", "unsure"]
    return rng.choices([None, *faults], weights=[870, 12, 55, 14, 9, 6, 22, 12])[0]


def _plant_row(i: int, fault: str | None, rng: random.Random) -> dict[str, Any]:
    slice_, (trouble, answer) = rng.choice(list(SLICES.items())[: 8 if i % 9 == 0 else 7])
    user = f"{rng.choice(OPENINGS)} {trouble} {rng.choice(THINGS)}. {rng.choice(WISHES)}"
    if fault == "toxicity":
        user = f"Listen, {INSULT}: {user}"
    if fault == "contamination":
        user = f"{EVAL_ITEM[:-1]} How many clips did Natalia sell in all?"
    if fault == "factuality":
        answer = "Refunds reach the card the same minute, on every bank and every holiday"
    generator, version = rng.choices(GENERATORS, weights=[6, 3, 1])[0]
    reply = f"{answer}. I have opened case {rng.randint(10_000, 99_999)} and will write to you tomorrow."
    return {
        "kind": "dialogue" if generator == "dialogue" else "instruction",
        "slice": slice_,
        "locale": rng.choices(LOCALES, weights=[40, 30, 14, 10, 6])[0],
        "messages": [{"role": "user", "content": user}, {"role": "assistant", "content": reply}],
        "text": f"{user}\n{reply}",
        "attachments": [],
        "generator": generator,
        "generator_version": version,
        "teacher": "smollm2-135m-instruct",
        "draw": i,
        "replayable": True,
    }


def _copy_row(i: int, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """The earlier row with two words more at its end."""
    user, reply = (message["content"] for message in earlier["messages"])
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": f"{reply} Kind regards"}]
    return {**earlier, "messages": messages, "text": f"{user}\n{reply} Kind regards", "draw": i}


def _jaccard(left: str, right: str) -> float:
    a, b = (
        {tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in (left.split(), right.split())
    )
    return len(a & b) / len(a | b)


def _decide(
    i: int,
    rows: Sequence[Mapping[str, Any]],
    fault: str | None,
    judged: dict[str, list[dict[str, Any]]],
    rng: random.Random,
) -> dict[str, Any]:
    """The decision on row i; its verdicts, up to the gate that turns it away, go to `judged`."""
    row_id = rows[i]["row_id"]
    if fault == "generate":
        return _away(row_id, "rejected", "generate", "the teacher stopped at its length limit: 512 tokens")
    for gate, threshold in THRESHOLDS.items():
        turned_away = fault == gate or (fault == "unsure" and gate == "factuality")
        score = _draw_score(gate, rejected=turned_away and fault != "unsure", rng=rng)
        if fault == gate == "dedup":
            score = _jaccard(rows[i]["text"], rows[i // 2]["text"])
        verdict: dict[str, Any] = {"row_id": row_id, "gate": gate, "outcome": "accept", "score": score}
        verdict |= {"threshold": threshold, "scope": "row"}
        if fault == "unsure" and gate == "factuality":
            verdict |= {"outcome": "hold", "score": 0.58, "reason": "no document speaks for or against it"}
            verdict["reason_class"] = CLASSES[gate]
        elif turned_away:
            reason, evidence = _explain(gate, i, rows, score)
            verdict |= {"outcome": "reject", "reason": reason, "evidence": canonical_text(evidence)}
            verdict["reason_class"] = CLASSES[gate]
        elif gate == "factuality" and i % 11 == 0:
            verdict |= {"outcome": "abstain", "score": None, "reason": "no claim that could be checked"}
        judged[gate].append(verdict)
        if turned_away:
            return _away(row_id, "held" if fault == "unsure" else "rejected", gate, verdict["reason"])
    return {"row_id": row_id, "decision": "accepted"}


def _away(row_id: str, decision: str, gate: str, reason: str) -> dict[str, Any]:
    explained = {"gate": gate, "reason": reason, "reason_class": CLASSES[gate]}
    return {"row_id": row_id, "decision": decision, **explained}


def _draw_score(gate: str, *, rejected: bool, rng: random.Random) -> float:
    if gate == "dedup":
        return min(0.84, rng.betavariate(2, 5))
    if gate == "toxicity":
        return rng.uniform(0.06, 0.98) if rejected else min(0.049, rng.betavariate(1, 60) * 0.8)
    if gate == "contamination":
        return rng.uniform(0.82, 0.99) if rejected else min(0.79, rng.betavariate(3, 9))
    if gate == "drift":
        return rng.uniform(3.6, 5.2) if rejected else min(3.4, abs(rng.gauss(0, 1.1)))
    return rng.uniform(0.05, 0.55) if rejected else 1 - rng.betavariate(1, 7) * 0.4


def _explain(
    gate: str, i: int, rows: Sequence[Mapping[str, Any]], score: float
) -> tuple[str, dict[str, Any]]:
    """The reason and the evidence of a reject, as the gate of that name would give them."""
    text = rows[i]["text"]
    if gate == "dedup":
        twin = rows[i // 2]["row_id"]
        return f"near-duplicate: of row {twin}", {"twin": twin, "jaccard": round(score, 4)}
    if gate == "toxicity":
        start = text.index(INSULT)
        where = {"span": INSULT, "start": start, "end": start + len(INSULT)}
        return "insult: score above the threshold", {**where, "scorer": "linear-svm", "label": "insult"}
    if gate == "contamination":
        item = {"eval_set": "gsm8k", "item": "test-0", "item_text": EVAL_ITEM}
        return "eval item: 12-gram shared with gsm8k/test-0", {**item, "shared_ngrams": 7}
    if gate == "drift":
        return "off the slice: far from every seed of its slice", {
            "nearest_seed": "seed-0017",
            "distance": score,
        }
    return "contradicts a document: refunds.md, section 2", {
        "document": "refunds.md",
        "claim": "the same minute",
    }


EMPTY = Run([CANDIDATE_SCHEMA.empty_table()], {}, DECISION_SCHEMA.empty_table())
