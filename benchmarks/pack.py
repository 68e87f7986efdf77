"""How long a pack takes to sign and to verify, and how much memory: python benchmarks/pack.py [--rows 500000]

The rows are made here (a question and an answer of some 300 characters, every 9th a near duplicate that is
rejected), judged by two gates with dials, and lie in a run folder as the engine leaves it. Then four
processes, each with a fresh interpreter: pack, verify, verify_pack.py on its own, and one row. Seconds are of
the wall and of the processor, memory is the peak of the resident set.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.decisions.decide import Rule, decide
from synth_stack.files import render_yaml, write_bytes, write_table
from synth_stack.packs.verify.recount import read_verifier
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANARY_SCHEMA, DECISION_SCHEMA, build_candidates, build_verdicts
from synth_stack.runs.committed import commit_candidates, commit_verdicts
from synth_stack.runs.folder import GATES_LOCK, LOCK
from synth_stack.runs.locks import compute_identity

PART_ROWS = 10_000
TWIN_EVERY = 9
SOURCE = "e" * 64
WORDS = (
    "the order was late and nobody answered when the customer asked about a refund for the second "
    "lock which had never worked"
).split()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--folder", type=Path, default=None, help="keep the run and the pack there")
    options.add_argument("--only", choices=["make", "pack", "verify", "file", "row"], default=None)
    chosen = options.parse_args()
    if chosen.only is not None:
        run_step(chosen.only, chosen.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure_all(chosen.folder or Path(folder), chosen.rows)


def measure_all(folder: Path, rows: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "run" / "decisions.parquet").exists():
        make_run(folder / "run", rows)
    print(f"{rows:,} rows")
    for step in ("pack", "verify", "file", "row"):
        wall, used, peak = measure([sys.executable, __file__, "--only", step, "--folder", str(folder)])
        print(f"{step:8} {wall:7.1f} s wall, {used:7.1f} s processor, {peak / 1024:6.0f} MB")


def measure(command: list[str]) -> tuple[float, float, int]:
    """Wall and processor seconds of a process, and its peak resident set in kB."""
    script = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], check=False)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss, done.returncode, file=sys.stderr)\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=True
    )
    used, peak, code = done.stderr.split()[-3:]
    if code != "0":
        raise SystemExit(done.stdout + done.stderr)
    print(done.stdout, end="")
    return time.monotonic() - began, float(used), int(peak)


def run_step(step: str, folder: Path) -> None:
    if step == "pack":
        from synth_stack.packs.signers import local_signer
        from synth_stack.packs.write import write_pack

        write_pack(folder / "run", folder / "pack", signer=local_signer(folder / "key.pem"))
    elif step == "verify":
        from synth_stack.packs.verify.verify import verify_pack

        verify_pack(folder / "pack")
    elif step == "file":
        script = folder / "verify_pack.py"
        script.write_bytes(read_verifier())
        subprocess.run(
            [sys.executable, "-I", str(script), str(folder / "pack")], check=True, stdout=subprocess.DEVNULL
        )
    else:
        from synth_stack.packs.verify.verify import verify_row

        row_id = find_middle(folder / "run")
        verify_row(folder / "pack", row_id)
        began = time.monotonic()
        verify_row(folder / "pack", row_id)
        print(f"one row  {1000 * (time.monotonic() - began):7.1f} ms after import")


def find_middle(run: Path) -> str:
    import pyarrow.parquet as pq

    ids = pq.read_table(run / "decisions.parquet", columns=["row_id"])["row_id"]
    return str(ids[len(ids) // 2].as_py())


def make_run(run: Path, rows: int) -> None:
    gates = [
        describe_gate("dedup", ">", "0.85", "near_duplicate"),
        describe_gate("toxicity", ">=", "0.8", "toxic"),
    ]
    rule = Rule(tuple(gate["use"] for gate in gates))
    lock: dict[str, Any] = {
        "scheme": "synth_stack/gates-lock/v2",
        "rule": rule.to_json(),
        "load": [],
        "gates": gates,
    }
    write_bytes(run / GATES_LOCK, render_yaml({**lock, "identity": compute_identity(lock)}))
    recipe: dict[str, Any] = {
        "scheme": "synth_stack/curate-lock/v2",
        "synth_stack": "0.1.0",
        "source": {"name": "benchmark", "sha256": SOURCE},
    }
    write_bytes(run / LOCK, render_yaml({**recipe, "identity": compute_identity(recipe)}))
    decisions = [DECISION_SCHEMA.empty_table()]
    for number, start in enumerate(range(0, rows, PART_ROWS)):
        part = build_candidates(make_rows(start, min(start + PART_ROWS, rows)))
        write_table(run / "candidates" / f"part-{number:05d}.parquet", part)
        said = judge(part)
        for gate, verdicts in zip(gates, said, strict=True):
            write_table(run / "verdicts" / gate["use"] / f"part-{number:05d}.parquet", verdicts)
        decisions.append(decide(part, said, rule))
    write_table(run / "decisions.parquet", pa.concat_tables(decisions))
    commit_candidates(run)
    for gate in gates:
        plant(run, gate["use"])
        commit_verdicts(run, gate["use"])


def plant(run: Path, gate: str) -> None:
    planted = build_verdicts(pa.array([f"{n:032x}" for n in range(20)]), gate, ["reject"] * 20)
    for column in ("canary", "canary_kind"):
        planted = planted.append_column(CANARY_SCHEMA.field(column), pa.array(["copy"] * 20))
    planted = planted.append_column(CANARY_SCHEMA.field("control"), pa.array([False] * 20))
    planted = planted.append_column(CANARY_SCHEMA.field("caught_as"), pa.nulls(20, pa.list_(pa.string())))
    write_table(run / "canaries" / f"{gate}.parquet", planted)


def describe_gate(name: str, rejects: str, threshold: str, what: str) -> dict[str, Any]:
    dial = {
        "parameter": "threshold",
        "score": "score",
        "rejects": rejects,
        "threshold": threshold,
        "strict": True,
    }
    dial |= {"outcome": "reject", "classes": [f"{name}.{what}"], "lowest": None, "fixed_by": None}
    return {"use": name, "version": "1", "canaries": 20, "reads": ["content"], "dials": [dial]}


def make_rows(start: int, stop: int) -> Iterator[dict[str, Any]]:
    for draw in range(start, stop):
        words = [WORDS[(draw * 7 + k * (1 + draw % 13)) % len(WORDS)] for k in range(30)]
        question, answer = " ".join(words[:12]), f"{' '.join(words)} (case {draw})"
        yield {
            "kind": "foreign",
            "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
            "text": f"{question}\n\n{answer}",
            "attachments": [],
            "extra": "{}",
            "source_id": f"case-{draw}",
            "seed_id": f"sha256:{SOURCE}",
            "generator": "foreign",
            "generator_version": "1",
            "draw": draw,
            "replayable": False,
        }


def judge(part: pa.Table) -> list[pa.Table]:
    ids = part["row_id"]
    twins = [draw % TWIN_EVERY == 1 for draw in part["draw"].to_pylist()]
    dedup = build_verdicts(
        ids,
        "dedup",
        ["reject" if twin else "accept" for twin in twins],
        scores=[0.9375 if twin else 0.25 for twin in twins],
        threshold=0.85,
        reasons=["near duplicate" if twin else None for twin in twins],
        reason_classes=["dedup.near_duplicate" if twin else None for twin in twins],
        evidence=[canonical_text({"twin": "0" * 32}) if twin else None for twin in twins],
    )
    kept = ids.filter(pa.array([not twin for twin in twins]))
    toxicity = build_verdicts(
        kept, "toxicity", ["accept"] * len(kept), scores=[0.125] * len(kept), threshold=0.8
    )
    return [dedup, toxicity]


if __name__ == "__main__":
    main()
