"""Code that does what its tests say, and tests that say something: both are run.

Every solution runs against its tests in the sandbox, and so do small mutants of it. A test that no mutant
fails would have passed a wrong solution too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
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
from synth_stack.gates.execution.mutation import Mutant, list_changed_runs, make_mutants
from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.code_pairs import JAVASCRIPT, PYTHON, CodePair, read_pairs
from synth_stack.rows.schemas import build_verdicts
from synth_stack.sandbox.room import Limits, Outcome, find_javascript, find_level
from synth_stack.sandbox.run_many import run_many
from synth_stack.sandbox.runtimes import PYTHON as PYTHON_RUNTIME
from synth_stack.sandbox.runtimes import Runtime

_MAX_SURVIVORS = 5


@gate("execution", version="5", reads=("content", "alternatives", "extra"), harm="truth")
def execution(
    *,
    threshold: Annotated[float, Field(gt=0, le=1)] = 1.0,
    mutants: Annotated[int, Field(ge=1, le=100)] = 8,
    cpu_s: Annotated[int, Field(ge=1, le=60)] = 2,
    memory_mb: Annotated[int, Field(ge=64, le=4096)] = 256,
) -> Judge:
    """A judge that rejects code which fails its tests, and tests that let wrong code pass.

    It judges rows of kind code and foreign rows with a `tests` or `test` column, and abstains on others, and
    on code that nothing here can run: Python runs by this interpreter, JavaScript by the node on PATH. The
    solution is in the last answer, in that of the chosen alternative where a row has one. It has to pass the
    tests, and so has the reference where there is one; then up to `mutants` mutants of the solution run
    against them. The score is the share of mutants that live, and from `threshold` on the row is rejected: at
    1 one mutant has to die, which is the least that a test can be worth. A row with 8 mutants takes up to
    half a second of one core (benchmarks/code_pairs.py).

    Mutants of JavaScript are three ways to run it, since its source is not changed here: its functions do
    nothing, what they return does nothing, and they give other results. Those of Python are changed sources,
    made only in what the tests name, and one dies only when an assert of the tests fails. One
    that ends in another exception or at a limit shows that the tests reach it, not that they look at a
    result; it counts as alive.

    Raises SandboxError where this machine has no sandbox.
    """
    limits = Limits(cpu_s=cpu_s, memory_mb=memory_mb, wall_s=5.0 * cpu_s)
    level, javascript = find_level(), find_javascript()
    runtimes = {PYTHON: PYTHON_RUNTIME, JAVASCRIPT: javascript}

    def judge(table: pa.Table, _: State) -> pa.Table:
        pairs = read_pairs(append_chosen(table))
        found: dict[int, _PairResult] = {}
        for runtime in (each for each in runtimes.values() if isinstance(each, Runtime)):
            own = {row: pair for row, pair in pairs.items() if pair.language == runtime.language}
            found |= zip(own, _examine(list(own.values()), runtime, mutants, limits), strict=True)
        results = [found.get(row) for row in range(len(table))]
        faults = [
            _explain_abstaining(pairs.get(row), runtimes) if result is None else result.judge(threshold)
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
        facts={
            "sandbox": level,
            "python": PYTHON_RUNTIME.version,
            "javascript": javascript.version if isinstance(javascript, Runtime) else None,
        },
        plant=partial(plant_pairs, languages=_list_runnable(runtimes)),
        control=partial(make_sound_pairs, languages=_list_runnable(runtimes)),
        min_recall=1.0,
        dials=(Dial(threshold, ">=", (f"execution.{WEAK_TESTS}",), parameter="threshold"),),
    )


def _list_runnable(runtimes: Mapping[str, Runtime | str]) -> frozenset[str]:
    return frozenset(language for language, runtime in runtimes.items() if isinstance(runtime, Runtime))


def _explain_abstaining(pair: CodePair | None, runtimes: Mapping[str, Runtime | str]) -> PairFault:
    """Why nothing was run: no pair, or no runtime for its language."""
    if pair is None:
        return NOT_A_PAIR
    why = runtimes.get(pair.language)
    return refuse_language(pair.language, why if isinstance(why, str) else None)


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
        alive = [
            {"change": m.change} if m.line is None else {"line": m.line, "change": m.change}
            for m in self.alive[:_MAX_SURVIVORS]
        ]
        counts = {"checks": self.checks, "mutants": self.total, "killed": self.killed, "failed": self.failed}
        return canonical_text({**counts, "alive": alive})

    def judge(self, threshold: float) -> PairFault | None:
        """Why the row is rejected, or None."""
        if self.score is None or self.score < threshold:
            return self.fault
        return PairFault(WEAK_TESTS, f"tests kill too few mutants: {self.killed} of {self.total}")


def _examine(pairs: Sequence[CodePair], runtime: Runtime, mutants: int, limits: Limits) -> list[_PairResult]:
    """What comes of each pair: it is read, then run, and then its mutants are, as far as it gets."""
    results = [_PairResult(examine_pair(pair)) for pair in pairs]
    for stage in (_run_pairs, partial(_run_mutants, most=mutants)):
        whole = [k for k, result in enumerate(results) if result.fault is None]
        ran = stage([pairs[k] for k in whole], [results[k] for k in whole], runtime, limits)
        for k, result in zip(whole, ran, strict=True):
            results[k] = result
    return results


def _run_pairs(
    pairs: Sequence[CodePair], _: Sequence[_PairResult], runtime: Runtime, limits: Limits
) -> list[_PairResult]:
    """Each solution against its tests, and each reference against the same ones."""
    compared = {
        k: pair.reference_program for k, pair in enumerate(pairs) if pair.reference_program is not None
    }
    runs = [(pair.program, pair.tests) for pair in pairs]
    runs += [(reference, pairs[k].tests) for k, reference in compared.items()]
    outcomes = run_many(runs, limits=limits, runtime=runtime)
    held = dict(zip(compared, outcomes[len(pairs) :], strict=True))
    return [
        _PairResult(explain_runs(pair, outcome, held.get(k)), outcome.checks)
        for k, (pair, outcome) in enumerate(zip(pairs, outcomes, strict=False))
    ]


def _run_mutants(
    pairs: Sequence[CodePair],
    results: Sequence[_PairResult],
    runtime: Runtime,
    limits: Limits,
    *,
    most: int,
) -> list[_PairResult]:
    """The results of solutions that pass, with what came of up to `most` mutants of each."""
    made = [
        (k, mutant)
        for k, pair in enumerate(pairs)
        for mutant in (
            make_mutants(pair.solution, pair.tests, most)
            if pair.language == PYTHON
            else list_changed_runs(pair.solution)[:most]
        )
    ]
    runs = [(f"{pairs[k].prelude}\n{mutant.source}", pairs[k].tests) for k, mutant in made]
    modes = [mutant.mode for _, mutant in made]
    ends: list[list[tuple[Mutant, str]]] = [[] for _ in pairs]
    # a mutant that passes speaks against its tests: there is nothing to confirm
    outcomes = run_many(runs, limits=limits, confirmed=False, runtime=runtime, modes=modes)
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
