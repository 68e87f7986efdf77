"""What a pack says in its tables, against the signature: every record, decision and accepted row."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.errors import VerificationError
from synth_stack.lineage.record import RECORD_SCHEMA
from synth_stack.lineage.verify import verify_records
from synth_stack.packs import layout
from synth_stack.packs.counts import Tally
from synth_stack.packs.shards import read_shard
from synth_stack.packs.splits import SPLITS, choose_split, list_splits, require_split
from synth_stack.packs.statement import Seal
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, canonical_row

Row = Mapping[str, Any]
Place = tuple[str, Row]
"""A row and the file that it stands in."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the tables of a pack hold, and what is wrong with them.

    `tally` counts what the records say, `decisions` and `rows` (by split) how many of each agreed with them.
    """

    tally: Tally
    decisions: int
    rows: Mapping[str, int]
    problems: list[VerificationError]


def check_contents(pack: Path, names: list[str], seal: Seal) -> Contents:
    """The tables of a pack compared with the signed tree and with each other, in one pass.

    Records are checked against root and tiles; the log has to repeat their decisions, and the data files
    of each split have to hold exactly its accepted rows, each with the digest that was recorded. Each of
    these stops at its first difference, and the others go on.
    """
    tally = Tally()
    records = layout.of_kind(names, "lineage", "records")
    log = _Follower("the log", _each_row(pack, _of_log(names), DECISION_SCHEMA), _compare_decision)
    rows = {
        split: _Follower(f"the {split} split", _each_accepted(pack, files, split, tally), _compare_row)
        for split, files in layout.list_data(names).items()
    }
    context = {name: seal.predicate[name] for name in ("gates_sha256", "recipe_sha256")}

    def read() -> Iterator[tuple[str, pa.Table]]:
        for name in records:
            for table in read_shard(pack, name, RECORD_SCHEMA):
                yield name, table
                # verify_records asks for the next table when it has checked the one before.
                checked = [orjson.loads(record) for record in table["record"].to_pylist()]
                tally.add_records(checked)
                for record in checked:
                    _require_context(name, record, context)
                    log.follow(record)
                    if record["decision"]["decision"] == "accepted":
                        rows[choose_split(record["kind"])].follow(record)

    problems = _find_gaps(names)
    try:
        verify_records(
            read(),
            expected_root=seal.head.root,
            expected_size=seal.head.size,
            tiles=pack / layout.TILES,
        )
    except VerificationError as exc:
        problems.append(exc)
    else:
        log.finish()
        for follower in rows.values():
            follower.finish()
    problems += [*log.problems, *(problem for split in SPLITS for problem in rows[split].problems)]
    followed = {split: follower.followed for split, follower in rows.items()}
    return Contents(tally, log.followed, followed, problems or _find_idle(names, followed))


@dataclass(slots=True)
class _Follower:
    """Rows that have to come in the order of the records, compared until the first difference."""

    what: str
    places: Iterator[Place]
    compare: Callable[[str, Row, Row], None]
    followed: int = 0
    problems: list[VerificationError] = field(default_factory=list)

    def follow(self, record: Row) -> None:
        """Compare the next row with `record`."""
        if self.problems:
            return
        try:
            place = next(self.places, None)
            if place is None:
                raise VerificationError(f"{self.what} ends before row {record['row_id']}")
            self.compare(*place, record)
            self.followed += 1
        except VerificationError as exc:
            self.problems.append(exc)

    def finish(self) -> None:
        """There must be no further row."""
        if self.problems:
            return
        try:
            place = next(self.places, None)
        except VerificationError as exc:
            self.problems.append(exc)
        else:
            if place is not None:
                name, row = place
                self.problems.append(VerificationError(f"{name}: row {row['row_id']} has no record"))


def _each_row(pack: Path, names: list[str], schema: pa.Schema) -> Iterator[Place]:
    for name in names:
        for table in read_shard(pack, name, schema):
            for row in table.to_pylist():
                yield name, row


def _each_accepted(pack: Path, names: list[str], split: str, tally: Tally) -> Iterator[Place]:
    for name in names:
        for table in read_shard(pack, name, CANDIDATE_SCHEMA):
            require_split(table, split, name=name)
            tally.add_rows(table)
            for row in table.to_pylist():
                yield name, row


def _compare_decision(name: str, row: Row, record: Row) -> None:
    decided = record["decision"]
    expected = {"row_id": record["row_id"], "source_id": record["origin"]["source_id"], **decided}
    for key, value in expected.items():
        if row[key] != value:
            raise VerificationError(
                f"{name}: the {key} of row {record['row_id']} is not the signed one",
                seen=row[key],
                allowed=repr(value),
            )


def _compare_row(name: str, row: Row, record: Row) -> None:
    if row["row_id"] != record["row_id"]:
        raise VerificationError(
            f"{name}: row {row['row_id']} stands where another accepted row was signed",
            allowed=record["row_id"],
        )
    try:
        digest = hashlib.sha256(canonical_row(row)).hexdigest()
    except ValueError as exc:
        raise VerificationError(f"{name}: row {row['row_id']} cannot be digested: {exc}") from exc
    if digest != record["row_sha256"]:
        raise VerificationError(
            f"{name}: row {row['row_id']} is not the row that was signed",
            seen=digest,
            allowed=record["row_sha256"],
        )
    if row["kind"] != record["kind"]:
        raise VerificationError(
            f"{name}: the kind of row {row['row_id']} is not the recorded one",
            seen=row["kind"],
            allowed=record["kind"],
        )


def _require_context(name: str, record: Row, context: Mapping[str, str]) -> None:
    if record["context"] != context:
        raise VerificationError(
            f"{name}: row {record['row_id']} was recorded for another recipe or gate file"
        )


def _of_log(names: list[str]) -> list[str]:
    return layout.of_kind(names, "log", "decisions")


def _find_gaps(names: list[str]) -> list[VerificationError]:
    """Shards are numbered from 0 without a gap, and data files say how many they are."""
    data, log = layout.list_data(names), _of_log(names)
    records = layout.of_kind(names, "lineage", "records")
    shards = {split: max(len(files), 1) for split, files in data.items()}
    splits = list_splits({split: len(files) for split, files in data.items()})
    wanted = {
        *(layout.data_name(i, shards[split], split) for split in splits for i in range(shards[split])),
        *(layout.log_name(i) for i in range(max(len(log), 1))),
        *(layout.records_name(i) for i in range(max(len(records), 1))),
    }
    present = {*(name for files in data.values() for name in files), *log, *records}
    missing = [VerificationError(f"{name} is missing") for name in sorted(wanted - present)]
    return missing + [VerificationError(f"{n} is numbered wrongly") for n in sorted(present - wanted)]


def _find_idle(names: list[str], rows: Mapping[str, int]) -> list[VerificationError]:
    """Files of a split that a pack of these rows does not have."""
    return [
        VerificationError(f"{file} was added: the pack has no row of the {split} split")
        for split, files in layout.list_data(names).items()
        for file in files
        if split not in list_splits(rows)
    ]
