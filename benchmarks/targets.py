"""What a target costs in rows: rounds that steer against draws that do not, on seeds of which some are dull.

    python benchmarks/targets.py [--accepted 1000]

The scripted teacher writes nothing for a dull seed. Three slices: half of the seeds of one are dull, five of
six of another, none of the third. Drawing evenly, a slice needs as many rows as its share of dull seeds says.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import yaml

import synth_stack

SLICES = {"half_dull": (15, 15), "mostly_dull": (5, 25), "good": (30, 0)}
RECIPE = {
    "version": 1,
    "name": "targets",
    "about": "a lamp shop",
    "seed": 20261122,
    "seeds": {"path": "seeds.jsonl", "slice_column": "slice"},
    "teacher": {"use": "scripted", "rules": [{"match": "DULL", "replies": [""]}]},
    "gates": "gates.yaml",
    "pack": {"pretty_name": "Targets"},
}


def write_recipe(folder: Path, accepted: int) -> Path:
    """The recipe in `folder`, with its seeds and gates."""
    seeds = [
        {"slice": slice_, "text": f"{word} lamp number {i}"}
        for slice_, counts in SLICES.items()
        for word, count in zip(("good", "DULL"), counts, strict=True)
        for i in range(count)
    ]
    (folder / "seeds.jsonl").write_text("".join(json.dumps(seed) + "\n" for seed in seeds), encoding="utf-8")
    gates = {"version": 1, "gates": [{"use": "structure"}, {"use": "dedup"}]}
    (folder / "gates.yaml").write_text(yaml.safe_dump(gates), encoding="utf-8")
    target = {"accepted": accepted, "per_slice": accepted // 3}
    methods = [{"use": "self_instruct", "examples": 1}]
    recipe = {**RECIPE, "generate": {"target": target, "batch_rows": 64, "methods": methods}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return folder / "recipe.yaml"


def count_even(accepted: int) -> float:
    """Rows to make for a third of `accepted` in each slice, if seeds are drawn evenly and good ones pass."""
    return sum(accepted // 3 * sum(counts) / counts[0] for counts in SLICES.values())


def main() -> None:
    """Run the target and print its rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accepted", type=int, default=1000)
    wanted: int = parser.parse_args().accepted
    with tempfile.TemporaryDirectory() as name:
        os.environ["SYNTH_STACK_KEY"] = str(Path(name) / "key.pem")
        result = synth_stack.run(write_recipe(Path(name), wanted), Path(name) / "run")
        rounds = [json.loads(p.read_bytes()) for p in sorted((result.folder / "rounds").glob("*.json"))]
    ends = [*(sum(r["accepted"].values()) for r in rounds[1:]), result.spent.accepted]
    print("round   drawn   accepted   of the drawn")
    for round_, before, after in zip(rounds, [0, *ends], ends, strict=False):
        drawn = sum(round_["draws"].values())
        print(f"{round_['number']:5}  {drawn:6,}  {after - before:9,}  {(after - before) / drawn:13.0%}")
    print(f"rows made: {result.spent.made:,} for {result.spent.accepted:,} accepted")
    print(f"drawing evenly: {count_even(wanted):,.0f} for {wanted:,}, were good seeds never rejected")


if __name__ == "__main__":
    main()
