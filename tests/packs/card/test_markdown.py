from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from synth_stack.packs.card.markdown import bullets, code, fence, fold, prose, table

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/track.png)",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "a | b | c",
    "a \\| b",
    "ends with \\",
    "```\nfence\n```",
    "`tick`",
    "``two``",
    "`",
    "*bold* _it_ **b** ~~s~~ $x$ $$y$$",
    "line\nbreak\r\nand\rmore",
    "<!-- comment -->",
    "</details><h1>out</h1>",
    "&lt;b&gt;",
    "[ref]: https://evil.example",
    "| --- |",
    "===",
    "---",
    "\u202egnp.exe",
    "<https://evil.example>",
    "",
]
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class _Seen(HTMLParser):
    """The tags and the text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def render(markdown: str) -> _Seen:
    return _Seen(MARKDOWN.render(markdown))


def shown(value: str) -> str:
    """What a reader should see of a value: itself on one line, without what reorders it."""
    return " ".join(value.split()).replace("\u202e", "\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("value", HOSTILE)
def test_prose_is_one_paragraph_of_exactly_that_text(value: str) -> None:
    seen = render(prose(value))
    assert seen.tags == (["p"] if value.split() else [])
    assert seen.text.strip() == shown(value)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_code_span_shows_exactly_that_text(value: str) -> None:
    seen = render(f"see {code(value)} there")
    expected = shown(value)
    assert seen.tags == (["p", "code"] if expected else ["p"])
    assert seen.text.strip() == f"see {expected or '(empty)'} there"


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("as_markdown", [prose, code])
def test_a_cell_stays_one_cell(value: str, as_markdown: object) -> None:
    assert callable(as_markdown)
    seen = render(table(("A", "B #"), [(as_markdown(value), "1")]))
    assert [tag for tag in seen.tags if tag in {"tr", "td", "th"}] == ["tr", "th", "th", "tr", "td", "td"]
    assert set(seen.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert shown(value) in seen.text


@pytest.mark.parametrize("value", HOSTILE)
def test_a_fence_holds_the_text_to_its_end(value: str) -> None:
    seen = render(f"{fence(value, 'yaml')}\n\nafter")
    assert seen.tags == ["pre", "code", "p"]
    assert seen.text.strip().endswith("after")


@pytest.mark.parametrize("value", HOSTILE)
def test_a_folded_block_opens_and_closes_once(value: str) -> None:
    seen = render(fold(value, fence(value)))
    assert seen.tags == ["details", "summary", "pre", "code"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_bullet_stays_one_bullet(value: str) -> None:
    seen = render(bullets([prose(value), "two"]))
    assert [tag for tag in seen.tags if tag != "p"] == ["ul", "li", "li"]


@given(st.text(max_size=60))
def test_no_text_becomes_markup(value: str) -> None:
    assert set(render(prose(value)).tags) <= {"p"}
    assert set(render(f"x {code(value)}").tags) <= {"p", "code"}
    assert set(render(fence(value)).tags) == {"pre", "code"}
    cells = render(table(("A",), [(prose(value),), (code(value),)]))
    assert cells.tags.count("td") == 2
    assert set(cells.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


def test_long_code_is_cut_and_says_so() -> None:
    assert code("x" * 300, max_chars=10) == f"`{'x' * 9}…`"


def test_numbers_are_aligned_to_the_right() -> None:
    assert table(("Name", "Rows #"), [("a", "1")]).splitlines() == [
        "| Name | Rows |",
        "| --- | ---: |",
        "| a | 1 |",
    ]
