"""Stages of a NeMo configuration as parameters of the gate: its ScoreFilter, with one filter or more."""

from collections.abc import Mapping, Sequence
from typing import Any

from synth_stack.errors import ConfigError

_SCORE_FILTER = ("nemo_curator.stages.text.filters.", ".ScoreFilter")


def read_stages(stages: Sequence[Mapping[str, Any]]) -> tuple[int, dict[str, Any]]:
    """How many of the first stages are NeMo's ScoreFilter, and the gate's parameters that do the same; 0 and
    none where the first one is another.

    Raises ConfigError for a filter that is inverted, or is no class with parameters.
    """
    filters: list[dict[str, Any]] = []
    taken = 0
    for stage in stages:
        target = str(stage.get("_target_"))
        if not (target.startswith(_SCORE_FILTER[0]) and f".{target}".endswith(_SCORE_FILTER[1])):
            break
        _require_plain(stage)
        found = stage.get("filter_obj")
        filters += [_read_filter(one) for one in (found if isinstance(found, list) else [found])]
        taken += 1
    return taken, {"filters": filters} if filters else {}


def _require_plain(stage: Mapping[str, Any]) -> None:
    inverted = stage.get("invert")
    if inverted not in {None, False} and inverted != [False] * len(
        inverted if isinstance(inverted, list) else ""
    ):
        raise ConfigError(
            "a NeMo filter that is inverted is no gate: it would keep what it is made to find",
            seen="invert: true",
            mend="Run it in NeMo's own pipeline, or leave invert out.",
        )


def _read_filter(found: Any) -> dict[str, Any]:
    if not isinstance(found, Mapping) or not isinstance(found.get("_target_"), str):
        raise ConfigError("a ScoreFilter needs a filter_obj with a _target_", seen=repr(found)[:80])
    params = {
        key: value for key, value in found.items() if key not in {"_target_", "_convert_", "_recursive_"}
    }
    return {"use": found["_target_"].rpartition(".")[2], **params}
