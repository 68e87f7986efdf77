"""What a gate may reach beyond its files: a language model, datasets of the Hub, what the recipe names.

A gate is a function of rows and files; whoever binds it hands it these as resources (gates/resources.py).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

import synth_stack.teachers  # noqa: F401  (registers the teachers)
from synth_stack.errors import ConfigError, TeacherError
from synth_stack.gates.resources import Ask, Rate
from synth_stack.inputs.foreign import Dataset, open_hub
from synth_stack.inputs.gate_file import GateFile
from synth_stack.inputs.recipe import Recipe
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES, read_mapping
from synth_stack.inputs.template_use import OnCut
from synth_stack.inputs.terms import read_terms
from synth_stack.registry import bind
from synth_stack.runs.folder import LOCK
from synth_stack.teachers.prompt import Prompt
from synth_stack.teachers.teacher import Teacher, require_teacher

if TYPE_CHECKING:
    from synth_stack.teachers.perimeter import Perimeter

ANSWER_TOKENS = 16
"""Room for one word, whatever a model puts around it."""
WRITTEN_TOKENS = 400
"""Room for an answer of three hundred words; one that is cut off is asked for again with four times as
much."""
YES_OR_NO = ("yes", "no")
_RATED_TOKENS = 4
"""Room for yes or no between asterisks; the first token alone is read where its probabilities are told."""
_LEAST_TOLD = 0.5
"""Where yes and no are less probable than all else as the first token, that is the beginning of a thought."""


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
        asked = self._bind(teacher, where)

        def ask(prompts: Sequence[str]) -> list[str | None]:
            outputs = self._ask(asked, prompts, where, max_tokens=ANSWER_TOKENS)
            return [output["generations"][0] for output in outputs]

        return ask

    def make_writer(self, teacher: Mapping[str, Any], where: str) -> Ask:
        """A function from prompts to texts of a teacher, as `make_asker` has it.

        A text that is cut off even with more room (WRITTEN_TOKENS) is None: its half may say another thing.
        """
        asked = self._bind(teacher, where)

        def write(prompts: Sequence[str]) -> list[str | None]:
            outputs = self._ask(asked, prompts, where, max_tokens=WRITTEN_TOKENS, on_cut="retry")
            return [None if _read_call(output).get("cut") else output["generations"][0] for output in outputs]

        return write

    def make_rater(self, teacher: Mapping[str, Any], where: str) -> Rate:
        """A function from questions to how probable it is that a teacher says yes, and not no.

        It is read from the probabilities of the first token, where the teacher tells them, and else from the
        word that it says: 1 or 0. Raises as `make_asker` does.
        """
        asked = self._bind(teacher, where)

        def rate(prompts: Sequence[str]) -> list[float | None]:
            outputs = self._ask(asked, prompts, where, max_tokens=_RATED_TOKENS, choices=YES_OR_NO)
            return [_read_rate(output) for output in outputs]

        return rate

    def _bind(self, teacher: Mapping[str, Any], where: str) -> Teacher:
        from synth_stack.teachers.perimeter import confine

        params = {name: value for name, value in teacher.items() if name != "use"}
        bound = bind(
            "teacher", str(teacher.get("use")), params, where=f"{where}: teacher", folder=self.folder
        )
        asked = require_teacher(bound.name, bound.make())
        confine(asked, self.perimeter, self.allow_hosts)
        return asked

    def _ask(
        self,
        asked: Teacher,
        texts: Sequence[str],
        where: str,
        *,
        max_tokens: int,
        choices: Sequence[str] = (),
        on_cut: OnCut = "fail",
    ) -> list[dict[str, Any]]:
        """One distilabel GenerateOutput for each text, greedily. Raises TeacherError for one that is down."""
        self.calls[self.gate] += len(texts)
        prompts = [
            Prompt(
                [{"role": "user", "content": text}],
                seed=0,
                max_tokens=max_tokens,
                sampling={"temperature": 0.0},
                choices=choices,
                on_cut=on_cut,
            )
            for text in texts
        ]
        return _generate(asked, prompts, where)

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


def _generate(teacher: Teacher, prompts: Sequence[Prompt], where: str) -> list[dict[str, Any]]:
    if not prompts:
        return []
    teacher.load()
    try:
        outputs = teacher.generate(inputs=list(prompts), num_generations=1)
        down = None if teacher.health is None else teacher.health.down
    finally:
        teacher.unload()
    if down is not None:
        raise TeacherError(
            f"{where}: the teacher {teacher.model_name} is down: it {down}",
            mend="Every judged shard is kept; mend the teacher and run the same command again.",
        )
    return outputs


def _read_call(output: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record of the call, which LLMs that are no teachers of ours do not give."""
    kept = output.get("call")
    record: Mapping[str, Any] = orjson.loads(kept[0]) if kept and kept[0] else {}
    return record


def _read_rate(output: Mapping[str, Any]) -> float | None:
    told = _read_call(output).get("choices") or {}
    yes, no = (told.get(word, 0.0) for word in YES_OR_NO)
    if yes + no >= _LEAST_TOLD:
        return float(yes / (yes + no))
    said = _SAID.match(output["generations"][0] or "")
    return None if said is None else float(said[1].casefold() == "yes")


_SAID = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
