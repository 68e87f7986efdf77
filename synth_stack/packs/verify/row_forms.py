"""Whether the columns of an accepted row fit each other, whoever made it: what gates read, and trainers."""

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import VerificationError
from synth_stack.rows.joined_text import join_texts

_FORMS: dict[str, type] = {"tools": list, "extra": dict, "params": dict}
"""Columns of JSON text, and what each holds."""


def require_sound_rows(table: pa.Table, name: str) -> None:
    """Raises VerificationError, starting with `name`, for the first row of a table whose `text` is not what
    its messages and alternatives say, or that has a column of JSON which holds none. A row without messages
    has the text that it came with.
    """
    joined = join_texts(table)
    _refuse(
        table,
        pc.and_(pc.is_valid(joined), pc.not_equal(pc.fill_null(table["text"].combine_chunks(), ""), joined)),
        (f"{name}: the text of row", "is not what its messages say"),
    )
    for column, kind in _FORMS.items():
        texts = table[column].combine_chunks()
        wrong = [text for text in pc.unique(texts).to_pylist() if not _holds(text, kind)]
        if wrong:
            found = pc.is_in(texts, value_set=pa.array(wrong, pa.string()))
            _refuse(table, found, (f"{name}: the {column} of row", "is not JSON of its kind"))


def _refuse(table: pa.Table, wrong: pa.Array, says: tuple[str, str]) -> None:
    place = pc.index(wrong, True).as_py()
    if place >= 0:
        raise VerificationError(f"{says[0]} {table['row_id'][place].as_py()} {says[1]}")


def _holds(text: str | None, kind: type) -> bool:
    if text is None:
        return True
    try:
        return isinstance(orjson.loads(text), kind)
    except orjson.JSONDecodeError:
        return False
