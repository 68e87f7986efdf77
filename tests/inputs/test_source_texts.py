"""Passages of prose of every kind: where they are parted, and what is left out with which reason."""

from pathlib import Path

import pytest

from synth_stack.errors import MissingExtra
from synth_stack.inputs.source_files import find_files
from synth_stack.inputs.source_texts import SourcePassage, read_prose
from tests.some_pdf import write_pdf


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


def test_a_pdf_gives_its_pages_and_a_broken_one_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("pypdf")
    (tmp_path / "a.pdf").write_bytes(write_pdf("Labels last 14 days."))
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4\nnonsense" * 20)
    [passage], _ = read(tmp_path / "a.pdf")
    assert (passage.id, passage.text) == ("a.pdf#page-1", "Labels last 14 days.")
    passages, left = read(tmp_path / "b.pdf")
    assert caplog.messages == []  # pypdf's own, which name no file
    assert passages == []
    assert left[0][1].startswith("not a readable PDF")


def test_a_pdf_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    with pytest.raises(MissingExtra, match=r"synth-stack\[documents\]"):
        read(tmp_path / "a.pdf")
