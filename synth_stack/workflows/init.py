"""A recipe to begin with: of a chosen shape, or a copy of one that comes with the package.

synth-stack init preference --out mine        previews at once, with a teacher that needs no model
synth-stack preview mine/recipe.yaml
synth-stack init support_intents --out demo   the recipe of the demo, with its seeds and policies
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import orjson

import synth_stack.generators
from synth_stack.errors import InputError
from synth_stack.files import write_bytes
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.registry import suggest
from synth_stack.shipped_files import list_recipes
from synth_stack.workflows.editor_schemas import Kind, write_schema

_SHAPES = Path(synth_stack.generators.__file__).parent / "starters"
"""A file for each shape: the lines of its methods, its gates, its models, and other files by their names."""

DEFAULT_SHAPE = "instruction"
DEFAULT_NAME = "my_rows"
DEFAULT_ABOUT = "the support desk of a lamp shop"
"""Whom the seeds below are written to."""

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
{seeds}# A teacher that follows a script: nothing that it writes is training data. Name a server in its place:
# teacher: {{use: http, base_url: "http://127.0.0.1:8000/v1", model: Qwen/Qwen3-8B, chat_format: qwen2}}
{teacher}{models}generate:
  candidates: 48
  batch_rows: 8
  methods:
{methods}gates: gates.yaml
pack:
  pretty_name: {title}
  license: other
  known_biases:
    - A handful of seeds stands behind every row.
"""

_GATE_FILE = """\
# yaml-language-server: $schema=gates.schema.json
# Every gate is explained in docs/gates.md; `why` stands on the card.
version: 1
gates:
"""


def list_shapes() -> dict[str, dict[str, str]]:
    """What there is to begin with, by shape: the lines of its methods, its gates, models and other files."""
    return {file.stem: read_mapping(file) for file in sorted(_SHAPES.glob("*.yaml"))}


def init_recipe(
    shape: str,
    out: str | Path,
    *,
    name: str | None = None,
    about: str | None = None,
) -> Path:
    """The path of a new recipe of that shape in the folder `out`, with its seeds, gates and editor schemas.

    `shape` may also be the name of a recipe that comes with the package (list_recipes): it is copied with all
    files that it reads, and keeps its own name and `about`. Raises InputError for a shape that there is not,
    for a name or `about` beside a recipe that has its own, and for a folder that has any of these files.
    """
    shapes, recipes = list_shapes(), list_recipes()
    if shape in shapes:
        files = _write_files(shapes[shape], name or DEFAULT_NAME, about or DEFAULT_ABOUT)
    elif shape in recipes:
        if name or about:
            raise InputError(
                f"{shape} is a whole recipe, which has a name and an about of its own",
                seen=name or about,
                mend="Change them in the copy.",
            )
        files = _copy_recipe(recipes[shape])
    else:
        known = [*shapes, *recipes]
        raise InputError(
            "there is no shape of that name",
            seen=shape,
            allowed=", ".join(known),
            mend=suggest(shape, dict.fromkeys(known)),
        )
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


_BESIDE = re.compile(r"(?<![\w/.])\.\./([\w-]+)/([\w.-]+)")
"""A path in a recipe that leads to a file of a recipe beside it: `../support_intents/policies`."""


def _copy_recipe(recipe: Path) -> dict[str, bytes]:
    """The files of a shipped recipe by their path, and those of its neighbours that it reads, beside them."""
    text = (recipe / "recipe.yaml").read_text(encoding="utf-8")
    named = {match[2]: recipe.parent / match[1] / match[2] for match in _BESIDE.finditer(text)}
    shared = {name: path for name, path in named.items() if path.exists()}
    files = {file: read_file for path in (recipe, *shared.values()) for file, read_file in _read_all(path)}
    files["recipe.yaml"] = _BESIDE.sub(lambda m: m[2] if m[2] in shared else m[0], text).encode()
    return {**files, **_write_schemas()}


def _read_all(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every file of a recipe's folder, and of a shared file or folder under its own name."""
    top = path if (path / "recipe.yaml").is_file() else path.parent
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file.relative_to(top).as_posix(), file.read_bytes()


def _write_schemas() -> dict[str, bytes]:
    """The schemas for editors, by file name."""
    kinds: tuple[Kind, ...] = ("recipe", "gates")
    return {
        f"{kind}.schema.json": orjson.dumps(
            write_schema(kind), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        )
        for kind in kinds
    }


def _write_files(starter: dict[str, str], name: str, about: str) -> dict[str, bytes]:
    gates = _GATE_FILE + indent(starter["gates"], "  ")
    recipe = _RECIPE.format(
        name=name,
        about=json.dumps(about, ensure_ascii=False),
        seeds=starter.get("seeds", "seeds: {path: seeds.jsonl, slice_column: slice, id_column: id}\n"),
        teacher=starter.get("teacher", "teacher: {use: scripted}\n"),
        models=starter.get("models", ""),
        methods=indent(starter["methods"], "    "),
        title=json.dumps(name.replace("_", " ").capitalize(), ensure_ascii=False),
    )
    seeds = b"".join(
        orjson.dumps({"id": f"seed-{i}", "slice": slice_, "text": text}, option=orjson.OPT_APPEND_NEWLINE)
        for i, (slice_, text) in enumerate(_SEEDS)
    )
    files: dict[str, Any] = {"recipe.yaml": recipe.encode(), "gates.yaml": gates.encode()}
    if "seeds" not in starter:
        files["seeds.jsonl"] = seeds
    files.update({file: text.encode() for file, text in starter.items() if "." in file})
    return {**files, **_write_schemas()}
