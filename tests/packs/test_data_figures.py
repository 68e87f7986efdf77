from itertools import pairwise
from typing import Any

import pyarrow as pa

from synth_stack.packs.data_figures import DataFigures, DataTally, ModelRows, ShareCount
from synth_stack.packs.data_rows import RowTerms
from synth_stack.rows.schemas import build_candidates
from tests.packs.test_data_rows import RECIPE


def make_rows(n: int) -> pa.Table:
    """Rows of three topics; each third has a teacher, and each of these one or two judges."""
    rows: list[dict[str, Any]] = [
        {
            "kind": "adversarial" if draw == 1 else "instruction" if draw % 3 == 0 else "foreign",
            "slice": (None, "a/x", "a/y", "b")[draw % 4],
            "messages": [{"role": "user", "content": f"turn {draw}"}],
            "text": f"turn {draw}",
            "documents": [{"id": "d", "text": "x"}] if draw % 2 else None,
            "attachments": [],
            "generator": "magpie" if draw % 3 == 0 else "foreign",
            "generator_version": "1",
            "teacher": "big" if draw % 3 == 0 else None,
            "models": [{"part": "judge", "name": "strict", "digest": None}] * (1 + draw % 2)
            if draw % 3 == 0
            else None,
            "draw": draw,
            "replayable": False,
        }
        for draw in range(n)
    ]
    return RowTerms(RECIPE).add_columns(build_candidates(rows))


def count(*tables: pa.Table) -> DataFigures:
    tally = DataTally()
    for table in tables:
        tally.add_rows(table)
    return tally.finish()


def test_models_terms_topics_and_shares_are_counted() -> None:
    figures = count(make_rows(12))
    assert (figures.rows, figures.synthetic, figures.grounded, figures.illustrated) == (12, 4, 6, 0)
    assert figures.characters == sum(len(f"turn {n}") for n in range(12))
    assert figures.models == (ModelRows("teacher", "big", None, 4), ModelRows("judge", "strict", None, 4))
    assert figures.output_terms == (ShareCount(None, 8, 0), ShareCount("research-only", 4, 4))
    assert figures.topics == (ShareCount("a", 6, 2), ShareCount("b", 3, 1), ShareCount(None, 3, 1))
    assert figures.methods == (ShareCount("foreign 1", 8, 0), ShareCount("magpie 1", 4, 4))


def test_figures_are_the_same_in_any_pieces_and_from_figures_of_parts() -> None:
    rows = make_rows(37)
    whole = count(rows)
    cuts = [0, 5, 6, 20, 37]
    pieces = [rows.slice(a, b - a) for a, b in pairwise(cuts)]
    assert count(*reversed(pieces)) == whole
    mixed = DataTally()
    for piece in pieces:
        mixed.add_figures(count(piece))
    assert mixed.finish() == whole


def test_examples_are_the_rows_of_train_with_the_smallest_ids() -> None:
    rows = make_rows(20)
    ids = sorted(row["row_id"] for row in rows.to_pylist() if row["kind"] != "adversarial")
    assert [row["row_id"] for row in count(rows).examples] == ids[:3]


def test_no_rows_give_no_figures() -> None:
    assert count() == count(make_rows(3).slice(0, 0)) == DataFigures()
