"""What a pack says in its tables, against the signature: every record, decision and accepted row."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synth_stack.errors import VerificationError
from synth_stack.files import open_regular
from synth_stack.lineage.leaf_index import LeafIndex
from synth_stack.lineage.record import RECORD_SCHEMA
from synth_stack.lineage.verify import check_row, list_repeated, repeat_record, verify_records
from synth_stack.packs import layout
from synth_stack.packs.counts import Tally
from synth_stack.packs.data_rows import DATA_SCHEMA, RowTerms
from synth_stack.packs.refusals import raise_refusals, to_error
from synth_stack.packs.shards import read_shard
from synth_stack.packs.splits import choose_split, list_splits, require_split
from synth_stack.packs.statement import Seal
from synth_stack.packs.tombstones import find_rows_of_documents
from synth_stack.packs.turned_away import TURNED_SCHEMA, compare_turned, list_turned
from synth_stack.packs.verify.provenance import Origins
from synth_stack.packs.verify.row_forms import require_sound_rows
from synth_stack.packs.verify_pack import DecisionCheck, SignedRule, Withdrawn, read_lines
from synth_stack.rows.row_digests import digest_rows
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA

_DECISION = DECISION_SCHEMA.names[2:]

if TYPE_CHECKING:
    from synth_stack.packs.verify.review import ReviewedRows

Row = dict[str, Any]
Values = tuple[Any, ...]
Place = tuple[str, Values]
"""A row as the values of its columns, or of an accepted one as `_each_accepted` gives it; and its file."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the tables of a pack hold, and what is wrong with them.

    `tally` counts what the records say, `decisions` and `rows` (by split) how many of each agreed with them.
    """

    tally: Tally
    decisions: int
    rows: Mapping[str, int]
    problems: list[VerificationError]


def check_contents(
    pack: Path,
    names: list[str],
    seal: Seal,
    *,
    rule: SignedRule,
    origins: Origins,
    people: "ReviewedRows | None" = None,
    withdrawn: Withdrawn | None = None,
) -> Contents:
    """The tables of a pack compared with the signed tree and with each other, in one pass.

    Records are checked against root and tiles, their canonical lines have to be the same, their decisions are
    made again from their verdicts by the `rule`, and where they come from has to be what the recipe says
    (`origins`). The log has to repeat the decisions, and the data files of each split have to hold exactly
    its accepted rows but those that were `withdrawn`, each with the digest that was recorded. `people` is
    told what the records say for a review. Each of these stops at its first difference, and the others go on.
    """
    tally = Tally()
    log = _Follower("the log", _each_row(pack, layout.of_kind(names, "log", "decisions")), _compare_decision)
    lines = _Lines(pack)
    gone = frozenset() if withdrawn is None else withdrawn.rows
    splits = _follow_splits(pack, names, tally, RowTerms(origins.recipe), withdrawn)
    turned = _follow_turned(pack, names, tally)
    context = {name: seal.predicate[name] for name in ("gates_sha256", "recipe_sha256")}
    decisions, index = DecisionCheck(rule), LeafIndex()

    def read() -> Iterator[tuple[str, pa.Table]]:
        for number, name in enumerate(layout.of_kind(names, "lineage", "records")):
            lines.begin(number)
            for table in read_shard(pack, name, RECORD_SCHEMA):
                yield name, table
                lines.follow(table)
            lines.end()

    def see(name: str, records: Sequence[Row]) -> None:
        check_decisions(name, records, decisions)
        if people is not None:
            people.add_records(records)
        for record in records:
            if record["context"] != context:
                raise VerificationError(
                    f"{name}: row {record['row_id']} was recorded for another recipe or gate file"
                )
            replaces = tally.add_record(record)
            origins.check(name, record, replaces=replaces)
            _follow_row(record, log, {**splits, **turned}, gone)

    problems: list[VerificationError] = []
    followers: list[_Follower | _Lines] = [log, *splits.values(), *turned.values(), lines]
    tiles = pack / layout.TILES
    head = seal.head
    try:
        verify_records(
            read(), expected_root=head.root, expected_size=head.size, index=index, tiles=tiles, see=see
        )
        for follower in (log, *splits.values(), *turned.values()):
            follower.follow(None)
        with open_regular(pack / layout.INDEX) as file:
            index.compare(file, layout.INDEX)
        tally.require_replacements()
        origins.finish(tally.generated)
    except VerificationError as exc:
        problems.append(exc)
    finally:
        lines.close()
        index.close()
    problems += [follower.problem for follower in followers if follower.problem is not None]
    rows = {split: follower.followed for split, follower in splits.items()}
    return Contents(tally, log.followed, rows, problems or _find_misnamed(names, rows, tally))


def _follow_splits(
    pack: Path, names: Sequence[str], tally: Tally, terms: RowTerms, withdrawn: Withdrawn | None
) -> "dict[str, _Follower]":
    banned = frozenset() if withdrawn is None else withdrawn.revocations.documents
    return {
        split: _Follower(
            f"the {split} split",
            _each_accepted(pack, files, split, tally, banned=banned, terms=terms),
            _compare_row,
        )
        for split, files in layout.list_data(names).items()
    }


def _follow_turned(pack: Path, names: Sequence[str], tally: Tally) -> "dict[str, _Follower]":
    return {
        decision: _Follower(
            f"the {decision} rows in log/", _each_turned(pack, files, decision, tally), compare_turned
        )
        for decision, files in layout.list_turned_files(names).items()
    }


def _follow_row(
    record: Row, log: "_Follower", files: Mapping[str, "_Follower"], withdrawn: frozenset[str]
) -> None:
    log.follow(record)
    decision = record["decision"]["decision"]
    if decision != "accepted":
        files[decision].follow(record)
    elif record["row_id"] not in withdrawn:
        files[choose_split(record["kind"])].follow(record)


def check_decisions(name: str, records: Sequence[Mapping[str, Any]], check: DecisionCheck) -> None:
    """Raises VerificationError, starting with `name`, for the first record whose decision its verdicts do not
    give, or whose verdicts its gates could not have given.
    """
    for record in records:
        fault = check.find_fault(record)
        if fault is not None:
            error = to_error(fault)
            raise VerificationError(f"{name}: {error.what}", seen=error.seen, allowed=error.allowed)


@dataclass(slots=True)
class _Follower:
    """Rows that have to come in the order of the records, compared until the first difference."""

    what: str
    places: Iterator[Place]
    compare: Callable[[str, Values, Row], None]
    followed: int = 0
    problem: VerificationError | None = None

    def follow(self, record: Row | None) -> None:
        """Compare the next row with `record`; with None, there must be no further row."""
        if self.problem is not None:
            return
        try:
            name, row = next(self.places, ("", None))
            if record is not None and row is not None:
                self.compare(name, row, record)
                self.followed += 1
            elif record is not None:
                raise VerificationError(f"{self.what} ends before row {record['row_id']}")
            elif row is not None:
                raise VerificationError(f"{name}: row {row[0]} has no record")
        except VerificationError as exc:
            self.problem = exc


class _Lines:
    """The canonical lines of the records, file by file, compared with the Parquet file of the same number."""

    def __init__(self, pack: Path) -> None:
        self._pack = pack
        self._name = ""
        self._lines: Iterator[bytes] = iter(())
        self.problem: VerificationError | None = None

    def begin(self, number: int) -> None:
        """Open the file of that number."""
        self._name = layout.lines_name(number)
        self._lines = iter(read_lines(self._pack, self._name))

    def follow(self, table: pa.Table) -> None:
        """The next lines have to be the records of the table."""
        if self.problem is not None:
            return
        try:
            with raise_refusals():
                for row_id, record in zip(
                    table["row_id"].to_pylist(), table["record"].to_pylist(), strict=True
                ):
                    if next(self._lines, None) != record:
                        raise VerificationError(
                            f"{self._name}: row {row_id} is not the record that was signed"
                        )
        except VerificationError as exc:
            self.problem = exc

    def end(self) -> None:
        """There must be no further line in the file."""
        if self.problem is not None:
            return
        try:
            with raise_refusals():
                if next(self._lines, None) is not None:
                    raise VerificationError(f"{self._name} holds more records than were signed")
        except VerificationError as exc:
            self.problem = exc

    def close(self) -> None:
        """Close the file that is open."""
        if isinstance(self._lines, Generator):
            self._lines.close()


def _each_row(pack: Path, names: list[str]) -> Iterator[Place]:
    for name in names:
        for table in read_shard(pack, name, DECISION_SCHEMA):
            for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                yield name, row


def _each_turned(pack: Path, names: list[str], decision: str, tally: Tally) -> Iterator[Place]:
    for name in names:
        for table in read_shard(pack, name, TURNED_SCHEMA):
            tally.turned.add_rows(table, decision)
            for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                yield name, row


def _each_accepted(
    pack: Path, names: list[str], split: str, tally: Tally, *, banned: frozenset[str], terms: RowTerms
) -> Iterator[Place]:
    """Of each accepted row its id, its digest, what records repeat of it, its table and its place there."""
    for name in names:
        for table in read_shard(pack, name, DATA_SCHEMA):
            require_split(table, split, name=name)
            for row_id in find_rows_of_documents(table, banned)[:1]:
                raise VerificationError(
                    f"{name}: row {row_id} is of a document that {layout.REVOKED} withdraws"
                )
            tally.add_rows(table)
            ids, digests = table["row_id"].to_pylist(), digest_rows(table)
            for place, row in enumerate(zip(ids, digests, list_repeated(table), strict=True)):
                yield name, (*row, table, place)
            terms.require(table, name)
            require_sound_rows(table, name)


def _compare_row(name: str, row: Values, record: Row) -> None:
    row_id, digest, repeated, table, place = row
    if (row_id, digest) == (record["row_id"], record["row_sha256"]) and repeated == repeat_record(record):
        return
    whole = table.slice(place, 1).select(CANDIDATE_SCHEMA.names).to_pylist()[0]
    check_row(whole, record, where=name)
    raise VerificationError(f"{name}: row {row_id} is not the row that was recorded")


def _compare_decision(name: str, row: Values, record: Row) -> None:
    decision = record["decision"]
    stated = (record["row_id"], record["origin"]["source_id"], *map(decision.__getitem__, _DECISION))
    if row == stated:
        return
    for key, seen, allowed in zip(DECISION_SCHEMA.names, row, stated, strict=True):
        if seen != allowed:
            raise VerificationError(
                f"{name}: the {key} of row {record['row_id']} is not the signed one",
                seen=seen,
                allowed=repr(allowed),
            )


def _find_misnamed(names: list[str], rows: Mapping[str, int], tally: Tally) -> list[VerificationError]:
    """Shards are numbered from 0 without a gap, data files say how many they are, and no split is empty."""
    data = layout.list_data(names)
    log, records = layout.of_kind(names, "log", "decisions"), layout.of_kind(names, "lineage", "records")
    lines = [name for name in names if name.endswith(".jsonl.gz")]
    shards = {split: max(len(data[split]), 1) for split in list_splits(rows)}
    turned = layout.list_turned_files(names)
    parts = {decision: max(len(turned[decision]), 1) for decision in list_turned(tally.decisions)}
    wanted = {
        *(layout.data_name(i, n, split) for split, n in shards.items() for i in range(n)),
        *(layout.turned_name(i, n, decision) for decision, n in parts.items() for i in range(n)),
        *(layout.log_name(i) for i in range(max(len(log), 1))),
        *(layout.records_name(i) for i in range(max(len(records), 1))),
        *(layout.lines_name(i) for i in range(max(len(records), 1))),
    }
    rows_of = (*data.values(), *turned.values())
    present = {*(name for files in rows_of for name in files), *log, *records, *lines}
    missing = [VerificationError(f"{name} is missing") for name in sorted(wanted - present)]
    added = "is numbered wrongly, or of a split or decision of which the pack has no row"
    return missing + [VerificationError(f"{name} {added}") for name in sorted(present - wanted)]
