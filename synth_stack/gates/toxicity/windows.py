"""Texts cut into what a scorer reads at once, and the worst of it in each row."""

from typing import TYPE_CHECKING

from synth_stack.models.toxicity import Scorer

if TYPE_CHECKING:
    import polars as pl

_OVERLAP = 5
"""Windows overlap by a fifth of their length, so that a short phrase stands whole in one of them."""

_SENTENCE = r"[^\n]*?(?:[.!?…]+[\"'”’)\]]*\s+|\n\s*|$)"


def score_rows(pieces: "pl.DataFrame", scorer: Scorer) -> "pl.DataFrame":
    """The worst window of each row that has one: `row, position, role, start, end, score, label`.

    `score` is null where the scorer can read no window of the row. The highest of many windows is high by
    chance, so it is lowered by the scorer's `excess` for each time that their number grows e-fold. Equal
    windows are scored once: the schemas of tools are often the same in every row.
    """
    import polars as pl

    pieces = pieces.select("row", "position", "role", "content")
    cut = (
        cut_sentences(pieces, scorer.window_chars)
        if scorer.by_sentence
        else cut_windows(pieces, scorer.window_chars)
    )
    windows = cut.filter(pl.col("content").str.contains(r"\S")).rechunk()
    distinct = windows["content"].unique(maintain_order=True)
    scores, which = scorer.score(distinct)
    labels = pl.Series(scorer.labels, dtype=pl.String).gather(which)
    scored = pl.DataFrame({"content": distinct, "score": pl.Series(scores).fill_nan(None), "label": labels})
    told = windows.join(scored, on="content", how="left", maintain_order="left").with_row_index("window")
    best = pl.coalesce(pl.col("score").arg_max(), pl.lit(0))
    worst = told.group_by("row").agg(pl.col("window").get(best), count=pl.len()).sort("row")
    size = pl.col("content").str.len_chars().cast(pl.Int64)
    found = told[worst["window"]].with_columns(end=pl.col("start") + size, count=worst["count"])
    if scorer.excess:
        odds = (pl.col("score") / (1 - pl.col("score"))) * pl.col("count").cast(pl.Float64) ** -scorer.excess
        certain = odds.is_infinite()  # of a score of exactly 1
        found = found.with_columns(score=pl.when(certain).then(1.0).otherwise(odds / (1 + odds)))
    return found.select("row", "position", "role", "start", "end", "score", "label")


def cut_sentences(pieces: "pl.DataFrame", size_chars: int) -> "pl.DataFrame":
    """Every piece sentence by sentence, with the `start` of each; one of over `size_chars` in windows."""
    import polars as pl

    sentences = (
        pieces.with_row_index("piece")
        .with_columns(pl.col("content").str.extract_all(_SENTENCE))
        .explode("content", empty_as_null=False)
        .filter(pl.col("content") != "")
    )
    size = pl.col("content").str.len_chars().cast(pl.Int64)
    placed = sentences.with_columns(lead=size.cum_sum().over("piece") - size).drop("piece")
    cut = cut_windows(placed, size_chars)
    cut = cut.with_columns(start=pl.col("start") + pl.col("lead")).drop("lead")
    return cut.sort("row", "position", "start")


def cut_windows(pieces: "pl.DataFrame", size: int) -> "pl.DataFrame":
    """Every piece in windows of `size` characters that overlap, with the `start` of each.

    Linear in the length of a piece: cut into steps, each window is a step and the beginning of the next.
    """
    import polars as pl

    overlap = size // _OVERLAP
    step = size - overlap
    long = pl.col("content").str.len_chars() > size
    whole = pieces.filter(~long).with_columns(start=pl.lit(0, pl.Int64))
    steps = (
        pieces.filter(long)
        .with_row_index("piece")
        .with_columns(pl.col("content").str.extract_all(rf"(?s).{{1,{step}}}"))
        .explode("content", empty_as_null=False)
    )
    follows = pl.col("content").shift(-1).over("piece").fill_null("").str.slice(0, overlap)
    start = pl.int_range(pl.len()).over("piece") * step
    is_tail = (pl.col("start") > 0) & (pl.col("content").str.len_chars() <= overlap)
    cut = steps.with_columns(start=start, after=follows).filter(~is_tail)
    cut = cut.with_columns(content=pl.col("content") + pl.col("after")).drop("piece", "after")
    return pl.concat([whole, cut.select(whole.columns)]).sort("row", "position", "start")
