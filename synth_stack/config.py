"""Recipe and gate files as strict pydantic models; every mistake is found before anything is spent.

Relative paths in a file are resolved against the folder of that file. What a gate, generator or teacher
takes is its own function's signature (registry.py) and is checked when it is bound.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from synth_stack.errors import ConfigError
from synth_stack.registry import config_error
from synth_stack.rows import Digest, digest_json
from synth_stack.strict_yaml import read_mapping

Model = TypeVar("Model", bound=BaseModel)

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""Names that become file names and table values: no separators, no spaces."""

Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Use(BaseModel):
    """`use: NAME` and the named function's own parameters beside it."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)
    use: str

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class TeacherUse(_Use):
    """Which teacher answers, with its parameters."""


class MethodUse(_Use):
    """A generation method and its share of the candidates."""

    share: Annotated[float, Field(gt=0, le=1)] = 1.0


class GateUse(_Use):
    """A gate, why it stands there, and whether it also scores rows that are already rejected.

    `canaries` known bad rows are planted behind each batch; a gate that catches a smaller share of them than
    `min_recall` (by default the gate's own bar) is blind, and the batch fails.
    """

    why: str | None = None
    all: bool = False
    canaries: Annotated[int, Field(ge=0, le=10_000)] = 50
    min_recall: Annotated[float, Field(ge=0, le=1)] | None = None


class EvalSet(_Strict):
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


class GateFile(_Strict):
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
        return digest_json([_portable(g.model_dump(exclude={"why"})) for g in self.gates])


class SeedColumns(_Strict):
    """A seed file and the columns to read from it; a column that is named must be there."""

    path: str
    text_column: str = "text"
    slice_column: str | None = None
    locale_column: str | None = None
    id_column: str | None = None


class ReportUse(_Strict):
    """An evaluation report that says how many rows each slice should get: the further below `goal`, the more.

    `floor` and `cap` bound the rows of a slice; `prior_n` is how many items the mean of all counts for,
    against the score of a slice that was tried on few. The arithmetic is in generators/longtail.py.
    """

    path: Text
    slice_column: Text = "slice"
    n_column: Text = "n"
    score_column: Text = "score"
    goal: Annotated[float, Field(gt=0, le=1)] = 1.0
    floor: Annotated[int, Field(ge=0)] = 1
    cap: Annotated[int, Field(ge=1)] | None = None
    prior_n: Annotated[int, Field(ge=0)] = 10


class Target(_Strict):
    """How many accepted rows are wanted, at least how many of a slice, and what may be spent on them.

    `per_slice` is one number for every slice, or numbers by slice. A limit that is None does not bound; but
    there are always at most `candidate_limit` rows.
    """

    accepted: Annotated[int, Field(ge=1, le=100_000_000)]
    per_slice: int | dict[str, int] | None = None
    max_candidates: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    max_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @field_validator("per_slice", mode="before")
    @classmethod
    def _counts_rows(cls, asked: Any) -> Any:
        for rows in asked.values() if isinstance(asked, dict) else [asked]:
            if asked is not None and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 1):
                raise ValueError(
                    f"{rows!r} is no number of rows; a whole number, or one for each slice named"
                )
        return asked

    @property
    def candidate_limit(self) -> int:
        """Rows that may be made at most: `max_candidates`, or ten for each that is to be accepted."""
        return 10 * self.accepted if self.max_candidates is None else self.max_candidates

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.candidate_limit < self.accepted:
            raise ValueError(
                f"{self.accepted} accepted rows cannot come of max_candidates {self.max_candidates}"
            )
        if isinstance(self.per_slice, dict) and sum(self.per_slice.values()) > self.accepted:
            raise ValueError(
                f"per_slice asks for {sum(self.per_slice.values())} rows in all, and accepted for "
                f"{self.accepted}"
            )
        return self


class GenerateConfig(_Strict):
    """How many rows, made by which methods: so many `candidates`, or until a `target` is met.

    `report` spreads them over the slices by how badly each did in an evaluation. `grounding_words` cuts the
    document section in a prompt to whole sentences within so many words, for small models; null gives it
    whole.
    """

    candidates: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    target: Target | None = None
    batch_rows: Annotated[int, Field(ge=1, le=10_000)] = 16
    grounding_words: Annotated[int, Field(ge=1)] | None = None
    report: ReportUse | None = None
    methods: Annotated[list[MethodUse], Field(min_length=1)]

    @field_validator("methods")
    @classmethod
    def _shares_add_up(cls, methods: list[MethodUse]) -> list[MethodUse]:
        total = sum(method.share for method in methods)
        if len(methods) > 1 and abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of all methods must add up to 1, not {total:g}")
        return methods

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if (self.candidates is None) == (self.target is None):
            raise ValueError("either candidates or target says how many rows to make, and one of them must")
        return self

    @property
    def wanted(self) -> int:
        """The candidates to make, or the accepted rows to reach."""
        return self.target.accepted if self.target is not None else self.candidates or 0


class PackConfig(_Strict):
    """What the dataset card says that no figure can."""

    pretty_name: str
    license: str = "other"
    languages: Annotated[list[str], Field(min_length=1)] = ["en"]
    known_biases: list[str] = []
    not_checked: list[str] = []


class SignConfig(_Strict):
    """Who vouches for the batch: a local key (integrity only) or a sigstore identity."""

    use: Literal["local", "sigstore"] = "local"
    trust_config: str | None = None


class Recipe(_Strict):
    """A whole run: seeds, teacher, methods, gates, pack.

    With `perimeter: local` prompts leave this machine for the hosts in `allow_hosts` alone.
    """

    version: Literal[1]
    name: Name
    about: Annotated[str, Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**53)]
    seeds: SeedColumns
    taxonomy: str | None = None
    documents: str | None = None
    teacher: TeacherUse
    perimeter: Literal["open", "local"] = "open"
    allow_hosts: list[str] = []
    generate: GenerateConfig
    gates: str
    eval_sets: list[EvalSet] = []
    baseline: str | None = None
    pack: PackConfig
    sign: SignConfig = SignConfig()


def load_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a YAML file, its paths absolute.

    `overrides` replaces dotted keys after the file is read ("generate.candidates": 50); their paths are
    taken relative to the working folder. Raises ConfigError.
    """
    file = Path(path)
    value = read_mapping(file)
    _resolve(value, file.resolve().parent, _RECIPE_PATHS)
    for key, replacement in (overrides or {}).items():
        _replace(value, key, replacement)
    return _validated(Recipe, value, file)


def load_gates(path: str | Path, eval_sets: Sequence[EvalSet] = ()) -> GateFile:
    """The gate file at `path`, with `eval_sets` added to what the contamination gate checks against.

    Raises ConfigError, also when eval sets are named and no gate reads them.
    """
    file = Path(path)
    value = read_mapping(file)
    gates = _validated(GateFile, value, file).model_dump()["gates"]
    for gate in gates:
        _resolve(gate, file.resolve().parent, _GATE_PATHS)
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
    return _validated(GateFile, {"version": 1, "gates": gates}, file)


def parse_eval_set(text: str) -> EvalSet:
    """The eval set that `NAME=PATH` names. Raises ConfigError."""
    name, equals, path = text.partition("=")
    if not equals or not path:
        raise ConfigError("an eval set is named as NAME=PATH", seen=text)
    try:
        return EvalSet(name=name, path=_absolute(Path(), path))
    except ValidationError as exc:
        raise config_error(exc, where=f"eval set {text}", model=EvalSet) from exc


_RECIPE_PATHS = (
    "seeds.path",
    "taxonomy",
    "documents",
    "gates",
    "baseline",
    "eval_sets.*.path",
    "sign.trust_config",
    "teacher.weights",
    "generate.methods.*.pool.path",
    "generate.methods.*.personas.path",
    "generate.report.path",
)
_GATE_PATHS = ("against.*.path", "embedding.background.path", "weights", "pool.path")


def _validated(model: type[Model], value: Any, file: Path) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise config_error(exc, where=str(file), model=model) from exc


def _resolve(value: Any, folder: Path, dotted: Sequence[str]) -> None:
    for path in dotted:
        *parents, last = path.split(".")
        for holder in _walk(value, parents):
            named = holder.get(last) if isinstance(holder, dict) else None
            if isinstance(named, str) and not named.startswith(("package:", "hub:")):
                holder[last] = _absolute(folder, named)


def _absolute(folder: Path, named: str) -> str:
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


def _replace(value: dict[str, Any], dotted: str, replacement: Any) -> None:
    *parents, last = dotted.split(".")
    for key in parents:
        child = value.setdefault(key, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{dotted} cannot be replaced: {key} is not a mapping", seen=child)
        value = child
    value[last] = replacement


def _portable(value: Any) -> Any:
    """`value` with every path cut to its file name, so that a digest does not depend on a machine."""
    if isinstance(value, dict):
        return {k: Path(v).name if k == "path" and v else _portable(v) for k, v in value.items()}
    return [_portable(v) for v in value] if isinstance(value, list) else value
