"""The command that audits a data set, carries the plan of an audit out, and compares two audits."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth_stack.cli.options import GATE_FILE, Against, Json, Load, Mapped, Quiet, SkipBroken
from synth_stack.cli.output import print_json, say, show_progress, to_one_line

if TYPE_CHECKING:
    from synth_stack.audits.comparison import Comparison
    from synth_stack.workflows.audit import AuditResult


def add_audit_command(app: typer.Typer) -> None:
    """Put the command into an application."""
    app.command()(audit)


def audit(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="DATASET", help="What `curate` reads: a file, a folder, a pack, a run, a Hub name."
        ),
    ] = None,
    gates: Annotated[Path | None, typer.Option("--gates", metavar="FILE_OR_NAME", help=GATE_FILE)] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write; of --apply the pack.")
    ] = None,
    against: Against = None,
    reference: Annotated[
        list[str] | None,
        typer.Option("--reference", help="NAME=PATH of rows that these may not copy; may be repeated."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Rows of the kind that you want, to measure drift from.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="What people found of verdicts: it corrects the rates.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(help="Judge so many rows, drawn at random, in the place of all.", min=1)
    ] = None,
    by: Annotated[str, typer.Option(help="What groups are: slice or cluster.")] = "slice",
    source_column: Annotated[
        str | None, typer.Option(help="The column that says where a row comes from.")
    ] = None,
    mapped: Mapped = None,
    skip_broken: SkipBroken = False,
    apply: Annotated[
        Path | None, typer.Option("--apply", metavar="AUDIT", help="Carry the plan of an audit out: a pack.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", metavar="AUDIT AUDIT", help="Show how two audits differ."),
    ] = None,
    key: Annotated[Path | None, typer.Option(help="A local signing key; made when it is not there.")] = None,
    load: Load = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Audit a data set: rates of defects with intervals, a page, a plan to mend it, a signed statement."""
    if sum(given is not None for given in (source, apply, compare)) != 1:
        raise typer.BadParameter("name one of: a data set, --apply AUDIT, --compare AUDIT AUDIT")
    if compare is not None:
        if out is not None:
            raise typer.BadParameter(
                "--compare writes no file; --json prints what it shows", param_hint="--out"
            )
        _compare(*compare, as_json)
    elif apply is not None:
        _apply(apply, gates, _need(out, "--out"), key, load or [], as_json, quiet)
    else:
        from synth_stack.inputs.columns import parse_map
        from synth_stack.inputs.gate_file import parse_eval_set
        from synth_stack.workflows.audit import audit as audit_rows
        from synth_stack.workflows.references import parse_reference

        with show_progress(quiet or as_json) as bars:
            result = audit_rows(
                source,
                _need(gates, "--gates"),
                _need(out, "--out"),
                eval_sets=[parse_eval_set(text) for text in against or []],
                references=[parse_reference(text) for text in reference or []],
                baseline=baseline,
                labels=labels,
                sample=sample,
                by=by,
                source_column=source_column,
                skip_broken=skip_broken,
                load=load or (),
                map=parse_map(mapped or []),
                key=key,
                progress=bars,
            )
        _show(result, as_json)


def _need(value: Path | None, option: str) -> Path:
    if value is None:
        raise typer.BadParameter("it is needed here", param_hint=option)
    return value


def _show(result: "AuditResult", as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(result.folder), "key_id": result.key_id, **result.audit})
        return
    from synth_stack.cli.audit_tables import audit_tables

    for shown in audit_tables(result.audit):
        say(shown)
    say(f"page    {result.folder / 'audit.html'}")
    say(f"check   synth-stack verify {result.folder}")
    steps = result.audit["plan"]["steps"]
    if steps and not steps[-1]["size_after"]:
        say("next    see on the page how the rows were read: the plan would leave none")
    elif steps:
        say(f"next    synth-stack audit --apply {result.folder} --out {result.folder}_pack")
        if result.audit["plan"]["regenerate"]:
            say(f"then    make the slices above anew: see {result.folder / 'remedy' / 'commands.sh'}")
    else:
        say("next    see on the page what was not checked, and what would check it")


def _apply(
    folder: Path, gates: Path | None, out: Path, key: Path | None, load: list[str], as_json: bool, quiet: bool
) -> None:
    from synth_stack.packs.signers import local_signer
    from synth_stack.workflows.audit import apply_audit

    with show_progress(quiet or as_json) as bars:
        summary = apply_audit(folder, out, gates=gates, load=load, signer=local_signer(key), progress=bars)
    if as_json:
        told: dict[str, Any] = {"pack": str(summary.path), "root": summary.root, **summary.counts}
        print_json(told)
    else:
        say(f"{summary.counts['accepted']:,} accepted rows in {summary.path}, signed by {summary.key_id}")


def _compare(first: Path, second: Path, as_json: bool) -> None:
    from synth_stack.workflows.audit import compare

    found: Comparison = compare(first, second)
    if as_json:
        print_json(found.to_json())
        return
    from synth_stack.cli.audit_tables import comparison_table

    say(comparison_table(found.to_json()))
    for caveat in found.caveats:
        say(to_one_line(f"note    {caveat}"))
