"""Documents as seeds: which passages there are, how they are named, and what is refused."""

from pathlib import Path

import pytest

from synth_stack.errors import InputError
from synth_stack.inputs.document_seeds import is_document, read_document_seeds
from synth_stack.inputs.recipe import SeedColumns
from synth_stack.inputs.seeds import load_corpus, load_seeds

LONG = "A loan lasts seven days and may be renewed once, by e-mail or at the desk."


def test_each_section_with_a_fact_is_a_seed_in_the_slice_of_its_document(tmp_path: Path) -> None:
    (tmp_path / "our rules").mkdir()
    (tmp_path / "our rules" / "Loans & fees.md").write_text(f"# Top\n\n## Loans\n{LONG}\n\n## Short\nNo.\n")
    (tmp_path / "a.html").write_text(f"<h2>Loans</h2><p>{LONG}</p>")
    (tmp_path / "data.json").write_text("{}")
    rows = read_document_seeds(tmp_path)
    assert [(row["seed_id"], row["slice"], row["text"]) for row in rows] == [
        ("a.html#loans", "a", LONG),
        ("our rules/Loans & fees.md#loans", "our-rules/Loans-fees", LONG),
    ]


def test_a_folder_of_documents_is_a_corpus_with_a_topic_for_each(tmp_path: Path) -> None:
    (tmp_path / "loans.txt").write_text(LONG)
    corpus = load_corpus(SeedColumns(path=str(tmp_path)), None, None)
    assert corpus.topics["loans"].title == "Loans"
    assert corpus.seeds["text"].to_pylist() == [LONG]


def test_one_document_may_stand_alone(tmp_path: Path) -> None:
    (tmp_path / "loans.txt").write_text(LONG)
    assert load_seeds(SeedColumns(path=str(tmp_path / "loans.txt")))["seed_id"].to_pylist() == ["loans.txt"]


def test_seed_files_are_no_documents(tmp_path: Path) -> None:
    assert not is_document(tmp_path / "seeds.jsonl")
    assert not is_document(tmp_path / "seeds.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"Too short.", "holds no passage to ask about"),
        ("a.pdf", b"%PDF-1.4 nothing", "a.pdf cannot be read"),
    ],
)
def test_what_gives_nothing_to_ask_about_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_document_seeds(tmp_path)


def test_columns_of_documents_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loans.txt").write_text(LONG)
    with pytest.raises(InputError, match="documents have no columns"):
        load_seeds(SeedColumns(path=str(tmp_path), slice_column="slice"))
