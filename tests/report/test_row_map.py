"""The map of a batch: the same however the batch is cut, and bounded."""

import pyarrow as pa
import pytest

from synth_stack.errors import MissingExtra
from synth_stack.report import row_map
from synth_stack.report.row_map import MAPPED_ROWS, draw_map

TOPICS = (
    "the train leaves the station at noon",
    "boil the rice and salt the water",
    "the court fined the bank",
)


def make_batch(n: int) -> tuple[pa.Table, pa.Table]:
    ids = [f"{(k * 7919) % n:032x}" for k in range(n)]
    texts = [f"{TOPICS[k % 3]} {k % 7}" for k in range(n)]
    candidates = pa.table({"row_id": ids, "slice": [f"s{k % 3}" for k in range(n)], "text": texts})
    return candidates, pa.table({"row_id": ids, "decision": ["accepted"] * n})


def test_the_same_batch_has_the_same_map_however_it_is_cut() -> None:
    candidates, decisions = make_batch(300)
    whole = draw_map([candidates], decisions)

    assert whole == draw_map([candidates[:100], candidates[100:]], decisions)
    assert whole is not None
    assert 0 < whole["explained"] <= 1
    assert all(0 <= row[axis] <= 1 for row in whole["rows"] for axis in ("x", "y"))


def test_rows_of_one_topic_lie_together() -> None:
    found = draw_map(*([table] if k == 0 else table for k, table in enumerate(make_batch(90))))
    assert found is not None
    first = [row for row in found["rows"] if row["slice"] == "s0"]
    spread = max(row["x"] for row in first) - min(row["x"] for row in first)
    assert spread < 0.2


def test_a_large_batch_is_sampled() -> None:
    candidates, decisions = make_batch(3 * MAPPED_ROWS)
    found = draw_map([candidates], decisions)
    assert found is not None
    assert len(found["rows"]) == MAPPED_ROWS


@pytest.mark.parametrize("texts", [[], ["one"], ["", "", None, ""]])
def test_a_batch_of_nothing_has_none(texts: list[str | None]) -> None:
    ids = [f"{k:032x}" for k in range(len(texts))]
    table = pa.table(
        {
            "row_id": pa.array(ids, pa.string()),
            "slice": pa.nulls(len(ids), pa.string()),
            "text": pa.array(texts, pa.string()),
        }
    )
    decisions = pa.table(
        {"row_id": pa.array(ids, pa.string()), "decision": pa.array(["held"] * len(ids), pa.string())}
    )
    assert draw_map([table], decisions) is None
    assert draw_map([], decisions[:0]) is None


def test_equal_rows_lie_in_one_place() -> None:
    candidates, decisions = make_batch(6)
    same = candidates.set_column(2, "text", pa.array(["the same words"] * 6))
    found = draw_map([same], decisions)
    assert found is not None
    assert {(row["x"], row["y"]) for row in found["rows"]} == {(0.0, 0.0)}


def test_without_the_embedder_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise MissingExtra("no embedder", mend="pip install it")

    monkeypatch.setattr(row_map, "load_embedder", refuse)
    assert draw_map([make_batch(9)[0]], make_batch(9)[1]) is None


def test_a_centre_lies_among_the_rows_that_say_the_same_and_moves_none_of_them() -> None:
    candidates, decisions = make_batch(90)
    alone = draw_map([candidates], decisions)
    found = draw_map([candidates], decisions, [f"{TOPICS[0]} 3", "", "zebra " * 50])
    assert alone is not None
    assert found is not None
    assert found["rows"] == alone["rows"]
    xs = [row["x"] for row in found["rows"] if row["slice"] == "s0"]
    assert min(xs) - 0.05 <= found["centres"][0][0] <= max(xs) + 0.05
    assert len(found["centres"]) == 3
    assert all(0 <= place <= 1 for centre in found["centres"] for place in centre)
