"""A gate of ours in a datatrove pipeline: it judges what the filters keep; rejects are written beside.

    python pipelines/datatrove_gates.py ROWS_FOLDER OUT_FOLDER

ROWS_FOLDER holds JSON Lines with a column `text`; each of the two tasks reads its share of the files. Needs
the extra datatrove.
"""

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import GopherRepetitionFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

from synth_stack.engines.datatrove import GateStep


def build_pipeline(rows: Path, out: Path) -> LocalPipelineExecutor:
    """The pipeline, not started: datatrove's filter, our gate, and a folder for each outcome."""
    steps = [
        JsonlReader(str(rows)),
        GopherRepetitionFilter(exclusion_writer=JsonlWriter(str(out / "repeated"))),
        GateStep(
            "personal_data",
            {"kinds": {"email": "reject", "phone": "reject", "card": "reject"}},
            exclusion_writer=JsonlWriter(str(out / "personal_data")),
        ),
        JsonlWriter(str(out / "kept")),
    ]
    return LocalPipelineExecutor(steps, tasks=2, workers=1, logging_dir=str(out / "logs"))


if __name__ == "__main__":
    build_pipeline(Path(sys.argv[1]), Path(sys.argv[2])).run()
