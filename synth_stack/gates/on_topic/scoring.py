"""What is measured of each row: how it fits its slice and the others, and whether its answer fits its
question.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.gate import State
from synth_stack.gates.on_topic.seeds import (
    FIT_SEEDS,
    TEXT_CHARS,
    FittedSlices,
    count_close_seeds,
    fit_seeds,
    open_embedder,
)
from synth_stack.inputs.real_rows import RealRows
from synth_stack.stats.linear import measure_cosines
from synth_stack.text.fields import find_canaries, hash_ids, read_asked, read_field, read_texts

if TYPE_CHECKING:
    import polars as pl

QUESTIONS = 256
"""Questions of the batch that an answer is held against: a share of them is known to 5 points (95%)."""
QUESTION_SCHEMA = pa.schema([pa.field("id", pa.uint64()), pa.field("text", pa.string())])

DOUBT = 5
"""Rows are read again by the slow model up to so many times the share that may be turned away wrongly."""
STRAY_DOUBT = 0.1
"""An answer to which more of the questions are nearer than its own is read again: 3% of alpaca_demo, 6% of
code_alpaca, 90% of answers to other questions."""
MIN_ANSWER_WORDS = 3
"""A shorter answer ("Yes.", "42") says nothing of what it answers."""
CLOSE_CHARS = 800

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """The bars, None for one that is off; the seeds; and how many rows of a batch the slow model reads."""

    max_false: float | None
    min_near: float | None
    max_stray: float | None
    other: str | None
    seeds: RealRows | None
    confirm_rows: int


def sketch_questions(table: pa.Table, _: State) -> pa.Table:
    """The questions of the rows with the lowest hashes."""
    import polars as pl

    rows = pl.DataFrame(
        {"id": hash_ids(table), "planted": find_canaries(table), "text": read_question(table)}
    )
    own = rows.filter(~pl.col("planted") & pl.col("text").is_not_null()).select("id", "text")
    kept: pa.Table = own.sort("id").head(QUESTIONS).to_arrow().cast(QUESTION_SCHEMA)
    return kept


def choose_questions(sketches: Iterable[pa.Table], _: State) -> State:
    """The state `questions`."""
    import polars as pl

    joined = pl.concat([pl.DataFrame(sketch) for sketch in sketches]).sort("id").head(QUESTIONS)
    return {"questions": joined.to_arrow().cast(QUESTION_SCHEMA)}


def read_question(table: pa.Table) -> "pl.Series":
    """What the user says, or the text of a row without messages, cut; null where there is nothing."""
    return _cut(read_asked(table))


def sketch_scores(table: pa.Table, state: State, *, settings: TopicSettings) -> pa.Table:
    """What the fast model says of each row, with the texts of those that are in doubt."""
    import polars as pl

    embed = open_embedder("wordllama").embed
    question, answer = read_question(table), _cut(read_field(table, "answer"))
    vectors = embed(question.fill_null("").to_list())
    columns: dict[str, Any] = {"id": hash_ids(table), "planted": find_canaries(table)}
    columns |= _score_slices(table, vectors, settings)
    columns["stray"] = _score_answers(vectors, answer, state["questions"], settings)
    frame = pl.DataFrame(columns).with_columns(question=question, answer=answer)
    can = pl.col("question").is_not_null()
    left = can & (pl.col("chance") < DOUBT * (settings.max_false or 0))
    strays = can & (pl.col("stray") > STRAY_DOUBT)
    return frame.with_columns(
        question=pl.when(left | strays).then("question"), answer=pl.when(strays).then("answer"), readable=can
    ).to_arrow()


def read_again(sketches: Iterable[pa.Table], state: State, *, settings: TopicSettings) -> State:
    """The state `rows`, sorted by id: what the fast model said, and the slow one of the rows of most doubt.

    Planted rows are read where as doubtful a row of the batch is.
    """
    import polars as pl

    rows = pl.concat([pl.DataFrame(sketch) for sketch in sketches], how="vertical_relaxed")
    rows = _add_close(rows)
    if settings.max_false is not None and settings.seeds is not None:
        rows = _read_slices(rows, settings)
    if settings.max_stray is not None:
        rows = _read_answers(rows, state["questions"], settings)
    return {"rows": rows.drop("question", "answer").sort("id").to_arrow()}


def score_alone(table: pa.Table, state: State, *, settings: TopicSettings) -> State:
    """The state in which the fast model alone has read the rows of the table, and no others."""
    import polars as pl

    rows = pl.DataFrame(sketch_scores(table, state, settings=settings))
    return {**state, "rows": _add_close(rows).drop("question", "answer").sort("id").to_arrow()}


def _add_close(rows: "pl.DataFrame") -> "pl.DataFrame":
    """The rows with what the slow model says, which is nothing yet."""
    import polars as pl

    return rows.with_columns(
        close_chance=pl.lit(None, pl.Float64),
        close_best=pl.lit(None, pl.Int64),
        close_stray=pl.lit(None, pl.Float64),
    )


def _score_slices(table: pa.Table, vectors: NDArray[np.float32], settings: TopicSettings) -> dict[str, Any]:
    nothing = np.full(len(table), np.nan)
    names = ("chance", "own_score", "best_score", "near_chance")
    if settings.seeds is None:
        return dict.fromkeys(names, nothing) | {
            "best": np.full(len(table), -1),
            "slice": np.full(len(table), -1),
        }
    fitted = fit_seeds(settings.seeds, "wordllama", FIT_SEEDS)
    codes = fitted.code(read_texts(table["slice"]))
    known = np.flatnonzero((codes >= 0) & np.any(vectors, axis=1))
    scores = fitted.model.score(vectors[known])
    margins, best = fitted.model.measure_margin(scores, codes[known])
    at = np.arange(len(known))
    found = {name: nothing.copy() for name in names}
    found["chance"][known] = fitted.model.measure_chance(margins, codes[known])
    found["own_score"][known] = scores[at, codes[known]]
    found["best_score"][known] = scores[at, best]
    found["near_chance"][known] = fitted.model.measure_nearness(vectors[known])[1]
    where = np.full(len(table), -1)
    where[known] = best
    return {**found, "best": where, "slice": codes}


def _score_answers(
    vectors: NDArray[np.float32], answer: "pl.Series", questions: pa.Table, settings: TopicSettings
) -> Numbers:
    """The share of other questions that an answer is nearer to than to its own, NaN where that says
    nothing.
    """
    share = np.full(len(vectors), np.nan)
    if settings.max_stray is None or len(questions) < QUESTIONS // 4:
        return share
    words = answer.fill_null("").str.count_matches(r"[\p{L}\p{N}]+").to_numpy()
    rows = np.flatnonzero((words >= MIN_ANSWER_WORDS) & np.any(vectors, axis=1))
    embed = open_embedder("wordllama").embed
    answers = embed(answer.gather(rows).to_list())
    share[rows] = measure_stray(vectors[rows], answers, embed(questions["text"].to_pylist()))
    return share


def measure_stray(
    own: NDArray[np.float32], answers: NDArray[np.float32], others: NDArray[np.float32]
) -> Numbers:
    """The share of `others` (m, d) to which each answer (n, d) is nearer than to its own question (n, d),
    (n,).
    """
    wide = answers.astype(np.float64)
    cosine = (own * wide).sum(axis=1, keepdims=True)
    share: Numbers = (measure_cosines(answers, others) > cosine + 1e-6).mean(axis=1)
    return share


def _read_slices(rows: "pl.DataFrame", settings: TopicSettings) -> "pl.DataFrame":
    import polars as pl

    assert settings.seeds is not None
    doubt = pl.col("chance") < DOUBT * (settings.max_false or 0)
    chosen = _choose(rows, doubt & pl.col("question").is_not_null(), -pl.col("chance"), settings.confirm_rows)
    if not len(chosen):
        return rows
    fitted: FittedSlices = fit_seeds(settings.seeds, "minilm", count_close_seeds(settings.seeds))
    vectors = open_embedder("minilm").embed(chosen["question"].str.slice(0, CLOSE_CHARS).to_list())
    codes = chosen["slice"].to_numpy()
    margins, best = fitted.model.measure_margin(fitted.model.score(vectors), codes)
    chance = fitted.model.measure_chance(margins, codes)
    return _put(rows, chosen, close_chance=chance, close_best=best.astype(np.int64))


def _read_answers(rows: "pl.DataFrame", questions: pa.Table, settings: TopicSettings) -> "pl.DataFrame":
    import polars as pl

    doubt = (pl.col("stray") > STRAY_DOUBT) & pl.col("answer").is_not_null()
    chosen = _choose(rows, doubt, pl.col("stray"), settings.confirm_rows)
    if not len(chosen):
        return rows
    embed = open_embedder("minilm").embed
    own, answers = (
        embed(chosen[name].str.slice(0, CLOSE_CHARS).to_list()) for name in ("question", "answer")
    )
    others = embed([text[:CLOSE_CHARS] for text in questions["text"].to_pylist()])
    return _put(rows, chosen, close_stray=measure_stray(own, answers, others))


def _choose(rows: "pl.DataFrame", doubtful: "pl.Expr", doubt: "pl.Expr", most: int) -> "pl.DataFrame":
    """The rows of most doubt, and of the planted ones those in as much."""
    import polars as pl

    ranked = rows.filter(doubtful).with_columns(doubt=doubt).sort(["doubt", "id"], descending=[True, False])
    own = ranked.filter(~pl.col("planted")).head(most)
    least = own["doubt"].min() if len(own) == most else None
    planted = ranked.filter("planted")
    if most == 0:
        return planted.head(0)
    return pl.concat([own, planted if least is None else planted.filter(pl.col("doubt") >= least)])


def _put(rows: "pl.DataFrame", chosen: "pl.DataFrame", **columns: Any) -> "pl.DataFrame":
    import polars as pl

    found = pl.DataFrame({"id": chosen["id"], **columns})
    return rows.update(found, on="id", how="left")


def _cut(texts: "pl.Series") -> "pl.Series":
    import polars as pl

    cut = texts.str.strip_chars().str.slice(0, TEXT_CHARS)
    return pl.select(pl.when(cut.str.len_chars() > 0).then(cut)).to_series()
