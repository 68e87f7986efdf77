"""Self-Instruct's novelty filter: an instruction is new when its ROUGE-L with every one of the pool is low.

Wang et al. 2023 (arXiv:2212.10560), section 2.3 and the code that they published. The pool is the seeds, and
every row that was new when its turn came, in the order of the rows. Everything is decided before the first
row is judged; how a batch is cut into shards does not show.
"""

from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from synth_stack.errors import GateError
from synth_stack.gates.gate import Judge, Shards
from synth_stack.gates.novelty import rouge_l as rouge
from synth_stack.gates.novelty.batch import Decided, decide_novelty, read_batch
from synth_stack.gates.novelty.canaries import plant_repeats
from synth_stack.gates.novelty.verdicts import state_novelty
from synth_stack.inputs.recipe import SeedColumns
from synth_stack.inputs.seeds import SEED_SCHEMA, load_seeds
from synth_stack.registry import gate
from synth_stack.rows.canonical import digest_json
from synth_stack.text.words import TEXT_SCHEME


@gate("novelty", version="1")
def novelty(
    *,
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.7,
    pool: SeedColumns | None = None,
) -> Judge:
    """A judge that rejects a row whose instruction has a ROUGE-L of `threshold` or more with one of the pool.

    The instruction is the user's first message. 0.7 is the paper's: there a new one is added "only when its
    ROUGE-L similarity with any existing instruction is less than 0.7". `pool` is a file of texts that the
    pool starts with, read as the seeds of a recipe are. A row that was evolved in depth is near its seed on
    purpose, and is not compared with that one.

    The score is the highest ROUGE-L. Evidence of a reject: the nearest, by its row_id or the id of its seed,
    and the beginning of its text. Abstains on a row with a failure, without a user's message, or without a
    letter or digit in it. Raises InputError for a pool that cannot be read.
    """
    seeds = SEED_SCHEMA.empty_table() if pool is None else load_seeds(pool)
    decided: list[Decided] = []

    def prepare(shards: Shards) -> None:
        decided[:] = [decide_novelty(seeds, read_batch(shards, seeds), shards, threshold)]

    def judge(table: pa.Table) -> pa.Table:
        if not decided:
            raise GateError("novelty was asked for verdicts before it saw the batch")
        return state_novelty(decided[0], table, threshold)

    facts: dict[str, Any] = {
        "rouge_l": rouge.SCHEME,
        "text": TEXT_SCHEME,
        "reject_when": "score >= threshold",
        "pool": pool and {"texts": len(seeds), "sha256": digest_json(seeds.to_pylist())},
    }
    return Judge(
        judge=judge,
        facts=facts,
        prepare=prepare,
        plant=lambda sample, n, seed: plant_repeats(sample, n, seed, threshold),
        # A copy with a word changed may be new where the row that it was made from was rejected by a hair.
        min_recall=0.8,
    )
