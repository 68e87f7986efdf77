"""A recipe of a chosen shape to begin with: it previews at once, with a teacher that needs no model.

synth-stack init preference --out mine
synth-stack preview mine/recipe.yaml
"""

import json
from pathlib import Path
from typing import Any, Literal, get_args

import orjson

from synth_stack.errors import InputError
from synth_stack.files import write_bytes
from synth_stack.registry import suggest
from synth_stack.workflows.editor_schemas import write_schema

Shape = Literal["instruction", "magpie", "evolved", "dialogue", "preference"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

_METHODS: dict[Shape, str] = {
    "instruction": "{use: self_instruct, examples: 3, answers: full}",
    "magpie": "{use: magpie, turns: 1, answers: full}",
    "evolved": "{use: evol_instruct, rounds: 2, answers: full}",
    "dialogue": "{use: dialogue_tree, depth: 2, fan_out: 2, paths: 2, personas: {path: personas.yaml}}",
    "preference": "{use: best_of_n, n: 4}",
}
_GATES: dict[Shape, tuple[str, ...]] = {"dialogue": ("turns",)}
"""The gates without which the rows of a shape are worth nothing, beside those that every shape has."""

_SEEDS = (
    ("orders/late", "Where is my parcel? It should have come on Friday."),
    ("orders/late", "The tracking page has not changed for a week."),
    ("orders/wrong", "You sent me a green lamp, and I ordered a blue one."),
    ("orders/wrong", "Two of the four bulbs in the box are missing."),
    ("lamps/broken", "My lamp will not switch on any more."),
    ("lamps/broken", "The light flickers whenever the kettle is on."),
)

_PERSONAS = """\
- {name: Ruth, product: Lamp, date: 2 May, tone: brief}
- {name: Omar, product: Sensor, date: 9 June, tone: polite and long}
"""

_JUDGE = """\
models:
  # a judge that follows a script; name a larger model here, as `teacher` is named
  judge:
    use: scripted
    model: judge
    rules:
      - match: Rate the answer from 1
        replies:
          - "instruction_following: 5, truthfulness: 4, honesty: 4, helpfulness: 5"
          - "instruction_following: 2, truthfulness: 3, honesty: 4, helpfulness: 2"
          - "instruction_following: 3, truthfulness: 4, honesty: 3, helpfulness: 3"
          - "instruction_following: 1, truthfulness: 2, honesty: 3, helpfulness: 1"
"""

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
  - use: structure
    why: A row that is cut off, empty or in the wrong shape teaches nothing.
  - use: dedup
    why: The same row twice is learnt by heart.
"""


def init_recipe(
    shape: str, out: str | Path, *, name: str = "my_rows", about: str = "the support desk of a lamp shop"
) -> Path:
    """The path of a new recipe of that shape in the folder `out`, with its seeds, gates and editor schemas.

    Raises InputError for a shape that there is not, and for a folder that has any of the files already.
    """
    if shape not in SHAPES:
        raise InputError(
            "there is no shape of that name",
            seen=shape,
            allowed=", ".join(SHAPES),
            mend=suggest(shape, dict.fromkeys(SHAPES)),
        )
    files = _write_files(shape, name, about)
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


def _write_files(shape: Shape, name: str, about: str) -> dict[str, bytes]:
    gates = _GATE_FILE + "".join(f"  - use: {gate}\n" for gate in _GATES.get(shape, ()))
    recipe = _RECIPE.format(
        name=name,
        about=json.dumps(about, ensure_ascii=False),
        models=_JUDGE if shape == "preference" else "",
        method=_METHODS[shape],
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
    if shape == "dialogue":
        files["personas.yaml"] = _PERSONAS.encode()
    for kind, file in (("recipe", "recipe.schema.json"), ("gates", "gates.schema.json")):
        schema = write_schema("recipe" if kind == "recipe" else "gates")
        files[file] = orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return files
