"""Runs whose scores stand in their rows' text: "0.3 0.9" scores 0.3 at the first gate and 0.9 at the second."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import pyarrow as pa
import yaml
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.gate import Judge, Judged, Shards
from synth_stack.registry import gate
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_verdicts
from synth_stack.workflows.curate import curate
from tests.some_rows import make_texts

Threshold = Annotated[float, Field(gt=0, le=1)]
Row = tuple[float, float]

MAX_SHARE = 0.5
"""A slice of which the second gate rejects more than this is held."""

HOLD_FROM = 0.8
"""From this second number on the gate with holds never accepts."""


def read_scores(table: pa.Table, place: int) -> list[float | None]:
    return [None if text is None else float(text.split()[place]) for text in table["text"].to_pylist()]


def state(
    table: pa.Table, name: str, scores: list[float | None], threshold: float, twin: str | None = None
) -> pa.Table:
    """Rejects from the threshold on and says why; every reject names the same `twin`."""
    outcomes = ["abstain" if s is None else "reject" if s >= threshold else "accept" for s in scores]
    return build_verdicts(
        table["row_id"],
        name,
        outcomes,
        scores=scores,
        threshold=threshold,
        reasons=[f"too much: {s}" if o == "reject" else None for s, o in zip(scores, outcomes, strict=True)],
        evidence=[f'{{"twin":"{twin}"}}' if twin and o == "reject" else None for o in outcomes],
    )


def move_threshold(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: pl.DataFrame
) -> pl.DataFrame:
    if old.get("field") != new.get("field"):
        raise ConfigError("field cannot change", seen=str(new["field"]))
    over = pl.when(pl.col("score") >= new["threshold"]).then(pl.lit("reject")).otherwise(pl.lit("accept"))
    return rows.with_columns(
        outcome=pl.when(pl.col("score").is_null()).then("outcome").otherwise(over),
        threshold=pl.lit(new["threshold"]),
    )


def move_threshold_and_slices(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: pl.DataFrame
) -> pl.DataFrame:
    own = move_threshold(old, new, facts, rows.filter(pl.col("scope") == "row"))
    late = hold_slices(own.select("row_id", "slice", "outcome"))
    held = late.join(rows.select("row_id", "slice").unique(), on="row_id", how="left")
    return pl.concat([own, held.select(own.columns)])


def hold_slices(rows: pl.DataFrame) -> pl.DataFrame:
    """Verdicts that hold the accepted rows of every slice with too many rejects."""
    share = (pl.col("outcome") == "reject").mean().over("slice")
    held = rows.filter(pl.col("slice").is_not_null(), share > MAX_SHARE, pl.col("outcome") == "accept")
    n = len(held)
    stated = build_verdicts(
        held["row_id"].to_arrow().cast(pa.string()),
        "replay-second",
        ["hold"] * n,
        reasons=["slice"] * n,
        scope="slice",
    )
    return pl.DataFrame(stated)


def plant(sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Canaries that score 0.5, 0.6, ... 0.9 in turn."""
    texts = [f"0.{5 + k % 5} 0" for k in range(n)]
    return make_texts(texts, generator="canary", extra='{"canary":"too much"}')


@gate("replay-first", version="1", redecide=move_threshold)
def first(*, threshold: Threshold = 0.5, field: str = "text", plants: bool = False) -> Judge:
    """A judge of the first number, with canaries."""

    def judge(table: pa.Table) -> pa.Table:
        return state(table, "replay-first", read_scores(table, 0), threshold)

    facts = {"reject_when": "score >= threshold"}
    return Judge(judge=judge, facts=facts, plant=plant if plants else None, min_recall=0.8)


@gate("replay-second", version="1", redecide=move_threshold_and_slices)
def second(*, threshold: Threshold = 0.5) -> Judge:
    """A judge of the second number, which holds slices."""

    def judge(table: pa.Table) -> pa.Table:
        return state(table, "replay-second", read_scores(table, 1), threshold)

    def finish(judged: Judged) -> pa.Table:
        rows = [
            pl.DataFrame({"row_id": c["row_id"], "slice": c["slice"], "outcome": v["outcome"]})
            for c, v in judged()
        ]
        return hold_slices(pl.concat(rows)).to_arrow().cast(VERDICT_SCHEMA)

    return Judge(judge=judge, facts={"reject_when": "score >= threshold"}, finish=finish)


def move_threshold_under_holds(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: pl.DataFrame
) -> pl.DataFrame:
    other = pl.col("evidence").str.json_path_match("$.other").cast(pl.Float64)
    own = pl.when(pl.col("scope") == "batch").then(pl.lit("hold")).otherwise(pl.lit("reject"))
    below = pl.when(other >= HOLD_FROM).then(pl.lit("hold")).otherwise(pl.lit("accept"))
    over = pl.when(pl.col("score") >= new["threshold"]).then(own).otherwise(below)
    return rows.with_columns(outcome=over, threshold=pl.lit(new["threshold"]))


@gate("replay-holds", version="1", redecide=move_threshold_under_holds)
def holds(*, threshold: Threshold = 0.5) -> Judge:
    """A judge of the first number that holds for other reasons too, as dedup and toxicity do.

    A row whose second number is odd in its last digit is held where others are rejected, as part of the
    batch; one whose second number is high is held where others are accepted.
    """

    def judge(table: pa.Table) -> pa.Table:
        others = read_scores(table, 1)
        frame = pl.DataFrame(
            {
                "row_id": table["row_id"], "gate": "replay-holds", "outcome": "accept",
                "score": read_scores(table, 0), "threshold": threshold, "reason": None,
                "evidence": [f'{{"other":{other}}}' for other in others],
                "scope": ["batch" if round(100 * (other or 0)) % 2 else "row" for other in others],
            },
            schema_overrides={"reason": pl.String},
        )  # fmt: skip
        return (
            move_threshold_under_holds({}, {"threshold": threshold}, {}, frame)
            .to_arrow()
            .cast(VERDICT_SCHEMA)
        )

    return Judge(judge=judge, facts={"reject_when": "score >= threshold"})


@gate("replay-twins", version="1", redecide=move_threshold)
def twins(*, threshold: Threshold = 0.5) -> Judge:
    """A judge of the second number, which calls the first row of the batch the twin of all it rejects."""
    seen: list[str] = []

    def judge(table: pa.Table) -> pa.Table:
        return state(table, "replay-twins", read_scores(table, 1), threshold, seen[0])

    def prepare(shards: Shards) -> None:
        seen.extend(row_id for table in shards() for row_id in table["row_id"].to_pylist())

    return Judge(judge=judge, facts={"reject_when": "score >= threshold"}, prepare=prepare)


@gate("replay-fixed", version="1")
def fixed(*, word: str = "bad", depth: Annotated[int, Field(ge=0)] = 0) -> Judge:
    """A judge that accepts every row and that cannot decide again."""

    def judge(table: pa.Table) -> pa.Table:
        return build_verdicts(table["row_id"], "replay-fixed", ["accept"] * len(table))

    return Judge(judge=judge)


def write_gates(folder: Path, *gates: dict[str, Any], name: str = "gates.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"version": 1, "gates": list(gates)}), encoding="utf-8")
    return path


def use(first: float | None = 0.5, second: float | None = 0.5, **more: Any) -> list[dict[str, Any]]:
    """The two gates with their thresholds; None leaves one out. `more` goes to the first."""
    thresholds = {"replay-first": first, "replay-second": second}
    gates = [{"use": name, "threshold": t} for name, t in thresholds.items() if t is not None]
    return [{**gate, **(more if gate["use"] == "replay-first" else {})} for gate in gates]


def make_rows(scores: Iterable[Row], slices: int = 0) -> list[dict[str, Any]]:
    rows = [{"id": f"r{k}", "text": f"{a} {b}"} for k, (a, b) in enumerate(scores)]
    return [{**row, "slice": f"s{k % slices}"} if slices else row for k, row in enumerate(rows)]


def draw_scores(n: int, seed: int = 7) -> list[Row]:
    """`n` rows whose scores have two digits, so that some stand exactly at a threshold."""
    drawn = np.random.default_rng(seed).integers(0, 101, (n, 2)) / 100
    return [(float(a), float(b)) for a, b in drawn]


def judge_rows(folder: Path, rows: list[dict[str, Any]], *gates: dict[str, Any]) -> Path:
    """The folder of a run in which `gates` judged `rows`."""
    return curate(rows, write_gates(folder, *gates), folder / "run").folder


def read_decisions(run: Path) -> dict[str, str]:
    """The decision of each row by its own id."""
    table = pl.read_parquet(run / "decisions.parquet")
    return dict(table.select("source_id", "decision").iter_rows())
