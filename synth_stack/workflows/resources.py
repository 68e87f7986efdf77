"""What a gate may reach beyond its files: a language model, datasets of the Hub, what the recipe names.

A gate is a function of rows and files; whoever binds it hands it these as resources (gates/resources.py).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import synth_stack.teachers  # noqa: F401  (registers the teachers)
from synth_stack.errors import ConfigError, TeacherError
from synth_stack.gates.resources import Ask
from synth_stack.inputs.foreign import Dataset, open_hub
from synth_stack.inputs.gate_file import GateFile
from synth_stack.inputs.recipe import Recipe
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES, read_mapping
from synth_stack.inputs.terms import read_terms
from synth_stack.registry import bind
from synth_stack.runs.folder import LOCK
from synth_stack.teachers.prompt import Prompt
from synth_stack.teachers.teacher import Teacher, require_teacher

if TYPE_CHECKING:
    from synth_stack.teachers.perimeter import Perimeter

ANSWER_TOKENS = 16
"""Room for one word, whatever a model puts around it."""


@dataclass(frozen=True, slots=True)
class RunResources:
    """The resources of a run: its documents and baseline, and how to ask a teacher or open the Hub.

    A teacher keeps to the `perimeter`; relative paths in its parameters are taken from `folder`, that of the
    gate file. `calls` counts under `gate` what was asked of teachers. `terms` are those that the recipe
    declares of its models, by name and by digest. `attachments` is the folder of files beside the rows.
    """

    documents: Path | None = None
    baseline: Path | None = None
    attachments: Path | None = None
    perimeter: "Perimeter" = "open"
    allow_hosts: Sequence[str] = ()
    folder: Path | None = None
    gate: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    terms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def make_asker(self, teacher: Mapping[str, Any], where: str) -> Ask:
        """A function from prompts to answers of a teacher (`use` and its parameters), in order.

        Sampling is greedy and seeded. A prompt without an answer gives None. Raises ConfigError for what is
        no teacher; the function raises TeacherError when the teacher is down.
        """
        from synth_stack.teachers.perimeter import confine

        params = {name: value for name, value in teacher.items() if name != "use"}
        bound = bind(
            "teacher", str(teacher.get("use")), params, where=f"{where}: teacher", folder=self.folder
        )
        asked = require_teacher(bound.name, bound.make())
        confine(asked, self.perimeter, self.allow_hosts)

        def ask(prompts: Sequence[str]) -> list[str | None]:
            self.calls[self.gate] += len(prompts)
            return _ask(asked, prompts, where)

        return ask

    def open_hub(self, name: str, *, config: str | None, split: str, revision: str | None) -> Dataset:
        """The records of a dataset of the Hub. Raises InputError, MissingExtra."""
        return open_hub(name, config=config, split=split, revision=revision)


def bound_resources(source: object, file: GateFile) -> RunResources:
    """What gates may reach that judge rows outside of their recipe: a run folder, a pack, a dataset.

    Rows of a run that was kept local stay so; beyond this machine only the hosts that the gate file allows
    are asked, since no lock names hosts.
    """
    lock = read_lock(source)
    perimeter = lock.get("perimeter")
    reach = str(perimeter.get("reach")) if isinstance(perimeter, dict) else "open"
    return RunResources(
        perimeter="local" if "local" in {reach, file.perimeter} else "open",
        allow_hosts=tuple(file.allow_hosts),
        attachments=find_attachments(source),
        terms=read_terms(lock),
    )


def find_attachments(source: object) -> Path | None:
    """The folder of the files beside the rows of a source: itself, or the folder that it lies in."""
    if not isinstance(source, str | Path) or not Path(source).exists():
        return None
    return Path(source) if Path(source).is_dir() else Path(source).parent


def read_lock(source: object) -> Mapping[str, Any]:
    """The lock of a run or pack; empty for what has none."""
    if not isinstance(source, str | Path):
        return {}
    for path in (Path(source) / LOCK, Path(source) / PACKED_LOCK):
        if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
            try:
                return read_mapping(path)
            except ConfigError:  # whoever reads the rows says what is wrong with it
                return {}
    return {}


PACKED_LOCK = "recipe.yaml"
"""The lock of a run in its pack."""


def find_resources(recipe: Recipe, lock: Mapping[str, Any], attachments: Path | None = None) -> RunResources:
    """What the gates of a recipe may reach; `lock` is that of its run, which names the models, `attachments`
    the folder of the files beside its rows.
    """
    return RunResources(
        documents=Path(recipe.documents) if recipe.documents else None,
        baseline=Path(recipe.baseline) if recipe.baseline else None,
        attachments=attachments,
        perimeter=recipe.perimeter,
        allow_hosts=tuple(recipe.allow_hosts),
        terms=read_terms(lock),
    )


def _ask(teacher: Teacher, prompts: Sequence[str], where: str) -> list[str | None]:
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
    teacher.load()
    try:
        outputs = teacher.generate(inputs=asked, num_generations=1)
        down = None if teacher.health is None else teacher.health.down
    finally:
        teacher.unload()
    if down is not None:
        raise TeacherError(
            f"{where}: the teacher {teacher.model_name} is down: it {down}",
            mend="Every judged shard is kept; mend the teacher and run the same command again.",
        )
    return [output["generations"][0] for output in outputs]
