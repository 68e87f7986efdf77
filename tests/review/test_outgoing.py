"""What ships: an estimate is never beyond its bound."""

import pytest

from synth_stack.review.outgoing import ShippedRows, estimate_outgoing


def test_an_estimate_of_few_rows_ends_at_the_bound_of_its_lots() -> None:
    counts = ShippedRows(rows=84, read=28, sampled=3, defects=1, rejected=1)
    alone, bounded = (estimate_outgoing("s", counts, None, by_lots=by_lots) for by_lots in (None, 0.107))
    assert alone.share == pytest.approx(56 / 84 / 3)
    assert alone.high is not None
    assert alone.high > 0.5
    assert (bounded.share, bounded.high) == (0.107, 0.107)
