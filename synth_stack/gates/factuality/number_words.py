"""Numbers in digits and words: "21", "twenty-one", "1.5 million", "two and a half", "5 to 7"."""

import re
from collections.abc import Sequence

from synth_stack.gates.factuality.tokens import Token

SMALL = {
    word: float(k)
    for k, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
        sixteen seventeen eighteen nineteen""".split()
    )
}
TENS = {w: 10.0 * k for k, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
SCALES = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "dozen": 12.0}
_FRACTIONS = {"½": 0.5, "¼": 0.25, "¾": 0.75}
AND_HALF = ["and", "a", "half"]  # "a minute and a half", "two and a half years"


def read_number(tokens: Sequence[Token], k: int) -> tuple[float, int] | None:
    """The number that begins at token k, in digits or words, and the token after it."""
    word = tokens[k].low
    if word[0].isdecimal():
        value = _parse_digits(word)
        return None if value is None else _add_rest(value, tokens, k + 1)
    if word == "half":
        return (0.5, k + 1 + (tokens[k + 1].low in {"a", "an"})) if k + 1 < len(tokens) else None
    return _read_words(tokens, k)


def _add_rest(value: float, tokens: Sequence[Token], k: int) -> tuple[float, int]:
    """The number whose digits end before token k, with a fraction or a scale that follows."""
    following = tokens[k].low if k < len(tokens) else ""
    if following in _FRACTIONS:
        return value + _FRACTIONS[following], k + 1
    if [t.low for t in tokens[k : k + 3]] == AND_HALF:
        return value + 0.5, k + 3
    return (value * SCALES[following], k + 1) if following in SCALES else (value, k)


def _read_words(tokens: Sequence[Token], k: int) -> tuple[float, int] | None:
    total, part, seen = 0.0, 0.0, False
    while k < len(tokens):
        word = tokens[k].low
        if word in SMALL or word in TENS:
            value = SMALL.get(word, TENS.get(word, 0.0))
            if (
                seen
                and (part == 0 or not (part % 100 >= 20 and part % 10 == 0 and value < 10))
                and part % 100
            ):
                break
            part += value
        elif word == "hundred":
            part = (part or 1) * 100
        elif word in SCALES:
            total, part = total + (part or 1) * SCALES[word], 0.0
        elif not (seen and word in {"and", "-"} and k + 1 < len(tokens) and _continues(tokens, k)):
            break
        seen = True
        k += 1
    half = seen and [t.low for t in tokens[k : k + 3]] == AND_HALF
    return (total + part + 0.5 * half, k + 3 * half) if seen else None


def _continues(tokens: Sequence[Token], k: int) -> bool:
    """Whether "and" or a hyphen stands within a number in words: "a hundred and five", "twenty-one"."""
    before, following = tokens[k - 1].low, tokens[k + 1].low
    tens = tokens[k].low == "-" and before in TENS and following in SMALL
    return tens or (tokens[k].low == "and" and before in SCALES and following in SMALL | TENS)


def _parse_digits(word: str) -> float | None:
    plain = re.sub(r",(?=\d{3}(?:\D|$))", "", word)
    if "," in plain and plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")  # a decimal comma
    try:
        return float(plain) if len(plain) < 20 else None
    except ValueError:
        return None


def read_range(tokens: Sequence[Token], after: int, low: float) -> tuple[float, int]:
    """The upper end of a range that goes on at token `after`, else `low` again."""
    if after + 1 < len(tokens) and tokens[after].low in {"-", "–", "—", "to", "and", "or"}:
        joint, upper = tokens[after].low, read_number(tokens, after + 1)
        if (
            upper is not None
            and upper[0] > low
            and (joint not in {"and", "or"} or _is_between(tokens, after))
        ):
            return upper
    return low, after


def _is_between(tokens: Sequence[Token], joint: int) -> bool:
    return any(t.low == "between" for t in tokens[max(0, joint - 4) : joint])
