"""Tone: what is combative or hostile without a swear word, by turns of phrase and what stands around them.

A sentence without a cue of cues.txt is civil. One with a cue gets the probability that a logistic
regression over its groups of cues and its context (an apology, reported words, a rebuttal) gives it.
The regression is fitted when it is loaded, on the sentences of examples.txt, which were written for
it. Quoted words are not looked at. English only. tone_embedding.py, where it is asked for and installed, also
scores the sentences of an agent by what they mean.

Combative words count in what an agent says: in assistant messages, and in texts that no one is named to have
said and that do not speak as a customer does. Threats and contempt for a group of people count everywhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import MissingExtra
from synth_stack.gates.toxicity.tone_embedding import Meaning, load_meaning
from synth_stack.gates.toxicity.tone_signs import count_signs, list_signs
from synth_stack.gates.word_lists import digest_list, read_sections
from synth_stack.text.words import normalise

if TYPE_CHECKING:
    import polars as pl

HOSTILE = ("threat", "hate", "contempt")
"""Groups of cues that count in every role."""

COMBATIVE = ("insult", "blame", "dismissive", "condescending", "sarcasm", "impatience", "judging")
"""Groups of cues that count in what an agent says."""

CONTEXT = ("apology", "reported", "rebuttal", "courtesy", "second_person", "code")

_CUES = (*HOSTILE, *COMBATIVE)
AGENT_ROLES = ("assistant", "text")
_PLACE = ("row", "position", "role", "start", "end")
_RIDGE = 1.0
"""The penalty on the weights: one half of the squared length, as much as one example may weigh."""

_NEWTON_STEPS = 25
_SCORE_DECIMALS = 4
"""Beyond these the linear algebra of two machines may differ."""

_QUOTED = r'"[^"\n]+"|“[^”\n]+”|«[^»\n]+»|[^"“«]+|["“«]'
_SENTENCE = r"[^.!?\n]*[.!?\n]+|[^.!?\n]+"
_PROSE = 0.85
"""The share of letters and spaces below which a line is no prose."""

_MIN_WORDS_OUTSIDE = 3
"""A message with fewer words outside its quotation marks quotes no one: it stands in quotation marks."""


@dataclass(frozen=True, slots=True)
class Tone:
    """A fitted tone model: `patterns` by group, and a weight per feature of `_list_features`, bias first."""

    patterns: Mapping[str, str]
    weights: NDArray[np.float64]
    meaning: Meaning | None
    facts: Mapping[str, Any]

    def score(self, messages: "pl.DataFrame", confirmed: "pl.DataFrame | None" = None) -> "pl.DataFrame":
        """The worst sentence of each row that has one: `row, position, role, start, end, score, label`.

        `messages` has `row, position, role, content`; rows come in order. `start` and `end` are character
        offsets into the message, `score` is in [0, 1], `label` names the group of cues or, where the meaning
        says more, the class of the nearest example. A sentence without a cue is scored only by its meaning,
        and that in the rows `confirmed` (`row, sentences`): at most so many sentences of each, those with
        most signs of a bad tone first; null is no bound.
        """
        import polars as pl

        spoken = messages.drop_nulls("content")
        spoken = spoken.with_columns(plain=make_plain(spoken["content"]))
        scored = [self._score_cues(spoken)]
        if self.meaning is not None:
            scored.append(_score_meaning(spoken, self.patterns, self.meaning, confirmed))
        worst = pl.concat(scored).sort("row", -pl.col("score"), "position", "start")
        return worst.unique("row", keep="first", maintain_order=True)

    def _score_cues(self, spoken: "pl.DataFrame") -> "pl.DataFrame":
        import polars as pl

        sentences = _split_sentences(_hide_quotes(_list_suspects(spoken, self.patterns)))
        marked = _mark(sentences, self.patterns).filter(pl.any_horizontal(_CUES))
        score = np.round(_sigmoid(_list_features(marked) @ self.weights), _SCORE_DECIMALS)
        label = pl.coalesce(pl.when(pl.col(name)).then(pl.lit(name)) for name in _CUES)
        return marked.select(*_PLACE, score=pl.Series(score), label=label)


@cache
def load_tone(embedding: Literal["minilm"] | None = None) -> Tone:
    """The tone model, fitted on the examples of the package; the same each time.

    Where the libraries of an embedding are not installed it goes without, and facts say so. Raises
    ModelError for a model file that was changed.
    """
    import polars as pl

    patterns = read_patterns()
    sections = read_sections(__package__, "examples")
    told = [(line, not name.startswith("neutral/")) for name, lines in sections.items() for line in lines]
    examples = pl.DataFrame(
        {"content": [line for line, _ in told], "bad": [bad for _, bad in told]}
    ).with_columns(row=pl.int_range(pl.len()), position=0, role=pl.lit("assistant"))
    examples = examples.with_columns(plain=make_plain(examples["content"]))
    listed = _list_suspects(examples, patterns)
    sentences = _hide_quotes(listed).with_columns(sentence=pl.col("hidden"), customer=False)
    marked = _mark(sentences, patterns).filter(pl.any_horizontal(_CUES))
    weights = _fit(_list_features(marked), marked["bad"].to_numpy())
    meaning, lack = (None, None) if embedding is None else _load_meaning(patterns)
    facts = {
        "lists": {name: digest_list(__package__, name) for name in ("cues", "examples")},
        "examples": len(examples),
        "embedding": None if meaning is None else dict(meaning.facts),
        "why": lack,
    }
    return Tone(patterns, weights, meaning, facts)


def _load_meaning(patterns: Mapping[str, str]) -> tuple[Meaning | None, str | None]:
    """The tone by meaning, or why there is none."""
    try:
        return load_meaning(partial(mark_sentences, patterns=patterns)), None
    except MissingExtra as exc:
        return None, str(exc)


def mark_sentences(sentences: "pl.Series", patterns: Mapping[str, str]) -> NDArray[np.float64]:
    """The marks of cues, contexts and signs in sentences of an agent, (n, d)."""
    import polars as pl

    told = pl.DataFrame({"sentence": sentences, "customer": np.zeros(len(sentences), dtype=bool)})
    marked = _mark(told, patterns)
    return np.hstack([_list_features(marked)[:, 1:], list_signs(marked["plain"])])


def read_patterns() -> dict[str, str]:
    """One regular expression per group of cues and per context, and "group" for whom hate names."""
    macros: dict[str, str] = {}
    patterns: dict[str, str] = {}
    for name, lines in read_sections(__package__, "cues").items():
        parts = [_spell_out(line, macros) for line in lines]
        if name.startswith("= "):
            macros[name[2:]] = f"(?:{'|'.join(parts)})"
        else:
            patterns[name.removeprefix("~ ").removesuffix(" needs group")] = _match_whole("|".join(parts))
    return patterns | {"group": _match_whole(macros["group"])}


def _match_whole(pattern: str) -> str:
    """The pattern where it does not begin or end within a word."""
    return rf"(?-u:\b{{start-half}})(?:{pattern})(?-u:\b{{end-half}})"


def _spell_out(line: str, macros: Mapping[str, str]) -> str:
    """A line as a regular expression over ASCII: Unicode classes make automata ten times as large."""
    for name, pattern in macros.items():
        line = line.replace(f"<{name}>", pattern)
    return re.sub(r"(?<!-u:)\\b", r"(?-u:\\b)", line).replace(r"\w", "[a-z]")


def _list_suspects(messages: "pl.DataFrame", patterns: Mapping[str, str]) -> "pl.DataFrame":
    """The messages that hold a cue that counts in their role, with `customer`: a customer says it."""
    import polars as pl

    agent = pl.col("role").is_in(AGENT_ROLES)
    found = [
        _find(messages.filter(agent), patterns, (*HOSTILE, *COMBATIVE)),
        _find(messages.filter(~agent), patterns, HOSTILE),
    ]
    return _tell_customers(pl.concat(found).sort("row", "position"), patterns).drop("plain")


def _tell_customers(plain: "pl.DataFrame", patterns: Mapping[str, str]) -> "pl.DataFrame":
    import polars as pl

    speaks = (pl.col("role") == "text") & pl.col("plain").str.contains(patterns["customer"])
    return plain.with_columns(customer=speaks | ~pl.col("role").is_in(AGENT_ROLES))


def _score_meaning(
    spoken: "pl.DataFrame",
    patterns: Mapping[str, str],
    meaning: Meaning,
    confirmed: "pl.DataFrame | None",
) -> "pl.DataFrame":
    """The sentences of prose that an agent says, scored by their meaning; equal sentences once."""
    import polars as pl

    sentences = list_prose(spoken, patterns, confirmed)
    distinct = sentences["sentence"].unique(maintain_order=True)
    score, label = meaning.score(distinct)
    scored = pl.DataFrame(
        {"sentence": distinct, "score": score, "label": label}, schema_overrides={"label": pl.String}
    )
    told = sentences.join(scored, on="sentence", how="left", maintain_order="left")
    return told.select(*_PLACE, "score", "label")


def list_prose(
    spoken: "pl.DataFrame", patterns: Mapping[str, str], confirmed: "pl.DataFrame | None" = None
) -> "pl.DataFrame":
    """The sentences of prose that an agent says, `plain` being the form of the messages without case.

    Only those of the rows `confirmed` (`row, sentences`), where it is given, and of each at most so many.
    """
    import polars as pl

    agent = spoken.filter(pl.col("role").is_in(AGENT_ROLES))
    if confirmed is not None:
        agent = agent.join(confirmed, on="row", how="inner", maintain_order="left")
    told = _tell_customers(agent, patterns)
    sentences = _split_sentences(_hide_quotes(told.filter(~pl.col("customer"))))
    sentences = sentences.with_columns(pl.col("sentence").str.strip_chars())
    letters = pl.col("sentence").str.count_matches(r"[\pL\s]") / pl.col("sentence").str.len_chars()
    is_code = pl.col("sentence").str.contains(patterns["code"])
    prose = sentences.filter(~is_code, letters >= _PROSE, pl.col("sentence").str.contains(r"\pL\s+\pL"))
    if confirmed is None:
        return prose
    suspicion = count_signs(pl.col("sentence").str.to_lowercase())
    rank = suspicion.rank("ordinal", descending=True).over("row")
    return prose.filter(pl.col("sentences").is_null() | (rank <= pl.col("sentences")))


def _find(plain: "pl.DataFrame", patterns: Mapping[str, str], groups: Sequence[str]) -> "pl.DataFrame":
    import polars as pl

    cheap = [pl.col("plain").str.contains(patterns[name]) for name in ("group", *groups) if name != "hate"]
    hits = plain.select(cue.alias(str(k)) for k, cue in enumerate(cheap))
    # hate is the slowest pattern, and says something only of the few messages that name people
    named = hits["0"].arg_true()
    hateful = named.filter(plain["plain"].gather(named).str.contains(patterns["hate"]))
    rest = hits.drop("0").select(pl.any_horizontal(pl.all())).to_series().arg_true()
    return plain[pl.concat([hateful, rest]).unique().sort()]


def make_plain(texts: "pl.Series") -> "pl.Series":
    """The form in which cues are looked for: normalised, with the apostrophe of typewriters."""
    return normalise(texts).str.replace_all("’", "'", literal=True)


def _hide_quotes(messages: "pl.DataFrame") -> "pl.DataFrame":
    """The messages with `hidden`: `content`, each character of quoted words replaced by an underscore."""
    import polars as pl

    numbered = messages.with_row_index("message")
    quoting = numbered.filter(pl.col("content").str.contains('["“«]'))
    parts = quoting.select("message", part=pl.col("content").str.extract_all(_QUOTED)).explode(
        "part", empty_as_null=False
    )
    quoted = pl.col("part").str.contains(r'^["“«].')
    words = pl.when(~quoted).then(pl.col("part").str.count_matches(r"\pL+")).sum().over("message")
    hidden = pl.when(quoted & (words >= _MIN_WORDS_OUTSIDE)).then(pl.col("part").str.replace_all(r"\S", "_"))
    joined = (
        parts.with_columns(part=hidden.otherwise(pl.col("part")))
        .group_by("message", maintain_order=True)
        .agg(pl.col("part").str.join("").alias("hidden"))
    )
    whole = numbered.join(joined, on="message", how="left", maintain_order="left")
    return whole.with_columns(hidden=pl.coalesce("hidden", "content")).drop("message")


def _split_sentences(messages: "pl.DataFrame") -> "pl.DataFrame":
    """One line per sentence: `sentence` with its offsets `start` and `end` in the message."""
    import polars as pl

    pieces = (
        messages.with_row_index("message")
        .with_columns(sentence=pl.col("hidden").str.extract_all(_SENTENCE))
        .explode("sentence", empty_as_null=False)
    )
    size = pl.col("sentence").str.len_chars().cast(pl.Int64)
    lead = size - pl.col("sentence").str.strip_chars_start().str.len_chars().cast(pl.Int64)
    after = size.cum_sum().over("message")
    placed = pieces.with_columns(start=after - size + lead, end=after)
    trail = size - pl.col("sentence").str.strip_chars_end().str.len_chars().cast(pl.Int64)
    return placed.with_columns(end=pl.col("end") - trail).filter(pl.col("start") < pl.col("end"))


def _mark(sentences: "pl.DataFrame", patterns: Mapping[str, str]) -> "pl.DataFrame":
    """The sentences with one boolean per group of cues and per context; a customer may be combative."""
    import polars as pl

    plain = sentences.with_columns(plain=make_plain(sentences["sentence"]))
    marks = [pl.col("plain").str.contains(patterns[name]).alias(name) for name in (*_CUES, *CONTEXT)]
    marked = plain.with_columns(marks)
    return marked.with_columns(pl.col(name) & ~pl.col("customer") for name in COMBATIVE)


def _list_features(marked: "pl.DataFrame") -> NDArray[np.float64]:
    """(n, 2 + groups + contexts): one, each mark, and whether cues of more than one group are there."""
    import polars as pl

    several = pl.sum_horizontal(_CUES) > 1
    features = marked.select(pl.lit(1.0).alias("one"), *_CUES, *CONTEXT, several.alias("several"))
    return features.cast(pl.Float64).to_numpy().reshape(len(marked), features.width)


def _fit(features: NDArray[np.float64], bad: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The weights (d,) of a ridge logistic regression.

    Newton's method (Hastie, Tibshirani and Friedman 2009, equation 4.26) with the penalty of section 4.4.4;
    the bias, first, is not penalised.
    """
    penalty = np.diag([0.0, *[_RIDGE] * (features.shape[1] - 1)])
    weights = np.zeros(features.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = _sigmoid(features @ weights)
        gradient = features.T @ (bad - p) - penalty @ weights
        curvature = (features * (p * (1 - p))[:, None]).T @ features + penalty
        weights = weights + np.linalg.solve(curvature, gradient)
    return weights


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    p: NDArray[np.float64] = 1 / (1 + np.exp(-z))
    return p
