"""datatrove's filters of web text: Gopher, C4, FineWeb, a pattern, a language, a fastText classifier.

The rules and their thresholds are datatrove's (its classes name the papers): Gopher is Rae et al. 2021
(arXiv:2112.11446), table A1; C4 is Raffel et al. 2020 (arXiv:1910.10683), section 2.2; FineWeb is Penedo et
al. 2024 (arXiv:2406.17557), section 3.6. They were made for web pages: on short answers most of them turn
away nearly everything, unless their limits of length are lowered.
"""

import re
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.datatrove_filter.canaries import list_off, plant_prose, plant_texts
from synth_stack.gates.datatrove_filter.filters import (
    FilterUse,
    MadeFilter,
    ask_filter,
    list_versions,
    make_filter,
)
from synth_stack.gates.gate import Judge, State
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.fields import read_field

NAME = "datatrove_filter"
Said = tuple[str, str | None, str | None, str | None]
"""Outcome, reason, reason class, evidence."""


@gate(NAME, version="1", reads=("content",))
def datatrove_filter(
    *,
    filters: Annotated[list[FilterUse], Field(min_length=1)],
    field: Literal["text", "answer"] = "text",
) -> Judge:
    """A judge that rejects a row whose text one of the filters would not keep, with datatrove's reason.

    They are asked in order, and the first that does not keep a text is named: `gopher_quality:
    gopher_short_doc`, of the class `datatrove_filter.gopher_quality_gopher_short_doc`. `field` is the text
    that they read: the whole text of a row, or its answer.

    A filter that would rewrite the text (c4_quality drops lines) accepts it as it is; evidence has how many
    characters it would drop. Abstains on a row with a failure, with nothing to read, or with a text that
    datatrove itself cannot work on (a text over a million characters, say).
    """
    made = [make_filter(use) for use in filters]
    return Judge(
        partial(_judge, made, field),
        facts={
            "packages": list_versions(),
            "filters": [
                {"filter": each.name, "params": repr(sorted(each.params.items())), "sha256": each.sha256}
                for each in made
            ],
        },
        plant=lambda sample, n, seed: plant_texts(made, sample, n),
        control=lambda sample, n, seed: plant_prose(made, sample, n),
        min_recall=1.0,
        off=list_off(made),
    )


def _judge(
    made: Sequence[MadeFilter], field: Literal["text", "answer"], table: pa.Table, _: State
) -> pa.Table:
    failed = table["failure"].is_valid().to_pylist()
    texts = read_field(table, field).to_list()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no words
        said = [
            _NOTHING if gone or not (text or "").strip() else _ask(made, text)
            for gone, text in zip(failed, texts, strict=True)
        ]
    outcomes, reasons, classes, evidence = zip(*said, strict=True) if said else ((), (), (), ())
    return build_verdicts(
        table["row_id"], NAME, outcomes, reasons=reasons, reason_classes=classes, evidence=evidence
    )


_NOTHING: Said = ("abstain", "there is nothing to read", f"{NAME}.nothing_to_read", None)


def _ask(made: Sequence[MadeFilter], text: str) -> Said:
    dropped: dict[str, int] = {}
    for each in made:
        try:
            keep, reason, fewer = ask_filter(each.made, text)
        except (ArithmeticError, ValueError, IndexError, AssertionError) as exc:  # of its rules, on odd texts
            why = f"{each.name}: datatrove cannot work on it ({type(exc).__name__})"
            return "abstain", why, f"{NAME}.{each.name}_failed", None
        if not keep:
            slug = re.sub("[^a-z0-9]+", "_", (reason or "not_kept").lower()).strip("_")
            return "reject", f"{each.name}: {reason or 'not kept'}", f"{NAME}.{each.name}_{slug}", None
        if fewer:
            dropped[each.name] = fewer
    return "accept", None, None, canonical_text({"would_drop_chars": dropped}) if dropped else None
