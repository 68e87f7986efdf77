"""The commands of human review: `synth-stack review ...`."""

import typer

from synth_stack.cli.campaign import add_commands

review_app = typer.Typer(
    name="review",
    help="Human review: lots, samples, campaigns, and the answers of people.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
add_commands(review_app)
