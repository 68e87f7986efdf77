"""An LLM tells the batch that calls it when it waits, and hands over every answer as it comes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from synth_stack.teachers.batch_call import BATCH_CALL
from synth_stack.teachers.scripted_llm import ScriptedLLM


class Noting:
    """A batch call, and the one call of the LLM in it, that write down what they are told."""

    def __init__(self, found: Mapping[int, Any]) -> None:
        self.found = found
        self.kept: dict[int, Any] = {}
        self.waits: list[bool] = []

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self.waits.append(True)
        yield
        self.waits.append(False)

    def ask(self, prompts: Sequence[Any], num_generations: int) -> "Noting":
        return self

    def find(self, place: int) -> Any:
        return self.found.get(place)

    def keep(self, place: int, output: Mapping[str, Any]) -> None:
        self.kept[place] = output


def test_what_is_at_hand_is_not_asked_and_what_is_asked_is_kept_in_its_place() -> None:
    llm = ScriptedLLM()
    llm.load()
    prompts = [[{"role": "user", "content": f"Question {i}?"}] for i in range(3)]
    alone = llm.generate(prompts)
    call = Noting({1: {"generations": ["kept"], "statistics": {}}})
    token = BATCH_CALL.set(call)
    try:
        outputs = llm.generate(prompts)
    finally:
        BATCH_CALL.reset(token)
        llm.unload()
    assert outputs == [alone[0], {"generations": ["kept"], "statistics": {}}, alone[2]]
    assert call.kept == {0: alone[0], 2: alone[2]}
    assert call.waits == [True, False]
