"""How many of the demo's accepted rows are usable: a sheet for a reader who did not build it, and the count.

    python benchmarks/demo.py sheet runs/support_intents --out sheet.jsonl
    python benchmarks/demo.py count benchmarks/labels/demo.jsonl

The sheet has 60 accepted rows, the lowest by a digest of a seed and the row's own, so nobody chose them and
the same run always gives the same ones. A reader who knows the policies, and nothing of how rows were made,
fills in `verdict` (usable or unusable), of an unusable one `fault`, and `why`. A row is usable when a support
lead would train on it as it is: its question states the intent of its slice and reads like a customer's, and
its answer is true to the policy and answers everything that is asked.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from synth_stack.runs.judged import open_judged, read_judged
from synth_stack.stats.intervals import clopper_pearson

SAMPLE = 60
SEED = 1
FAULTS = ("intent", "false", "incomplete", "language", "other")
VERDICTS = ("usable", "unusable")
TARGET = 0.8

Row = dict[str, Any]


class SheetError(ValueError):
    """A sheet or a file of labels that cannot be used."""


def rank(row_id: str, seed: int) -> str:
    """Where a row stands among those that may be drawn: the lowest are."""
    return hashlib.sha256(f"{seed}:{row_id}".encode()).hexdigest()


def list_accepted(folder: Path) -> list[Row]:
    """The accepted rows of a judged run."""
    found: list[Row] = []
    for candidates, _, decisions in read_judged(open_judged(folder)):
        kept = [decision == "accepted" for decision in decisions["decision"].to_pylist()]
        found += [row for row, keep in zip(candidates.to_pylist(), kept, strict=True) if keep]
    return found


def write_sheet(rows: Iterable[Row], *, size: int = SAMPLE, seed: int = SEED) -> list[Row]:
    """What a reader is shown of `size` rows, in the order they are drawn. Raises SheetError for too few."""
    drawn = sorted(rows, key=lambda row: rank(row["row_id"], seed))[:size]
    if len(drawn) < size:
        raise SheetError(f"{len(drawn)} rows were accepted, and {size} are read")
    return [
        {
            "digest": row["row_id"],
            "slice": row["slice"],
            "messages": [{k: message[k] for k in ("role", "content")} for message in row["messages"]],
            "policy": [{"section": each["id"], "text": each["text"]} for each in row["documents"] or []],
            "verdict": None,
            "fault": None,
            "why": None,
        }
        for row in drawn
    ]


def read_labels(path: Path) -> list[Row]:
    """The labels of a sheet that was filled in. Raises SheetError with the line of what is no label."""
    labels: list[Row] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        label = json.loads(line)
        verdict, fault = label.get("verdict"), label.get("fault")
        if verdict not in VERDICTS or (fault in FAULTS) != (verdict == "unusable"):
            raise SheetError(
                f"{path}: line {number}: verdict {verdict!r} with fault {fault!r}; a verdict is one of "
                f"{', '.join(VERDICTS)}, and an unusable row has a fault of {', '.join(FAULTS)}"
            )
        labels.append(label)
    repeated = [digest for digest, n in Counter(label["digest"] for label in labels).items() if n > 1]
    if repeated or not labels:
        raise SheetError(f"{path}: {f'{repeated[0]} stands twice' if repeated else 'no labels'}")
    return labels


def check_drawn(labels: Sequence[Row], rows: Iterable[Row], *, seed: int = SEED) -> None:
    """Raises SheetError unless the labels are of exactly the rows that are drawn from `rows`."""
    drawn = {row["digest"] for row in write_sheet(rows, size=len(labels), seed=seed)}
    others = sorted({label["digest"] for label in labels} - drawn)
    if others:
        raise SheetError(f"{len(others)} labelled rows are not those that are drawn; the first: {others[0]}")


def count(labels: Sequence[Row]) -> str:
    """The share of usable rows with its exact interval, and the faults of the rest."""
    usable = sum(label["verdict"] == "usable" for label in labels)
    low, high = clopper_pearson(usable, len(labels))
    faults = Counter(label["fault"] for label in labels if label["fault"])
    lines = [
        f"usable      {usable} of {len(labels)} ({usable / len(labels):.1%}; "
        f"95% interval {low:.1%} to {high:.1%})",
        f"target      {TARGET:.0%}",
        *(f"{fault:<11} {n}" for fault, n in faults.most_common()),
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Write a sheet, or count labels."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    actions = parser.add_subparsers(dest="action", required=True)
    sheet = actions.add_parser("sheet", help="write the rows that are to be read")
    sheet.add_argument("run", type=Path, help="the folder of a judged run")
    sheet.add_argument("--out", type=Path, required=True)
    sheet.add_argument("--rows", type=int, default=SAMPLE)
    sheet.add_argument("--seed", type=int, default=SEED)
    counted = actions.add_parser("count", help="count a sheet that was filled in")
    counted.add_argument("labels", type=Path)
    counted.add_argument("--run", type=Path, help="check that the labels are of the rows that this run draws")
    counted.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args(argv)
    try:
        if asked.action == "sheet":
            rows = write_sheet(list_accepted(asked.run), size=asked.rows, seed=asked.seed)
            asked.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            print(f"{len(rows)} rows to read in {asked.out}")
        else:
            labels = read_labels(asked.labels)
            if asked.run:
                check_drawn(labels, list_accepted(asked.run), seed=asked.seed)
            print(count(labels))
    except (SheetError, json.JSONDecodeError, OSError) as exc:
        raise SystemExit(f"error: {exc}") from exc


if __name__ == "__main__":
    main()
