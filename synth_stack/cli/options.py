"""Options that many commands take."""

from typing import Annotated

import typer

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
