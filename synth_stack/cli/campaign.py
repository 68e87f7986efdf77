"""The commands of a review campaign on an Argilla server: serve, send, collect, status."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth_stack.cli.options import Json, Quiet
from synth_stack.cli.output import print_json, say, show, show_progress, to_one_line
from synth_stack.text.printable import count_noun

if TYPE_CHECKING:
    from synth_stack.workflows.campaign import OpenCampaign

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A judged run or curate folder with a review plan.")]
Url = Annotated[str | None, typer.Option("--url", help="The address of an Argilla server.")]
KeyFile = Annotated[Path | None, typer.Option(help="A file with the key of an owner or admin there.")]
KeyEnv = Annotated[str, typer.Option(help="The environment variable that holds that key.")]
Workspace = Annotated[str | None, typer.Option(help="The workspace there, where there are several.")]
Server = Annotated[
    Path | None,
    typer.Option(help="The FOLDER of `review serve`; default: that of the run, or review-server."),
]
ReviewKey = Annotated[Path | None, typer.Option("--key", help="The key that reviewer ids are made with.")]


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


def send(
    run: Run,
    url: Url = None,
    key_file: KeyFile = None,
    key_env: KeyEnv = "ARGILLA_API_KEY",
    workspace: Workspace = None,
    server: Server = None,
    review_key: ReviewKey = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Send the rows of a review plan to Argilla; the same command again sends what is not there."""
    named = {"url": url, "key_file": key_file, "key_env": key_env, "workspace": workspace, "server": server}
    with _open(run, review_key, named) as campaign, show_progress(quiet or as_json) as bars:
        sent = campaign.send(progress=bars)
    show(sent, as_json)


def collect(
    run: Run,
    url: Url = None,
    key_file: KeyFile = None,
    key_env: KeyEnv = "ARGILLA_API_KEY",
    workspace: Workspace = None,
    server: Server = None,
    review_key: ReviewKey = None,
    gates: Annotated[
        Path | None,
        typer.Option(
            "--gates", help="The gate file that judged the run: corrected rows go through it again."
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A dataset that was annotated already, instead of the campaign's.")
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", help="decision=QUESTION,release=VALUE|VALUE,reject=VALUE,row=metadata.NAME"),
    ] = None,
    decide: Annotated[
        bool, typer.Option("--decide/--no-decide", help="Decide rows and lots by what was collected.")
    ] = True,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="NAME=PATH of an eval set that the run was judged against."),
    ] = None,
    load: Annotated[
        list[str] | None,
        typer.Option("--load", help="A module or .py file with gates; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Take the answers that reviewers submitted so far, and decide the rows and lots that they settle."""
    from synth_stack.cli.review_tables import reviewed_lines
    from synth_stack.errors import ConfigError
    from synth_stack.review.argilla.importing import parse_answer_map
    from synth_stack.workflows.review import decide_lots

    if (dataset is None) != (not mapped):
        raise ConfigError("--dataset and --map belong together", mend="Say which dataset, and what it says.")
    answer_map = parse_answer_map(mapped or ()) if dataset is not None else None
    named = {"url": url, "key_file": key_file, "key_env": key_env, "workspace": workspace, "server": server}
    with _open(run, review_key, named) as campaign:
        if dataset is None or answer_map is None:
            collected = campaign.collect()
        else:
            collected = campaign.collect_dataset(dataset, answer_map)
    replaced = 0 if gates is None else _correct(run, gates, against or (), load or ())
    done = decide_lots(run) if decide else None
    if as_json:
        decided = {} if done is None else {"decided": done.to_json()}
        print_json({**collected.to_json(), "corrected": replaced, **decided})
        return
    for line in collected.lines():
        say(line)
    if replaced:
        say(f"corrected, and judged by the gates again: {count_noun(replaced, 'row')}")
    if done is not None:
        for line in reviewed_lines(done):
            say(line)


def status(run: Run, as_json: Json = False) -> None:
    """How far a review has come: judgements by reviewer and lot, agreement, and hours left."""
    from synth_stack.workflows.review_status import review_status

    show(review_status(run), as_json)


def add_commands(app: typer.Typer) -> None:
    """Put the commands into a group."""
    for command in (serve, send, collect, status):
        app.command()(command)


def _open(run: Path, review_key: Path | None, named: dict[str, Any]) -> "OpenCampaign":
    import os

    from synth_stack.review.argilla.address import read_key_file
    from synth_stack.workflows.campaign import campaign

    key_file, key_env = named.pop("key_file"), named.pop("key_env")
    api_key = read_key_file(key_file) if key_file is not None else os.environ.get(key_env)
    return campaign(run, api_key=api_key, review_key=review_key, **named)


def _correct(run: Path, gates: Path, against: Sequence[str], load: Sequence[str]) -> int:
    """How many rows were replaced by what reviewers wrote."""
    from synth_stack.inputs.extensions import load_extensions
    from synth_stack.inputs.gate_file import parse_eval_set
    from synth_stack.workflows.correct import correct_rows
    from synth_stack.workflows.judge import bind_gates

    bound = bind_gates(gates, [parse_eval_set(text) for text in against], loaded=load_extensions(load))
    return correct_rows(run, bound).replaced


def _tell(line: str) -> None:
    sys.stderr.write(to_one_line(line) + "\n")
    sys.stderr.flush()
