"""The seed corpus: what people really wrote, the taxonomy it falls into, the documents to answer from."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synth_stack.errors import InputError, name_type
from synth_stack.files import read_regular
from synth_stack.inputs.document_seeds import is_document, read_document_seeds
from synth_stack.inputs.recipe import SeedColumns
from synth_stack.inputs.records import read_strictly, require_text
from synth_stack.inputs.strict_yaml import parse_yaml
from synth_stack.registry import config_error
from synth_stack.rows.canonical import Digest, canonical_json

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""A document that prompts take sections of; a longer one is a book, and belongs in several files."""
MAX_SEED_BYTES = 1024 * 1024
"""A seed is a message, not a document; a longer line is a broken file."""

SEED_SCHEMA = pa.schema(
    [
        pa.field("seed_id", pa.string(), nullable=False),
        pa.field("slice", pa.string(), nullable=False),
        pa.field("locale", pa.string()),
        pa.field("text", pa.string(), nullable=False),
    ]
)
NO_SLICE = "all"
"""The slice of every seed when the corpus names none."""


class Topic(BaseModel):
    """One slice of the taxonomy: what is asked there and which document section answers it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    slice: Annotated[str, Field(pattern=r"^[^\s/]+(/[^\s/]+)*$", max_length=200)]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """Seeds with their topics. `sections` maps "document#section" to its text; topics refer to it."""

    seeds: pa.Table
    topics: Mapping[str, Topic]
    sections: Mapping[str, str]

    def digest(self) -> Digest:
        """The digest of everything that a prompt may take from the corpus."""
        return digest_corpus([self.seeds], self.topics, self.sections)[0]

    def grounding(self, slice_: str) -> str | None:
        """The document section that answers a slice, or None where the taxonomy names none."""
        policy = self.topics[slice_].policy
        return None if policy is None else self.sections[policy]


def digest_corpus(
    seeds: Iterable[pa.Table], topics: Mapping[str, Topic], sections: Mapping[str, str]
) -> tuple[Digest, int]:
    """The digest of a corpus, and how many seeds it has; one table of `seeds` is in memory at a time.

    SHA-256 over the canonical JSON of [seeds, topics, sections]. Raises ValueError for what JSON cannot say.
    """
    digest, count = hashlib.sha256(b"[["), 0
    for table in seeds:
        for batch in table.to_batches(max_chunksize=10_000):
            told = canonical_json(batch.to_pylist())[1:-1]
            digest.update(b"," + told if count and told else told)
            count += len(batch)
    dumped = [topic.model_dump() for topic in topics.values()]
    digest.update(b"]," + canonical_json(dumped) + b"," + canonical_json(dict(sections)) + b"]")
    return Digest(digest.hexdigest()), count


def load_corpus(columns: SeedColumns, taxonomy: str | None, documents: str | None) -> Corpus:
    """Seeds, taxonomy and documents, checked against each other.

    Without a taxonomy every slice of the seeds is a topic, titled after itself. Raises InputError.
    """
    seeds = load_seeds(columns)
    slices = pc.unique(seeds["slice"]).to_pylist()
    sections = load_sections(Path(documents)) if documents else {}
    if taxonomy is None:
        return Corpus(seeds, {s: _topic_of(s, columns.path) for s in sorted(slices)}, sections)
    topics = load_taxonomy(Path(taxonomy))
    unknown = sorted(set(slices) - set(topics))
    if unknown:
        raise InputError(f"{columns.path}: the taxonomy has no such slice", seen=", ".join(unknown[:5]))
    for topic in topics.values():
        if topic.policy is not None and topic.policy not in sections:
            raise InputError(
                f"{taxonomy}: {topic.slice} points to a document section that does not exist",
                seen=topic.policy,
            )
    return Corpus(seeds, topics, sections)


def load_seeds(columns: SeedColumns) -> pa.Table:
    """The seed table (SEED_SCHEMA) of a file, in its order; of documents (document_seeds.py) their passages.

    Raises InputError for an empty file, a missing column, an empty text, a duplicate id, bytes that are
    not UTF-8, a NUL, or a line over MAX_SEED_BYTES; the message names the line.
    """
    path = Path(columns.path)
    if is_document(path):
        named = sorted(columns.model_fields_set - {"path"})
        if named:
            raise InputError(
                f"{path}: documents have no columns", seen=", ".join(named), mend="Leave them out."
            )
        return pa.Table.from_pylist(read_document_seeds(path), schema=SEED_SCHEMA)
    places: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    for place, record in read_strictly(path, max_bytes=MAX_SEED_BYTES):
        where = f"{path}: {place}"
        row = _read_seed(record, columns, position=len(rows), where=where)
        first = places.setdefault(row["seed_id"], place)
        if first != place:
            raise InputError(f"{where}: the id stands already on {first}", seen=row["seed_id"])
        rows.append(row)
    if not rows:
        raise InputError(f"{path} holds no seeds", mend="Give at least one seed; see docs/seeds.md.")
    return pa.Table.from_pylist(rows, schema=SEED_SCHEMA)


def load_taxonomy(path: Path) -> dict[str, Topic]:
    """The topics of a taxonomy file by slice, in its order. Raises InputError or ConfigError."""
    return parse_topics(parse_yaml(_read_text(path), where=str(path)), where=str(path))


def parse_topics(value: Any, *, where: str) -> dict[str, Topic]:
    """The topics by slice that the value of a taxonomy file lists. Raises InputError or ConfigError."""
    if not isinstance(value, list) or not value:
        raise InputError(f"{where} is not a list of topics", seen=name_type(value))
    topics: dict[str, Topic] = {}
    for number, item in enumerate(value):
        place = f"{where}: [{number}]"
        try:
            topic = Topic.model_validate(item)
        except ValidationError as exc:
            raise config_error(exc, where=place, model=Topic) from exc
        if topic.slice in topics:
            raise InputError(f"{place}: the slice stands twice", seen=topic.slice)
        topics[topic.slice] = topic
    return topics


def load_sections(folder: Path) -> dict[str, str]:
    """The sections of every Markdown document of a folder as "document#section-title" -> text.

    A section is what follows a `## Title` line; its anchor is the title in lower case with everything but
    letters and digits turned into single hyphens.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of documents", mend="Check the path.")
    sections: dict[str, str] = {}
    for path in sorted(folder.glob("*.md")):
        for part in re.split(r"(?m)^## ", _read_text(path))[1:]:
            title, _, body = part.partition("\n")
            sections[f"{path.stem}#{anchor(title)}"] = " ".join(body.split())
    if not sections:
        raise InputError(f"{folder} holds no document with a section (a line that starts with '## ')")
    return sections


def anchor(title: str) -> str:
    """A section title as the part of a reference after the '#'."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _read_seed(record: dict[str, Any], columns: SeedColumns, *, position: int, where: str) -> dict[str, Any]:
    def read(column: str | None, default: str | None) -> str | None:
        return default if column is None else require_text(record, column, where=where).strip()

    return {
        "seed_id": read(columns.id_column, f"seed-{position:06d}"),
        "slice": read(columns.slice_column, NO_SLICE),
        "locale": read(columns.locale_column, None),
        "text": read(columns.text_column, None),
    }


def _read_text(path: Path) -> str:
    try:
        data = read_regular(path, max_bytes=MAX_DOCUMENT_BYTES)
        if len(data) > MAX_DOCUMENT_BYTES:
            raise InputError(f"{path} is too large", allowed=f"at most {MAX_DOCUMENT_BYTES} bytes")
        return data.decode("utf-8")
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}", mend="Check the path.") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} is not UTF-8: byte {exc.start} is {exc.object[exc.start]:#04x}") from exc


def _topic_of(slice_: str, path: str) -> Topic:
    try:
        return Topic(slice=slice_, title=_title(slice_))
    except ValidationError as exc:
        raise InputError(
            f"{path}: a slice cannot be used", seen=slice_, allowed="words without spaces, joined by '/'"
        ) from exc


def _title(slice_: str) -> str:
    return re.sub(r"[_\W]+", " ", slice_.rsplit("/", 1)[-1]).strip().capitalize() or slice_
