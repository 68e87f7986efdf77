"""Weighs the topic gate: rows of two corpora of intents, half of them under a wrong one; and swapped answers.

    python benchmarks/on_topic.py ../shared/data [--rows 1000] [--confirm 0 1000]

The folder holds public corpora: banking77, on which the gate was developed, and clinc150, which judges it.
Seeds are the train rows, judged are test rows of which every second one is put under an intent drawn at
random.
"""

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from synth_stack.gates.on_topic.gate import on_topic
from synth_stack.rows.schemas import build_candidates
from synth_stack.stats.divergence import measure_auc
from synth_stack.stats.intervals import wilson

Rows = list[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--confirm", type=int, nargs="+", default=[0, 1_000])
    args = parser.parse_args()
    for name, (seeds, rows) in read_intents(args.folder).items():
        for confirm in args.confirm:
            show_intents(name, seeds, rows, args.rows, confirm)
    for name, pairs in read_answers(args.folder).items():
        show_answers(name, pairs[: args.rows])


def show_intents(name: str, seeds: Rows, rows: Rows, most: int, confirm: int) -> None:
    rng = np.random.default_rng(0)
    rows = [rows[k] for k in rng.permutation(len(rows))[:most]]
    names = sorted({intent for _, intent in seeds})
    wrong = np.arange(len(rows)) % 2 == 1
    filed = [
        names[(names.index(own) + int(rng.integers(1, len(names)))) % len(names)] if bad else own
        for (_, own), bad in zip(rows, wrong, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seeds.jsonl"
        path.write_text("\n".join(json.dumps({"text": t, "slice": s}) for t, s in seeds), encoding="utf-8")
        started = time.process_time()
        table = make_table([text for text, _ in rows], filed)
        said = judge(table, seeds=str(path), confirm_rows=confirm, max_false_moves=0.02)
        seconds = time.process_time() - started
    scores = -np.array([1.0 if v["score"] is None else v["score"] for v in said])
    ones = [np.ones((1, int(mask.sum())), np.float32) for mask in (wrong, ~wrong)]
    auc = measure_auc(scores[wrong], scores[~wrong], ones[0], ones[1])[0]
    at_two = float((scores[wrong] > np.quantile(scores[~wrong], 0.98)).mean())
    away = np.array([v["outcome"] in {"hold", "reject"} for v in said])
    told = [json.loads(v["evidence"] or "{}").get("belongs_to") for v in said]
    every = zip(told, rows, wrong, away, strict=True)
    right = np.mean([target == own for target, (_, own), bad, gone in every if bad and gone])
    low, high = wilson(int(away[~wrong].sum()), int((~wrong).sum()))
    print(
        f"{name}, {confirm} confirmed: AUC {auc:.4f}, recall at 2% false moves {at_two:.3f}; at the bar of "
        f".02 recall {away[wrong].mean():.3f}, false {away[~wrong].mean():.4f} ({low:.4f} to {high:.4f}), "
        f"moved to the right slice {right:.3f}; {seconds:.0f} CPU s",
        flush=True,
    )


def show_answers(name: str, pairs: Rows) -> None:
    """Held of a corpus as it is, and of the same with every second answer swapped."""
    questions, answers = [q for q, _ in pairs], [a for _, a in pairs]
    own = held(judge(make_table(questions, None, answers)))
    odd = np.arange(len(pairs)) % 2 == 1
    swapped = list(answers)
    places = np.flatnonzero(odd)
    for place, other in zip(places, np.roll(places, len(places) // 2), strict=True):
        swapped[place] = answers[other]
    found = held(judge(make_table(questions, None, swapped)))
    print(
        f"{name}: {own.mean():.4f} of {len(pairs)} own answers held, {found[odd].mean():.3f} of swapped ones",
        flush=True,
    )


def held(said: Sequence[dict[str, object]]) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return np.array([v["reason_class"] == "on_topic.stray_answer" for v in said])


def judge(table: pa.Table, **params: object) -> list[dict[str, object]]:
    gate = on_topic(**params)  # type: ignore[arg-type]  # named by the callers above
    state: dict[str, pa.Table] = {}
    for step in gate.rounds:
        state |= step.merge(iter([step.sketch(table, state)]), state)
    return list(gate.judge(table, state).to_pylist())


def make_table(texts: Sequence[str], slices: Sequence[str] | None, answers: Sequence[str] = ()) -> pa.Table:
    rows = []
    for k, text in enumerate(texts):
        messages = [{"role": "user", "content": text}]
        if answers:
            messages.append({"role": "assistant", "content": answers[k]})
        rows.append(
            {
                "kind": "instruction",
                "messages": messages,
                "text": "\n\n".join(message["content"] for message in messages),
                "slice": None if slices is None else slices[k],
                "attachments": [],
                "generator": "benchmark",
                "generator_version": "1",
                "draw": k,
                "replayable": True,
            }
        )
    return build_candidates(rows)


def read_intents(folder: Path) -> dict[str, tuple[Rows, Rows]]:
    parts: list[Rows] = []
    for split in ("train", "test"):
        with (folder / "banking77" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            parts.append([(row["text"], row["category"]) for row in csv.DictReader(file)])
    intents = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    clinc = [[(text, name) for text, name in intents[split]] for split in ("train", "test")]
    return {"banking77 (developed on)": (parts[0], parts[1]), "clinc150 (unseen)": (clinc[0], clinc[1])}


def read_answers(folder: Path) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for name, mark in (("alpaca_demo", "fitted on"), ("flask_chatgpt_500", "unseen")):
        lines = (folder / "ordinary" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        found[f"{name} ({mark})"] = [
            (f"{row.get('instruction') or row.get('prompt')} {row.get('input') or ''}", str(row["output"]))
            for row in rows
            if row.get("output")
        ]
    return found


if __name__ == "__main__":
    main()
