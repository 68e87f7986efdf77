"""What the package gives to scripts by its own name."""

import importlib

import pytest

from synth_stack import review


@pytest.mark.parametrize("name", review.__all__)
def test_every_public_function_is_one_whatever_was_imported_before(name: str) -> None:
    for module in ("answers", "plan_file", "queue", "outcome"):
        importlib.import_module(f"synth_stack.review.{module}")
    assert callable(getattr(review, name))


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(review, "nothing")  # noqa: B009  (a name that mypy refuses)
