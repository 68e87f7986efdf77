"""Evol-Instruct's rules: which operator evolves an instruction, and which evolved ones are eliminated.

Xu et al. 2023 (arXiv:2304.12244), section 3.2. Nothing here asks a teacher.
"""

import re
import unicodedata

from synth_stack.rows.canonical import derive_seed

IN_DEPTH = ("evol_constraint", "evol_deepen", "evol_concretize", "evol_reasoning", "evol_complicate")
"""The in-depth operators, each the name of its template: add constraints, deepening, concretizing, increased
reasoning steps, complicate input."""

IN_BREADTH = "evol_breadth"
OPERATORS = (*IN_DEPTH, IN_BREADTH)
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


def draw_operator(rng_seed: int, round_: int) -> str:
    """The operator of a round (from 1): each of the six as likely as any other (section 4.1)."""
    return OPERATORS[derive_seed(rng_seed, "operator", round_) % len(OPERATORS)]


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
