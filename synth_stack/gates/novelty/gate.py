"""Self-Instruct's novelty filter: an instruction is new when its ROUGE-L with every one of the pool is low.

Wang et al. 2023 (arXiv:2212.10560), section 2.3 and the code that they published. The pool is the seeds, and
every row that was new when its turn came, in the order of the rows. One pass over the batch decides
everything before the first row is judged; how a batch is cut into shards does not show.
"""

from functools import partial
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.novelty import rouge_l as rouge
from synth_stack.gates.novelty.canaries import EXCHANGED, make_new_instructions, plant_repeats
from synth_stack.gates.novelty.outcome import NoveltyOutcome, decide_novelty, sketch_instructions
from synth_stack.gates.novelty.verdicts import NOT_NEW, write_verdicts
from synth_stack.inputs.recipe import SeedColumns
from synth_stack.inputs.seeds import SEED_SCHEMA, load_seeds
from synth_stack.registry import gate
from synth_stack.rows.canonical import digest_json
from synth_stack.text.words import TEXT_SCHEME


@gate("novelty", version="3", reads=("content",), harm="spread")
def novelty(
    *,
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.7,
    pool: SeedColumns | None = None,
) -> Judge:
    """A judge that rejects a row whose instruction has a ROUGE-L of `threshold` or more with one of the pool.

    The instruction is the user's first message; of an instance of a task (`extra.task`) it is the task
    without its input, and all instances of one task get the verdict of the first. 0.7 is the paper's: there a
    new one is added "only when its ROUGE-L similarity with any existing instruction is less than 0.7". `pool`
    is a file of texts that the pool starts with, read as the seeds of a recipe are. A row that was evolved in
    depth is near its seed on purpose, and is not compared with that one.

    The score is the highest ROUGE-L. Evidence of a reject: the nearest, by its row_id or the id of its seed,
    and the beginning of its text. Abstains on a row with a failure, without a user's message, or without a
    letter or digit in it. Raises InputError for a pool that cannot be read.
    """
    seeds = SEED_SCHEMA.empty_table() if pool is None else load_seeds(pool)
    numbers = {name: number for number, name in enumerate(seeds["seed_id"].to_pylist())}
    facts: dict[str, Any] = {
        "rouge_l": rouge.SCHEME,
        "text": TEXT_SCHEME,
        "pool": pool and {"texts": len(seeds), "sha256": digest_json(seeds.to_pylist())},
    }
    return Judge(
        judge=partial(_judge, threshold=threshold),
        facts=facts,
        rounds=(
            Round(
                partial(sketch_instructions, numbers=numbers),
                partial(decide_novelty, seeds=seeds, threshold=threshold),
            ),
        ),
        plant=plant_repeats,
        control=make_new_instructions,
        # A copy with a word changed may be new where the row that it was made from was narrowly rejected.
        bars={EXCHANGED: 0.8},
        dials=(Dial(threshold, ">=", (NOT_NEW,), parameter="threshold"),),
    )


def _judge(table: pa.Table, state: State, *, threshold: float) -> pa.Table:
    return write_verdicts(NoveltyOutcome.from_state(state), table, threshold)
