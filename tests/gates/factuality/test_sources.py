"""What is read of sources, within which bounds, and what is left out with which reason."""

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import InputError, MissingExtra
from synth_stack.gates.factuality import source_files
from synth_stack.gates.factuality.library import open_library
from synth_stack.gates.factuality.openapi import index_specs, read_spec
from synth_stack.gates.factuality.passages import SourcePassage
from synth_stack.gates.factuality.source_files import SourceFile, find_files
from synth_stack.gates.factuality.source_texts import read_prose


def read(path: Path) -> tuple[list[SourcePassage], list[tuple[str, str]]]:
    left: list[tuple[str, str]] = []
    [file] = find_files([str(path)]).files
    return list(read_prose(file, lambda name, why: left.append((name, why)))), left


def test_markdown_is_parted_at_headings_with_stable_ids_and_spans(tmp_path: Path) -> None:
    text = "# Top\nFirst.\n\n## Return window\nYou have 45 days.\n\n## Return window\nAgain.\n"
    path = tmp_path / "a.md"
    path.write_text(text, encoding="utf-8")
    passages, _ = read(path)
    assert [p.id for p in passages] == ["a.md#top", "a.md#return-window", "a.md#return-window-2"]
    assert [text[p.start : p.start + len(p.text)] for p in passages] == [p.text for p in passages]
    assert passages[1].title == "Return window"


def test_a_long_section_is_parted_between_paragraphs(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(f"Paragraph {k}. " + "word " * 100 for k in range(20)), encoding="utf-8")
    passages, _ = read(path)
    assert len(passages) > 4
    assert all(len(p.text) <= 2_000 and p.text.startswith("Paragraph") for p in passages)


def test_of_html_the_visible_text_is_read_under_its_headings(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(
        "<html><script>evil(1)</script><h2>Labels</h2><p>They last <b>14</b> days.</p><nav>Home</nav>",
        encoding="utf-8",
    )
    [passage], _ = read(path)
    assert (passage.title, passage.text) == ("Labels", "They last 14 days.")


def test_json_lines_give_a_passage_a_record_and_name_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "x", "title": "T", "text": "Hello."}\n{"n": 1}\nnonsense\n', encoding="utf-8")
    passages, left = read(path)
    assert [(p.id, p.title, p.text) for p in passages] == [("a.jsonl#x", "T", "Hello.")]
    assert [name for name, _ in left] == ["a.jsonl#2", "a.jsonl#3"]


def write_pdf(text: str) -> bytes:
    """A PDF of one page with one line, written by hand."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length " + str(len(stream)).encode() + b" >>\nstream\n" + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = BytesIO(), []
    out.write(b"%PDF-1.4\n")
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n".encode() + body + b"\nendobj\n")
    start = out.tell()
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode())
    out.write(b"".join(f"{place:010d} 00000 n \n".encode() for place in places))
    out.write(f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def test_a_pdf_gives_its_pages_and_a_broken_one_is_left_out(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    (tmp_path / "a.pdf").write_bytes(write_pdf("Labels last 14 days."))
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4\nnonsense" * 20)
    [passage], _ = read(tmp_path / "a.pdf")
    assert (passage.id, passage.text) == ("a.pdf#page-1", "Labels last 14 days.")
    passages, left = read(tmp_path / "b.pdf")
    assert passages == []
    assert left[0][1].startswith("not a readable PDF")


def test_a_pdf_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    with pytest.raises(MissingExtra, match=r"synth-stack\[documents\]"):
        read(tmp_path / "a.pdf")


def test_links_binaries_and_large_files_are_left_out_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_files, "MAX_FILE_BYTES", 1_000)
    folder, beyond = tmp_path / "docs", tmp_path / "beyond"
    folder.mkdir()
    beyond.mkdir()
    (beyond / "secret.md").write_text("secret")
    (folder / "a.md").write_text("Hello.")
    (folder / "large.md").write_text("x" * 2_000)
    (folder / "binary.txt").write_bytes(b"\0\1")
    (folder / "latin.txt").write_bytes("é".encode("latin-1"))
    (folder / "photo.jpg").write_bytes(b"\xff")
    (folder / "out").symlink_to(beyond)
    (folder / "secret.md").symlink_to(beyond / "secret.md")
    os.mkfifo(folder / "pipe.md")
    found = find_files([str(folder)])
    assert [file.name for file in found.files] == ["a.md"]
    assert dict(found.left_out) == {
        "large.md": "2,000 bytes, more than 1,000",
        "binary.txt": "binary",
        "latin.txt": "not UTF-8",
        "photo.jpg": "not a kind of file that is read",
        "out": "a link",
        "secret.md": "a link",
        "pipe.md": "not a plain file",
    }
    facts = open_library([str(folder)], None).facts
    assert (facts["files"], facts["left_out"], len(facts["left_out_first"])) == (1, 7, 7)


def test_a_file_that_is_named_and_cannot_be_used_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("x" * 2_000)
    monkeypatch.setattr(source_files, "MAX_FILE_BYTES", 1_000)
    with pytest.raises(InputError, match="more than 1,000"):
        find_files([str(tmp_path / "a.md")])
    monkeypatch.setattr(source_files, "MAX_FILE_BYTES", 10_000)
    monkeypatch.setattr(source_files, "MAX_PROSE_BYTES", 1_000)
    with pytest.raises(InputError, match="too large"):
        find_files([str(tmp_path)])
    with pytest.raises(InputError, match="not installed"):
        find_files(["package:no_such_package_here"])


def test_packages_are_read_and_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "poison"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import find\nraise SystemExit('it was imported')\n")
    (package / "inner.py").write_text("def find(name): ...\n")
    (package / "fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")
    monkeypatch.syspath_prepend(str(tmp_path))
    python = open_library(["package:poison"], None).python
    assert python is not None
    found = python.find("poison.find")
    assert not isinstance(found, str)
    assert found.sort == "function"
    assert python.find("poison.lose") == "missing"
    assert python.find("poison.fast.anything") == "unseen"


SPEC: dict[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "Lamps", "description": "Requests are limited to 60 a minute."},
    "servers": [{"url": "https://api.lamps.example/v1"}],
    "paths": {
        "/lamps": {"get": {"summary": "Lists lamps.", "parameters": [{"name": "limit", "in": "query"}]}},
        "/lamps/{id}": {"get": {}, "delete": {"deprecated": True}},
    },
}


@pytest.mark.parametrize(
    ("text", "sorts"),
    [
        ("Call GET /lamps?limit=3 first.", ["known"]),
        ("Call GET /v1/lamps/7.", ["known"]),
        ("Call `POST /lamps`.", ["invented_name"]),
        ("Call GET /bulbs.", ["invented_name"]),
        ("Call GET /lamps?size=3.", ["invented_parameter", "known"]),
        ("DELETE /lamps/:id removes it.", ["deprecated_name"]),
        ("curl https://api.lamps.example/v1/bulbs", ["invented_name"]),
        ("curl https://other.example/v1/bulbs", []),
        ("We GET back to you.", []),
    ],
)
def test_requests_are_held_against_an_openapi_file(tmp_path: Path, text: str, sorts: list[str]) -> None:
    (tmp_path / "api.json").write_text(json.dumps(SPEC))
    library = open_library([str(tmp_path / "api.json")], None)
    assert [finding.sort for finding in library.check_code(text)] == sorts
    assert library.index is not None
    assert library.index.shelf.sentences[0].said.text == "Requests are limited to 60 a minute."


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.yaml", "a: &x [1]\nb: [*x, *x]\n", "not readable: YAMLError"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "not readable: ConstructorError"),
        ("a.yaml", "a: [", "not readable: ParserError"),
        ("a.json", "[" * 100_000, "not readable: RecursionError"),
        ("a.json", "{}", "no OpenAPI description"),
        ("a.json", '{"openapi": "3.0.0", "paths": []}', "an OpenAPI description without paths"),
    ],
)
def test_a_hostile_or_foreign_description_is_left_out(tmp_path: Path, name: str, text: str, why: str) -> None:
    assert read_spec(SourceFile(name, tmp_path / name, text.encode())) == why


def test_broken_parts_of_a_description_are_passed_over() -> None:
    spec = {
        "openapi": "3",
        "paths": {"/a": None, "/b": {"get": None, "put": {"parameters": [{"$ref": "#/no/where"}, 3]}}},
    }
    [operation] = index_specs([("a.json", spec)]).operations
    assert (operation.method, operation.path, operation.query) == ("put", "/b", frozenset())
