"""The command that tells trackers of a run."""

from pathlib import Path
from typing import Annotated

import typer

from synth_stack.cli.options import Json
from synth_stack.cli.output import print_json, say


def add_emit_command(app: typer.Typer) -> None:
    """Put the command into an application."""
    app.command()(emit)


def emit(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A judged run or curate folder.")],
    pack: Annotated[
        Path | None,
        typer.Option(help="Its pack, whose root is told after it was verified; default RUN/pack."),
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option(metavar="URL", help="The address of a tracking server of MLflow.")
    ] = None,
    experiment: Annotated[str, typer.Option(help="The experiment there.")] = "synth_stack",
    openlineage: Annotated[
        str | None, typer.Option(metavar="URL_OR_FILE", help="A collector of lineage, or a file of events.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="The namespace of job and data there.")] = "synth_stack",
    as_json: Json = False,
) -> None:
    """Tell MLflow or OpenLineage the figures of a run and the root of its pack; no row leaves the folder."""
    if mlflow is None and openlineage is None:
        raise typer.BadParameter("name --mlflow, --openlineage or both")
    from synth_stack.emitters.mlflow import emit_mlflow
    from synth_stack.emitters.openlineage import emit_openlineage
    from synth_stack.emitters.run_facts import read_facts
    from synth_stack.packs import layout
    from synth_stack.packs.verify.verify import verify_pack

    packed = pack if pack is not None else folder / "pack"
    signed = pack is not None or (packed / layout.STATEMENT).is_file()
    facts = read_facts(folder, verify_pack(packed).root if signed else None)
    told = {}
    if mlflow is not None:
        run = emit_mlflow(facts, mlflow, experiment)
        told["mlflow"] = {"experiment_id": run.experiment_id, "run_id": run.run_id, "again": run.again}
        if not as_json:
            say(f"mlflow       run {run.run_id}{', which was there already' if run.again else ''}")
    if openlineage is not None:
        events = emit_openlineage(facts, openlineage, namespace)
        told["openlineage"] = {"run_id": events[0]["run"]["runId"], "events": len(events)}
        if not as_json:
            say(f"openlineage  run {events[0]['run']['runId']}")
    if as_json:
        print_json({"root": facts.root, **told})
