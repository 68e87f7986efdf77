"""Templates of strangers: filled in, or one kind of error."""

import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synth_stack.text.untrusted_templates import TemplateFault, render_untrusted

ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined)


def test_a_template_is_filled_in() -> None:
    assert render_untrusted(ENVIRONMENT.from_string("{{ a }} and {{ a }}"), {"a": "x"}) == "x and x"


@pytest.mark.parametrize(
    "text",
    [
        "{{ absent }}",
        "{{ 1 / 0 }}",
        "{{ a.__class__.__mro__ }}",
        "{{ a + 1 }}",
        "{{ 'x'.encode('nope') }}",
        "{{ range(10 ** 9) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_whatever_a_template_does_wrong_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(TemplateFault):
        render_untrusted(ENVIRONMENT.from_string(text), {"a": "x"})
