"""Recipe and gate files as strict pydantic models; every mistake is found before anything is spent.

Relative paths in a file are resolved against the folder of that file. What a gate, generator or teacher
takes is its own function's signature (registry.py) and is checked when it is bound.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from synth_stack.inputs.gate_file import NamedEvalSet, find_gates
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.inputs.template_use import OnCut, Reasoning, TemplateUse
from synth_stack.inputs.yaml_models import Name, StrictModel, Text, UseModel, replace_dotted, validate
from synth_stack.registry import PATH, FilePath, list_paths, make_absolute, map_paths

WEB_ADDRESS = r"^https://[a-z0-9.-]+(/[\w./#%-]*)?$"
"""Without a user, a port or a query, in which a secret could stand."""

TermsOutput = Literal["train-any", "no-competing-models", "non-commercial", "research-only"]
"""What the terms of a model allow its output to be used for, from anything to papers alone."""


class TeacherTerms(StrictModel):
    """What the maker of a model allows its output to be used for, by which licence, and where that stands.

    `license` is an SPDX identifier, or LicenseRef- and a name of your own.
    """

    output: TermsOutput
    license: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$")]
    url: Annotated[str, Field(pattern=WEB_ADDRESS, max_length=200)] | None = None


class TeacherUse(UseModel):
    """Which teacher answers, with its parameters, and what its terms allow."""

    terms: TeacherTerms | None = None


class MethodUse(UseModel):
    """A generation method, its share of the candidates, and what it asks with other than its templates say.

    `templates` has the names of its templates.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    templates: dict[Text, TemplateUse] = Field(default_factory=dict)


OptionalPath = Annotated[str, PATH] | None
"""A path that may be left out, or emptied by an override."""


class SeedColumns(StrictModel):
    """A seed file and the columns to read from it; a column that is named must be there.

    Where `path` is a folder, or a Markdown, HTML, PDF or text file, the seeds are the passages of these
    documents, each in the slice of its document; there are no columns then.
    """

    path: FilePath
    text_column: str = "text"
    slice_column: str | None = None
    locale_column: str | None = None
    id_column: str | None = None


class ReportUse(StrictModel):
    """An evaluation report that says how many rows each slice should get: the further below `goal`, the more.

    `floor` and `cap` bound the rows of a slice; `prior_n` is how many items the mean of all counts for,
    against the score of a slice that was tried on few. The arithmetic is in generation/slice_budget.py.
    """

    path: FilePath
    slice_column: Text = "slice"
    n_column: Text = "n"
    score_column: Text = "score"
    goal: Annotated[float, Field(gt=0, le=1)] = 1.0
    floor: Annotated[int, Field(ge=0)] = 1
    cap: Annotated[int, Field(ge=1)] | None = None
    prior_n: Annotated[int, Field(ge=0)] = 10


class BalanceUse(StrictModel):
    """A real set of images that says how many rows each slice should get: the fewer it has, the more.

    `path` is a folder of images or a Parquet file of them; with `attributes`, columns about the images, a
    slice is `class/value`. Every slice is to have `goal` images in the end, by default as many as the largest
    has. `floor` and `cap` bound the rows of a slice; `prior_n` is how many images, spread evenly, are added
    to what was counted. The arithmetic is in generation/slice_balance.py.
    """

    path: FilePath
    attributes: list[Text] = Field(default_factory=list)
    goal: Annotated[int, Field(ge=1)] | None = None
    floor: Annotated[int, Field(ge=0)] = 1
    cap: Annotated[int, Field(ge=1)] | None = None
    prior_n: Annotated[int, Field(ge=0)] = 10


class Target(StrictModel):
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


ModelPart = Literal["judge", "rewriter", "reward", "weak", "target"]
"""As what a model works on a row, beside the teacher, which writes; `weak` writes what is to be rejected, and
`target` is the one that an attack is tried on."""


class GenerateConfig(StrictModel):
    """How many rows, made by which methods: so many `candidates`, or until a `target` is met.

    `report` spreads them over the slices by how badly each did in an evaluation, `balance` by how few images
    of each a real set has. `grounding_words` cuts the
    document section in a prompt to whole sentences within so many words, for small models; null gives it
    whole. `on_cut` says what becomes of an answer that its token limit cut off, `reasoning` of what a model
    thought before it answered.
    """

    candidates: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    target: Target | None = None
    batch_rows: Annotated[int, Field(ge=1, le=10_000)] = 16
    grounding_words: Annotated[int, Field(ge=1)] | None = None
    on_cut: OnCut = "retry"
    reasoning: Reasoning = "keep"
    report: ReportUse | None = None
    balance: BalanceUse | None = None
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

    @model_validator(mode="after")
    def _has_one_budget(self) -> Self:
        if self.report is not None and self.balance is not None:
            raise ValueError("a report and a balance both say how many rows each slice gets; leave one out")
        return self

    @property
    def wanted(self) -> int:
        """The candidates to make, or the accepted rows to reach."""
        return self.target.accepted if self.target is not None else self.candidates or 0


class IssuerConfig(StrictModel):
    """Who answers for a pack: a legal name, the lines of an address, and the two letters of a country."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    address: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=8)] = Field(
        default_factory=list
    )
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None


PackUse = Literal[
    "ai-pre-training", "ai-alignment", "ai-evaluation", "ai-synthetic", "non-ai-staging", "non-ai-quality"
]
"""What rows are meant for, by the Data & Trust Alliance (Data Provenance Standards 1.0.0, section 7.3)."""


class PackConfig(StrictModel):
    """What the card and the other documents of a pack say that no figure can; None where nothing is stated.

    `issued` is the day of issue and `url` where the pack can be had.
    """

    pretty_name: str
    license: str = "other"
    languages: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["en"])
    known_biases: list[str] = Field(default_factory=list)
    issuer: IssuerConfig | None = None
    issued: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    url: Annotated[str, Field(pattern=WEB_ADDRESS, max_length=200)] | None = None
    uses: list[PackUse] = Field(default_factory=list)

    @field_validator("issued", mode="before")
    @classmethod
    def _read_day(cls, value: object) -> object:
        """YAML reads a day without quotes as a date."""
        return value.isoformat() if type(value) is date else value

    @field_validator("issued")
    @classmethod
    def _require_day(cls, value: str | None) -> str | None:
        if value is not None:
            date.fromisoformat(value)
        return value


class SignConfig(StrictModel):
    """Who vouches for the batch: a local key (integrity only) or a sigstore identity."""

    use: Literal["local", "sigstore"] = "local"
    trust_config: OptionalPath = None


class Recipe(StrictModel):
    """A whole run: seeds, teacher, methods, gates, pack.

    `models` are asked in the place of the teacher where a method judges, rewrites or scores. With
    `perimeter: local` prompts leave this machine for the hosts in `allow_hosts` alone. `load` names modules
    of other authors whose generators, teachers and gates the recipe uses.
    """

    version: Literal[1]
    name: Name
    about: Annotated[str, Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**53)]
    load: list[Text] = Field(default_factory=list)
    seeds: SeedColumns
    taxonomy: OptionalPath = None
    documents: OptionalPath = None
    teacher: TeacherUse
    models: dict[ModelPart, TeacherUse] = Field(default_factory=dict)
    perimeter: Literal["open", "local"] = "open"
    allow_hosts: list[str] = Field(default_factory=list)
    generate: GenerateConfig
    gates: FilePath
    eval_sets: list[NamedEvalSet] = Field(default_factory=list)
    baseline: OptionalPath = None
    pack: PackConfig
    sign: SignConfig = SignConfig()
    _path: Path | None = PrivateAttr(default=None)

    @property
    def folder(self) -> Path:
        """The folder of its file, from which the paths in it are taken; the working folder without a file."""
        return Path.cwd() if self._path is None else self._path.resolve().parent


def load_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a YAML file, its own paths absolute; those of methods and teacher are, once bound.

    `overrides` replaces dotted keys after the file is read ("generate.candidates": 50); their paths are
    taken relative to the working folder. Raises ConfigError.
    """
    file = Path(path)
    folder = file.resolve().parent
    read = read_mapping(file)
    if isinstance(read.get("gates"), str) and read["gates"]:
        read["gates"] = str(find_gates(read["gates"], folder))
    value = map_paths(read, list_paths(Recipe), lambda named: make_absolute(folder, named))
    for key, replacement in (overrides or {}).items():
        replace_dotted(value, key, replacement)
    recipe = validate(Recipe, value, file)
    recipe._path = file
    return recipe
