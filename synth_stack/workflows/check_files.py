"""Recipes and gate files checked before anything runs: keys, values, names and parameters of what they use.

synth-stack check recipe.yaml gates.yaml      exit code 2 where one is not sound; a hook of pre-commit runs it
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import synth_stack.gates
import synth_stack.generators
import synth_stack.teachers  # noqa: F401  (all three register by being imported)
from synth_stack.errors import UsageError
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.gate_file import find_gates, load_gates
from synth_stack.inputs.recipe import Recipe, load_recipe
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.inputs.yaml_models import UseModel
from synth_stack.registry import Role, bind


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A recipe or gate file and its faults, a sentence each; none where it is sound."""

    path: str
    kind: str
    faults: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The file as plain JSON."""
        return {"path": self.path, "kind": self.kind, "faults": list(self.faults)}


def check_file(path: str | Path) -> CheckedFile:
    """What is wrong with a recipe or a gate file, without making a row or loading a model.

    A file with `generate` is a recipe, any other is read as a gate file, and so is the name of one that comes
    with the package. The gate file of a recipe is checked with it. Modules that a file loads are imported, as
    a run does. Whether seeds and model files can be read is found by a run, before its first row.
    """
    kind = "file"
    try:
        file = find_gates(path)
        kind = "recipe" if "generate" in read_mapping(file) else "gates"
        if kind == "recipe":
            _check_recipe(load_recipe(file))
        else:
            _check_gates(file)
    except UsageError as exc:
        return CheckedFile(str(path), kind, (str(exc), *exc.others))
    return CheckedFile(str(path), kind, ())


def _check_recipe(recipe: Recipe) -> None:
    load_extensions(recipe.load, folder=recipe.folder)
    uses: list[tuple[Role, str, UseModel]] = [("teacher", "teacher", recipe.teacher)]
    uses += [("teacher", f"models.{name}", model) for name, model in recipe.models.items()]
    uses += [("generator", f"generate.methods[{n}]", use) for n, use in enumerate(recipe.generate.methods)]
    for role, where, use in uses:
        bind(role, use.use, use.params, where=f"recipe {recipe.name}: {where}", folder=recipe.folder)
    _check_gates(Path(recipe.gates))


def _check_gates(path: Path) -> None:
    file = load_gates(path)
    load_extensions(file.load, folder=file.folder)
    for number, use in enumerate(file.gates):
        bind("gate", use.use, use.params, where=f"{file.name}: gates[{number}]", folder=file.folder)
