"""Controls of the structure gate: innocent rows that look like its faults, of the kinds of rows of the batch.

What a control says is written here, so that it is innocent whatever the row is like that lends it its kind,
slice, locale and shape. A control that the bounds of the gate would turn away is not planted.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.gates.canaries import build_control
from synth_stack.gates.structure.planted_phrases import FOREIGN
from synth_stack.gates.structure.reading import Rules
from synth_stack.models.language_detector import fold_code
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

_OWN_LANGUAGE = "language_of_the_batch"
_MIN_ROWS = 20
_NEARLY_ALL = 0.95
_Exchange = tuple[str, str]
"""What is asked, and what is answered."""

_CODE = "def add(a, b):\n    return a + b\n\n\nfor k in range(3):\n    print(add(k, 1))"
_JSON = json.dumps([{"id": k, "name": "ab"[k == 5], "ok": True} for k in range(1, 7)])
_FORMULA = "x^2 + 2xy + y^2 = (x + y)^2"
_TABLE = "| a | b | c |\n|---|---|---|\n| 1 | 1 | 1 |\n| 1 | 1 | 1 |\n| 1 | 1 | 1 |\n| 1 | 1 | 1 |"
_SIGNS = "f(x) = 2x + 1; f(3) = ?"
"""A prompt of no language."""
_REFRAIN = "Row the boat along,\nRow the boat along,\nDown the river, all day long,\nRow the boat along."
_LETTER = (
    "Dear [Name],\n\nThank you for your order of [Date]. It is on its way to you.\n\n"
    "Best regards,\n[Your Name]"
)
_TEMPLATE = (
    "In that format each turn stands between two tokens:\n\n```\n<|im_start|>user\nHello<|im_end|>\n```\n\n"
    "The first of them opens a turn."
)

_OF_NO_LANGUAGE: Mapping[str, tuple[str, _Exchange]] = {
    "bare_code": ("code alone", (_SIGNS, _CODE)),
    "json_list": ("a JSON list whose keys come again", (_SIGNS, _JSON)),
    "table": ("a table whose cells come again", (_SIGNS, _TABLE)),
    "formula": ("a formula alone", (_SIGNS, _FORMULA)),
    "short_answer": ("a single word", (_SIGNS, "ok")),
}
_OF_ENGLISH: Mapping[str, tuple[str, _Exchange]] = {
    "tokens_in_code": (
        "a token in a block of code",
        ("What does a turn look like in the ChatML format?", _TEMPLATE),
    ),
    "letter_template": (
        "a template that was asked for",
        ("Write a template of a letter to a customer.", _LETTER),
    ),
    "refrain": ("a song with a refrain", ("Write a short song with a refrain.", _REFRAIN)),
    "said_again": (
        "a word said four times",
        ("How far is it to the lake?", "It is very, very, very, very far, so take the bus at nine."),
    ),
    "foreign_titles": (
        "titles in another language",
        (
            "Which songs did he sing?",
            "He sang la vie en rose, non je ne regrette rien and ne me quitte pas at the end of the show.",
        ),
    ),
    "list_of_names": (
        "names alone",
        ("Name three painters.", "Frida Kahlo, Pablo Picasso, Johannes Vermeer"),
    ),
    "asked_for_repeats": (
        "a word that was to be repeated",
        ("Write the word lamp thirty times.", " ".join(["lamp"] * 30) + "."),
    ),
    "asked_for_refusal": (
        "a refusal that was asked for",
        ("How does one refuse a request politely?", "I'm sorry, but I can't help you with that request."),
    ),
    "asked_about_encoding": (
        "mojibake as an example of it",
        (
            "What does UTF-8 look like when it is read in a wrong encoding?",
            "It looks like this: cafÃ©, itâ€™s.",
        ),
    ),
    "asked_for_part": (
        "an unfinished text that was asked for",
        (
            "Write an unfinished sentence about a lamp.",
            "In the evening she lit the lamp in the window and then the",
        ),
    ),
    "asked_about_itself": (
        "an assistant that is asked about itself",
        (
            "Are you a person?",
            "No. As an AI language model, I have no body, but I can help you with many things.",
        ),
    ),
}


def mark_own_language(strange: pa.Array) -> pa.Array:
    """Which of the rows that the gate calls `strange`, (n,), are so since the batch is in another language
    than the gate file: all, where nearly all rows of a batch are; else none.
    """
    many = len(strange) >= _MIN_ROWS and (pc.sum(strange).as_py() or 0) >= _NEARLY_ALL * len(strange)
    return pc.fill_null(strange, False) if many else pa.repeat(pa.scalar(False), len(strange))


def name_languages(kind: str, verdicts: pa.Table, *, rules: Rules) -> str | None:
    """The line to change for a batch in other languages than the gate file allows."""
    if kind != _OWN_LANGUAGE:
        return None
    told = (json.loads(evidence).get("language") for evidence in verdicts["evidence"].drop_null().to_pylist())
    found = Counter(code for code in told if code)
    if not found:
        return None
    codes = [*rules.languages, *(code for code, _ in found.most_common())]
    return (
        f"The rows are in {' and '.join(code for code, _ in found.most_common())}, and structure allows "
        f"{', '.join(rules.languages)}: if they are meant to be, its line in the gate file is "
        f"`languages: [{', '.join(codes)}]`."
    )


def plant_innocents(sample: pa.Table, n: int, rules: Rules, own: pa.Array) -> pa.Table:
    """Up to `n` controls of each kind, in the shapes of the rows of the sample in turn; the rows that are
    their `own` (n,) say what they say.
    """
    columns = ["kind", "slice", "locale", "messages", "alternatives"]
    rows = sample.select(columns).to_pylist()
    planted = _plant_own(sample.filter(own), n)
    for kind, (innocent, exchange) in _list_kinds(rules).items():
        if not _fits(exchange, rules):
            continue
        fit = [row for row in rows if row["messages"] or kind in _OF_TEXTS]
        wanted = range(n if fit else 0)
        planted += [_build(fit[draw % len(fit)], kind, innocent, exchange, draw) for draw in wanted]
    return build_candidates(planted)


def _plant_own(rows: pa.Table, n: int) -> list[dict[str, Any]]:
    """Rows as they are, in the language of the batch."""
    columns = ["kind", "slice", "locale", "messages", "tools", "alternatives", "documents", "text"]
    planted = []
    for draw, row in enumerate(rows.select(columns).slice(0, n).to_pylist()):
        said = row["messages"] or [{"role": "text", "content": row["text"]}]
        made = build_control(row["kind"], said, "the language of the batch", draw, kind=_OWN_LANGUAGE)
        planted.append(made | {name: row[name] for name in columns[1:]})
    return planted


def _list_kinds(rules: Rules) -> dict[str, tuple[str, _Exchange]]:
    """The kinds that these languages allow, with what is innocent in them."""
    kinds = dict(_OF_NO_LANGUAGE)
    if rules.languages and "en" not in rules.languages:
        return kinds
    kinds |= _OF_ENGLISH
    english = FOREIGN["en"][0]
    others = [code for code in ("ar", "hi", "zh") if fold_code(code) not in rules.languages][:2]
    for code in others:
        told = f"Translate this into English: {FOREIGN[code][0]}", english
        kinds[f"translation_from_{code}"] = "a translation into a language that is wanted", told
        told = f"Translate this sentence into another language ({code}): {english}", FOREIGN[code][0]
        kinds[f"translation_into_{code}"] = "a translation into another language", told
    return kinds


def _fits(exchange: _Exchange, rules: Rules) -> bool:
    """Whether the exchange is within the bounds of the gate, counted by spaces."""
    return all(
        length.min_chars <= len(text) <= length.max_chars
        and length.min_words <= len(text.split()) <= length.max_words
        for text, length in zip(exchange, (rules.prompt, rules.answer), strict=True)
    )


def _build(
    row: Mapping[str, Any], kind: str, innocent: str, exchange: _Exchange, draw: int
) -> dict[str, Any]:
    asked, answered = exchange
    kept = {"slice": row["slice"]}
    if not row["messages"] and not row["alternatives"]:
        text = [{"role": "text", "content": answered}]
        return build_control(row["kind"], text, innocent, draw, kind=kind) | kept
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    if not row["alternatives"]:
        row_kind = "instruction" if row["kind"] == "preference" else row["kind"]
        return build_control(row_kind, messages, innocent, draw, kind=kind) | kept
    sides = [
        {"label": label, "messages": [{"role": "assistant", "content": text}]}
        for label, text in (("chosen", answered), ("rejected", "42"))
    ]
    made = build_control(row["kind"], messages[:1], innocent, draw, kind=kind)
    return made | kept | {"alternatives": sides, "text": join_text(messages[:1], sides)}


_OF_TEXTS = frozenset({*_OF_NO_LANGUAGE, "refrain", "list_of_names"})
"""What stands alone, without a prompt."""
