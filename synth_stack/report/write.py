"""report.html of a run folder: its figures and a table of its rows on one page."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.decisions.figures import Figures, compute_figures
from synth_stack.decisions.replay.replay import draw_standing
from synth_stack.files import write_bytes
from synth_stack.gates.gate import DISTRIBUTION_SCHEMA, DISTRIBUTIONS
from synth_stack.registry import registered
from synth_stack.report.beside import compare_figures, read_figures
from synth_stack.report.clusters import list_clusters
from synth_stack.report.contact_sheets import draw_sheets
from synth_stack.report.costs import tell_costs
from synth_stack.report.html import render_report
from synth_stack.report.row_map import draw_map
from synth_stack.report.sample import collect_audit_rows
from synth_stack.report.slice_balance import tell_balance
from synth_stack.report.slice_heat import count_by_slice
from synth_stack.report.unchecked import list_unchecked
from synth_stack.review.outcome import read_outcome
from synth_stack.runs.folder import read_state
from synth_stack.runs.judged import Judged, list_gates, open_judged, read_candidates, read_verdicts
from synth_stack.runs.locks import RecipeLock


def write_report(folder: Path, beside: Path | None = None) -> Figures:
    """The figures of a judged folder, and report.html beside its decisions; with another judged folder
    `beside` it, the page compares the two. Raises InputError for a folder that is not judged.
    """
    run = open_judged(folder)
    figures = compute_figures(read_candidates(folder), _read_all(run), run.decisions, run.self_tests)
    rows = collect_audit_rows(read_candidates(folder), _read_all(run), run.decisions)
    spread = list(_read_distributions(run))
    clusters = list_clusters(_read_all(run), read_candidates(folder))
    row_map = draw_map(read_candidates(folder), run.decisions, [each["text"] for each in clusters])
    title = run.recipe.name if run.recipe.card is None else run.recipe.card.pretty_name
    outcome = read_outcome(folder)
    said = chain.from_iterable(_read_all(run).values())
    pictures = {
        "distributions": spread,
        "map": row_map,
        "clusters": clusters,
        "sheets": draw_sheets(folder, read_candidates(folder), said, run.decisions),
        "yields": _draw_yields(run),
        "balance": tell_balance(run.recipe.balance, read_candidates(folder), run.decisions),
        "heat": count_by_slice(read_candidates(folder), run.decisions),
        "costs": tell_costs(folder, figures),
        "beside": None if beside is None else compare_figures(figures, *read_figures(beside)),
    }
    page = render_report(
        figures,
        rows,
        title=title,
        facts=_list_facts(run.recipe),
        pictures=pictures,
        review=outcome,
        unchecked=list_unchecked(figures, run.gates, reviewed=outcome is not None),
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


def _draw_yields(run: Judged) -> list[dict[str, Any]]:
    """The rows accepted over each threshold that can be turned, and which reasons it gives.

    None where a gate of the run is not at hand, as one of an extension that was not loaded: only it knows how
    its thresholds decide.
    """
    if not {lock.use for lock in run.gates} <= registered("gate").keys():
        return []
    return [
        {
            "gate": curve.gate,
            "parameter": curve.parameter,
            "threshold": curve.threshold,
            "rejects": curve.rejects,
            "planted": curve.planted,
            "classes": classes,
            "points": [(p.threshold, p.accepted, p.undecided, p.caught) for p in curve.points],
        }
        for curve, classes in draw_standing(run)
    ]


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
