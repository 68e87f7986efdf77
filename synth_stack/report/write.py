"""report.html of a run folder: its figures and a table of its rows on one page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.decisions.figures import Figures, compute_figures
from synth_stack.files import read_table, read_yaml, write_bytes
from synth_stack.report.html import render_report
from synth_stack.report.sample import collect_audit_rows
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.canary_recall import read_recalls
from synth_stack.runs.folder import GATES_LOCK, LOCK, read_parts


def write_report(folder: Path) -> Figures:
    """The figures of a judged folder, and report.html beside its decisions."""
    decisions = read_table(folder / "decisions.parquet", DECISION_SCHEMA)
    gates = read_yaml(folder / GATES_LOCK)["gates"]
    bars = {gate["use"]: gate["min_recall"] for gate in gates if gate.get("canaries")}
    canaries = read_recalls(folder, bars)
    names = [gate["use"] for gate in gates]
    figures = compute_figures(_candidates(folder), _verdicts(folder, names), decisions, canaries)
    rows = collect_audit_rows(_candidates(folder), _verdicts(folder, names), decisions)
    lock = read_yaml(folder / LOCK)
    page = render_report(figures, rows, title=_title(lock), facts=_facts(lock))
    write_bytes(folder / "report.html", page.encode("utf-8"))
    return figures


def _candidates(folder: Path) -> Iterator[pa.Table]:
    return read_parts(folder / "candidates", CANDIDATE_SCHEMA)


def _verdicts(folder: Path, gates: Sequence[str]) -> dict[str, Iterator[pa.Table]]:
    return {name: read_parts(folder / "verdicts" / name, VERDICT_SCHEMA) for name in gates}


def _title(lock: Mapping[str, Any]) -> str:
    if "recipe" in lock:
        return str(lock["recipe"]["pack"]["pretty_name"])
    return str(lock.get("source", lock.get("pipeline", {})).get("name", "curated rows"))


def _facts(lock: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if "recipe" in lock:
        facts["recipe"] = lock["recipe"]["name"]
        facts["run seed"] = lock["seed"]
        facts["seeds"] = f"{lock['corpus']['seeds']:,} in {lock['corpus']['slices']:,} slices"
    if "teacher" in lock:
        facts["teacher"] = lock["teacher"]["model"]
        facts["teacher digest"] = lock["teacher"]["digest"] or "not known"
        facts["replayable"] = "yes" if lock["teacher"]["replayable"] else "no"
    if "source" in lock:
        facts["source digest"] = lock["source"]["sha256"]
    facts["identity"] = lock["identity"]
    return facts
