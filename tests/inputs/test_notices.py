"""What is told of an input is bounded, printable, and the same after it was written down."""

import json

from synth_stack.inputs.notices import MAX_NAME_CHARS, MAX_NAMES, NoticeTally, read_notices


def test_equal_things_are_counted_together_in_the_order_in_which_they_came() -> None:
    tally = NoticeTally()
    for name in ("b", "a", "b"):
        tally.add("kept", name, "in extra", "rows")
    tally.add("skipped", "c", "hidden", "files", 2_000)

    assert [notice.line() for notice in tally.list_notices()] == [
        "kept b: in extra: 2 rows",
        "kept a: in extra: 1 row",
        "skipped c: hidden: 2,000 files",
    ]
    assert (
        read_notices(json.loads(json.dumps([n.to_json() for n in tally.list_notices()])))
        == tally.list_notices()
    )
    tally.clear()
    assert tally.list_notices() == ()


def test_names_without_end_are_cut_and_counted_together() -> None:
    tally = NoticeTally()
    for number in range(MAX_NAMES * 3):
        tally.add("kept", f"{number}" + "x" * 10_000, "in extra", "rows")
    tally.add("kept", "0" + "x" * 10_000, "in extra", "rows")
    notices = tally.list_notices()

    assert len(notices) == MAX_NAMES + 1
    assert notices[0].count == 2
    assert (notices[-1].name, notices[-1].count) == ("others", MAX_NAMES * 2)
    assert max(len(notice.name) for notice in notices) == MAX_NAME_CHARS


def test_a_name_that_cannot_be_printed_is_told_in_marks() -> None:
    tally = NoticeTally()
    tally.add("skipped", "a\n\x1b[31m\u202eb", "hidden", "files")

    assert tally.list_notices()[0].line().isprintable()
