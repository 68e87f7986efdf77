"""On topic: whether a row belongs to its slice, to any at all, and whether its answer is to its question.

A fast model (static embeddings) reads every row; MiniLM reads again the rows of most doubt, up to a cap.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import pyarrow as pa
from pydantic import Field as Bound

from synth_stack.errors import InputError
from synth_stack.gates.gate import Dial, Judge, Round
from synth_stack.gates.on_topic.canaries import plant_own, plant_strangers
from synth_stack.gates.on_topic.moves import move_rows
from synth_stack.gates.on_topic.scoring import (
    TopicSettings,
    choose_questions,
    read_again,
    sketch_questions,
    sketch_scores,
)
from synth_stack.gates.on_topic.seeds import FIT_SEEDS, fit_seeds, open_embedder
from synth_stack.gates.on_topic.verdicts import (
    NOWHERE,
    OTHER_SLICE,
    STRAY_ANSWER,
    Action,
    TopicBars,
    write_verdicts,
)
from synth_stack.inputs.real_rows import RealRows, open_real_rows
from synth_stack.registry import FilePath, gate
from synth_stack.text.words import TEXT_SCHEME

MAX_FALSE = 0.01
"""One row in a hundred of those that are where they belong may be turned away: about as many seeds of
banking77 are themselves labelled wrongly."""
MIN_NEAR = 0.002
"""Nearer to no slice than two in a thousand seeds: for broad slices a weak check, and so at a strict bar."""
MAX_STRAY = 0.2
"""MiniLM finds more than a fifth of other questions nearer in none of 500 rows of alpaca_demo and in 1 of
300 of code_alpaca; of answers to other questions in three quarters."""


@gate("on_topic", version="2", reads=("content",), harm="truth")
def on_topic(
    *,
    seeds: FilePath | None = None,
    columns: Mapping[str, str] | None = None,
    max_false_moves: Annotated[float, Bound(gt=0, lt=0.2)] | None = MAX_FALSE,
    min_nearness: Annotated[float, Bound(gt=0, lt=0.2)] | None = MIN_NEAR,
    max_stray_answers: Annotated[float, Bound(ge=0.1, lt=1)] | None = MAX_STRAY,
    action: Action = "hold",
    other: str | None = None,
    confirm_rows: Annotated[int, Bound(ge=0)] = 1_000,
) -> Judge:
    """A judge that turns away rows that left their slice, and holds answers that are to another question.

    `seeds` is a file of real rows with their slices; `columns` says which column is which field, as in
    {"slice": "category"}. A row has left its slice when fewer than `max_false_moves` of the left-out seeds
    fit a slice that is not theirs as much better as it does, by the geometric mean of both models where
    MiniLM read it. Slices that seeds do not tell apart, or that share a text, are kin: a row of one has
    not left it for the other. A row that is nearer to no slice than `min_nearness` of the seeds belongs to
    none, or to `other`, the slice of all the rest, if it is named.

    `action`: "reject", "hold", or "move", which asks for a place at the top of the gate file: a row that left
    its slice is rejected for the same row under the slice that it belongs to. What would not be at home there
    either is held. Reason and evidence have `belongs_to` and the scores of both slices.

    An answer is stray when both models find it nearer to more than `max_stray_answers` of 256 other
    questions of the batch than to its own. Such rows are held. Of each check MiniLM reads `confirm_rows`
    rows. Null switches a check off. Raises InputError, ConfigError, MissingExtra and ModelError.
    """
    fast = open_embedder("wordllama")
    real = None if seeds is None else open_real_rows(seeds, dict(columns or {}))
    names = () if real is None else _check_seeds(real, max_false_moves)
    settings = TopicSettings(max_false_moves, min_nearness, max_stray_answers, other, real, confirm_rows)
    bars = TopicBars(max_false_moves, min_nearness, max_stray_answers, action, other)
    rounds = (
        Round(sketch_questions, choose_questions),
        Round(partial(sketch_scores, settings=settings), partial(read_again, settings=settings)),
    )
    checks = {
        "other_slice": max_false_moves is not None,
        "nowhere": min_nearness is not None,
        "stray_answer": max_stray_answers is not None,
    }
    return Judge(
        judge=partial(_judge, names=names, bars=bars),
        rounds=rounds,
        facts={
            "seeds": None
            if real is None
            else {"name": real.name, "sha256": real.sha256, "slices": len(names)},
            "files": dict(fast.facts) | dict(open_embedder("minilm").facts),
            "text": TEXT_SCHEME,
        },
        plant=partial(plant_strangers, kinds=[kind for kind, on in checks.items() if on], seeds=real),
        control=partial(plant_own, seeds=real),
        bars={"other_slice": 0.5, "nowhere": 0.4, "stray_answer": 0.3},
        off=tuple(kind for kind, on in checks.items() if not on),
        amend=partial(move_rows, names=names, bars=bars, settings=settings) if action == "move" else None,
        amend_rounds=len(rounds),
        reads_replaced=action == "move",
        dials=_list_dials(bars),
    )


def _judge(
    table: pa.Table, state: Mapping[str, pa.Table], *, names: tuple[str, ...], bars: TopicBars
) -> pa.Table:
    return write_verdicts(table, state, names=names, bars=bars)


def _check_seeds(seeds: RealRows, max_false: float | None) -> tuple[str, ...]:
    """The slices of the seeds. Raises InputError for so few seeds that no chance could be under the bar."""
    fitted = fit_seeds(seeds, "wordllama", FIT_SEEDS)
    known = len(fitted.model.margins)
    if max_false is not None and 1 / (known + 1) >= max_false:
        raise InputError(
            f"{seeds.name} has too few seeds to turn away one in {1 / max_false:.0f}",
            seen=f"{known} seeds",
            allowed=f"at least {1 / max_false:.0f}",
            mend="Give more seeds, or a greater max_false_moves.",
        )
    return fitted.names


def _list_dials(bars: TopicBars) -> tuple[Dial, ...]:
    away = "reject" if bars.action == "reject" else "hold"
    dials = []
    if bars.min_near is not None:
        dials.append(
            Dial(bars.min_near, "<", (NOWHERE,), parameter="min_nearness", score="near", outcome=away)
        )
    if bars.max_false is not None:
        dials.append(Dial(bars.max_false, "<", (OTHER_SLICE,), parameter="max_false_moves", outcome=away))
    if bars.max_stray is not None:
        dials.append(
            Dial(
                bars.max_stray,
                ">",
                (STRAY_ANSWER,),
                parameter="max_stray_answers",
                score="stray",
                outcome="hold",
            )
        )
    return tuple(dials)
