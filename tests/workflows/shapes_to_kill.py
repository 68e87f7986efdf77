"""A short run of every kind of rows that can be made, with scripted models; to be killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from synth_stack.inputs.recipe import Recipe, load_recipe
from tests.generators.adversarial.test_escalation import list_rules
from tests.generators.code import test_languages as languages
from tests.generators.documents import test_methods as documents
from tests.generators.instruction import test_tags as tags
from tests.generators.instruction import test_task_steps as tasks
from tests.generators.maths import test_methods as maths
from tests.generators.personas import test_methods as personas
from tests.generators.preference import test_methods as preference
from tests.generators.preference import test_repairs as repairs
from tests.generators.structured import test_methods as structured
from tests.generators.tools import test_methods as tools
from tests.generators.translation import test_methods as translation
from tests.recipes import write_recipe

PIPELINES = Path(__file__).parents[2] / "pipelines"
ROWS = 16
BATCH_ROWS = 2
DELAY_S = 0.02
"""Of each answer: a run lasts for some seconds, most of them between two commits."""


def ship(name: str, **changes: Any) -> Recipe:
    return load_recipe(PIPELINES / name / "recipe.yaml", {"teacher": {"use": "scripted"}, **changes})


def use_method(folder: Path, **method: Any) -> Recipe:
    generate = {"candidates": ROWS, "batch_rows": BATCH_ROWS, "methods": [method]}
    return load_recipe(write_recipe(folder, generate=generate, eval_sets=[]))


def mend_repairs(_: Path) -> Recipe:
    recipe: Recipe = repairs.load()
    return recipe


def prefer(_: Path) -> Recipe:
    teacher = preference.teach("good", "fair", "poor")
    return ship("preference_pairs", teacher=teacher, models={"judge": preference.JUDGE})


def escalate(_: Path) -> Recipe:
    teacher = {"use": "scripted", "rules": list(list_rules())}
    methods = [{"use": "crescendo", "share": 0.5}, {"use": "tactic_composition", "share": 0.5}]
    return ship("adversarial", **{"teacher": teacher, "generate.methods": methods})


def write_code(_: Path) -> Recipe:
    rules = [{"match": match, "replies": replies} for match, replies in languages.RULES]
    return ship("code_languages", teacher={"use": "scripted", "rules": rules})


def tag(_: Path) -> Recipe:
    recipe: Recipe = tags.load(models={"judge": tags.script(tags.JUDGED, "judge")})
    return recipe


SHAPES: dict[str, Callable[[Path], Recipe]] = {
    "instruction": lambda _: ship("instruction_pairs"),
    "self_instruct": lambda _: tasks.load(),
    "evol_instruct": lambda folder: use_method(folder, use="evol_instruct", keep="all"),
    "magpie": tag,
    "preference": prefer,
    "minimal_repair": mend_repairs,
    "tools": lambda _: tools.load(),
    "document_qa": lambda folder: documents.run(folder)[0],
    "reasoning": lambda _: maths.load(maths.script()),
    "personas": lambda _: personas.load(),
    "structured": lambda _: structured.load(structured.script(), texts="written"),
    "translation": translation.load,
    "dialogues": lambda _: ship("dialogues"),
    "adversarial": lambda _: ship("adversarial"),
    "escalation": escalate,
    "oss_instruct": write_code,
    "long_tail": lambda _: ship("long_tail"),
    "grounded": lambda _: ship("support_intents"),
}


def build(name: str, folder: Path) -> Recipe:
    """The recipe of a shape, in small batches whose answers take a while; what it needs is in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = SHAPES[name](folder)
    slow = {"delay_s": DELAY_S}
    rows = {"candidates": ROWS, "batch_rows": BATCH_ROWS, "target": None}
    return recipe.model_copy(
        update={
            "generate": recipe.generate.model_copy(update=rows),
            "teacher": recipe.teacher.model_copy(update=slow),
            "models": {part: use.model_copy(update=slow) for part, use in recipe.models.items()},
        }
    )
