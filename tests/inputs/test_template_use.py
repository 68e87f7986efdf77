"""What a recipe may say of the prompts of a method."""

import pytest
from pydantic import ValidationError

from synth_stack.inputs.template_use import TemplateUse


def test_what_is_left_out_stays() -> None:
    assert TemplateUse(max_tokens=9).model_dump(exclude_none=True) == {"max_tokens": 9}


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"on_cut": "sometimes"}, {"stop": [""]}, {"tokens": 3}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TemplateUse.model_validate(wrong)
