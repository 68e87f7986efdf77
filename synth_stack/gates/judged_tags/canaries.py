"""Canaries of tags, each with one that is not wanted, and controls with all that are."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.fields import read_texts

_ASKED, _SAID = "Name a river of France.", "The Loire is one."
_ABOVE = 1.0
_UNWANTED = "none that is wanted"


def plant_bad_tags(
    sample: pa.Table, n: int, good: Mapping[str, str], min_reward: float | None, kinds: Sequence[str]
) -> pa.Table:
    """`n` canaries of each kind; none where no row of the sample has tags."""
    if not _has_tags(sample):
        return build_candidates([])
    return build_candidates(_make_bad(kind, k, good, min_reward) for kind in kinds for k in range(n))


def plant_good_tags(sample: pa.Table, n: int, good: Mapping[str, str], min_reward: float | None) -> pa.Table:
    """`n` controls; none where no row of the sample has tags."""
    if not _has_tags(sample):
        return build_candidates([])
    rows = (
        build_control("instruction", _talk(_ASKED), "all tags are wanted ones", k, kind="wanted")
        for k in range(n)
    )
    return build_candidates(_tag(row, {**good, **_reward(min_reward, above=True)}) for row in rows)


def _make_bad(kind: str, draw: int, good: Mapping[str, str], min_reward: float | None) -> dict[str, Any]:
    asked = f"{_ASKED[:-1]}:" if kind == "open_end" else _ASKED
    row = build_canary("instruction", _talk(asked), f"its {kind} is not wanted", draw, kind=kind)
    tags = {**good, **_reward(min_reward, above=kind != "reward")}
    return _tag(row, {**tags, kind: _UNWANTED} if kind in good else tags)


def _reward(min_reward: float | None, *, above: bool) -> dict[str, str]:
    if min_reward is None:
        return {}
    return {"reward": repr(min_reward + (_ABOVE if above else 0.0))}


def _has_tags(sample: pa.Table) -> bool:
    return bool(read_texts(sample.column("extra")).str.contains('"tags":', literal=True).any())


def _talk(asked: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": _SAID}]


def _tag(row: dict[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    return row | {"extra": canonical_text({**json.loads(row["extra"]), "tags": dict(tags)})}
