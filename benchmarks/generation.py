"""Times the generate stage beside a bare asynchronous client, with an instant teacher, and beside distilabel.

    python benchmarks/generation.py --requests 4096 --slots 256 --service-ms 2000 --rounds 2 \
        --rows 0 --distilabel-rows 0
    python benchmarks/generation.py --rows 100000 --requests 0

Four measurements, on the support recipe's seeds and topics:

served      rows of self-instruct, two requests each, from a loopback server in a process of its own that
            answers SLOTS requests at a time. How long one takes is drawn from its own text: SERVICE_MS on
            average, from a log-normal distribution of sigma SPREAD. The bare client is httpx alone: it sends
            the very bodies that the server was sent, in their order, with as many in flight, keeps nothing,
            and waits for no answer before it asks the next. It has a connection for each of its workers.
own         the same for a distilabel pipeline of an author: two TextGeneration steps, four generations each.
scripted    ROWS rows from the scripted teacher, which answers at once: what everything but a model costs,
            with the peak memory of this process.
distilabel  the same pipeline and scripted teacher in distilabel's own runner, a few rows.

The first two run in pairs with the bare client, in turn first and second, ROUNDS times; the ratio is the
median of those of the pairs, and stands beside the target. Beside the wall time stands the CPU time of a
request, which other work on the machine changes little: what share of a core feeds all slots. The first
command above takes five minutes on a quiet machine, 34 seconds for each of its 8 runs. Two seconds of ours go
to the one question by which a teacher finds out whether its model thinks.
"""

import argparse
import asyncio
import json
import math
import multiprocessing
import random
import resource
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import httpx

import synth_stack
from synth_stack.inputs.recipe import load_recipe
from synth_stack.progress import Silent
from synth_stack.workflows.generate import generate_candidates
from synth_stack.workflows.prepare import prepare

SUPPORT = Path(__file__).parents[1] / "pipelines" / "support_intents" / "recipe.yaml"
MODEL = "bench-1"
METHODS = [{"use": "self_instruct", "examples": 5}]
TARGET = 1.10
"""Wall time to that of the bare client, at most, with 256 slots."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the scripted teacher; 0: skip")
    parser.add_argument("--requests", type=int, default=2_000, help="requests to the server; 0: skip")
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--service-ms", type=float, default=200)
    parser.add_argument("--batch-rows", type=int, default=64)
    parser.add_argument("--spread", type=float, default=0.3, help="sigma of the log of an answer's time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--distilabel-rows", type=int, default=256, help="0: skip")
    args = parser.parse_args()
    if args.requests:
        time_served(args)
    if args.rows:
        seconds = time_rows({"use": "scripted"}, args.rows, args.batch_rows).wall_s
        scale = 1024 if sys.platform == "linux" else 1024**2
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
        print(f"scripted: {args.rows:,} rows in {seconds:.1f} s ({args.rows / seconds:,.0f} rows/s)")
        print(f"          peak memory {peak:,.0f} MB")
    if args.distilabel_rows:
        time_distilabel(args.distilabel_rows, args.batch_rows)


def time_served(args: argparse.Namespace) -> None:
    ideal = args.requests * args.service_ms / 1000 / args.slots
    print(
        f"{args.requests:,} requests, {args.slots} at a time, {args.service_ms:g} ms each: "
        f"{ideal:.1f} s at least"
    )
    with serve(args.slots, args.service_ms / 1000, args.spread) as server:
        teacher = {
            "use": "http",
            "base_url": server.base_url,
            "model": MODEL,
            "concurrency": args.slots,
            "timeout_s": 600,
        }

        def served(requests: int) -> Spent:
            return time_rows(teacher, requests // 2, args.batch_rows)

        def own(requests: int) -> Spent:
            return time_own(server.base_url, requests, args.slots, args.batch_rows)

        for name, ours in (("served", served), ("own", own)):
            ours(64)  # what is imported once is no part of it
            server.take_asked()
            pairs = [time_pair(server, args, ours, first=turn % 2) for turn in range(args.rounds)]
            for mine, bare, requests in pairs:
                print(
                    f"{name:8}ours {mine.wall_s:6.2f} s {mine.cpu_s / requests * 1e3:5.2f} ms CPU   "
                    f"bare {bare.wall_s:6.2f} s {bare.cpu_s / requests * 1e3:5.2f} ms CPU   "
                    f"ratio {mine.wall_s / bare.wall_s:.3f}"
                )
            ratio = statistics.median(mine.wall_s / bare.wall_s for mine, bare, _ in pairs)
            cpu_ms = statistics.median(mine.cpu_s / requests * 1e3 for mine, _, requests in pairs)
            per_s = args.slots / args.service_ms * 1e3
            core = cpu_ms * per_s / 1e3
            print(
                f"{name:8}ours to bare {ratio:.3f}, the median of {len(pairs)} pairs; target: at most "
                f"{TARGET:.2f}, {'met' if ratio <= TARGET else 'missed'}\n"
                f"{'':8}{cpu_ms:.2f} ms CPU a request: {core:.0%} of a core at {per_s:.0f} a second",
                flush=True,
            )


class Spent(NamedTuple):
    """Wall and CPU seconds of one run in this process."""

    wall_s: float
    cpu_s: float


@contextmanager
def count_seconds(spent: list[Spent]) -> Iterator[None]:
    wall, cpu = time.monotonic(), time.process_time()
    yield
    spent.append(Spent(time.monotonic() - wall, time.process_time() - cpu))


def time_pair(
    server: "Server", args: argparse.Namespace, ours: Callable[[int], Spent], *, first: int
) -> tuple[Spent, Spent, int]:
    """What ours and the bare client spend on the same requests, and how many these are."""
    if first and server.bodies:
        bare = asyncio.run(time_bare(server.base_url, server.bodies, args.slots))
        server.take_asked()
        mine = ours(args.requests)
        asked = server.take_asked()
    else:
        mine = ours(args.requests)
        asked = server.bodies = server.take_asked()
        bare = asyncio.run(time_bare(server.base_url, asked, args.slots))
        server.take_asked()
    return mine, bare, len(asked)


def time_rows(teacher: dict[str, Any], rows: int, batch_rows: int) -> Spent:
    """What the generate stage spends: plan, prompts, answers, cleaning, digests, files."""
    overrides = {
        "teacher": teacher,
        "generate.candidates": rows,
        "generate.batch_rows": batch_rows,
        "generate.methods": METHODS,
    }
    job = prepare(load_recipe(SUPPORT, overrides))
    spent: list[Spent] = []
    with tempfile.TemporaryDirectory(prefix="generation-") as folder, count_seconds(spent):
        generate_candidates(job, Path(folder), Silent())
    return spent[0]


def time_own(base_url: str, requests: int, slots: int, batch_rows: int) -> Spent:
    """What `synth_stack.generate` spends on an author's own pipeline."""
    # openai_llm keeps distilabel's hook off first
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    from synth_stack.teachers.openai_llm import TeacherLLM

    llm = TeacherLLM(
        base_url=base_url, model=MODEL, concurrency=slots, timeout_s=600, sampling={"temperature": 0.8}
    )
    data = [
        {"instruction": f"What does a courier of round {i} do when nobody is at home?"}
        for i in range(requests // 8)
    ]
    with Pipeline(name="own") as pipeline:
        (
            LoadDataFromDicts(data=data, batch_size=batch_rows)
            >> TextGeneration(
                name="write",
                llm=llm,
                num_generations=4,
                input_batch_size=batch_rows,
                output_mappings={"generation": "answer"},
            )
            >> TextGeneration(
                name="judge",
                llm=llm,
                template="Is this a good answer to {{ instruction }} {{ answer }}",
                columns=["instruction", "answer"],
                output_mappings={"generation": "verdict"},
            )
        )
    spent: list[Spent] = []
    with tempfile.TemporaryDirectory(prefix="generation-") as folder, count_seconds(spent):
        columns = {"prompt": "instruction", "answer": "answer"}
        synth_stack.generate(pipeline, Path(folder) / "rows", columns=columns)
    return spent[0]


async def time_bare(base_url: str, bodies: list[bytes], slots: int) -> Spent:
    """What httpx alone spends: it reads each answer and keeps none."""
    queue = iter(bodies)
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    verify = httpx.create_ssl_context()
    headers = {"content-type": "application/json"}

    async def work() -> None:
        async with httpx.AsyncClient(limits=limits, timeout=600, trust_env=False, verify=verify) as client:
            for body in queue:
                response = await client.post(f"{base_url}/chat/completions", content=body, headers=headers)
                response.json()["choices"][0]["message"]["content"]

    spent: list[Spent] = []
    with count_seconds(spent):
        await asyncio.gather(*[work() for _ in range(slots)])
    return spent[0]


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
        self.bodies: list[bytes] = []

    def take_asked(self) -> list[bytes]:
        """The bodies of all requests since the last call, in the order of their arrival."""
        self._pipe.send("asked")
        asked: list[bytes] = self._pipe.recv()
        return asked


@contextmanager
def serve(slots: int, service_s: float, spread: float) -> Iterator[Server]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_server, args=(theirs, slots, service_s, spread), daemon=True)
    process.start()
    try:
        yield Server(ours)
    finally:
        process.terminate()
        process.join()


def run_server(pipe: "Connection[Any, Any]", slots: int, service_s: float, spread: float) -> None:
    asyncio.run(_serve(pipe, slots, service_s, spread))


async def _serve(pipe: "Connection[Any, Any]", slots: int, service_s: float, spread: float) -> None:
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
                    # of this mean, whatever the spread
                    lot = random.Random(zlib.crc32(body)).gauss(-(spread**2) / 2, spread)
                    await asyncio.sleep(service_s * math.exp(lot))
            text = json.dumps(answer if head.startswith(b"POST") else listed).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))
        writer.close()

    def tell() -> None:
        try:
            pipe.recv()
        except EOFError:  # whoever started this process is gone
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            server.close()
            return
        pipe.send(asked.copy())
        asked.clear()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    asyncio.get_running_loop().add_reader(pipe.fileno(), tell)
    pipe.send(server.sockets[0].getsockname()[1])
    with suppress(asyncio.CancelledError):  # what closing the server ends in
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
