import pyarrow as pa

from synth_stack.report import slice_balance
from synth_stack.report.slice_balance import tell_balance
from synth_stack.runs.locks import BalanceLock

LOCK = BalanceLock.model_validate(
    {
        "sha256": "0" * 64,
        "goal": 12,
        "slices": [
            {"slice": "tram", "before": 0, "deficit": "10.750000", "rows": 3},
            {"slice": "car", "before": 12, "deficit": "0.000000", "rows": 0},
        ],
        "unseeded": {"cart": 4},
    }
)
ROWS = pa.table({"row_id": ["a", "b", "c", "d"], "slice": ["tram", "tram", "tram", None]})
DECISIONS = pa.table(
    {"row_id": ["a", "b", "c", "d"], "decision": ["accepted", "rejected", "accepted", "held"]}
)


def test_each_slice_has_what_the_set_had_and_what_was_accepted() -> None:
    told = tell_balance(LOCK, [ROWS], DECISIONS)
    assert told is not None
    lines = [tuple(line.values()) for line in told["slices"]]
    assert lines == [("tram", 0, 3, 2, 2), ("car", 12, 0, 0, 12), ("cart", 4, 0, 0, 4)]
    assert (told["goal"], told["largest"], told["left_out"]) == (12, 12, 0)


def test_a_run_that_balanced_nothing_has_none() -> None:
    assert tell_balance(None, [ROWS], DECISIONS) is None


def test_slices_beyond_the_table_are_counted() -> None:
    many = LOCK.model_copy(update={"unseeded": {f"s{n}": n for n in range(slice_balance.MAX_SLICES)}})
    told = tell_balance(many, [], DECISIONS)
    assert told is not None
    assert (len(told["slices"]), told["left_out"]) == (slice_balance.MAX_SLICES, 2)
