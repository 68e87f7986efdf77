"""The command that serves the local page."""

import getpass
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from synth_stack.cli.options import Json
from synth_stack.cli.output import print_json, say, to_one_line
from synth_stack.text.printable import count_noun


def add_ui_command(app: typer.Typer) -> None:
    """Put the command into an application."""
    app.command()(ui)


def ui(
    folder: Annotated[Path, typer.Argument(metavar="RUN_OR_PACK", help="A judged run, or a pack.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port on loopback; 0: a free one.")] = 0,
    reviewer: Annotated[
        str | None, typer.Option("--as", help="Who judges held rows; only a keyed digest of it is kept.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The key of reviewer ids; default: the project's, made on first use.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Show the rows of a run or pack on a local page: search, choose, open a row, judge held ones.

    The page is served on this machine alone, for whoever has the address that is printed. Ctrl+C ends it.
    """
    from synth_stack.packs import layout
    from synth_stack.review.reviewers import read_key_for
    from synth_stack.ui.judging import Desk
    from synth_stack.ui.server import LocalPage

    desk = None
    if not (folder / layout.STATEMENT).is_file():
        desk = Desk(folder, reviewer or getpass.getuser(), read_key_for(folder, key))
    with LocalPage(folder, desk, port) as page:
        if as_json:
            print_json({"address": page.address, "rows": len(page.index.rows)})
        else:
            say(page.address)
        sys.stdout.flush()
        sys.stderr.write(
            to_one_line(f"{count_noun(len(page.index.rows), 'row')}; Ctrl+C ends the page") + "\n"
        )
        if open_browser:
            webbrowser.open(page.address)
        try:
            page.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            sys.stderr.write("ended\n")
