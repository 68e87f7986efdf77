"""What trackers are told of a run: its name and identity, its figures, and the root of its pack. No row."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.decisions.figures import Figures, compute_figures
from synth_stack.runs.judged import list_gates, open_judged, read_candidates, read_verdicts


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run as a tracker keeps it. `sources` are what its rows come from, by name, each with its digest where
    one is known; `root` is None without a pack.
    """

    name: str
    identity: str
    figures: Figures
    sources: Mapping[str, str | None]
    gates: tuple[str, ...]
    root: str | None = None

    def list_metrics(self) -> dict[str, float]:
        """Numbers by name: rows by decision, and of each gate what it rejected, held and let pass."""
        found: dict[str, float] = {name: float(n) for name, n in self.figures.counts().items()}
        if self.figures.acceptance_rate is not None:
            found["acceptance_rate"] = self.figures.acceptance_rate
        for stage in self.figures.funnel:
            counts = {"rejected": stage.rejected, "held": stage.held, "passed": stage.passed}
            found |= {f"gate.{stage.gate}.{name}": float(n) for name, n in counts.items()}
        return found

    def list_params(self) -> dict[str, str]:
        """What the run was made from, as texts by name."""
        told = {"identity": self.identity, "gates": ", ".join(self.gates)}
        return told if self.root is None else {**told, "root": self.root}

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values, the figures whole."""
        return {**self.list_params(), "name": self.name, "figures": self.figures.to_json()}


def read_facts(folder: Path, root: str | None = None) -> RunFacts:
    """The facts of a judged folder; `root` is that of its pack, which was verified. Raises InputError for a
    folder that is not judged.
    """
    run = open_judged(folder)
    verdicts = {gate: read_verdicts(folder, gate) for gate in list_gates(folder, run.gate_names)}
    figures = compute_figures(read_candidates(folder), verdicts, run.decisions, run.self_tests)
    sources: dict[str, str | None] = {}
    if run.recipe.source is not None:
        sources["source"] = run.recipe.source.sha256
    if run.recipe.recipe is not None:
        sources["seeds"] = None
    return RunFacts(run.recipe.name, run.recipe.identity, figures, sources, tuple(run.gate_names), root)
