"""The gate file as strict models: which gates, in which order, with which parameters and canaries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from synth_stack.errors import ConfigError
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.inputs.yaml_models import (
    StrictModel,
    Text,
    UseModel,
    make_absolute,
    make_portable,
    resolve_paths,
    validate,
)
from synth_stack.registry import config_error
from synth_stack.rows.canonical import Digest, digest_json


class GateUse(UseModel):
    """A gate, why it stands there, and whether it also scores rows that are already rejected.

    `canaries` known bad rows are planted behind each batch; a gate that catches a smaller share of them than
    `min_recall` (by default the gate's own bar) is blind, and the batch fails.
    """

    why: str | None = None
    all: bool = False
    canaries: Annotated[int, Field(ge=0, le=10_000)] = 50
    min_recall: Annotated[float, Field(ge=0, le=1)] | None = None


class NamedEvalSet(StrictModel):
    """A named evaluation set that no row may leak, and column names where the usual ones do not fit.

    It is a file (`path`), or a dataset of the Hub (`hub: owner/name`, with `config`, `split` and
    `revision`). `version` is the set's own, for the record; the digest tells what was really read.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    path: Text | None = None
    hub: Annotated[str, Field(pattern=r"^[\w.-]{1,96}/[\w.-]{1,96}$")] | None = None
    config: Text | None = None
    split: Text | None = None
    revision: Text | None = None
    version: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    prompt: Text | None = None
    answer: Text | None = None
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
    """The gates in the order of work."""

    version: Literal[1]
    gates: Annotated[list[GateUse], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [gate.use for gate in self.gates]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"every gate once; {name!r} stands twice")
        return self

    def digest(self) -> Digest:
        """What was asked for, without paths and reasons: names and parameters."""
        return digest_json([make_portable(g.model_dump(exclude={"why"})) for g in self.gates])


def load_gates(path: str | Path, eval_sets: Sequence[NamedEvalSet] = ()) -> GateFile:
    """The gate file at `path`, with `eval_sets` added to what the contamination gate checks against.

    Raises ConfigError, also when eval sets are named and no gate reads them.
    """
    file = Path(path)
    value = read_mapping(file)
    gates = validate(GateFile, value, file).model_dump()["gates"]
    for gate in gates:
        resolve_paths(gate, file.resolve().parent, _GATE_PATHS)
    readers = [gate for gate in gates if gate["use"] == "contamination"]
    if eval_sets and not readers:
        raise ConfigError(
            f"{file}: eval sets are named and no contamination gate reads them",
            seen=", ".join(e.name for e in eval_sets),
            mend="Add `- use: contamination` to the gate file.",
        )
    added = [e.model_dump(exclude_none=True) for e in eval_sets]
    for gate in readers:
        named = gate.get("against") or []
        gate["against"] = [*named, *added] if isinstance(named, list) else named
    return validate(GateFile, {"version": 1, "gates": gates}, file)


def parse_eval_set(text: str) -> NamedEvalSet:
    """The eval set that `NAME=PATH` names. Raises ConfigError."""
    name, equals, path = text.partition("=")
    if not equals or not path:
        raise ConfigError("an eval set is named as NAME=PATH", seen=text)
    try:
        return NamedEvalSet(name=name, path=make_absolute(Path(), path))
    except ValidationError as exc:
        raise config_error(exc, where=f"eval set {text}", model=NamedEvalSet) from exc


_GATE_PATHS = ("against.*.path", "embedding.background.path", "weights", "pool.path")
