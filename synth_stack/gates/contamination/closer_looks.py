"""The rows that the first stages noticed, looked at more closely: rated again, and their functions tried."""

import pyarrow as pa

from synth_stack.gates.contamination.choice_overlap import ChoiceIndex, OfferedChoices
from synth_stack.gates.contamination.eval_sets import name_item
from synth_stack.gates.contamination.ngram_overlap import (
    Overlap,
    WordIndex,
    describe_overlap,
    find_question,
)
from synth_stack.gates.contamination.paraphrase import read_pairs
from synth_stack.gates.contamination.reranking import describe_likest, rerank_pairs
from synth_stack.gates.contamination.row_texts import COLUMNS, read_row_texts
from synth_stack.gates.contamination.short_list import RERANKED, ContaminationStages, unnest
from synth_stack.gates.contamination.solved_items import try_functions
from synth_stack.gates.contamination.verdicts import (
    SHARED_CHOICES,
    ContaminationFinding,
    add_trial,
    state_likeness,
    state_overlap,
)


def look_closer(
    stages: ContaminationStages, table: pa.Table, noticed: pa.Table, rows: list[int], bar: float
) -> dict[int, ContaminationFinding]:
    """What is found on the rows of a table that have a line in `noticed`: line k is on row `rows[k]`.

    What the batch has no budget for is not done: such pairs stand as wordllama rated them, such runs are
    untried.
    """
    findings = _describe_choices(stages.choices, noticed, rows)
    findings |= _describe_shared(stages.words, table, noticed, rows)
    findings.update(_rate_pairs(stages, table, noticed, rows, bar))
    if stages.trials is not None and stages.can_run:
        runs = unnest(noticed, "runs", rows)
        wanted: dict[int, list[tuple[int, int]]] = {}
        for row, function, problem in runs.select("row", "function", "problem").iter_rows():
            wanted.setdefault(row, []).append((function, problem))
        taken = dict(zip(rows, noticed["taken"].to_pylist(), strict=True))
        for row, trial in try_functions(stages.trials, table, wanted, taken).items():
            findings[row] = add_trial(findings.get(row), trial, bar)
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
        overlap, content = Overlap(**told), contents[row, path]
        reason, evidence = describe_overlap(index, overlap, content)
        asked = find_question(index, overlap, content) if overlap.is_passage else None
        if asked is not None:
            eval_set = index.locate(overlap.part)[0]
            evidence |= {"item": eval_set.ids[asked], "question": eval_set.prompts[asked]}
            reason = f"shared n-gram: with the passage and question of {name_item(eval_set, asked)}"
        shown = {"how": "words", "path": path, **evidence}
        findings[row] = state_overlap(overlap, reason, shown, is_asked=asked is not None)
    return findings


def _describe_choices(
    index: ChoiceIndex, noticed: pa.Table, rows: list[int]
) -> dict[int, ContaminationFinding]:
    """The rows that offer an item's choices, which say enough."""
    findings = {}
    for row, told in zip(rows, noticed["choices"].to_pylist(), strict=True):
        if told and told["proof"]:
            path = told.pop("path")
            reason, evidence = index.describe(OfferedChoices(**told))
            shown = {"how": "choices", "path": path, **evidence}
            findings[row] = ContaminationFinding("reject", 1.0, reason, SHARED_CHOICES, shown)
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
        again = pairs.filter(doubtful).group_by("row", maintain_order=True).head(RERANKED)
        rated = rerank_pairs(stages.meanings, stages.confirmer, again)
        found |= describe_likest(stages.meanings, rated, "minilm")
    offered = dict(zip(rows, noticed["choices"].to_pylist(), strict=True))
    findings = {}
    for row, likest in found.items():
        agrees = list(likest.agrees)
        if offered[row] and offered[row]["item"] == likest.item:
            agrees.append("choices agree")
        findings[row] = state_likeness(
            likest.likeness, likest.fault, agrees, bar, holds_alone=stages.holds_alone
        )
    return findings
