"""A run of Weights & Biases: metrics, configuration and an artefact, written to a folder by its own package.

Its server has no documented interface beside the package, so that one is asked (`synth-stack[wandb]`), and
only to write a run offline. Sending it is `wandb sync FOLDER`, by whoever holds the key: none passes through
here.
"""

import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from synth_stack.emitters.run_facts import RunFacts
from synth_stack.errors import ConfigError, MissingExtra, WorkError
from synth_stack.files import store_errors

FIGURES, ROOT = "figures.json", "root.txt"
ARTEFACT_TYPE = "synth_stack-run"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
"""What begins an address, also where it was taken for a path, which has one slash; a drive has one letter."""
_NAME_CHARS = 100
_WHOLE = "synth_stack-whole"
"""An empty file beside the run's log: it is written when all else is."""
_UNTOLD: dict[str, Any] = {
    "mode": "offline",
    "silent": True,
    "console": "off",
    "host": "",
    "disable_git": True,
    "disable_code": True,
    "disable_job_creation": True,
    "save_code": False,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
}
"""Settings by which its package says nothing of the machine: no command, path, host, repository or output."""


@dataclass(frozen=True, slots=True)
class OfflineRun:
    """A run as it lies in a folder; `again` says that it was there already, so that nothing was written."""

    run_id: str
    folder: Path
    again: bool


def emit_wandb(facts: RunFacts, folder: Path, project: str) -> OfflineRun:
    """The run of `facts` in `folder`/wandb, for `wandb sync`: numbers as summary, texts as configuration, and
    an artefact with all figures and the root.

    Its id follows from identity and root, so the same run told twice is written once. Raises MissingExtra
    without the package, ConfigError for an address, StoreError for a folder that cannot be written, WorkError
    where the package fails.
    """
    if _ADDRESS.match(str(folder)):
        raise ConfigError(
            "a run of Weights & Biases is written to a folder",
            seen=str(folder),
            mend="Name a folder, and send what lies there with `wandb sync`.",
        )
    run_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{facts.identity}/{facts.root}").hex
    top = folder.resolve()
    with store_errors(folder):
        top.mkdir(parents=True, exist_ok=True)
    if found := _find_run(top, run_id):
        return OfflineRun(run_id, found, again=True)
    return OfflineRun(run_id, _write_run(facts, top, project, run_id), again=False)


def _find_run(top: Path, run_id: str) -> Path | None:
    """The run of that id which was written whole."""
    found = sorted(top.glob(f"wandb/offline-run-*-{run_id}/{_WHOLE}"))
    return found[0].parent if found else None


def _write_run(facts: RunFacts, top: Path, project: str, run_id: str) -> Path:
    wandb = _import_package()
    try:
        settings = wandb.Settings(**_UNTOLD, root_dir=str(top))
        run = wandb.init(
            project=project,
            name=facts.name[:_NAME_CHARS],
            id=run_id,
            config=facts.list_params(),
            settings=settings,
        )
        where = Path(run.settings.sync_dir)
        run.summary.update(facts.list_metrics())
        artefact = wandb.Artifact(f"run-{run_id}", type=ARTEFACT_TYPE, metadata=facts.list_params())
        for name, data in _list_files(facts).items():
            path = where / "files" / name
            path.write_bytes(data)
            artefact.add_file(str(path), name=name, policy="immutable", skip_cache=True)
        run.log_artifact(artefact)
        run.finish()
        (where / _WHOLE).touch()
    except (wandb.errors.Error, OSError, ValueError) as exc:
        raise WorkError(
            f"the package of Weights & Biases could not write the run: {type(exc).__name__}",
            seen=str(exc)[:200],
        ) from exc
    return where


def _list_files(facts: RunFacts) -> dict[str, bytes]:
    files = {} if facts.root is None else {ROOT: f"{facts.root}\n".encode()}
    return {**files, FIGURES: orjson.dumps(facts.to_json(), option=orjson.OPT_INDENT_2)}


def _import_package() -> Any:
    try:
        import wandb
    except ImportError as exc:
        raise MissingExtra(
            "a run of Weights & Biases is written by its own package",
            seen="not installed",
            mend="Run: pip install 'synth-stack[wandb]'",
        ) from exc
    return wandb
