"""Prompts of several batches become one call of the engine, and one that it refuses costs itself alone."""

import threading
import time
from typing import Any

import pytest

from synth_stack.teachers.engine_queue import EngineQueue


def test_what_waits_while_the_engine_works_goes_into_its_next_call() -> None:
    calls: list[list[Any]] = []
    free, busy = threading.Event(), threading.Event()

    def engine(prompts: list[Any], params: list[Any]) -> list[Any]:
        calls.append(prompts)
        busy.set()
        assert free.wait(10)
        return [f"{prompt}{param}" for prompt, param in zip(prompts, params, strict=True)]

    queue, said = EngineQueue(engine), {}

    def ask(name: str) -> None:
        said[name] = queue.ask([(name, 1), (name, 2)])

    first = threading.Thread(target=ask, args=("a",))
    first.start()
    assert busy.wait(10)
    others = [threading.Thread(target=ask, args=(name,)) for name in "bcd"]
    for thread in others:
        thread.start()
    while len(queue._waiting) < 6:
        time.sleep(0.001)
    free.set()
    for thread in (first, *others):
        thread.join()
    assert [len(call) for call in calls] == [2, 6]
    assert said == {name: [f"{name}1", f"{name}2"] for name in "abcd"}


def test_a_prompt_that_is_refused_costs_itself_alone_and_an_engine_that_fails_all() -> None:
    def engine(prompts: list[Any], params: list[Any]) -> list[Any]:
        if "long" in prompts:
            raise ValueError("too long")
        if "fatal" in prompts:
            raise RuntimeError("dead")
        return prompts

    queue = EngineQueue(engine)
    said = queue.ask([(text, None) for text in ("a", "b", "long", "c")])
    assert [str(each) for each in said] == ["a", "b", "too long", "c"]
    assert isinstance(said[2], ValueError)
    with pytest.raises(RuntimeError, match="dead"):
        queue.ask([("fatal", None)])
    assert queue.ask([]) == []
    assert queue.ask([("a", None)]) == ["a"]
