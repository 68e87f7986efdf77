"""Evol-Instruct's rules: which operator evolves an instruction, and which evolved ones are eliminated.

Xu et al. 2023 (arXiv:2304.12244), section 3.2. Nothing here asks a teacher.
"""

import re
import unicodedata
from typing import Literal

from synth_stack.rows.canonical import derive_seed

IN_DEPTH = ("evol_constraint", "evol_deepen", "evol_concretize", "evol_reasoning", "evol_complicate")
"""The in-depth operators, each the name of its template: add constraints, deepening, concretizing, increased
reasoning steps, complicate input."""

IN_BREADTH = "evol_breadth"
OPERATORS = (*IN_DEPTH, IN_BREADTH)

Domain = Literal["general", "code"]
CODE = "evol_code"
"""The template that evolves a task of programming, by the heuristic that a round draws."""

CODE_HEURISTICS = {
    "code_constraint": "add new constraints and requirements to the original problem, of some 10 more words",
    "code_rare": "replace a requirement that is common in programming with a rarer and more specific one",
    "code_steps": "if a few logical steps solve the original problem, make it take more steps of reasoning",
    "code_misleading": "give a piece of wrong code as a reference, so that the problem misleads",
    "code_complexity": "ask for a lower complexity of time or space",
}
"""The five heuristics of WizardCoder (Luo et al. 2023, arXiv:2306.08568, section 3.1), by the name that a row
has as its operator."""

_CODE_LOTS = (*CODE_HEURISTICS, *CODE_HEURISTICS)[:-1]
"""The last one "but not often": half as often as the others."""
GAIN = "evol_gain"
"""The template that asks whether an evolved instruction says no more than its origin."""

NO_GAIN = "no_gain"
SAME_TEXT = "same_text"
SORRY = "sorry"
NOTHING_SAID = "nothing_said"
PROMPT_COPIED = "prompt_copied"
RULES = (NO_GAIN, SAME_TEXT, SORRY, NOTHING_SAID, PROMPT_COPIED)

SORRY_WORDS = 80
"""An answer that says sorry in fewer words than this is one that the teacher could not give (rule 2)."""

_PROMPT_WORDS = ("given prompt", "rewritten prompt", "created prompt")
"""What the evolving prompts call their parts, with or without their # (rule 4)."""

# The paper names no list of stop words; these are the function words of English.
_STOP_WORDS = frozenset(
    """a about above after again against all am an and any are as at be because been before being below
    between both but by can could did do does doing don down during each few for from further had has
    have having he her here hers herself him himself his how i if in into is it its itself just ll me
    might more most must my myself no nor not now of off on once only or other our ours ourselves out
    over own re s same shall she should so some such t than that the their theirs them themselves then
    there these they this those through to too under until up us ve very was we were what when where
    which while who whom why will with would you your yours yourself yourselves""".split()
)
_WORD = re.compile(r"[^\W_]+")


def draw_operator(rng_seed: int, round_: int, domain: Domain = "general") -> str:
    """The operator of a round (from 1): each of the six as likely as any other (section 4.1).

    Of code it is one of WizardCoder's heuristics.
    """
    lots = OPERATORS if domain == "general" else _CODE_LOTS
    return lots[derive_seed(rng_seed, "operator", round_) % len(lots)]


def judge_instruction(evolved: str, origin: str) -> str | None:
    """The rule that eliminates an evolved instruction by its text alone, or None.

    Rule 1 as far as it can be seen without a teacher: the same words as in its origin. Rule 4: words of the
    evolving prompt that its origin does not have.
    """
    if _read_words(evolved) == _read_words(origin):
        return SAME_TEXT
    said, before = evolved.casefold(), origin.casefold()
    copied = any(words in said and words not in before for words in _PROMPT_WORDS)
    return PROMPT_COPIED if copied else None


def judge_answer(answer: str, sorry_words: int = SORRY_WORDS) -> str | None:
    """The rule that eliminates an evolved instruction by its answer, or None.

    Rule 2: it says "sorry" in fewer than `sorry_words` words. Rule 3: it holds nothing but punctuation and
    stop words.
    """
    words = _read_words(answer)
    if "sorry" in words and len(answer.split()) < sorry_words:
        return SORRY
    return NOTHING_SAID if _STOP_WORDS.issuperset(words) else None


def read_judgement(reply: str | None) -> str:
    """What a reply says of two prompts: "equal", "not equal" or "unclear"."""
    words = _read_words(reply or "")
    if words[:2] == ["not", "equal"]:
        return "not equal"
    return "equal" if words[:1] == ["equal"] else "unclear"


def _read_words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
