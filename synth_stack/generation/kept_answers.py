"""The answers to the prompts of a batch of an author's pipeline, kept until the batch is kept itself."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from synth_stack.generation.parts import to_json
from synth_stack.generation.turns import Turn
from synth_stack.rows.canonical import digest_json
from synth_stack.teachers.batch_call import BATCH_CALL, Output


class KeptAnswers:
    """The answers to the prompts of one batch, line by line in a file, until the batch is kept itself.

    A line that a kill has cut is no answer. One without a text is not kept: it is asked for again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[str, Output] = {}
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()
        for line in path.read_bytes().split(b"\n") if path.exists() else ():
            try:
                name, output = orjson.loads(line)
                self._found[name] = output
            except ValueError:
                continue

    def find(self, name: str) -> Output | None:
        """The answer of this name."""
        return self._found.get(name)

    def keep(self, name: str, output: Output) -> None:
        """Write an answer down, in full before this returns."""
        if any(text is None for text in output["generations"]):
            return
        try:
            line = orjson.dumps([name, dict(output)])
        except orjson.JSONEncodeError:  # a lone surrogate: its row fails, and is asked for again
            return
        with self._lock:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # on a line of its own, after one that a kill has cut
                self._file = self.path.open("ab", buffering=0)
                self._file.write(b"\n")
            self._file.write(line + b"\n")

    def close(self) -> None:
        """No more answers come."""
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            file.close()

    def drop(self) -> None:
        """The batch is kept: its answers are not needed any more."""
        self.close()
        self.path.unlink(missing_ok=True)


class StepCall:
    """One step of one batch, as its LLM sees it (teachers/batch_call.py)."""

    def __init__(self, step: str, turn: Turn, kept: KeptAnswers) -> None:
        self._step = step
        self._turn = turn
        self._kept = kept
        self._calls = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within it the batch waits."""
        with self._turn.left():
            yield

    def ask(self, prompts: Sequence[Any], num_generations: int) -> "AskedOnce":
        """The next call: an answer is found again by the step, the call, its place and what was asked."""
        self._calls += 1
        names = [
            digest_json(to_json([self._step, self._calls, place, num_generations, _say(prompt)]))
            for place, prompt in enumerate(prompts)
        ]
        return AskedOnce(names, self._kept)


class AskedOnce:
    """One call of an LLM by a step."""

    def __init__(self, names: Sequence[str], kept: KeptAnswers) -> None:
        self._names = names
        self._kept = kept

    def find(self, place: int) -> Output | None:
        """The answer that an earlier run got."""
        return self._kept.find(self._names[place])

    def keep(self, place: int, output: Output) -> None:
        """Keep an answer for a later run."""
        self._kept.keep(self._names[place], output)


@contextmanager
def calling(call: StepCall) -> Iterator[None]:
    """Within it the LLM of a step knows which one calls it."""
    token = BATCH_CALL.set(call)
    try:
        yield
    finally:
        BATCH_CALL.reset(token)


def _say(prompt: Any) -> Any:
    return [list(prompt), getattr(prompt, "seed", None)]
