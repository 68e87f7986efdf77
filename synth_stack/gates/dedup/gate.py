"""Near-duplicates: exact Jaccard over word n-grams decides, MinHash LSH proposes, and one row is kept.

Two rows are near-duplicates when they are alike as a whole, and their answers are, and what is left of their
questions without the text that many rows share.

A row is compared with kept rows, never with rejected ones, so there are no chains: a row far from every kept
row is kept too, whatever lies between. Two passes over the batch decide everything before the first row is
judged: signatures, then the shingles of the rows that share a band key. How a batch is cut into shards does
not show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.dedup import lsh
from synth_stack.gates.dedup.canaries import BARS, SHARED_KINDS, plant_controls, plant_duplicates
from synth_stack.gates.dedup.collisions import find_collisions
from synth_stack.gates.dedup.index import NamedPack, open_earlier, write_index
from synth_stack.gates.dedup.outcome import DedupOutcome, DedupRule, decide_outcomes
from synth_stack.gates.dedup.row_parts import PARTS_SCHEME
from synth_stack.gates.dedup.signatures import Reading
from synth_stack.gates.dedup.sketches import sketch_shingles, sketch_signatures
from synth_stack.gates.dedup.verdicts import LARGE_CLUSTER, NEAR_DUPLICATE, write_verdicts
from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.models.devices import Device, choose_device
from synth_stack.models.files import need_module
from synth_stack.registry import REFERENCES, gate
from synth_stack.text.words import TEXT_SCHEME

_SCORED_BELOW = 0.05
"""How far below the threshold a similarity is still a score. LSH tuned to 0.85 proposes 95% of pairs at 0.80,
and ever fewer below; and a similarity that is not scored need not be computed."""


_NEVER = 2**31
"""Rows of one band key that there never are: no text is looked for that they share."""


def index_earlier(packs: Sequence[tuple[str, Path]], params: Mapping[str, Any], out: Path) -> int:
    """Write one file that stands for all `packs` (name, path) under `against`; how many rows it holds.

    It serves gates that compare rows as one with these `params` does. Raises InputError, ConfigError,
    StoreError.
    """
    named = [NamedPack(name=name, path=str(path)) for name, path in packs]
    return write_index(named, out, make_reading(params))


def make_reading(params: Mapping[str, Any]) -> Reading:
    """How a gate with these parameters reads the rows of earlier packs."""
    bands, rows = lsh.choose_bands(params["threshold"])
    short = _count_short(params["threshold"] - _SCORED_BELOW)
    return Reading(params["field"], params["ngram"], bands, rows, params["seed"], short)


def _count_short(floor: float) -> int:
    """How many words an answer may have so that one other word, more or less, brings it to `floor` or
    below.
    """
    return int(1 / (1 - floor) + 1e-9) - 1


@gate(
    "dedup", version="4", reads=("content", "tool_calls", "alternatives"), index=index_earlier, harm="spread"
)
def dedup(
    *,
    threshold: Annotated[float, Field(ge=0.5, lt=1.0)] = 0.85,
    ngram: Annotated[int, Field(ge=1, le=20)] = 3,
    field: Literal["text", "prompt", "answer"] = "text",
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42,
    keep: Literal["first", "best"] = "first",
    score_column: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] | None = None,
    max_cluster_share: Annotated[float, Field(gt=0, le=1)] = 0.3,
    max_cluster_min_rows: Annotated[int, Field(ge=1)] = 50,
    shared_rows: Annotated[int, Field(ge=3)] | None = 3,
    device: Device = "cpu",
    against: Annotated[list[NamedPack], REFERENCES] = [],  # noqa: B006  (never changed; pydantic copies it)
) -> Judge:
    """A judge that rejects a row whose similarity to a kept row is above `threshold`.

    The similarity is the lowest of three: of the whole texts (Jaccard), of the questions without the text
    that at least `shared_rows` rows share, and of the answers. Exactly at the threshold a row is accepted.
    The score is the highest similarity to a kept row, of those that LSH proposed, and 0.0 where none comes
    within 0.05 of the threshold. Evidence of a reject: the twin's row_id (and its pack), the similarities,
    the longest run of words that both share (`span`, with its character offsets in the row's own field), and
    what was set apart and what was compared of the question. A row with nothing to read is abstained on.

    Defaults: word 3-grams, which every edited word changes three of; 0.85, above which two texts of support
    length differ by a name or a number only; three rows, the fewest of which more than one may go on
    otherwise, and None to set nothing apart. `keep` "first" keeps the earlier row; "best" the one with the
    higher number in `score_column` of its `extra`, and among equals and rows without one an arbitrary one,
    the same in whatever order they come. The rows that are like one twin are held instead, if they are more
    than `max_cluster_share` of their slice (0.3: more than a generator repeats itself by accident) and at
    least `max_cluster_min_rows`. `against` names earlier packs, whose rows are all kept. `device` is where
    signatures are computed, by torch on a GPU, to the same bits: three of the ten microseconds that a row
    takes on a core (benchmarks/gpu.py). Where SYNTH_STACK_RAPIDS names the Python of an environment with
    RAPIDS and NeMo Curator (docs/install.md), its LSHStage finds on GPUs who shares a key: the same buckets,
    checked against the keys, so the same decisions (benchmarks/nemo_gpu.py).

    Raises ConfigError for a `score_column` without `keep: best` or the other way round, and for an index
    made otherwise; InputError for a pack that cannot be read.
    """
    if (keep == "best") != (score_column is not None):
        raise ConfigError("dedup: keep: best and score_column belong together", seen=f"keep: {keep}")
    reading = make_reading({"threshold": threshold, "field": field, "ngram": ngram, "seed": seed})
    packs = [open_earlier(pack, reading) for pack in against]
    place = "cpu" if device == "cpu" else choose_device(need_module("torch"), device)
    reading = replace(reading, score_column=score_column, device=place)
    floor = threshold - _SCORED_BELOW
    rule = DedupRule(threshold, floor, max_cluster_share, max_cluster_min_rows, shared_rows, seed)
    lowest = round(rule.floor, 6)  # 0.85 - 0.05 is a hair below 0.8
    facts = {
        "bands": reading.bands,
        "rows": reading.rows,
        "text": TEXT_SCHEME,
        "parts": PARTS_SCHEME,
        "keys": lsh.SCHEME,
        "scores_above": lowest,
        "against": [{"name": pack.name, "sha256": pack.sha256} for pack in packs],
    }
    dial = Dial(threshold, ">", (NEAR_DUPLICATE, LARGE_CLUSTER), parameter="threshold", lowest=lowest)
    return Judge(
        judge=partial(_judge, reading=reading, rule=rule),
        facts=facts,
        rounds=(
            Round(
                partial(sketch_signatures, reading=reading),
                partial(find_collisions, packs=packs, reading=reading, many=shared_rows or _NEVER),
            ),
            Round(partial(sketch_shingles, reading=reading), partial(decide_outcomes, rule=rule)),
        ),
        plant=partial(plant_duplicates, field=field, apart=shared_rows is not None),
        control=partial(plant_controls, field=field, apart=shared_rows is not None),
        bars=BARS,
        caught_as=dict.fromkeys(BARS, (NEAR_DUPLICATE,)),
        off=SHARED_KINDS if shared_rows is None else (),
        dials=(dial,),
    )


def _judge(table: pa.Table, state: State, *, reading: Reading, rule: DedupRule) -> pa.Table:
    return write_verdicts(DedupOutcome.from_state(state), table, reading, rule)
