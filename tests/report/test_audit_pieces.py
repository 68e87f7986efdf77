"""Pieces of an audit's page: what they say of shares, and that nothing in them becomes markup."""

from synth_stack.report.audit_pieces import (
    draw_table,
    format_percent,
    format_rate,
    name_reason,
    quote_examples,
)
from tests.audited import HOSTILE


def test_shares_read_nothing_only_where_there_is_nothing() -> None:
    assert [format_percent(share) for share in (0, 0.00001, 0.0012, 0.042, 1)] == [
        "0.0%",
        "<0.01%",
        "0.12%",
        "4.2%",
        "100.0%",
    ]
    assert format_rate({"share": None}) == "–"


def test_nothing_from_a_row_becomes_markup() -> None:
    example = {"position": 1, "split": HOSTILE, "reason": HOSTILE, "text": f"{HOSTILE}\nsecond"}
    for piece in (quote_examples([example]), name_reason(HOSTILE, "g"), draw_table(HOSTILE, (HOSTILE,), [])):
        assert "<script" not in piece
        assert "<img" not in piece
    assert "\nsecond" in quote_examples([example])


def test_a_column_of_numbers_is_marked_as_one() -> None:
    assert '<th scope="col" class="n">Rows</th>' in draw_table("", ("Rows#n",), [])
