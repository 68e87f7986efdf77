"""Times the generate stage beside a bare asynchronous client, with an instant teacher, and beside distilabel.

    python benchmarks/generation.py --rows 100000 --requests 4000 --slots 32 --service-ms 200

Three measurements on the support recipe's seeds and topics:

served      rows of self-instruct, two requests each, from a loopback server in a process of its own that
            answers a request in SERVICE_MS and SLOTS of them at a time. The bare client is httpx alone: it
            sends the very bodies that the server was sent, with as many in flight, keeps nothing, and waits
            for no answer before it asks the next. It has a connection for each of its workers; `pool` is the
            usual one client for all. All are timed in turn ROUNDS times; ratios are those of the medians.
scripted    ROWS rows from the scripted teacher, which answers at once: what everything but a model costs,
            with the peak memory of this process.
distilabel  the same pipeline and scripted teacher in distilabel's own runner, a few rows.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from synth_stack.inputs.recipe import load_recipe
from synth_stack.progress import Silent
from synth_stack.workflows.generate import generate_candidates
from synth_stack.workflows.prepare import prepare

SUPPORT = Path(__file__).parents[1] / "pipelines" / "support_intents" / "recipe.yaml"
MODEL = "bench-1"
METHODS = [{"use": "self_instruct", "examples": 5}]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the scripted teacher; 0: skip")
    parser.add_argument("--requests", type=int, default=2_000, help="requests to the server; 0: skip")
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--service-ms", type=float, default=200)
    parser.add_argument("--batch-rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--distilabel-rows", type=int, default=256, help="0: skip")
    args = parser.parse_args()
    if args.requests:
        time_served(args)
    if args.rows:
        seconds = time_rows({"use": "scripted"}, args.rows, args.batch_rows)
        scale = 1024 if sys.platform == "linux" else 1024**2
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
        print(f"scripted: {args.rows:,} rows in {seconds:.1f} s ({args.rows / seconds:,.0f} rows/s)")
        print(f"          peak memory {peak:,.0f} MB")
    if args.distilabel_rows:
        time_distilabel(args.distilabel_rows, args.batch_rows)


def time_served(args: argparse.Namespace) -> None:
    rows = args.requests // 2
    ideal = args.requests * args.service_ms / 1000 / args.slots
    print(
        f"served: {args.requests:,} requests, {args.slots} at a time, {args.service_ms:g} ms each:", end=" "
    )
    print(f"{ideal:.1f} s at least")
    with serve(args.slots, args.service_ms / 1000) as server:
        teacher = {
            "use": "http",
            "base_url": server.base_url,
            "model": MODEL,
            "concurrency": args.slots,
        }
        times: dict[str, list[float]] = {"ours": [], "bare": [], "pool": []}
        for _ in range(args.rounds):
            times["ours"].append(time_rows(teacher, rows, args.batch_rows))
            asked = server.take_asked()
            for name in ("bare", "pool"):
                clients = args.slots if name == "bare" else 1
                times[name].append(asyncio.run(time_bare(server.base_url, asked, args.slots, clients)))
                server.take_asked()
            print("       ", "   ".join(f"{name} {seconds[-1]:6.2f} s" for name, seconds in times.items()))
    ours, bare, pool = (statistics.median(seconds) for seconds in times.values())
    print(f"        ours to bare {ours / bare:.3f}, to one pool {ours / pool:.3f}")


def time_rows(teacher: dict[str, Any], rows: int, batch_rows: int) -> float:
    """Wall seconds of the generate stage: plan, prompts, answers, cleaning, digests, files."""
    overrides = {
        "teacher": teacher,
        "generate.candidates": rows,
        "generate.batch_rows": batch_rows,
        "generate.methods": METHODS,
    }
    job = prepare(load_recipe(SUPPORT, overrides))
    folder = Path(tempfile.mkdtemp(prefix="generation-"))
    try:
        began = time.monotonic()
        generate_candidates(job, folder, Silent())
        return time.monotonic() - began
    finally:
        shutil.rmtree(folder)


async def time_bare(base_url: str, bodies: list[bytes], slots: int, clients: int) -> float:
    """Wall seconds of httpx alone, which reads each answer and keeps none."""
    queue = iter(bodies)
    limits = httpx.Limits(max_connections=slots, max_keepalive_connections=slots)
    verify = httpx.create_ssl_context()
    headers = {"content-type": "application/json"}

    async def work(client: httpx.AsyncClient) -> None:
        for body in queue:
            response = await client.post(f"{base_url}/chat/completions", content=body, headers=headers)
            response.json()["choices"][0]["message"]["content"]

    began = time.monotonic()
    made = [
        httpx.AsyncClient(limits=limits, timeout=60, trust_env=False, verify=verify) for _ in range(clients)
    ]
    await asyncio.gather(*[work(made[slot % clients]) for slot in range(slots)])
    for client in made:
        await client.aclose()
    return time.monotonic() - began


def time_distilabel(rows: int, batch_rows: int) -> None:
    job = prepare(load_recipe(SUPPORT, {"teacher": {"use": "scripted"}, "generate.methods": METHODS}))
    from synth_stack.generation.draws import Plan

    method = job.methods[0]
    plan = Plan(job.corpus, job.recipe.about, job.recipe.seed, method.bound.name, 0, rows)
    pipeline = method.bound.make(job.teacher, plan, batch_rows)
    began = time.monotonic()
    made = pipeline.run(use_cache=False)
    seconds = time.monotonic() - began
    assert made["default"]["train"].num_rows == rows
    print(f"distilabel's own runner: {rows:,} rows in {seconds:.1f} s ({rows / seconds:,.0f} rows/s)")


class Server:
    """A server in a process of its own: where it is, and what it was sent."""

    def __init__(self, pipe: "Connection[Any, Any]") -> None:
        self._pipe = pipe
        self.base_url = f"http://127.0.0.1:{pipe.recv()}/v1"

    def take_asked(self) -> list[bytes]:
        """The bodies of all requests since the last call, in the order of their arrival."""
        self._pipe.send("asked")
        asked: list[bytes] = self._pipe.recv()
        return asked


@contextmanager
def serve(slots: int, service_s: float) -> Iterator[Server]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_server, args=(theirs, slots, service_s), daemon=True)
    process.start()
    try:
        yield Server(ours)
    finally:
        process.terminate()
        process.join()


def run_server(pipe: "Connection[Any, Any]", slots: int, service_s: float) -> None:
    asyncio.run(_serve(pipe, slots, service_s))


async def _serve(pipe: "Connection[Any, Any]", slots: int, service_s: float) -> None:
    asked: list[bytes] = []
    free = asyncio.Semaphore(slots)
    said = {"content": "The parcel was opened twice, and nobody wrote back. Please send it again."}
    usage = {"prompt_tokens": 100, "completion_tokens": 16}
    answer = {"choices": [{"message": said, "finish_reason": "stop"}], "usage": usage}
    listed = {"data": [{"id": MODEL}]}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _read_head(reader):
            body = await reader.readexactly(_content_length(head))
            if head.startswith(b"POST"):
                asked.append(body)
                async with free:
                    await asyncio.sleep(service_s)
            text = json.dumps(answer if head.startswith(b"POST") else listed).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))
        writer.close()

    def tell() -> None:
        pipe.recv()
        pipe.send(asked.copy())
        asked.clear()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    asyncio.get_running_loop().add_reader(pipe.fileno(), tell)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


if __name__ == "__main__":
    main()
