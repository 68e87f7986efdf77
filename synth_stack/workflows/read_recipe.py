"""A recipe with everything that it names, whose faults are told together, before anything is spent.

read_recipe          the recipe of a file; where it is no recipe, the faults of its gate file and seeds too
prepare_with_gates   a recipe and its gates made ready, and the faults of both
"""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.errors import Faults, UsageError
from synth_stack.inputs.extensions import Extension
from synth_stack.inputs.gate_file import load_gates
from synth_stack.inputs.recipe import Recipe, SeedColumns, load_recipe
from synth_stack.inputs.seeds import load_corpus
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.registry import bind, make_absolute, registered
from synth_stack.workflows.judge import Gates, bind_gates
from synth_stack.workflows.prepare import Job, prepare
from synth_stack.workflows.resources import find_resources


def read_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a YAML file (inputs/recipe.py). Raises ConfigError for all that is wrong in it.

    Where the file itself has faults, those of the gate file and of the seeds that it names stand among the
    `others`: who mends it mends all at once.
    """
    faults = Faults()
    with faults:
        return load_recipe(path, overrides)
    with contextlib.suppress(UsageError):  # what cannot be read at all has been told
        value = read_mapping(Path(path))
        folder = Path(path).resolve().parent
        with faults:
            _check_gates(value.get("gates"), folder)
        with faults:
            _check_seeds(value, folder)
    faults.raise_all()
    raise AssertionError("a fault was noted and not raised")


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
