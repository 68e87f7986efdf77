"""Drift: a batch, or a slice of it, that is distributed otherwise than the real rows that it is to stand for.

It is off by default: it needs a baseline. A batch beyond the envelope is held, with the statistic, how far
it moved, and rows from both of its ends, so that the next run can be steered back.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field as Bound

from synth_stack.gates.drift.canaries import plant_real, plant_shifts
from synth_stack.gates.drift.envelope import STATISTICS, Envelope
from synth_stack.gates.drift.outcome import DriftSettings, measure_batch
from synth_stack.gates.drift.sampling import Field, sketch_rows
from synth_stack.gates.drift.verdicts import class_of, write_verdicts
from synth_stack.gates.gate import Dial, Judge, Round
from synth_stack.inputs.real_rows import open_real_rows
from synth_stack.models.embedders import load_embedder
from synth_stack.models.files import PINS, VADER, need_module
from synth_stack.registry import BASELINE, FilePath, gate
from synth_stack.text.words import TEXT_SCHEME

MIN_ROWS = 100
"""With fewer, an interval is wider than any bar: nothing could be held, and nothing said."""

_ENVELOPE = Envelope()


@gate("drift", version="3", harm="spread")
def drift(
    *,
    baseline: Annotated[FilePath | None, BASELINE] = None,
    columns: Mapping[str, str] | None = None,
    field: Field = "prompt",
    envelope: Envelope | Literal["learn"] = _ENVELOPE,
    min_rows: Annotated[int, Bound(ge=50)] = MIN_ROWS,
    seed: Annotated[int, Bound(ge=0, lt=2**32)] = 42,
) -> Judge:
    """A judge that holds a batch, or a slice, that is further from `baseline` than `envelope` allows.

    `baseline` is a file or folder of real rows, read as `curate` reads foreign ones; `columns` says which
    column is which field, as in {"slice": "category"}. Up to 2,000 rows of the batch and 200 of each slice
    are compared with as many real ones (probes.py): length, topic, sentiment, locale, form of question,
    formality, vocabulary, density and meaning. Each statistic is an effect size with a 95% bootstrap
    interval whose lower end has to pass its bar. A slice is compared with the real rows of that slice,
    where both have `min_rows`.

    With `envelope: learn` a bar is raised to what random halves of the baseline differ by, with half of it
    added.

    The score is the lower end over its bar, of the statistic that is furthest out; above 1 a group is held.
    Evidence: the lower ends by statistic, and of a hold the sizes, intervals, bars, and row_ids of the
    batch from both ends of the statistic; no real row is shown. Without a baseline, or with one or a batch
    under `min_rows`, every row is abstained on. Raises InputError, ConfigError, MissingExtra and ModelError.
    """
    embedder = load_embedder("wordllama")
    need_module("vaderSentiment.vaderSentiment")
    real = None if baseline is None else open_real_rows(baseline, dict(columns or {}))
    learn = envelope == "learn"
    bars = (Envelope() if isinstance(envelope, str) else envelope).list_bars()
    settings = DriftSettings(bars, learn, min_rows, field, seed)
    return Judge(
        judge=partial(_judge, field=field),
        rounds=(
            Round(
                partial(sketch_rows, field=field),
                partial(measure_batch, settings=settings, baseline=real, embedder=embedder),
            ),
        ),
        facts={
            "baseline": None if real is None else {"name": real.name, "sha256": real.sha256},
            "model": embedder.name,
            "files": dict(embedder.facts) | {VADER: PINS[VADER]},
            "text": TEXT_SCHEME,
            "learnt": learn,
        },
        plant=partial(
            plant_shifts,
            field=field,
            statistics=tuple(bars),
            baseline=real,
            embedder=embedder,
            min_rows=min_rows,
        ),
        control=partial(plant_real, field=field, baseline=real, min_rows=min_rows),
        off=tuple(name for name in STATISTICS if name not in bars),
        dials=() if learn else tuple(_make_dial(name, bar) for name, bar in bars.items()),
    )


def _judge(table: pa.Table, state: Mapping[str, pa.Table], *, field: Field) -> pa.Table:
    return write_verdicts(table, state, field=field)


def _make_dial(name: str, bar: float) -> Dial:
    return Dial(
        bar, ">", (class_of(name),), parameter=f"envelope.{name}", score=f"low.{name}", outcome="hold"
    )
