"""Code that does what its tests say, and tests that say something: both are run.

Every solution runs against its tests in the sandbox, and so do small mutants of it. A test that no mutant
fails would have passed a wrong solution too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.execution.canaries import plant_pairs
from synth_stack.gates.execution.mutation import Mutant, make_mutants
from synth_stack.gates.gate import Judge
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.code_pairs import CodePair, find_fault, read_pairs
from synth_stack.rows.schemas import build_verdicts
from synth_stack.sandbox.room import Limits, Outcome, find_level, run_many

if TYPE_CHECKING:
    import polars as pl

_NOTHING = "no code pair: neither of kind code nor foreign with tests"
_REASON_CHARS = 200
_MAX_SURVIVORS = 5
_REASONS = {
    "failed": "solution fails its tests",
    "timeout": "timeout",
    "memory": "out of memory",
    "output": "too much output",
    "space": "too many or too large files",
    "blocked": "refused by the sandbox",
    "crashed": "crash",
}
_OWN_REASONS = {
    "the tests check nothing": "tests check nothing: none of their asserts could fail",
    "passes whatever the tests say": "passes whatever its tests say, and so shows nothing",
}
_LIMITS = frozenset({"timeout", "memory", "output", "space"})


def _redecide(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: "pl.DataFrame"
) -> "pl.DataFrame":
    """The verdicts under another `threshold`: only a row whose solution passes has a score."""
    import polars as pl

    other = sorted(key for key in new if key != "threshold" and new[key] != old.get(key))
    if other:
        raise ConfigError(
            "execution: only threshold can change without running the rows again", seen=", ".join(other)
        )
    bar = new["threshold"]
    weak = pl.when(pl.col("score") >= bar).then(pl.lit("reject")).otherwise(pl.lit("accept"))
    threshold = pl.when(pl.col("threshold").is_null()).then(None).otherwise(pl.lit(float(bar)))
    return rows.with_columns(
        outcome=pl.when(pl.col("score").is_null()).then("outcome").otherwise(weak), threshold=threshold
    )


@gate("execution", version="1", redecide=_redecide)
def execution(
    *,
    threshold: Annotated[float, Field(gt=0, le=1)] = 1.0,
    mutants: Annotated[int, Field(ge=1, le=100)] = 8,
    cpu_s: Annotated[int, Field(ge=1, le=60)] = 2,
    memory_mb: Annotated[int, Field(ge=64, le=4096)] = 256,
) -> Judge:
    """A judge that rejects code which fails its tests, and tests that let wrong code pass.

    It judges rows of kind code and foreign rows with a `tests` or `test` column, and abstains on others. The
    solution, and the reference where there is one, have to pass the tests; then up to `mutants` mutants of
    the solution run against them. The score is the share of mutants that live, and from `threshold` on the
    row is rejected: at 1 one mutant has to die, which is the least that a test can be worth. A row with 8
    mutants takes about a seventh of a second of one core (benchmarks/code_pairs.py).

    A mutant dies when an assert fails or a limit ends it. One that ends in any other exception only shows
    that the tests reach it, not that they look at a result; it counts as alive.

    Raises SandboxError where this machine has no sandbox.
    """
    limits = Limits(cpu_s=cpu_s, memory_mb=memory_mb, wall_s=5.0 * cpu_s)
    level = find_level()

    def judge(table: pa.Table) -> pa.Table:
        pairs = read_pairs(table)
        found = dict(zip(pairs, _examine(list(pairs.values()), mutants, limits), strict=True))
        findings = [found.get(row) for row in range(len(table))]
        reasons = [_NOTHING if f is None else f.explain(threshold) for f in findings]
        return build_verdicts(
            table.column("row_id"),
            "execution",
            [
                "abstain" if f is None else "accept" if reason is None else "reject"
                for f, reason in zip(findings, reasons, strict=True)
            ],
            scores=[None if f is None else f.score for f in findings],
            threshold=threshold,
            reasons=reasons,
            evidence=[None if f is None else f.evidence for f in findings],
        )

    facts = {"reject_when": "score >= threshold, or the reason names a fault", "sandbox": level}
    return Judge(judge=judge, facts=facts, plant=plant_pairs, min_recall=1.0)


@dataclass(frozen=True, slots=True)
class _Finding:
    """What came of one row.

    `fault`: why it is rejected, whatever the score. `checks`: asserts that held. `killed`, `failed`: how many
    of its `total` mutants an assert or a limit ended, and how many another exception; `alive`: the others.
    """

    fault: str | None = None
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

    def explain(self, threshold: float) -> str | None:
        """Why the row is rejected, or None."""
        if self.score is None or self.score < threshold:
            return self.fault
        return f"tests kill too few mutants: {self.killed} of {self.total}"


def _examine(pairs: Sequence[CodePair], mutants: int, limits: Limits) -> list[_Finding]:
    """What comes of each pair: it is read, then run, and then its mutants are, as far as it gets."""
    findings = [_Finding(find_fault(pair)) for pair in pairs]
    for stage in (_run_pairs, partial(_run_mutants, most=mutants)):
        whole = [k for k, finding in enumerate(findings) if finding.fault is None]
        ran = stage([pairs[k] for k in whole], [findings[k] for k in whole], limits)
        for k, finding in zip(whole, ran, strict=True):
            findings[k] = finding
    return findings


def _run_pairs(pairs: Sequence[CodePair], _: Sequence[_Finding], limits: Limits) -> list[_Finding]:
    """Each solution against its tests, and each reference against the same ones."""
    compared = {
        k: pair.reference_program for k, pair in enumerate(pairs) if pair.reference_program is not None
    }
    runs = [(pair.program, pair.tests) for pair in pairs]
    runs += [(reference, pairs[k].tests) for k, reference in compared.items()]
    outcomes = run_many(runs, limits=limits)
    held = dict(zip(compared, outcomes[len(pairs) :], strict=True))
    return [
        _Finding(_find_failure(outcome, held.get(k)), outcome.checks)
        for k, outcome in enumerate(outcomes[: len(pairs)])
    ]


def _find_failure(outcome: Outcome, reference: Outcome | None) -> str | None:
    if outcome.reason in _OWN_REASONS:
        return _OWN_REASONS[outcome.reason]
    if reference is not None and reference.status != "passed":
        return _shorten(f"tests fail on the reference: {reference.status}: {reference.reason}")
    if outcome.status == "passed":
        return None
    return _shorten(f"{_REASONS[outcome.status]}: {outcome.reason}")


def _run_mutants(
    pairs: Sequence[CodePair], findings: Sequence[_Finding], limits: Limits, *, most: int
) -> list[_Finding]:
    """The findings of solutions that pass, with what came of up to `most` mutants of each."""
    made = [(k, mutant) for k, pair in enumerate(pairs) for mutant in make_mutants(pair.solution, most)]
    runs = [(f"{pairs[k].prelude}\n{mutant.source}", pairs[k].tests) for k, mutant in made]
    ends: list[list[tuple[Mutant, str]]] = [[] for _ in pairs]
    for (k, mutant), outcome in zip(made, run_many(runs, limits=limits), strict=True):
        ends[k].append((mutant, _name_end(outcome)))
    return [_count(finding.checks, ended) for finding, ended in zip(findings, ends, strict=True)]


def _count(checks: int, ends: Sequence[tuple[Mutant, str]]) -> _Finding:
    if not ends:
        return _Finding("no mutants: nothing in the solution can be changed to try its tests", checks)
    counts = Counter(end for _, end in ends)
    alive = tuple(mutant for mutant, end in ends if end == "lived")
    return _Finding(None, checks, len(ends), counts["killed"], counts["failed"], alive)


def _name_end(outcome: Outcome) -> str:
    if outcome.status == "passed":
        return "lived"
    by_assert = outcome.status == "failed" and outcome.reason.startswith("AssertionError")
    return "killed" if by_assert or outcome.status in _LIMITS else "failed"


def _shorten(reason: str) -> str:
    return " ".join(reason.split())[:_REASON_CHARS]
