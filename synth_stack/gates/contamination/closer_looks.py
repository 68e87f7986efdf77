"""The rows that the first stages noticed, looked at more closely: rated again, and their functions tried."""

import pyarrow as pa

from synth_stack.gates.contamination.ngram_overlap import Overlap, WordIndex, describe_overlap
from synth_stack.gates.contamination.paraphrase import read_pairs
from synth_stack.gates.contamination.reranking import describe_likest, rerank_pairs
from synth_stack.gates.contamination.row_texts import COLUMNS, read_row_texts
from synth_stack.gates.contamination.short_list import ContaminationStages, unnest
from synth_stack.gates.contamination.solved_items import try_functions
from synth_stack.gates.contamination.verdicts import (
    SHARED_NGRAM,
    ContaminationFinding,
    add_trial,
    state_likeness,
)


def look_closer(
    stages: ContaminationStages, table: pa.Table, noticed: pa.Table, rows: list[int], bar: float
) -> dict[int, ContaminationFinding]:
    """What is found on the rows of a table that have a line in `noticed`: line k is on row `rows[k]`.

    What the batch has no budget for is not done: such pairs stand as wordllama rated them, such runs are
    untried.
    """
    findings = _describe_shared(stages.words, table, noticed, rows)
    findings.update(_rate_pairs(stages, table, noticed, rows, bar))
    if stages.trials is not None and stages.can_run:
        runs = unnest(noticed, "runs", rows)
        wanted: dict[int, list[tuple[int, int]]] = {}
        for row, function, problem in runs.select("row", "function", "problem").iter_rows():
            wanted.setdefault(row, []).append((function, problem))
        taken = dict(zip(rows, noticed["taken"].to_pylist(), strict=True))
        for row, trial in try_functions(stages.trials, table, wanted, taken).items():
            findings[row] = add_trial(findings.get(row), trial)
    return findings


def _describe_shared(
    index: WordIndex, table: pa.Table, noticed: pa.Table, rows: list[int]
) -> dict[int, ContaminationFinding]:
    """The rows that share words with an item."""
    shared = {row: told for row, told in zip(rows, noticed["shared"].to_pylist(), strict=True) if told}
    owners = list(shared)
    texts = read_row_texts(table.select(COLUMNS).take(pa.array(owners, pa.int64())))
    contents = {(owners[row], path): content for row, path, content in texts.iter_rows()}
    findings = {}
    for row, told in shared.items():
        path = told.pop("path")
        reason, evidence = describe_overlap(index, Overlap(**told), contents[row, path])
        shown = {"how": "words", "path": path, **evidence}
        findings[row] = ContaminationFinding("reject", 1.0, reason, SHARED_NGRAM, shown)
    return findings


def _rate_pairs(
    stages: ContaminationStages, table: pa.Table, noticed: pa.Table, rows: list[int], bar: float
) -> dict[int, ContaminationFinding]:
    """The rows that are like an item, by the better embedder where it is granted."""
    import polars as pl

    if stages.meanings is None:
        return {}
    pairs = read_pairs(unnest(noticed, "pairs", rows), table)
    chosen = zip(rows, noticed["confirmed"].to_pylist(), strict=True)
    confirmed = [row for row, again in chosen if again and stages.confirmer is not None]
    doubtful = pl.col("row").is_in(confirmed)
    found = describe_likest(stages.meanings, pairs.filter(~doubtful), "wordllama")
    if stages.confirmer is not None and confirmed:
        rated = rerank_pairs(stages.meanings, stages.confirmer, pairs.filter(doubtful))
        found |= describe_likest(stages.meanings, rated, "minilm")
    return {row: state_likeness(*likest, bar) for row, likest in found.items()}
