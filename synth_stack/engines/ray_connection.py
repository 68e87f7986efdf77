"""The process that is connected to Ray in the place of the one that leads the run.

    python -m synth_stack.engines.ray_connection ADDRESS RUNNER

is asked by ray_driver.py in lines of JSON; it answers `connected` or `refused` first, and then for each line
with a line for each `answer` and `done`, or what was `lost`. RUNNER is the module whose `run(asked, hear)`
does it. It is imported when it is asked first, since it may take long: a Ray that refuses says so at once.
"""

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson
import ray

from synth_stack.engines.ray_head import listens

_LOOK_S = 0.1
_SAID_CHARS = 300
"""Of what Ray says when it refuses: which versions differ, say."""

Say = Callable[[dict[str, Any]], None]


def connect(address: str) -> None:
    """Connects this process once something listens at the address. Raises what Ray raises."""
    known = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    while known and not listens(known):
        time.sleep(_LOOK_S)
    ray.init(address, log_to_driver=False, logging_level="ERROR", configure_logging=False)


def main(address: str, runner: str, say: Say) -> None:
    """Answers every line of standard input, until it ends."""
    try:
        connect(address)
    except (ConnectionError, RuntimeError, ValueError) as exc:
        say({"refused": " ".join(_list_lines(exc))[:_SAID_CHARS]})
        return
    say({"connected": True})
    for line in sys.stdin.buffer:
        asked = orjson.loads(line)
        try:
            importlib.import_module(runner).run(asked, lambda answer: say({"answer": answer}))
        except ray.exceptions.RayError as exc:
            say({"lost": _list_lines(exc)[0]})
        else:
            say({"done": True})
    ray.shutdown()


def _list_lines(exc: BaseException) -> list[str]:
    return [line.strip() for line in str(exc).splitlines() if line.strip()] or [type(exc).__name__]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library prints must not stand among the answers

        def write_line(said: dict[str, Any]) -> None:
            answers.write(orjson.dumps(said) + b"\n")
            answers.flush()

        main(sys.argv[1], sys.argv[2], write_line)
