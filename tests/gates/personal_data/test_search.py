import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.gates.personal_data.address_blocks import find_blocks
from synth_stack.gates.personal_data.addresses import find_addresses
from synth_stack.gates.personal_data.kinds import fold
from synth_stack.gates.personal_data.prefilter import HINTS
from synth_stack.gates.personal_data.search import Found, Search, _flatten, read_units
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text
from tests.examples import examples
from tests.some_rows import make_row

BARE_PHONE = "4152671234"
ASKED = "Which phone number can we reach you at?"
SEARCH = Search(("US",), frozenset())


def row_of(messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A candidate whose text is what its messages and alternatives say."""
    row = {**make_row(), "messages": messages, **fields}
    return {**row, "text": fields.get("text") or join_text(messages, row.get("alternatives"))}


def look(row: dict[str, Any]) -> list[Found]:
    units = read_units(build_candidates([row]))
    return SEARCH.run(units, [None]).get(0, [])


def test_the_text_is_read_only_where_it_is_more_than_what_is_said() -> None:
    call = {"id": "c", "name": "send", "arguments": '{"a":1}'}
    said: list[dict[str, Any]] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    sides = [{"label": "chosen", "messages": [{"role": "assistant", "content": "b"}]}]
    own, joined = row_of(said, alternatives=sides, text="other"), row_of(said, alternatives=sides)
    paths = ["messages.0.content", "messages.1.tool_calls.0.arguments", "alternatives.0.messages.0.content"]
    assert sorted(read_units(build_candidates([joined]))["path"]) == sorted(paths)
    assert sorted(read_units(build_candidates([own]))["path"]) == sorted([*paths, "text"])


def test_a_text_of_the_same_length_is_read_too() -> None:
    said = [{"role": "user", "content": "a" * 20}]
    (found,) = look(row_of(said, text="anna@kellerpost.de x"))
    assert (found.path, found.value.kind) == ("text", "email")


def test_what_alternatives_say_is_not_read_twice_where_there_are_no_messages() -> None:
    sides = [{"label": "chosen", "messages": [{"role": "assistant", "content": "anna@kellerpost.de"}]}]
    assert [one.path for one in look(row_of([], alternatives=sides))] == ["alternatives.0.messages.0.content"]


def test_an_alternative_answers_the_last_message() -> None:
    sides = [
        {"label": "chosen", "messages": [{"role": "assistant", "content": BARE_PHONE}]},
        {"label": "rejected", "messages": [{"role": "assistant", "content": f"{BARE_PHONE}!"}]},
    ]
    asked = [{"role": "user", "content": "Hello."}, {"role": "user", "content": ASKED}]
    assert [one.path for one in look(row_of(asked, alternatives=sides))] == [
        "alternatives.0.messages.0.content",
        "alternatives.1.messages.0.content",
    ]
    assert look(row_of(asked[:1], alternatives=sides)) == []


def test_only_what_is_said_is_an_answer_to_the_message_before() -> None:
    messages = [
        {"role": "user", "content": ASKED},
        {"role": "assistant", "content": "Yes.", "reasoning": BARE_PHONE},
        {"role": "user", "content": BARE_PHONE},
    ]
    assert look(row_of(messages)) == []
    assert len(look(row_of([messages[0], messages[2]], documents=[{"id": "d", "text": BARE_PHONE}]))) == 1


@pytest.mark.parametrize("escape", [True, False])
def test_letters_that_json_writes_as_escapes_are_read(escape: bool) -> None:
    value = "Lindenstraße 12, 50667 Köln"
    arguments = json.dumps({"to": value, "n": 1}, ensure_ascii=escape)
    call = {"id": "c", "name": "send", "arguments": arguments}
    found = Search(("DE",), frozenset()).run(
        read_units(
            build_candidates([row_of([{"role": "assistant", "content": None, "tool_calls": [call]}])])
        ),
        [None],
    )
    ((one,),) = found.values()
    assert one.value.kind == "address"
    assert json.loads(f'"{arguments[one.value.start : one.value.end]}"') == value


def test_a_value_begins_where_the_escape_of_its_first_letter_begins() -> None:
    arguments = json.dumps({"to": "ößßler@kellerpost.de"})
    call = {"id": "c", "name": "send", "arguments": arguments}
    (found,) = look(row_of([{"role": "assistant", "content": None, "tool_calls": [call]}]))
    written = arguments[found.value.start : found.value.end]
    assert json.loads(f'"{written}"') == "ößßler@kellerpost.de"


HOME_WORDS = (
    "live at", "Lives on", "stayed at", "stay on", "my address is", "billing address:", "address of Jo is",
    "ship it to", "send the box to", "mail to", "posted to", "deliver this to", "moved to", "relocating into to",
    "Anschrift:", "dirección es", "wohne in der", "habite au", "vivo en", "woon op", "mieszkam przy", "adres",
)  # fmt: skip
STREETS = (
    " 12 High Street", "  Rue 5 Lyon", " calle de la Rosa 15", "\n14b Oak Ave, Apt 3, Springfield 12345", " Großer Weg 7",
    " Kings Road Nine", " ４２ Mill Lane", " 7", " Ulica Długa 5/7, Kraków",
)  # fmt: skip
UNITS = (
    "Apt. 5",
    "PO Box 77",
    "PSC 12, Box 9, APO AE 09012",
    "Flat 3",
    "suite",
    "Whg 12",
    "ste. 4, Elm Road 5",
)


@settings(deadline=None, max_examples=examples(150))
@given(
    st.lists(
        st.one_of(
            st.sampled_from(HOME_WORDS), st.sampled_from(STREETS), st.sampled_from(UNITS), st.text(max_size=6)
        ),
        max_size=6,
    )
)
def test_every_text_with_an_address_is_looked_at(parts: list[str]) -> None:
    text = "".join(parts)
    hints = [hint for hint in HINTS if hint.kind == "address"]
    plain = _flatten(pl.Series([text], dtype=pl.String))
    hinted = any(
        plain.str.contains(h.shape).all() and (h.alone is None or plain.str.contains(h.alone).all())
        for h in hints
    )
    folded, _ = fold(text)
    found = [*find_blocks(folded), *find_addresses(folded, ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL"))]
    assert hinted or not found
