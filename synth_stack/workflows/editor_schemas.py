"""JSON Schemas of recipe and gate file for editors, with every teacher, method and gate that is registered.

An editor that speaks YAML's language server reads one from the first line of a file:
`# yaml-language-server: $schema=recipe.schema.json`. The checks of a run are stricter: paths are looked for,
and values that depend on each other are compared.
"""

from collections.abc import Mapping
from typing import Any, Literal

import synth_stack.gates
import synth_stack.generators
import synth_stack.teachers  # noqa: F401  (all three register by being imported)
from synth_stack.inputs.gate_file import GateFile, GateUse
from synth_stack.inputs.recipe import MethodUse, Recipe, TeacherUse
from synth_stack.inputs.yaml_models import UseModel
from synth_stack.registry import Role, registered

Kind = Literal["recipe", "gates"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{model}"


def write_schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema of a recipe or of a gate file."""
    if kind == "recipe":
        schema = Recipe.model_json_schema(ref_template=_REF)
        _name_uses(schema, TeacherUse, "teacher")
        _name_uses(schema, MethodUse, "generator")
    else:
        schema = GateFile.model_json_schema(ref_template=_REF)
        _name_uses(schema, GateUse, "gate")
    return {"$schema": DIALECT, **schema}


def _name_uses(schema: dict[str, Any], model: type[UseModel], role: Role) -> None:
    """Puts one schema for each registered name in the place of `use` with anything beside it."""
    own = schema["$defs"][model.__name__]
    shared = {name: value for name, value in own["properties"].items() if name != "use"}
    choices = []
    for name, entry in sorted(registered(role).items()):
        params = entry.params.model_json_schema(ref_template=_REF)
        schema["$defs"].update(params.pop("$defs", {}))
        required = ["use", *params.get("required", [])]
        choices.append(
            {
                "title": name,
                "description": _describe(entry.factory),
                "type": "object",
                "properties": {"use": {"const": name}, **params.get("properties", {}), **shared},
                "required": required,
                "additionalProperties": False,
            }
        )
    # a name of another author's is known to whoever loads it
    others: Mapping[str, Any] = {
        "title": "another author's",
        "type": "object",
        "properties": {"use": {"type": "string", "not": {"enum": sorted(registered(role))}}},
        "required": ["use"],
    }
    schema["$defs"][model.__name__] = {"description": own.get("description", ""), "oneOf": [*choices, others]}


def _describe(factory: Any) -> str:
    return " ".join((factory.__doc__ or "").partition("\n\n")[0].split())
