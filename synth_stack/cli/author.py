"""Commands for who writes recipes: one to begin with, schemas, a check of files, completion in shells."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from synth_stack.cli.options import Json
from synth_stack.cli.output import print_json, say, to_one_line
from synth_stack.errors import ConfigError

_SHELLS = ("bash", "zsh", "fish")
_PROGRAM = "synth-stack"
_COMPLETE_VARIABLE = "_SYNTH_STACK_COMPLETE"
"""By this variable the shell asks the program what could come next; its name is the program's."""


def add_author_commands(app: typer.Typer) -> None:
    """Put the commands into an application."""
    for command in (init, schema, check, completion):
        app.command()(command)


def init(
    shape: Annotated[
        str | None,
        typer.Argument(
            help="The shape of its rows, or a recipe of the package; without one it is asked for."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")] = Path("my_rows"),
    name: Annotated[str | None, typer.Option(help="The name of the recipe; my_rows.")] = None,
    about: Annotated[
        str | None,
        typer.Option(
            help="What the prompts say the messages are written to; the support desk of a lamp shop."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a recipe of a shape, with seeds, gates and schemas for editors, that previews at once."""
    from synth_stack.workflows.init import DEFAULT_SHAPE, init_recipe, list_shapes

    if shape is None:
        shape = typer.prompt(f"Shape ({', '.join(list_shapes())})", default=DEFAULT_SHAPE, err=True)
    recipe = init_recipe(shape, out, name=name, about=about)
    if as_json:
        print_json({"recipe": str(recipe)})
        return
    say(f"recipe  {recipe}")
    say(f"try     synth-stack preview {recipe}")


def answer_shell() -> None:
    """Makes the program answer a shell that asks what could come next, and does nothing else otherwise."""
    if _COMPLETE_VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()


def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")],
    as_json: Json = False,
) -> None:
    """Print the script that completes commands, options and paths in a shell."""
    from typer._completion_shared import get_completion_script

    if shell not in _SHELLS:
        raise ConfigError("there is no completion for that shell", seen=shell, allowed=", ".join(_SHELLS))
    script = get_completion_script(prog_name=_PROGRAM, complete_var=_COMPLETE_VARIABLE, shell=shell)
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        sys.stdout.write(script + "\n")


def schema(
    kind: Annotated[str, typer.Argument(help="recipe or gates.")],
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of a recipe or of a gate file, for editors."""
    from synth_stack.workflows.editor_schemas import write_schema

    if kind not in {"recipe", "gates"}:
        raise ConfigError("there is no schema of that name", seen=kind, allowed="recipe, gates")
    print_json(write_schema("recipe" if kind == "recipe" else "gates"))


def check(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Recipes and gate files, or names of gate files of the package."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Check recipes and gate files without running them; exit code 2 where one is not sound."""
    from synth_stack.workflows.check_files import check_file

    checked = [check_file(file) for file in files]
    if as_json:
        print_json([each.to_json() for each in checked])
    for each in () if as_json else checked:
        say(f"{'wrong' if each.faults else 'ok':5}  {each.kind:6}  {each.path}")
        for fault in each.faults:
            sys.stderr.write(f"error: {to_one_line(fault)}\n")
    if any(each.faults for each in checked):
        raise typer.Exit(ConfigError.exit_code)
