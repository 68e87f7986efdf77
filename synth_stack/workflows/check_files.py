"""Recipes and gate files checked before anything runs: keys, values, names and parameters of what they use.

synth-stack check recipe.yaml gates.yaml      exit code 2 where one is not sound; a hook of pre-commit runs it
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import UsageError
from synth_stack.inputs.gate_file import find_gates
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.workflows.read_recipe import check_gates, check_recipe, read_recipe


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
    a run does. Whether model files can be read is found by a run, before its first row; so is whether seeds
    can, unless the recipe has other faults.
    """
    kind = "file"
    try:
        file = find_gates(path)
        kind = "recipe" if "generate" in read_mapping(file) else "gates"
        if kind == "recipe":
            check_recipe(read_recipe(file))
        else:
            check_gates(file)
    except UsageError as exc:
        return CheckedFile(str(path), kind, (str(exc), *exc.others))
    return CheckedFile(str(path), kind, ())
