"""Which comparisons are held for their length, and how much that leaves; its canaries and controls."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import synth_stack
from synth_stack.errors import ConfigError
from synth_stack.gates.length_bias.gate import length_bias
from synth_stack.registry import bind
from synth_stack.rows.schemas import build_candidates
from tests.gates.dialling import decide_again
from tests.gates.playing import play
from tests.some_rows import make_row

Pair = tuple[int, int]


def compare(pairs: Sequence[Pair], slice_: str | None = "returns", first: int = 0) -> pa.Table:
    """Comparisons whose sides have so many characters, chosen and rejected."""
    return build_candidates(
        {
            **make_row(draw=first + k),
            "kind": "preference",
            "slice": slice_,
            "alternatives": [
                {"label": label, "messages": [{"role": "assistant", "content": "x" * chars}]}
                for label, chars in zip(("chosen", "rejected"), pair, strict=True)
            ],
        }
        for k, pair in enumerate(pairs)
    )


def judge(*tables: pa.Table, **params: Any) -> list[dict[str, Any]]:
    said, _ = play(length_bias(**params), tables, name="length_bias")
    return [row for verdicts in said for row in verdicts.to_pylist()]


def count_held(said: Sequence[dict[str, Any]]) -> int:
    return sum(row["outcome"] == "hold" for row in said)


LONGER, SHORTER = (200, 100), (100, 200)


def test_pairs_of_which_the_longer_side_is_chosen_as_often_are_kept() -> None:
    said = judge(compare([LONGER] * 60 + [SHORTER] * 60))
    assert {row["outcome"] for row in said} == {"accept"}


def test_of_a_biased_slice_the_pairs_furthest_apart_are_held_until_the_share_is_at_the_bar() -> None:
    pairs = [(100 + k, 100) for k in range(1, 161)] + [SHORTER] * 40
    said = judge(compare(pairs))
    kept = [pair for pair, row in zip(pairs, said, strict=True) if row["outcome"] == "accept"]
    held = [pair for pair, row in zip(pairs, said, strict=True) if row["outcome"] == "hold"]
    longer = sum(chosen > rejected for chosen, rejected in kept)
    assert 0.60 < longer / len(kept) <= 0.64
    assert min(chosen for chosen, _ in held) > max(chosen for chosen, rejected in kept if chosen > rejected)
    told = json.loads(said[159]["evidence"])
    assert (told["group"], told["pairs"], told["longer"], told["share"]) == ("returns", 200, 160, "0.800")
    assert float(told["interval"][0]) < 0.8 < float(told["interval"][1])
    assert told["times_as_long_here"] == "2.60"


def test_a_biased_slice_is_held_in_a_batch_that_is_none() -> None:
    said = judge(compare([LONGER] * 80), compare([SHORTER] * 80, "orders", 80))
    assert [row["outcome"] for row in said] == ["hold"] * 80 + ["accept"] * 80


def test_rows_without_a_slice_are_measured_with_the_batch() -> None:
    assert count_held(judge(compare([LONGER] * 80, None))) == 80


def test_sides_of_one_length_say_nothing() -> None:
    said = judge(compare([(100, 100)] * 500 + [LONGER] * 60 + [SHORTER] * 50))
    assert count_held(said) == 0


@pytest.mark.parametrize("pairs", [0, 49])
def test_of_few_pairs_nothing_is_told(pairs: int) -> None:
    said = judge(compare([LONGER] * pairs))
    assert {row["reason_class"] for row in said} <= {"length_bias.too_few"}
    assert count_held(said) == 0


def test_a_row_without_two_sides_is_abstained_on() -> None:
    said = judge(build_candidates([make_row()]), compare([LONGER] * 60, first=1))
    assert (said[0]["outcome"], said[0]["reason_class"]) == ("abstain", "length_bias.no_pair")


def test_an_empty_side_is_the_shorter_one() -> None:
    assert count_held(judge(compare([(10, 0)] * 60))) == 60


def test_ratings_say_which_side_is_chosen_where_no_label_does() -> None:
    table = build_candidates(
        {
            **make_row(draw=k),
            "kind": "preference",
            "slice": "a",
            "alternatives": [
                {"rating": rating, "messages": [{"role": "assistant", "content": "x" * chars}]}
                for rating, chars in (("2", 100), ("4.5", 200))
            ],
        }
        for k in range(60)
    )
    assert count_held(judge(table)) == 60


def test_the_verdicts_do_not_depend_on_how_the_batch_is_cut() -> None:
    rng = np.random.default_rng(3)
    pairs = [(int(a), int(b)) for a, b in rng.integers(50, 400, (300, 2)) + np.array([120, 0])]
    table = compare(pairs)
    whole = judge(table)
    parted = judge(*[table.slice(start, 37) for start in range(0, 300, 37)])
    assert count_held(whole) > 0
    assert parted == whole


def test_canaries_are_caught_and_controls_pass_and_neither_changes_a_verdict() -> None:
    gate = length_bias()
    assert gate.plant is not None
    assert gate.control is not None
    table = compare([LONGER] * 40 + [SHORTER] * 40)
    canaries, controls = gate.plant(table, 20, 1), gate.control(table, 20, 1)
    planted = pa.concat_tables([canaries, controls])
    said, state = play(gate, [table], planted)
    assert said[0].equals(play(gate, [table])[0][0])
    outcomes = gate.judge(planted, state)["outcome"].to_pylist()
    assert outcomes[:20].count("hold") == 20
    assert outcomes[20:] == ["accept"] * 20


def test_another_bar_gives_what_judging_again_would_give() -> None:
    rng = np.random.default_rng(5)
    table = compare([(int(a), int(b)) for a, b in rng.integers(50, 400, (400, 2)) + np.array([120, 0])])
    gate = length_bias()
    (stored,), _ = play(gate, [table])
    for bar in (0.5, 0.55, 0.7, 0.78):
        fresh = [row["outcome"] for row in judge(table, max_longer=bar)]
        assert decide_again(stored, gate.dials, {"max_longer": bar}, {"max_longer": 0.64}) == fresh


def test_parameters_out_of_range_are_refused() -> None:
    for params in ({"max_longer": 0.4}, {"max_longer": 0.95}, {"min_pairs": 5}):
        with pytest.raises(ConfigError):
            bind("gate", "length_bias", params, where="gates.yaml")


def test_a_batch_without_rows_has_no_verdicts() -> None:
    assert judge(compare([])) == []


def test_a_foreign_file_of_pairs_is_curated_with_it(tmp_path: Path) -> None:
    rows = tmp_path / "pairs.jsonl"
    rows.write_text(
        "".join(
            json.dumps(
                {"prompt": f"Say {k}.", "chosen": f"It is {k}, as I said before.", "rejected": f"{k}."}
            )
            + "\n"
            for k in range(80)
        )
    )
    gates = tmp_path / "gates.yaml"
    gates.write_text("version: 1\ngates: [{use: length_bias}]\n")
    result = synth_stack.curate(rows, gates, tmp_path / "out")
    assert (result.figures.held, result.figures.accepted) == (80, 0)
