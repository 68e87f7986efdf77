"""Which rows of a run or pack are shown: where each lies and what was decided, held as columns.

Of each row some 200 bytes are kept: its id, labels and decision. Texts and scores stay in their files and are
read part by part when somebody searches or sorts by them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES
from synth_stack.lineage.record import RECORD_SCHEMA
from synth_stack.packs import layout
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.shards import read_shard
from synth_stack.packs.statement import read_file
from synth_stack.rows.schemas import DECISION_SCHEMA, DECISIONS
from synth_stack.runs.judged import open_judged, read_candidates, read_verdicts
from synth_stack.runs.locks import GateLock, parse_gates

LABELS = ("slice", "locale", "kind", "generator")
"""By which rows are chosen, beside decision, gate and reason class."""
CHOICES = ("decision", "gate", "reason_class", *LABELS)
MAX_PAGE = 200
"""Rows of one answer: more than a screen holds."""
EXCERPT_CHARS = 300
MAX_NEEDLE_CHARS = 1_000
KEPT_SEARCHES = 8
"""Results of searches that are kept, a bit a row: turning a page searches nothing again."""

Where = Literal["run", "pack"]
Tables = Callable[[], Iterator[pa.Table]]


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Which rows are wanted, in which order.

    `choices` maps names of CHOICES to values; `needle` is looked for in texts, reasons and ids without regard
    to case. The scores of the gate `gate` are between `low` and `high`, and with `by_score` the highest stand
    first.
    """

    choices: dict[str, str] = field(default_factory=dict)
    needle: str = ""
    gate: str | None = None
    low: float | None = None
    high: float | None = None
    by_score: bool = False
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True)
class RowIndex:
    """The rows of a run or a pack in order: `row_id`, CHOICES, `reason` and `replaced_by` of each.

    `gates` stand in the order of work. `texts` reads `row_id` and `text` part by part, of a pack those of its
    accepted rows alone; `scores` reads `row_id` and `score` of one gate.
    """

    folder: Path
    where: Where
    rows: pl.DataFrame
    gates: tuple[GateLock, ...]
    texts: Tables
    scores: Callable[[str], Iterator[pa.Table]]
    _found: dict[str, pl.Series] = field(default_factory=dict)
    _scored: dict[str, pl.Series] = field(default_factory=dict)

    def summarise(self) -> dict[str, Any]:
        """What the page says before anything is chosen: counts by every choice, and the gates in order."""
        counts = {name: _count(self.rows, name) for name in CHOICES}
        gates = [{"name": gate.use} for gate in self.gates]
        return {"name": self.folder.resolve().name, "where": self.where, "rows": len(self.rows)} | {
            "counts": counts,
            "gates": gates,
        }

    def find(self, query: RowQuery) -> dict[str, Any]:
        """The page of rows that a query asks for, and how many there are in all.

        Raises InputError for a choice, gate or page that there cannot be.
        """
        _require_usable(query, {gate.use for gate in self.gates})
        chosen = self.rows
        if query.gate is not None:
            chosen = chosen.with_columns(score=self._read_scores(query.gate))
        wanted: list[pl.Expr] = [pl.col(name) == value for name, value in query.choices.items()]
        if query.low is not None:
            wanted.append(pl.col("score") >= query.low)
        if query.high is not None:
            wanted.append(pl.col("score") <= query.high)
        if query.needle:
            wanted.append(pl.lit(self._search(query.needle)))
        found = chosen.filter(wanted) if wanted else chosen
        if query.by_score:
            found = found.sort("score", descending=True, nulls_last=True, maintain_order=True)
        page = found.slice(query.offset, query.limit)
        return {"rows": self._with_excerpts(page), "total": len(found), "offset": query.offset}

    def _search(self, needle: str) -> pl.Series:
        """Whether each row has the needle in its text, reason or id."""
        if needle not in self._found:
            hits = [
                table["row_id"].filter(
                    pc.fill_null(pc.match_substring(table["text"], needle, ignore_case=True), False)
                )
                for table in self.texts()
            ]
            ids = pl.Series(pa.chunked_array([c for h in hits for c in h.chunks], pa.string()))
            low = needle.lower()
            said = pl.col("reason").str.to_lowercase().str.contains(low, literal=True).fill_null(value=False)
            mask = self.rows.select(
                (pl.col("row_id").is_in(ids.implode()) | said | pl.col("row_id").str.starts_with(low)).alias(
                    "m"
                )
            )["m"]
            while len(self._found) >= KEPT_SEARCHES:
                self._found.pop(next(iter(self._found)))
            self._found[needle] = mask
        return self._found[needle]

    def _read_scores(self, gate: str) -> pl.Series:
        """The score that a gate gave each row, the highest where it gave several; null where it gave none."""
        if gate not in self._scored:
            parts = [pl.DataFrame(table.select(["row_id", "score"])) for table in self.scores(gate)]
            empty = pl.DataFrame(schema={"row_id": pl.String, "score": pl.Float64})
            scores = pl.concat([empty, *parts]).group_by("row_id").agg(pl.col("score").max())
            joined = self.rows.select("row_id").join(scores, on="row_id", how="left", maintain_order="left")
            self._scored[gate] = joined["score"]
        return self._scored[gate]

    def _with_excerpts(self, page: pl.DataFrame) -> list[dict[str, Any]]:
        """The rows of a page with the beginning of their texts, where there are texts."""
        ids = pa.array(page["row_id"].to_list(), pa.string())
        texts: dict[str, str] = {}
        for table in self.texts():
            if len(texts) == len(ids):
                break
            mine = table.filter(pc.is_in(table["row_id"], ids))
            cut = pc.utf8_slice_codeunits(mine["text"], 0, EXCERPT_CHARS)
            texts |= zip(mine["row_id"].to_pylist(), cut.to_pylist(), strict=True)
        return [{**row, "text": texts.get(row["row_id"])} for row in page.to_dicts()]


def open_rows(folder: Path) -> RowIndex:
    """The rows of the run or pack at `folder`.

    Raises InputError for a folder that is neither or that is not judged to the end, VerificationError for a
    pack whose files cannot be read.
    """
    return _open_pack(folder) if (folder / layout.STATEMENT).is_file() else _open_run(folder)


def _open_run(folder: Path) -> RowIndex:
    run = open_judged(folder)
    labels = pa.concat_tables(read_candidates(folder, ["row_id", *LABELS]))
    if not labels["row_id"].equals(run.decisions["row_id"]):
        raise InputError(f"the decisions of {folder} are not in the order of its rows")
    return RowIndex(
        folder,
        "run",
        _join(labels, run.decisions),
        tuple(run.gates),
        partial(read_candidates, folder, ["row_id", "text"]),
        partial(read_verdicts, folder),
    )


def _open_pack(pack: Path) -> RowIndex:
    sizes, faults, _ = layout.list_pack_files(pack)
    if faults:
        raise faults[0]
    names = list(sizes)
    records = layout.of_kind(names, "lineage", "records")
    log = layout.of_kind(names, "log", "decisions")
    read = partial(_read_shards, pack)
    labels = pa.concat_tables([_LABELS.empty_table(), *map(_read_labels, read(records, RECORD_SCHEMA))])
    decisions = pa.concat_tables([DECISION_SCHEMA.empty_table(), *read(log, DECISION_SCHEMA)])
    if not labels["row_id"].equals(decisions["row_id"]):
        raise InputError(
            f"{pack} has records and decisions on different rows", mend="Verify it: synth-stack verify PACK."
        )
    data = layout.list_row_files(names)
    lock = parse_gates(read_file(pack, layout.GATES, max_bytes=MAX_FILE_BYTES), where=layout.GATES)
    return RowIndex(
        pack,
        "pack",
        _join(labels, decisions),
        tuple(lock.gates),
        partial(read, data, DATA_SCHEMA, ["row_id", "text"]),
        lambda gate: (_read_record_scores(table, gate) for table in read(records, RECORD_SCHEMA)),
    )


_LABELS = pa.schema([(name, pa.string()) for name in ("row_id", *LABELS)])


def _read_shards(
    pack: Path, names: list[str], schema: pa.Schema, columns: list[str] | None = None
) -> Iterator[pa.Table]:
    for name in names:
        yield from read_shard(pack, name, schema, columns=columns)


def _read_labels(records: pa.Table) -> pa.Table:
    """What records say of what their rows are."""
    text = pl.DataFrame(records.select(["row_id", "record"])).with_columns(pl.col("record").cast(pl.String))
    paths = {"slice": "$.slice", "locale": "$.locale", "kind": "$.kind", "generator": "$.origin.generator"}
    found = text.select(
        "row_id", **{name: pl.col("record").str.json_path_match(path) for name, path in paths.items()}
    )
    return found.to_arrow().cast(_LABELS)


def _read_record_scores(records: pa.Table, gate: str) -> pa.Table:
    """The scores of one gate in records, which have them as decimal strings or numbers."""
    found = pl.DataFrame(records.select(["row_id", "record"])).select(
        "row_id",
        score=pl.col("record")
        .cast(pl.String)
        .str.json_path_match(f"$.verdicts[?(@.gate == '{gate}')].score")
        .cast(pl.Float64, strict=False),
    )
    return found.to_arrow()


def _join(labels: pa.Table, decisions: pa.Table) -> pl.DataFrame:
    said = pl.DataFrame(decisions.select(["decision", "gate", "reason_class", "reason", "replaced_by"]))
    rows = pl.concat([pl.DataFrame(labels), said], how="horizontal")
    few = [pl.col(name).cast(pl.Categorical) for name in CHOICES]
    return rows.with_columns(few)


def _count(rows: pl.DataFrame, name: str) -> dict[str, int]:
    counted = rows[name].cast(pl.String).drop_nulls().value_counts(sort=True)
    found = dict(zip(counted[name].to_list(), counted["count"].to_list(), strict=True))
    return {key: found[key] for key in DECISIONS if key in found} if name == "decision" else found


def _require_usable(query: RowQuery, gates: set[str]) -> None:
    unknown = sorted(set(query.choices) - set(CHOICES))
    if unknown:
        raise InputError("rows cannot be chosen by that", seen=unknown[0], allowed=", ".join(CHOICES))
    if query.gate is not None and query.gate not in gates:
        raise InputError(
            "no gate of this batch has that name", seen=query.gate, allowed=", ".join(sorted(gates))
        )
    if query.gate is None and (query.by_score or query.low is not None or query.high is not None):
        raise InputError("a score is chosen without its gate", mend="Choose the gate first.")
    if query.offset < 0 or not 1 <= query.limit <= MAX_PAGE:
        raise InputError("there is no such page", seen=f"{query.limit} rows from {query.offset}")
    if len(query.needle) > MAX_NEEDLE_CHARS:
        raise InputError("that is more text than one searches for", allowed=f"{MAX_NEEDLE_CHARS} characters")
