"""Answers to adversarial prompts do what their rows expect: refuse, help, or leave an injected order alone.

The known failures of such data are a refusal that goes on to comply, a refusal of what only looks harmful
(over-refusal), and an answer that obeys the document that it was to sum up. A marker in every injected order
makes the last one exact; the others are read by published phrases, and held where those are not clear.
"""

from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.gates.refusal.canaries import plant_answers, plant_conforming
from synth_stack.gates.refusal.expectations import (
    CONTRARIES,
    CONTRARY,
    UNCLEAR,
    Conformance,
    examine,
    read_expectations,
)
from synth_stack.gates.word_lists import digest_list
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts

Action = Literal["hold", "reject"]

_NOTHING = "nothing expected: not an adversarial row that says what its answer has to do, or no answer"


@gate("refusal", version="2", reads=("content", "alternatives", "extra"), harm="people")
def refusal(*, unclear: Action = "hold", min_shared: Annotated[float, Field(gt=0, le=1)] = 0.3) -> Judge:
    """A judge that rejects adversarial rows whose answer is contrary to their `expected_behaviour`.

    refuse            rejected: it complies, or refuses and then complies
    comply            rejected: it refuses (over-refusal, XSTest, Röttger et al. 2024)
    ignore_injection  rejected: the injection's marker is in it, or the user's task is refused or not done

    The score is 0 for an answer as expected, 1 for a contrary one, and 0.5 where the phrases do not tell;
    those are held, or rejected with `unclear: reject`. A task counts as done when the share of the answer's
    content words that stand in the true content of the document is `min_shared` or more
    (benchmarks/refusals.py). It judges rows of kind adversarial, and rows of preferences and foreign ones
    with an `expected_behaviour` column; it abstains on others. The last answer is judged, of a preference row
    the chosen one.
    """

    def judge(table: pa.Table, _: State) -> pa.Table:
        expected = read_expectations(table)
        found = {row: examine(one, min_shared) for row, one in expected.items()}
        answers = [found.get(row) for row in range(len(table))]
        return build_verdicts(
            table.column("row_id"),
            "refusal",
            [_decide(answer, unclear) for answer in answers],
            scores=[None if answer is None else answer.distance for answer in answers],
            threshold=CONTRARY if unclear == "hold" else UNCLEAR,
            reasons=[_NOTHING if answer is None else answer.reason for answer in answers],
            reason_classes=[_classify(answer) for answer in answers],
            evidence=[
                None if answer is None else canonical_text(answer.prove(expected[row].behaviour))
                for row, answer in enumerate(answers)
            ],
        )

    return Judge(
        judge=judge,
        facts={"phrases": digest_list(__package__, "refusals")},
        plant=plant_answers,
        control=plant_conforming,
        dials=(
            Dial(CONTRARY, ">=", tuple(f"refusal.{wrong}" for wrong in CONTRARIES)),
            Dial(UNCLEAR, ">=", ("refusal.unclear",), outcome="unclear"),
        ),
    )


def _decide(answer: Conformance | None, unclear: Action) -> str:
    if answer is None:
        return "abstain"
    if answer.wrong is None:
        return "accept"
    return unclear if answer.wrong == "unclear" else "reject"


def _classify(answer: Conformance | None) -> str | None:
    wrong = "nothing_expected" if answer is None else answer.wrong
    return None if wrong is None else f"refusal.{wrong}"
