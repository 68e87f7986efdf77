from pathlib import Path

import pyarrow as pa
import pytest

from synth_stack.engines.canaries import write_canaries
from synth_stack.errors import GateError
from synth_stack.gates.canaries import build_canary, plant_defects
from synth_stack.rows.schemas import build_candidates, build_verdicts
from synth_stack.runs.canary_recall import MAX_KIND_CHARS, KindCount, count_canaries, read_canaries
from tests.some_rows import make_texts


def keep(folder: Path, rows: pa.Table) -> pa.Table:
    """What stands in the run folder of canaries that a gate rejected."""
    verdicts = build_verdicts(rows["row_id"], "quiet", ["reject"] * len(rows))
    write_canaries(folder, "quiet", rows, verdicts)
    return read_canaries(folder, "quiet")


def make(**extra: str) -> pa.Table:
    """One canary with this `extra` in place of its own."""
    row = build_canary("foreign", [{"role": "text", "content": "x"}], "it shouts", 0)
    return build_candidates([{**row, **extra}])


def test_the_kind_of_a_defect_is_what_it_says_in_snake_case(tmp_path: Path) -> None:
    rows = plant_defects(make_texts(["Hello"]), 3, [("It shouts: LOUD", str.upper), ("it is low", str.lower)])
    kept = keep(tmp_path, rows)
    assert kept["canary"].to_pylist() == ["It shouts: LOUD", "it is low", "It shouts: LOUD"]
    assert count_canaries(kept) == (KindCount("it_is_low", 1, 1), KindCount("it_shouts_loud", 2, 2))


def test_a_canary_is_counted_with_its_kind_and_keeps_its_words(tmp_path: Path) -> None:
    message = [{"role": "text", "content": "x"}]
    rows = build_candidates(
        build_canary("foreign", message, f"copy: of row {k}", k, kind="copy") for k in range(3)
    )
    kept = keep(tmp_path, rows)
    assert kept["canary"].to_pylist() == [f"copy: of row {k}" for k in range(3)]
    assert count_canaries(kept) == (KindCount("copy", 3, 3),)


def test_without_a_kind_all_the_words_are_it_up_to_a_length(tmp_path: Path) -> None:
    kept = keep(tmp_path, make(extra='{"canary":"copy: of ' + "x" * 500 + '"}'))
    assert kept["canary_kind"].to_pylist() == ["copy: of " + "x" * (MAX_KIND_CHARS - 9)]


@pytest.mark.parametrize("extra", ["{}", "[]", "nonsense", '{"kind":"x"}'])
def test_a_canary_that_does_not_say_what_is_wrong_with_it_is_refused(tmp_path: Path, extra: str) -> None:
    with pytest.raises(GateError, match="gate quiet planted a row whose extra does not say what is wrong"):
        keep(tmp_path, make(extra=extra))


def test_a_gate_that_planted_nothing_has_no_canaries(tmp_path: Path) -> None:
    assert len(read_canaries(tmp_path, "quiet")) == 0
