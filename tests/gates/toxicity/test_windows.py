import numpy as np
import polars as pl
from numpy.typing import NDArray

from synth_stack.gates.toxicity.windows import cut_sentences, cut_windows, score_rows
from synth_stack.models.toxicity import Scorer


def read(text: str) -> pl.DataFrame:
    return pl.DataFrame({"row": [0], "position": [0], "role": ["user"], "content": [text]})


def test_windows_cover_a_message_and_overlap_by_a_fifth() -> None:
    text = "".join(chr(0x4E00 + k) for k in range(1000))
    lengths = [0, 1, 150, 151, 269, 270, 271, 1000]
    messages = pl.DataFrame(
        {"row": range(len(lengths)), "position": 0, "role": "user", "content": [text[:n] for n in lengths]}
    )
    windows = cut_windows(messages, 150)
    for k, n in enumerate(lengths):
        own = windows.filter(pl.col("row") == k)
        starts = own["start"].to_list()
        assert own["content"].to_list() == [text[:n][start : start + 150] for start in starts]
        assert starts == list(range(0, max(n - 30, 1), 120))


def test_sentences_end_where_white_space_follows_their_sign() -> None:
    text = "See example.com, v1.2! Is it so?  He said “No.” Then\nhe left\n\n and 3.5 is it"
    cut = cut_sentences(read(text), 300)
    assert [s.strip() for s in cut["content"]] == [
        "See example.com, v1.2!",
        "Is it so?",
        "He said “No.”",
        "Then",
        "he left",
        "and 3.5 is it",
    ]
    assert "".join(cut["content"]) == text
    for start, content in cut.select("start", "content").iter_rows():
        assert text[start:].startswith(content)


def test_a_long_sentence_is_cut_where_it_stands() -> None:
    text = "Short. " + "x" * 700 + ". End"
    cut = cut_sentences(read(text), 300)
    assert cut["start"].to_list() == [0, 7, 247, 487, 709]
    for start, content in cut.select("start", "content").iter_rows():
        assert text[start:].startswith(content)
        assert len(content) <= 300


def test_a_text_of_nothing_but_line_ends_has_no_sentence_to_read() -> None:
    assert cut_sentences(read("\n\n \n"), 300).filter(pl.col("content").str.contains(r"\S")).is_empty()
    assert cut_sentences(read(""), 300).is_empty()


def test_a_score_of_exactly_one_stays_one_among_many_sentences() -> None:
    def score(texts: pl.Series) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        return np.where(texts.str.starts_with("Bad").to_numpy(), 1.0, 0.5), np.zeros(
            len(texts), dtype=np.int64
        )

    scorer = Scorer("s", 100, ("hate",), score, {}, by_sentence=True, excess=0.4)
    worst = score_rows(read("Bad. Fine. Fine too."), scorer)
    assert worst["score"].to_list() == [1.0]
