"""The commands of a review: what is to be read, and rows judged one by one in the terminal."""

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from synth_stack.cli.campaign import add_commands
from synth_stack.cli.options import Json
from synth_stack.cli.output import print_json, say, to_one_line

if TYPE_CHECKING:
    from synth_stack.workflows.review import Reviewed

review_app = typer.Typer(
    name="review",
    help="People judge a batch: plan what is read, read it, and decide rows and lots.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A judged run or curate folder.")]
Key = Annotated[
    Path | None, typer.Option("--key", help="The project's key for reviewer ids; made when it is not there.")
]


@review_app.command()
def plan(
    folder: Run,
    risk: Annotated[str, typer.Option(help="How much harm a defect does: low, medium or high.")] = "medium",
    aql: Annotated[float | None, typer.Option(help="A share of defects that is acceptable: 0.0065.")] = None,
    ltpd: Annotated[float | None, typer.Option(help="A share of defects that must not pass: 0.05.")] = None,
    confidence: Annotated[
        float | None, typer.Option(help="How surely a lot with that share fails: 0.95.")
    ] = None,
    percent: Annotated[
        float | None, typer.Option(help="Read a flat percentage of every lot instead.")
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Look at a sample as it is read, and stop when it is clear.")
    ] = False,
    skip_lots: Annotated[
        bool, typer.Option("--skip-lots", help="Leave lots unread after others of their kind have passed.")
    ] = False,
    held: Annotated[
        bool, typer.Option("--held", help="Read the rows that the gates hold, and no lots.")
    ] = False,
    with_held: Annotated[
        bool, typer.Option("--with-held", help="Read the rows that the gates hold, and then lots.")
    ] = False,
    by: Annotated[
        str, typer.Option(help="What lots are told apart by: slice, generator, cluster, or some of them.")
    ] = "slice,generator,cluster",
    lot_rows: Annotated[int, typer.Option(help="About how many rows a cluster's lot has.", min=1)] = 2_000,
    estimate: Annotated[int, typer.Option(help="Rows read to measure what ships.", min=0)] = 300,
    overlap: Annotated[float, typer.Option(help="The share of rows that two people read.")] = 0.2,
    min_agreement: Annotated[
        float, typer.Option(help="The Krippendorff's alpha, and kappa of any two, that lot decisions need.")
    ] = 0.667,
    min_reviewer_agreement: Annotated[
        float, typer.Option(help="The share of rows on which each reviewer has to agree with another.")
    ] = 0.8,
    on_failed: Annotated[
        Literal["reject", "screen"],
        typer.Option(help="A failed lot is rejected whole, or every row of it is read."),
    ] = "reject",
    on_waiting: Annotated[
        Literal["hold", "ship"], typer.Option(help="Rows of a lot that is not decided yet are held, or ship.")
    ] = "hold",
    gold: Annotated[
        Path | None, typer.Option(help="Rows of known truth to mix in: a file with a column `truth`.")
    ] = None,
    canaries: Annotated[int, typer.Option(help="How many rows that gates plant to mix in.", min=0)] = 0,
    gates: Annotated[Path | None, typer.Option("--gates", help="The gate file that plants them.")] = None,
    load: Annotated[
        list[str] | None,
        typer.Option("--load", help="A module with gates; may be repeated."),
    ] = None,
    sensitivity: Annotated[float, typer.Option(help="The share of defects that reviewers catch.")] = 1.0,
    specificity: Annotated[float, typer.Option(help="The share of good rows that they release.")] = 1.0,
    reviewers: Annotated[int, typer.Option(help="How many people share the work.", min=1)] = 3,
    seconds: Annotated[float, typer.Option(help="How long reading a row takes.")] = 40.0,
    seed: Annotated[
        int | None, typer.Option(help="Draw by this seed instead of the one that follows from the run.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Plan anew; the earlier plan and its answers are kept.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would cost and write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Plan which rows people read, and show what that promises and costs."""
    from synth_stack.cli.review_tables import plan_lines
    from synth_stack.review.cost import summarise
    from synth_stack.workflows.review import plan as make_plan

    if held and with_held:
        raise typer.BadParameter("--held reads no lots, --with-held does: choose one")
    made = make_plan(
        folder,
        risk=risk,
        aql=aql,
        ltpd=ltpd,
        confidence=confidence,
        percent=percent,
        sequential=sequential,
        skip_lots=skip_lots,
        held="only" if held else "also" if with_held else "no",
        by=[key.strip() for key in by.split(",") if key.strip()],
        lot_rows=lot_rows,
        estimate=estimate,
        overlap=overlap,
        min_agreement=min_agreement,
        min_reviewer_agreement=min_reviewer_agreement,
        on_failed=on_failed,
        on_waiting=on_waiting,
        gold=gold,
        canaries=canaries,
        gates=gates,
        load=load or (),
        sensitivity=sensitivity,
        specificity=specificity,
        reviewers=reviewers,
        seconds_a_row=seconds,
        seed=seed,
        again=again,
        dry_run=dry_run,
    )
    summary = summarise(made.settings, made.lots, made.sample)
    if as_json:
        told = {"settings": made.settings.to_json(), **summary.to_json()}
        print_json({"folder": str(folder), "written": not dry_run, "plan_sha256": made.sha256, **told})
        return
    for line in plan_lines(made.settings, summary, made.clusters):
        say(line)
    say("nothing was written" if dry_run else f"plan    {made.folder / 'review' / 'plan.json'}")


@review_app.command()
def rows(
    folder: Run,
    reviewer: Annotated[
        str | None, typer.Option("--as", help="Who reads; only a keyed digest of it is kept.")
    ] = None,
    key: Key = None,
    adjudicate: Annotated[
        bool, typer.Option("--adjudicate", help="Settle the rows on which reviewers differ.")
    ] = False,
    decide_only: Annotated[
        bool, typer.Option("--decide-only", help="Read nothing; put the answers that are there into effect.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Judge rows one by one; with --json, take answers as JSON Lines from standard input.

    Each answer is on the disk before the next row is shown, and the same command goes on where it stopped.
    """
    from synth_stack.cli.review_rows import judge_in_terminal, read_json_answers
    from synth_stack.review.answers import record_answers
    from synth_stack.review.plan_file import read_plan
    from synth_stack.review.queue import build_queue
    from synth_stack.review.reviewers import keep_key, read_key_for, reviewer_id
    from synth_stack.runs.judged import open_judged
    from synth_stack.workflows.review import decide_lots

    run, made = open_judged(folder), read_plan(folder)
    recorded = None
    if not decide_only:
        known_by = read_key_for(folder, key)
        who = reviewer_id(reviewer or getpass.getuser(), known_by)
        keep_key(folder, known_by)
        if as_json:
            lines = [] if sys.stdin.isatty() else sys.stdin.buffer
            recorded = record_answers(folder, read_json_answers(lines, who, adjudicate=adjudicate))
        else:
            judge_in_terminal(folder, build_queue(run, made, who, adjudicate=adjudicate), who, adjudicate)
    done = decide_lots(folder)
    if as_json:
        left = [] if decide_only else build_queue(run, read_plan(folder), who, adjudicate=adjudicate)
        told = {} if recorded is None else {"recorded": recorded.to_json()}
        print_json({**done.to_json(), **told, "left": [row.row_id for row in left]})
        return
    print_reviewed(done)


def print_reviewed(done: "Reviewed") -> None:
    """What the answers decided so far, line by line."""
    from synth_stack.cli.review_tables import reviewed_lines

    for line in reviewed_lines(done):
        say(line)
    if done.packed:
        pack = done.folder / "pack"
        mend = f"write it again with synth-stack pack {done.folder} --out {pack}"
        note = f"{pack} is of before these answers: {mend}"
        sys.stderr.write(to_one_line(note) + "\n")


add_commands(review_app)
