"""NeMo Curator's heuristic filters as a gate: a row is rejected by the first filter that does not keep it.

The filters are NeMo's own code at the parameters of the gate file, so a row is kept here where a NeMo
pipeline of the same filters keeps it. What such a pipeline drops in silence, or stops at, is a verdict with a
reason.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.gates.gate import Judge, State
from synth_stack.gates.nemo_filter.filters import NamedFilter, make_filters, read_version
from synth_stack.gates.nemo_filter.nemo_stages import read_stages
from synth_stack.gates.nemo_filter.planting import (
    accepts_ordinary,
    choose_planted,
    plant_ordinary,
    plant_spoilt,
)
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.fields import read_field

NAME = "nemo_filter"


class NemoFilterUse(BaseModel):
    """The class of one of NeMo's filters (`use`), and the class's own parameters beside it."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)
    use: str

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the class that are named."""
        return dict(self.__pydantic_extra__ or {})


@gate(NAME, version="1", reads=("content", "alternatives"), read_stages=read_stages)
def nemo_filter(
    *,
    filters: Annotated[list[NemoFilterUse], Field(min_length=1)],
    field: Literal["text", "prompt", "answer"] = "text",
) -> Judge:
    """A judge that rejects a row which one of NeMo's heuristic filters does not keep, asked in order.

    `filters` names classes of nemo_curator.stages.text.filters.heuristic (`WordCountFilter`), of its
    `repetition` and of its `code`, each with its own parameters beside it and NeMo's defaults for the rest.
    `field` is what they read: all that is said in a row, what the user says, or what the assistant says.

    The score is the deciding filter's own, of an accepted row the last one's; evidence has the scores of all
    filters that were asked, and of a reject the filter as it would be called. A row without a text or
    with a failure, or that no filter can score (several divide by the number of words), is abstained on.

    Raises MissingExtra without NeMo Curator, ConfigError for a filter or parameter that it does not have.
    """
    made = make_filters((one.use, one.params) for one in filters)
    planted = choose_planted(made)
    described = [{"use": one.use, "checks": one.name, "params": _plain(one.params)} for one in made]
    return Judge(
        judge=partial(_judge, filters=made, field=field),
        facts={"nemo_curator": read_version(), "filters": described},
        plant=partial(plant_spoilt, filters=planted, field=field) if planted else None,
        control=partial(plant_ordinary, field=field) if accepts_ordinary(made) else None,
        off=tuple(one.name for one in made if one not in planted),
    )


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON says them."""
    simple = (str, int, float, bool, type(None))
    return {key: value if isinstance(value, simple) else repr(value) for key, value in params.items()}


def _judge(
    table: pa.Table, _: State, *, filters: Sequence[NamedFilter], field: Literal["text", "prompt", "answer"]
) -> pa.Table:
    failed, texts = table["failure"].is_valid().to_pylist(), read_field(table, field).to_list()
    said = [_decide(None if gone else text, filters) for gone, text in zip(failed, texts, strict=True)]
    outcomes, scores, reasons, classes, evidence = zip(*said, strict=True) if said else ((),) * 5
    return build_verdicts(
        table["row_id"],
        NAME,
        outcomes,
        scores=scores,
        reasons=reasons,
        reason_classes=classes,
        evidence=evidence,
    )


_Said = tuple[str, float | None, str | None, str | None, str | None]
"""Outcome, score, reason, class of the reason and evidence of one row."""


def _decide(text: str | None, filters: Sequence[NamedFilter]) -> _Said:
    if text is None:
        return "abstain", None, "there is no text to read", f"{NAME}.no_text", None
    scores: dict[str, str] = {}
    score = None
    for one in filters:
        judged = one.judge(text)
        if judged is None:
            continue
        kept, score = judged
        scores[one.name] = repr(score)
        if not kept:
            reason = f"NeMo Curator's {one.describe()} does not keep it: its score is {score:.6g}"
            told = {"filter": one.use, "params": _plain(one.params), "scores": scores}
            return "reject", score, reason, f"{NAME}.{one.name}", canonical_text(told)
    if score is None:
        return "abstain", None, "no filter can score this text", f"{NAME}.no_score", None
    return "accept", score, None, None, canonical_text({"scores": scores})
