"""Canaries and controls of NeMo's filters: texts that a filter has to turn away, and ordinary ones."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.nemo_filter.filters import NamedFilter
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.fields import read_texts

Spoil = tuple[str, Callable[[str], str]]
"""What is wrong, and a text of which it is true, given the beginning of one of the batch."""

ORDINARY = "ordinary"
"""The kind of all controls."""

_OWN_CHARS = 60
"""How much of a row of the batch is in a canary: enough to tell it from others, too little to change it."""

_LINES = (
    "Thank you for writing to us about the parcel that you have been waiting for since Monday.",
    "I looked at the label, and it shows that the driver left it with a neighbour across the road.",
    "If nobody there has seen it, reply to this message and we will send another one at no cost to you.",
    "Most parcels turn up within two working days, so there is a good chance that yours does as well.",
    "In the meantime you can change the address for the next delivery in your account at any time.",
    "The new address has to be in the same country, because the price of the delivery depends on that.",
    "A signature is only asked for when the goods are worth more than a hundred, or when you want it.",
    "Please keep the box until everything works, since we can take back goods in their own box alone.",
    "Our shop is open from nine to six, and somebody will be glad to help when you call or come by.",
    "We hope that the rest of your week goes better, and that the kettle is worth all this trouble.",
)
"""Ten sentences of plain English, each a line: of everyday words, with full stops, and none like another."""


def _repeat(line: str, times: int, between: str = "\n") -> Callable[[str], str]:
    return lambda own: between.join([own, *[line] * times])


_SPOILS: dict[str, Spoil] = {
    "NonAlphaNumericFilter": ("mostly signs", _repeat("#@%&*+=~^", 60, " ")),
    "SymbolsToWordsFilter": ("mostly hash marks", _repeat("#", 120, " ")),
    "NumbersFilter": ("mostly figures", _repeat("4719 20583", 60, " ")),
    "UrlsFilter": ("mostly addresses", _repeat("https://shop.example/item/12345", 40, " ")),
    "BulletsFilter": ("hardly a line without a bullet", _repeat("• the next of many points", 60)),
    "WhiteSpaceFilter": ("mostly blanks", _repeat(" " * 40, 20)),
    "ParenthesesFilter": ("mostly brackets", _repeat("(see [1])", 60, " ")),
    "LongWordFilter": ("a word of 50,000 letters", lambda own: f"{own} {'x' * 50_000}"),
    "WordCountFilter": ("a single word", lambda own: "Thanks"),
    "BoilerPlateStringFilter": ("filler text", lambda own: f"{own} lorem ipsum dolor sit amet"),
    "MeanWordLengthFilter": ("words of one letter", _repeat("a b c d e", 60, " ")),
    "PunctuationFilter": ("lines without an end", _repeat("and then nothing more", 60)),
    "EllipsisFilter": ("lines that trail off", _repeat("and then ...", 60)),
    "CommonEnglishWordsFilter": ("no everyday word", lambda own: "quux corge grault garply " * 20),
    "WordsWithoutAlphabetsFilter": ("words without letters", _repeat("12 -- 34", 60, " ")),
    "PornographicUrlsFilter": ("an indecent address", lambda own: f"{own} https://porn.example/1"),
    "SubstringFilter": ("without the words that are asked for", lambda own: "~"),
    "RepeatedLinesFilter": ("one line again and again", _repeat("This line stands here again.", 60)),
    "RepeatedParagraphsFilter": (
        "one paragraph again and again",
        _repeat("It stands here again.", 60, "\n\n"),
    ),
    "RepeatedLinesByCharFilter": ("one line again and again", _repeat("This line stands here again.", 60)),
    "RepeatedParagraphsByCharFilter": (
        "one paragraph again and again",
        _repeat("It stands here again.", 60, "\n\n"),
    ),
    "RepeatingTopNGramsFilter": (
        "the same words again and again",
        _repeat("on and on and on it goes", 60, " "),
    ),
    "RepeatingDuplicateNGramsFilter": (
        "the same words again and again",
        _repeat("on and on and on it goes", 60, " "),
    ),
    "PythonCommentToCodeFilter": ("code without a comment", lambda own: "total = 1 + 2\n" * 30),
    "GeneralCommentToCodeFilter": ("code without a comment", lambda own: "int total = 1 + 2;\n" * 30),
    "NumberOfLinesOfCodeFilter": ("a single line", lambda own: "total = 1 + 2"),
    "XMLHeaderFilter": ("an XML header", lambda own: f'<?xml version="1.0"?><a>{own}</a>'),
    "AlphaFilter": ("hardly a letter", lambda own: "1 + 2 = 3; 4 * 5 = 20;\n" * 30),
    "HTMLBoilerplateFilter": ("a page without a text", lambda own: "<html><body><hr/><br/></body></html>"),
}
"""By NeMo's class: a defect far beyond any cut-off in use, so that it tells whether the check works."""


def choose_planted(filters: Sequence[NamedFilter]) -> tuple[NamedFilter, ...]:
    """The filters of which canaries are planted: those that turn their own defect away at their parameters.

    The others are off: a cut-off that lets even that pass turns hardly anything away.
    """
    return tuple(
        one for one in filters if one.use in _SPOILS and _turns_away(one, _SPOILS[one.use][1]("Hi."))
    )


def accepts_ordinary(filters: Sequence[NamedFilter]) -> bool:
    """Whether every filter keeps ordinary English at its parameters, so that controls can be planted."""
    said = [one.judge("\n".join(_LINES)) for one in filters]
    return all(judged is not None and judged[0] for judged in said)


def plant_spoilt(
    sample: pa.Table, n: int, seed: int, *, filters: Sequence[NamedFilter], field: str
) -> pa.Table:
    """`n` canaries for each filter, each with the beginning of another row of the sample."""
    own = [text[:_OWN_CHARS] for text in read_texts(sample["text"]).drop_nulls().to_list()]
    draws = np.random.default_rng(seed)
    rows = []
    for one in filters:
        wrong, spoil = _SPOILS[one.use]
        for draw in range(n):
            text = spoil(own[int(draws.integers(len(own)))] if own else "")
            rows.append(build_canary("foreign", _turn(text, field), wrong, draw, kind=one.name))
    return build_candidates(rows)


def plant_ordinary(sample: pa.Table, n: int, seed: int, *, field: str) -> pa.Table:
    """`n` controls: the ordinary lines in other orders."""
    draws = np.random.default_rng(seed)
    texts = ("\n".join(_LINES[k] for k in draws.permutation(len(_LINES))) for _ in range(n))
    rows = [
        build_control("foreign", _turn(text, field), "plain English", draw, kind=ORDINARY)
        for draw, text in enumerate(texts)
    ]
    return build_candidates(rows)


def _turns_away(one: NamedFilter, text: str) -> bool:
    judged = one.judge(text)
    return judged is not None and not judged[0]


def _turn(text: str, field: str) -> list[dict[str, str | None]]:
    """Messages of which the field that the filters read is the text."""
    if field == "text":
        return [{"role": "text", "content": text}]
    other = {"prompt": "Can you help me with this?", "answer": "Yes, that can be done."}
    said = {**other, field: text}
    return [{"role": "user", "content": said["prompt"]}, {"role": "assistant", "content": said["answer"]}]
