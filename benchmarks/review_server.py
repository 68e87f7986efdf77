"""How long it takes to send 5,000 records to a real Argilla server, and to collect 5,000 answers.

    python benchmarks/review_server.py            both, on a server that it starts (two cores)
    python benchmarks/review_server.py --rows 500

The rows are questions and answers of some 60 words that this file makes; every one is read by one person,
whose answers go in over the API as those of the web page do. What is timed is `send` (the embedder's load and
the vectors in it), a second `send`, `collect`, and a second `collect`; how long the answering takes is no
figure of this package. Beside the seconds by the clock stand those that the server and this process worked:
together they are what the clock would say on a machine with nothing else to do.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from synth_stack.files import write_table
from synth_stack.gates.gate import Judge, State
from synth_stack.registry import gate
from synth_stack.review.server.local_server import LocalServer, run_server
from synth_stack.rows.schemas import build_candidates, build_verdicts
from synth_stack.runs.folder import LOCK
from synth_stack.workflows.campaign import campaign
from synth_stack.workflows.curate import curate
from synth_stack.workflows.review import plan

ROWS = 5_000
WORDS = "parcel order late refund courier address week delivery shop customer invoice return".split()


@gate("accept_all", version="1")
def accept_all() -> Judge:
    """Accepts every row: what a review is timed on needs no gate that takes time."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        return build_verdicts(table["row_id"], "accept_all", ["accept"] * len(table))

    return Judge(judge)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["SYNTH_STACK_REVIEW_KEY"] = str(folder / "review.key")
        run = make_run(folder, rows)
        with run_server(folder / "server", port=0, annotators=["ann"]) as server:
            print(json.dumps(measure(run, server), indent=2))


def make_run(folder: Path, rows: int) -> Path:
    """A judged run with a plan to read all of its rows once."""
    made, gates = folder / "made", folder / "gates.yaml"
    write_table(made / "candidates" / "part-00000.parquet", build_candidates(map(make_row, range(rows))))
    (made / LOCK).write_text("identity: none\n", encoding="utf-8")
    gates.write_text("version: 1\ngates:\n  - use: accept_all\n", encoding="utf-8")
    run = curate(made, gates, folder / "run").folder
    plan(run, percent=100.0, overlap=0.0, estimate=0, by=["slice"])
    return run


def make_row(n: int) -> dict[str, Any]:
    """A question of 20 words and an answer of 40, other ones for every number."""
    words = [WORDS[(n * 7 + k * (n % 11 + 1)) % len(WORDS)] for k in range(60)]
    asked, answer = f"{n}: {' '.join(words[:20])}?", f"{' '.join(words[20:])}, number {n}."
    return {
        "kind": "instruction",
        "slice": f"topic/{n % 8}",
        "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}],
        "text": f"{asked}\n\n{answer}",
        "attachments": [],
        "generator": "benchmark",
        "generator_version": "1",
        "draw": n,
        "replayable": True,
    }


def measure(run: Path, server: LocalServer) -> dict[str, Any]:
    """The seconds of each step, and the peak of this process in MB."""
    address = server.address
    pid = server.process.pid
    with campaign(run, url=address.url, api_key=address.api_key) as reviews:
        sent, send = timed(reviews.send, pid)
        _, send_again = timed(reviews.send, pid)
        answers = answer_all(server, sent.datasets[0])
        collected, collect = timed(reviews.collect, pid)
        _, collect_again = timed(reviews.collect, pid)
    return {
        "records": sent.new,
        "send": send,
        "send_again": send_again,
        "answers": answers,
        "collected": collected.recorded.new,
        "collect": collect,
        "collect_again": collect_again,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def timed(verb: Callable[[], Any], server: int) -> tuple[Any, dict[str, float]]:
    """What it gives, and its seconds: by the clock, and of work of the server and of this process."""
    start, at_server, here = time.perf_counter(), read_cpu_s(server), time.process_time()
    result = verb()
    spent = {
        "clock_s": time.perf_counter() - start,
        "server_cpu_s": read_cpu_s(server) - at_server,
        "own_cpu_s": time.process_time() - here,
    }
    return result, {name: round(value, 1) for name, value in spent.items()}


def read_cpu_s(pid: int) -> float:
    """The seconds that a process has worked so far (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer_all(server: LocalServer, name: str) -> int:
    """Release every record of a dataset as an annotator; how many these are."""
    [key] = [each.api_key for each in server.accounts.accounts if each.username == "ann"]
    options: dict[str, Any] = {"headers": {"X-Argilla-Api-Key": key}, "trust_env": False, "timeout": 120}
    with httpx.Client(base_url=f"{server.url}/api/v1", **options) as http:
        [dataset] = [each for each in http.get("/me/datasets").json()["items"] if each["name"] == name]
        answered = 0
        while True:
            wanted = {
                "type": "terms",
                "scope": {"entity": "response", "property": "status"},
                "values": ["pending"],
            }
            path = f"/me/datasets/{dataset['id']}/records/search?limit=100"
            found = http.post(path, json={"filters": {"and": [wanted]}}).json()["items"]
            if not found:
                return answered
            said = {"status": "submitted", "values": {"decision": {"value": "release"}}}
            items = [{"record_id": each["record"]["id"], **said} for each in found]
            http.post("/me/responses/bulk", json={"items": items}).raise_for_status()
            answered += len(items)


if __name__ == "__main__":
    main()
