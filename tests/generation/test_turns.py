"""Batches side by side: one works at a time, and each finds the random generators as it left them."""

import random
import threading

import numpy as np

from synth_stack.generation.turns import Turn, seeded


def test_who_waits_lets_others_work_and_draws_on_as_if_it_had_not() -> None:
    random.seed(5)
    before = random.getstate()
    turn = Turn()
    drawn: dict[str, list[float]] = {"a": [], "b": []}
    at_work: list[str] = []
    both = threading.Barrier(2)

    def draw(name: str) -> None:
        with turn.taken(), seeded(name):
            at_work.append(name)
            drawn[name] += [random.random(), float(np.random.rand())]
            assert at_work[-1] == name
            with turn.left():
                both.wait(timeout=10)  # only where both are let in at a time
            drawn[name] += [random.random(), float(np.random.rand())]

    threads = [threading.Thread(target=draw, args=(name,)) for name in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, values in drawn.items():
        with seeded(name):
            alone = [random.random(), float(np.random.rand()), random.random(), float(np.random.rand())]
        assert values == alone
    assert random.getstate() == before
