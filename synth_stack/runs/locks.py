"""What a pack reads of a run's two locks: what the rows were made from, and what judged them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError

from synth_stack.errors import ConfigError
from synth_stack.files import render_yaml
from synth_stack.inputs.recipe import PackConfig
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES, parse_yaml
from synth_stack.registry import config_error
from synth_stack.rows.canonical import Digest, digest_json
from synth_stack.runs.self_tests import SelfTestBars

Share = Annotated[float, Field(ge=0, le=1)]
Model = TypeVar("Model", bound=BaseModel)

Decimal = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?$")]
"""A number as `repr` of a float writes it."""


class _Lock(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, protected_namespaces=())


class TermsLock(_Lock):
    """What the recipe declares of a model's terms."""

    output: Literal["train-any", "no-competing-models", "non-commercial", "research-only"]
    license: str
    url: str | None = None


class TeacherLock(_Lock):
    """The model that answered. `digest` is what tells one version of it from another; `weights` are the parts
    that made images, each with its licence and the digests of its files.
    """

    use: str
    version: str
    model: str | None = None
    digest: str | None = None
    replayable: bool
    params: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    terms: TermsLock | None = None
    weights: list[dict[str, Any]] = []


class MethodLock(_Lock):
    """A generation method, its share of the draws (a decimal string in the lock), and its templates.

    `draws` is None for a run with a target: as many as that takes.
    """

    use: str
    version: str
    params: dict[str, Any] = {}
    share: Annotated[float, Field(strict=False, ge=0, le=1)]
    draws: int | None
    template_ids: list[str] = []


class TargetLock(_Lock):
    """How many accepted rows a run draws for, in all and of some slices."""

    accepted: Annotated[int, Field(ge=1)]
    per_slice: dict[str, int] = {}


class RetryLock(_Lock):
    """Draws without a good row that were asked again, and how before, where that was otherwise."""

    draws: Annotated[int, Field(ge=1)]
    asked_before: dict[str, Any] = {}


class CorpusLock(_Lock):
    """The seed corpus: its digest, and how much of what it held."""

    sha256: str
    seeds: int
    slices: int
    sections: int


class BalancedSliceLock(_Lock):
    """One slice of a set that is balanced: its images, and the rows that it was given."""

    slice: str
    before: Annotated[int, Field(ge=0)]
    rows: Annotated[int, Field(ge=0)]


class BalanceLock(_Lock):
    """A real set that a run balances: the images that every slice is to have, its slices, and those that no
    seed is of.
    """

    goal: Annotated[int, Field(ge=0)]
    slices: list[BalancedSliceLock]
    unseeded: dict[str, Annotated[int, Field(ge=0)]] = {}


RUN_SOURCE = "a run of synth_stack"
"""The name of the source of rows that were copied from a run, each with the origin that it had there."""


class SourceLock(_Lock):
    """Somebody else's dataset: the name that it came under and the digest of its bytes; of a pack or run also
    its licence, and the terms of the models that it declared, by name and digest.
    """

    name: str
    sha256: str
    license: str | None = None
    terms: dict[str, TermsLock] = {}

    @property
    def is_run(self) -> bool:
        """Whether the rows are those of a run, and not of a dataset."""
        return self.name == RUN_SOURCE


class PipelineLock(_Lock):
    """A distilabel pipeline of its author's own: its name and the digest of what it is made of."""

    name: str
    sha256: str


class NamedLock(_Lock):
    """The recipe's name and what it says for the card."""

    name: str
    pack: PackConfig


class PerimeterLock(_Lock):
    """How far the prompts of a run could go: `open`, or `local` with so many hosts allowed besides."""

    reach: Literal["open", "local"]
    allowed_hosts: Annotated[int, Field(ge=0)] = 0


class ExtensionLock(_Lock):
    """A module of another author that was loaded: its name and the digest of its files."""

    name: str
    sha256: str


class RecipeLock(_Lock):
    """A run's recipe.lock.yaml: of a recipe, of a `pipeline`, or of a curated dataset, the `source`."""

    scheme: str | None = None
    identity: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    synth_stack: Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+_-]{0,39}$")]
    _value: dict[str, Any] = PrivateAttr(default_factory=dict)
    recipe: NamedLock | None = None
    about: str | None = None
    seed: int | None = None
    corpus: CorpusLock | None = None
    balance: BalanceLock | None = None
    teacher: TeacherLock | None = None
    models: dict[str, TeacherLock] = {}
    reasoning: str | None = None
    perimeter: PerimeterLock | None = None
    target: TargetLock | None = None
    methods: list[MethodLock] = []
    templates: dict[str, str] = {}
    retries: list[RetryLock] = []
    load: list[ExtensionLock] = []
    source: SourceLock | None = None
    pipeline: PipelineLock | None = None

    @property
    def name(self) -> str:
        """The name of the recipe, pipeline or dataset."""
        named = self.recipe or self.pipeline or self.source
        return "rows" if named is None else named.name

    @property
    def card(self) -> PackConfig | None:
        """What the recipe says for the card; None where there was no recipe."""
        return None if self.recipe is None else self.recipe.pack


class EvalSetLock(_Lock):
    """An evaluation set that a gate compared with: its name, its publisher's version where one was named, the
    digest of its bytes, and its size.
    """

    name: str
    version: str | None = None
    sha256: str
    items: int


class _Against(_Lock):
    against: list[EvalSetLock] = []


class DialLock(_Lock):
    """A threshold by which a gate decides, and on which side of it (gates/gate.py, `Dial`)."""

    parameter: str | None
    score: str
    rejects: Literal[">", ">=", "<"]
    threshold: Decimal
    outcome: str
    classes: list[str]
    lowest: Decimal | None = None
    fixed_by: str | None = None
    strict: bool = True


RECIPE_SCHEMES = (
    "synth_stack/recipe-lock/v1",
    "synth_stack/curate-lock/v2",
    "synth_stack/pipeline-lock/v1",
)
GATES_SCHEME = "synth_stack/gates-lock/v2"
"""What a lock in a pack is of: of another one nobody knows what its words mean."""
ACTIONS = ("ignore", "hold", "reject")
"""What a dial may do with a row by itself; a parameter of another value (a redaction, say) rejects it."""


def read_action(dial: DialLock, params: Mapping[str, Any]) -> str:
    """What becomes of a row beyond a dial, under the parameters of its gate."""
    if dial.outcome in ACTIONS:
        return dial.outcome
    value: Any = params
    for key in dial.outcome.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return str(value)


def is_strict(dial: DialLock, params: Mapping[str, Any]) -> bool:
    """Whether every verdict of a gate stands on the side of a dial that its score is on, under its
    parameters: not where something that fixes the dial, an opinion of a model say, may decide otherwise.
    """
    return dial.strict and not (dial.fixed_by is not None and params.get(dial.fixed_by))


class GateLock(_Lock):
    """A gate: its bound parameters, why it stands there, and the facts that it stated of itself.

    `all`: it saw rejected rows too. `canaries` of each kind were asked for; `min_recall`, `bars`,
    `max_unfair` and `off` are those of its self-test (self_tests.py).
    `reads` are the texts of a row that it looked at; `dials` the thresholds that it decided by.
    """

    use: str
    version: str
    all: bool = False
    canaries: Annotated[int, Field(ge=0)] = 0
    min_recall: Share = 0.0
    bars: dict[str, Share] = {}
    max_unfair: Share = 1.0
    off: list[str] = []
    reads: list[str] = []
    params: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    dials: list[DialLock] = []
    why: str | None = None

    @property
    def asked(self) -> SelfTestBars:
        """What its self-test asks of it."""
        return SelfTestBars(self.min_recall, self.bars, self.max_unfair, tuple(self.off))

    @property
    def eval_sets(self) -> list[EvalSetLock]:
        """The evaluation sets in its facts (`against`); none where it states none in that form."""
        try:
            return _Against.model_validate(self.facts).against
        except ValidationError:
            return []


class RuleLock(_Lock):
    """How verdicts became decisions (decisions/decide.py, `Rule`)."""

    scheme: Literal["synth_stack/decision/v1"]
    order: list[str]
    overriding: list[str]
    precedence: list[str]


class GatesLock(_Lock):
    """A run's gates.lock.yaml: the gates in the order of work, the rule, and what was loaded for them."""

    scheme: str | None = None
    identity: str | None = None
    gates: list[GateLock]
    rule: RuleLock
    load: list[ExtensionLock] = []
    _value: dict[str, Any] = PrivateAttr(default_factory=dict)


def parse_recipe(data: bytes, *, where: str) -> RecipeLock:
    """The recipe lock in `data`. Raises ConfigError, starting with `where`."""
    return _parse(RecipeLock, data, where)


def parse_gates(data: bytes, *, where: str) -> GatesLock:
    """The gates lock in `data`. Raises ConfigError, starting with `where`."""
    return _parse(GatesLock, data, where)


def find_identity_fault(lock: RecipeLock | GatesLock) -> str | None:
    """The identity that a parsed lock states, where what it says gives another; None where it is that one."""
    try:
        return None if compute_identity(lock._value) == lock.identity else lock.identity
    except ValueError:
        return lock.identity


def is_as_written(lock: RecipeLock | GatesLock, data: bytes) -> bool:
    """Whether `data`, from which a lock was parsed, is what we write of it: without a comment or a space."""
    return render_yaml(lock._value) == data


def compute_identity(lock: Mapping[str, Any]) -> Digest:
    """The identity that what a lock says gives it, as it was written or read.

    A lock of a recipe names all that its rows depend on, without what is declared of licences; one of a
    dataset its `source` without the name, one of a pipeline its `pipeline`; one of gates everything but why
    each stands there. Raises ValueError.
    """
    told = {key: part for key, part in lock.items() if key not in {"identity", "synth_stack", "recipe"}}
    told |= {key: _drop_terms(told[key]) for key in ("teacher", "models") if key in told}
    if "gates" in told:
        told.pop("scheme", None)
        named = [{key: part for key, part in gate.items() if key != "why"} for gate in told["gates"]]
        return digest_json({**told, "gates": named})
    for name, left_out in (("source", {"name", "license", "terms"}), ("pipeline", set())):
        if name in told:
            told |= {key: part for key, part in told.pop(name).items() if key not in left_out}
    return digest_json(told)


def _drop_terms(part: Any) -> Any:
    """A teacher, or models by part, without what is declared of their terms."""
    if not isinstance(part, Mapping):
        return part
    return {key: _drop_terms(value) for key, value in part.items() if key != "terms"}


def _parse(model: type[Model], data: bytes, where: str) -> Model:
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{where} is too large", seen=len(data), allowed=f"at most {MAX_FILE_BYTES} bytes")
    try:
        value = parse_yaml(data.decode("utf-8"), where=where)
        lock = TypeAdapter(model).validate_python(value)
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{where} is not UTF-8: byte {exc.start}") from exc
    except ValidationError as exc:
        raise config_error(exc, where=where, model=model) from exc
    object.__setattr__(lock, "_value", value)
    return lock
