"""The second pass: what it leaves in the state, and what it does after a stop in the middle of saving."""

import pytest

from synth_stack.errors import GateError
from synth_stack.gates.dedup.gate import dedup
from tests.gates.playing import learn, play
from tests.some_rows import TextsTable

TEXTS: list[str | None] = [
    *[
        f"please tell me how to cancel order {k} that I placed on Monday because it has not come"
        for k in range(9)
    ],
    *["the same thing is said twice here, word for word"] * 2,
    "nothing is like this row, whatever else is in the batch",
    None,
]


def test_the_saved_state_holds_the_outcomes_and_no_signatures(texts_table: TextsTable) -> None:
    table = texts_table(TEXTS)
    judge = dedup(threshold=0.6, shared_rows=None)
    first = judge.rounds[0]
    after_first = first.merge(iter([first.sketch(table, {})]), {})
    state = learn(judge, [table])
    assert {name for name, held in state.items() if len(held)} == {"rows", "twins"}
    assert set(after_first) <= set(state)
    rejected = sum(o == "reject" for o in judge.judge(table, state)["outcome"].to_pylist())
    assert (rejected, len(state["rows"])) == (9, 10)
    # exact copies show the whole text, without the shingles of their twin
    assert [len(some) for some in state["twins"]["shingles"].to_pylist()][1] == 0


def test_a_stop_while_the_outcome_is_saved_loses_nothing(texts_table: TextsTable) -> None:
    table = texts_table(TEXTS)
    judge = dedup(threshold=0.6, shared_rows=None)
    first, second = judge.rounds
    canaries = table.slice(0, 0)
    [whole], _ = play(judge, [table])
    before = dict(first.merge(iter([first.sketch(part, {}) for part in (table, canaries)]), {}))
    sketches = [second.sketch(part, before) for part in (table, canaries)]
    saved = second.merge(iter(sketches), before)
    for count in range(len(saved) + 1):  # tables are saved one by one, in order
        state = before | dict(list(saved.items())[:count])
        again = state | dict(second.merge(iter(sketches), state))
        assert judge.judge(table, again).equals(whole)


def test_a_second_pass_without_rows_of_the_first_is_an_error(texts_table: TextsTable) -> None:
    table = texts_table(TEXTS)
    first, second = dedup().rounds
    state = first.merge(iter([first.sketch(table, {})]), {})
    with pytest.raises(GateError, match="lacks a row of the first"):
        second.merge(iter([second.sketch(table.slice(0, 1), state)]), state)
