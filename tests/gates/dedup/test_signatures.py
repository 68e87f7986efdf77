"""Signatures of rows: the same however many threads work on them."""

from dataclasses import fields

import numpy as np

from synth_stack.gates.dedup.signatures import Reading, shingle_rows, sign_rows
from tests.some_rows import TextsTable

READING = Reading("text", 3, 17, 8, 42, 4)
TEXTS: list[str | None] = [f"{k} and {k + 1} make {2 * k + 1} in all" for k in range(2500)]


def test_several_threads_give_what_one_gives(texts_table: TextsTable) -> None:
    table = texts_table([*TEXTS, None, "", *TEXTS[:7]])
    one, four = sign_rows(table, READING), sign_rows(table, READING, threads=4)
    assert all(np.array_equal(getattr(one, field.name), getattr(four, field.name)) for field in fields(one))
    alone, together = shingle_rows(table, READING), shingle_rows(table, READING, threads=4)
    assert np.array_equal(alone.values, together.values)
    assert np.array_equal(alone.offsets, together.offsets)


def test_equal_texts_have_equal_signatures_and_an_empty_one_has_none(texts_table: TextsTable) -> None:
    signed = sign_rows(texts_table(["one two three four", "ONE  two three four", " ", None]), READING)
    assert signed.readable.tolist() == [True, True, False, False]
    assert (signed.keys[0] == signed.keys[1]).all()
    assert signed.content[0] == signed.content[1] != 0
    assert signed.content[2:].tolist() == [0, 0]
    assert len(set(signed.ids.tolist())) == 4
