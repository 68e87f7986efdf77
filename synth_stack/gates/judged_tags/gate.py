"""Magpie's filters: rows are kept by what models have said of them when they were made.

Xu et al. 2024 (arXiv:2406.08464), section 3.2, and the filter that they published (data_sft/data_filter).
The tags stand in `extra.tags`; no model is asked here. The filter's last part, the distance to the nearest
neighbour, is the gate for near meanings.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Judge, State
from synth_stack.gates.judged_tags.canaries import plant_bad_tags, plant_good_tags
from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.registry import gate
from synth_stack.rows.answers import read_answers
from synth_stack.rows.canonical import canonical_text
from synth_stack.text.fields import read_messages

Quality = Literal["very poor", "poor", "average", "good", "excellent"]
Difficulty = Literal["very easy", "easy", "medium", "hard", "very hard"]

_GOOD: list[Quality] = ["good", "excellent"]


@gate("judged_tags", version="1", reads=("content", "extra"), harm="truth")
def judged_tags(
    *,
    quality: Annotated[list[Quality], Field(min_length=1)] | None = _GOOD,
    difficulty: Annotated[list[Difficulty], Field(min_length=1)] | None = None,
    categories: Annotated[list[str], Field(min_length=1)] | None = None,
    safe: bool = True,
    min_reward: Annotated[float, Field(allow_inf_nan=False)] | None = None,
    open_ends: bool = True,
) -> Judge:
    """A judge that rejects rows whose tags are not among those that are wanted; null wants nothing.

    The published filter keeps a `quality` of good and excellent, a reward above -10 on the scale of its own
    reward model, and instructions that do not end in a colon (`open_ends`). `safe` rejects what is tagged
    unsafe. A row without a tag that is wanted is abstained on, and the reason names what is missing, unless
    another tag rejects it. The score is the reward.
    """
    wanted: dict[str, Sequence[str]] = {
        name: values
        for name, values in (("quality", quality), ("difficulty", difficulty), ("category", categories))
        if values is not None
    }
    if safe:
        wanted["safety"] = ["safe"]

    def judge(table: pa.Table, _: State) -> pa.Table:
        import polars as pl

        spoken = read_messages(table).filter(pl.col("role") == "user").unique("row", keep="first")
        asked = dict(spoken.select("row", "content").iter_rows())
        said = [
            _judge_row(extra.get("tags"), asked.get(row) or "", wanted, min_reward, open_ends=open_ends)
            for row, _, _, extra in read_answers(table)
        ]
        return write_row_verdicts(table, "judged_tags", said, threshold=min_reward)

    kinds = [*wanted, *(["reward"] if min_reward is not None else []), *(["open_end"] if open_ends else [])]
    good = {name: values[0] for name, values in wanted.items()}
    return Judge(
        judge=judge,
        plant=lambda sample, n, _: plant_bad_tags(sample, n, good, min_reward, kinds),
        control=lambda sample, n, _: plant_good_tags(sample, n, good, min_reward),
        min_recall=1.0,
    )


def _judge_row(
    tags: Any, asked: str, wanted: Mapping[str, Sequence[str]], min_reward: float | None, *, open_ends: bool
) -> RowVerdict:
    held: Mapping[str, Any] = tags if isinstance(tags, dict) else {}
    if open_ends and asked.rstrip().endswith(":"):
        return RowVerdict("reject", None, "the instruction ends in a colon", "judged_tags.open_end")
    reward = _read_number(held.get("reward"))
    for name, values in wanted.items():
        value = held.get(name)
        if isinstance(value, str) and value not in values:
            evidence = canonical_text({"tag": name, "value": value[:80]})
            return RowVerdict("reject", reward, f"{name}: {value[:80]}", f"judged_tags.{name}", evidence)
    if min_reward is not None and reward is not None and reward <= min_reward:
        return RowVerdict("reject", reward, f"reward: {reward:g}", "judged_tags.reward")
    missing = [name for name in wanted if not isinstance(held.get(name), str)]
    if min_reward is not None and reward is None:
        missing.append("reward")
    if missing:
        reason = f"no tag {', '.join(missing)}: no model was named for it, or it gave none"
        return RowVerdict("abstain", reward, reason, "judged_tags.no_tag")
    return RowVerdict("accept", reward)


def _read_number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None
