"""Well-formed and fit for use: whole, readable, in order, of sensible length, in the right language.

The cheapest gate, so it comes first. Checks run in one order and the first that fails gives the reason:
generation, presence, encoding, roles, emptiness, characters, length, echo, repetition, language.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth_stack import text
from synth_stack.errors import ConfigError
from synth_stack.gates.canary import Defect, plant_defects
from synth_stack.gates.judge import Judge
from synth_stack.languages import load_language_scorer
from synth_stack.registry import gate
from synth_stack.rows import build_verdicts, canonical_text

if TYPE_CHECKING:
    import polars as pl

Count = Annotated[int, Field(ge=0, le=10_000_000)]
Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
Share = Annotated[float, Field(gt=0, le=1)]

_Fault = tuple[str, int | None]
"""The reason, and the message that it is about."""

_REASON_CHARS = 200
_REPETITION_WORDS = 30
_REPETITION_LINES = 6
_LANGUAGE_BYTES = 20
_LANGUAGE_CHARS = 1000
_FENCES = r"(?s)```.*?(?:```|$)"
_CODE_LINES = (
    r"(?m)^(?:.*[{}<>=;\\|_\[\]].*|.*\w\(.*"
    r"|\s*(?:#|//|--|\$|\.|@|from |import |def |class |return |print ).*)$"
)


class Length(BaseModel):
    """How long one message may be: characters and words, both ends included."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    min_chars: Count = 1
    max_chars: Count = 16_000
    min_words: Count = 1
    max_words: Count = 4_000

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_chars > self.max_chars or self.min_words > self.max_words:
            raise ValueError("a minimum is above its maximum")
        return self


_PROMPT = Length(min_chars=3, max_chars=8_000, max_words=2_000)
_ANSWER = Length()
_LANGUAGES = ["en"]


def _redecide(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: "pl.DataFrame"
) -> "pl.DataFrame":
    """The verdicts under another `min_confidence`: only a row of no other fault has a score."""
    import polars as pl

    other = sorted(key for key in new if key != "min_confidence" and new[key] != old.get(key))
    if other:
        raise ConfigError(
            "structure: only min_confidence can change without judging the rows again", seen=", ".join(other)
        )
    bar = new["min_confidence"]
    wrong = pl.when(pl.col("score") >= bar).then(pl.lit("reject")).otherwise(pl.lit("accept"))
    threshold = pl.when(pl.col("threshold").is_null()).then(None).otherwise(pl.lit(bar))
    return rows.with_columns(
        outcome=pl.when(pl.col("score").is_null()).then("outcome").otherwise(wrong), threshold=threshold
    )


def _list_defects(rules: "_Rules") -> list[Defect]:
    """Ways in which training data really is broken, and that these rules forbid."""
    too_long = 1 + max(rules.prompt.max_chars, rules.answer.max_chars)
    defects: list[Defect] = [
        ("the last message is blank", lambda _: " \n"),
        ("it holds NUL", lambda text: f"{text[:40]}\0{text[40:]}"),
        ("it holds the replacement character", lambda text: f"{text[:40]}\ufffd{text[40:]}"),
        ("it is too long", lambda text: (text or "x") * (too_long // max(len(text), 1) + 1)),
    ]
    if rules.max_repeated_ngrams < 0.9:
        defects.append(("it loops", lambda _: "and then it says the same again " * 40))
    return defects


@gate("structure", version="2", redecide=_redecide)
def structure(
    *,
    prompt: Length = _PROMPT,
    answer: Length = _ANSWER,
    languages: Annotated[list[Language], Field(max_length=50)] = _LANGUAGES,
    min_confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95,
    max_repeated_ngrams: Share = 0.5,
    max_repeated_lines: Share = 0.5,
) -> Judge:
    """A judge that rejects rows that no training run could use, and says what is wrong with them.

    It judges every row: a row without text is malformed, not unjudgeable. Messages are an optional
    system message, then user and assistant in turn, ending with the assistant; a foreign row may be a
    single text instead, held to the bounds of an answer. An answer that only repeats the message before
    it (case and punctuation aside) is an echo.

    Lengths: at the upper bounds prompt and answer are about 2,000 and 4,000 tokens, together inside an
    8,192-token training window; the lower bounds drop only what says nothing.

    Repetition, from 30 words or 6 lines on: the share of word 3-grams, or of non-blank lines, that stood
    in the message before. The idea is Gopher's (Rae et al. 2021, table A1), whose 0.30 for lines is made
    for web pages and would reject 1.7% of code_alpaca's answers; 0.5 rejects none of the first 3,000
    texts of nine human and synthetic corpora, and what loops is far above it.

    Language: the score is the probability that the prose is in none of `languages`, by py3langid; from
    `min_confidence` on the row is rejected. 0.95 rejects at most 1 in 3,000 of the English texts of seven
    corpora, 1 of 175 self-instruct tasks, and 0.8% of code_alpaca's answers taken without their tasks
    (benchmarks/thresholds.py makes these figures). Prose is `text` without fenced code and without lines
    that look like code, since code is no language; its first 1,000 characters decide. Under 20 bytes of
    letters nothing can be told, and the score is null. An empty `languages` switches the check off.
    """
    rules = _Rules(prompt, answer, max_repeated_ngrams, max_repeated_lines)
    score_language = load_language_scorer(languages) if languages else None

    def judge(table: pa.Table) -> pa.Table:
        seen = _read(table)
        faults = _find_faults(seen, rules)
        scores: list[float | None] = [None] * len(table)
        if score_language is not None:
            whole = np.flatnonzero([fault is None for fault in faults])
            rows, prose = _find_prose(seen, whole)
            strange, likeliest = score_language(prose)
            for row, score, language in zip(rows, strange.tolist(), likeliest, strict=True):
                scores[row] = score
                if score >= min_confidence:
                    faults[row] = (f"wrong language: {language}, wanted {', '.join(languages)}", None)
        return build_verdicts(
            table.column("row_id"),
            "structure",
            ["accept" if fault is None else "reject" for fault in faults],
            scores=scores,
            threshold=min_confidence if languages else None,
            reasons=[None if fault is None else fault[0] for fault in faults],
            evidence=[
                None if fault is None or fault[1] is None else canonical_text({"message": fault[1]})
                for fault in faults
            ],
        )

    facts = {"reject_when": "score >= threshold, or the reason names a fault", "text": text.SCHEME}

    def plant(sample: pa.Table, n: int, _: int) -> pa.Table:
        return plant_defects(sample, n, _list_defects(rules))

    return Judge(judge=judge, facts=facts, plant=plant, min_recall=1.0)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The bounds that the checks need."""

    prompt: Length
    answer: Length
    max_repeated_ngrams: float
    max_repeated_lines: float


@dataclass(frozen=True, slots=True)
class _Rows:
    """One row per candidate, and one per message as `text.read_messages` gives them."""

    rows: "pl.DataFrame"
    messages: "pl.DataFrame"


def _read(table: pa.Table) -> _Rows:
    import polars as pl

    spoken = text.read_messages(table)
    counts = table.column("messages").combine_chunks().value_lengths().fill_null(0).to_numpy()
    rows = pl.DataFrame(
        {
            "row": np.arange(len(table)),
            "failed": table.column("failure").is_valid().to_numpy(),
            "failure": text.read_texts(table.column("failure")),
            "text": text.read_texts(table.column("text")),
            "written": table.column("text").is_valid().to_numpy(),
            "silent": counts == 0,
            "foreign": text.read_texts(table.column("kind")) == "foreign",
        }
    )
    plain = text.normalise(spoken["content"])
    return _Rows(rows, spoken.with_columns(plain=plain, words=text.hash_words(plain).lengths))


def _find_faults(seen: _Rows, rules: _Rules) -> list[_Fault | None]:
    """The first fault of each row, in the order of the checks, then of the messages."""
    import polars as pl

    found = pl.concat([check(seen, rules) for check in _CHECKS])
    first = found.unique("row", keep="first", maintain_order=True)
    faults: list[_Fault | None] = [None] * len(seen.rows)
    for row, reason, position in first.rows():
        faults[row] = (reason, position)
    return faults


def _find_unmade(seen: _Rows, _: _Rules) -> "pl.DataFrame":
    import polars as pl

    failure = pl.col("failure").fill_null("the reason is not readable").str.slice(0, _REASON_CHARS)
    return _of_rows(seen.rows.filter("failed"), pl.format("generation failed: {}", failure))


def _find_absent(seen: _Rows, _: _Rules) -> "pl.DataFrame":
    import polars as pl

    absent = seen.rows.filter(pl.col("silent") & ~(pl.col("foreign") & pl.col("written")))
    return _of_rows(absent, pl.lit("no messages: the row has none, and is no foreign row with a text"))


def _find_unreadable(seen: _Rows, _: _Rules) -> "pl.DataFrame":
    import polars as pl

    torn = seen.rows.filter(pl.col("written") & pl.col("text").is_null())
    gone = seen.messages.filter(pl.col("content").is_null() | pl.col("role").is_null())
    reason = pl.format("unreadable text: message {} is null or not valid UTF-8", "position")
    return pl.concat([_of_rows(torn, pl.lit("unreadable text: not valid UTF-8")), _of_messages(gone, reason)])


def _find_disorder(seen: _Rows, _: _Rules) -> "pl.DataFrame":
    import polars as pl

    spoken = seen.messages.filter(pl.col("role") != "text")
    lead = (pl.col("role").first().over("row") == "system").cast(pl.Int64)
    turn = (pl.col("position") - lead) % 2
    wanted = (
        pl.when(pl.col("position") < lead)
        .then(pl.lit("system"))
        .otherwise(pl.when(turn == 0).then(pl.lit("user")).otherwise(pl.lit("assistant")))
    )
    wrong = spoken.with_columns(wanted=wanted).filter(pl.col("role") != pl.col("wanted"))
    role = pl.col("role").str.slice(0, 20).str.replace_all(r"[^\w .-]", "?")
    reason = pl.format("wrong roles: message {} is {}, it is the turn of {}", "position", role, "wanted")
    last = spoken.group_by("row", maintain_order=True).last().filter(pl.col("role") != "assistant")
    ending = pl.lit("wrong roles: the last message is not the assistant's")
    return pl.concat([_of_messages(wrong, reason), _of_messages(last, ending)])


def _find_empty(seen: _Rows, _: _Rules) -> "pl.DataFrame":
    import polars as pl

    name = pl.col("role").replace_strict(_CLASSES, default="empty text: the text")
    blank = seen.messages.filter(pl.col("plain") == "")
    return _of_messages(blank, pl.format("{} is empty", name))


def _find_broken(seen: _Rows, _: _Rules) -> "pl.DataFrame":
    import polars as pl

    broken = seen.messages.filter(pl.col("content").str.contains("[\\x00\ufffd]"))
    reason = "broken characters: message {} holds NUL or the replacement character U+FFFD"
    return _of_messages(broken, pl.format(reason, "position"))


def _find_misfits(seen: _Rows, rules: _Rules) -> "pl.DataFrame":
    """Messages that are too short or too long; a system message only has to say something."""
    import polars as pl

    found = []
    for role, length in (("user", rules.prompt), ("assistant", rules.answer), ("text", rules.answer)):
        mine = seen.messages.filter(pl.col("role") == role).with_columns(
            chars=pl.col("content").str.len_chars()
        )
        for unit, low, high in (
            ("chars", length.min_chars, length.max_chars),
            ("words", length.min_words, length.max_words),
        ):
            size, name = pl.col(unit), {"user": "prompt", "assistant": "answer", "text": "text"}[role]
            bounds = f"{{}} {unit}, allowed {low} to {high}"
            found += [
                _of_messages(mine.filter(size < low), pl.format(f"{name} too short: {bounds}", unit)),
                _of_messages(mine.filter(size > high), pl.format(f"{name} too long: {bounds}", unit)),
            ]
    return pl.concat(found)


def _find_echoes(seen: _Rows, _: _Rules) -> "pl.DataFrame":
    import polars as pl

    letters = text.normalise(seen.messages["content"], punctuation=False)
    before = pl.col("letters").shift(1).over("row")
    same = seen.messages.with_columns(letters=letters).filter(
        (pl.col("role") == "assistant") & (pl.col("letters") == before) & (pl.col("letters") != "")
    )
    return _of_messages(same, pl.lit("prompt echoed: the answer only repeats the message before it"))


def _find_repetition(seen: _Rows, rules: _Rules) -> "pl.DataFrame":
    import polars as pl

    long = seen.messages.filter(pl.col("words") >= _REPETITION_WORDS)
    total = text.hash_ngrams(text.hash_words(long["plain"]), 3).lengths
    again = 1 - text.shingle(long["plain"], 3).lengths / np.maximum(total, 1)
    looped = long.with_columns(share=pl.Series(again)).filter(pl.col("share") > rules.max_repeated_ngrams)
    lines = pl.col("content").str.extract_all(r"\S.*")
    many = seen.messages.with_columns(lines=lines).filter(pl.col("lines").list.len() >= _REPETITION_LINES)
    share = 1 - pl.col("lines").list.n_unique() / pl.col("lines").list.len()
    listed = many.with_columns(share=share).filter(pl.col("share") > rules.max_repeated_lines)
    percent = (pl.col("share") * 100).round(0).cast(pl.Int64)
    return pl.concat(
        [
            _of_messages(frame, pl.format(f"runaway repetition: {{}}% of the {unit} are repeats", percent))
            for frame, unit in ((looped, "word 3-grams"), (listed, "lines"))
        ]
    )


def _find_prose(seen: _Rows, whole: text.Counts) -> tuple[list[int], list[str]]:
    """Rows and prose of those of the rows `whole` that have enough of it to tell a language."""
    import polars as pl

    prose = pl.col("text").str.replace_all(_FENCES, "\n").str.replace_all(_CODE_LINES, "").str.strip_chars()
    head = prose.str.slice(0, _LANGUAGE_CHARS)
    letters = head.str.replace_all(r"\P{L}+", "").str.len_bytes()
    found = (
        seen.rows[whole]
        .select("row", prose=head, letters=letters)
        .filter(pl.col("letters") >= _LANGUAGE_BYTES)
    )
    return found["row"].to_list(), found["prose"].to_list()


def _of_rows(frame: "pl.DataFrame", reason: "pl.Expr") -> "pl.DataFrame":
    import polars as pl

    return frame.select("row", reason=reason, position=pl.lit(None, pl.Int64))


def _of_messages(frame: "pl.DataFrame", reason: "pl.Expr") -> "pl.DataFrame":
    return frame.select("row", reason=reason, position="position")


_CLASSES = {
    "user": "empty prompt: the user message",
    "assistant": "empty answer: the assistant message",
    "system": "empty system message: it",
}

_CHECKS: tuple[Callable[[_Rows, _Rules], "pl.DataFrame"], ...] = (
    _find_unmade,
    _find_absent,
    _find_unreadable,
    _find_disorder,
    _find_empty,
    _find_broken,
    _find_misfits,
    _find_echoes,
    _find_repetition,
)
