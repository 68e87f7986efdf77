import pytest

from synth_stack.images.conditions import (
    UNKNOWN,
    LabelledPixelBox,
    ToldCondition,
    describe_boxes,
    describe_conditions,
    describe_legend,
    list_conditions,
)
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
    return [(told.kind, told.file.path) for told in found]


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


def list_first(said: str) -> ToldCondition:
    extra = '{"image":{"conditions":[{"kind":"layout",' + said + "}]}}"
    return list_conditions(build_candidates([make_row(attachments=FILES, extra=extra)]))[0][0]


def test_a_legend_and_boxes_are_read_as_they_were_told() -> None:
    boxes = [LabelledPixelBox("car", 1.2, 2, 30, 40)]
    told = describe_legend({"car": (1, 2, 255)}) | describe_boxes(boxes)
    assert told == {"legend": {"car": "#0102ff"}, "boxes": [{"label": "car", "box": [1, 2, 30, 40]}]}
    found = list_first(canonical_text(told)[1:-1])
    assert found.legend == {(1, 2, 255): "car"}
    assert found.boxes == (LabelledPixelBox("car", 1, 2, 30, 40),)


@pytest.mark.parametrize(
    "said",
    [
        '"legend":[]',
        '"legend":{"car":"red"}',
        '"legend":{"car":[1,2,3]}',
        '"boxes":{}',
        '"boxes":[1,{"label":"car"},{"label":"car","box":[0,0,0,5]},{"label":1,"box":[0,0,9,9]}]',
        '"boxes":[{"label":"car","box":[0,0,1e99,5]},{"label":"car","box":[0,0,99999999999,5]}]',
    ],
)
def test_what_describes_no_colour_and_no_box_is_left_out(said: str) -> None:
    found = list_first(said)
    assert (found.kind, dict(found.legend), found.boxes) == ("layout", {}, ())
