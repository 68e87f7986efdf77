"""A preview of a run: a few rows, what its gates would say of them, and what all of its rows would cost."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth_stack.files import render_yaml, write_bytes, write_table
from synth_stack.generation.parts import batch_file
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.recipe import Recipe
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.committed import commit_candidates
from synth_stack.runs.folder import LOCK
from synth_stack.runs.spending import PartTokens, cost_of_parts, sum_by_part
from synth_stack.text.printable import count_noun
from synth_stack.workflows.generate import show_rows
from synth_stack.workflows.judge import Gates, judge
from synth_stack.workflows.prepare import Job, prepare
from synth_stack.workflows.read_recipe import prepare_with_gates

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FullRun:
    """What the whole run would take, as far as the rows of a preview tell.

    `rows`: the candidates to be made; of a run with a target at least so many and `most` at most, since how
    many are accepted is not known. Tokens and cost are those of `rows`; `cost` is None without prices.
    """

    seen: int
    rows: int
    most: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    currency: str | None

    def line(self) -> str:
        """The estimate as a sentence."""
        tokens = f"{self.input_tokens:,} tokens in and {self.output_tokens:,} out"
        cost = f", {self.cost:,.2f} {self.currency}" if self.cost is not None else ""
        more = (
            f" (at most {self.most:,}, at {self.most / self.rows:.1f} times that)"
            if self.most > self.rows
            else ""
        )
        rows, seen = count_noun(self.rows, "candidate"), count_noun(self.seen, "row")
        return f"full run about {tokens}{cost} for {rows}{more}, from {seen}"


@dataclass(frozen=True, slots=True)
class Preview:
    """Rows with their prompts; `decisions`, one a row in order, or None where no gate was asked."""

    rows: Sequence[Row]
    decisions: Sequence[Mapping[str, Any]] | None
    full_run: FullRun

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        nothing: list[Mapping[str, Any] | None] = [None] * len(self.rows)
        decisions = nothing if self.decisions is None else self.decisions
        rows = [{**row, "decision": said} for row, said in zip(self.rows, decisions, strict=True)]
        names = FullRun.__slots__
        return {"rows": rows, "full_run": {name: getattr(self.full_run, name) for name in names}}

    def lines(self) -> Iterator[str]:
        """What the gates say, row by row, and the estimate."""
        for number, said in enumerate(self.decisions or (), 1):
            by = f"  {said['gate']}: {said['reason']}" if said["gate"] else ""
            yield f"row {number:<5} {said['decision']}{by}"
        if self.decisions:
            yield "gates     a few rows say little of a batch: what compares rows with each other needs many"
        yield self.full_run.line()


def preview_run(
    recipe: Recipe,
    n: int,
    see: Callable[[Row], None] | None = None,
    *,
    load: Sequence[str] = (),
    judged: bool = True,
) -> Preview:
    """`n` rows of a recipe, judged by its gates where `judged`, and the price of its run; nothing is kept.

    Recipe and gates are checked as for a run before the first prompt. The gates see the rows alone: no
    canaries are planted. Raises what `run` raises.
    """
    loaded = load_extensions(load)
    with tempfile.TemporaryDirectory(prefix="synth-stack-preview-") as name:
        folder = Path(name)
        if judged:
            job, gates = prepare_with_gates(recipe, loaded, folder=folder)
            rows = show_rows(job, n, see, files=folder)
            return Preview(rows, _judge(job, rows, gates, folder), estimate_run(job, rows))
        job = prepare(recipe, loaded)
        rows = show_rows(job, n, see)
        return Preview(rows, None, estimate_run(job, rows))


def estimate_run(job: Job, rows: Sequence[Row]) -> FullRun:
    """What all candidates of the job take, if they are like these `rows`."""
    target = job.recipe.generate.target
    wanted = job.recipe.generate.wanted
    spent = sum_by_part(pa.chunked_array([[row["extra"] for row in rows]], pa.string()))
    scale = wanted / max(len(rows), 1)
    full: PartTokens = {
        part: (round(n_in * scale), round(n_out * scale), round(cached * scale))
        for part, (n_in, n_out, cached) in spent.items()
    }
    cost = cost_of_parts(full, job.prices) if job.prices else None
    return FullRun(
        seen=len(rows),
        rows=wanted,
        most=wanted if target is None else target.candidate_limit,
        input_tokens=sum(tokens[0] for tokens in full.values()),
        output_tokens=sum(tokens[1] for tokens in full.values()),
        cost=cost,
        currency=next((price.currency for price in job.prices.values()), None) if cost is not None else None,
    )


def _judge(job: Job, rows: Sequence[Row], gates: Gates, folder: Path) -> list[dict[str, Any]]:
    """The decision on each row, in order, with its gate and reason, from a run folder that is thrown away."""
    table = build_candidates(rows)
    write_bytes(folder / LOCK, render_yaml(job.lock))
    write_table(batch_file(folder / "candidates", 0, 0, []), table)
    commit_candidates(folder)
    judge(folder, gates.without_canaries())
    columns = ["row_id", "decision", "gate", "reason", "reason_class"]
    said = pq.read_table(folder / "decisions.parquet", columns=columns).to_pylist()
    by_row = {decision.pop("row_id"): decision for decision in said}
    return [by_row[row_id] for row_id in table["row_id"].to_pylist()]
