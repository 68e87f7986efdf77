"""The gate file as strict models: which gates, in which order, with which parameters and canaries."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from synth_stack.errors import ConfigError
from synth_stack.inputs.columns import check_map
from synth_stack.inputs.nemo_config import find_gate_file, is_nemo, read_nemo
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.inputs.yaml_models import StrictModel, Text, UseModel, validate
from synth_stack.registry import FilePath, config_error, make_absolute, registered, suggest
from synth_stack.shipped_files import list_gate_files


class GateUse(UseModel):
    """A gate, why it stands there, and whether it also scores rows that are already rejected.

    After each batch `canaries` known bad rows of each of its kinds are planted, and as many innocent ones. A
    gate that catches a smaller share of a kind than `min_recall`, or turns away a larger share of an innocent
    kind than `max_unfair` (by default the gate's own bars), fails the batch.
    """

    why: str | None = None
    all: bool = False
    canaries: Annotated[int, Field(ge=0, le=1_000)] = 20
    min_recall: Annotated[float, Field(ge=0, le=1)] | None = None
    max_unfair: Annotated[float, Field(ge=0, le=1)] | None = None


class NamedEvalSet(StrictModel):
    """A named evaluation set that no row may leak, and column names where the usual ones do not fit.

    It is a file (`path`), or a dataset of the Hub (`hub: owner/name`, with `config`, `split` and
    `revision`). `version` is the set's own, for the record; the digest tells what was really read.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    path: FilePath | None = None
    hub: Annotated[str, Field(pattern=r"^[\w.-]{1,96}/[\w.-]{1,96}$")] | None = None
    config: Text | None = None
    split: Text | None = None
    revision: Text | None = None
    version: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    prompt: Text | None = None
    answer: Text | None = None
    passage: Text | None = None
    choices: Text | None = None
    id: Text | None = None
    entry_point: Text | None = None
    test: Text | None = None

    @model_validator(mode="after")
    def _is_in_one_place(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError("an eval set is either a file (path) or a dataset of the Hub (hub)")
        if self.hub is None and (self.config or self.split or self.revision):
            raise ValueError("config, split and revision belong to a dataset of the Hub (hub)")
        return self


class GateFile(StrictModel):
    """The gates in the order of work, and the modules of other authors that are loaded before (`load`).

    `map` names the columns of a foreign dataset by the fields that they are (docs/curate.md); what an option
    or a call maps goes before it. It is part of what was read, not of the gates. `perimeter` and
    `allow_hosts` bind the models that gates ask, as those of a recipe bind its own.
    """

    version: Literal[1]
    load: list[Text] = Field(default_factory=list)
    gates: Annotated[list[GateUse], Field(min_length=1)]
    map: dict[Text, Text] | None = None
    perimeter: Literal["open", "local"] = "open"
    allow_hosts: list[str] = Field(default_factory=list)
    _path: Path = PrivateAttr(default_factory=Path)

    @property
    def name(self) -> str:
        """The path of the file, as messages name it."""
        return str(self._path)

    @property
    def folder(self) -> Path:
        """Its folder, from which the paths in it are taken."""
        return self._path.resolve().parent

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [gate.use for gate in self.gates]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"every gate once; {name!r} stands twice")
        return self

    @model_validator(mode="after")
    def _map_is_one(self) -> Self:
        try:
            check_map(self.map)
        except ConfigError as exc:
            raise ValueError(str(exc)) from exc
        return self


def load_gates(path: str | Path) -> GateFile:
    """The gate file at `path`, one that comes with the package by its name, or a NeMo Curator configuration.

    Gates have to be registered by now. Raises ConfigError.
    """
    file = find_gates(path)
    value = read_mapping(file)
    if is_nemo(value):
        named = find_gate_file(value, file)
        if named is not None:
            return load_gates(named)
        value = read_nemo(value, file)
    found = validate(GateFile, value, file)
    found._path = file
    return found


def find_gates(named: str | Path, folder: Path | None = None) -> Path:
    """The path of the gate file that is `named`: a path, or the name of one that comes with the package.

    A file of that name in `folder` (by default the working folder) goes before one of the package. Raises
    ConfigError for a bare name that is neither.
    """
    path, shipped = Path(named), list_gate_files()
    if path.suffix or len(path.parts) != 1 or (folder or Path()).joinpath(path).exists():
        return path
    if path.name in shipped:
        return shipped[path.name]
    close = suggest(path.name, shipped)
    raise ConfigError(
        "there is no gate file of that name",
        seen=path.name,
        allowed=f"a path, or one of {', '.join(shipped)}",
        mend=close or "Check the path.",
    )


def add_eval_sets(file: GateFile, eval_sets: Sequence[NamedEvalSet]) -> list[GateUse]:
    """The gates of a file, with `eval_sets` added to the list of each gate that takes some.

    Gates have to be registered by now. Raises ConfigError when eval sets are named and no gate takes any.
    """
    if not eval_sets:
        return file.gates
    takers = {name: entry.eval_sets for name, entry in registered("gate").items() if entry.eval_sets}
    if not any(use.use in takers for use in file.gates):
        first = min(takers, default="a gate that takes some")
        raise ConfigError(
            f"{file.name}: eval sets are named and no gate reads them",
            seen=", ".join(e.name for e in eval_sets),
            mend=f"Add `- use: {first}` to the gate file.",
        )
    added = [e.model_dump(exclude_none=True) for e in eval_sets]
    return [_add(use, takers.get(use.use), added) for use in file.gates]


def _add(use: GateUse, parameter: str | None, added: list[dict[str, Any]]) -> GateUse:
    named = [] if parameter is None else use.params.get(parameter) or []
    if parameter is None or not isinstance(named, list):
        return use
    return GateUse.model_validate({**use.model_dump(), parameter: [*named, *added]})


def add_references(uses: list[GateUse], made: Mapping[str, Sequence[Path]]) -> list[GateUse]:
    """The gates, each with the indexes that were made for it (by gate) as rows that it compares with."""
    takers = {name: registered("gate")[name].references for name in made}
    added = {
        name: [{"name": path.stem, "path": str(path.resolve())} for path in paths]
        for name, paths in made.items()
    }
    return [_add(use, takers.get(use.use), added.get(use.use, [])) for use in uses]


def add_baseline(uses: list[GateUse], path: str | Path | None) -> list[GateUse]:
    """The gates with the rows at `path` as what the batch is compared with: by those that take some, or by
    one added after all others where none of them does. Raises ConfigError where no gate that there is takes
    any.
    """
    if path is None:
        return uses
    takers = {name: entry.baseline for name, entry in registered("gate").items() if entry.baseline}
    found = make_absolute(Path(), str(path))
    if not any(use.use in takers for use in uses):
        if not takers:
            raise ConfigError("no gate compares a batch with other rows", seen=str(path))
        uses = [*uses, GateUse(use=min(takers))]
    return [
        GateUse.model_validate({**use.model_dump(), str(takers[use.use]): found})
        if use.use in takers
        else use
        for use in uses
    ]


def fill_baseline(uses: list[GateUse], path: Path | None) -> list[GateUse]:
    """The gates with the rows at `path`, a recipe's, as what the batch is compared with: by those that take
    some and name none themselves.
    """
    if path is None:
        return uses
    takers = {name: entry.baseline for name, entry in registered("gate").items() if entry.baseline}
    return [
        GateUse.model_validate({**use.model_dump(), str(takers[use.use]): str(path)})
        if use.use in takers and use.params.get(str(takers[use.use])) is None
        else use
        for use in uses
    ]


def load_map(path: str | Path) -> dict[str, str]:
    """What the gate file at `path` maps: columns of a foreign dataset by field. Raises ConfigError."""
    return dict(load_gates(path).map or {})


def parse_eval_set(text: str) -> NamedEvalSet:
    """The eval set that `NAME=PATH` names. Raises ConfigError."""
    name, equals, path = text.partition("=")
    if not equals or not path:
        raise ConfigError("an eval set is named as NAME=PATH", seen=text)
    try:
        return NamedEvalSet(name=name, path=make_absolute(Path(), path))
    except ValidationError as exc:
        raise config_error(exc, where=f"eval set {text}", model=NamedEvalSet) from exc
