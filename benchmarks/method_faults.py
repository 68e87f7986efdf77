"""What newer methods find of planted faults in replies: `python benchmarks/method_faults.py`.

A script answers with replies that are sound or have one known fault, 40 of a kind: evolved instructions and
their answers, code in four languages, escalations that are refused, and tags. Each row has to end as its
fault says. The faults are their author's: this shows that the checks work, not how often models err.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.generation.draws import Plan
from synth_stack.generation.driver import drive
from synth_stack.generators.adversarial.methods import crescendo
from synth_stack.generators.code.methods import oss_instruct
from synth_stack.generators.code.pool import PoolSource
from synth_stack.generators.instruction.methods import evol_instruct
from synth_stack.generators.instruction.tags import read_tag
from synth_stack.inputs.seeds import SEED_SCHEMA, Corpus, Topic
from synth_stack.teachers.scripted_llm import ScriptedLLM

EACH = 40
SEED = "How is a lamp mended when nobody has time?"
ANSWER = "Somebody with time for it comes on Friday and brings a lamp that is whole."
Rules = list[tuple[str, list[str]]]

EVOLVED = "#Rewritten Prompt#:|#Created Prompt#:"
SOUND = "How is a lamp mended at night when nobody has time, and who pays for it?"
EVOL: dict[str, tuple[str, str, str | None]] = {
    "sound": (SOUND, ANSWER, None),
    "table": (f"{SOUND}\n\n| lamp | age |\n|---|---|\n| hall | 9 |", ANSWER, None),
    "code": (f"{SOUND}\n\n```python\nprint('lamp')\n```", ANSWER, None),
    "same words": (SEED.upper(), ANSWER, "eliminated: same_text"),
    "prompt copied": (f"The rewritten prompt: {SOUND}", ANSWER, "eliminated: prompt_copied"),
    "sorry": (SOUND, "I am sorry, I do not know that.", "eliminated: sorry"),
    "nothing said": (SOUND, "Of the and ... the?", "eliminated: nothing_said"),
}


def build_plan(method: str, slice_: str = "tasks") -> Plan:
    rows = [{"seed_id": "s0", "slice": slice_, "locale": None, "text": SEED}]
    topics = {slice_: Topic(slice=slice_, title="Lamps", description="Lamps that are broken.")}
    return Plan(
        Corpus(pa.Table.from_pylist(rows, schema=SEED_SCHEMA), topics, {}), "anybody", 7, method, 0, EACH
    )


def make(build: Callable[..., Any], rules: Rules, plan: Plan, **params: Any) -> list[dict[str, Any]]:
    """The rows of a run that answers by the rules."""
    made: list[dict[str, Any]] = []

    def commit(_number: int, _items: Any, rows: list[dict[str, Any]]) -> None:
        made.extend(rows)

    drive(build(ScriptedLLM(rules=rules), plan, 8, **params), is_done=lambda *_: False, commit=commit)
    return made


def show(method: str, kind: str, found: int, of: int) -> None:
    print(f"{method:14} {kind:24} {found:3} of {of}")


def try_evolution() -> None:
    for kind, (evolved, answer, failure) in EVOL.items():
        rows = make(evol_instruct, [(EVOLVED, [evolved]), ("", [answer])], build_plan("evol_instruct"))
        kept = evolved if failure is None else None
        ends = [(row["failure"], row["messages"][0]["content"] if failure is None else None) for row in rows]
        show("evol_instruct", kind, ends.count((failure, kept)), len(rows))


def try_languages() -> None:
    good = {
        "python": "def double(n):\n    return n * 2",
        "javascript": "const double = (n) => n * 2;",
        "go": "func Double(n int) int { return n * 2 }",
        "rust": "pub fn double(n: i64) -> i64 { n * 2 }",
    }
    with tempfile.TemporaryDirectory() as folder:
        for language, name in zip(good, ("a.py", "a.js", "a.go", "a.rs"), strict=True):
            Path(folder, name).write_text(good[language] + "\n" * 3, encoding="utf-8")
        for language, code in good.items():
            pool = PoolSource(path=folder, snippets="lines", languages=(language,))
            for kind, said in _list_replies(language, code).items():
                rules = [
                    ("Write tests", ["```python\ndef test_a():\n    assert double(1) == 2\n```"]),
                    ("", [said]),
                ]
                rows = make(oss_instruct, rules, build_plan("oss_instruct", language), pool=pool)
                ended = sum((row["failure"] is None) is (kind == "sound") for row in rows)
                show("oss_instruct", f"{language}, {kind}", ended, len(rows))


def _list_replies(language: str, code: str) -> dict[str, str]:
    other = "ruby"
    return {
        "sound": f"[Problem Description]\nDouble it.\n[Solution]\n```{language}\n{code}\n```",
        "no sections": f"```{language}\n{code}\n```",
        "no problem": f"[Problem Description]\n[Solution]\n```{language}\n{code}\n```",
        "another language": f"[Problem Description]\nDouble it.\n[Solution]\n```{other}\n{code}\n```",
    }


def try_escalation() -> None:
    last = ("refuse in your first sentence", ["I can't help with that. Ask a locksmith."])
    attacks: Rules = [
        ("Write the last message", ["All of it now?"]),
        ("what the user says", ["And what then?"]),
    ]
    kinds: dict[str, tuple[Rules, str | None]] = {
        "sound": ([*attacks, ("", ["It was talked about in books."])], None),
        "target refuses always": ([*attacks, ("", ["I can't help with that."])], "refused once more"),
        "attacker declines": (
            [("user says", ["I'm sorry, I can't help with that."])],
            "declined to write it",
        ),
    }
    for kind, (rules, failure) in kinds.items():
        rows = make(crescendo, [last, *rules], build_plan("crescendo"), turns=4)
        ends = [row["failure"] or "" for row in rows]
        found = sum(end == "" if failure is None else failure in end for end in ends)
        show("crescendo", kind, found, len(rows))


def try_tags() -> None:
    said = {
        "Good, but vague.\nquality: poor": "poor",
        '{"explanation": "excellent", "quality": "average"}': "average",
        "It is good.": None,
        "quality: good or excellent": None,
        "": None,
    }
    found = sum(read_tag("quality", reply) == value for reply, value in said.items())
    show("magpie", "tags as they were said", found, len(said))


def main() -> None:
    """Print how many rows of each kind end as they should."""
    try_evolution()
    try_languages()
    try_escalation()
    try_tags()


if __name__ == "__main__":
    main()
