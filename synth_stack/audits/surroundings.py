"""How the data lie beside other things: rows to compare with, the sources that they are grounded in, and the
habits of a machine that writes.
"""

from typing import TYPE_CHECKING, Any

from synth_stack.audits.evidence import AuditEvidence
from synth_stack.audits.figures import DIGITS, cut, measure_rate
from synth_stack.gates.gate import DISTRIBUTION_SCHEMA, DISTRIBUTIONS
from synth_stack.runs.folder import read_state

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]

SELF_REFERENCE = (
    r"(?i)\b(?:as an? (?:ai|artificial intelligence)\b|i(?:'|’)?a?m an? (?:ai|language model)\b"
    r"|as a (?:large )?language model\b|my (?:training data|knowledge cut-?off)\b"
    r"|i (?:do not|don(?:'|’)t) have personal (?:opinions|feelings|experiences)\b)"
)
PHRASES = (
    "delve into",
    "rich tapestry",
    "it is important to note",
    "it's important to note",
    "plays a crucial role",
    "in today's fast-paced",
    "i hope this helps",
    "certainly!",
    "sure, here",
    "here is a revised",
    "let me know if you",
    "in conclusion,",
    "a testament to",
    "navigate the complexities",
    "it is worth noting",
)
"""Turns that language models overuse: excess words of 2023 and 2024 in abstracts (Kobak et al. 2025, Science
Advances 11, doi:10.1126/sciadv.adt3813), and openings and endings of chat answers. People write them too."""
OPENING_WORDS = 4
MIN_SHARED = 3
"""Rows with one frame from which on it is taken for a template: two may be alike by chance."""
SHOWN = 6


def measure_drift(evidence: AuditEvidence) -> Json:
    """What gates said of the batch or of a slice as a whole, and how far it lies from other rows."""
    baselines, spread = [], []
    for gate in evidence.run.lock.gates:
        facts = gate.facts.get((evidence.settings.known.get(gate.use) or {}).get("baseline") or "")
        if isinstance(facts, dict):
            work = evidence.work[gate.use]
            baselines.append(
                {
                    "gate": gate.use,
                    "name": str(facts.get("name")),
                    "sha256": str(facts.get("sha256")),
                    "compared": work.looked_at - work.abstained,
                    "why_not": cut(work.why) if work.abstained else None,
                }
            )
        table = read_state(evidence.run.folder, gate.use).get(DISTRIBUTIONS)
        if table is not None:
            spread += [
                {"gate": gate.use, **_compare(row)} for row in table.cast(DISTRIBUTION_SCHEMA).to_pylist()
            ]
    found = evidence.wide.sort(["gate", "scope", "rows", "reason"], descending=[False, False, True, False])
    return {
        "baselines": baselines,
        "spread": spread,
        "found": [
            {
                **row,
                "reason": cut(row["reason"]),
                "score": None if row["score"] is None else round(row["score"], 4),
            }
            for row in found.head(50).to_dicts()
        ],
    }


def _compare(row: Json) -> Json:
    """A distribution as a few numbers: medians of quantiles, or the labels whose shares moved most."""
    batch, other = row["batch"], row["other"]
    if row["form"] == "quantiles":
        middle = len(batch) // 2
        ends = {"batch": round(batch[middle], 4), "other": round(other[middle], 4)} if batch and other else {}
        return {"what": row["what"], "form": row["form"], **ends}
    moved = sorted(
        zip(row["labels"] or [], batch, other, strict=False),
        key=lambda item: (-abs(item[1] - item[2]), item[0]),
    )
    return {
        "what": row["what"],
        "form": row["form"],
        "moved": [
            {"label": cut(label), "batch": round(mine, 4), "other": round(theirs, 4)}
            for label, mine, theirs in moved[:3]
        ],
    }


def measure_grounding(evidence: AuditEvidence) -> Json:
    """How many rows bring documents, and of how many of these a gate that reads documents could judge."""
    import polars as pl

    grounded = evidence.rows.filter("documents").select("row_id")
    readers = [
        name for name in evidence.run.gate_names if evidence.settings.known.get(name, {}).get("documents")
    ]
    told = []
    for name in readers:
        work = evidence.work[name]
        away = evidence.flags.filter(pl.col("gate") == name).join(grounded, on="row_id", how="semi")
        told.append(
            {
                "gate": name,
                "looked_at": work.looked_at,
                "judged": work.looked_at - work.abstained,
                "turned_away": measure_rate(away["row_id"].n_unique(), grounded.height),
            }
        )
    return {"with_documents": measure_rate(grounded.height, evidence.size), "gates": told}


def measure_signs(evidence: AuditEvidence) -> Json:
    """Signs that a machine wrote rows. They are signs only: people write so too, and machines write
    otherwise.
    """
    import polars as pl

    texts = evidence.rows.select("row_id", "draw", "text").drop_nulls("text")
    lowered = pl.col("text").str.to_lowercase().str.replace_all("’", "'", literal=True)
    spoken = texts.select(lowered=lowered).filter(pl.col("lowered").str.contains_any(list(PHRASES)))
    counts = spoken.select(
        pl.col("lowered").str.contains(phrase, literal=True).sum().alias(phrase) for phrase in PHRASES
    ).row(0)
    ranked = sorted(
        ((count, phrase) for count, phrase in zip(counts, PHRASES, strict=True) if count),
        key=lambda found: (-found[0], found[1]),
    )
    speaks_of_itself = texts["text"].str.contains(SELF_REFERENCE).sum()
    frames = _list_frames(texts)
    return {
        "self_reference": measure_rate(int(speaks_of_itself), evidence.size),
        "phrases": {
            "rate": measure_rate(spoken.height, evidence.size),
            "most": [{"phrase": phrase, "rows": count} for count, phrase in ranked[:SHOWN]],
        },
        "templates": {
            "rate": measure_rate(sum(frame["rows"] for frame in frames), evidence.size),
            "most": frames[:SHOWN],
        },
        "openings": _list_openings(texts, evidence.size),
    }


def _list_frames(texts: "pl.DataFrame") -> list[Json]:
    """Frames that MIN_SHARED rows share: their first line with numbers, names and quotes left open."""
    import polars as pl

    frame = (
        pl.col("text")
        .str.extract(r"(?m)^(.*)$", 1)
        .str.replace_all(r"\"[^\"]*\"|“[^”]*”", "…")
        .str.replace_all(r"\p{N}[\p{N}.,:]*", "#")
        .str.replace_all(r"(\s)\p{Lu}[\p{L}'-]*", "${1}…")
        .str.slice(0, 200)
    )
    framed = texts.select("text", frame=frame).filter(pl.col("frame").str.contains("[#…]"))
    counted = framed.group_by("frame").agg(
        rows=pl.len(), different=pl.col("text").n_unique(), example=pl.col("text").first()
    )
    shared = counted.filter((pl.col("rows") >= MIN_SHARED) & (pl.col("different") >= MIN_SHARED))
    ranked = shared.sort(["rows", "frame"], descending=[True, False])
    return [{"frame": cut(row["frame"]), "rows": row["rows"]} for row in ranked.to_dicts()]


def _list_openings(texts: "pl.DataFrame", rows: int) -> list[Json]:
    import polars as pl

    words = rf"^\s*((?:\S+\s+){{{OPENING_WORDS - 1}}}\S+)"
    opening = (
        pl.col("text").str.to_lowercase().str.extract(words, 1).str.replace_all(r"\s+", " ").str.slice(0, 100)
    )
    counted = texts.select(opening=opening).drop_nulls().group_by("opening").len()
    ranked = counted.filter(pl.col("len") >= MIN_SHARED).sort(["len", "opening"], descending=[True, False])
    return [
        {"opening": row["opening"], "rows": row["len"], "share": round(row["len"] / rows, DIGITS)}
        for row in ranked.head(SHOWN).to_dicts()
    ]
