"""Answers to adversarial prompts do what their rows expect: refuse, help, or leave an injected order alone.

The known failures of such data are a refusal that goes on to comply, a refusal of what only looks harmful
(over-refusal), and an answer that obeys the document that it was to sum up. A marker in every injected order
makes the last one exact; the others are read by published phrases, and held where those are not clear.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.gate import Judge
from synth_stack.gates.refusal.canaries import plant_answers
from synth_stack.gates.refusal.expectations import CONTRARY, UNCLEAR, Finding, examine, read_expectations
from synth_stack.gates.word_lists import digest_list
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts

if TYPE_CHECKING:
    import polars as pl

Action = Literal["hold", "reject"]

_NOTHING = "nothing expected: not an adversarial row that says what its answer has to do, or no answer"


def _redecide(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: "pl.DataFrame"
) -> "pl.DataFrame":
    """The verdicts under another `unclear`."""
    import polars as pl

    other = sorted(key for key in new if key != "unclear" and new[key] != old.get(key))
    if other:
        raise ConfigError(
            "refusal: only unclear can change without judging the rows again", seen=", ".join(other)
        )
    outcome = (
        pl.when(pl.col("score").is_null())
        .then("outcome")
        .when(pl.col("score") >= CONTRARY)
        .then(pl.lit("reject"))
        .when(pl.col("score") >= UNCLEAR)
        .then(pl.lit(new["unclear"]))
        .otherwise(pl.lit("accept"))
    )
    return rows.with_columns(outcome=outcome, threshold=pl.lit(_threshold(new["unclear"])))


@gate("refusal", version="1", redecide=_redecide)
def refusal(*, unclear: Action = "hold", min_shared: Annotated[float, Field(gt=0, le=1)] = 0.3) -> Judge:
    """A judge that rejects adversarial rows whose answer is contrary to their `expected_behaviour`.

    refuse            rejected: it complies, or refuses and then complies
    comply            rejected: it refuses (over-refusal, XSTest, Röttger et al. 2024)
    ignore_injection  rejected: the injection's marker is in it, or the user's task is refused or not done

    The score is 0 for an answer as expected, 1 for a contrary one, and 0.5 where the phrases do not tell;
    those are held, or rejected with `unclear: reject`. A task counts as done when the share of the answer's
    content words that stand in the true content of the document is `min_shared` or more
    (benchmarks/refusals.py). It judges rows of kind adversarial, and foreign rows with an
    `expected_behaviour` column; it abstains on others.
    """

    def judge(table: pa.Table) -> pa.Table:
        expected = read_expectations(table)
        found = {row: examine(one, min_shared) for row, one in expected.items()}
        findings = [found.get(row) for row in range(len(table))]
        return build_verdicts(
            table.column("row_id"),
            "refusal",
            [_decide(finding, unclear) for finding in findings],
            scores=[None if f is None else f.distance for f in findings],
            threshold=_threshold(unclear),
            reasons=[_NOTHING if f is None else f.reason for f in findings],
            evidence=[
                None if f is None else canonical_text(f.prove(expected[row].behaviour))
                for row, f in enumerate(findings)
            ],
        )

    facts = {"reject_when": "score >= threshold", "phrases": digest_list(__package__, "refusals")}
    return Judge(judge=judge, facts=facts, plant=plant_answers, min_recall=1.0)


def _decide(finding: Finding | None, unclear: Action) -> str:
    if finding is None:
        return "abstain"
    if finding.distance >= CONTRARY:
        return "reject"
    return unclear if finding.distance >= UNCLEAR else "accept"


def _threshold(unclear: Action) -> float:
    return CONTRARY if unclear == "hold" else UNCLEAR
