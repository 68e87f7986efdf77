"""The page of errors: it has every error that the package makes, in words, and says of each what helps."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from synth_stack import errors

ROOT = Path(__file__).parents[1]
HANDED_ON = 14
"""Errors that only hand on what another one said: the words of these stand where it is raised."""


@pytest.fixture(scope="module")
def page() -> Any:
    spec = importlib.util.spec_from_file_location("error_page", ROOT / ".ci" / "error_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def told(page: Any) -> list[Any]:
    return list(page.list_errors(ROOT / "synth_stack"))


def test_every_error_that_is_raised_stands_on_the_page_in_words(page: Any, told: list[Any]) -> None:
    assert len(told) > 1_000
    silent = [error for error in told if not error.what.partition("; allowed:")[0].strip("… /")]
    assert len(silent) <= HANDED_ON, silent
    text = page.write_errors(ROOT / "synth_stack", told)
    missing = [each for each in told if f"| {page.escape(each.what)} | {page.escape(each.mend)}" not in text]
    assert [each for each in missing if each.mend] == []
    assert [each for each in missing if f"| {page.escape(each.what)} | –" not in text] == []


def test_every_class_of_error_says_what_helps(page: Any, told: list[Any]) -> None:
    assert {error.kind for error in told} <= set(page.MENDS)
    assert all(issubclass(getattr(errors, name), errors.SynthStackError) for name in page.MENDS)


def test_what_is_computed_is_an_ellipsis_and_both_sides_of_a_choice_are_told(
    page: Any, tmp_path: Path
) -> None:
    (tmp_path / "errors.py").write_text('class WorkError(Exception):\n    """It failed."""\n')
    (tmp_path / "disk.py").write_text(
        "def look(n, path):\n"
        "    what = f'{path} is full' if n else 'no | disk'\n"
        "    raise WorkError(what, allowed='a disk', mend=f'Empty {path}.')\n"
    )
    [told] = page.list_errors(tmp_path)
    assert told.what == "… is full / no | disk; allowed: a disk"
    assert (told.part, told.mend) == ("disk", "Empty ….")
    assert "| disk | … is full / no \\| disk; allowed" in page.write_errors(tmp_path)


def test_code_stays_code_and_nothing_else_becomes_markup(page: Any) -> None:
    assert page.escape("<b> a_b `c_d` | e*") == r"\<b\> a\_b `c_d` \| e\*"
    assert page.escape("one ` alone") == r"one \` alone"
