"""Code that does what its tests say, and tests that say something: both are run.

Every solution runs against its tests in the sandbox, and so do small mutants of it. A test that no mutant
fails would have passed a wrong solution too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.gates.execution.canaries import make_sound_pairs, plant_pairs
from synth_stack.gates.execution.faults import (
    NO_MUTANTS,
    NOT_A_PAIR,
    WEAK_TESTS,
    PairFault,
    examine_pair,
    explain_runs,
    refuse_language,
)
from synth_stack.gates.execution.mutation import Mutant, make_mutants
from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.code_pairs import CodePair, find_other_languages, read_pairs
from synth_stack.rows.schemas import build_verdicts
from synth_stack.sandbox.room import Limits, Outcome, find_level
from synth_stack.sandbox.run_many import run_many

_MAX_SURVIVORS = 5


@gate("execution", version="4", reads=("content", "alternatives", "extra"), harm="truth")
def execution(
    *,
    threshold: Annotated[float, Field(gt=0, le=1)] = 1.0,
    mutants: Annotated[int, Field(ge=1, le=100)] = 8,
    cpu_s: Annotated[int, Field(ge=1, le=60)] = 2,
    memory_mb: Annotated[int, Field(ge=64, le=4096)] = 256,
) -> Judge:
    """A judge that rejects code which fails its tests, and tests that let wrong code pass.

    It judges rows of kind code and foreign rows with a `tests` or `test` column, and abstains on others, and
    on code of another language than Python, for which there is no sandboxed runtime. The
    solution is in the last answer, in that of the chosen alternative where a row has one. It has to pass the
    tests, and so has the reference where there is one; then up to `mutants` mutants of the solution run
    against them. The score is the share of mutants that live, and from `threshold` on the row is rejected: at
    1 one mutant has to die, which is the least that a test can be worth. A row with 8 mutants takes up to
    half a second of one core (benchmarks/code_pairs.py).

    Mutants are made only in what the tests name, and one dies only when an assert of the tests fails. One
    that ends in another exception or at a limit shows that the tests reach it, not that they look at a
    result; it counts as alive.

    Raises SandboxError where this machine has no sandbox.
    """
    limits = Limits(cpu_s=cpu_s, memory_mb=memory_mb, wall_s=5.0 * cpu_s)
    level = find_level()

    def judge(table: pa.Table, _: State) -> pa.Table:
        chosen = append_chosen(table)
        pairs, others = read_pairs(chosen), find_other_languages(chosen)
        found = dict(zip(pairs, _examine(list(pairs.values()), mutants, limits), strict=True))
        results = [found.get(row) for row in range(len(table))]
        faults = [
            (refuse_language(others[row]) if row in others else NOT_A_PAIR)
            if result is None
            else result.judge(threshold)
            for row, result in enumerate(results)
        ]
        return build_verdicts(
            table.column("row_id"),
            "execution",
            [
                "abstain" if result is None else "accept" if fault is None else "reject"
                for result, fault in zip(results, faults, strict=True)
            ],
            scores=[None if result is None else result.score for result in results],
            threshold=threshold,
            reasons=[None if fault is None else fault.reason for fault in faults],
            reason_classes=[None if fault is None else f"execution.{fault.what}" for fault in faults],
            evidence=[None if result is None else result.evidence for result in results],
        )

    return Judge(
        judge=judge,
        facts={"sandbox": level},
        plant=plant_pairs,
        control=make_sound_pairs,
        min_recall=1.0,
        dials=(Dial(threshold, ">=", (f"execution.{WEAK_TESTS}",), parameter="threshold"),),
    )


@dataclass(frozen=True, slots=True)
class _PairResult:
    """What came of one row.

    `fault`: why it is rejected, with any score. `checks`: asserts that held. `killed`, `failed`: how many of
    its `total` mutants an assert ended, and how many ended otherwise; `alive`: the others.
    """

    fault: PairFault | None = None
    checks: int = 0
    total: int = 0
    killed: int = 0
    failed: int = 0
    alive: tuple[Mutant, ...] = ()

    @property
    def score(self) -> float | None:
        """The share of mutants that no assert ended; None where none was run."""
        return 1 - self.killed / self.total if self.total else None

    @property
    def evidence(self) -> str | None:
        """The counts, and some of the mutants that the tests let live."""
        if not self.total:
            return None
        alive = [{"line": m.line, "change": m.change} for m in self.alive[:_MAX_SURVIVORS]]
        counts = {"checks": self.checks, "mutants": self.total, "killed": self.killed, "failed": self.failed}
        return canonical_text({**counts, "alive": alive})

    def judge(self, threshold: float) -> PairFault | None:
        """Why the row is rejected, or None."""
        if self.score is None or self.score < threshold:
            return self.fault
        return PairFault(WEAK_TESTS, f"tests kill too few mutants: {self.killed} of {self.total}")


def _examine(pairs: Sequence[CodePair], mutants: int, limits: Limits) -> list[_PairResult]:
    """What comes of each pair: it is read, then run, and then its mutants are, as far as it gets."""
    results = [_PairResult(examine_pair(pair)) for pair in pairs]
    for stage in (_run_pairs, partial(_run_mutants, most=mutants)):
        whole = [k for k, result in enumerate(results) if result.fault is None]
        ran = stage([pairs[k] for k in whole], [results[k] for k in whole], limits)
        for k, result in zip(whole, ran, strict=True):
            results[k] = result
    return results


def _run_pairs(pairs: Sequence[CodePair], _: Sequence[_PairResult], limits: Limits) -> list[_PairResult]:
    """Each solution against its tests, and each reference against the same ones."""
    compared = {
        k: pair.reference_program for k, pair in enumerate(pairs) if pair.reference_program is not None
    }
    runs = [(pair.program, pair.tests) for pair in pairs]
    runs += [(reference, pairs[k].tests) for k, reference in compared.items()]
    outcomes = run_many(runs, limits=limits)
    held = dict(zip(compared, outcomes[len(pairs) :], strict=True))
    return [
        _PairResult(explain_runs(outcome, held.get(k)), outcome.checks)
        for k, outcome in enumerate(outcomes[: len(pairs)])
    ]


def _run_mutants(
    pairs: Sequence[CodePair], results: Sequence[_PairResult], limits: Limits, *, most: int
) -> list[_PairResult]:
    """The results of solutions that pass, with what came of up to `most` mutants of each."""
    made = [
        (k, mutant)
        for k, pair in enumerate(pairs)
        for mutant in make_mutants(pair.solution, pair.tests, most)
    ]
    runs = [(f"{pairs[k].prelude}\n{mutant.source}", pairs[k].tests) for k, mutant in made]
    ends: list[list[tuple[Mutant, str]]] = [[] for _ in pairs]
    outcomes = run_many(runs, limits=limits, confirmed=False)  # a mutant that passes speaks against its tests
    for (k, mutant), outcome in zip(made, outcomes, strict=True):
        ends[k].append((mutant, _name_end(outcome)))
    return [_count(result.checks, ended) for result, ended in zip(results, ends, strict=True)]


def _count(checks: int, ends: Sequence[tuple[Mutant, str]]) -> _PairResult:
    if not ends:
        reason = "no mutants: nothing in the solution can be changed to try its tests"
        return _PairResult(PairFault(NO_MUTANTS, reason), checks)
    counts = Counter(end for _, end in ends)
    alive = tuple(mutant for mutant, end in ends if end == "lived")
    return _PairResult(None, checks, len(ends), counts["killed"], counts["failed"], alive)


def _name_end(outcome: Outcome) -> str:
    if outcome.status == "passed":
        return "lived"
    return "killed" if outcome.refuted else "failed"
