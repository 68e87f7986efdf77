"""Commands for who writes recipes: a recipe to begin with, and schemas for editors."""

from pathlib import Path
from typing import Annotated

import typer

from synth_stack.cli.options import Json
from synth_stack.cli.output import print_json, say
from synth_stack.errors import ConfigError


def add_author_commands(app: typer.Typer) -> None:
    """Put the commands into an application."""
    for command in (init, schema):
        app.command()(command)


def init(
    shape: Annotated[
        str | None, typer.Argument(help="The shape of its rows; without one it is asked for.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")] = Path("my_rows"),
    name: Annotated[str, typer.Option(help="The name of the recipe.")] = "my_rows",
    about: Annotated[
        str, typer.Option(help="What the prompts say the messages are written to.")
    ] = "the support desk of a lamp shop",
    as_json: Json = False,
) -> None:
    """Write a recipe of a shape, with seeds, gates and schemas for editors, that previews at once."""
    from synth_stack.workflows.init import init_recipe, list_shapes

    if shape is None:
        shapes = list(list_shapes())
        shape = typer.prompt(f"Shape ({', '.join(shapes)})", default=shapes[0], err=True)
    recipe = init_recipe(shape, out, name=name, about=about)
    if as_json:
        print_json({"recipe": str(recipe)})
        return
    say(f"recipe  {recipe}")
    say(f"try     synth-stack preview {recipe}")


def schema(
    kind: Annotated[str, typer.Argument(help="recipe or gates.")],
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of a recipe or of a gate file, for editors."""
    from synth_stack.workflows.editor_schemas import write_schema

    if kind not in {"recipe", "gates"}:
        raise ConfigError("there is no schema of that name", seen=kind, allowed="recipe, gates")
    print_json(write_schema("recipe" if kind == "recipe" else "gates"))
