"""Documents as seeds: each passage of a Markdown, HTML, PDF or text file is one."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from synth_stack.errors import InputError
from synth_stack.inputs.source_files import PROSE, SourceFile, find_files
from synth_stack.inputs.source_texts import SourcePassage, join_passages, read_prose

MIN_PASSAGE_WORDS = 12
"""A passage of fewer words is a heading, a caption or a page number: one fact takes about a dozen."""

_SLICE_CHARS = 200


def is_document(path: Path) -> bool:
    """Whether seeds at this path are passages of documents: a folder, or a file of prose."""
    return path.is_dir() or path.suffix.lower() in PROSE


def read_document_seeds(path: Path) -> list[dict[str, Any]]:
    """The passages of a document or a folder of them, in the order of names and places: rows of SEED_SCHEMA.

    `seed_id` is the document's path with the heading (or page) after a "#", `slice` the path without its
    ending, as words joined by "-". A document is parted at its headings, and a long section between
    paragraphs (source_texts.py).

    Raises InputError for a folder without a passage of MIN_PASSAGE_WORDS, and for a file that cannot be read
    in part or whole: a document that is half read would be half asked about in silence.
    """
    passages = join_passages(
        _read_file(path, file) for file in find_files([str(path)]).files if _is_prose(file)
    )
    rows = [
        {"seed_id": each.id, "slice": _name_slice(each.file), "locale": None, "text": each.text}
        for each in passages
        if len(each.text.split()) >= MIN_PASSAGE_WORDS
    ]
    if not rows:
        raise InputError(
            f"{path} holds no passage to ask about",
            seen=f"{len(passages)} passages, none of {MIN_PASSAGE_WORDS} words",
            allowed=f"a document, or a folder of documents: {', '.join(sorted(PROSE))}",
        )
    return rows


def _is_prose(file: SourceFile) -> bool:
    return file.path.suffix.lower() in PROSE


def _read_file(path: Path, file: SourceFile) -> Iterator[SourcePassage]:
    left: list[tuple[str, str]] = []
    yield from read_prose(file, lambda place, why: left.append((place, why)))
    if left:
        place, why = left[0]
        raise InputError(
            f"{path}: {place} cannot be read: {why}",
            seen=f"{len(left)} such places in {file.name}",
            mend="Give its text (a scan needs OCR), or move the file out of the folder.",
        )


def _name_slice(file: str) -> str:
    """The document's path without its ending as a slice: no spaces, and no part that is empty."""
    parts = PurePosixPath(file).with_suffix("").parts
    named = "/".join(re.sub(r"[^\w.-]+", "-", part).strip("-") or "document" for part in parts)
    return named if len(named) <= _SLICE_CHARS else named[-_SLICE_CHARS:].lstrip("/-")
