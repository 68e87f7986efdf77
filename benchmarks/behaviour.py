"""Prints how many rows of a public code dataset solve a held-out HumanEval item, and what finding them costs.

    python benchmarks/behaviour.py ../shared/data
    python benchmarks/behaviour.py ../shared/data --rows 1000       a part of it

The folder holds code_alpaca and humaneval. Every function of a row is tried on the items whose prose is
nearest to the row's instruction (MiniLM, --nearest of them) and on the items of its own name. First the
reference solutions run against their own tests, which must pass, and against the next item's, which must
not. A second solution that passes a weaker test of the same name is a finding too: read some with --show.
"""

import argparse
import ast
import json
import os
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from synth_stack.gates.contamination.functions import (
    Function,
    Problem,
    TriedPairs,
    find_functions,
    find_solved,
    list_by_name,
)
from synth_stack.gates.contamination.gate import contamination
from synth_stack.gates.gate import NO_STATE
from synth_stack.gates.resources import NoResources
from synth_stack.inputs.foreign import open_records, read_candidates
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.models.embedders import load_embedder
from synth_stack.sandbox.room import describe
from synth_stack.sandbox.run_many import run_many

UNLIMITED = 10**9
TIMED_RUNS = 200
Result = TypeVar("Result")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--rows", type=int, help="of code_alpaca; all without it")
    parser.add_argument("--nearest", type=int, default=3)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N rows that solve an item")
    args = parser.parse_args()
    print("sandbox:", describe())
    items = read_items(args.corpora)
    problems = [Problem(item["entry_point"], item["test"], item["prompt"]) for item in items]
    time_runs()
    check_references(items, problems)
    rows = read_rows(args.corpora)[: args.rows]
    functions, owners = list_functions(rows)
    print(f"\ncode_alpaca: {len(rows)} rows, {len(functions)} Python functions in {len(set(owners))} of them")
    near = list_near(rows, functions, owners, items, args.nearest)
    named = list_by_name(functions, problems)
    seen = find_by_words(rows, args.corpora)
    solving = {}
    for name, pairs in (("nearest", near), ("name", named), ("both", near + named)):
        trials, seconds, cpu = time_trials(functions, problems, pairs)
        solving = {s.function: s for s in trials.solved}
        solvers = {owners[f] for f in solving}
        print(
            f"{name:8} {len(pairs):5} pairs  {trials.runs:5} runs in {seconds:5.1f} s, {cpu:5.1f} s of CPU"
            f"  {trials.unmatched:5} unmatched  rows that solve an item: {len(solvers)}"
            f"  of these unseen by 12-grams: {len(solvers - seen)}"
        )
    for f, solved in list(solving.items())[: args.show]:
        print(f"\n{items[solved.problem]['task_id']}, {solved.tests} tests\n{rows[owners[f]]['output']}")


def time_runs() -> None:
    pairs = [("def f(x):\n    return x", "assert f(1) == 2")] * TIMED_RUNS
    _, seconds, cpu = measure(lambda: run_many(pairs))
    print(f"{TIMED_RUNS} trivial runs on {len(os.sched_getaffinity(0))} cores, rooms included:", end=" ")
    print(f"{seconds / TIMED_RUNS:.4f} s a run, {cpu / TIMED_RUNS:.4f} s of CPU")


def check_references(items: Sequence[dict[str, Any]], problems: Sequence[Problem]) -> None:
    functions = []
    for item in items:
        found = find_functions(item["prompt"] + item["canonical_solution"])
        functions += [function for function in found if function.name == item["entry_point"]]
    own, _, cpu = time_trials(functions, problems, [(k, k) for k in range(len(items))])
    other, _, _ = time_trials(functions, problems, [(k, (k + 1) % len(items)) for k in range(len(items))])
    tests = sum(solved.tests for solved in own.solved)
    print(
        f"reference solutions that pass their item: {len(own.solved)} of {len(items)}, {tests} asserts held"
    )
    print(f"that pass the next item: {len(other.solved)} ({other.unmatched} cannot be called by its tests)")
    print(f"{cpu / own.runs:.4f} s of CPU a pass, which is five runs")


def time_trials(
    functions: Sequence[Function], problems: Sequence[Problem], pairs: Sequence[tuple[int, int]]
) -> tuple[TriedPairs, float, float]:
    return measure(lambda: find_solved(functions, problems, pairs, budget=UNLIMITED))


def measure(work: Callable[[], Result]) -> tuple[Result, float, float]:
    """What `work` gives, its wall seconds, and the CPU seconds of the rooms that it opened and closed."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = work()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return result, time.perf_counter() - started, cpu


def list_functions(rows: Sequence[dict[str, Any]]) -> tuple[list[Function], list[int]]:
    started = time.perf_counter()
    found = [(k, function) for k, row in enumerate(rows) for function in find_functions(row["output"])]
    print(f"\nparsing: {(time.perf_counter() - started) / len(rows) * 1e6:.0f} us a row")
    return [function for _, function in found], [k for k, _ in found]


def list_near(
    rows: Sequence[dict[str, Any]],
    functions: Sequence[Function],
    owners: Sequence[int],
    items: Sequence[dict[str, Any]],
    nearest: int,
) -> list[tuple[int, int]]:
    """Pairs of each function and the items whose prose is nearest to its row's instruction."""
    embedder = load_embedder("minilm")
    wanted = sorted(set(owners))
    mine = embedder.embed([f"{rows[k]['instruction']}\n{rows[k]['input']}" for k in wanted])
    theirs = embedder.embed([read_prose(item) for item in items])
    best = np.argsort(-(mine @ theirs.T), axis=1, kind="stable")[:, :nearest]
    place = {row: k for k, row in enumerate(wanted)}
    return [(f, int(p)) for f in range(len(functions)) for p in best[place[owners[f]]]]


def read_prose(item: dict[str, Any]) -> str:
    """The item's docstring up to its examples."""
    for node in ast.parse(item["prompt"]).body:
        if isinstance(node, ast.FunctionDef) and node.name == item["entry_point"]:
            return (ast.get_docstring(node) or "").partition(">>>")[0]
    return str(item["prompt"])


def find_by_words(rows: Sequence[dict[str, Any]], folder: Path) -> set[int]:
    """The rows that the word stage of the contamination gate rejects."""
    path = str(folder / "humaneval" / "HumanEval.jsonl")
    against = [NamedEvalSet(name="humaneval", path=path)]
    judge = contamination(NoResources(), against=against, embedding=None, behaviour=None)
    tables = read_candidates(open_records(rows, "code_alpaca"))
    outcomes = pa.concat_tables([judge.judge(table, NO_STATE) for table in tables])["outcome"].to_pylist()
    return {k for k, outcome in enumerate(outcomes) if outcome == "reject"}


def read_items(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "humaneval" / "HumanEval.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def read_rows(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "code_alpaca" / "new_codealpaca.json").read_bytes())
    return rows


if __name__ == "__main__":
    main()
