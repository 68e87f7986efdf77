"""Well-formed and fit for use: whole, readable, in order, of sensible length, in the right language.

The cheapest gate, so it comes first. Checks run in one order and the first that fails gives the reason:
generation, presence, encoding, tool calls, roles, alternatives, emptiness, characters, length, echo,
repetition, language.
"""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.gates.structure.canaries import plant_faults
from synth_stack.gates.structure.checks import find_faults
from synth_stack.gates.structure.faults import Fault
from synth_stack.gates.structure.reading import Length, Rows, Rules, read_rows
from synth_stack.models.languages import load_language_scorer
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.ragged import Counts
from synth_stack.text.words import TEXT_SCHEME

Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
Share = Annotated[float, Field(gt=0, le=1)]

_LANGUAGE_BYTES = 20
_LANGUAGE_CHARS = 1000
_FENCES = r"(?s)```.*?(?:```|$)"
_CODE_LINES = (
    r"(?m)^(?:.*[{}<>=;\\|_\[\]].*|.*\w\(.*"
    r"|\s*(?:#|//|--|\$|\.|@|from |import |def |class |return |print ).*)$"
)
_PROMPT = Length(min_chars=3, max_chars=8_000, max_words=2_000)
_ANSWER = Length()
_LANGUAGES = ["en"]


@gate(
    "structure",
    version="3",
    reads=("content", "reasoning", "tool_calls", "tools", "alternatives"),
)
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

    An assistant message may call tools, and needs no content then. Every result answers a call that is open
    (by its id, or in order where there are no ids), none is left open when the user speaks again or the row
    ends, arguments are a JSON object, and in a row with `tools` they fit the schema of one of these
    (rows/json_schema.py says what is checked). A preference row has a prompt that ends with the user or a
    tool, and alternatives of which labels or ratings say which is chosen and which rejected; these differ,
    and each goes on with the assistant. It may end with a call. Reasoning stands on assistant messages, and
    never alone.

    Lengths, of content alone: at the upper bounds prompt and answer are about 2,000 and 4,000 tokens,
    together inside an 8,192-token training window; the lower bounds drop only what says nothing.

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
    rules = Rules(prompt, answer, max_repeated_ngrams, max_repeated_lines)
    score_language = load_language_scorer(languages) if languages else None

    def judge(table: pa.Table, _: State) -> pa.Table:
        seen = read_rows(table)
        faults = find_faults(seen, rules)
        scores: list[float | None] = [None] * len(table)
        if score_language is not None:
            whole = np.flatnonzero([fault is None for fault in faults])
            rows, prose = _find_prose(seen, whole)
            strange, likeliest = score_language(prose)
            for row, score, language in zip(rows, strange.tolist(), likeliest, strict=True):
                scores[row] = score
                if score >= min_confidence:
                    reason = f"wrong language: {language}, wanted {', '.join(languages)}"
                    faults[row] = Fault("wrong_language", reason, {})
        return build_verdicts(
            table.column("row_id"),
            "structure",
            ["accept" if fault is None else "reject" for fault in faults],
            scores=scores,
            threshold=min_confidence if languages else None,
            reasons=[None if fault is None else fault.reason for fault in faults],
            reason_classes=[None if fault is None else f"structure.{fault.what}" for fault in faults],
            evidence=[canonical_text(fault.evidence) if fault and fault.place else None for fault in faults],
        )

    def plant(sample: pa.Table, n: int, _: int) -> pa.Table:
        return plant_faults(sample, n, rules)

    language = Dial(min_confidence, ">=", ("structure.wrong_language",), parameter="min_confidence")
    return Judge(
        judge=judge,
        facts={"text": TEXT_SCHEME},
        plant=plant,
        min_recall=1.0,
        dials=(language,) if languages else (),
    )


def _find_prose(seen: Rows, whole: Counts) -> tuple[list[int], list[str]]:
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
