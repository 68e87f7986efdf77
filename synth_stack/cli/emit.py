"""The command that tells trackers of a run."""

from pathlib import Path
from typing import Annotated, Any

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
    wandb: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to write an offline run of Weights & Biases."),
    ] = None,
    experiment: Annotated[
        str, typer.Option(help="The experiment of MLflow, and the project of Weights & Biases.")
    ] = "synth_stack",
    openlineage: Annotated[
        str | None, typer.Option(metavar="URL_OR_FILE", help="A collector of lineage, or a file of events.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="The namespace of job and data there.")] = "synth_stack",
    as_json: Json = False,
) -> None:
    """Tell trackers the figures of a run and the root of its pack; no row leaves the folder."""
    if mlflow is None and wandb is None and openlineage is None:
        raise typer.BadParameter("name --mlflow, --wandb or --openlineage, or several")
    from synth_stack.emitters.mlflow import emit_mlflow
    from synth_stack.emitters.openlineage import emit_openlineage
    from synth_stack.emitters.run_facts import read_facts
    from synth_stack.packs import layout
    from synth_stack.packs.verify.verify import verify_pack

    packed = pack if pack is not None else folder / "pack"
    signed = pack is not None or (packed / layout.STATEMENT).is_file()
    facts = read_facts(folder, verify_pack(packed).root if signed else None)
    told: dict[str, Any] = {}
    if mlflow is not None:
        run = emit_mlflow(facts, mlflow, experiment)
        told["mlflow"] = {"experiment_id": run.experiment_id, "run_id": run.run_id, "again": run.again}
        if not as_json:
            say(f"mlflow       run {run.run_id}{', which was there already' if run.again else ''}")
    if wandb is not None:
        from synth_stack.emitters.wandb import emit_wandb

        written = emit_wandb(facts, wandb, experiment)
        told["wandb"] = {"run_id": written.run_id, "folder": str(written.folder), "again": written.again}
        if not as_json:
            say(f"wandb        {written.folder}{', which was there already' if written.again else ''}")
            say(f"next         wandb sync {written.folder}")
    if openlineage is not None:
        events = emit_openlineage(facts, openlineage, namespace)
        told["openlineage"] = {"run_id": events[0]["run"]["runId"], "events": len(events)}
        if not as_json:
            say(f"openlineage  run {events[0]['run']['runId']}")
    if as_json:
        print_json({"root": facts.root, **told})
