from pathlib import Path

import pyarrow as pa
import pytest

from synth_stack.engines.self_tests import write_planted
from synth_stack.errors import GateError
from synth_stack.gates.canaries import build_canary, plant_defects
from synth_stack.gates.gate import Judge
from synth_stack.rows.schemas import build_candidates, build_verdicts
from synth_stack.runs.self_tests import MAX_KIND_CHARS, KindCount, count_planted, read_planted
from tests.some_rows import make_preference_row, make_texts, make_tool_row


def keep(folder: Path, rows: pa.Table) -> pa.Table:
    """What stands in the run folder of canaries that a gate rejected."""
    verdicts = build_verdicts(rows["row_id"], "quiet", ["reject"] * len(rows))
    write_planted(folder, "quiet", rows, verdicts, Judge(lambda table, _: table))
    return read_planted(folder, "quiet")


def make(**extra: str) -> pa.Table:
    """One canary with this `extra` in place of its own."""
    row = build_canary("foreign", [{"role": "text", "content": "x"}], "it shouts", 0)
    return build_candidates([{**row, **extra}])


def test_the_kind_of_a_defect_is_what_it_says_in_snake_case(tmp_path: Path) -> None:
    rows = plant_defects(make_texts(["Hello"]), 3, [("It shouts: LOUD", str.upper), ("it is low", str.lower)])
    kept = keep(tmp_path, rows)
    assert kept["canary"].to_pylist() == ["It shouts: LOUD", "it is low"] * 3
    assert count_planted(kept) == (KindCount("it_is_low", 3, 3), KindCount("it_shouts_loud", 3, 3))


def test_a_canary_is_counted_with_its_kind_and_keeps_its_words(tmp_path: Path) -> None:
    message = [{"role": "text", "content": "x"}]
    rows = build_candidates(
        build_canary("foreign", message, f"copy: of row {k}", k, kind="copy") for k in range(3)
    )
    kept = keep(tmp_path, rows)
    assert kept["canary"].to_pylist() == [f"copy: of row {k}" for k in range(3)]
    assert count_planted(kept) == (KindCount("copy", 3, 3),)


def test_a_spoilt_row_keeps_its_calls_and_each_of_its_alternatives_is_spoilt() -> None:
    sample = build_candidates([make_preference_row(), make_tool_row()])
    preference, tool = plant_defects(sample, 2, [("it shouts", str.upper)]).to_pylist()
    assert preference["messages"] == sample["messages"][0].as_py()
    said = [side["messages"][-1]["content"] for side in preference["alternatives"]]
    assert [text.isupper() for text in said] == [True, True]
    assert tool["tools"] == sample["tools"][1].as_py()
    assert [m["tool_calls"] for m in tool["messages"]] == [
        m["tool_calls"] for m in sample["messages"][1].as_py()
    ]


def test_without_a_kind_all_the_words_are_it_up_to_a_length(tmp_path: Path) -> None:
    kept = keep(tmp_path, make(extra='{"canary":"copy: of ' + "x" * 500 + '"}'))
    assert kept["canary_kind"].to_pylist() == ["copy: of " + "x" * (MAX_KIND_CHARS - 9)]


@pytest.mark.parametrize("extra", ["{}", "[]", "nonsense", '{"kind":"x"}'])
def test_a_canary_that_does_not_say_what_is_wrong_with_it_is_refused(tmp_path: Path, extra: str) -> None:
    with pytest.raises(GateError, match="gate quiet planted a row whose extra does not say what is wrong"):
        keep(tmp_path, make(extra=extra))


def test_a_gate_that_planted_nothing_has_no_canaries(tmp_path: Path) -> None:
    assert len(read_planted(tmp_path, "quiet")) == 0
