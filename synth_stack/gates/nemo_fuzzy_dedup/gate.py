"""NeMo Curator's own near-duplicates: MinHash over runs of characters, chains of them, one row of each stays.

`dedup` compares exactly and has no chains; this gate decides what NeMo Curator's FuzzyDeduplicationWorkflow
does, for those whose other data went through it. What is hashed on a GPU is not checked by comparing texts.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.gate import Judge, Round, State
from synth_stack.gates.nemo_fuzzy_dedup.groups import NAME, NO_TWIN, Groups, find_groups, sketch_texts
from synth_stack.gates.nemo_fuzzy_dedup.planting import COPY, END_LESS, mix_rows, plant_copies
from synth_stack.models.rapids import find_python, read_versions
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.fields import hash_ids

NEAR_DUPLICATE = f"{NAME}.near_duplicate"
TOO_SHORT = f"{NAME}.too_short"
_MAX_HASHES = 4_096


@gate(NAME, version="1", reads=("content",), harm="spread")
def nemo_fuzzy_dedup(
    *,
    char_ngrams: Annotated[int, Field(ge=5, le=200)] = 24,
    num_bands: Annotated[int, Field(ge=1, le=255)] = 20,
    minhashes_per_band: Annotated[int, Field(ge=1, le=64)] = 13,
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42,
    field: Literal["text", "prompt", "answer"] = "text",
) -> Judge:
    """A judge that rejects every row but the first of each group that NeMo Curator's hashes join.

    The parameters are those of NeMo Curator's FuzzyDeduplicationWorkflow, with its defaults: two texts whose
    runs of 24 characters overlap by some 0.8 share a bucket more often than not, and whatever a chain of
    buckets joins is one group. `field` is what is compared. Evidence of a reject: the twin's row_id and how
    many rows its group has. A text of fewer than `char_ngrams` characters is abstained on. There is no
    score: nothing is measured but whether hashes are equal, so no threshold can be turned later.

    Needs the Python of an environment with RAPIDS in SYNTH_STACK_RAPIDS and a GPU (docs/install.md). Raises
    ConfigError without, and for more than 4,096 hashes in all.
    """
    if num_bands * minhashes_per_band > _MAX_HASHES:
        raise ConfigError(
            f"{NAME}: too many hashes",
            seen=f"{num_bands} bands of {minhashes_per_band}",
            allowed=f"{_MAX_HASHES} in all",
        )
    params = {
        "char_ngrams": char_ngrams,
        "num_bands": num_bands,
        "minhashes_per_band": minhashes_per_band,
        "seed": seed,
    }
    return Judge(
        judge=_judge,
        facts=read_versions(NAME),
        rounds=(
            Round(
                partial(sketch_texts, field=field, least=char_ngrams),
                partial(find_groups, python=find_python(NAME), params=params),
            ),
        ),
        plant=partial(plant_copies, field=field, width=char_ngrams),
        control=partial(mix_rows, field=field, width=char_ngrams),
        bars={COPY: 0.95, END_LESS: 0.9},
        caught_as=dict.fromkeys((COPY, END_LESS), (NEAR_DUPLICATE,)),
    )


def _judge(table: pa.Table, state: State) -> pa.Table:
    groups = Groups.from_state(state)
    places = groups.find(hash_ids(table))
    twins = groups.twins[places]
    names = groups.names.take(pa.array(twins, mask=twins == NO_TWIN)).to_pylist()
    said = [
        _decide(readable, twin, size)
        for readable, twin, size in zip(
            groups.readable[places].tolist(), names, groups.sizes[places].tolist(), strict=True
        )
    ]
    outcomes, reasons, classes, evidence = zip(*said, strict=True) if said else ((),) * 4
    return build_verdicts(
        table["row_id"], NAME, outcomes, reasons=reasons, reason_classes=classes, evidence=evidence
    )


def _decide(readable: bool, twin: str | None, size: int) -> tuple[str, str | None, str | None, str | None]:
    if not readable:
        return "abstain", "too short to be hashed", TOO_SHORT, None
    if twin is None:
        return "accept", None, None, None
    evidence: Mapping[str, Any] = {"group_rows": size, "twin": twin}
    reason = f"near copy by NeMo Curator's hashes: of {twin}, in a group of {size} rows"
    return "reject", reason, NEAR_DUPLICATE, canonical_text(evidence)
