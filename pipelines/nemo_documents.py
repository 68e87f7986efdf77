"""A NeMo Curator pipeline that gains two gates of ours, one line each.

pip install 'synth-stack[nemo,embed]'
python pipelines/nemo_documents.py docs.jsonl kept
"""

import sys

from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.text.filters import ScoreFilter
from nemo_curator.stages.text.filters.heuristic import WordCountFilter
from nemo_curator.stages.text.io.reader import JsonlReader
from nemo_curator.stages.text.io.writer import JsonlWriter

from synth_stack.engines.nemo import GateStage


def main(source: str, target: str) -> None:
    """Writes the documents of `source` that are kept to the folder `target`, and the others beside it."""
    pipeline = Pipeline("documents")
    pipeline.add_stage(JsonlReader(source))
    pipeline.add_stage(ScoreFilter(WordCountFilter(min_words=5)))
    pipeline.add_stage(GateStage(gate="personal_data", rejects_path=f"{target}.away"))
    pipeline.add_stage(GateStage(gate="toxicity", rejects_path=f"{target}.away"))
    pipeline.add_stage(JsonlWriter(target))
    pipeline.run(RayDataExecutor())


if __name__ == "__main__":
    main(*sys.argv[1:])
