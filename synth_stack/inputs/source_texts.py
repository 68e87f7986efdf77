"""Passages of prose: Markdown, reStructuredText, plain text, HTML, PDF and JSON Lines."""

import json
import logging
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from synth_stack.errors import MissingExtra
from synth_stack.inputs.source_files import RECORDS, SourceFile
from synth_stack.rows.canonical import canonical_text

_PASSAGE_CHARS = 2_000
"""A section is parted between paragraphs beyond it: about 300 words, which a person reads as one passage."""
_MAX_PAGES = 3_000
_HEADING = re.compile(
    r"^(?:#{1,6}[ \t]+(?P<hash>[^\n]*)|(?P<line>[^\n]{1,120})\n(?:={3,}|-{3,}|~{3,})[ \t]*)$", re.MULTILINE
)
_TITLE_KEYS = ("title", "heading", "question", "name")
_TEXT_KEYS = ("text", "content", "body", "answer", "passage", "document")


@dataclass(frozen=True, slots=True)
class SourcePassage:
    """A piece of a source. `id` is the file's path within its source and the heading or place that it has
    there; `start` is where its text stands in the file's.
    """

    id: str
    file: str
    title: str
    text: str
    start: int


LeaveOut = Callable[[str, str], None]


def read_prose(file: SourceFile, leave_out: LeaveOut) -> Iterator[SourcePassage]:
    """The passages of a file; what cannot be read of it goes to `leave_out` with the reason."""
    suffix = file.path.suffix.lower()
    if suffix == ".pdf":
        yield from _read_pdf(file, leave_out)
    elif suffix in {".html", ".htm"}:
        text = _flatten_html(file.data.decode("utf-8"))
        yield from _read_sections(file.name, text)
    elif suffix in RECORDS:
        yield from _read_records(file, leave_out)
    else:
        yield from _read_sections(file.name, file.data.decode("utf-8").replace("\r\n", "\n"))


def read_document(name: str, title: str | None, text: str) -> Iterator[SourcePassage]:
    """The passages of a text that a row brings along."""
    yield from _read_sections(name, text, title or "")


def make_anchor(title: str) -> str:
    """A heading as the part of an id after the "#"."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _read_sections(name: str, text: str, title: str = "") -> Iterator[SourcePassage]:
    """The text under each heading, in pieces of up to _PASSAGE_CHARS; `#n` tells pieces of one name apart."""
    seen: dict[str, int] = {}
    bounds = [(0, 0, title)]
    bounds += [
        (m.start(), m.end(), (m["hash"] or m["line"] or "").strip("# ")) for m in _HEADING.finditer(text)
    ]
    for (_, start, heading), (end, _, _) in zip(bounds, [*bounds[1:], (len(text), 0, "")], strict=True):
        for first, piece in _cut(text, start, end):
            anchor = make_anchor(heading)
            seen[anchor] = seen.get(anchor, 0) + 1
            number = f"-{seen[anchor]}" if seen[anchor] > 1 else ""
            place = f"#{anchor}{number}" if anchor or number else ""
            yield SourcePassage(name + place, name, heading, piece, first)


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    while start < end:
        stop = end
        if end - start > _PASSAGE_CHARS:
            stop = text.rfind("\n\n", start + 1, start + _PASSAGE_CHARS)
            stop = stop if stop > start else text.rfind("\n", start + 1, start + _PASSAGE_CHARS)
            stop = stop if stop > start else text.rfind(" ", start + 1, start + _PASSAGE_CHARS)
            stop = stop if stop > start else start + _PASSAGE_CHARS
        piece = text[start:stop]
        if piece.strip():
            lead = len(piece) - len(piece.lstrip())
            yield start + lead, piece.strip()
        start = stop


def _flatten_html(text: str) -> str:
    """The visible text with headings as Markdown has them; offsets of passages are those of this text."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(text, "html.parser")
    for tag in soup(["script", "style", "nav", "header", "footer", "template", "noscript"]):
        tag.decompose()
    for level in range(1, 7):
        for tag in soup(f"h{level}"):
            tag.insert_before(f"\n\n{'#' * level} ")
            tag.insert_after("\n\n")
    for tag in soup(["p", "li", "br", "div", "tr", "section", "article", "dt", "dd", "pre", "blockquote"]):
        tag.insert_after("\n")
    lines = (" ".join(line.split()) for line in soup.get_text().splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _read_pdf(file: SourceFile, leave_out: LeaveOut) -> Iterator[SourcePassage]:
    """A passage or more a page; a page without text (a scan) is left out."""
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError as exc:
        raise MissingExtra(
            f"source {file.name} is a PDF, which needs the package pypdf",
            seen=str(exc),
            mend="Run: pip install 'synth-stack[documents]'",
        ) from exc
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what cannot be read is told below, with its file
    # what a hostile file makes pypdf raise; each page is read on its own
    broken = (PyPdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError,
              OverflowError, AssertionError, UnicodeError, zlib.error, OSError)  # fmt: skip
    try:
        pages = PdfReader(BytesIO(file.data)).pages
        count = min(len(pages), _MAX_PAGES)
    except broken as exc:
        leave_out(file.name, f"not a readable PDF: {type(exc).__name__}")
        return
    for number in range(count):
        place = f"{file.name}#page-{number + 1}"
        try:
            text = pages[number].extract_text()
        except broken as exc:
            leave_out(place, f"not a readable page: {type(exc).__name__}")
            continue
        if not text.strip():
            leave_out(place, "a page without text")
        for k, (first, piece) in enumerate(_cut(text, 0, len(text))):
            yield SourcePassage(place if not k else f"{place}-{k + 1}", file.name, "", piece, first)


def _read_records(file: SourceFile, leave_out: LeaveOut) -> Iterator[SourcePassage]:
    """One passage or more a line: what its `text` (or `content`, `body`, ...) says, under its `title`."""
    start = 0
    for number, line in enumerate(file.data.decode("utf-8").splitlines(keepends=True), 1):
        if line.strip():
            place = f"{file.name}#{number}"
            record = _parse(line)
            if record is None:
                leave_out(place, "not an object in JSON")
            else:
                yield from _read_record(record, file.name, place, start, leave_out)
        start += len(line)


def _read_record(
    record: dict[str, Any], name: str, place: str, start: int, leave_out: LeaveOut
) -> Iterator[SourcePassage]:
    text = next((record[key] for key in _TEXT_KEYS if isinstance(record.get(key), str)), None)
    if text is None:
        leave_out(place, f"none of the keys {', '.join(_TEXT_KEYS)} with a text")
        return
    title = next((record[key] for key in _TITLE_KEYS if isinstance(record.get(key), str)), "")
    if isinstance(record.get("id"), str | int):
        place = f"{name}#{make_anchor(str(record['id'])) or canonical_text(record['id'])}"
    for k, (_, piece) in enumerate(_cut(text, 0, len(text))):
        yield SourcePassage(place if not k else f"{place}-{k + 1}", name, title, piece, start)


def _parse(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def join_passages(parts: Iterable[Iterable[SourcePassage]]) -> list[SourcePassage]:
    """All passages in order, each id once: of two equal ones the later gets a number."""
    found: list[SourcePassage] = []
    seen: dict[str, int] = {}
    for part in parts:
        for passage in part:
            seen[passage.id] = seen.get(passage.id, 0) + 1
            number = seen[passage.id]
            named = passage if number == 1 else SourcePassage(
                f"{passage.id}~{number}", passage.file, passage.title, passage.text, passage.start
            )  # fmt: skip
            found.append(named)
    return found
