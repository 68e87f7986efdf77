"""Contamination: rows that repeat an evaluation item, in its words, in other words, or by solving it.

Three stages, the cheap ones first. Words: a shared run of 12 words rejects at once (ngram_overlap.py).
Meaning: a short list of rows that are like an item, by fast vectors (paraphrase.py); better ones decide
(reranking.py). Behaviour: a function that passes a held-out item's tests and answers as its solution does is
the solution, whatever its words (solved_items.py). What comes near the bar may be put to a language model
(llm_judge.py).

The first stages are the sketch of a shard (short_list.py); what a batch may spend on the rest is cut once for
all of it (batch_budgets.py), and the judge spends it (closer_looks.py).
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.contamination.batch_budgets import cut_budgets
from synth_stack.gates.contamination.canaries import BARS, CAUGHT_AS, list_off, plant_items
from synth_stack.gates.contamination.choice_overlap import index_choices
from synth_stack.gates.contamination.closer_looks import look_closer
from synth_stack.gates.contamination.controls import control_items
from synth_stack.gates.contamination.eval_sets import EvalItems, load_eval_set
from synth_stack.gates.contamination.llm_judge import (
    LlmJudge,
    add_opinions,
    choose_asked,
    sketch_findings,
)
from synth_stack.gates.contamination.ngram_overlap import index_words
from synth_stack.gates.contamination.overlap_rules import (
    MIN_ITEM_WORDS,
    NGRAM,
    Convention,
    OverlapRule,
    Pieces,
    choose_rule,
)
from synth_stack.gates.contamination.paraphrase import Embedding, index_meanings
from synth_stack.gates.contamination.reranking import Confirmer
from synth_stack.gates.contamination.row_texts import READS
from synth_stack.gates.contamination.short_list import (
    ContaminationStages,
    notice_alone,
    read_noticed,
    sketch_rows,
)
from synth_stack.gates.contamination.solved_items import Behaviour, prepare_trials
from synth_stack.gates.contamination.verdicts import (
    AGREED,
    ALIKE,
    NOT_TRIED,
    REPHRASED,
    TOO_FEW_RUNS,
    abstain,
    state_findings,
)
from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.resources import Ask, Resources
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.models.embedders import load_embedder
from synth_stack.registry import EVAL_SETS, gate
from synth_stack.text.words import TEXT_SCHEME

_AGAINST: list[NamedEvalSet] = []
_EMBEDDING = Embedding()
_BEHAVIOUR = Behaviour()


@gate("contamination", version="5", reads=READS, harm="exams")
def contamination(
    resources: Resources,
    *,
    against: Annotated[list[NamedEvalSet], EVAL_SETS] = _AGAINST,
    convention: Convention = "run",
    ngram: Annotated[int, Field(ge=5, le=50)] = NGRAM,
    min_item_words: Annotated[int, Field(ge=3, le=50)] = MIN_ITEM_WORDS,
    pieces: Pieces = "hold",
    embedding: Embedding | None = _EMBEDDING,
    behaviour: Behaviour | None = _BEHAVIOUR,
    llm_judge: LlmJudge | None = None,
) -> Judge:
    """A judge that rejects a row that repeats an item of the eval sets `against`.

    Words, without case and punctuation: a row that shares a run of `ngram` words with an item's prompt or
    answer has score 1; a prompt or answer of fewer words has to occur whole, and one of fewer than
    `min_item_words` proves nothing (an item with nothing left is counted in facts as not checkable by
    words). `convention` names other rules, with their sources, in overlap_rules.py. A short piece of a longer
    item holds the row or, with `pieces` "ignore", leaves it to the later stages. Each text of a row is read:
    what is said, reasoned and called, alternatives, the schemas of tools, and documents, since a leaked
    item teaches as much from there.

    Meaning, for the rest: the score is the likeness to the likest item on the short list, 0 where none is on
    it; from the bar on rejected where rare words, numbers or choices agree, and else held, or passed where
    `embedding.alone` is "ignore". Behaviour, for each row on the short list and each with a function of an
    item's name: a function that passes an item's tests and has its name, or answers as its solution does,
    has score 1; one that is neither is held, or another function (references.py). A row for which too few
    runs in the sandbox were left is held. With `llm_judge`, the rows just below the bar are put to it:
    rejected with score 1 on a yes, held on an answer that is none.

    What is spent on a batch is bounded: rows that MiniLM reads, runs in the sandbox, rows that the language
    model is asked about. Each bound is cut once for the whole batch; canaries stand outside it.

    Evidence names eval set, item, its text and what was compared, also for rows on the short list that are
    accepted. Without an eval set every row is abstained on, as is a row with nothing to read.

    Defaults: Brown et al. 2020, appendix C, look for 8- to 13-grams, never shorter "due to spurious
    collisions"; 12 words of support or school prose do not repeat by chance.

    Raises ConfigError, InputError for the eval sets, MissingExtra and ModelError for the embedders.
    """
    names = [named.name for named in against]
    if len(set(names)) < len(names):
        raise ConfigError("contamination: two eval sets have one name", seen=", ".join(names))
    if llm_judge is not None and embedding is None:
        raise ConfigError(
            "contamination: llm_judge needs `embedding`: it is asked about what comes near its bar"
        )
    rule = choose_rule(convention, ngram, min_item_words)
    sets = [load_eval_set(named, resources) for named in against]
    background = embedding.background if embedding else None
    neutral = load_eval_set(background, resources) if background else None
    stages = _prepare_stages(
        sets, rule, embedding, neutral, behaviour, asks=llm_judge is not None, holds_pieces=pieces == "hold"
    )
    ask = None if llm_judge is None else resources.make_asker(llm_judge.teacher, "contamination: llm_judge")
    facts = _state_facts(stages, neutral)
    alone = _find_alone([*against, *([background] if background else [])], llm_judge)
    if not sets:
        return Judge(judge=_abstain, facts=facts, alone=alone)
    bar = embedding.threshold if embedding else 1.0
    rounds = _list_rounds(stages, bar, embedding, behaviour, llm_judge)
    return Judge(
        judge=partial(_judge, stages, bar, ask, knows_batch=bool(rounds)),
        facts=facts,
        rounds=rounds,
        plant=partial(plant_items, stages),
        control=partial(control_items, stages),
        bars=BARS,
        caught_as=CAUGHT_AS,
        off=list_off(stages, behaviour=behaviour is not None),
        dials=_list_dials(embedding),
        alone=alone,
    )


def _prepare_stages(
    sets: Sequence[EvalItems],
    rule: OverlapRule,
    embedding: Embedding | None,
    background: EvalItems | None,
    behaviour: Behaviour | None,
    *,
    asks: bool,
    holds_pieces: bool,
) -> ContaminationStages:
    meanings = confirmer = None
    if sets and embedding is not None:
        meanings = index_meanings(sets, embedding, background)
        if embedding.confirm is not None:
            better = load_embedder(embedding.confirm)
            confirmer = Confirmer(better, meanings.neutral_texts, meanings.neutral)
    trials = prepare_trials(sets, behaviour) if sets and behaviour is not None else None
    choices = index_choices(sets, rule.min_words)
    holds_alone = embedding is None or embedding.alone == "hold"
    return ContaminationStages(
        index_words(sets, rule),
        choices,
        meanings,
        confirmer,
        trials,
        holds_alone=holds_alone,
        lists_all=holds_alone or asks,
        holds_pieces=holds_pieces,
    )


def _list_rounds(
    stages: ContaminationStages,
    bar: float,
    embedding: Embedding | None,
    behaviour: Behaviour | None,
    llm_judge: LlmJudge | None,
) -> tuple[Round, ...]:
    """How the batch is learnt; nothing where nothing is bounded, since each row is then judged by itself."""
    if stages.confirmer is None and not stages.can_run and llm_judge is None:
        return ()
    cut = partial(
        cut_budgets,
        confirm_rows=embedding.confirm_rows if embedding and stages.confirmer else 0,
        runs_per_10000_rows=behaviour.runs_per_10000_rows if behaviour else 0,
    )
    first = Round(partial(_sketch, stages), cut)
    if llm_judge is None:
        return (first,)
    settled = Round(
        partial(_sketch_settled, stages, bar, llm_judge), partial(choose_asked, rows=llm_judge.rows)
    )
    return (first, settled)


def _sketch(stages: ContaminationStages, table: pa.Table, _: State) -> pa.Table:
    return sketch_rows(stages, table)


def _sketch_settled(
    stages: ContaminationStages, bar: float, llm_judge: LlmJudge, table: pa.Table, state: State
) -> pa.Table:
    noticed, rows = read_noticed(state, table)
    findings = look_closer(stages, table, noticed, rows, bar)
    spent = noticed["confirmed"].to_numpy() | (noticed["taken"].to_numpy() > 0)
    return sketch_findings(llm_judge, bar, table, findings, np.asarray(rows)[spent].tolist())


def _judge(
    stages: ContaminationStages,
    bar: float,
    ask: Ask | None,
    table: pa.Table,
    state: State,
    *,
    knows_batch: bool,
) -> pa.Table:
    if knows_batch:
        noticed, rows = read_noticed(state, table)
    else:
        noticed, rows = notice_alone(stages, table)
    readable = np.ones(len(table), dtype=bool)
    readable[rows] = noticed["readable"].to_numpy()
    settled = {} if ask is None else add_opinions(ask, table, state)
    open_ = [k for k, row in enumerate(rows) if row not in settled]
    noticed = noticed.take(pa.array(open_, pa.int64()))
    findings = look_closer(stages, table, noticed, [rows[k] for k in open_], bar)
    return state_findings(table, readable, findings | settled, bar)


def _abstain(table: pa.Table, _: State) -> pa.Table:
    return abstain(table)


def _list_dials(embedding: Embedding | None) -> tuple[Dial, ...]:
    """The bar for likeness: from it on a row is rejected where other evidence agrees, and else held, unless
    that is ignored. And that of too few runs, which holds what likeness does not.
    """
    if embedding is None:
        return ()
    bar = partial(
        Dial,
        parameter="embedding.threshold",
        threshold=embedding.threshold,
        rejects=">=",
        fixed_by="llm_judge",
    )
    alone = (bar(outcome="hold", classes=(ALIKE,)),) if embedding.alone == "hold" else ()
    return (
        bar(score=AGREED, classes=(REPHRASED,)),
        *alone,
        Dial(threshold=1, rejects=">=", score=TOO_FEW_RUNS, outcome="hold", classes=(NOT_TRIED,)),
    )


def _find_alone(named: Sequence[NamedEvalSet], llm_judge: LlmJudge | None) -> str | None:
    if llm_judge is not None:
        return "it asks a language model"
    return "it reads an eval set from the Hub" if any(n.hub is not None for n in named) else None


def _state_facts(stages: ContaminationStages, background: EvalItems | None) -> dict[str, Any]:
    words = stages.words
    embedders = [stages.meanings.first] if stages.meanings else []
    embedders += [stages.confirmer.embedder] if stages.confirmer else []
    files = {source: digest for embedder in embedders for source, digest in embedder.facts.items()}
    return {
        "against": [
            {
                "name": s.name,
                "version": s.version,
                "sha256": s.sha256,
                "items": len(s.ids),
                "not_checkable": words.skipped[k],
                "repeated": sum(k != first for k, first in enumerate(s.find_repeats())),
                "with_choices": sum(len(offered) > 0 for offered in s.choices),
                "with_passage": sum(passage is not None for passage in s.passages),
                "with_tests": s.testable,
            }
            for k, s in enumerate(words.sets)
        ],
        "convention": {"name": words.rule.convention, "n": words.rule.n, "min_words": words.rule.min_words},
        "embedders": files or None,
        "neutral_texts": len(stages.meanings.neutral_texts) if stages.meanings else None,
        "background": {"name": background.name, "sha256": background.sha256} if background else None,
        "behaviour": stages.trials.facts if stages.trials else None,
        "text": TEXT_SCHEME,
    }
