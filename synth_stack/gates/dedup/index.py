"""Rows of earlier packs, that a new batch is compared with: read from a folder, or from a saved index.

An index is one Parquet file: of each row its row_id, its pack, its band keys and its shingles as 64-bit
hashes. It holds no text. Its metadata say what it was made with; a gate with other parameters refuses it.
Packs and indexes may come from anyone: columns, names, sizes and order are checked.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, InputError
from synth_stack.files import digest_file, open_regular, store_errors
from synth_stack.gates.dedup import lsh
from synth_stack.gates.dedup.row_parts import PARTS_SCHEME, PartedWords, split_words
from synth_stack.gates.dedup.signatures import Reading, Signatures, shingle_rows, sign_rows
from synth_stack.gates.dedup.thread_pool import map_ahead
from synth_stack.registry import FilePath
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA
from synth_stack.runs.folder import list_parts
from synth_stack.text.ragged import Mask, Ragged
from synth_stack.text.words import TEXT_SCHEME

SCHEME = "synth_stack/dedup-index/v2"
"""Version 2 has the words of questions and answers, so that what an earlier pack and the batch share is set
apart; version 1 had none, and is refused."""

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_ROW_ID = r"^[0-9a-f]{32}$"
_METADATA = b"synth_stack"
_BATCH_ROWS = 5_000
_MAX_GROUP_ROWS = 1_000_000
_MAX_GROUP_BYTES = 2 * 1024**3
"""A row group that declares more was written by no version of this package."""


NAMES = pa.schema([pa.field("row_id", pa.string()), pa.field("pack", pa.string())])
"""What names a twin: its row_id, and the earlier pack that it is in (null: the batch itself)."""


class NamedPack(BaseModel):
    """An earlier pack in a gate file: a name, and the folder of a pack, run or curation, or an index."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=_NAME)]
    path: FilePath


@dataclass(frozen=True, slots=True)
class PickedRows:
    """Names (NAMES) of some rows of a table, and shingles and words of some of them."""

    names: pa.Table
    shingles: Ragged
    words: PartedWords


@dataclass(frozen=True, slots=True)
class EarlierPack:
    """The rows that an earlier pack accepted, in tables that are read anew each time they are asked for.

    name, sha256          of the pack, and of what is read of it, for the record
    sign()                the signatures of each table, in order
    pick(named, chosen)   of each table: names (NAMES) of its `named` rows, and the distinct shingles and the
                          words of its `chosen` rows; one mask of either kind a table
    """

    name: str
    sha256: str
    sign: Callable[[], Iterator[Signatures]]
    pick: Callable[[Iterable[Mask], Iterable[Mask]], Iterator[PickedRows]]


def open_earlier(pack: NamedPack, reading: Reading) -> EarlierPack:
    """The rows that an earlier pack accepted.

    Raises InputError, or ConfigError for an index that was made with other parameters.
    """
    path = Path(pack.path)
    if path.is_file():
        _check_index(path, reading)
        return _open_index(pack.name, path, reading)
    return _open_folder(pack.name, path, reading)


def write_index(packs: Sequence[NamedPack], path: str | Path, reading: Reading) -> int:
    """An index of the rows of all `packs` at `path`, whole or not at all; returns how many rows it holds.

    A pack may itself be an index made with the same parameters: that is how one is extended. Rows with
    nothing to read are left out. Raises InputError, ConfigError or StoreError.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    tables = chain.from_iterable(_index_tables(pack, reading) for pack in packs)
    rows = 0
    with store_errors(target):
        try:
            with temporary.open("xb") as file:
                with pq.ParquetWriter(file, _schema(reading), compression="zstd") as writer:
                    for table in tables:
                        writer.write_table(table)
                        rows += len(table)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return rows


def _index_tables(pack: NamedPack, reading: Reading) -> Iterator[pa.Table]:
    path = Path(pack.path)
    if path.is_file():
        _check_index(path, reading)
        for table in _read_tables(path, _schema(reading)):
            _read_sets(table, path)
            _read_words(table, path)
            yield table
        return

    def index(table: pa.Table) -> pa.Table:
        signed, sets = sign_rows(table, reading), shingle_rows(table, reading)
        words = split_words(table, reading.field)
        columns = {
            "row_id": table["row_id"],
            "pack": [pack.name] * len(table),
            "keys": pa.FixedSizeListArray.from_arrays(pa.array(signed.keys.ravel()), reading.bands),
            "content": signed.content,
            "mark": signed.marks,
            "shingles": _write_sets(sets),
            "asked": _write_sets(words.asked),
            "answered": _write_sets(words.answered),
            "whole": words.whole,
        }
        return pa.table(columns, schema=_schema(reading)).filter(pa.array(signed.readable))

    yield from map_ahead(index, _read_accepted(*_list_files(path), reading))


def _open_folder(name: str, folder: Path, reading: Reading) -> EarlierPack:
    files, decisions = _list_files(folder)

    def read() -> Iterator[pa.Table]:
        return _read_accepted(files, decisions, reading)

    def pick_rows(job: tuple[pa.Table, Mask, Mask]) -> PickedRows:
        table, named, chosen = job
        ids = table["row_id"].filter(pa.array(named)).combine_chunks()
        names = pa.table({"row_id": ids, "pack": pa.array([name] * len(ids), pa.string())}, schema=NAMES)
        rows = table.filter(pa.array(chosen))
        return PickedRows(names, shingle_rows(rows, reading), split_words(rows, reading.field))

    return EarlierPack(
        name=name,
        sha256=digest_json([[file.name, digest_file(file)] for file in [*files, *decisions]]),
        sign=lambda: map_ahead(lambda table: sign_rows(table, reading), read()),
        pick=lambda named, chosen: map_ahead(pick_rows, zip(read(), named, chosen, strict=True)),
    )


def _list_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files that hold the rows, and the decisions that say which were accepted where they hold others."""
    if piles := list_parts(folder / "accepted"):
        return piles, []
    # A pack keeps adversarial rows in a split of their own: those of a new batch are compared with them too.
    splits = ("data/train-*.parquet", "data/adversarial-*.parquet")
    if shards := [path for pattern in splits for path in sorted(folder.glob(pattern))]:
        return shards, []
    decisions = folder / "decisions.parquet"
    if (parts := list_parts(folder / "candidates")) and decisions.is_file():
        return parts, [decisions]
    raise InputError(
        f"{folder} is nothing to compare with",
        allowed="a pack, a run or curation that was judged, or an index of them",
        mend="Check the path under `against`.",
    )


def _read_accepted(files: list[Path], decisions: list[Path], reading: Reading) -> Iterator[pa.Table]:
    names = ("row_id", "messages", "alternatives", "text")
    schema = pa.schema([CANDIDATE_SCHEMA.field(name) for name in names])
    wanted = pa.schema([DECISION_SCHEMA.field(name) for name in ("row_id", "decision")])
    accepted = [
        table.filter(pc.equal(table["decision"], "accepted"))["row_id"].combine_chunks()
        for path in decisions
        for table in _read_tables(path, wanted)
    ]
    ids = pa.concat_arrays(accepted) if accepted else None
    for path in files:
        for table in _read_tables(path, schema):
            yield table if ids is None else table.filter(pc.is_in(table["row_id"], ids)).combine_chunks()


def _read_tables(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of a Parquet file some thousands at a time, only the columns of `schema`, checked.

    Raises InputError for a file without them, with oversized row groups, or with row_ids of another form.
    """
    try:
        with open_regular(path) as source:
            # Threads and read-ahead off: they would decode row groups that the checks have not reached.
            file = pq.ParquetFile(source, pre_buffer=False)
            held = file.schema_arrow
            if any(n not in held.names or held.field(n).type != schema.field(n).type for n in schema.names):
                raise InputError(f"{path} does not have the columns {', '.join(schema.names)} of a pack")
            for k in range(file.metadata.num_row_groups):
                group = file.metadata.row_group(k)
                if group.num_rows > _MAX_GROUP_ROWS or group.total_byte_size > _MAX_GROUP_BYTES:
                    raise InputError(f"{path}: row group {k} is larger than any of a pack")
            for batch in file.iter_batches(_BATCH_ROWS, columns=schema.names, use_threads=False):
                table = pa.Table.from_batches([batch]).select(schema.names)
                table.validate(full=True)
                _check_names(table, path)
                yield table
    except (pa.ArrowException, OSError, ValueError, MemoryError) as exc:
        said = " ".join(str(exc).split())[:200]
        raise InputError(f"{path} is not a readable Parquet file: {said}") from exc


def _check_names(table: pa.Table, path: Path) -> None:
    for column, pattern in (("row_id", _ROW_ID), ("pack", _NAME)):
        if column not in table.schema.names:
            continue
        named = pc.fill_null(pc.match_substring_regex(table[column], pattern), fill_value=False)
        if not pc.all(named, min_count=0).as_py():
            odd = table[column].filter(pc.invert(named))[0].as_py()
            raise InputError(f"{path}: a {column} is not of our form", seen=odd, allowed=pattern)


def _schema(reading: Reading) -> pa.Schema:
    made = {key: value for key, value in asdict(reading).items() if key not in {"score_column", "device"}}
    made |= {"scheme": SCHEME, "text": TEXT_SCHEME, "parts": PARTS_SCHEME, "keys": lsh.SCHEME}
    return pa.schema(
        [
            pa.field("row_id", pa.string(), nullable=False),
            pa.field("pack", pa.string(), nullable=False),
            pa.field("keys", pa.list_(pa.uint32(), reading.bands), nullable=False),
            pa.field("content", pa.uint64(), nullable=False),
            pa.field("mark", pa.uint64(), nullable=False),
            pa.field("shingles", pa.list_(pa.uint64()), nullable=False),
            pa.field("asked", pa.list_(pa.uint32()), nullable=False),
            pa.field("answered", pa.list_(pa.uint32()), nullable=False),
            pa.field("whole", pa.bool_(), nullable=False),
        ],
        metadata={_METADATA: orjson.dumps(made, option=orjson.OPT_SORT_KEYS)},
    )


def _check_index(path: Path, reading: Reading) -> None:
    try:
        metadata = pq.read_schema(path).metadata or {}
        made = orjson.loads(metadata.get(_METADATA, b"null"))
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise InputError(f"{path} is not an index: {' '.join(str(exc).split())[:200]}") from exc
    wanted = orjson.loads(_schema(reading).metadata[_METADATA])
    if not isinstance(made, dict) or "scheme" not in made:
        raise InputError(f"{path} is not an index", mend="Make one with `synth-stack index`.")
    for key, value in wanted.items():
        if made.get(key) != value:
            raise ConfigError(
                f"the index {path} was made with another {key}",
                seen=made.get(key),
                allowed=str(value),
                mend="Make the index again from its packs, with the parameters of this gate.",
            )


def _open_index(name: str, path: Path, reading: Reading) -> EarlierPack:
    schema = _schema(reading)

    def sign() -> Iterator[Signatures]:
        columns = pa.schema([schema.field(column) for column in ("keys", "content", "mark")])
        for table in _read_tables(path, columns):
            n = len(table)
            nothing = np.zeros(n, dtype=np.uint64)
            yield Signatures(
                keys=table["keys"].combine_chunks().flatten().to_numpy().reshape(n, reading.bands),
                content=table["content"].to_numpy(),
                readable=np.ones(n, dtype=bool),
                ids=nothing,
                marks=table["mark"].to_numpy(),
                slices=nothing,
                canary=np.zeros(n, dtype=bool),
                score=np.zeros(n),
                tie=nothing,
            )

    def pick(named: Iterable[Mask], chosen: Iterable[Mask]) -> Iterator[PickedRows]:
        columns = ("row_id", "pack", "shingles", "asked", "answered", "whole")
        tables = _read_tables(path, pa.schema([schema.field(column) for column in columns]))
        for table, which, choose in zip(tables, named, chosen, strict=True):
            rows = table.filter(pa.array(choose))
            names = table.select(NAMES.names).cast(NAMES).filter(pa.array(which))
            yield PickedRows(names, _read_sets(rows, path), _read_words(rows, path))

    return EarlierPack(name, digest_file(path), sign, pick)


def _write_sets(sets: Ragged) -> pa.ListArray:
    return pa.ListArray.from_arrays(sets.offsets.astype(np.int32), pa.array(sets.values))


def _read_sets(table: pa.Table, path: Path) -> Ragged:
    """The shingles of each row. Raises InputError where they are not distinct, sorted and there."""
    sets = _read_lists(table, "shingles", path)
    if not (_are_sets(sets) and (sets.lengths > 0).all()):
        raise InputError(f"{path} is not a usable index: its shingles are not distinct and sorted")
    return sets


def _read_words(table: pa.Table, path: Path) -> PartedWords:
    """The words of each row. Raises InputError where those of answers are not distinct, sorted and there."""
    answered = _read_lists(table, "answered", path)
    if not _are_sets(answered) or table["whole"].null_count:
        raise InputError(f"{path} is not a usable index: its answers are not distinct and sorted")
    return PartedWords(_read_lists(table, "asked", path), answered, table["whole"].to_numpy())


def _read_lists(table: pa.Table, column: str, path: Path) -> Ragged:
    lists = table[column].combine_chunks()
    if lists.null_count or lists.flatten().null_count:
        raise InputError(f"{path} is not a usable index: its {column} are not all there")
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return Ragged(lists.values.to_numpy()[offsets[0] : offsets[-1]], offsets - offsets[0])


def _are_sets(sets: Ragged) -> bool:
    """Whether the values of each row rise."""
    rises = np.ones(len(sets.values), dtype=bool)
    rises[1:] = sets.values[1:] > sets.values[:-1]
    rises[sets.offsets[:-1][sets.lengths > 0]] = True
    return bool(rises.all())
