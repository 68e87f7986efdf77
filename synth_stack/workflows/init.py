"""A recipe of a chosen shape to begin with: it previews at once, with a teacher that needs no model.

synth-stack init preference --out mine
synth-stack preview mine/recipe.yaml
"""

import json
from pathlib import Path
from typing import Any

import orjson

import synth_stack.generators
from synth_stack.errors import InputError
from synth_stack.files import write_bytes
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.registry import suggest
from synth_stack.workflows.editor_schemas import write_schema

SHAPES_FILE = Path(synth_stack.generators.__file__).parent / "starters" / "shapes.yaml"

_SEEDS = (
    ("orders/late", "Where is my parcel? It should have come on Friday."),
    ("orders/late", "The tracking page has not changed for a week."),
    ("orders/wrong", "You sent me a green lamp, and I ordered a blue one."),
    ("orders/wrong", "Two of the four bulbs in the box are missing."),
    ("lamps/broken", "My lamp will not switch on any more."),
    ("lamps/broken", "The light flickers whenever the kettle is on."),
)

_RECIPE = """\
# yaml-language-server: $schema=recipe.schema.json
# Every key is explained in docs/recipe.md. `synth-stack preview recipe.yaml` shows rows with prompts.
version: 1
name: {name}
about: {about}
seed: 7
seeds: {{path: seeds.jsonl, slice_column: slice, id_column: id}}
# A teacher that follows a script: nothing that it writes is training data. Name a server instead, such as
# teacher: {{use: http, base_url: "http://127.0.0.1:8000/v1", model: Qwen/Qwen3-8B, chat_format: qwen2}}
teacher: {{use: scripted}}
{models}generate:
  candidates: 48
  batch_rows: 8
  methods:
    - {method}
gates: gates.yaml
pack:
  pretty_name: {title}
  license: other
  known_biases:
    - Six seeds stand behind every row.
"""

_GATE_FILE = """\
# yaml-language-server: $schema=gates.schema.json
# Every gate is explained in docs/gates.md; `why` stands on the card.
version: 1
gates:
"""


def list_shapes() -> dict[str, dict[str, str]]:
    """What there is to begin with, by shape: the line of its method, its gates, models and other files."""
    shapes: dict[str, dict[str, str]] = read_mapping(SHAPES_FILE)
    return shapes


def init_recipe(
    shape: str, out: str | Path, *, name: str = "my_rows", about: str = "the support desk of a lamp shop"
) -> Path:
    """The path of a new recipe of that shape in the folder `out`, with its seeds, gates and editor schemas.

    Raises InputError for a shape that there is not, and for a folder that has any of the files already.
    """
    shapes = list_shapes()
    if shape not in shapes:
        raise InputError(
            "there is no shape of that name",
            seen=shape,
            allowed=", ".join(shapes),
            mend=suggest(shape, shapes),
        )
    files = _write_files(shapes[shape], name, about)
    folder = Path(out)
    taken = sorted(file for file in files if (folder / file).exists())
    if taken:
        raise InputError(
            f"{folder} has such files already",
            seen=", ".join(taken),
            mend="Choose another folder with --out.",
        )
    for file, data in files.items():
        write_bytes(folder / file, data)
    return folder / "recipe.yaml"


def _write_files(starter: dict[str, str], name: str, about: str) -> dict[str, bytes]:
    gates = _GATE_FILE + starter["gates"]
    recipe = _RECIPE.format(
        name=name,
        about=json.dumps(about, ensure_ascii=False),
        models=starter.get("models", ""),
        method=starter["method"],
        title=json.dumps(name.replace("_", " ").capitalize(), ensure_ascii=False),
    )
    seeds = b"".join(
        orjson.dumps({"id": f"seed-{i}", "slice": slice_, "text": text}, option=orjson.OPT_APPEND_NEWLINE)
        for i, (slice_, text) in enumerate(_SEEDS)
    )
    files: dict[str, Any] = {
        "recipe.yaml": recipe.encode(),
        "gates.yaml": gates.encode(),
        "seeds.jsonl": seeds,
    }
    files.update({file: text.encode() for file, text in starter.items() if file.endswith(".yaml")})
    for kind, file in (("recipe", "recipe.schema.json"), ("gates", "gates.schema.json")):
        schema = write_schema("recipe" if kind == "recipe" else "gates")
        files[file] = orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return files
