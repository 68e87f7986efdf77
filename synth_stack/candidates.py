"""The first half of the line: from a recipe to committed candidate rows.

prepare    everything that a recipe names, found and checked; nothing is spent yet
generate   candidates/ of a run folder, batch by batch; goes on where it stopped
preview    a few rows of any recipe, kept nowhere
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import synth_stack.generators
import synth_stack.teachers  # noqa: F401  (both register by being imported)
from synth_stack import __version__
from synth_stack.config import Recipe
from synth_stack.errors import InputError
from synth_stack.generators.parts import DONE, batch_file
from synth_stack.generators.plan import Plan, split_draws
from synth_stack.generators.recorded import record_params
from synth_stack.generators.template import load_template, templates_of
from synth_stack.progress import Progress
from synth_stack.registry import Bound, bind
from synth_stack.rows import build_candidates, digest_json
from synth_stack.seeds import Corpus, load_corpus
from synth_stack.store import write_bytes, write_table

LOCK_SCHEME = "synth_stack/recipe-lock/v1"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """A bound generation method with its draws: numbers `first_draw` to `first_draw + count - 1`."""

    bound: Bound
    share: float
    first_draw: int
    count: int


@dataclass(frozen=True, slots=True)
class Job:
    """A recipe made ready: corpus, teacher and methods, and the lock that records them."""

    recipe: Recipe
    corpus: Corpus
    teacher: Any
    methods: tuple[Method, ...]
    lock: Mapping[str, Any]

    @property
    def identity(self) -> str:
        return str(self.lock["identity"])


def prepare(recipe: Recipe) -> Job:
    """The recipe with its corpus loaded and its teacher and methods bound.

    Raises UsageError for whatever is wrong in it; sends nothing to a teacher.
    """
    from synth_stack.teachers.perimeter import confine

    if recipe.baseline is not None and not Path(recipe.baseline).is_file():
        raise InputError(
            f"recipe {recipe.name}: baseline {recipe.baseline} is not a file", mend="Check the path."
        )
    corpus = load_corpus(recipe.seeds, recipe.taxonomy or None, recipe.documents or None)
    teacher_use = recipe.teacher
    bound = bind("teacher", teacher_use.use, teacher_use.params, where=f"recipe {recipe.name}: teacher")
    teacher = bound.make()
    confine(teacher, recipe.perimeter, recipe.allow_hosts)
    uses = recipe.generate.methods
    counts = split_draws(recipe.generate.candidates, [use.share for use in uses])
    methods: list[Method] = []
    for number, (use, count) in enumerate(zip(uses, counts, strict=True)):
        where = f"recipe {recipe.name}: generate.methods[{number}]"
        method = bind("generator", use.use, use.params, where=where)
        methods.append(Method(method, use.share, sum(counts[:number]), count))
    job = Job(recipe, corpus, teacher, tuple(methods), _lock(recipe, corpus, bound, teacher, methods))
    for planned in job.methods:
        _build(job, planned)  # a method that cannot work with this teacher says so before any other spends
    return job


def generate_candidates(job: Job, folder: Path, progress: Progress) -> None:
    """Every candidate of the job as committed parts in `folder`/candidates.

    A batch that is there is not made again. Raises TeacherError when the teacher is down; what was committed
    is kept.
    """
    if (folder / "candidates" / DONE).exists():
        return
    from synth_stack.generators.drive import drive_lines

    job.teacher.check()
    advance = progress.begin("generate", job.recipe.generate.candidates)
    target = folder / "candidates"
    drive_lines(
        [_line(job, n, method, target, advance) for n, method in enumerate(job.methods) if method.count]
    )
    write_bytes(folder / "candidates" / DONE, b"")


def preview(recipe: Recipe, n: int) -> list[Row]:
    """`n` candidate rows spread over the recipe's methods, with their prompts; nothing is kept.

    Raises what `prepare` raises, and TeacherError when the teacher is down.
    """
    from synth_stack.generators.drive import Line, drive_lines

    job = prepare(recipe)
    job.teacher.check()
    rows: list[Row] = []

    def keep(_number: int, _items: list[Row], made: list[Row]) -> None:
        rows.extend(made)

    counts = split_draws(n, [method.share for method in job.methods])
    planned = [(method, count) for method, count in zip(job.methods, counts, strict=True) if count]
    lines = [Line(_build(job, method, count=count), lambda *_: False, keep) for method, count in planned]
    drive_lines(lines, overlap=False)
    return rows


def _line(job: Job, number: int, method: Method, target: Path, advance: Any) -> Any:
    """The pipeline of a method with the files that its batches are committed to."""
    from synth_stack.generators.drive import Line

    parts: dict[int, Path] = {}

    def is_done(batch: int, items: list[Row]) -> bool:
        part = batch_file(target, number, batch, items)
        if part.exists():
            advance(len(items))
            return True
        parts[batch] = part
        return False

    def commit(batch: int, items: list[Row], rows: list[Row]) -> None:
        write_table(parts.pop(batch), build_candidates(rows))
        advance(len(rows))

    return Line(_build(job, method), is_done, commit)


def _build(job: Job, method: Method, count: int | None = None) -> Any:
    plan = Plan(
        job.corpus,
        job.recipe.about,
        job.recipe.seed,
        method.bound.name,
        method.first_draw,
        method.count if count is None else count,
        grounding_words=job.recipe.generate.grounding_words,
    )
    return method.bound.make(job.teacher, plan, job.recipe.generate.batch_rows)


def _lock(
    recipe: Recipe, corpus: Corpus, teacher: Bound, llm: Any, methods: Sequence[Method]
) -> dict[str, Any]:
    names = sorted({name for method in methods for name in templates_of(method.bound.name)})
    templates = {load_template(name).template_id: load_template(name).text for name in names}
    made_from = {
        "about": recipe.about,
        "seed": recipe.seed,
        "corpus": {
            "sha256": corpus.digest(),
            "seeds": corpus.seeds.num_rows,
            "slices": len(corpus.topics),
            "sections": len(corpus.sections),
        },
        "teacher": {
            "use": teacher.name,
            "version": teacher.version,
            "model": llm.model_name,
            "digest": llm.digest,
            "replayable": llm.replayable,
            "sampling": {key: repr(value) for key, value in llm.sampling.items()},
            "prefers_raw": llm.prefers_raw,
        },
        # how far prompts went is said of the whole run; where to is nobody's business, and in no digest
        "perimeter": {"reach": recipe.perimeter, "allowed_hosts": len(recipe.allow_hosts)},
        # a batch is committed under a name made from its items: other batches would stand beside them
        "batch_rows": recipe.generate.batch_rows,
        "grounding_words": recipe.generate.grounding_words,
        "methods": [
            {
                "use": method.bound.name,
                "version": method.bound.version,
                "params": record_params(method.bound.name, method.bound.params),
                "share": repr(method.share),
                "draws": method.count,
                "template_ids": [load_template(n).template_id for n in templates_of(method.bound.name)],
            }
            for method in methods
        ],
        "templates": templates,
    }
    return {
        "scheme": LOCK_SCHEME,
        "identity": digest_json({"scheme": LOCK_SCHEME, **made_from}),
        "synth_stack": __version__,
        "recipe": {"name": recipe.name, "pack": recipe.pack.model_dump()},
        **made_from,
    }


def write_seeds(job: Job, folder: Path) -> None:
    """seeds/ of a run: the seed table, the topics and the document sections as they were read."""
    write_table(folder / "seeds" / "seeds.parquet", job.corpus.seeds)
    topics = [topic.model_dump(exclude_none=True) for topic in job.corpus.topics.values()]
    for name, value in (("taxonomy.yaml", topics), ("sections.yaml", dict(job.corpus.sections))):
        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)
        write_bytes(folder / "seeds" / name, text.encode("utf-8"))
