"""What a gate may reach beyond its files: a language model, and datasets of the Hub.

A gate is a function of rows and files; whoever binds it hands it these as resources.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import synth_stack.teachers  # noqa: F401  (registers the teachers)
from synth_stack.errors import TeacherError
from synth_stack.inputs.foreign import Dataset, open_hub
from synth_stack.registry import bind
from synth_stack.teachers.prompt import Prompt

ANSWER_TOKENS = 16
"""Room for one word, whatever a model puts around it."""


def make_asker(teacher: Mapping[str, Any], where: str) -> Callable[[Sequence[str]], list[str | None]]:
    """A function from prompts to answers of a teacher (`use` and its parameters), in order.

    Sampling is greedy and seeded. A prompt without an answer gives None. Raises ConfigError for what is no
    teacher; the function raises TeacherError when the teacher is down.
    """
    params = {name: value for name, value in teacher.items() if name != "use"}
    llm = bind("teacher", str(teacher.get("use")), params, where=f"{where}: teacher").make()

    def ask(prompts: Sequence[str]) -> list[str | None]:
        if not prompts:
            return []
        asked = [
            Prompt(
                [{"role": "user", "content": text}],
                seed=0,
                max_tokens=ANSWER_TOKENS,
                sampling={"temperature": 0.0},
            )
            for text in prompts
        ]
        llm.load()
        try:
            outputs = llm.generate(inputs=asked, num_generations=1)
            down = llm.health.down
        finally:
            llm.unload()
        if down is not None:
            raise TeacherError(
                f"{where}: the teacher {llm.model_name} is down: it {down}",
                mend="Every judged shard is kept; mend the teacher and run the same command again.",
            )
        return [output["generations"][0] for output in outputs]

    return ask


def open_named(named: Any) -> Dataset:
    """The dataset of the Hub that an eval set names. Raises InputError, MissingExtra."""
    return open_hub(named.hub, config=named.config, split=named.split or "test", revision=named.revision)
