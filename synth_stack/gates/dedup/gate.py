"""Near-duplicates: exact Jaccard over word n-grams decides, MinHash LSH proposes, and one row stays.

A row is compared with rows that stay, never with rejected ones, so there are no chains: a row far from
everything that stays, stays too, whatever lies between. Everything is decided before the first row is
judged; how a batch is cut into shards does not show.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.errors import ConfigError, GateError
from synth_stack.gates.dedup import lsh
from synth_stack.gates.dedup.batch import Decided, Rule, decide
from synth_stack.gates.dedup.canaries import plant_duplicates
from synth_stack.gates.dedup.index import NamedPack, open_earlier
from synth_stack.gates.dedup.signatures import Reading, open_tables
from synth_stack.gates.dedup.verdicts import state_verdicts
from synth_stack.gates.gate import Judge, Shards
from synth_stack.registry import gate
from synth_stack.text.words import TEXT_SCHEME

if TYPE_CHECKING:
    import polars as pl

_TOLD_BELOW = 0.05
"""How far below the threshold a similarity is still told. LSH tuned to 0.85 proposes 95% of pairs at 0.80,
and ever fewer below; and whatever is not told need not be computed."""


def redecide_dedup(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: "pl.DataFrame"
) -> "pl.DataFrame":
    """The verdicts under another threshold, from the stored similarities alone.

    Those were measured against the rows that stayed under the old threshold, of which a new judgement might
    keep others: an estimate, exact only where no row that changes is another's twin. Raises ConfigError for
    any other parameter, and for a threshold below the lowest similarity that is told.
    """
    import polars as pl

    for name in new:
        if name != "threshold" and new[name] != old[name]:
            raise ConfigError(
                f"dedup: {name} cannot change without judging the rows again",
                seen=new[name],
                allowed=str(old[name]),
            )
    threshold = float(new["threshold"])
    lowest = float(facts["scores_above"])
    if threshold < lowest:
        raise ConfigError(
            "dedup: similarities that low were not stored",
            seen=threshold,
            allowed=f"from {lowest:g} on",
            mend="Judge the rows again.",
        )
    goes = (pl.col("score") > threshold).fill_null(value=False)
    outcome = (
        pl.when(pl.col("outcome") == "abstain")
        .then("outcome")
        .when(~goes)
        .then(pl.lit("accept"))
        .when(pl.col("outcome") == "hold")
        .then("outcome")
        .otherwise(pl.lit("reject"))
    )
    return rows.with_columns(outcome=outcome, threshold=pl.lit(threshold))


@gate("dedup", version="2", redecide=redecide_dedup)
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
    against: list[NamedPack] = [],  # noqa: B006  (never changed; pydantic copies it)
) -> Judge:
    """A judge that rejects a row whose Jaccard similarity to a row that stays is above `threshold`.

    Exactly at the threshold a row is accepted. The score is the highest similarity to a row that stays, of
    those that LSH proposed, and 0.0 where none comes within 0.05 of the threshold. Evidence of a reject: the
    twin's row_id (and its pack), the similarity, and the longest run of words that both share (`span`, with
    its character offsets in the row's own field). A row with nothing to read is abstained on.

    Defaults: word 3-grams, which every edited word changes three of; 0.85, above which two texts of support
    length differ by a name or a number only. `keep` "first" keeps the earlier row; "best" the one with the
    higher number in `score_column` of its `extra`, and among equals and rows without one an arbitrary one,
    the same in whatever order they come. The rows that fall to one twin are held instead, if they are more
    than `max_cluster_share` of their slice (0.3: more than a generator repeats itself by accident) and at
    least `max_cluster_min_rows`. `against` names earlier packs, whose rows all stay.

    Raises ConfigError for a `score_column` without `keep: best` or the other way round, and for an index
    made otherwise; InputError for a pack that cannot be read.
    """
    if (keep == "best") != (score_column is not None):
        raise ConfigError("dedup: keep: best and score_column belong together", seen=f"keep: {keep}")
    bands, rows = lsh.choose_bands(threshold)
    reading = Reading(field, ngram, bands, rows, seed, score_column)
    floor = max(threshold - _TOLD_BELOW, 0.0)
    rule = Rule(threshold, floor, max_cluster_share, max_cluster_min_rows)
    earlier = [open_earlier(pack, replace(reading, score_column=None)) for pack in against]
    decided: list[Decided] = []

    def prepare(shards: Shards) -> None:
        sources = [*[source for source, _ in earlier], open_tables(shards, reading)]
        decided[:] = [decide(sources, bands, rule)]

    def judge(table: pa.Table) -> pa.Table:
        if not decided:
            raise GateError("dedup was asked for verdicts before it saw the batch")
        return state_verdicts(decided[0], table, reading, rule)

    facts = {
        "bands": bands,
        "rows": rows,
        "text": TEXT_SCHEME,
        "keys": lsh.SCHEME,
        "reject_when": "score > threshold",
        "scores_above": round(floor, 6),
        "against": [named for _, named in earlier],
    }
    return Judge(
        judge=judge,
        facts=facts,
        prepare=prepare,
        plant=lambda sample, n, number: plant_duplicates(sample, n, number, reading, threshold),
        min_recall=0.95,
    )
