import pytest

from synth_stack.images.conditions import UNKNOWN, describe_conditions, list_conditions
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from tests.some_rows import make_row

FILES = [
    {"path": "a.png", "role": "result"},
    {"path": "b.png", "role": "condition"},
    {"path": "c.png", "role": "source"},
    {"path": "d.png", "role": "condition"},
]


def read(extra: str | None) -> list[tuple[str, str]]:
    table = build_candidates([make_row(attachments=FILES, extra=extra), make_row(draw=1)])
    found, nothing = list_conditions(table)
    assert nothing == []
    return [(kind, file.path) for kind, file in found]


def test_conditions_have_the_kinds_that_the_row_says_in_order() -> None:
    assert read(canonical_text(describe_conditions(["canny", "depth"]))) == [
        ("canny", "b.png"),
        ("depth", "d.png"),
    ]


@pytest.mark.parametrize(
    "extra",
    [
        None,
        "no JSON",
        "[]",
        '{"image":"canny"}',
        '{"image":{"conditions":"canny"}}',
        '{"image":{"conditions":{"kind":"canny"}}}',
        '{"image":{"conditions":["canny",1]}}',
        '{"image":{"conditions":[{"kind":1}]}}',
    ],
)
def test_what_says_no_kind_is_none(extra: str | None) -> None:
    assert read(extra) == [(UNKNOWN, "b.png"), (UNKNOWN, "d.png")]


def test_a_condition_beyond_the_kinds_is_unknown_and_a_kind_beyond_the_files_is_none() -> None:
    assert [kind for kind, _ in read(canonical_text(describe_conditions(["blur"])))] == ["blur", UNKNOWN]
    assert [kind for kind, _ in read(canonical_text(describe_conditions(["blur", "canny", "pose"])))] == [
        "blur",
        "canny",
    ]
