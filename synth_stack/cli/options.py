"""Options that many commands take."""

from pathlib import Path
from typing import Annotated

import typer

from synth_stack.errors import ConfigError

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
Against = Annotated[
    list[str] | None,
    typer.Option("--against", help="NAME=PATH of an eval set that no row may leak; may be repeated."),
]
Load = Annotated[
    list[str] | None,
    typer.Option("--load", help="A module or .py file with gates, generators or teachers; may be repeated."),
]
Mapped = Annotated[
    list[str] | None,
    typer.Option("--map", help="FIELD=COLUMN,...: prompt=customer_message,answer=agent_reply, say."),
]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Go on after a shard that cannot be read; it is named.")
]
GATE_FILE = "A gate file, or standard, strict, code, support, multilingual (docs/gates.md)."
"""What `--gates` takes."""

KeyId = Annotated[str | None, typer.Option(help="The key that must have signed.")]
Signers = Annotated[str | None, typer.Option(help="How many of --keys must have signed: 2of3, say.")]
Keys = Annotated[
    list[str] | None, typer.Option(help="The id of a key that may have signed; may be repeated.")
]
Identity = Annotated[str | None, typer.Option(help="The sigstore identity that must have signed.")]
Issuer = Annotated[str | None, typer.Option(help="The OIDC issuer of --identity.")]
TrustConfig = Annotated[Path | None, typer.Option(help="Another sigstore trust configuration.")]


def read_signers(signers: str | None, keys: list[str]) -> tuple[int, list[str]] | None:
    """How many of which keys must have signed; None where that was not asked. Raises ConfigError."""
    from synth_stack.packs.verify_pack import Refusal, parse_signers

    if signers is None and not keys:
        return None
    try:
        return parse_signers(signers or "", keys)[0], keys
    except Refusal as exc:
        raise ConfigError(exc.what, seen=exc.seen, allowed=exc.allowed) from exc
