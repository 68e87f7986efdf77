"""What two judged run folders decide otherwise, row by row; parity.py makes the folders and shows the result.

Rows are paired by method and draw, since ids may differ between versions, and columns are read by name.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

KINDS = ("rows", "text", "outcome", "score", "decision", "gates", "canaries", "funnel")
SAME_SCORE = 1e-9
COUNTED = ("looked_at", "accept", "reject", "hold", "abstain", "rejected", "held", "entered", "passed")
SIDES = ("", "_after")


@dataclass(frozen=True, slots=True)
class Run:
    """A judged folder by `key`: rows (key, text, decision, gate), verdicts (key, gate, n, outcome, score)."""

    gates: list[str]
    rows: pl.DataFrame
    verdicts: pl.DataFrame
    canaries: dict[str, tuple[int, int]]
    funnel: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    kind: str
    gate: str
    key: str
    before: str
    after: str


def read_run(folder: Path) -> Run:
    """The judged run at `folder`, of any version. A redacted copy is the second row of its draw."""
    if not (folder / "decisions.parquet").is_file():
        sys.exit(f"{folder} holds no judged rows")
    parts = sorted((folder / "candidates").glob("part-*.parquet"))
    parts.sort(key=lambda path: path.name.startswith("part-amended-"))
    made = pl.concat(
        [pl.read_parquet(path, columns=["row_id", "generator", "draw", "text"]) for path in parts]
    )
    nth = pl.int_range(pl.len()).over("generator", "draw")
    copy = pl.when(nth > 0).then(pl.format(" copy {}", nth)).otherwise(pl.lit(""))
    made = made.with_columns(key=pl.format("{} {}{}", "generator", "draw", copy))
    decided = pl.read_parquet(folder / "decisions.parquet", columns=["row_id", "decision", "gate"])
    order = [gate["use"] for gate in yaml.safe_load((folder / "gates.lock.yaml").read_text("utf-8"))["gates"]]
    others = sorted({path.name for path in (folder / "verdicts").iterdir() if path.is_dir()} - set(order))
    said = [
        pl.read_parquet(part, columns=["row_id", "outcome", "score"]).with_columns(gate=pl.lit(gate))
        for gate in [*order, *others]
        for part in sorted((folder / "verdicts" / gate).glob("part-*.parquet"))
    ]
    verdicts = pl.concat(said).join(made.select("row_id", "key"), on="row_id", how="left")
    rows = made.join(decided, on="row_id", how="full", coalesce=True, validate="1:1")
    if verdicts["key"].null_count() or rows["key"].null_count() or rows["decision"].null_count():
        sys.exit(f"{folder}: candidates, verdicts and decisions are not of the same rows")
    verdicts = verdicts.sort("key", "gate", "outcome", "score").drop("row_id")
    stated = folder.with_name(f"{folder.name}.funnel.json")
    return Run(
        gates=[*order, *others],
        rows=rows.select("key", "text", "decision", "gate"),
        verdicts=verdicts.with_columns(n=pl.int_range(pl.len()).over("key", "gate")),
        canaries={
            path.stem: count_canaries(path) for path in sorted((folder / "canaries").glob("*.parquet"))
        },
        funnel=json.loads(stated.read_text(encoding="utf-8")) if stated.exists() else [],
    )


def count_canaries(path: Path) -> tuple[int, int]:
    """(planted, caught): a canary may have a second verdict, given after the last row."""
    said = pl.read_parquet(path, columns=["row_id", "outcome"])
    each = said.group_by("row_id").agg(pl.col("outcome").is_in(["reject", "hold"]).any())
    return len(each), int(each["outcome"].sum())


def compare(before: Run, after: Run) -> Iterator[Difference]:
    """Every difference, those of the batch first."""
    if before.gates != after.gates:
        yield Difference("gates", "", "the batch", ", ".join(before.gates), ", ".join(after.gates))
    for gate in sorted({*before.canaries, *after.canaries}):
        counts = [run.canaries.get(gate, (0, 0)) for run in (before, after)]
        if counts[0] != counts[1]:
            yield Difference("canaries", gate, "planted, caught", str(counts[0]), str(counts[1]))
    yield from compare_funnels(before, after)
    rows = before.rows.join(after.rows, on="key", how="full", coalesce=True, suffix="_after")
    there = [pl.col(name).is_not_null() for name in ("decision", "decision_after")]
    for key, has_before, has_after in rows.filter(there[0] != there[1]).select("key", *there).iter_rows():
        yield Difference(
            "rows", "", key, *("there" if has else "not there" for has in (has_before, has_after))
        )
    both = rows.filter(*there)
    changed = both.filter(pl.col("text").ne_missing(pl.col("text_after"))).select("key", "text", "text_after")
    for key, *texts in changed.iter_rows():
        yield Difference("text", "", key, *(repr(text)[:80] for text in texts))
    explained, based = set(), find_based(after)
    for found in compare_verdicts(before, after, both["key"]):
        if found.kind == "outcome" and found.key in based:
            explained.add(found.key)
        yield found
    moved = both.filter(
        pl.col("decision").ne_missing(pl.col("decision_after"))
        | pl.col("gate").ne_missing(pl.col("gate_after")),
        ~pl.col("key").is_in(list(explained)),
    )
    for row in moved.iter_rows(named=True):
        pair = [f"{row[f'decision{side}']} by {row[f'gate{side}'] or 'no gate'}" for side in SIDES]
        yield Difference("decision", row["gate"] or row["gate_after"] or "", row["key"], *pair)


def compare_verdicts(before: Run, after: Run, keys: pl.Series) -> Iterator[Difference]:
    """What gates said otherwise, by row in the order of work, up to the first reject on one side alone."""
    ours = [run.verdicts.filter(pl.col("key").is_in(keys.implode())) for run in (before, after)]
    pairs = ours[0].join(ours[1], on=["key", "gate", "n"], how="full", coalesce=True, suffix="_after")
    near = (pl.col("score") - pl.col("score_after")).abs() <= SAME_SCORE
    same_score = near.fill_null(False) | pl.col("score").eq_missing(pl.col("score_after"))
    pairs = pairs.with_columns(
        outcome_differs=pl.col("outcome").ne_missing(pl.col("outcome_after")), score_differs=~same_score
    )
    cells = pairs.group_by("key", "gate").agg(
        pl.col("outcome_differs", "score_differs").any(),
        *(_say(side).drop_nulls().sort().alias(f"said{side}") for side in SIDES),
        *(pl.col(f"outcome{side}").eq("reject").any().alias(f"rejects{side}") for side in SIDES),
    )
    place = {gate: i for i, gate in enumerate(dict.fromkeys([*before.gates, *after.gates]))}
    cells = cells.filter(pl.col("outcome_differs") | pl.col("score_differs"))
    cells = cells.sort("key", pl.col("gate").replace_strict(place, return_dtype=pl.Int64))
    decided = None
    for row in cells.iter_rows(named=True):
        if row["key"] == decided:
            continue
        if row["rejects"] != row["rejects_after"]:
            decided = row["key"]
        kind = "outcome" if row["outcome_differs"] else "score"
        texts = [" and ".join(row[f"said{side}"]) or "nothing" for side in SIDES]
        yield Difference(kind, row["gate"], row["key"], *texts)


def _say(side: str) -> pl.Expr:
    score = pl.col(f"score{side}").cast(pl.String).fill_null("without a score")
    return pl.format("{} {}", f"outcome{side}", score)


def find_based(run: Run) -> set[str]:
    """The rows whose decision rests on verdicts: that of the deciding gate, or no reject and no hold."""
    means = {"reject": "rejected", "hold": "held"}
    firm = run.verdicts.filter(pl.col("outcome").is_in(list(means)))
    firm = firm.with_columns(decision=pl.col("outcome").replace(means))
    away = run.rows.join(firm, on=["key", "gate", "decision"], how="semi")
    free = run.rows.filter(pl.col("decision") == "accepted").join(firm, on="key", how="anti")
    return {*away["key"], *free["key"]}


def compare_funnels(before: Run, after: Run) -> Iterator[Difference]:
    """Stages that two versions count otherwise, beyond what their rows and verdicts explain."""
    if bool(before.funnel) != bool(after.funnel):
        yield Difference(
            "funnel", "", "the batch", *("counted" if r.funnel else "not" for r in (before, after))
        )
        return
    sides = [count_funnel(run) for run in (before, after)]
    for gate in dict.fromkeys([*sides[0], *sides[1]]):
        for name in COUNTED:
            counts = [side.get(gate, {}).get(name, (0, 0)) for side in sides]
            if counts[0][0] - counts[0][1] != counts[1][0] - counts[1][1]:
                texts = [f"{stated} where its rows add up to {summed}" for stated, summed in counts]
                yield Difference("funnel", gate, name, *texts)


def count_funnel(run: Run) -> dict[str, dict[str, tuple[int, int]]]:
    """By stage: each count that the run states, and what its rows and verdicts add up to."""
    said = Counter(run.verdicts.select("gate", "outcome").iter_rows())
    decided = Counter(run.rows.select("gate", "decision").iter_rows())
    funnel: dict[str, dict[str, tuple[int, int]]] = {}
    entered = len(run.rows)
    for stage in run.funnel:
        gate = stage["gate"]
        counts = {name: said[gate, name] for name in ("accept", "reject", "hold", "abstain")}
        counts |= {"looked_at": sum(counts.values()), "entered": entered}
        counts |= {name: decided[gate, name] for name in ("rejected", "held")}
        entered -= counts["rejected"] + counts["held"]
        counts["passed"] = entered
        funnel[gate] = {name: (stage.get(name, 0), counts[name]) for name in COUNTED}
    return funnel
