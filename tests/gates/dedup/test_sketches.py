"""What a table adds to a pass: signatures that can be read again, and the shingles of wanted rows alone."""

import numpy as np
import pyarrow as pa
import pytest

from synth_stack.gates.dedup.signatures import Reading, shingle_rows, sign_rows
from synth_stack.gates.dedup.sketches import PICKS, read_signatures, sketch_shingles, sketch_signatures
from synth_stack.text.fields import hash_ids
from synth_stack.text.ragged import read_lists
from tests.some_rows import TextsTable, make_texts

READING = Reading("text", 3, 17, 8, 42, 4)


@pytest.mark.parametrize("score_column", [None, "quality"])
@pytest.mark.parametrize("texts", [[], ["one two three four", None]])
def test_signatures_are_read_as_they_were_written(texts: list[str | None], score_column: str | None) -> None:
    reading = Reading("text", 3, 17, 8, 42, 4, score_column)
    table = make_texts(texts, extra='{"quality": 2}')
    read, signed = (
        read_signatures(sketch_signatures(table, {}, reading=reading), 17),
        sign_rows(table, reading),
    )
    assert read.keys.shape == (len(texts), 17)
    for name in signed.__slots__:
        assert np.array_equal(getattr(read, name), getattr(signed, name)), name


def test_only_wanted_rows_are_named_and_only_those_that_met_are_shingled(texts_table: TextsTable) -> None:
    table = texts_table(["one two three four", "five six seven eight", "nine ten eleven twelve"])
    ids = hash_ids(table)
    order = np.argsort(ids[:2])
    wanted = pa.table({"id": ids[:2][order], "met": np.array([False, True])[order], "many": [False, False]})
    sketch = sketch_shingles(table, {"wanted": wanted}, reading=READING)
    assert sketch.schema == PICKS
    assert sketch["row_id"].to_pylist() == table["row_id"].to_pylist()[:2]
    sets = read_lists(sketch["shingles"])
    assert sets.lengths.tolist() == [0, 2]
    assert np.array_equal(sets.values, shingle_rows(table.slice(1, 1), READING).values)


def test_a_table_without_wanted_rows_adds_none(texts_table: TextsTable) -> None:
    nothing = pa.table(
        {"id": pa.array([], pa.uint64()), "met": pa.array([], pa.bool_()), "many": pa.array([], pa.bool_())}
    )
    for texts in ([], ["one two three four"]):
        sketch = sketch_shingles(texts_table(texts), {"wanted": nothing}, reading=READING)
        assert (len(sketch), sketch.schema) == (0, PICKS)
