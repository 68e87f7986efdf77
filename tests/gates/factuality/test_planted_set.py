"""The figures of benchmarks/grounding.py on the half of its sources that no rule was fitted on."""

import importlib
from collections import Counter

import pytest

grounding = importlib.import_module(
    "benchmarks.grounding"
)  # a folder of its name, with the pairs, lies beside it


@pytest.mark.slow
def test_the_judging_half_of_the_planted_set_reaches_every_target() -> None:
    pairs = list(grounding.plant("judge", dict(grounding.FOLDERS)))
    said = [
        (pair.kind, verdict["outcome"]) for pair, verdict in grounding.judge_pairs(pairs, grounding.FOLDERS)
    ]
    counts = Counter(kind for kind, _ in said)
    rejected = Counter(kind for kind, outcome in said if outcome == "reject")
    for kind, target in grounding.TARGETS.items():
        assert rejected[kind] >= target * counts[kind], kind
    for kind in grounding.TRUE_KINDS:
        assert rejected[kind] <= grounding.MAX_WRONGED * counts[kind], kind
    right = sum(rejected[kind] for kind in grounding.CONTRADICTED)
    assert right >= grounding.MIN_PRECISION * rejected.total()
    assert len(pairs) >= 300


def test_the_planted_set_is_the_same_every_time_and_parted_by_source() -> None:
    folders = {"protocols": grounding.FOLDERS["protocols"]}
    one, other = (list(grounding.plant("judge", folders)) for _ in range(2))
    assert one == other
    files = {
        half: {
            pair.source.partition("#")[0]
            for pair in grounding.plant(half, folders)
            if pair.corpus == "protocols" and pair.source
        }
        for half in grounding.HALVES
    }
    assert files["judge"]
    assert files["judge"].isdisjoint(files["develop"])
