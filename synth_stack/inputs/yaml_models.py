"""What recipe and gate files share: strict models, `use:` with parameters beside it, paths made absolute."""

from collections.abc import Iterator, Sequence
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


def resolve_paths(value: Any, folder: Path, dotted: Sequence[str]) -> None:
    for path in dotted:
        *parents, last = path.split(".")
        for holder in _walk(value, parents):
            named = holder.get(last) if isinstance(holder, dict) else None
            if isinstance(named, str) and not named.startswith(("package:", "hub:")):
                holder[last] = make_absolute(folder, named)


def make_absolute(folder: Path, named: str) -> str:
    try:
        return str((folder / Path(named).expanduser()).resolve())
    except (OSError, RuntimeError, ValueError) as exc:  # a loop of links, an unknown ~user, a NUL
        raise ConfigError(f"a path cannot be resolved: {exc}", seen=named, mend="Check the path.") from exc


def _walk(value: Any, keys: Sequence[str]) -> Iterator[Any]:
    if not keys:
        yield value
    elif keys[0] == "*":
        for item in value if isinstance(value, list) else []:
            yield from _walk(item, keys[1:])
    elif isinstance(value, dict) and keys[0] in value:
        yield from _walk(value[keys[0]], keys[1:])


def replace_dotted(value: dict[str, Any], dotted: str, replacement: Any) -> None:
    *parents, last = dotted.split(".")
    for key in parents:
        child = value.setdefault(key, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{dotted} cannot be replaced: {key} is not a mapping", seen=child)
        value = child
    value[last] = replacement


def make_portable(value: Any) -> Any:
    """`value` with every path cut to its file name, so that a digest does not depend on a machine."""
    if isinstance(value, dict):
        return {k: Path(v).name if k == "path" and v else make_portable(v) for k, v in value.items()}
    return [make_portable(v) for v in value] if isinstance(value, list) else value
