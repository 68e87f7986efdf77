"""Commands over packs on the Hub: send one, fetch one."""

from pathlib import Path
from typing import Annotated

import typer

from synth_stack.cli.options import (
    Identity,
    Issuer,
    Json,
    KeyId,
    Keys,
    Quiet,
    Signers,
    TrustConfig,
    read_signers,
)
from synth_stack.cli.output import print_json, say, show, show_progress

TokenEnv = Annotated[str, typer.Option(help="The environment variable that holds the token.")]


def add_hub_commands(app: typer.Typer) -> None:
    """Put the commands into an application."""
    for command in (push, pull):
        app.command()(command)


def push(
    folder: Annotated[Path, typer.Argument(metavar="PACK", help="The pack to send; it is verified first.")],
    repo: Annotated[str, typer.Argument(help="The dataset repository: OWNER/NAME.")],
    public: Annotated[bool, typer.Option("--public", help="Let anybody read it; default: private.")] = False,
    token_env: TokenEnv = "HF_TOKEN",  # noqa: S107  (the name of a variable)
    as_json: Json = False,
) -> None:
    """Send a verified pack to a dataset repository on the Hub (or on the server that HF_ENDPOINT names)."""
    from synth_stack.packs.hub.push import push_pack

    address = push_pack(folder, repo, private=not public, token_env=token_env)
    if as_json:
        print_json({"commit": address})
    else:
        say(address)


def pull(
    repo: Annotated[str, typer.Argument(help="The dataset repository: OWNER/NAME.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the pack; made whole, or not at all.")],
    revision: Annotated[
        str | None, typer.Option(help="A tag (root-..., batch-...), branch or commit; default: the newest.")
    ] = None,
    pin: Annotated[
        Path | None,
        typer.Option(help="The last batch seen of a ledger; default: a file of yours for each repository."),
    ] = None,
    key_id: KeyId = None,
    signers: Signers = None,
    keys: Keys = None,
    identity: Identity = None,
    issuer: Issuer = None,
    trust_config: TrustConfig = None,
    token_env: TokenEnv = "HF_TOKEN",  # noqa: S107  (the name of a variable)
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fetch a pack from the Hub and verify it; one that was rolled back or forked is refused."""
    from synth_stack.packs.hub.pull import pull_pack

    with show_progress(quiet) as bars:
        pulled = pull_pack(
            repo,
            out,
            revision=revision,
            pin=pin,
            token_env=token_env,
            progress=bars,
            expected_key=key_id,
            signers=read_signers(signers, keys or []),
            identity=identity,
            issuer=issuer,
            trust_config=trust_config,
        )
    show(pulled, as_json)
