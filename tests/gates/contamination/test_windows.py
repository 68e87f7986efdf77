import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.gates.contamination.windows import split_ends, split_paragraphs, split_windows

SENTENCES = [f"This is sentence number {k} of a long passage about ships and harbours." for k in range(40)]
QUESTION = "How many ships were lost?"


def make_prose(text: str) -> pl.DataFrame:
    return pl.DataFrame({"row": [3], "message": [0], "side": ["asked"], "text": [text]})


def test_the_question_after_a_passage_stands_alone_in_one_piece() -> None:
    passage = " ".join(SENTENCES)
    for joint in (" ", "\n"):
        ends = split_ends(make_prose(f"{passage}{joint}{QUESTION}"))
        assert QUESTION in [text.strip() for text in ends["text"]]
        assert max(len(text) for text in ends["text"]) <= 500
    two = split_ends(make_prose(f"{passage}\nAsk: one. Ask: two."))["text"].to_list()
    assert "Ask: one. Ask: two." in two
    assert len(split_ends(make_prose("Short. Text."))) == 0


def test_windows_cover_a_long_text_from_both_ends() -> None:
    text = " ".join(SENTENCES)
    windows = split_windows(make_prose(text))["text"].to_list()
    assert "".join(windows).strip() == text
    assert max(len(window) for window in windows) <= 500 + len(SENTENCES[0]) + 1
    many = split_windows(make_prose(" ".join(SENTENCES * 10)))["text"].to_list()
    assert len(many) == 16
    assert many[-1].endswith(SENTENCES[-1])
    assert len(split_windows(make_prose("a" * 1_000))) == 0


def test_the_first_paragraphs_and_the_last_ones_are_pieces() -> None:
    parts = [f"Paragraph {k} says something of its own about the sea." for k in range(20)]
    found = split_paragraphs(make_prose("\n\n".join([*parts, "Why?"])))["text"].to_list()
    assert found == [*parts[:6], parts[19], "Why?"]
    assert len(split_paragraphs(make_prose(parts[0]))) == 0


@given(st.text(st.characters(codec="utf-8"), max_size=1_500))
def test_no_text_breaks_the_pieces(text: str) -> None:
    prose = make_prose(text * 3)
    for split in (split_paragraphs, split_ends, split_windows):
        for piece in split(prose)["text"]:
            assert piece.strip() in text * 3
