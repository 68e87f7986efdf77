"""Where one row of a run or a pack comes from, and why it is where it is.

A run has the evidence and every row's text. A pack has the digests of the evidence, and the text of the
accepted rows; nothing in it is verified here (verify.py does that).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError
from synth_stack.files import read_table
from synth_stack.inputs.seeds import SEED_SCHEMA
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES
from synth_stack.lineage.record import RECORD_SCHEMA
from synth_stack.lineage.record_form import parse_record
from synth_stack.packs import layout
from synth_stack.packs.data_rows import find_row_by_id
from synth_stack.packs.mixture.listing import require_one_pack
from synth_stack.packs.shards import find_row, read_shard
from synth_stack.packs.statement import read_file
from synth_stack.rows.row_ids import find_row_id
from synth_stack.rows.schemas import DECISION_SCHEMA
from synth_stack.runs.folder import GATES_LOCK, LOCK, list_parts
from synth_stack.runs.judged import DECISIONS, list_gates, read_candidates, read_verdicts
from synth_stack.runs.locks import RecipeLock, parse_gates, parse_recipe
from synth_stack.text.printable import describe_content, describe_verdict, show

Json = dict[str, Any]
SEED_FILE = "seeds/seeds.parquet"
_UNDECIDED: Mapping[str, None] = dict.fromkeys(DECISION_SCHEMA.names)
SHOWN_SIBLINGS = 20
"""As many as fit on a screen; JSON has them all."""


@dataclass(frozen=True, slots=True)
class Relative:
    """Another row and what was decided of it; None where that is not known."""

    row_id: str
    decision: str | None


@dataclass(frozen=True, slots=True)
class Trace:
    """One row's way through the line.

    `row` has the columns of CANDIDATE_SCHEMA; those of its content are missing for a row that a pack does
    not hold. `seed` is its row of the seed table. `templates` maps the ids to their text, None where the
    recipe does not have it. `verdicts` have the columns of VERDICT_SCHEMA, or in a pack a record's keys.
    `siblings` were drawn from the same seed. A dialogue's `parent_id` names no row but the node of its tree
    above its last exchange, so it has no `parent` but where it is a replacement. `replaces_parent` says that
    the row stands for its `parent` (as a redacted copy, say), and `replaced_by` is the row that stands for
    this one.
    """

    row_id: str
    row: Mapping[str, Any]
    seed: Mapping[str, Any] | None
    templates: Mapping[str, str | None]
    verdicts: tuple[Mapping[str, Any], ...]
    decision: str | None
    gate: str | None
    reason: str | None
    reason_class: str | None
    siblings: tuple[Relative, ...]
    parent: Relative | None
    replaces_parent: bool
    replaced_by: Relative | None

    def to_json(self) -> Json:
        """The same as plain JSON."""
        plain: Json = orjson.loads(orjson.dumps(self))
        return plain

    def lines(self) -> list[str]:
        """The same for a person; a text of several lines stands on one."""
        row = self.row
        by = f" by {self.gate}: {self.reason}" if self.gate else ""
        more = len(self.siblings) - SHOWN_SIBLINGS
        return show(
            f"row       {self.row_id}",
            f"decision  {self.decision or 'none yet'}{by}",
            f"slice     {row['slice']}, locale {row['locale']}, {row['kind']}",
            *describe_content(row),
            *([f"failure   {row['failure']}"] if row["failure"] else []),
            f"generator {row['generator']} {row['generator_version']}, {row['params'] or 'no parameters'}",
            _describe_draw(row),
            *(
                [f"teacher   {row['teacher']}, {row['teacher_digest'] or 'no digest'}"]
                if row["teacher"]
                else []
            ),
            *(
                f"template  {name}{'' if text else ' (its text is not there)'}"
                for name, text in self.templates.items()
            ),
            *([f"seed      {self.seed['seed_id']}: {self.seed['text']!r}"] if self.seed else []),
            *([f"source    {row['source_id']}"] if row["source_id"] else []),
            *_describe_relatives(self),
            *(f"verdict   {describe_verdict(verdict)}" for verdict in self.verdicts),
            *(f"sibling   {other.row_id}: {other.decision}" for other in self.siblings[:SHOWN_SIBLINGS]),
            *([f"siblings  {more} more"] if more > 0 else []),
        )


def trace(folder: Path, row_id: str) -> Trace:
    """The way of one row of the run or pack at `folder`; `row_id` may be its first 8 or more characters.

    Raises InputError for a folder that is neither, and for a row that it does not have.
    """
    require_one_pack(folder)
    if (folder / layout.STATEMENT).is_file():
        return _trace_in_pack(folder, row_id)
    if (folder / LOCK).is_file() and list_parts(folder / "candidates"):
        return _trace_in_run(folder, row_id)
    raise InputError(
        f"{folder} holds neither a pack nor the rows of a run", mend="Name the folder of a run or of a pack."
    )


def _describe_relatives(traced: Trace) -> list[str]:
    row, parent, replaced_by = traced.row, traced.parent, traced.replaced_by
    said = ", and this row stands for it" if traced.replaces_parent else ""
    kinds = _count_redactions(row.get("extra")) if traced.replaces_parent else {}
    is_branch = row["parent_id"] is not None and parent is None
    return [
        *([f"node      {row['parent_id']}: its tree up to the last exchange"] if is_branch else []),
        *([f"parent    {parent.row_id}: {parent.decision}{said}"] if parent else []),
        *([f"redacted  {', '.join(f'{n} {kind}' for kind, n in kinds.items())}"] if kinds else []),
        *([f"replaced  by {replaced_by.row_id}: {replaced_by.decision}"] if replaced_by else []),
    ]


def _count_redactions(extra: str | None) -> Mapping[str, int]:
    """How many places of each kind `extra` says were redacted; none where it has no such list."""
    try:
        match orjson.loads(extra or "{}"):
            case {"redacted": list(places)}:
                return Counter(place["kind"] for place in places if _names_kind(place))
    except orjson.JSONDecodeError:
        pass  # a row of somebody's own pipeline
    return {}


def _names_kind(place: Any) -> bool:
    return isinstance(place, dict) and isinstance(place.get("kind"), str)


def _describe_draw(row: Mapping[str, Any]) -> str:
    if row["kind"] == "foreign":
        return f"position  {row['draw']} in the dataset that it was read from"
    again = "replayable" if row["replayable"] else "not replayable"
    return f"draw      {row['draw']}, seed of its randomness {row['rng_seed']}, {again}"


def _trace_in_run(run: Path, wanted: str) -> Trace:
    labels = pa.concat_tables(read_candidates(run, ["row_id", "seed_id"]))
    row_id, _ = find_row_id([labels], wanted, where=str(run))
    row = next(_select(read_candidates(run), row_id))
    related = labels.filter(pc.equal(labels["seed_id"], pa.scalar(row["seed_id"], pa.string())))
    others = [] if row["kind"] == "foreign" else related["row_id"].to_pylist()
    path = run / DECISIONS
    decisions = [read_table(path, DECISION_SCHEMA)] if path.is_file() else []
    own = next(_select(decisions, row_id), _UNDECIDED)
    known = _pick(decisions, [row["parent_id"], own["replaced_by"], *others])
    is_row = pc.index(labels["row_id"], pa.scalar(row["parent_id"], pa.string())).as_py() >= 0
    recipe = parse_recipe(read_file(run, LOCK, max_bytes=MAX_FILE_BYTES), where=str(run / LOCK))
    seeds = [read_table(run / SEED_FILE, SEED_SCHEMA)] if (run / SEED_FILE).is_file() else []
    return _join(
        row=row,
        decision=own,
        verdicts=list(_list_verdicts(run, row_id)),
        siblings=[_relate(known, other) for other in others if other != row_id],
        known=known,
        is_branch=row["kind"] == "dialogue" and not is_row,
        recipe=recipe,
        seeds=seeds,
    )


def _trace_in_pack(pack: Path, wanted: str) -> Trace:
    sizes, faults, _ = layout.list_pack_files(pack)
    names = list(sizes)
    if faults:
        raise faults[0]
    files = layout.of_kind(names, "lineage", "records")

    def read(*columns: str) -> Iterator[pa.Table]:
        for name in files:
            yield from read_shard(pack, name, RECORD_SCHEMA, columns=columns)

    row_id, index = find_row_id(read("row_id"), wanted, where=str(pack))
    record = parse_record(find_row(pack, files, RECORD_SCHEMA, index)["record"])
    row = {name: record[name] for name in ("row_id", "kind", "slice", "locale", "failure")} | record["origin"]
    accepted = record["decision"]["decision"] == "accepted"
    content = (find_accepted(pack, names, row_id) if accepted else None) or {}
    recipe = parse_recipe(read_file(pack, layout.RECIPE, max_bytes=MAX_FILE_BYTES), where=layout.RECIPE)
    seeds = read_shard(pack, SEED_FILE, SEED_SCHEMA) if SEED_FILE in names else iter(())
    related = (
        [] if row["kind"] == "foreign" else list(_find_siblings(read("row_id", "decision", "record"), row))
    )
    log = (
        table
        for name in layout.of_kind(names, "log", "decisions")
        for table in read_shard(pack, name, DECISION_SCHEMA)
    )
    known = _pick(log, [row["parent_id"], record["decision"]["replaced_by"]])
    return _join(
        row={**row, **content},
        decision=record["decision"],
        verdicts=record["verdicts"],
        siblings=related,
        known=known,
        is_branch=row["kind"] == "dialogue" and row["parent_id"] not in known,
        recipe=recipe,
        seeds=seeds,
    )


def _join(
    *,
    row: Mapping[str, Any],
    decision: Mapping[str, Any],
    verdicts: Sequence[Mapping[str, Any]],
    siblings: Sequence[Relative],
    known: Mapping[str, Mapping[str, Any]],
    is_branch: bool,
    recipe: RecipeLock,
    seeds: Iterable[pa.Table],
) -> Trace:
    found = (
        seed
        for table in seeds
        for seed in table.filter(
            pc.equal(table["seed_id"], pa.scalar(row["seed_id"], pa.string()))
        ).to_pylist()
    )
    template_ids = (row["template_id"] or "").split()
    parent_id, replaced_by = row["parent_id"], decision["replaced_by"]
    return Trace(
        row_id=row["row_id"],
        row=row,
        seed=next(found, None),
        templates={name: recipe.templates.get(name) for name in template_ids},
        verdicts=tuple(verdicts),
        decision=decision["decision"],
        gate=decision["gate"],
        reason=decision["reason"],
        reason_class=decision["reason_class"],
        siblings=tuple(siblings),
        parent=None if parent_id is None or is_branch else _relate(known, parent_id),
        replaces_parent=known.get(parent_id, _UNDECIDED)["replaced_by"] == row["row_id"],
        replaced_by=None if replaced_by is None else _relate(known, replaced_by),
    )


def _pick(decisions: Iterable[pa.Table], row_ids: Sequence[str | None]) -> dict[str, Mapping[str, Any]]:
    """The decisions on those of the rows that have one, by row id."""
    wanted = pa.array([row_id for row_id in row_ids if row_id is not None], pa.string())
    found = (table.filter(pc.is_in(table["row_id"], wanted)) for table in decisions)
    return {row["row_id"]: row for table in found for row in table.to_pylist()}


def _list_verdicts(run: Path, row_id: str) -> Iterator[Mapping[str, Any]]:
    """The verdicts on a row in the order of work; a reviewer's come last."""
    lock = run / GATES_LOCK
    gates = parse_gates(lock.read_bytes(), where=str(lock)).gates if lock.is_file() else []
    for gate in list_gates(run, [gate.use for gate in gates]):
        yield from _select(read_verdicts(run, gate), row_id)


def _select(tables: Iterable[pa.Table], row_id: str) -> Iterator[Mapping[str, Any]]:
    """The rows with that row_id."""
    for table in tables:
        yield from table.filter(pc.equal(table["row_id"], row_id)).to_pylist()


def _relate(known: Mapping[str, Mapping[str, Any]], row_id: str) -> Relative:
    return Relative(row_id, known.get(row_id, _UNDECIDED)["decision"])


def _find_siblings(tables: Iterator[pa.Table], row: Mapping[str, Any]) -> Iterator[Relative]:
    """Rows whose record names the same seed. The bytes are searched first: parsing every one is slow."""
    if row["seed_id"] is None:
        return
    needle = b'"seed_id":' + orjson.dumps(row["seed_id"])
    for table in tables:
        for found in table.filter(pc.match_substring(table["record"], needle)).to_pylist():
            record = parse_record(found["record"])
            if record["origin"]["seed_id"] == row["seed_id"] and found["row_id"] != row["row_id"]:
                yield Relative(found["row_id"], found["decision"])


def find_accepted(pack: Path, names: Iterable[str], row_id: str) -> Mapping[str, Any] | None:
    """The accepted row of that id in a pack with files `names`; None where its data does not have it."""
    found = find_row_by_id(pack, layout.list_row_files(names), row_id)
    return None if found is None else found[1]
