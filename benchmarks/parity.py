"""Compares what two versions of this package decide, row by row: a refactoring changes no decision.

    python benchmarks/parity.py --base ../before --base-python ../before/.venv/bin/python
    python benchmarks/parity.py --base ../before --curate rows.jsonl --gates curator_configs/standard.yaml
    python benchmarks/parity.py --runs BEFORE AFTER

Each recipe of pipelines/ runs in the checkout --base and in this one, with its own gate file and the scripted
teacher of parity_teachers.yaml. Rows are paired by method and draw, since ids may differ. Compared are each
row's text, decision and deciding gate, each gate's outcomes and scores, the canaries planted and caught, and
the funnel that each version counts. Where a gate rejects a row on one side alone, what later gates say of it
follows from that, and is not listed. --allow names a file of known differences:

    - {recipe: dialogues, gate: toxicity, kind: score, at_most: 12, reason: its budget became global}

A difference of no one gate is declared with `gate: ""`; for --curate the recipe is `curate`. Exit 1
where a difference is not declared. The run folders are left where one is not.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from parity_rows import KINDS, Difference, Run, compare, read_run

HERE = Path(__file__).parents[1]
TEACHERS = Path(__file__).with_name("parity_teachers.yaml")
RUNNER = """
import json, pathlib, sys

def main():
    import synth_stack
    from synth_stack.errors import BlindGate
    job = json.loads(sys.argv[1])
    if not pathlib.Path(synth_stack.__file__).resolve().is_relative_to(job["checkout"]):
        sys.exit(f"synth_stack comes from {synth_stack.__file__}, not from {job['checkout']}")
    try:
        if "recipe" in job:
            recipe = synth_stack.load_recipe(job["recipe"], job["overrides"])
            figures = synth_stack.run(recipe, job["out"]).figures
        else:
            figures = synth_stack.curate(job["rows"], job["gates"], job["out"]).figures
        funnel = figures.to_json()["funnel"]
    except BlindGate as exc:  # its rows are held, and compared
        print(exc, file=sys.stderr)
        funnel = []
    pathlib.Path(job["out"] + ".funnel.json").write_text(json.dumps(funnel), encoding="utf-8")

if __name__ == "__main__":
    main()
"""


def main() -> None:
    args = parse_arguments()
    allowed = read_allowed(args.allow) if args.allow else []
    folder = Path(tempfile.mkdtemp(prefix="parity-"))
    undeclared = 0
    for name, before, after in make_pairs(args, folder):
        runs = read_run(before), read_run(after)
        found = list(compare(*runs))
        marked = declare(name, found, allowed)
        show(name, *runs, marked, args.limit)
        undeclared += sum(why is None for _, why in marked)
    if undeclared and any(folder.iterdir()):
        print(f"\nThe run folders are kept in {folder}")
    else:
        shutil.rmtree(folder)
    for entry in allowed:
        if not entry["seen"]:
            print(f"not seen: {entry['kind']} of {entry['gate']} in {entry['recipe']} ({entry['reason']})")
    print(f"\n{undeclared} differences that are not declared")
    sys.exit(1 if undeclared else 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", type=Path, help="another checkout of this project")
    parser.add_argument(
        "--base-python", default=sys.executable, help="with its dependencies (default: this one)"
    )
    known = list(read_teachers()["recipes"])
    parser.add_argument(
        "--recipes", nargs="+", choices=known, default=known, metavar="NAME", help="of pipelines/"
    )
    parser.add_argument(
        "--keep", type=Path, help="the base's runs are kept here, and used again while they hold"
    )
    parser.add_argument(
        "--curate", type=Path, metavar="FILE", help="a foreign dataset, instead of the recipes"
    )
    parser.add_argument("--gates", type=Path, help="the gate file of --curate")
    parser.add_argument(
        "--runs", nargs=2, type=Path, metavar=("BEFORE", "AFTER"), help="two finished folders"
    )
    parser.add_argument("--allow", type=Path, help="YAML list of known differences")
    parser.add_argument("--limit", type=int, default=20, help="differences that are printed, for each recipe")
    args = parser.parse_args()
    if (args.base is None) == (args.runs is None):
        parser.error("say --base, or --runs")
    if (args.curate is None) != (args.gates is None):
        parser.error("--curate and --gates go together")
    return args


def make_pairs(args: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """(name, the base's run folder, ours) of all that is compared, each made when it is asked for."""
    if args.runs:
        yield args.runs[1].name, *args.runs
        return
    kept = args.keep or folder / "base"
    for name in ["curate"] if args.curate else args.recipes:
        jobs = []
        for checkout, target in ((args.base.resolve(), kept), (HERE, folder / "here")):
            target.mkdir(parents=True, exist_ok=True)
            if args.curate:
                jobs.append({"rows": str(args.curate.resolve()), "gates": str(args.gates.resolve())})
            else:
                jobs.append(describe_recipe(name, checkout, target))
        run_apart(jobs[0], args.base.resolve(), args.base_python, kept / name)
        run_apart(jobs[1], HERE, sys.executable, folder / "here" / name)
        yield name, kept / name, folder / "here" / name


def describe_recipe(name: str, checkout: Path, target: Path) -> dict[str, Any]:
    """A recipe of `checkout`, and the keys that are replaced in it; the exam is written to `target`."""
    said = read_teachers()
    own = said["recipes"][name]
    exam = target.resolve() / "exam.jsonl"
    exam.write_text("".join(json.dumps(item) + "\n" for item in said["exam"]), encoding="utf-8")
    path = checkout / "pipelines" / name / "recipe.yaml"
    named = yaml.safe_load(path.read_text(encoding="utf-8")).get("eval_sets", [])
    own_sets = [{**one, "path": str(path.parent / one["path"])} for one in named if "path" in one]
    teacher = {
        "use": "scripted",
        "empty_share": said["empty_share"],
        "repeat_share": said["repeat_share"],
        "rules": own.get("rules", []) + (said["faults"] if own.get("faults", True) else []),
    }
    short = {"generate.candidates": own["candidates"], "generate.target": None, "teacher": teacher}
    sets = {"eval_sets": [*own_sets, {"name": "exam", "path": str(exam)}]}
    return {"recipe": str(path), "overrides": {**short, **sets, **own.get("change", {})}}


def read_teachers() -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load(TEACHERS.read_text(encoding="utf-8"))
    return said


def run_apart(job: dict[str, Any], checkout: Path, python: str, out: Path) -> None:
    """Leaves the run of `job` by `checkout` in `out`, its funnel beside it, unless just that is there."""
    made_by = out.with_name(f"{out.name}.made_by")
    inputs = [checkout / name for name in ("synth_stack", "pipelines", "curator_configs")]
    inputs += [Path(job[name]) for name in ("rows", "gates") if name in job]
    files = [path for start in inputs for path in (start, *start.rglob("*")) if path.is_file()]
    digest = hashlib.sha256(json.dumps(job).encode())
    for path in sorted(path for path in files if path.suffix != ".pyc"):
        digest.update(f"{path}\0".encode() + path.read_bytes())
    if made_by.exists() and made_by.read_text(encoding="utf-8") == digest.hexdigest():
        return
    if out.exists() and not made_by.exists():
        sys.exit(f"{out} is there and was not made by this command")
    made_by.write_text("not finished", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch) / "run_one.py"
        script.write_text(RUNNER, encoding="utf-8")
        own = {
            "PYTHONPATH": str(checkout),
            "SYNTH_STACK_KEY": str(Path(scratch) / "key.pem"),
            "HF_HUB_OFFLINE": "1",
        }
        told = json.dumps({**job, "checkout": str(checkout.resolve()), "out": str(out.resolve())})
        command = [python, str(script), told]
        done = subprocess.run(
            command, check=False, cwd=checkout, env=os.environ | own, capture_output=True, text=True
        )
    if done.returncode:
        sys.exit(f"{checkout} fails on {out.name}:\n{done.stderr[-4000:]}")
    made_by.write_text(digest.hexdigest(), encoding="utf-8")


def read_allowed(path: Path) -> list[dict[str, Any]]:
    """The declared differences of a file, each with how many were seen, by recipe."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    wanted = {"recipe": str, "gate": str, "kind": str, "at_most": int, "reason": str}
    for entry in entries:
        found = {name: type(value) for name, value in entry.items()} if isinstance(entry, dict) else None
        if found != wanted or entry["kind"] not in KINDS:
            sys.exit(f"{path}: {entry} has to hold {', '.join(wanted)}; a kind is one of {', '.join(KINDS)}")
    return [{**entry, "seen": 0} for entry in entries]


def declare(
    name: str, found: list[Difference], allowed: list[dict[str, Any]]
) -> list[tuple[Difference, str | None]]:
    """Each difference with the reason that declares it, or None.

    An entry that covers more than it allows declares none of them.
    """
    marked: list[tuple[Difference, str | None]] = [(one, None) for one in found]
    for entry in allowed:
        wanted = (entry["recipe"], entry["gate"], entry["kind"])
        covered = [i for i, one in enumerate(found) if (name, one.gate, one.kind) == wanted]
        entry["seen"] += len(covered)
        if len(covered) <= entry["at_most"]:
            for i in covered:
                marked[i] = (found[i], entry["reason"])
    return marked


def show(name: str, before: Run, after: Run, marked: list[tuple[Difference, str | None]], limit: int) -> None:
    keys = {*before.rows["key"]} | {*after.rows["key"]}
    different = {one.key for one, _ in marked} & keys
    print(f"\n{name}: {len(keys)} rows, {len(keys) - len(different)} identical, {len(different)} different")
    heads = ("verdicts", "rejected", "held", "canaries", "different", "declared")
    print(f"  {'gate':16} " + " ".join(f"{head:>9}" for head in heads))
    for gate in dict.fromkeys([*before.gates, *after.gates, *(one.gate for one, _ in marked)]):
        of = [why for one, why in marked if one.gate == gate]
        counts = [len(before.verdicts.filter(pl.col("gate") == gate))]
        mine = before.rows.filter(pl.col("gate") == gate)["decision"]
        counts += [int((mine == "rejected").sum()), int((mine == "held").sum())]
        caught = "{1}/{0}".format(*before.canaries.get(gate, (0, 0)))
        cells = [*counts, caught, len(of), sum(why is not None for why in of)]
        print(f"  {gate or 'of no gate':16} " + " ".join(f"{cell:>9}" for cell in cells))
    for one, why in sorted(marked, key=lambda pair: pair[1] is not None)[:limit]:
        said = f" (declared: {why})" if why else ""
        print(f"  {one.kind}, {one.gate or 'no gate'}, {one.key}: {one.before} -> {one.after}{said}")
    if len(marked) > limit:
        print(f"  and {len(marked) - limit} more")


if __name__ == "__main__":
    main()
