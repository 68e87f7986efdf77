"""What stands in a run folder of a judged corpus: which rows were turned away, by whom, and as what."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from labels import Claim

from synth_stack.rows.canonical import digest_json
from synth_stack.runs.judged import open_judged, read_judged


@dataclass(frozen=True, slots=True)
class Away:
    """A row that a gate turned away: the claim, where it stands, and the texts for a reader.

    `row` is the place in the corpus, `other` the text that the claim is about besides the row, and `evidence`
    what the gate said. A row that was redacted counts as turned away, as "redact", since its text is no
    longer what it was.
    """

    corpus: str
    row: int
    outcome: str
    claim: Claim
    text: str
    other: str | None = None
    evidence: str = ""


@dataclass(slots=True)
class Findings:
    """What was read of one corpus: rows in order with digest and text, and what the gates said of them.

    `looked` is how many rows each gate looked at, `accepted` the places of the rows that passed, and `scores`
    what each gate gave, by place.
    """

    corpus: str
    digests: list[str]
    texts: list[str]
    looked: dict[str, int]
    accepted: list[int] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)
    scores: dict[str, dict[int, float]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(self.digests)


def read_findings(name: str, folder: Path) -> Findings:
    """What a run folder says of the rows that were read; a redacted copy speaks for its original."""
    run = open_judged(folder)
    rows: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    kept: list[str] = []
    for candidates, verdicts, decisions in read_judged(run):
        rows += candidates.to_pylist()
        said += verdicts.to_pylist()
        kept += pl.DataFrame(decisions).filter(pl.col("decision") == "accepted")["row_id"].to_list()
    own = [row for row in rows if row["parent_id"] is None]
    own_places = {row["row_id"]: n for n, row in enumerate(own)}
    places = {row["row_id"]: own_places[row["parent_id"] or row["row_id"]] for row in rows}
    looked: dict[str, set[int]] = {gate: set() for gate in run.gate_names}
    found = Findings(name, [digest_content(row) for row in own], [show_row(row) for row in own], {})
    for verdict in said:
        place, gate = places[verdict["row_id"]], verdict["gate"]
        looked[gate].add(place)
        if verdict["score"] is not None:
            found.scores.setdefault(gate, {})[place] = verdict["score"]
        if verdict["outcome"] in {"reject", "hold"}:
            found.away.append(_read_away(found, verdict, places))
    found.looked = {gate: len(seen) for gate, seen in looked.items()}
    found.accepted = sorted({places[row] for row in kept})
    return found


def _read_away(found: Findings, verdict: Mapping[str, Any], places: Mapping[str, int]) -> Away:
    """A verdict as a claim, on the twin by its digest or on the exam item by its name where it is on one."""
    evidence = json.loads(verdict["evidence"] or "{}")
    against = other = None
    if evidence.get("twin") in places:
        twin = places[evidence["twin"]]
        against, other = found.digests[twin], found.texts[twin]
    elif "eval_set" in evidence and "item" in evidence:
        against = f"{evidence['eval_set']}/{evidence['item']}"
        other = f"exam item {against}: {evidence.get('item_text', '')}"
    place = places[verdict["row_id"]]
    claim = Claim(found.digests[place], verdict["gate"], verdict["reason_class"], against)
    outcome = "redact" if "replaced_by" in evidence else verdict["outcome"]
    shown = f"{verdict['reason']} {verdict['evidence'] or ''}"
    return Away(found.corpus, place, outcome, claim, found.texts[place], other, shown)


def digest_content(row: Mapping[str, Any]) -> str:
    """A digest of what a row says, wherever it stands and whatever its file is called."""
    parts = ("messages", "alternatives", "tools") if row["messages"] else ("text",)
    return digest_json({part: _drop_nulls(row[part]) for part in parts if row[part]})[:24]


def _drop_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _drop_nulls(v) for key, v in value.items() if v is not None}
    return [_drop_nulls(v) for v in value] if isinstance(value, list) else value


def show_row(row: Mapping[str, Any]) -> str:
    """A row as a reader sees it."""
    lines = []
    for message in row["messages"]:
        calls = f" {json.dumps(_drop_nulls(message['tool_calls']))}" if message.get("tool_calls") else ""
        lines.append(f"[{message['role']}] {message['content']}{calls}")
    return "\n".join(lines) or str(row["text"] or row["failure"])
