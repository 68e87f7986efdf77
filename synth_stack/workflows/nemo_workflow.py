"""A whole gate file as a workflow of NeMo Curator, for its runner and for a NeMo user's own program.

    workflow:
      - _target_: synth_stack.workflows.nemo_workflow.CurateWorkflow
        source: ${input_path}
        gates: gates.yaml
        out: ${output_path}

Every gate is there, those that compare rows with one another too, and what it says is what `synth-stack
curate` says of the same rows.
"""

import os
from collections.abc import Mapping
from typing import Any

from nemo_curator.backends.base import BaseExecutor
from nemo_curator.pipeline.workflow import WorkflowBase, WorkflowRunResult

from synth_stack.workflows.curate import curate


class CurateWorkflow(WorkflowBase):  # type: ignore[misc]
    """`synth-stack curate` on the Ray that the runner has started."""

    def __init__(self, source: str, gates: str, out: str, map: Mapping[str, str] | None = None) -> None:  # noqa: A002  (the name of the option)
        self.source, self.gates, self.out = source, gates, out
        self.map = None if map is None else {**map}

    def run(self, executor: BaseExecutor | None = None) -> WorkflowRunResult:
        """The counts of the batch as metadata, and where its folder is.

        The gates run on the Ray that RAY_ADDRESS names, as NeMo's runner sets it, or on one of their own;
        `executor` is not used, for the connection stays from one step to the next (engines/nemo). Raises what
        `curate` raises.
        """
        engine: dict[str, Any] = {"use": "nemo"}
        if os.environ.get("RAY_ADDRESS"):
            engine["address"] = "auto"
        batch = curate(self.source, self.gates, self.out, map=self.map, engine=engine)
        result = WorkflowRunResult("synth_stack")
        result.extend_metadata({"folder": str(batch.folder), **batch.figures.counts()})
        return result
