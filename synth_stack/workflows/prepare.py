"""A recipe made ready: everything that it names, found and checked, and the lock that records it.

Nothing is spent here and nothing is sent; every mistake in a recipe is found before either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

import synth_stack.generators
import synth_stack.teachers  # noqa: F401  (both register by being imported)
from synth_stack import __version__
from synth_stack.errors import ConfigError, Faults, InputError
from synth_stack.files import render_yaml, write_bytes, write_table
from synth_stack.generation.allocation import Counts, Wanted, aim_draws, order_slices, read_minima, share_out
from synth_stack.generation.draws import Aim, Plan
from synth_stack.generation.provenance import record_params, record_sampling
from synth_stack.generation.slice_balance import plan_balance, record_balance
from synth_stack.generation.slice_budget import SliceBudget, plan_budget, read_report, record_budget
from synth_stack.generators.template import TemplateChanges, change_templates, find_templates
from synth_stack.inputs.extensions import Extension, load_extensions, record_extensions
from synth_stack.inputs.image_counts import count_images
from synth_stack.inputs.recipe import Recipe, TeacherUse
from synth_stack.inputs.seeds import Corpus, load_corpus
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES
from synth_stack.inputs.yaml_models import UseModel
from synth_stack.registry import Bound, Role, bind, make_absolute
from synth_stack.rows.canonical import canonical_json
from synth_stack.runs.locks import compute_identity
from synth_stack.stats.apportion import split_draws
from synth_stack.teachers.image_teacher import ImageTeacher
from synth_stack.teachers.teacher import Price, Teacher, require_teacher

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

LOCK_SCHEME = "synth_stack/recipe-lock/v1"


@dataclass(frozen=True, slots=True)
class Method:
    """A bound generation method with its draws: `count` numbers from `first_draw` on, or `draws`."""

    bound: Bound
    share: float
    first_draw: int
    count: int
    templates: TemplateChanges = field(default_factory=TemplateChanges)
    draws: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A recipe made ready: corpus, teacher and methods, and the lock that records them.

    `wanted` says how the rows are to lie over the slices. `aim` is None for a run that draws evenly; one with
    a target is made in rounds, each `aimed`, and stands here as its first. `budget` is what a report gave,
    and `extensions` what was loaded for it. `models` are those that are asked in the place of the teacher,
    by the part of the work that they do.
    """

    recipe: Recipe
    corpus: Corpus
    teacher: Teacher
    methods: tuple[Method, ...]
    lock: Mapping[str, Any]
    wanted: Wanted
    budget: tuple[SliceBudget, ...] = ()
    aim: Aim | None = None
    extensions: tuple[Extension, ...] = ()
    models: Mapping[str, Teacher] = field(default_factory=dict)

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        """Every model that the run may ask."""
        return (self.teacher, *self.models.values())

    @property
    def prices(self) -> dict[str, Price]:
        """What tokens cost, by the part of the work; nothing where one of them has no price."""
        models = {"writer": self.teacher, **self.models}
        priced = {part: model.price for part, model in models.items() if model.price is not None}
        return priced if len(priced) == len(models) else {}

    @property
    def identity(self) -> str:
        return str(self.lock["identity"])

    def aimed(
        self, draws: Counts, *, first_draw: int = 0, seeds: Mapping[str, tuple[int, int]] | None = None
    ) -> "Job":
        """The job with so many draws of each slice, from `first_draw` on, by its methods in their shares.

        `seeds` has (made, accepted) of every seed that rows were made of.
        """
        aim = aim_draws(draws, self.recipe.seed, first_draw, seeds or {})
        methods = _count_methods(self.methods, len(aim.slices), first_draw)
        return replace(self, methods=methods, aim=aim)


def prepare(recipe: Recipe, loaded: Sequence[Extension] = ()) -> Job:
    """The recipe with its corpus loaded and its teacher and methods bound; its faults are told together.

    Modules of other authors that the recipe names are loaded; `loaded` are others, which the lock records
    too. Raises UsageError for whatever is wrong in it; sends nothing to a teacher.
    """
    from synth_stack.teachers.perimeter import confine

    extensions = (*loaded, *load_extensions(recipe.load, folder=recipe.folder))
    faults = Faults()
    with faults:
        _require_baseline(recipe)
    with faults:
        corpus = load_corpus(recipe.seeds, recipe.taxonomy or None, recipe.documents or None)
        budget = _plan_budget(recipe, corpus)
        wanted = _read_wanted(recipe, corpus, budget)
    with faults:
        bound, teacher = _make_teacher(recipe, recipe.teacher, "teacher")
        confine(teacher, recipe.perimeter, recipe.allow_hosts)
    others: dict[str, tuple[Bound, Teacher]] = {}
    for part, use in recipe.models.items():
        with faults:
            others[part] = _make_teacher(recipe, use, f"models.{part}")
            confine(others[part][1], recipe.perimeter, recipe.allow_hosts)
    methods: list[Method] = []
    for number in range(len(recipe.generate.methods)):
        with faults:
            methods.append(_bind_method(recipe, number))
    faults.raise_all()
    counted = _count_methods(methods, wanted.total, 0)
    lock = _lock(
        recipe,
        corpus,
        bound,
        teacher,
        counted,
        others=others,
        wanted=wanted,
        budget=budget,
        extensions=extensions,
    )
    _require_readable(recipe, lock)
    models = {part: made for part, (_, made) in others.items()}
    job = Job(recipe, corpus, teacher, counted, lock, wanted, budget, extensions=extensions, models=models)
    _require_prices(job)
    if recipe.generate.target is not None or budget:
        job = job.aimed(share_out(wanted.total, wanted.weights, wanted.minima))
    for planned in job.methods:
        # a method that cannot work with this teacher says so before any other spends
        build_pipeline(job, planned)
    return job


def _require_baseline(recipe: Recipe) -> None:
    if recipe.baseline is not None and not Path(recipe.baseline).is_file():
        raise InputError(
            f"recipe {recipe.name}: baseline {recipe.baseline} is not a file", mend="Check the path."
        )


def read_budget(recipe: Recipe) -> tuple[SliceBudget, ...]:
    """What the recipe's report or balance gives each slice; nothing without one.

    Raises what `prepare` does.
    """
    if recipe.generate.report is None and recipe.generate.balance is None:
        return ()
    return _plan_budget(recipe, load_corpus(recipe.seeds, recipe.taxonomy or None, recipe.documents or None))


def build_pipeline(job: Job, method: Method, batch_rows: int | None = None) -> "Pipeline":
    """The distilabel Pipeline of a method of the job, with its draws and teacher.

    `batch_rows` takes the place of the recipe's. Raises what the method raises.
    """
    plan = Plan(
        job.corpus,
        job.recipe.about,
        job.recipe.seed,
        method.bound.name,
        method.first_draw,
        method.count,
        grounding_words=job.recipe.generate.grounding_words,
        aim=job.aim,
        draws=method.draws,
    )
    pipeline: Pipeline = method.bound.make(job.teacher, plan, batch_rows or job.recipe.generate.batch_rows)
    _tell_steps(pipeline, job, method)
    return pipeline


def _tell_steps(pipeline: "Pipeline", job: Job, method: Method) -> None:
    """Tell each step of a pipeline what the recipe says of it: its templates, its model, the reasoning."""
    named = {part: {"name": model.model_name, "digest": model.digest} for part, model in job.models.items()}
    for step in (pipeline.dag.get_step(name)["step"] for name in pipeline.dag):
        if hasattr(step, "_templates"):
            step._templates = method.templates
        if (model := job.models.get(getattr(step, "part", ""))) is not None:
            step.llm = model
        if hasattr(step, "_models"):
            step._models = named
        if hasattr(step, "_keeps_reasoning"):
            step._keeps_reasoning = job.recipe.generate.reasoning != "drop"


def _make_teacher(recipe: Recipe, use: UseModel, key: str) -> tuple[Bound, Teacher]:
    bound = _bind(recipe, "teacher", use, key)
    return bound, require_teacher(bound.name, bound.make())


def _bind_method(recipe: Recipe, number: int) -> Method:
    use, key = recipe.generate.methods[number], f"generate.methods[{number}]"
    bound = _bind(recipe, "generator", use, key)
    where = f"recipe {recipe.name}: {key}.templates"
    uses = {
        name: each.model_copy(update={"file": make_absolute(recipe.folder, each.file)}) if each.file else each
        for name, each in use.templates.items()
    }
    changes = change_templates(bound, uses, recipe.generate.on_cut, where=where)
    return Method(bound, use.share, 0, 0, changes)


def write_seeds(job: Job, folder: Path) -> None:
    """seeds/ of a run: the seed table, the topics and the document sections as they were read."""
    write_table(folder / "seeds" / "seeds.parquet", job.corpus.seeds)
    topics = [topic.model_dump(exclude_none=True) for topic in job.corpus.topics.values()]
    write_bytes(folder / "seeds" / "taxonomy.yaml", render_yaml(topics))
    # JSON, since document sections are long, and YAML is slow to read
    write_bytes(folder / "seeds" / "sections.json", canonical_json(dict(job.corpus.sections)) + b"\n")


def _bind(recipe: Recipe, role: Role, use: UseModel, key: str) -> Bound:
    """What the recipe names under `key`, bound; relative paths are taken from its folder."""
    return bind(role, use.use, use.params, where=f"recipe {recipe.name}: {key}", folder=recipe.folder)


def _require_readable(recipe: Recipe, lock: Mapping[str, Any]) -> None:
    """Raises ConfigError for a lock that no reader would take: the templates of other authors are in it."""
    size = len(render_yaml(lock))
    if size > MAX_FILE_BYTES:
        raise ConfigError(
            f"recipe {recipe.name}: its lock, with every template in it, is too large",
            seen=f"{size} bytes",
            allowed=f"at most {MAX_FILE_BYTES}",
            mend="Ask with fewer or shorter templates.",
        )


def _plan_budget(recipe: Recipe, corpus: Corpus) -> tuple[SliceBudget, ...]:
    balance, report = recipe.generate.balance, recipe.generate.report
    if balance is not None:
        counts = count_images(Path(balance.path), balance.attributes)
        return plan_balance(counts, _list_slices(corpus), recipe.generate.wanted, balance)
    if report is None:
        return ()
    return plan_budget(read_report(report, _list_slices(corpus)), recipe.generate.wanted, report)


def _read_wanted(recipe: Recipe, corpus: Corpus, budget: Sequence[SliceBudget]) -> Wanted:
    """How the rows of the recipe are to lie over its slices: evenly, or as the budget says."""
    slices = order_slices(_list_slices(corpus), recipe.seed)
    shares = {share.slice: share.rows for share in budget}
    weights = {slice_: shares.get(slice_, 0) if shares else 1 for slice_ in slices}
    target = recipe.generate.target
    where = f"recipe {recipe.name}: generate.target"
    minima = read_minima(target, slices, where=where) if target is not None else {}
    return Wanted(recipe.generate.wanted, weights, minima)


def _list_slices(corpus: Corpus) -> list[str]:
    """The slices that have seeds."""
    return sorted(pc.unique(corpus.seeds["slice"]).to_pylist())


def _require_prices(job: Job) -> None:
    """Raises ConfigError for a limit of cost without prices, and for prices in several currencies."""
    recipe, target = job.recipe, job.recipe.generate.target
    if target is not None and target.max_cost is not None and not job.prices:
        raise ConfigError(
            f"recipe {recipe.name}: generate.target.max_cost needs a teacher whose tokens have a price",
            seen=f"max_cost {target.max_cost:g}, teacher {recipe.teacher.use} without price"
            if job.teacher.price is None
            else f"max_cost {target.max_cost:g}, and a model of `models` without price",
            mend="Set teacher.price, or leave max_cost out.",
        )
    currencies = sorted({price.currency for price in job.prices.values()})
    if len(currencies) > 1:
        raise ConfigError(
            f"recipe {recipe.name}: the prices of its models are in several currencies",
            seen=", ".join(currencies),
            mend="Write them all in one.",
        )


def _count_methods(methods: Sequence[Method], total: int, first_draw: int) -> tuple[Method, ...]:
    """The methods with their shares of `total` draws, one after the other from `first_draw` on."""
    counts = split_draws(total, [method.share for method in methods])
    return tuple(
        replace(method, first_draw=first_draw + sum(counts[:number]), count=count)
        for number, (method, count) in enumerate(zip(methods, counts, strict=True))
    )


def _lock(
    recipe: Recipe,
    corpus: Corpus,
    bound: Bound,
    teacher: Teacher,
    methods: Sequence[Method],
    *,
    others: Mapping[str, tuple[Bound, Teacher]],
    wanted: Wanted,
    budget: Sequence[SliceBudget],
    extensions: Sequence[Extension],
) -> dict[str, Any]:
    generate = recipe.generate
    goals: dict[str, Any] = {}
    if generate.target is not None:  # what may be spent on it can be raised, and the run goes on
        goals["target"] = {"accepted": wanted.total, "per_slice": dict(sorted(wanted.minima.items()))}
    if generate.report is not None:
        goals["report"] = record_budget(generate.report, budget)
    if generate.balance is not None:
        counts = count_images(Path(generate.balance.path), generate.balance.attributes)
        goals["balance"] = record_balance(generate.balance, counts, budget)
    asked_with = [tuple(map(method.templates.find, find_templates(method.bound))) for method in methods]
    texts = {template.template_id: template.text for found in asked_with for template in found}
    made_from = {
        "about": recipe.about,
        "seed": recipe.seed,
        "corpus": {
            "sha256": corpus.digest(),
            "seeds": corpus.seeds.num_rows,
            "slices": len(corpus.topics),
            "sections": len(corpus.sections),
        },
        "load": record_extensions(extensions),
        "teacher": _record_teacher(bound, teacher, recipe.teacher),
        "models": {part: _record_teacher(*others[part], use) for part, use in sorted(recipe.models.items())},
        # how far prompts went is said of the whole run; where to is said nowhere, and is in no digest
        "perimeter": {"reach": recipe.perimeter, "allowed_hosts": len(recipe.allow_hosts)},
        # a batch is committed under a name made from its items: other batches would stand beside them
        "batch_rows": generate.batch_rows,
        "grounding_words": generate.grounding_words,
        "reasoning": generate.reasoning,
        **goals,
        "methods": [
            {
                "use": method.bound.name,
                "version": method.bound.version,
                "params": record_params(method.bound),
                "share": repr(method.share),
                "draws": method.count if generate.target is None else None,
                "template_ids": [template.template_id for template in found],
                "asked_with": [template.record() for template in found],
            }
            for method, found in zip(methods, asked_with, strict=True)
        ],
        "templates": dict(sorted(texts.items())),
    }
    return {
        "scheme": LOCK_SCHEME,
        "identity": compute_identity({"scheme": LOCK_SCHEME, **made_from}),
        "synth_stack": __version__,
        "recipe": {"name": recipe.name, "pack": recipe.pack.model_dump(exclude_none=True)},
        **made_from,
    }


def _record_teacher(bound: Bound, teacher: Teacher, use: TeacherUse) -> dict[str, Any]:
    told: dict[str, Any] = {} if use.terms is None else {"terms": use.terms.model_dump(exclude_none=True)}
    if isinstance(teacher, ImageTeacher):
        told["weights"] = [dict(each) for each in teacher.weights]
    return {
        "use": bound.name,
        "version": bound.version,
        "model": teacher.model_name,
        "digest": teacher.digest,
        "replayable": teacher.replayable,
        "sampling": record_sampling(teacher),
        "prefers_raw": teacher.prefers_raw,
        **({"chat_format": teacher.chat_format} if "@" in (teacher.chat_format or "") else {}),
        "limits": {
            name: bound.params[name] for name in ("max_tokens", "reasoning_tokens") if bound.params.get(name)
        },
        **told,
    }
