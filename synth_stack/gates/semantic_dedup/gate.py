"""The same thing said in other words: cosine of sentence embeddings, each row against the kept rows.

Off by default: it is in no standard gate file. What counts as the same thing said twice depends on the data
far more than with words, and every row has to be embedded.

Rows are split into clusters of about a thousand by spherical k-means, and compared within their cluster
(SemDeDup, Abbas et al. 2023, section 3), so time and memory grow with the rows and not with their square. A
pair that the border between two clusters separates is missed.
"""

from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.semantic_dedup.canaries import COPY, WORD_LESS, mix_rows, plant_copies
from synth_stack.gates.semantic_dedup.clusters import find_centres
from synth_stack.gates.semantic_dedup.nemo_clusters import NAME as NEMO
from synth_stack.gates.semantic_dedup.nemo_clusters import find_centres_on_gpus
from synth_stack.gates.semantic_dedup.outcome import (
    FindCentres,
    SemanticOutcome,
    find_twins,
    sketch_vectors,
)
from synth_stack.gates.semantic_dedup.verdicts import name_near_duplicate, write_verdicts
from synth_stack.models.embedders import Embedder, load_embedder
from synth_stack.models.rapids import find_python, read_versions
from synth_stack.registry import gate
from synth_stack.text.words import TEXT_SCHEME

NAME = "semantic_dedup"

TextField = Literal["text", "prompt", "answer"]


@gate(NAME, version="2", reads=("content",), harm="spread")
def semantic_dedup(
    *,
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.9,
    model: Literal["wordllama", "minilm"] = "wordllama",
    field: Literal["text", "prompt", "answer"] = "prompt",
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42,
) -> Judge:
    """A judge that rejects a row whose cosine to an earlier, kept row is above `threshold`.

    Exactly at the threshold a row is accepted. The score is the highest cosine to a kept row of the same
    cluster. Evidence of a reject: the twin's row_id and the cosine. A row with nothing to read, or nothing
    that the model has a token for, is abstained on.

    Defaults: `prompt`, because two answers to one question are no duplicates; 0.9, which
    benchmarks/semantic_dedup.py weighs on public corpora; wordllama, many times faster than minilm. `seed`
    draws the first centres of the clusters. Raises MissingExtra and ModelError as load_embedder does.
    """
    return _build(NAME, threshold, load_embedder(model), field, partial(find_centres, seed=seed))


@gate(NEMO, version="1", reads=("content",), harm="spread")
def nemo_semantic_dedup(
    *,
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.9,
    model: Literal["wordllama", "minilm"] = "wordllama",
    field: Literal["text", "prompt", "answer"] = "prompt",
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42,
) -> Judge:
    """`semantic_dedup` with clusters that NeMo Curator's KMeansStage fits on GPUs, on every row.

    Parameters, verdicts and evidence are those of semantic_dedup. The centres are others, so the pairs that a
    border between two clusters separates are too, and the name says which were used. Fewer than 4,000 rows
    are one cluster, and no GPU is asked.

    Needs the Python of an environment with RAPIDS in SYNTH_STACK_RAPIDS and a GPU (docs/install.md). Raises
    ConfigError without, MissingExtra and ModelError as load_embedder does.
    """
    versions = read_versions(NEMO)
    centres = partial(find_centres_on_gpus, seed=seed, python=find_python(NEMO))
    judge = _build(NEMO, threshold, load_embedder(model), field, centres)
    return replace(judge, facts={**judge.facts, **versions})


def _build(name: str, threshold: float, embedder: Embedder, field: TextField, centres: FindCentres) -> Judge:
    """The judge of a gate of that name."""
    return Judge(
        judge=partial(_judge, threshold=threshold, name=name),
        facts={"model": embedder.name, "files": dict(embedder.facts), "text": TEXT_SCHEME},
        rounds=(
            Round(
                partial(sketch_vectors, embedder=embedder, field=field),
                partial(find_twins, threshold=threshold, find_centres=centres),
            ),
        ),
        plant=plant_copies,
        control=partial(mix_rows, embedder=embedder, field=field),
        # A word less moves short texts further than the rows of some batches lie apart.
        bars={COPY: 0.95, WORD_LESS: 0.5},
        dials=(Dial(threshold, ">", (name_near_duplicate(name),), parameter="threshold"),),
    )


def _judge(table: pa.Table, state: State, *, threshold: float, name: str) -> pa.Table:
    return write_verdicts(SemanticOutcome.from_state(state), table, threshold, name)
