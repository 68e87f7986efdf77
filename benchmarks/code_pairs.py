"""Prints what becomes of code pairs: made, passed, mutants killed, rejected by reason, and what that costs.

    python benchmarks/code_pairs.py                                a scripted teacher with known answers
    python benchmarks/code_pairs.py --corpora ../shared/data       and HumanEval's own solutions and tests
    python benchmarks/code_pairs.py --embedded 5                   and so many rows of the embedded teacher

The scripted teacher knows four functions. It answers with a good solution or one with a known fault, and with
good tests or worthless ones, so that for each row it is known whether it should be accepted. HumanEval's
reference solutions are good; the same with the next item's solution, or with a planted defect, are bad.
"""

import argparse
import ast
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.gates.execution.gate import execution
from synth_stack.gates.gate import NO_STATE
from synth_stack.generators.code.pool import PoolSource, read_pool
from synth_stack.inputs.recipe import load_recipe
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.code_pairs import CodePair, fence
from synth_stack.rows.schemas import build_candidates
from synth_stack.sandbox.room import describe
from synth_stack.sandbox.run_many import run_many
from synth_stack.workflows.generate import preview

RECIPE = Path(__file__).parents[1] / "pipelines" / "code_pairs" / "recipe.yaml"
METHODS = ("oss_instruct", "function_tests", "docstring_rewrite", "refactor")

POOL = '''
def split_evenly(items, parts):
    """Cut a list into so many parts whose lengths differ by one at most, the longer ones first."""
    size, rest = divmod(len(items), parts)
    cut, start = [], 0
    for k in range(parts):
        end = start + size + (1 if k < rest else 0)
        cut.append(items[start:end])
        start = end
    return cut


def run_lengths(text):
    """The runs of equal characters of a text, each with its length, in order."""
    runs = []
    for character in text:
        if runs and runs[-1][0] == character:
            runs[-1] = (character, runs[-1][1] + 1)
        else:
            runs.append((character, 1))
    return runs


def merge_spans(spans):
    """Spans (start, end) that touch or overlap, merged and in order."""
    merged = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def roman(number):
    """A number from 1 to 3999 in Roman numerals; ValueError for any other."""
    if not 0 < number < 4000:
        raise ValueError(number)
    signs = "M CM D CD C XC L XL X IX V IV I".split()
    values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    text = ""
    for sign, value in zip(signs, values):
        text += sign * (number // value)
        number %= value
    return text
'''
CHECKS = {
    "split_evenly": ("[1, 2, 3, 4, 5], 2", "[[1, 2, 3], [4, 5]]", "[], 2", "[[], []]"),
    "run_lengths": ("'aab'", "[('a', 2), ('b', 1)]", "''", "[]"),
    "merge_spans": ("[(4, 6), (1, 3), (3, 4)]", "[(1, 6)]", "[(1, 2), (3, 4)]", "[(1, 2), (3, 4)]"),
    "roman": ("1994", "'MCMXCIV'", "8", "'VIII'"),
}
SLIPS = {
    "split_evenly": ("k < rest", "k > rest"),
    "run_lengths": ("[1] + 1", "[1] + 2"),
    "merge_spans": ("start <=", "start <"),
    "roman": ("number //", "1 + number //"),
}
"""One fault in each function that its tests see."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200, help="of the scripted teacher")
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--embedded", type=int, default=0, metavar="ROWS")
    args = parser.parse_args()
    print("sandbox:", describe()["level"])
    show_pool()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "known.py").write_text(POOL, encoding="utf-8")
        rules = write_rules()
        methods = [{"use": name, "share": 0.25, "pool": {"path": folder}} for name in METHODS]
        rows = make_rows({"use": "scripted", "rules": rules}, methods, args.rows)
    show("scripted teacher", build_candidates(rows), [is_good(row) for row in rows])
    if args.corpora:
        pairs = list(list_humaneval(args.corpora / "humaneval" / "HumanEval.jsonl"))
        show("HumanEval", build_table(pair for pair, _ in pairs), [good for _, good in pairs])
    if args.embedded:
        methods = [{"use": name, "share": 0.25} for name in METHODS]
        teacher = {"use": "embedded", "context_tokens": 2048}
        rows = make_rows(teacher, methods, args.embedded)
        show("embedded teacher", build_candidates(rows), None)


def show_pool() -> None:
    """What the default pool holds, and how many of its functions load alone in the sandbox."""
    started = time.process_time()
    pool = read_pool(PoolSource())
    print(f"default pool: {pool.facts}, read in {time.process_time() - started:.1f} s of CPU")
    alone = [piece.snippet for piece in pool.pieces if piece.snippet.prelude is not None]
    runs = [(f"{s.prelude}\n{s.source}", f"assert callable({s.function})") for s in alone]
    statuses = Counter(outcome.status for outcome in run_many(runs))
    print(f"  of {len(alone)} functions that run alone load: {statuses['passed']}")


def make_rows(teacher: dict[str, Any], methods: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return preview(load_recipe(RECIPE, {"teacher": teacher, "generate.methods": methods}), count)


def show(name: str, table: pa.Table, good: Sequence[bool] | None) -> None:
    """What the gate says of a table, beside what is known of each row."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    verdicts = execution().judge(table, NO_STATE).to_pylist()
    used, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    failures = table.column("failure").to_pylist()
    whole = [failure is None for failure in failures]
    passed = [w and v["outcome"] == "accept" for w, v in zip(whole, verdicts, strict=True)]
    seen = [json.loads(v["evidence"]) for p, v in zip(passed, verdicts, strict=True) if p]
    total, killed, failed = (sum(e[key] for e in seen) for key in ("mutants", "killed", "failed"))
    print(f"\n{name}: {len(table)} rows made, {sum(whole)} of them whole pairs, {sum(passed)} passed")
    print(f"  {cpu / len(table):.3f} s of CPU a row, {seconds:.1f} s in all")
    print(f"  their mutants: {total}, killed {killed}, ended by another exception {failed}")
    if good is not None:
        caught = sum(not p and not g for p, g in zip(passed, good, strict=True))
        lost = sum(not p and g for p, g in zip(passed, good, strict=True))
        print(f"  bad rows rejected: {caught} of {good.count(False)}; good ones: {lost} of {sum(good)}")
    reasons = Counter(
        explain(failure, verdict["reason_class"])
        for failure, verdict, ok in zip(failures, verdicts, passed, strict=True)
        if not ok
    )
    for reason, count in reasons.most_common():
        print(f"  {count:5}  {reason}")


def explain(failure: str | None, reason_class: str) -> str:
    """Why a row did not pass: the class of its verdict; of a failed row, what follows the first colon."""
    if failure is None:
        return reason_class
    return f"generation failed: {failure.split(': ')[1]}"


def write_rules() -> list[dict[str, Any]]:
    """Replies for every prompt about a function of the pool, by the name of the function in it."""
    rules = []
    for name in CHECKS:
        stands = rf"def {name}\("
        solutions = [fence(source) for source in list_solutions(name)]
        problem = f"[Problem Description]\nWrite `{name}`: {ast.get_docstring(find(name))}\n[Solution]\n"
        written = [*(problem + solution for solution in solutions), "No."]
        tests = [fence(text) for text in (list_tests(name)[0], *list_tests(name))]
        documented = [fence(text) for text in list_documented(name)]
        rules += [
            {"match": f"(?s)Its solution defines.*{stands}", "replies": tests},
            {"match": f"(?s)gain inspiration.*{stands}", "replies": written},
            {"match": f"(?s)ocstring of this function.*{stands}", "replies": documented},
            {"match": f"(?s){stands}.*Answer with the whole", "replies": solutions},
        ]
    return rules


def find(name: str) -> ast.FunctionDef:
    return next(n for n in ast.parse(POOL).body if isinstance(n, ast.FunctionDef) and n.name == name)


def list_solutions(name: str) -> list[str]:
    """A good solution in other words than the pool's, three times, and five faulty ones."""
    good, endless = (write_with(name, line) for line in ("noted = None", "while True: pass"))
    faulty = [good.replace(*SLIPS[name]), "def oops(:\n", f"import os\nos.fork()\n{good}", endless]
    return [good, good, good, *faulty, f"{good}\nraise SystemExit(0)\n"]


def write_with(name: str, line: str) -> str:
    """The function with one more statement after its docstring."""
    function = find(name)
    function.body[1:1] = ast.parse(line).body
    return ast.unparse(function)


def list_tests(name: str) -> list[str]:
    """Good tests, then tests that see nothing, wrong ones, and none."""
    given, result, other, expected = CHECKS[name]
    lines = [f"assert {name}({given}) == {result}", f"assert {name}({other}) == {expected}"]
    good = "def test_it():\n" + "".join(f"    {line}\n" for line in lines)
    blind = f"{name}({given})\nassert len('ab') == 2\n"
    return [good, blind, f"assert {name}({given}) == 'something else'\n", "# none yet\n"]


def list_documented(name: str) -> Iterable[str]:
    """The function with a true example, a false one, none, and with a changed body."""
    function = find(name)
    given, result, *_ = CHECKS[name]
    for example in (f">>> {name}({given})\n{result}", f">>> {name}({given})\nNone", "No example."):
        function.body[0] = ast.Expr(ast.Constant(f"New words.\n\n{example}\n"))
        yield ast.unparse(function)
    function.body[0] = ast.Expr(ast.Constant(f"New words.\n\n>>> {name}({given})\n{result}\n"))
    yield ast.unparse(function).replace(*SLIPS[name])


def is_good(row: dict[str, Any]) -> bool:
    """Whether a row's solution and tests are the good ones of their function."""
    if row["failure"]:
        return False
    code = json.loads(row["extra"])["code"]
    name = json.loads(row["extra"])["origin"]["function"]
    answer = row["messages"][-1]["content"]
    if row["generator"] == "docstring_rewrite":
        return bool(answer == fence(next(iter(list_documented(name)))))
    good = fence(list_solutions(name)[0]), list_tests(name)[0].strip()
    return (answer, code["tests"]) == good


def list_humaneval(path: Path) -> Iterable[tuple[CodePair, bool]]:
    """Each item's own solution, the next item's under its name, and its own with tests that see nothing."""
    items = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for k, item in enumerate(items):
        name, other = item["entry_point"], items[(k + 1) % len(items)]
        tests = f"{item['test']}\ncheck({name})\n"
        own = item["prompt"] + item["canonical_solution"]
        foreign = f"{other['prompt']}{other['canonical_solution']}\n{name} = {other['entry_point']}\n"
        yield CodePair("humaneval", own, tests), True
        yield CodePair("humaneval", foreign, tests), False
        yield CodePair("humaneval", own, f"assert {name} is not None\n"), False


def build_table(pairs: Iterable[CodePair]) -> pa.Table:
    return build_candidates(
        {
            "kind": "code",
            "messages": [
                {"role": "user", "content": "Solve it."},
                {"role": "assistant", "content": fence(pair.solution)},
            ],
            "text": pair.solution,
            "attachments": [],
            "extra": canonical_text({"code": pair.as_extra()}),
            "generator": "humaneval",
            "generator_version": "1",
            "draw": k,
            "replayable": True,
        }
        for k, pair in enumerate(pairs)
    )


if __name__ == "__main__":
    main()
