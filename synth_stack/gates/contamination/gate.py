"""Contamination: rows that repeat an evaluation item, in its words, in other words, or by solving it.

Three stages, cheap before dear. Words: a shared run of 12 words rejects at once (exams/overlap.py). Meaning:
a short list of rows that are like an item, by fast vectors; better ones decide (exams/meaning.py). Behaviour:
a function that passes a held-out item's tests is its solution, whatever its words (exams/solutions.py). What
comes near the bar may be put to a language model (exams/opinion.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.contamination.canaries import Sight, plant_items
from synth_stack.gates.contamination.eval_sets import Fault, OpenHub, load_eval_set
from synth_stack.gates.contamination.llm_judge import Ask, LlmJudge, ask_about
from synth_stack.gates.contamination.ngram_overlap import (
    MIN_ITEM_WORDS,
    NGRAM,
    Convention,
    WordIndex,
    choose_rule,
    find_overlaps,
    index_words,
)
from synth_stack.gates.contamination.paraphrase import Alike, Embedding, Meanings, find_alike, index_meanings
from synth_stack.gates.contamination.solved_items import Behaviour, Trials, prepare_trials, try_functions
from synth_stack.gates.contamination.verdicts import Finding, abstain, add_trial, state_findings
from synth_stack.gates.gate import Judge
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.registry import gate
from synth_stack.text.fields import read_texts
from synth_stack.text.words import TEXT_SCHEME

if TYPE_CHECKING:
    import polars as pl

_AGAINST: list[NamedEvalSet] = []
_EMBEDDING = Embedding()
_BEHAVIOUR = Behaviour()
_MIN_RECALL = 0.8


def redecide(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: "pl.DataFrame"
) -> "pl.DataFrame":
    """The verdicts under another bar for likeness; every other parameter has to be the same.

    Rows found by words or tests stay rejected. A score that the short list cut to 0 stays 0, so a bar lower
    than the short list's own finds no more than was on it.
    """
    import polars as pl

    bar = _compare_parameters(old, new)
    rejected = pl.col("score") >= bar
    outcome = (
        pl.when(pl.col("outcome") == "abstain")
        .then(pl.lit("abstain"))
        .when(rejected)
        .then(pl.lit("reject"))
        .when(pl.col("outcome") == "hold")
        .then(pl.lit("hold"))
        .otherwise(pl.lit("accept"))
    )
    threshold = pl.when(pl.col("threshold").is_not_null()).then(pl.lit(bar))
    return rows.with_columns(outcome=outcome, threshold=threshold)


@gate("contamination", version="2", redecide=redecide)
def contamination(
    ask: Ask | None = None,
    open_hub: OpenHub | None = None,
    *,
    against: list[NamedEvalSet] = _AGAINST,
    convention: Convention = "run",
    ngram: Annotated[int, Field(ge=5, le=50)] = NGRAM,
    min_item_words: Annotated[int, Field(ge=3, le=50)] = MIN_ITEM_WORDS,
    embedding: Embedding | None = _EMBEDDING,
    behaviour: Behaviour | None = _BEHAVIOUR,
    llm_judge: LlmJudge | None = None,
) -> Judge:
    """A judge that rejects a row that repeats an item of the eval sets `against`.

    Words, without case and punctuation: a row that shares a run of `ngram` words with an item's prompt or
    answer has score 1; a prompt or answer of fewer words has to occur whole, and one of fewer than
    `min_item_words` proves nothing (an item with nothing left is counted in facts as not checkable by
    words). `convention` names other rules, with their sources, in exams/overlap.py.

    Meaning, for the rest: the score is the likeness to the likest item on the short list, 0 where none is on
    it; rejected from the bar on. Behaviour, for each row on the short list and each with a function of an
    item's name: a function that passes an item's tests has score 1. A row whose turn in the sandbox never
    came is held. With `llm_judge`, the rows just below the bar are put to it: rejected with score 1 on a yes,
    held on an answer that is none.

    Evidence names eval set, item, its text and what was compared, also for rows on the short list that are
    accepted. Without an eval set every row is abstained on, as is a row with nothing to read.

    Defaults: Brown et al. 2020, appendix C, look for 8- to 13-grams, never shorter "due to spurious
    collisions"; 12 words of support or school prose do not repeat by chance.

    `ask` and `open_hub` reach a model and the Hub for the gate, which reaches nothing by itself. Raises
    ConfigError, InputError for the eval sets, MissingExtra and ModelError for the embedders.
    """
    names = [named.name for named in against]
    if len(set(names)) < len(names):
        raise ConfigError("contamination: two eval sets have one name", seen=", ".join(names))
    if llm_judge is not None and (ask is None or embedding is None):
        raise ConfigError("contamination: llm_judge needs a teacher that can be asked, and `embedding`")
    rule = choose_rule(convention, ngram, min_item_words)
    sets = [load_eval_set(named, open_hub) for named in against]
    stages = _Stages(
        words=index_words(sets, rule),
        meanings=index_meanings(sets, embedding) if sets and embedding else None,
        trials=prepare_trials(sets, behaviour) if sets and behaviour else None,
        llm_judge=llm_judge,
        ask=ask,
    )
    can_run = stages.trials is not None and stages.trials.level is not None
    runs = rule.n if rule.is_run else None
    sight = Sight(runs, rule.min_words, stages.meanings is not None, can_run)

    batch = _Batch()

    def expect(rows: int) -> None:
        batch.rows = rows

    def judge(table: pa.Table) -> pa.Table:
        return _judge(stages, table, batch.rows) if sets else abstain(table)

    def plant(sample: pa.Table, n: int, seed: int) -> pa.Table:
        return plant_items(sets, sight, sample, n, seed)

    return Judge(
        judge=judge,
        facts=_state_facts(stages),
        expect=expect,
        plant=plant if sets else None,
        min_recall=_MIN_RECALL,
    )


@dataclass(frozen=True, slots=True)
class _Stages:
    """What the gate compares with, stage by stage; None where a stage is off."""

    words: WordIndex
    meanings: Meanings | None
    trials: Trials | None
    llm_judge: LlmJudge | None
    ask: Ask | None

    @property
    def bar(self) -> float:
        """The score that rejects."""
        return self.meanings.settings.threshold if self.meanings else 1.0


@dataclass(slots=True)
class _Batch:
    """How many rows the batch has; None until somebody says so."""

    rows: int | None = None


def _judge(stages: _Stages, table: pa.Table, batch_rows: int | None) -> pa.Table:
    shared, readable = find_overlaps(stages.words, read_texts(table.column("text")))
    findings = {
        row: Finding("reject", 1.0, reason, {"how": "words", **evidence})
        for row, (reason, evidence) in shared.items()
    }
    near: dict[int, list[int]] = {}
    if stages.meanings is not None:
        bound = _bound_confirmed(stages.meanings, table, batch_rows)
        alike = find_alike(stages.meanings, table, shared, bound)
        near = _list_near(alike)
        findings.update((row, _add_likeness(*found, stages.bar)) for row, found in alike.found.items())
    if stages.trials is not None:
        for row, trial in try_functions(stages.trials, table, near, shared).items():
            findings[row] = add_trial(findings.get(row), trial)
    if stages.llm_judge is not None and stages.ask is not None:
        findings.update(ask_about(stages.llm_judge, stages.ask, stages.bar, table, findings))
    return state_findings(table, readable, findings, stages.bar)


def _add_likeness(score: float, fault: Fault, bar: float) -> Finding:
    reason, evidence = fault
    shown = {"how": "meaning", **evidence}
    return Finding("reject", score, reason, shown) if score >= bar else Finding("accept", score, None, shown)


def _bound_confirmed(meanings: Meanings, table: pa.Table, batch_rows: int | None) -> int | None:
    """How many rows of the table may be confirmed: its share of the batch; of canaries, all."""
    if batch_rows is None or _count_rows(table) == 0:
        return None
    return meanings.share_confirmed(batch_rows, len(table))


def _count_rows(table: pa.Table) -> int:
    """The rows that are no canaries: these must not change what is said of the others."""
    return int(pc.sum(pc.not_equal(table.column("generator"), "canary")).as_py() or 0)


def _list_near(alike: Alike) -> dict[int, list[int]]:
    """The items to try each row on, nearest first; rows nearest to an item first."""
    import polars as pl

    ordered = alike.near.sort("nearness", "row", "item", descending=[True, False, False])
    items = ordered.group_by("row", maintain_order=True).agg(pl.col("item"))
    return dict(items.iter_rows())


def _state_facts(stages: _Stages) -> dict[str, Any]:
    words = stages.words
    return {
        "against": [
            {
                "name": s.name,
                "version": s.version,
                "sha256": s.sha256,
                "items": len(s.ids),
                "not_checkable": words.skipped[k],
                "with_tests": s.testable,
            }
            for k, s in enumerate(words.sets)
        ],
        "convention": {"name": words.rule.convention, "n": words.rule.n, "min_words": words.rule.min_words},
        "embedders": dict(stages.meanings.files) if stages.meanings else None,
        "neutral_texts": stages.meanings.neutral_texts if stages.meanings else None,
        "behaviour": stages.trials.facts if stages.trials else None,
        "text": TEXT_SCHEME,
        "reject_when": "score >= threshold",
    }


def _compare_parameters(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """The new bar. Raises ConfigError for any other difference."""
    for name in new:
        if _without_bar(name, old.get(name)) != _without_bar(name, new[name]):
            raise ConfigError(
                f"contamination: {name} cannot change without judging the rows again",
                seen=new[name],
                allowed="another threshold of the embedding",
                mend="Run `synth-stack curate` with the new gate file.",
            )
    if old["embedding"] is None:
        return 1.0
    bar = float(new["embedding"]["threshold"])
    if old["llm_judge"] is not None and bar != old["embedding"]["threshold"]:
        raise ConfigError(
            "contamination: the bar cannot move where a language model was asked about the rows below it",
            seen=bar,
            mend="Run `synth-stack curate` with the new gate file.",
        )
    return bar


def _without_bar(name: str, value: Any) -> Any:
    if name == "embedding" and value is not None:
        return {key: setting for key, setting in value.items() if key != "threshold"}
    return value
