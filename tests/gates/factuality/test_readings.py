"""How sentences are read: numbers with their units, polarity, names, contact routes; and code."""

import pytest

from synth_stack.gates.factuality.code_check import check_code
from synth_stack.gates.factuality.python_index import index_python
from synth_stack.gates.factuality.quantities import Quantity
from synth_stack.gates.factuality.statements import Statement, read_statements
from synth_stack.gates.factuality.tokens import mask_code, split_sentences
from synth_stack.gates.factuality.word_forms import read_idea, stem


def read(text: str) -> Statement:
    [said] = read_statements(text)
    return said


def number(text: str) -> Quantity:
    [quantity] = read(text).quantities
    return quantity


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It lasts 14 days.", "It lasts two weeks."),
        ("It lasts 24 hours.", "It lasts one day."),
        ("Wait for 90 seconds.", "Wait for a minute and a half."),
        ("It costs £1,200.50.", "It costs 1200.50 pounds."),
        ("It costs $40.", "It costs forty dollars."),
        ("It falls by 5%.", "It falls by five percent."),
        ("It is 15 cm long.", "It is 6 inches long."),
        ("It holds at 7°C.", "It holds at 45 °F."),
        ("It opens at 3 pm.", "It opens at 15:00."),
        ("It began on 3 May 2024.", "It began on May 3rd, 2024."),
        ("It has twenty-one doors.", "It has 21 doors."),
        ("It has 1.5 million users.", "It has 1,500,000 users."),
        ("It takes two and a half years.", "It takes 30 months."),
        ("It needs 2 GB.", "It needs 2000 megabytes."),
        ("It is within an hour.", "It is within 60 minutes."),
        ("It takes 5 working days.", "It takes five business days."),
    ],
)
def test_one_number_in_two_forms_is_equal(one: str, other: str) -> None:
    assert number(one).equals(number(other))
    assert number(other).equals(number(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It lasts 14 days.", "It lasts 14 weeks."),
        ("It costs £40.", "It costs $40."),
        ("It is 15 cm long.", "It is 15 inches long."),
        ("It takes 5 to 7 days.", "It takes 8 days."),
        ("It opens at 3 am.", "It opens at 3 pm."),
        ("It began on 3 May 2024.", "It began on 4 May 2024."),
        ("It needs 2 GB.", "It needs 2 MB."),
        ("It has 6 doors.", "It has 7 doors."),
    ],
)
def test_two_numbers_are_not_equal(one: str, other: str) -> None:
    assert not number(one).equals(number(other))


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("Up to 6 people.", -1),
        ("It takes at most 6 hours.", -1),
        ("No more than 6 people.", -1),
        ("No room holds more than 6 people.", -1),
        ("It never exceeds 6 people.", -1),
        ("At least 6 people.", 1),
        ("More than 6 people.", 1),
        ("6 people or more.", 1),
        ("6 people.", 0),
    ],
)
def test_bounds_are_read_through_negation(text: str, bound: int) -> None:
    assert number(text).bound == bound


@pytest.mark.parametrize(
    "text",
    ["Step 3 is next.", "Choose one of them.", "Once it is on, wait.", "See part 4."],
)
def test_what_counts_nothing_is_no_number(text: str) -> None:
    assert read(text).quantities == ()


@pytest.mark.parametrize(
    ("text", "negations"),
    [
        ("The doorbell will record.", [0]),
        ("The doorbell won't record.", [1]),
        ("Nothing is deleted.", [1]),
        ("Not only lamps are sold.", [0]),
        ("Don't worry, accounts merge.", [0]),
        ("Your bank, not Larkmoor, sends it.", [1, 0]),
        ("A phone without internet can open it.", [1, 0]),
        ("It locks a door but never opens it.", [0, 1]),
    ],
)
def test_negation_stays_in_its_clause(text: str, negations: list[int]) -> None:
    assert [clause.negations for clause in read(text).clauses] == negations


def test_contacts_and_names_are_told_from_words() -> None:
    said = read(
        "Write to Help@Lamps.example or see https://www.lamps.example/faq or call +44 800 496 0100 about Lock L2!"
    )
    assert [contact[:2] for contact in said.contacts] == [
        ("mail", "help@lamps.example"),
        ("address", "lamps.example/faq"),
        ("phone", "448004960100"),
    ]
    assert [name.low for name in said.names if name.coded] == ["l2"]


def test_sentences_end_where_they_do() -> None:
    text = "Ask Dr. Lee, e.g. by phone. It costs 3.50 a day!\n- One thing\n2. Another"
    found = list(split_sentences(text))
    assert [said for _, said in found] == [
        "Ask Dr. Lee, e.g. by phone.",
        "It costs 3.50 a day!",
        "One thing",
        "Another",
    ]
    assert all(text[start:].startswith(said) for start, said in found)


def test_code_is_masked_and_every_offset_stays() -> None:
    text = "Before.\n```python\nx = 5 * 7\n```\nAfter 3 days."
    masked = mask_code(text)
    assert len(masked) == len(text)
    assert "5 * 7" not in masked
    assert masked.endswith("After 3 days.")
    assert "x" not in mask_code("```\nx\n```` \n```\nx")


def test_hostile_texts_are_read_in_time() -> None:
    for text in (
        "a" * 200_000,
        "1,1." * 50_000,
        "not " * 50_000,
        "```\n" * 50_000,
        "@." * 100_000,
        "half and a " * 20_000,
        "https://a.example",
    ):
        read_statements(text)


FILES = [
    (
        "pkg/__init__.py",
        "pkg",
        "from ._inner import *\nfrom .other import helper as aid\n__version__ = '1'\n",
    ),
    (
        "pkg/_inner.py",
        "pkg._inner",
        "class Base:\n    def run(self, n: int): ...\nclass Made(Base):\n    x: int = 3\n",
    ),
    (
        "pkg/other.py",
        "pkg.other",
        "import functools\n@functools.wraps(print)\ndef helper(a): ...\n@odd\ndef strange(a): ...\n",
    ),
    ("pkg/open.py", "pkg.open", "def __getattr__(name): ...\n"),
    ("pkg/broken.py", "pkg.broken", "def ("),
    (
        "pkg/sub.pyi",
        "pkg.sub",
        "from typing import overload\n@overload\ndef f(a: int): ...\n@overload\ndef f(a: str, *, b: int): ...\n",
    ),
]


@pytest.mark.parametrize(
    ("code", "sorts"),
    [
        ("from pkg import Made\nMade().run(3)", []),
        ("from pkg import Made\nMade().walk()", ["invented_name"]),
        ("from pkg import Made\nMade().run('3')", ["wrong_argument"]),
        ("from pkg import Made\nfor Made in []: Made.walk()", []),
        ("from pkg import Made\ndef f(Made):\n    return Made.walk", []),
        ("import pkg\npkg.aid(1); pkg.__version__; pkg.other.strange(1, 2, 3)", []),
        ("import pkg.open as o\no.anything(1)", []),
        ("import pkg.broken\npkg.broken.anything()", []),
        ("from pkg.sub import f\nf(3); f('a', b=1)", []),
        ("from pkg.sub import f\nf('a', c=1)", ["invented_parameter"]),
        ("import pkg.nowhere", ["invented_name"]),
        ("import numpy\nnumpy.anything()", []),
        (">>> from pkg import Made\n>>> Made().walk()\nTraceback: x", ["invented_name"]),
        ("    return 3", []),
        ("await f()", []),
        ("x = [", ["syntax"]),
    ],
)
def test_code_is_checked_where_it_can_be_seen(code: str, sorts: list[str]) -> None:
    index = index_python(FILES)
    found = check_code(index, f"So:\n\n```python\n{code}\n```\n")
    assert [finding.sort for finding in found if finding.sort != "known"] == sorts


def test_dotted_names_in_prose_are_checked_too() -> None:
    index = index_python(FILES)
    found = check_code(
        index, "Use `pkg.Made.run` and never `pkg.Made.fly()`; `other.thing` and `pkg` are left."
    )
    assert [(finding.sort, finding.name) for finding in found] == [
        ("known", "pkg.Made.run"),
        ("invented_name", "pkg.Made.fly"),
    ]
    assert check_code(None, "```python\nx = 3\n```") == []
    assert check_code(index, "```text\nx = [\n```") == []


@pytest.mark.parametrize(
    "words",
    [
        "deliver delivery delivered deliveries",
        "confirm confirmation confirmed",
        "cancel cancellation cancelled cancelling",
        "arrive arrival arriving",
        "activate activation activates",
        "stop stops stopped",
        "buy bought",
        "battery batteries",
    ],
)
def test_forms_of_one_word_have_one_stem(words: str) -> None:
    assert len({stem(word) for word in words.split()}) == 1


def test_words_of_one_meaning_and_of_the_opposite_share_an_idea_with_its_side() -> None:
    assert read_idea("purchased") == read_idea("bought")
    accepted, declined = read_idea("accepted"), read_idea("declined")
    assert accepted is not None
    assert declined is not None
    assert (accepted.name, accepted.side) == (declined.name, -declined.side)
    opened, unopened = read_idea("opened"), read_idea("unopened")
    assert opened is not None
    assert unopened is not None
    assert (opened.name, opened.side) == (unopened.name, -unopened.side)
    assert read_idea("the") is None
    assert stem("format") != stem("form")
