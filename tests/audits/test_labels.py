"""Labels of verdicts, and rates that are corrected by them."""

import json
from pathlib import Path

import numpy as np
import pytest

from synth_stack.audits.labels import add_up, correct_rate, read_labels
from synth_stack.errors import InputError


def write(path: Path, *labels: dict[str, str]) -> Path:
    path.write_text("".join(f"{json.dumps(label)}\n" for label in labels), encoding="utf-8")
    return path


def test_verdicts_are_counted_by_gate_and_a_second_reader_counts_once(tmp_path: Path) -> None:
    found = read_labels(
        write(
            tmp_path / "labels.jsonl",
            {"gate": "g", "outcome": "reject", "verdict": "right", "digest": "a"},
            {"gate": "g", "outcome": "reject", "verdict": "wrong", "digest": "a"},
            {"gate": "g", "outcome": "hold", "verdict": "wrong", "digest": "b"},
            {"gate": "none", "outcome": "accept", "verdict": "right"},
        )
    )
    assert found == {"*": {"accept": [1, 1]}, "g": {"away": [1, 2]}}
    assert add_up(found) == (1, 2, 1, 1)


@pytest.mark.parametrize(
    "label",
    [
        {"gate": "g", "outcome": "perhaps", "verdict": "right"},
        {"gate": "g", "outcome": "reject", "verdict": "maybe"},
        {"gate": "g", "verdict": "right"},
    ],
)
def test_what_is_no_label_is_refused(tmp_path: Path, label: dict[str, str]) -> None:
    with pytest.raises(InputError):
        read_labels(write(tmp_path / "labels.jsonl", label))


def test_nothing_is_corrected_without_labels_of_both_kinds() -> None:
    assert correct_rate(3, 100, (5, 6, 0, 0), whole=True) is None
    assert correct_rate(3, 0, (5, 6, 7, 7), whole=True) is None


@pytest.mark.parametrize("whole", [True, False])
def test_the_corrected_interval_covers_the_true_rate_as_often_as_it_says(*, whole: bool) -> None:
    draw = np.random.default_rng(7)
    precision, missed, seen_share, covered, times = 0.85, 0.01, 0.06, 0, 300
    for _ in range(times):
        rows = 100_000 if whole else 800
        seen = round(seen_share * rows) if whole else int(draw.binomial(rows, seen_share))
        counts = (int(draw.binomial(60, precision)), 60, int(draw.binomial(200, 1 - missed)), 200)
        found = correct_rate(seen, rows, counts, whole=whole)
        assert found is not None
        truth = seen_share * precision + (1 - seen_share) * missed
        covered += found.low <= truth <= found.high
    assert covered / times >= 0.95
