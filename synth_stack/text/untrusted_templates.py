"""Jinja templates that somebody else wrote: whatever goes wrong in one is one kind of error."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template


class TemplateFault(ValueError):
    """What went wrong while a template was filled in."""


def render_untrusted(template: "Template", values: Mapping[str, Any]) -> str:
    """The template with its values. Raises TemplateFault for all that an expression in it can do wrong.

    What it may reach is the matter of the environment that it was compiled in (jinja2.sandbox).
    """
    from jinja2 import TemplateError

    try:
        return template.render(values)
    except (
        TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as exc:
        raise TemplateFault(str(exc)) from exc
