"""A recipe with everything that it names, whose faults are told together, before anything is spent.

read_recipe          the recipe of a file; where it is no recipe, also the faults of all that it names
check_recipe         whether its teachers, methods and gates are there and take their parameters
prepare_with_gates   a recipe and its gates made ready, and the faults of both
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import synth_stack.gates
import synth_stack.generators
import synth_stack.teachers  # noqa: F401  (all three register by being imported)
from synth_stack.errors import Faults, UsageError
from synth_stack.inputs.extensions import Extension, load_extensions
from synth_stack.inputs.gate_file import load_gates
from synth_stack.inputs.recipe import MethodUse, Recipe, SeedColumns, TeacherUse, load_recipe
from synth_stack.inputs.seeds import load_corpus
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.inputs.yaml_models import UseModel
from synth_stack.registry import Role, bind, make_absolute, registered
from synth_stack.workflows.judge import Gates, bind_gates
from synth_stack.workflows.prepare import Job, prepare
from synth_stack.workflows.resources import find_resources

_Use = tuple[Role, str, UseModel]
"""Which role, where it stands in the recipe, and what is used there."""


def read_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a YAML file (inputs/recipe.py). Raises ConfigError for all that is wrong in it.

    Where the file itself has faults, those of its teachers and methods, of the gate file and of the seeds
    stand among the `others`: who mends it mends all at once.
    """
    faults = Faults()
    with faults:
        return load_recipe(path, overrides)
    with contextlib.suppress(UsageError):  # what cannot be read at all has been told
        value = read_mapping(Path(path))
        folder = Path(path).resolve().parent
        with faults:
            _check_uses(_list_uses(value), folder, every=not value.get("load"))
        with faults:
            _check_gates(value.get("gates"), folder)
        with faults:
            _check_seeds(value, folder)
    faults.raise_all()
    raise AssertionError("a fault was noted and not raised")


def check_recipe(recipe: Recipe) -> None:
    """Nothing, where teachers, methods and gates are there and take their parameters; no model is loaded.

    Modules that recipe and gate file name are imported. Raises UsageError for all that is wrong.
    """
    faults = Faults()
    with faults:
        load_extensions(recipe.load, folder=recipe.folder)
        uses: list[_Use] = [("teacher", "teacher", recipe.teacher)]
        uses += [("teacher", f"models.{name}", model) for name, model in recipe.models.items()]
        uses += [
            ("generator", f"generate.methods[{n}]", use) for n, use in enumerate(recipe.generate.methods)
        ]
        _check_uses(uses, recipe.folder, every=True)
    with faults:
        check_gates(Path(recipe.gates))
    faults.raise_all()


def check_gates(path: Path) -> None:
    """The same for a gate file."""
    file = load_gates(path)
    load_extensions(file.load, folder=file.folder)
    _check_gates(str(path.absolute()), file.folder)


def prepare_with_gates(
    recipe: Recipe, loaded: Sequence[Extension] = (), *, folder: Path | None = None
) -> tuple[Job, Gates]:
    """The recipe and its gates, made ready; `folder` is where the rows will lie, with the files beside them.

    Raises UsageError for whatever is wrong in either of them.
    """
    faults = Faults()
    with faults:
        job = prepare(recipe, loaded)
    if faults:
        with faults:
            _check_gates(recipe.gates, recipe.folder)
        faults.raise_all()
    resources = find_resources(recipe, job.lock, folder)
    return job, bind_gates(recipe.gates, recipe.eval_sets, resources, loaded=job.extensions)


def _list_uses(value: Mapping[str, Any]) -> Iterator[_Use]:
    """What a mapping that is no recipe names all the same: its teachers and methods that can be read."""
    models, generate = value.get("models"), value.get("generate")
    methods = generate.get("methods") if isinstance(generate, dict) else None
    named: list[tuple[Role, str, type[UseModel], Any]] = [
        ("teacher", "teacher", TeacherUse, value.get("teacher"))
    ]
    if isinstance(models, dict):
        named += [("teacher", f"models.{name}", TeacherUse, model) for name, model in models.items()]
    if isinstance(methods, list):
        named += [("generator", f"generate.methods[{n}]", MethodUse, use) for n, use in enumerate(methods)]
    for role, where, model, use in named:
        with contextlib.suppress(ValidationError):  # told of the recipe
            yield role, where, model.model_validate(use)


def _check_uses(uses: Iterable[_Use], folder: Path, *, every: bool) -> None:
    """Raises ConfigError for all that are not there or take other parameters.

    Without `every` nothing is said of a name that is not registered: an extension may bring it.
    """
    faults = Faults()
    for role, where, use in uses:
        if every or use.use in registered(role):
            with faults:
                bind(role, use.use, use.params, where=where, folder=folder)
    faults.raise_all()


def _check_gates(named: Any, folder: Path) -> None:
    """Raises ConfigError for a gate file with faults; nothing is said of gates of extensions."""
    if not isinstance(named, str):
        return
    file = load_gates(make_absolute(folder, named))
    faults = Faults()
    for number, use in enumerate(file.gates):
        if use.use in registered("gate") or not file.load:
            with faults:
                bind("gate", use.use, use.params, where=f"{file.name}: gates[{number}]", folder=file.folder)
    faults.raise_all()


def _check_seeds(value: Mapping[str, Any], folder: Path) -> None:
    """Raises UsageError for seeds, a taxonomy or documents that cannot be used."""
    try:
        columns = SeedColumns.model_validate(value.get("seeds"))
    except ValidationError:
        return  # told of the recipe
    given = {name: value.get(name) for name in ("taxonomy", "documents")}
    if not all(each is None or isinstance(each, str) for each in given.values()):
        return
    paths = {name: make_absolute(folder, each) if each else None for name, each in given.items()}
    absolute = columns.model_copy(update={"path": make_absolute(folder, columns.path)})
    load_corpus(absolute, paths["taxonomy"], paths["documents"])
