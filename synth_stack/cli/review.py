"""The commands of human review: `synth-stack review ...`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from synth_stack.cli.output import print_json, say, to_one_line

app = typer.Typer(
    name="review",
    help="Human review: lots, samples, campaigns, and the answers of people.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def serve(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="A run, or a folder for the server's data.")
    ] = Path("review-server"),
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="The port to listen on; 0 is any free one.", min=0, max=65535)
    ] = 6900,
    annotators: Annotated[
        list[str] | None, typer.Option("--annotator", help="Who may log in and answer; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Start an Argilla server and keep it until Ctrl-C; what reviewers answer stays in FOLDER."""
    from synth_stack.review.server.local_server import is_loopback, run_server

    if not is_loopback(host):
        _tell(f"warning: {host} is reachable from other machines, and what is sent there is not encrypted")
    try:
        with run_server(folder, host=host, port=port, annotators=annotators or (), tell=_tell) as server:
            made = [
                {"username": each.username, "role": each.role, "password": each.password}
                for each in server.new
            ]
            if as_json:
                print_json({"url": server.url, "folder": str(server.folder), "new_accounts": made})
            else:
                say(f"address  {server.url}")
                for each in made:
                    say(f"account  {each['username']:<24} {each['password']:<18} {each['role']}")
                if made:
                    say(f"Passwords are shown this once; they stay in {server.folder / 'accounts.json'}.")
                say("Stop it with Ctrl-C; the same command starts it again, and no answer is lost.")
            sys.stdout.flush()
            server.wait()
    except KeyboardInterrupt:
        _tell("stopped; all answers are kept")


def _tell(line: str) -> None:
    sys.stderr.write(to_one_line(line) + "\n")
    sys.stderr.flush()
