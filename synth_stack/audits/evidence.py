"""Everything that the figures of an audit are computed from, read back from the folder of a judged run."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from synth_stack.errors import InputError, StoreError
from synth_stack.files import read_table, store_errors
from synth_stack.registry import registered
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import list_made
from synth_stack.runs.judged import Judged, list_gates, open_judged, read_verdicts
from synth_stack.text.printable import show

if TYPE_CHECKING:
    import polars as pl

INPUT = "input.json"
"""What was read, by name and digest (workflows/curate.py)."""
SETTINGS = "audit_settings.json"
CLUSTERS = "audit_clusters.parquet"
CLUSTER_SCHEMA = pa.schema([("row_id", pa.string()), ("cluster", pa.string())])

READER = "reader"
"""Whom a row of the input is turned away by that could not be read, where no gate looks at the form of rows.
"""
SOURCE_COLUMNS = (
    "source",
    "dataset",
    "dataset_name",
    "origin",
    "model",
    "model_name",
    "generator",
    "teacher",
)
"""Names under which data sets say where a row comes from; the first that is there counts."""
SPLIT_COLUMNS = ("split", "partition", "fold", "subset")
FILE = "file"
"""What tells sources apart where no column does and the rows come from several files."""
MAX_NAME_CHARS = 200
SEEN_ROWS = 1_000
"""Rows of a part whose columns are named where one that was asked for is not there, and how many names."""
SEEN_COLUMNS = 20

_SPLITS = {"train": "train", "training": "train", "valid": "validation", "validation": "validation"}
_SPLITS |= {"val": "validation", "dev": "validation", "test": "test", "testing": "test", "eval": "test"}
_SHARD = re.compile(r"(?:/data)?(?:-\d+-of-\d+)?(?:\.[a-z0-9]+){1,2}$", re.IGNORECASE)
_SPLIT_NAME = re.compile(rf"(?:^|[/_.-])({'|'.join(_SPLITS)})(?=[/_.-]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """What an audit was asked for: the column that names a row's source (None: the first usual one), whether
    groups are slices or clusters, and what labels say of the gates' errors (labels.py, as JSON).

    `known` is what the gates that there were said of themselves (`describe_gates`), so that the same figures
    come out where others are installed.
    """

    source_column: str | None = None
    group: str = "slice"
    labels: Mapping[str, Any] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return {"source_column": self.source_column, "group": self.group, "labels": dict(self.labels)}

    def to_file(self) -> dict[str, Any]:
        """What the file of settings holds: with what the gates said of themselves."""
        return {**self.to_json(), "known": dict(self.known)}


@dataclass(frozen=True, slots=True)
class GateReach:
    """How many rows of the data set a gate looked at, on how many of these it had nothing to say, and the
    commonest reason that it gave for that.
    """

    looked_at: int
    abstained: int
    why: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEvidence:
    """A judged data set as tables.

    `rows` is one line a row of the data set, without such as a gate made: row_id, draw, kind, group, source,
    split, text, documents (whether it has any), decision. `flags` is one line for each time a gate turned a
    row away by itself: row_id, gate, outcome, reason_class, reason, score, eval_set, item, twin, pack,
    replaced_by.
    `wide` are the verdicts that were given to the batch or to a slice: gate, outcome, scope, reason,
    reason_class, rows.
    """

    run: Judged
    settings: AuditSettings
    input: Mapping[str, Any]
    rows: "pl.DataFrame"
    flags: "pl.DataFrame"
    wide: "pl.DataFrame"
    work: Mapping[str, GateReach]
    source_column: str | None

    @property
    def size(self) -> int:
        """How many rows were judged."""
        return self.rows.height


def describe_gates() -> dict[str, Any]:
    """Of each gate that is registered: the harm of its defects, and which parameter takes exams or a
    baseline.
    """
    return {
        name: {
            "harm": entry.harm,
            "exams": entry.eval_sets,
            "baseline": entry.baseline,
            "references": entry.references,
            "documents": "documents" in entry.reads,
        }
        for name, entry in sorted(registered("gate").items())
    }


def read_settings(folder: Path) -> AuditSettings:
    """What the audit in a folder was asked for. Raises StoreError for a file that is not readable."""
    found = read_json(folder / SETTINGS)
    try:
        return AuditSettings(
            found["source_column"], str(found["group"]), dict(found["labels"]), dict(found["known"])
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise StoreError(f"{folder / SETTINGS} is not the settings of an audit") from exc


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises StoreError."""
    try:
        with store_errors(path):
            value = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as exc:
        raise StoreError(f"{path} is not readable JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise StoreError(f"{path} does not hold an object")
    return value


def read_evidence(folder: Path, settings: AuditSettings) -> AuditEvidence:
    """The evidence in a judged folder. Memory is some 200 bytes a row, and the texts of the rows.

    Raises StoreError and InputError for a folder whose tables do not belong together.
    """
    import polars as pl

    run = open_judged(folder)
    told = read_json(folder / INPUT) if (folder / INPUT).exists() else {}
    rows, column = _read_rows(folder, settings)
    rows = _add_splits(rows, told.get("parts") or [])
    if column is None and settings.source_column is None:
        rows, column = _add_files(rows, told.get("parts") or [])
    decisions = pl.DataFrame(run.decisions.select(["row_id", "decision"]))
    rows = rows.join(decisions, on="row_id", how="left", maintain_order="left")
    if rows["row_id"].is_duplicated().any():
        raise StoreError(f"{folder} holds a row twice")
    flags, wide, work = _read_flags(run, rows)
    unread = rows.filter(pl.col("failure").is_not_null() & ~pl.col("row_id").is_in(flags["row_id"].implode()))
    flags = pl.concat([flags, _flag_unread(unread, flags.schema)])
    return AuditEvidence(run, settings, told, rows, flags, wide, work, column)


def check_source_column(folder: Path, column: str | None) -> None:
    """Raises InputError where a column is named and no row of a judged folder has it beside its text."""
    import polars as pl

    if column is None:
        return
    seen: set[str] = set()
    for path in list_made(folder / "candidates"):
        extra = pl.DataFrame(read_table(path, CANDIDATE_SCHEMA, ["extra"]))
        if _has_column(extra, column):
            return
        seen.update(*(orjson.loads(held) for held in extra["extra"].drop_nulls().head(SEEN_ROWS)))
    raise InputError(
        "no row has the column that says where it comes from",
        seen=column,
        allowed=", ".join(show(*sorted(seen)[:SEEN_COLUMNS])) or "no columns beside the text",
        mend="Name another with --source-column.",
    )


def _read_rows(folder: Path, settings: AuditSettings) -> "tuple[pl.DataFrame, str | None]":
    import polars as pl

    names = ["row_id", "draw", "kind", "slice", "text", "failure", "extra", "generator"]
    parts = []
    for path in list_made(folder / "candidates"):
        table = read_table(path, CANDIDATE_SCHEMA, [*names, "documents"])
        filled = pl.DataFrame(table.select(["documents"]))["documents"].list.len().fill_null(0) > 0
        parts.append(pl.DataFrame(table.select(names)).with_columns(documents=filled))
    rows = pl.concat(parts)
    wanted = SOURCE_COLUMNS if settings.source_column is None else (settings.source_column,)
    column = next((name for name in wanted if _has_column(rows, name)), None)
    source = pl.lit(None, pl.String) if column is None else _take(column)
    split = pl.coalesce([_take(name) for name in SPLIT_COLUMNS]).str.to_lowercase()
    known = split.replace_strict({**_SPLITS}, default=None, return_dtype=pl.String)
    if column is None and settings.source_column is None and rows["generator"].n_unique() > 1:
        column, source = "generator", pl.col("generator")
    rows = rows.with_columns(source=source.str.slice(0, MAX_NAME_CHARS), split=known).drop("extra")
    if settings.group == "cluster":
        clusters = pl.DataFrame(read_table(folder / CLUSTERS, CLUSTER_SCHEMA))
        rows = rows.join(clusters, on="row_id", how="left", maintain_order="left")
        return rows.rename({"cluster": "group"}).drop("slice"), column
    return rows.rename({"slice": "group"}), column


def _take(column: str) -> "pl.Expr":
    """A column of `extra` as text; one whose name JSON paths cannot say is asked for in brackets."""
    import polars as pl

    quoted = column.replace("\\", "\\\\").replace("'", "\\'")
    return pl.col("extra").str.json_path_match(f"$['{quoted}']")


def _has_column(rows: "pl.DataFrame", column: str) -> bool:
    return bool(rows.select(_take(column).is_not_null().any()).item())


def _add_splits(rows: "pl.DataFrame", parts: Sequence[Mapping[str, Any]]) -> "pl.DataFrame":
    """The rows with the split that the name of their file says, where a column does not say it."""
    import polars as pl

    named = [(_find_split(str(part["name"])), int(part["rows"])) for part in parts]
    if not any(split for split, _ in named):
        return rows
    splits = [split for split, count in named for _ in range(count)]
    if len(splits) != rows.height:
        return rows
    ordered = pl.Series("by_file", splits, dtype=pl.String)
    return rows.with_columns(split=pl.coalesce("split", ordered))


def _add_files(rows: "pl.DataFrame", parts: Sequence[Mapping[str, Any]]) -> "tuple[pl.DataFrame, str | None]":
    """The rows with the file or configuration that each comes from, where there are several; shards of one
    are one.
    """
    import polars as pl

    names = [(_SHARD.sub("", str(part["name"]))[:MAX_NAME_CHARS], int(part["rows"])) for part in parts]
    files = [name for name, count in names for _ in range(count)]
    if len({name for name, count in names if count}) < 2 or len(files) != rows.height:
        return rows, None
    return rows.with_columns(source=pl.Series(files, dtype=pl.String)), FILE


def _find_split(name: str) -> str | None:
    """The split that the name of a file or configuration says: the last that stands in it."""
    found = _SPLIT_NAME.findall(name)
    return _SPLITS[found[-1].lower()] if found else None


def _read_flags(
    run: Judged, rows: "pl.DataFrame"
) -> "tuple[pl.DataFrame, pl.DataFrame, dict[str, GateReach]]":
    import polars as pl

    flags, wide, work = [], [], {}
    ids = rows.select("row_id")
    for gate in list_gates(run.folder, run.gate_names):
        looked, abstained = [], []
        silent: Counter[str] = Counter()
        for table in [VERDICT_SCHEMA.empty_table(), *read_verdicts(run.folder, gate)]:
            part = pl.DataFrame(table).join(ids, on="row_id", how="semi", maintain_order="left")
            looked.append(part["row_id"])
            unsaid = part.filter(outcome="abstain")
            abstained.append(unsaid["row_id"])
            silent.update(dict(unsaid["reason"].drop_nulls().value_counts().iter_rows()))
            away = part.filter(pl.col("outcome").is_in(["reject", "hold"]))
            mine = away.filter(scope="row")
            cited = [
                pl.col("evidence").str.json_path_match(f"$.{key}").alias(key)
                for key in ("eval_set", "item", "twin", "pack", "replaced_by")
            ]
            flags.append(mine.with_columns(cited).drop("evidence", "scope", "threshold"))
            wide.append(away.filter(pl.col("scope") != "row").drop("evidence", "threshold"))
        why = min(silent, key=lambda reason: (-silent[reason], reason), default=None)
        work[gate] = GateReach(pl.concat(looked).n_unique(), pl.concat(abstained).n_unique(), why)
    keys = ["gate", "outcome", "scope", "reason", "reason_class"]
    told = pl.concat(wide).group_by(keys, maintain_order=True).agg(rows=pl.len(), score=pl.col("score").max())
    return pl.concat(flags).unique(["row_id", "gate", "reason_class"], maintain_order=True), told, work


def _flag_unread(unread: "pl.DataFrame", schema: Mapping[str, Any]) -> "pl.DataFrame":
    import polars as pl

    named = {
        "gate": pl.lit(READER),
        "outcome": pl.lit("reject"),
        "reason": pl.col("failure"),
        "reason_class": pl.lit(f"{READER}.failure"),
    }
    empty = {name: pl.lit(None, kind) for name, kind in schema.items() if name not in {*named, "row_id"}}
    return unread.with_columns(**{**named, **empty}).select(list(schema))
