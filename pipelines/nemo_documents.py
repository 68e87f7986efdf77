"""A NeMo Curator pipeline that gains two gates of ours, one line each.

    python pipelines/nemo_documents.py DOCUMENTS KEPT_FOLDER

DOCUMENTS is a file or folder of JSON Lines with a column `text`. What a gate turns away is written to
KEPT_FOLDER.away. Needs the extras nemo and embed.
"""

import sys
from pathlib import Path

from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.text.filters import ScoreFilter
from nemo_curator.stages.text.filters.heuristic import WordCountFilter
from nemo_curator.stages.text.io.reader import JsonlReader
from nemo_curator.stages.text.io.writer import JsonlWriter

from synth_stack.engines.nemo import GateStage


def build_pipeline(source: Path, target: Path) -> Pipeline:
    """The pipeline, not started. Its paths are absolute: Ray's workers run in folders of their own."""
    source, target = source.resolve(), target.resolve()
    pipeline = Pipeline("documents")
    pipeline.add_stage(JsonlReader(str(source)))
    pipeline.add_stage(ScoreFilter(WordCountFilter(min_words=5)))
    pipeline.add_stage(GateStage(gate="personal_data", rejects_path=f"{target}.away"))
    pipeline.add_stage(GateStage(gate="toxicity", rejects_path=f"{target}.away"))
    pipeline.add_stage(JsonlWriter(str(target)))
    return pipeline


if __name__ == "__main__":
    build_pipeline(Path(sys.argv[1]), Path(sys.argv[2])).run(RayDataExecutor())
