"""Somebody else's rows as candidates: a file, a folder of shards, a Hub dataset, or records in memory.

A record becomes a row by the columns that it has; one that cannot be read becomes a row with a `failure`, so
that it is counted and rejected with a reason instead of being dropped.
"""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.errors import InputError, MissingExtra, name_type
from synth_stack.files import digest_file
from synth_stack.inputs.argilla_records import unfold_record
from synth_stack.inputs.byte_streams import CODECS, SUFFIXES
from synth_stack.inputs.columns import Columns, check_map
from synth_stack.inputs.folders import list_shards
from synth_stack.inputs.foreign_rows import RowReader
from synth_stack.inputs.notices import Notice, NoticeTally
from synth_stack.inputs.published_turns import unfold_turns
from synth_stack.inputs.records import Broken, Record, kind_of, read_records
from synth_stack.inputs.task_instances import unfold_instances
from synth_stack.rows.canonical import Digest, derive_seed
from synth_stack.rows.schemas import build_candidates

SHARD_ROWS = 10_000
"""Rows a candidate part: about 5 MB of text."""
SHARD_CHARS = 64_000_000
"""Of what a part has to say, however few rows that is: it stands in memory some five times over."""

Placed = tuple[str, Record | Broken]
"""Where a record stands, and the record."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a data set, or all of it that lies in memory: its name, and a reader from the start."""

    name: str
    read: Callable[[], Iterator[Placed]]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Records from somewhere: a name for the card, the digest of the bytes, and the parts that are read.

    `named` says which column is which field where the usual names do not; `sample` is how many records, drawn
    without replacement, are read of all; `skipped` counts what was passed
    over when the data set was opened, `tally` what `read_candidates` kept aside when it last ran, and
    `columns` of how many rows it read a column as a field.
    """

    name: str
    sha256: Digest
    parts: tuple[Part, ...]
    named: Mapping[str, str] = field(default_factory=dict)
    skip_broken: bool = False
    skipped: NoticeTally = field(default_factory=NoticeTally)
    tally: NoticeTally = field(default_factory=NoticeTally)
    sample: int | None = None
    counted: Counter[str] = field(default_factory=Counter)
    columns: Counter[tuple[str, str]] = field(default_factory=Counter)

    def read(self) -> Iterator[Placed]:
        """Every record in order, with its place, or those of the sample; `counted` has how many of a part."""
        self.counted.clear()
        chosen = None if self.sample is None else self._draw()
        position = 0
        for part in self.parts:
            for placed in part.read():
                if chosen is None or position in chosen:
                    self.counted[part.name] += 1
                    yield placed
                position += 1

    def _draw(self) -> set[int]:
        """The positions of the sample, which follow from the digest of the data set."""
        total = sum(1 for part in self.parts for _ in part.read())
        wanted = min(self.sample or 0, total)
        draw = random.Random(derive_seed(0, "sample", self.sha256, str(total)))  # noqa: S311  (no secret)
        return set(draw.sample(range(total), wanted))

    def list_notices(self) -> tuple[Notice, ...]:
        """What was skipped, kept in `extra` or read under another name, so far."""
        return self.skipped.list_notices() + self.tally.list_notices()


def open_dataset(
    source: str | Path, *, skip_broken: bool = False, named: Mapping[str, str] | None = None
) -> Dataset:
    """The dataset at a path (a file of SUFFIXES, packed or not, or a folder of such shards) or on the Hub.

    A shard that breaks off or cannot be read at all stops the reading; with `skip_broken` what cannot be read
    of it becomes one broken record that names it, and the next shard follows. `named` maps fields to columns.
    Raises InputError when there is nothing that can be read, ConfigError for a map that is none.
    """
    path = Path(source)
    columns = check_map(named)
    skipped = NoticeTally()
    if path.is_dir():
        shards = list_shards(path, skipped)
        return _open_files(path, shards, Dataset(path.name, Digest(""), (), columns, skip_broken, skipped))
    if path.exists() or path.suffix.lower() in (*SUFFIXES, *CODECS):
        kind_of(path)
        return _open_files(path, [path], Dataset(path.name, Digest(""), (), columns, skip_broken, skipped))
    return _open_hub_name(str(source), columns)


def build_dataset(rows: pa.Table, description: str = "") -> Any:
    """The rows as a `datasets.Dataset`, without a copy; `description` is in its `info`."""
    import datasets

    return datasets.Dataset(rows, info=datasets.DatasetInfo(description=description))


def open_hub(
    name: str,
    *,
    config: str | None = None,
    split: str = "train",
    revision: str | None = None,
    named: Mapping[str, str] | None = None,
) -> Dataset:
    """The rows of one split of a dataset on the Hub. Raises InputError, MissingExtra."""
    return open_records(_load(name, config, split, revision), name, named=named)


def open_records(records: Any, name: str, *, named: Mapping[str, str] | None = None) -> Dataset:
    """Records in memory as a dataset: a datasets.Dataset, or any list of mappings.

    The digest is over the records in order, so equal data has an equal digest wherever it lies. Raises
    InputError for what cannot be read more than once, ConfigError for a map that is none.
    """
    columns = check_map(named)
    if not isinstance(records, Iterable) or isinstance(records, Iterator):
        raise InputError(
            f"{name} cannot be read more than once",
            seen=name_type(records),
            allowed="a list of mappings or a datasets.Dataset",
        )
    digest = hashlib.sha256()
    for record in records:
        digest.update(_bytes_of(record))

    def read() -> Iterator[Placed]:
        for number, record in enumerate(records, start=1):
            place = f"row {number}"
            if isinstance(record, Mapping):
                yield from unfold_instances(unfold_turns(unfold_record(dict(record))), place)
            else:
                yield place, Broken(place, f"not an object but {name_type(record)}")

    return Dataset(name, Digest(digest.hexdigest()), (Part(name, read),), columns)


def open_collection(
    collection: Mapping[Any, Any], name: str, *, named: Mapping[str, str] | None = None
) -> Dataset:
    """Several data sets in memory as one, a part for each: a DatasetDict by split, a Distiset by
    configuration.

    The digest is over the names and the digests of the parts. Raises what `open_records` raises.
    """
    parts: list[Part] = []
    digest = hashlib.sha256()
    columns = check_map(named)
    for key, records in collection.items():
        inner = (
            open_collection(records, str(key), named=named)
            if isinstance(records, Mapping)
            else open_records(records, str(key), named=named)
        )
        digest.update(f"{len(str(key))}:{key}:{inner.sha256}\n".encode("utf-8", "backslashreplace"))
        nested = isinstance(records, Mapping)
        parts += [Part(f"{key}/{part.name}" if nested else str(key), part.read) for part in inner.parts]
    if not parts:
        raise InputError(f"{name} holds no data set")
    return Dataset(name, Digest(digest.hexdigest()), tuple(parts), columns)


def read_candidates(dataset: Dataset) -> Iterator[pa.Table]:
    """The records as candidate tables of up to SHARD_ROWS rows, and of one row more than SHARD_CHARS hold, in
    order; none is left out.
    """
    dataset.tally.clear()
    reader = RowReader(Columns(dataset.named), dataset.tally)
    origin = {
        "kind": "foreign",
        "messages": [],
        "attachments": [],
        "seed_id": f"sha256:{dataset.sha256}",
        "generator": "foreign",
        "generator_version": "2",
        "replayable": False,
    }
    seen_ids: set[int] = set()
    rows: list[dict[str, Any]] = []
    chars = 0
    for position, (place, record) in enumerate(dataset.read()):
        fields = _read_fields(reader, record, place)
        if fields.get("source_id") is not None and "failure" not in fields:
            _check_duplicate(fields, seen_ids)
        rows.append({**origin, "draw": position, **fields})
        chars += sum(len(fields.get(name) or "") for name in ("text", "extra", "failure"))
        if len(rows) == SHARD_ROWS or chars > SHARD_CHARS:
            yield build_candidates(rows)
            rows, chars = [], 0
    dataset.columns.clear()
    for shape, count in reader.shapes.items():
        dataset.columns.update(dict.fromkeys(shape, count))
    if rows:
        yield build_candidates(rows)


def _read_fields(reader: RowReader, record: Record | Broken, place: str) -> dict[str, Any]:
    """The fields of a row, or those of one that says why there is none."""
    if isinstance(record, Broken):
        return {"failure": f"broken record: {place}: {record.reason}"}
    try:
        return reader.read(record)
    except ValueError as exc:
        own = reader.read_id(record)
        return {
            "source_id": own,
            "extra": reader.keep_all(record, but_id=own is not None),
            "failure": f"broken record: {place}: {exc}",
        }


def _check_duplicate(fields: dict[str, Any], seen_ids: set[int]) -> None:
    """Gives a row a failure whose id stands in an earlier one."""
    own = fields["source_id"]
    name = int.from_bytes(hashlib.blake2b(own.encode(), digest_size=8).digest(), "big")
    if name in seen_ids:
        fields["failure"] = f"duplicate id: {own[:80]!r} stands in an earlier row"
    seen_ids.add(name)


def _bytes_of(record: Any) -> bytes:
    """A record as the digest takes it: JSON, or how Python writes what JSON cannot say."""
    value = dict(record) if isinstance(record, Mapping) else record
    options = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    try:
        return orjson.dumps(value, default=str, option=options)
    except orjson.JSONEncodeError:
        try:
            return f"{value!r}\n".encode("utf-8", "backslashreplace")
        except (ValueError, RecursionError) as exc:  # a number of 5,000 digits, a list within itself
            raise InputError(f"a record in memory cannot be written down: {exc}") from exc


_HUB_NAME = re.compile(r"(?P<name>\w[\w.-]*(/\w[\w.-]*)?)(:(?P<config>[^:]*))?(:(?P<split>[^:]+))?", re.ASCII)
"""owner/name, with a configuration and a split where they are named: owner/name:CONFIG:SPLIT."""
_OTHER_FILES = frozenset(
    ".xlsx .xls .ods .txt .md .pdf .docx .zip .tar .tgz .yaml .yml .xml .html .db .pkl".split()
)
"""Endings of files. A name with one that is not there is a path with a slip in it, and no Hub is asked."""


def _open_hub_name(source: str, named: Mapping[str, str]) -> Dataset:
    """All splits of a dataset on the Hub, a part for each, or the one that the name says."""
    found = _HUB_NAME.fullmatch(source)
    if found is None or Path(found["name"]).suffix.lower() in _OTHER_FILES:
        raise InputError(f"{source} does not exist", mend="Check the path.")
    loaded = _load(found["name"], found["config"] or None, found["split"], None)
    if not isinstance(loaded, Mapping):
        return open_records(loaded, source, named=named)
    if len(loaded) == 1:
        return open_records(next(iter(loaded.values())), source, named=named)
    return open_collection(loaded, source, named=named)


def _load(name: str, config: str | None, split: str | None, revision: str | None) -> Any:
    """What `datasets` reads from the Hub: one split, or without a name of one all of them by name."""
    try:
        import datasets
    except ImportError as exc:
        raise MissingExtra(f"{name} is read with datasets", mend="pip install datasets") from exc
    try:
        return datasets.load_dataset(name, config, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as exc:
        said = " ".join(str(exc).splitlines()[:2]) or type(exc).__name__
        mend = "Check the path, or the Hub name (owner/name, owner/name:CONFIG:SPLIT) and your network."
        raise InputError(
            f"{name} is neither a file or folder here nor a dataset that the Hub gives: {said.rstrip('.')}",
            mend=mend,
        ) from exc


def _open_files(path: Path, files: list[Path], empty: Dataset) -> Dataset:
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise InputError(f"{missing} does not exist", mend="Check the path.")
    digests = [digest_file(file) for file in files]
    whole = digests[0] if len(files) == 1 else Digest(hashlib.sha256("\n".join(digests).encode()).hexdigest())
    alone = len(files) == 1
    parts = tuple(
        _open_part(file, "" if alone else file.relative_to(path).as_posix(), empty) for file in files
    )
    return Dataset(empty.name, whole, parts, empty.named, empty.skip_broken, empty.skipped)


def _open_part(file: Path, inside: str, dataset: Dataset) -> Part:
    """One file, whose records are placed by `inside`, its path in the folder, where it is one of several."""
    name = inside or file.name

    def read() -> Iterator[Placed]:
        try:
            for place, record in read_records(file):
                where = f"{inside}, {place}" if inside else place
                if isinstance(record, Broken):
                    yield where, record
                else:
                    yield from unfold_instances(unfold_turns(unfold_record(record)), where)
        except InputError as exc:
            if not dataset.skip_broken:
                raise
            yield name, Broken(name, f"broken shard, the rest of it is skipped: {exc}")

    return Part(name, read)
