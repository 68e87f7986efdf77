"""Measures what an audit states: how often its intervals hold the truth, and its time beside `curate`.

    python benchmarks/audit.py CORPORA
    python benchmarks/audit.py CORPORA --rows 100000 --only time
    python benchmarks/audit.py CORPORA --rows 500000 --only share

CORPORA has banking77/, clinc150/, gsm8k/, code_alpaca/ and ordinary/. Of each of three data sets (banking77;
clinc150; GSM8K's training set with code_alpaca) the rows that the gates turn away are left out first, so that
the truth is known. A batch is drawn from the rest; each row of it is spoilt with the probability of a kind:
an empty answer, a copy, an exam item, an e-mail address, a card number, a passage in Spanish, a placeholder,
and an answer to another question, which none of these gates can see. The truth for a stated rate is the
probability with which its kind was planted, and for a sample what all rows of the batch show. One audit of
10,000 rows is shown as it stands; coverage is counted over many small ones. Labels, for the corrected rate,
are drawn at random from what was turned away and what passed, and answered by what was planted. The
toxicity gate and the contamination gate's models are left out: they cost ten times the rest, and say
nothing of intervals.
"""

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from curate import write_rows
from ordinary_corpora import read_csv, read_json, read_jsonl

from synth_stack import audit
from synth_stack.audits.evidence import read_evidence, read_settings
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.stats.intervals import clopper_pearson

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of defect: with which probability a row has it, and what says so: a gate and reason classes."""

    share: float
    gate: str | None
    classes: tuple[str, ...] = ()


KINDS = {
    "e-mail address": Kind(0.015, "personal_data", ("personal_data.email",)),
    "card number": Kind(0.003, "personal_data", ("personal_data.card",)),
    "empty answer": Kind(0.01, "structure", ("structure.empty_answer",)),
    "Spanish": Kind(0.01, "structure", ("structure.wrong_language",)),
    "placeholder": Kind(0.008, "structure", ("structure.placeholder",)),
    "copy": Kind(0.02, "dedup", ("dedup.",)),
    "exam item": Kind(0.005, "contamination", ("contamination.",)),
    "another answer": Kind(0.02, None),
}
"""In the order of the gates: a gate's rate is of the rows that no earlier one rejected."""
FIRST = ("maria", "jonas", "priya", "chen", "olu", "ines", "tom", "aisha")
LAST = ("keller", "novak", "silva", "haddad", "moreau", "tanaka", "okafor", "berg")
LABELS = {"away": 200, "passed": 400}
"""Rows that people would read, of what was turned away and of what passed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--batches", type=int, default=20, help="small batches of a data set")
    parser.add_argument("--batch-rows", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=50_000, help="rows that time is measured on")
    parser.add_argument(
        "--gates", type=Path, help="a gate file to measure time with, in place of the cheap gates"
    )
    parser.add_argument("--only", choices=("coverage", "time", "share"))
    parser.add_argument("--seed", type=int, default=16)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="audit-"))
    try:
        if args.only in {None, "coverage"}:
            measure_coverage(args.corpora, folder, args.batches, args.batch_rows, args.seed)
        if args.only in {None, "time"}:
            measure_time(folder, args.rows, args.seed, args.gates)
        if args.only == "share":
            measure_share(folder, args.rows, args.seed, args.gates)
    finally:
        shutil.rmtree(folder)


def measure_coverage(corpora: Path, folder: Path, batches: int, batch_rows: int, seed: int) -> None:
    exam = NamedEvalSet(name="gsm8k", path=str(corpora / "gsm8k" / "test.jsonl"))
    gates = write_gates(folder)
    spare = read_spare(corpora)
    held: dict[str, list[bool]] = defaultdict(list)
    for name, records in read_sets(corpora).items():
        rng = random.Random(f"{seed}/{name}")
        rng.shuffle(records)
        clean = keep_clean(records[:12_000], gates, exam, folder / f"{name}-clean")
        rows, kinds = plant(clean, 10_000, rng, spare)
        whole = folder / f"{name}-whole"
        told = audit(rows, gates, whole, eval_sets=[exam]).audit
        print(f"\n{name}: one audit of {len(rows):,} rows, {len(clean):,} clean ones to draw from")
        show_rates(told, Counter(kinds))
        for number in range(batches):
            rows, kinds = plant(clean, batch_rows, rng, spare)
            work = folder / f"{name}-{number}"
            told = audit(rows, gates, work, eval_sets=[exam]).audit
            note_batch(told, held)
            labelled = write_labels(work, kinds, rng)
            note_corrected(audit(rows, gates, work, eval_sets=[exam], labels=labelled).audit, held)
            shutil.rmtree(work)
        note_samples(whole, gates=gates, exam=exam, size=batch_rows, samples=batches, rng=rng, held=held)
    show_coverage(held)


def read_sets(corpora: Path) -> dict[str, list[Record]]:
    """Three public data sets as questions and answers."""
    banking = read_csv(corpora / "banking77" / "train.csv") + read_csv(corpora / "banking77" / "test.csv")
    clinc = read_json(corpora / "clinc150" / "data_full.json")
    named = [pair for split in clinc for pair in clinc[split]]  # type: ignore[call-overload]
    solved = read_jsonl(corpora / "gsm8k" / "train.jsonl")
    code = [
        row
        for file in ("code_alpaca_2k.json", "new_codealpaca.json")
        for row in read_json(corpora / "code_alpaca" / file)
    ]
    return {
        "banking77": [_ask(row["text"], _say_topic(row["category"])) for row in banking],
        "clinc150": [_ask(text, _say_topic(intent)) for text, intent in named],
        "gsm8k and code_alpaca": [_ask(row["question"], row["answer"]) for row in solved]
        + [
            _ask(
                f"{row['instruction']}\n{row.get('input') or ''}".strip(),
                row.get("output") or row.get("response") or "",
            )
            for row in code
        ],
    }


def _ask(question: str, answer: str) -> Record:
    return {"instruction": question, "output": answer}


def _say_topic(name: str) -> str:
    return f"That is a question about {name.replace('_', ' ')}."


def read_spare(corpora: Path) -> dict[str, list[str]]:
    """What is planted from other corpora: exam items with their answers, and passages in Spanish."""
    exam = read_jsonl(corpora / "gsm8k" / "test.jsonl")
    spanish = read_jsonl(corpora / "ordinary" / "xquad_es.jsonl")
    return {
        "exam item": [json.dumps([row["question"], row["answer"]]) for row in exam],
        "Spanish": list({row["input"].strip("\ufeff"): None for row in spanish}),
    }


def write_gates(folder: Path) -> Path:
    """The gates of this measurement, with their own defaults but for what the head of this file says."""
    gates = [
        {"use": "personal_data", "canaries": 0},
        {"use": "structure", "languages": ["en"], "min_punctuated": None, "canaries": 0},
        {"use": "dedup", "canaries": 0},
        {"use": "contamination", "embedding": None, "behaviour": None, "canaries": 0},
    ]
    path = folder / "gates.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "gates": gates}), encoding="utf-8")
    return path


def keep_clean(records: list[Record], gates: Path, exam: NamedEvalSet, folder: Path) -> list[Record]:
    """The records of which no gate says anything."""
    audit(records, gates, folder, eval_sets=[exam])
    evidence = read_evidence(folder, read_settings(folder))
    away = evidence.rows.join(evidence.flags.select("row_id").unique(), on="row_id", how="semi")
    spoilt = set(away["draw"].cast(int).to_list())
    shutil.rmtree(folder)
    return [record for place, record in enumerate(records) if place not in spoilt]


def plant(
    clean: Sequence[Record], rows: int, rng: random.Random, spare: Mapping[str, list[str]]
) -> tuple[list[Record], list[str | None]]:
    """A batch, and the kind that each of its rows was spoilt with; each row's is drawn by itself."""
    drawn = rng.sample(clean, min(rows, len(clean)))
    kinds = rng.choices(
        [*KINDS, None],
        weights=[*(kind.share for kind in KINDS.values()), 1 - sum(kind.share for kind in KINDS.values())],
        k=len(drawn),
    )
    sound = [row for row, kind in zip(drawn, kinds, strict=True) if kind is None]
    fresh = {name: iter(rng.sample(values, len(values))) for name, values in spare.items()}
    hosts = iter(rng.sample(sound, len(sound)))
    made = [
        row if kind is None else spoil(kind, row, rng, fresh, hosts)
        for row, kind in zip(drawn, kinds, strict=True)
    ]
    return made, kinds


def spoil(
    kind: str, row: Record, rng: random.Random, fresh: Mapping[str, Iterator[str]], hosts: Iterator[Record]
) -> Record:
    """The row with a defect of that kind in it."""
    question, answer = row["instruction"], row["output"]
    match kind:
        case "copy":
            question, answer = next(hosts).values()
        case "exam item":
            question, answer = json.loads(next(fresh["exam item"]))
        case "e-mail address":
            name = f"{rng.choice(FIRST)}.{rng.choice(LAST)}{rng.randrange(1000)}@posteo.net"
            question = f"{question} You can reach me at {name}."
        case "card number":
            question = f"{question} My card number is {make_card(rng)}."
        case "placeholder":
            answer = f"Dear [Customer Name], {answer}"
        case "empty answer":
            answer = ""
        case "Spanish":
            answer = next(fresh["Spanish"])
        case _:
            answer = next(hosts)["output"]
    return _ask(question, answer)


def make_card(rng: random.Random) -> str:
    """A number of a card's form that belongs to no one, with the check digit of ISO/IEC 7812-1."""
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    doubled = [2 * digit if place % 2 == 0 else digit for place, digit in enumerate(digits)]
    check = -sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10
    number = "".join(map(str, [*digits, check]))
    return " ".join(number[place : place + 4] for place in range(0, 16, 4))


def find_truth(name: str) -> float:
    """The share of a kind among the rows that no earlier gate rejected."""
    order = ("personal_data", "structure", "dedup", "contamination")
    gate = KINDS[name].gate
    earlier = order[: order.index(gate)] if gate is not None else ()
    return KINDS[name].share / (1 - sum(kind.share for kind in KINDS.values() if kind.gate in earlier))


def find_rate(told: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """What an audit states of a kind: reasons of it added up, with the interval of the whole."""
    gate = next(found for found in told["gates"] if found["gate"] == kind.gate)
    stated = [r["rate"] for r in gate["reasons"] if r["reason_class"].startswith(kind.classes)]
    if len(stated) == 1:
        return dict(stated[0])
    count, rows = sum(rate["count"] for rate in stated), gate["rate"]["rows"]
    low, high = clopper_pearson(count, rows)
    return {"count": count, "rows": rows, "share": count / rows, "low": low, "high": high}


def _holds(rate: Mapping[str, Any], truth: float) -> bool:
    return bool(rate["low"] <= truth <= rate["high"])


def note_batch(told: Mapping[str, Any], held: dict[str, list[bool]]) -> None:
    seen = sum(kind.share for kind in KINDS.values() if kind.gate)
    held["rows with a defect that gates see"].append(_holds(told["overall"]["defects"], seen))
    for name, kind in KINDS.items():
        if kind.gate:
            held[name].append(_holds(find_rate(told, kind), find_truth(name)))


def note_corrected(told: Mapping[str, Any], held: dict[str, list[bool]]) -> None:
    everything = sum(kind.share for kind in KINDS.values())
    held["rows with any defect, corrected by labels"].append(_holds(told["overall"]["corrected"], everything))


def note_samples(
    whole: Path,
    *,
    gates: Path,
    exam: NamedEvalSet,
    size: int,
    samples: int,
    rng: random.Random,
    held: dict[str, list[bool]],
) -> None:
    """Audits of samples of one data set, each drawn anew, against what all of its rows show."""
    evidence = read_evidence(whole, read_settings(whole))
    told = json.loads((whole / "audit.json").read_bytes())
    work = whole.with_name(f"{whole.name}-sample")
    records = [json.loads(row) for row in _list_records(evidence)]
    for _ in range(samples):
        rng.shuffle(records)  # another order has another digest, from which the draw follows
        sampled = audit(records, gates, work, eval_sets=[exam], sample=size).audit
        for name, kind in KINDS.items():
            if kind.gate and kind.gate != "dedup":
                held[f"{name}, sampled"].append(
                    _holds(find_rate(sampled, kind), find_rate(told, kind)["share"])
                )
        shutil.rmtree(work)


def _list_records(evidence: Any) -> list[str]:
    """The records of a judged folder, as they were read."""
    rows = []
    for path in sorted((evidence.run.folder / "candidates").glob("*.parquet")):
        import pyarrow.parquet as pq

        for row in pq.read_table(path, columns=["messages", "parent_id"]).to_pylist():
            if row["parent_id"] is None:
                said = {m["role"]: m["content"] for m in row["messages"]}
                rows.append(json.dumps(_ask(said.get("user", ""), said.get("assistant", ""))))
    return rows


def write_labels(folder: Path, kinds: Sequence[str | None], rng: random.Random) -> Path:
    """What people would say of rows drawn from those turned away and from those that passed."""
    evidence = read_evidence(folder, read_settings(folder))
    gate_of = dict(evidence.flags.select("row_id", "gate").iter_rows())
    piles: dict[str, list[tuple[str, str | None]]] = {"away": [], "passed": []}
    for row_id, draw in evidence.rows.select("row_id", "draw").iter_rows():
        piles["away" if row_id in gate_of else "passed"].append((row_id, kinds[int(draw)]))
    lines = []
    for pile, rows in piles.items():
        for row_id, kind in rng.sample(rows, min(LABELS[pile], len(rows))):
            right = (kind is not None) == (pile == "away")
            label = {"gate": gate_of.get(row_id, "none"), "outcome": "reject" if pile == "away" else "accept"}
            lines.append(json.dumps({**label, "row_id": row_id, "verdict": "right" if right else "wrong"}))
    path = folder.with_name(f"{folder.name}-labels.jsonl")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def show_rates(told: Mapping[str, Any], planted: Counter[str | None]) -> None:
    for name, kind in KINDS.items():
        if kind.gate is None:
            continue
        rate = find_rate(told, kind)
        print(
            f"  {name:16} planted {planted[name]:4}, found {rate['count']:4}; "
            f"probability {find_truth(name):.3%}, "
            f"stated {rate['share']:.3%} ({rate['low']:.3%} to {rate['high']:.3%})"
            f"{'' if _holds(rate, find_truth(name)) else '  OUTSIDE'}"
        )


def show_coverage(held: Mapping[str, Sequence[bool]]) -> None:
    print(f"\n{'how often a stated 95% interval holds the truth':50} of")
    for name, found in held.items():
        low, high = clopper_pearson(sum(found), len(found))
        print(f"  {name:46} {len(found):5} {sum(found) / len(found):7.1%} ({low:.1%} to {high:.1%})")
    everything = [one for found in held.values() for one in found]
    print(f"  {'all':46} {len(everything):5} {sum(everything) / len(everything):7.1%}")


_TIMED = {
    "curate": "from synth_stack import curate; curate(sys.argv[1], sys.argv[2], sys.argv[3])",
    "audit": "from synth_stack import audit; audit(sys.argv[1], sys.argv[2], sys.argv[3])",
}


_SPLIT = """
import resource, sys
import synth_stack.workflows.audit as workflow

def spend():
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)

def judge(*args, _judge=workflow.judge_source, **options):
    batch = _judge(*args, **options)
    print(spend())
    return batch

workflow.judge_source = judge
workflow.audit(sys.argv[1], sys.argv[2], sys.argv[3])
print(spend(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure_share(folder: Path, rows: int, seed: int, gates: Path | None) -> None:
    """CPU seconds of one audit up to where `curate` ends, with all imports, and of what an audit adds: one
    process, so that what else the machine does weighs the same on both.
    """
    write_rows(folder / "in", rows, seed)
    named = [str(folder / "in"), str(gates or write_gates(folder)), str(folder / "audit")]
    done = subprocess.run(
        [sys.executable, "-c", _SPLIT, *named], stdout=subprocess.PIPE, text=True, check=True
    )
    judged, whole, peak = map(float, done.stdout.split())
    print(f"{rows:,} rows: {judged:.1f} CPU s as curate, {whole - judged:.1f} more; peak {peak:,.0f} MB")
    print(f"audit beside curate: {whole / judged - 1:+.1%}")


def measure_time(folder: Path, rows: int, seed: int, gates: Path | None) -> None:
    """CPU seconds of both on the same rows, each in a process of its own; both write all that they write."""
    write_rows(folder / "in", rows, seed)
    gates = gates or write_gates(folder)
    spent = {}
    for name, code in _TIMED.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [
            sys.executable,
            "-c",
            f"import sys; {code}",
            str(folder / "in"),
            str(gates),
            str(folder / name),
        ]
        subprocess.run(command, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent[name] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        peak = after.ru_maxrss / 1024
        print(f"{name:8} {rows:,} rows: {spent[name]:.1f} CPU s; peak of a process so far {peak:,.0f} MB")
    print(f"audit beside curate: {spent['audit'] / spent['curate'] - 1:+.1%}")


if __name__ == "__main__":
    main()
