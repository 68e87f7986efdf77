"""report.html of a run folder: its figures and a table of its rows on one page."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.decisions.figures import Figures, compute_figures
from synth_stack.files import write_bytes
from synth_stack.gates.gate import DISTRIBUTION_SCHEMA, DISTRIBUTIONS
from synth_stack.report.contact_sheets import draw_sheets
from synth_stack.report.html import render_report
from synth_stack.report.row_map import draw_map
from synth_stack.report.sample import collect_audit_rows
from synth_stack.review.outcome import read_outcome
from synth_stack.runs.folder import read_state
from synth_stack.runs.judged import Judged, list_gates, open_judged, read_candidates, read_verdicts
from synth_stack.runs.locks import RecipeLock


def write_report(folder: Path) -> Figures:
    """The figures of a judged folder, and report.html beside its decisions."""
    run = open_judged(folder)
    figures = compute_figures(read_candidates(folder), _read_all(run), run.decisions, run.self_tests)
    rows = collect_audit_rows(read_candidates(folder), _read_all(run), run.decisions)
    spread = list(_read_distributions(run))
    row_map = draw_map(read_candidates(folder), run.decisions)
    title = run.recipe.name if run.recipe.card is None else run.recipe.card.pretty_name
    said = chain.from_iterable(_read_all(run).values())
    sheets = draw_sheets(folder, read_candidates(folder), said, run.decisions)
    pictures = {"distributions": spread, "map": row_map, "sheets": sheets}
    page = render_report(
        figures,
        rows,
        title=title,
        facts=_list_facts(run.recipe),
        pictures=pictures,
        review=read_outcome(folder),
    )
    write_bytes(folder / "report.html", page.encode("utf-8"))
    return figures


def _read_all(run: Judged) -> dict[str, Iterator[pa.Table]]:
    """The verdicts of each gate in the order of work; a reviewer's come last."""
    return {gate: read_verdicts(run.folder, gate) for gate in list_gates(run.folder, run.gate_names)}


def _read_distributions(run: Judged) -> Iterator[dict[str, Any]]:
    """What the gates' states hold of how the batch is spread, in the order of work."""
    for gate in run.gate_names:
        table = read_state(run.folder, gate).get(DISTRIBUTIONS)
        if table is not None:
            yield from ({"gate": gate, **row} for row in table.cast(DISTRIBUTION_SCHEMA).to_pylist())


def _list_facts(recipe: RecipeLock) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if recipe.recipe is not None:
        facts |= {"recipe": recipe.name, "run seed": recipe.seed}
    if recipe.corpus is not None:
        facts["seeds"] = f"{recipe.corpus.seeds:,} in {recipe.corpus.slices:,} slices"
    if recipe.teacher is not None:
        facts["teacher"] = recipe.teacher.model
        facts["teacher digest"] = recipe.teacher.digest or "not known"
        facts["replayable"] = "yes" if recipe.teacher.replayable else "no"
    if recipe.source is not None:
        facts["source digest"] = recipe.source.sha256
    facts["identity"] = recipe.identity
    return facts
