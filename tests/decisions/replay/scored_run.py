"""Runs whose scores stand in their rows' text: "0.3 0.9" scores 0.3 at the first gate and 0.9 at the second."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pydantic import BaseModel, Field

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.gate import Dial, Judge, Late, Round, State
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.registry import EVAL_SETS, gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates, build_verdicts
from synth_stack.workflows.curate import curate

Threshold = Annotated[float, Field(gt=0, le=1)]
Action = Literal["reject", "hold", "ignore", "redact"]
Row = tuple[float, float]
Judging = Callable[[pa.Table, State], pa.Table]

EXEMPT = 0.77
MAX_SHARE = 0.5
"""A slice of which the second gate rejects more than this is held, unless its parameter says otherwise."""


def read_scores(table: pa.Table, place: int) -> list[float | None]:
    return [None if text is None else float(text.split()[place]) for text in table["text"].to_pylist()]


def judge_numbers(name: str, place: int, threshold: float) -> Judging:
    """Rejects from the threshold on and says why; what it learnt of the batch, if anything, is every twin."""

    def judge(table: pa.Table, state: State) -> pa.Table:
        scores = read_scores(table, place)
        outcomes = ["abstain" if s is None else "reject" if s >= threshold else "accept" for s in scores]
        twin = state["twin"]["row_id"][0].as_py() if state else None
        return build_verdicts(
            table["row_id"],
            name,
            outcomes,
            scores=scores,
            threshold=threshold,
            reasons=[
                f"too much: {s}" if o == "reject" else None for s, o in zip(scores, outcomes, strict=True)
            ],
            reason_classes=[f"{name}.too_much" if o == "reject" else None for o in outcomes],
            evidence=[f'{{"twin":"{twin}"}}' if twin and o == "reject" else None for o in outcomes],
        )

    return judge


def plant(sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Canaries that score 0.5, 0.6, ... 0.9 in turn."""
    rows = [
        build_canary("foreign", [{"role": "text", "content": f"0.{5 + k % 5} 0"}], "too much", k)
        for k in range(n)
    ]
    return build_candidates(rows)


@gate("replay_first", version="1")
def first(*, threshold: Threshold = 0.5, field: str = "text", plants: bool = False) -> Judge:
    """A judge of the first number, with canaries."""
    dial = Dial(threshold, ">=", ("replay_first.too_much",), parameter="threshold")
    return Judge(
        judge=judge_numbers("replay_first", 0, threshold),
        plant=plant if plants else None,
        min_recall=0.8,
        dials=(dial,),
    )


def hold_slices(params: Mapping[str, Any]) -> Late | None:
    """Holds the accepted rows of every slice with too many rejects."""
    max_share = params["max_share"]

    def count(table: pa.Table, verdicts: pa.Table) -> pa.Table:
        rejected = pc.cast(pc.equal(verdicts["outcome"], "reject"), pa.int64())
        return pa.table({"slice": table["slice"], "rejected": rejected})

    def merge(counts: Iterable[pa.Table], state: State) -> State:
        rows = pl.concat([pl.DataFrame(table) for table in counts]).drop_nulls("slice")
        share = rows.group_by("slice").agg(pl.col("rejected").mean()).filter(pl.col("rejected") > max_share)
        return {"held": share.select("slice").to_arrow()}

    def hold(table: pa.Table, verdicts: pa.Table, state: State) -> pa.Table:
        slices = state["held"]["slice"].cast(pa.string()).combine_chunks()
        waits = pc.and_(pc.is_in(table["slice"], slices), pc.equal(verdicts["outcome"], "accept"))
        held = table["row_id"].filter(waits)
        return build_verdicts(
            held,
            "replay_second",
            ["hold"] * len(held),
            reasons=["slice"] * len(held),
            reason_classes=["replay_second.slice"] * len(held),
            scope="slice",
        )

    return None if max_share is None else Late(count, merge, hold)


@gate("replay_second", version="1", late=hold_slices, late_parameters=("max_share",))
def second(*, threshold: Threshold = 0.5, max_share: float | None = MAX_SHARE) -> Judge:
    """A judge of the second number, which holds slices."""
    dial = Dial(threshold, ">=", ("replay_second.too_much",), parameter="threshold")
    return Judge(judge=judge_numbers("replay_second", 1, threshold), dials=(dial,))


class Tone(BaseModel):
    """A dial that stands in a mapping of its own."""

    above: Threshold = 0.7
    action: Action = "hold"


_TONE = Tone()


@gate("replay_both", version="1")
def both(
    *, threshold: Threshold | None = None, tone: Tone = _TONE, exact: bool = False, lowest: float = 0.1
) -> Judge:
    """A judge of both numbers: the first rejects from 0.9 on, the second, in the evidence, does what it is told.

    A row is odd where the last digit of its second number is: it is held for that, whatever that number says.
    One whose second number is 0.77 is exempt from all, and has no scores. Scores below `lowest` are not stored.
    """
    bar = 0.9 if threshold is None else threshold

    def judge(table: pa.Table, state: State) -> pa.Table:
        said: list[tuple[str, str | None]] = []
        scores, tones = read_scores(table, 0), read_scores(table, 1)
        for score, loud in zip(scores, tones, strict=True):
            verdict: tuple[str, str | None] = ("accept", None)
            if score is None or loud is None:
                verdict = ("abstain", None)
            elif loud == EXEMPT:
                verdict = ("accept", None)
            elif score >= bar:
                verdict = ("reject", "replay_both.score")
            elif loud > tone.above and tone.action == "reject":
                verdict = ("reject", "replay_both.tone")
            elif round(100 * loud) % 2:
                verdict = ("hold", "replay_both.odd")
            elif loud > tone.above and tone.action == "hold":
                verdict = ("hold", "replay_both.tone")
            said.append(verdict)
        return build_verdicts(
            table["row_id"],
            "replay_both",
            [outcome for outcome, _ in said],
            scores=[
                None if s is None or t == EXEMPT or s < lowest else s
                for s, t in zip(scores, tones, strict=True)
            ],
            threshold=bar,
            reasons=[class_ and f"for {class_}" for _, class_ in said],
            reason_classes=[class_ for _, class_ in said],
            evidence=[
                None if t in {None, EXEMPT} else canonical_text({"tone": {"level": str(t)}}) for t in tones
            ],
        )

    dials = (
        Dial(bar, ">=", ("replay_both.score",), parameter="threshold", lowest=lowest, fixed_by="exact"),
        Dial(
            tone.above,
            ">",
            ("replay_both.tone",),
            parameter="tone.above",
            score="tone.level",
            outcome="tone.action",
        ),
    )
    return Judge(judge=judge, dials=dials)


def sketch_first(table: pa.Table, state: State) -> pa.Table:
    return table.select(["row_id"]).slice(0, 1)


def merge_first(sketches: Iterable[pa.Table], state: State) -> State:
    return {"twin": pa.concat_tables(sketches).slice(0, 1)}


@gate("replay_twins", version="1")
def twins(*, threshold: Threshold = 0.5) -> Judge:
    """A judge of the second number, which calls the first row that it sees the twin of all it rejects."""
    dial = Dial(threshold, ">=", ("replay_twins.too_much",), parameter="threshold")
    judge = judge_numbers("replay_twins", 1, threshold)
    return Judge(judge=judge, rounds=(Round(sketch_first, merge_first),), dials=(dial,))


@gate("replay_fixed", version="1")
def fixed(
    *,
    word: str = "bad",
    depth: Annotated[int, Field(ge=0)] = 0,
    against: Annotated[list[NamedEvalSet], EVAL_SETS] = [],  # noqa: B006  (never changed)
) -> Judge:
    """A judge that accepts every row and that has no dial."""

    def judge(table: pa.Table, state: State) -> pa.Table:
        return build_verdicts(table["row_id"], "replay_fixed", ["accept"] * len(table))

    return Judge(judge=judge)


def write_gates(folder: Path, *gates: dict[str, Any], name: str = "gates.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"version": 1, "gates": list(gates)}), encoding="utf-8")
    return path


def use(first: float | None = 0.5, second: float | None = 0.5, **more: Any) -> list[dict[str, Any]]:
    """The two gates with their thresholds; None leaves one out. `more` goes to the first."""
    thresholds = {"replay_first": first, "replay_second": second}
    gates = [{"use": name, "threshold": t} for name, t in thresholds.items() if t is not None]
    return [{**gate, **(more if gate["use"] == "replay_first" else {})} for gate in gates]


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
