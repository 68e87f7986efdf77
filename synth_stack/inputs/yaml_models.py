"""What recipe and gate files share: strict models, `use:` with parameters beside it, paths made absolute."""

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synth_stack.errors import ConfigError
from synth_stack.registry import config_error

Model = TypeVar("Model", bound=BaseModel)


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""Names that become file names and table values: no separators, no spaces."""


Text = Annotated[str, Field(min_length=1)]


class StrictModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class UseModel(BaseModel):
    """`use: NAME` and the named function's own parameters beside it."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)
    use: str

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


def validate(model: type[Model], value: Any, file: Path) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise config_error(exc, where=str(file), model=model) from exc


def replace_dotted(value: dict[str, Any], dotted: str, replacement: Any) -> None:
    *parents, last = dotted.split(".")
    for key in parents:
        child = value.setdefault(key, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{dotted} cannot be replaced: {key} is not a mapping", seen=child)
        value = child
    value[last] = replacement
