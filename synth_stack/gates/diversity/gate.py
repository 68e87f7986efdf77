"""Diversity: a batch that says one thing in ever other words, means less than its seeds, or uses few of them.

Near-copies are for dedup. Here it is groups of rows of which no two are alike and which are worth little
together.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field as Bound

from synth_stack.gates.diversity.canaries import plant_far_apart, plant_groups
from synth_stack.gates.diversity.members import choose_kept, sketch_members
from synth_stack.gates.diversity.outcome import DiversityBars, measure_batch
from synth_stack.gates.diversity.sampling import Field, sketch_texts
from synth_stack.gates.diversity.verdicts import (
    NARROW,
    REWORDED,
    REWORDED_GROUP,
    UNEVEN,
    VerdictBars,
    write_verdicts,
)
from synth_stack.gates.gate import Dial, Judge, Round
from synth_stack.inputs.real_rows import open_real_rows
from synth_stack.models.embedders import load_embedder
from synth_stack.registry import FilePath, gate
from synth_stack.text.words import TEXT_SCHEME

Share = Annotated[float, Bound(gt=0, lt=1)]

MAX_KNOWN = 0.75
"""Of 80 rows of one intent real people repeat at most .66 of their word 3-grams (banking77, 77 intents);
clusters of generated rewordings .81 to .91 (docs/diversity.md)."""

MAX_NARROW = 0.5
"""Half as many meanings as the seeds have over equally many rows: random halves of one corpus differ by
under .15."""

MAX_UNEVEN = 0.7
"""Under a third of the seeds do the work: drawing seeds at random leaves this below .3 at ten rows a seed."""

MIN_VENDI = 25.0
"""Effective rows among 200 of a batch without seeds: corpora of many topics have 54 to 97, one intent 5 to
22."""


@gate("diversity", version="1", clusters="members", harm="spread")
def diversity(
    *,
    field: Field = "prompt",
    seeds: FilePath | None = None,
    columns: Mapping[str, str] | None = None,
    max_known_wording: Share | None = MAX_KNOWN,
    max_narrowing: Share | None = MAX_NARROW,
    max_uneven_seeds: Share | None = MAX_UNEVEN,
    min_vendi: Annotated[float, Bound(gt=1, le=200)] | None = MIN_VENDI,
    action: Literal["reject", "hold"] = "reject",
    keep: Annotated[int, Bound(ge=0, le=1_000)] = 100,
    seed: Annotated[int, Bound(ge=0, lt=2**32)] = 42,
) -> Judge:
    """A judge that rejects the rows of a reworded cluster beyond `keep`, and holds groups that lack
    diversity.

    A cluster is collapsed when rows of it repeat more than `max_known_wording` of their wording; `action`
    says what becomes of its rows but the `keep` nearest to its centre. A slice, generator or seed whose
    rows do so without being such a cluster is held. With `seeds` (a file of real rows; `columns` says
    which column is which field) a batch or slice is held whose effective number of meanings falls short of
    the seeds' by more than `max_narrowing`; without, a batch or generator of 1,000 rows or more that has
    under `min_vendi` of them among 200. `max_uneven_seeds` holds a batch or slice that goes back to few of
    its seeds. Null switches a check off.

    Every measure is taken over a sample of the batch (sampling.py) with its interval, whose kinder end
    decides. Evidence names centre and share of the cluster, or the figures of the group beside those of
    the seeds. Batches and groups of under 80 rows are not measured: a row that is in nothing else is
    abstained on.

    `field` "prompt" reads the text of rows without messages. `seed` draws subsamples and the first centres.
    Raises InputError and ConfigError for seeds that cannot be used, MissingExtra and ModelError.
    """
    embedder = load_embedder("wordllama")
    corpus = None if seeds is None else open_real_rows(seeds, dict(columns or {}))
    bars = DiversityBars(max_known_wording, max_narrowing, max_uneven_seeds, min_vendi, seed)
    first = Round(
        partial(sketch_texts, field=field),
        partial(measure_batch, bars=bars, field=field, embedder=embedder, seeds=corpus),
    )
    second = Round(partial(sketch_members, field=field, embedder=embedder), partial(choose_kept, keep=keep))
    shown = VerdictBars(max_known_wording, max_narrowing, max_uneven_seeds, action)
    kinds = _list_kinds(bars, seeded=corpus is not None)
    return Judge(
        judge=partial(_judge, field=field, bars=shown),
        rounds=(first, second),
        facts={
            "model": embedder.name,
            "files": dict(embedder.facts),
            "text": TEXT_SCHEME,
            "seeds": None if corpus is None else {"name": corpus.name, "sha256": corpus.sha256},
        },
        plant=partial(plant_groups, field=field, kinds=[kind for kind, on in kinds.items() if on]),
        control=partial(plant_far_apart, field=field, embedder=embedder),
        off=tuple(kind for kind, on in kinds.items() if not on),
        dials=_list_dials(shown),
    )


def _judge(table: pa.Table, state: Mapping[str, pa.Table], *, field: Field, bars: VerdictBars) -> pa.Table:
    return write_verdicts(table, state, field=field, bars=bars)


def _list_kinds(bars: DiversityBars, *, seeded: bool) -> dict[str, bool]:
    """The kinds of canaries, and whether the check of each is on."""
    return {
        "reworded": bars.max_known is not None,
        "narrow": bars.max_narrow is not None and (seeded or bars.min_vendi is not None),
        "one_seed": bars.max_uneven is not None,
    }


def _list_dials(bars: VerdictBars) -> tuple[Dial, ...]:
    """The bars as dials; clusters below the bar are not stored, so it cannot be turned below where it
    stood.
    """
    dials = []
    if bars.known is not None:
        parameter = "max_known_wording"
        dials += [
            Dial(bars.known, ">", (REWORDED,), parameter=parameter, outcome="action", lowest=bars.known),
            Dial(
                bars.known,
                ">",
                (REWORDED_GROUP,),
                parameter=parameter,
                score="known_group",
                outcome="hold",
                lowest=bars.known,
            ),
        ]
    if bars.narrow is not None:
        dials.append(
            Dial(bars.narrow, ">", (NARROW,), parameter="max_narrowing", score="narrow", outcome="hold")
        )
    if bars.uneven is not None:
        dials.append(
            Dial(bars.uneven, ">", (UNEVEN,), parameter="max_uneven_seeds", score="uneven", outcome="hold")
        )
    return tuple(dials)
