"""Length bias: pairs of which the chosen side is the longer one too often, in the batch or in a slice.

Judges like long answers, and a model that is trained on their pairs learns to write at length (Singhal et al.
2023, arXiv:2310.03716; Park et al. 2024, arXiv:2403.19159).
"""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.length_bias.canaries import MIN_PLANTED, plant_even, plant_longer
from synth_stack.gates.length_bias.pairs import BATCH, GROUPS, STEPS, count_groups, read_pairs, sketch_pairs
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts
from synth_stack.stats.intervals import wilson

if TYPE_CHECKING:
    import polars as pl

MAX_LONGER = 0.64
"""A medium effect: of two normal distributions half a standard deviation apart a value of the one is above
one of the other with probability .638 (McGraw & Wong 1992, table 1: the common language effect size)."""

MIN_PAIRS = 50
"""With fewer the interval is wider than .26: nothing between chance and three in four could be told apart."""

LONGER = "length_bias.chosen_longer"


@gate("length_bias", version="1", reads=("alternatives",))
def length_bias(
    *,
    max_longer: Annotated[float, Field(ge=0.5, le=0.8)] = MAX_LONGER,
    min_pairs: Annotated[int, Field(ge=20)] = MIN_PAIRS,
) -> Judge:
    """A judge that holds pairs of a batch or slice whose chosen side is the longer one in too many of them.

    Of the pairs of a group whose sides differ in length (characters), the share whose chosen side is longer
    is the effect size: the probability that it is. A group is biased when the lower end of the share's 95%
    Wilson interval is above `max_longer`. Of a biased group those pairs are held whose chosen side is the
    most times as long as the other, as many as bring the share of the rest down to `max_longer`.

    The score of a pair whose chosen side is longer is the lower end of its group's interval, or, where that
    is less, the share among those pairs of the group that are no further apart than it; of batch and slice
    the higher. Above `max_longer` the pair is held. Evidence: the group, its pairs, share and interval, how
    many times as long chosen sides are (geometric mean), and how many times in this pair.

    It abstains on rows without two sides, and on groups with fewer than `min_pairs`.
    """
    return Judge(
        judge=partial(_judge, max_longer=max_longer, min_pairs=min_pairs),
        rounds=(Round(sketch_pairs, count_groups),),
        plant=plant_longer,
        control=plant_even,
        dials=(Dial(max_longer, ">", (LONGER,), parameter="max_longer", outcome="hold"),),
    )


def _judge(table: pa.Table, state: State, *, max_longer: float, min_pairs: int) -> pa.Table:
    import polars as pl

    pairs = read_pairs(table)
    groups = _measure_groups(pl.DataFrame(state[GROUPS]), min_pairs)
    own = pairs.join(groups, on=["slice", "planted", "step"], how="left", maintain_order="left")
    whole = pairs.with_columns(slice=pl.lit(BATCH)).join(
        groups, on=["slice", "planted", "step"], how="left", maintain_order="left"
    )
    verdicts: list[_Said] = [("abstain", None, "no two sides to compare", "length_bias.no_pair", None)] * len(
        table
    )
    for pair, *found in zip(
        pairs.iter_rows(named=True), own.iter_rows(named=True), whole.iter_rows(named=True), strict=True
    ):
        verdicts[pair["row"]] = _say(pair, found, max_longer)
    outcomes, scores, reasons, classes, evidence = zip(*verdicts, strict=True) if verdicts else [()] * 5
    return build_verdicts(
        table["row_id"],
        "length_bias",
        outcomes,
        scores=scores,
        threshold=max_longer,
        reasons=reasons,
        reason_classes=classes,
        evidence=evidence,
    )


_Said = tuple[str, float | None, str | None, str | None, str | None]


def _measure_groups(counts: "pl.DataFrame", min_pairs: int) -> "pl.DataFrame":
    """Of each group and ratio in it what is said of a pair there, but for groups of under `min_pairs`.

    `rest`: the share of the longer among pairs that are no further apart.
    """
    import polars as pl

    group = ["slice", "planted"]
    differing = counts.filter(pl.col("step") != 0).sort(*group, "step")
    longer = pl.when(pl.col("step") > 0).then(pl.col("pairs")).otherwise(0)
    measured = differing.with_columns(
        all=pl.col("pairs").sum().over(group),
        longer=longer.sum().over(group),
        within=pl.col("pairs").cum_sum().over(group),
        longer_within=longer.cum_sum().over(group),
        mean_step=(pl.col("step") * pl.col("pairs")).sum().over(group) / pl.col("pairs").sum().over(group),
    )
    least = pl.when(pl.col("planted")).then(MIN_PLANTED).otherwise(min_pairs)
    measured = measured.filter(pl.col("all") >= least)
    ends = [wilson(won, n) for won, n in measured.select("longer", "all").iter_rows()]
    return measured.with_columns(
        low=pl.Series([low for low, _ in ends], dtype=pl.Float64),
        high=pl.Series([high for _, high in ends], dtype=pl.Float64),
        rest=pl.col("longer_within") / pl.col("within"),
    ).drop("pairs")


def _say(pair: dict[str, Any], found: list[dict[str, Any]], max_longer: float) -> _Said:
    """What is said of one pair; `found` are the measures of its slice and of the batch, if any."""
    known = [group for group in found if group["low"] is not None]
    if pair["step"] == 0:
        return "accept", None, None, None, None
    if not known:
        return "abstain", None, "too few pairs to tell", "length_bias.too_few", None
    if pair["step"] < 0:
        return "accept", None, None, None, None
    worst = max(known, key=lambda group: min(group["low"], group["rest"]))
    score = min(worst["low"], worst["rest"])
    if score <= max_longer:
        return "accept", score, None, None, None
    share = worst["longer"] / worst["all"]
    name = f"slice {worst['slice']}" if worst["slice"] else "the batch"
    evidence = {
        "group": worst["slice"] or None,
        "pairs": worst["all"],
        "longer": worst["longer"],
        "share": f"{share:.3f}",
        "interval": [f"{worst['low']:.3f}", f"{worst['high']:.3f}"],
        "times_as_long": f"{2 ** (worst['mean_step'] / STEPS):.2f}",
        "times_as_long_here": f"{pair['chosen'] / max(pair['rejected'], 1):.2f}",
    }
    reason = (
        f"length bias: in {worst['longer']} of {worst['all']} pairs of {name} the chosen side is the longer"
        f" one ({share:.2f}, at least {worst['low']:.2f}; allowed {max_longer:g})"
    )
    return "hold", score, reason, LONGER, canonical_text(evidence)
