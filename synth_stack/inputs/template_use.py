"""What a recipe says of the prompts of a method: other texts, limits, stop strings and sampling."""

from typing import Annotated, Literal

from pydantic import Field

from synth_stack.inputs.yaml_models import StrictModel
from synth_stack.registry import FilePath

OnCut = Literal["retry", "continue", "fail", "trim"]
"""What becomes of an answer that its token limit cut off: it is asked for once more with room, gone on with
from where it stopped, a failure of its row, or cut back to its last whole sentence (which the row says)."""

Reasoning = Literal["keep", "drop", "train"]
"""What becomes of what a model thought before it answered: it stands beside the answer, is dropped, or is a
part of what is trained on."""


class TemplateUse(StrictModel):
    """What takes the place of what a template says; what is left out stays.

    `file` is a template of one's own, in the form of the packaged ones; `on_cut` goes before that of the
    recipe.
    """

    file: FilePath | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: list[Annotated[str, Field(min_length=1)]] | None = None
    sampling: dict[str, float] | None = None
    on_cut: OnCut | None = None
