"""Plants defects in ordinary rows by kind, in ways of this file's own: no gate's canaries are used.

What is planted comes from sources that no gate is fitted on: HateCheck's hateful cases, exam items and their
published rephrasings, passages of other languages, and values and phrases that are drawn or written here.
Which gates may claim a defect stands beside it; a gate that turns the row away for another reason is wrong.
"""

import csv
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordinary_corpora import OrdinaryCorpus, Record, read_hatecheck, read_jsonl

from synth_stack.inputs.foreign import open_records, read_candidates

DEFECT_SHARE = 0.02
"""Of the rows of a mix: rare, as in data that somebody believes to be clean."""
MIN_WORDS = 25
"""Of an answer that is spoilt: in a shorter one half of the kinds could not be told from a style."""

Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Planted:
    """What was planted in a row. Rows of one `pair` are a defect together, and either may be turned away."""

    kind: str
    pair: int


@dataclass(frozen=True, slots=True)
class Mix:
    """Records of ordinary rows, and what was planted in which of them, by place."""

    records: Sequence[Record]
    planted: Mapping[int, Planted]


@dataclass(frozen=True, slots=True)
class Sources:
    """What is planted from public data; empty where the data is absent."""

    exams: Sequence[tuple[str, str]]
    rephrased: Sequence[tuple[str, str]]
    hateful: Sequence[str]
    foreign: Sequence[str]


Spoil = Callable[[Messages, random.Random, Sources], Messages | None]


@dataclass(frozen=True, slots=True)
class Defect:
    """A kind of defect: who may claim it, and how it is made of a row (None: not of this one)."""

    gates: frozenset[str]
    spoil: Spoil


def plant(base: Sequence[OrdinaryCorpus], corpora: Path, rows: int, seed: int) -> Mix:
    """A mix of so many rows of the corpora, evenly, with equally many defects of each kind."""
    rng = random.Random(f"{seed}/mix")
    pool = _draw_evenly(base, rows, rng)
    sources = read_sources(corpora)
    each = max(1, round(rows * DEFECT_SHARE / len(DEFECTS)))
    made: list[tuple[Messages, Planted | None]] = []
    pair = 0
    for kind, defect in DEFECTS.items():
        left = each
        for _ in range(len(pool)):
            if not left:
                break
            host = pool.pop(0)
            spoilt = defect.spoil(host, rng, sources)
            if spoilt is None:
                pool.append(host)
                continue
            left, pair = left - 1, pair + 1
            made.append((spoilt, Planted(kind, pair)))
            if kind == "near_duplicate":
                made.append((host, Planted(kind, pair)))
    made += [(messages, None) for messages in pool]
    rng.shuffle(made)
    planted = {row: told for row, (_, told) in enumerate(made) if told is not None}
    return Mix([{"messages": messages} for messages, _ in made], planted)


def _draw_evenly(base: Sequence[OrdinaryCorpus], rows: int, rng: random.Random) -> list[Messages]:
    """Rows in turn from each corpus until there are enough, as conversations."""
    piles = []
    for corpus in base:
        tables = read_candidates(open_records(list(corpus.records), corpus.name))
        pile = [_read_messages(row) for table in tables for row in table.to_pylist() if row["messages"]]
        rng.shuffle(pile)
        piles.append(pile)
    drawn: list[Messages] = []
    while len(drawn) < rows and any(piles):
        drawn += [pile.pop() for pile in piles if pile]
    rng.shuffle(drawn)
    return drawn[:rows]


def _read_messages(row: Mapping[str, Any]) -> Messages:
    return [{key: value for key, value in m.items() if value is not None} for m in row["messages"]]


def read_sources(folder: Path) -> Sources:
    """What there is of exam items, rephrasings, hateful sentences and passages of other languages."""
    exams: list[tuple[str, str]] = []
    if (path := folder / "gsm8k" / "test.jsonl").exists():
        exams += [(row["question"], row["answer"]) for row in read_jsonl(path)]
    if (path := folder / "humaneval" / "HumanEval.jsonl").exists():
        solved = [(row["prompt"], row["prompt"] + row["canonical_solution"]) for row in read_jsonl(path)]
        exams += solved * 4  # GSM8K has eight times as many
    hateful = [text for text, is_hateful in read_hatecheck(folder) if is_hateful] if _has_hate(folder) else []
    paths = [folder / "ordinary" / f"xquad_{language}.jsonl" for language in ("es", "zh")]
    foreign = [row["input"].strip("\ufeff") for path in paths if path.exists() for row in read_jsonl(path)]
    return Sources(exams, _read_rephrased(folder / "rephrased"), hateful, foreign)


def _has_hate(folder: Path) -> bool:
    return (folder / "hatecheck" / "cases.csv").exists()


def _read_rephrased(folder: Path) -> list[tuple[str, str]]:
    """The rephrased items of the judge side with the right choice as their answer."""
    items, words = (
        folder / f"abstract_algebra_test{end}"
        for end in (".csv", "_rephrase_english_filtered_question.jsonl")
    )
    if not (items.exists() and words.exists()):
        return []
    with items.open(encoding="utf-8", newline="") as file:
        answers = [row[1 + "ABCD".index(row[5])] for row in csv.reader(file)]
    said = [row["text"] for row in read_jsonl(words)]
    return [(text, answer) for text, answer in zip(said, answers, strict=True) if text]


def _answer(messages: Messages) -> list[str] | None:
    """The words of the last answer, if it is prose enough to be spoilt."""
    if not messages or messages[-1]["role"] != "assistant" or messages[-1].get("tool_calls"):
        return None
    words = str(messages[-1]["content"]).split(" ")
    return words if len(words) >= MIN_WORDS else None


def _say(messages: Messages, answer: str) -> Messages:
    return [*messages[:-1], {**messages[-1], "content": answer}]


def _by_answer(change: Callable[[list[str], random.Random], str | None]) -> Spoil:
    """A defect made of the words of the last answer."""

    def spoil(messages: Messages, rng: random.Random, sources: Sources) -> Messages | None:
        words = _answer(messages)
        answer = None if words is None else change(words, rng)
        return None if answer is None else _say(messages, answer)

    return spoil


END_MARKERS = (
    "<|endoftext|>",
    "</s>",
    "<|im_end|>",
    "<|eot_id|>",
    "<end_of_turn>",
    "###eos_token###",
    "[EOS]",
)
CHAT_TOKENS = (
    "\n<|im_start|>user\nAnd the second one?",
    "\n[INST] And the second one? [/INST]",
    "\n### Instruction:\nNow do the same for the other one.\n\n### Response:\nOf course.",
    "\n<|start_header_id|>user<|end_header_id|>\n\nAnd the second one?",
    "\n\nHuman: And the second one?\n\nAssistant: The same.",
)
THOUGHTS = (
    "<think>The user wants this kept short, so I will leave the details out.</think>\n",
    "<thinking>\nLet me see what is asked here. It should be the usual answer.\n</thinking>\n\n",
    "<reasoning>First I check the question, then I answer it.</reasoning>",
)
PLACEHOLDERS = (
    "\n\nBest regards,\n[Your Name]",
    " Please write to us before [insert date].",
    " For more on this, see {{link}}.",
    "\n\nSincerely,\n<YOUR NAME HERE>\n[Company Name]",
    " Lorem ipsum dolor sit amet, consectetur adipiscing elit.",
)
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "As an AI language model, I do not have the ability to do this.",
    "I apologize, but I am unable to fulfil this request.",
    "Unfortunately I'm just a language model and can't assist with this task.",
    "I cannot answer that. It goes against my guidelines.",
    "Sorry, I don't have enough context to complete this request as an AI.",
)


def _cut(words: list[str], rng: random.Random) -> str | None:
    """The answer up to a word in its last half that ends no sentence; prose alone, without lines or code."""
    if any(sign in word for word in words for sign in ("\n", "`", "{", "<<")):
        return None
    places = [n for n in range(len(words) // 2, len(words) - 3) if words[n - 1][-1:].isalpha()]
    return " ".join(words[: rng.choice(places)]) if places else None


def _cut_code(words: list[str], rng: random.Random) -> str | None:
    """The answer in a fence that is never closed, cut after a line of its last half."""
    lines = " ".join(words).split("\n")
    if (
        len(lines) < 6
        or "```" in " ".join(words)
        or not any(mark in lines[0] for mark in ("(", "{", "#", "import"))
    ):
        return None
    return "\n".join(["```", *lines[: rng.randint(len(lines) // 2, len(lines) - 2)]])


def _garble(words: list[str], rng: random.Random) -> str | None:
    """Quotes, dashes and accents in UTF-8 that were read as Windows-1252."""
    text = " ".join(words).replace("'", "\u2019").replace(" - ", " \u2013 ")
    text = text if "\u2019" in text else f"{text} It\u2019s the caf\u00e9\u2019s own."
    try:
        return text.encode("utf-8").decode("cp1252")
    except UnicodeDecodeError:
        return None


def _loop(words: list[str], rng: random.Random) -> str:
    start = rng.randint(8, 14)
    return " ".join([*words[:start], *[words[start]] * rng.randint(40, 120)])


def _near_copy(words: list[str], rng: random.Random) -> str | None:
    """The answer with one of many words changed, or said with a closing sentence."""
    if len(words) < 70:
        return None
    if rng.random() < 0.5:
        return " ".join(words) + rng.choice([" I hope this helps!", " Let me know.", " Good luck."])
    place = rng.randrange(5, len(words) - 5)
    return " ".join([*words[:place], rng.choice(["this", "such", "also", "really"]), *words[place + 1 :]])


def _tell(values: Callable[[random.Random], str], said: Sequence[str]) -> Defect:
    """A value in a sentence at the end of the first user message or of the answer."""

    def spoil(messages: Messages, rng: random.Random, sources: Sources) -> Messages | None:
        if _answer(messages) is None:
            return None
        place = rng.choice([n for n, m in enumerate(messages) if m["role"] in {"user", "assistant"}])
        sentence = rng.choice(said).format(values(rng))
        changed = {**messages[place], "content": f"{messages[place]['content']} {sentence}"}
        return [*messages[:place], changed, *messages[place + 1 :]]

    return Defect(frozenset({"personal_data"}), spoil)


FIRST = ("maria", "tobias", "helen", "ravi", "chloe", "ines", "owen", "petra", "samuel", "yusuf")
LAST = (
    "hollister",
    "brandt",
    "okafor",
    "lindqvist",
    "moreau",
    "castellan",
    "wray",
    "duarte",
    "pike",
    "nowak",
)


def _make_mailbox(rng: random.Random) -> str:
    domain = rng.choice(
        ["gmail.com", "web.de", "outlook.com", "hollis-wright.co.uk", "brandt-optik.de", "ucl.ac.uk"]
    )
    return (
        f"{rng.choice(FIRST)}{rng.choice(['.', '_', ''])}{rng.choice(LAST)}{rng.choice(['', '83'])}@{domain}"
    )


def _make_phone(rng: random.Random) -> str:
    """Numbers of three countries as people write them, none of those that are kept for films."""
    a, b, c = rng.choice([212, 312, 415, 617, 503]), rng.choice([263, 384, 467, 729]), rng.randint(2101, 9789)
    return rng.choice([
        f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"+1 {a} {b} {c}",
        f"0113 {b} {c}", f"+44 113 {b} {c}", f"030 {b}{c}", f"+49 30 {b}{c}",
    ])  # fmt: skip


def _make_card(rng: random.Random) -> str:
    """Sixteen digits of Visa or Mastercard with the check digit of ISO/IEC 7812-1."""
    digits = [int(d) for d in rng.choice(["4539", "4716", "5425", "5189"])] + [
        rng.randint(0, 9) for _ in range(11)
    ]
    doubled = [d if n % 2 else sum(divmod(2 * d, 10)) for n, d in enumerate(digits)]
    text = "".join(map(str, [*digits, -sum(doubled) % 10]))
    return " ".join(text[n : n + 4] for n in range(0, 16, 4)) if rng.random() < 0.5 else text


def _make_address(rng: random.Random) -> str:
    street = rng.choice(["Maple Street", "Fulton Avenue", "Harbor Road", "Cedar Lane", "Prospect Drive"])
    town = rng.choice(["Portland, OR 97214", "Chicago, IL 60614", "Boston, MA 02130", "Denver, CO 80206"])
    return f"{rng.randint(12, 4890)} {street}, {town}"


def _leak(items: Callable[[Sources], Sequence[tuple[str, str]]]) -> Spoil:
    """An exam item in the place of the row."""

    def spoil(messages: Messages, rng: random.Random, sources: Sources) -> Messages | None:
        if not items(sources):
            return None
        question, answer = rng.choice(items(sources))
        return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    return spoil


def _insult(messages: Messages, rng: random.Random, sources: Sources) -> Messages | None:
    if _answer(messages) is None or not sources.hateful:
        return None
    return _say(messages, rng.choice(sources.hateful))


def _speak_foreign(messages: Messages, rng: random.Random, sources: Sources) -> Messages | None:
    if _answer(messages) is None or not sources.foreign:
        return None
    return _say(messages, rng.choice(sources.foreign)[:300])


def _append(ends: Sequence[str]) -> Spoil:
    return _by_answer(lambda words, rng: " ".join(words) + rng.choice(ends))


_STRUCTURE = frozenset({"structure"})
_COPIES = frozenset({"dedup", "semantic_dedup"})
_LEAKS = frozenset({"contamination"})

DEFECTS: dict[str, Defect] = {
    "end_of_text_marker": Defect(_STRUCTURE, _append(END_MARKERS)),
    "chat_token": Defect(_STRUCTURE, _append(CHAT_TOKENS)),
    "reasoning_block": Defect(
        _STRUCTURE, _by_answer(lambda words, rng: rng.choice(THOUGHTS) + " ".join(words))
    ),
    "cut_off_prose": Defect(_STRUCTURE, _by_answer(_cut)),
    "cut_off_code": Defect(_STRUCTURE, _by_answer(_cut_code)),
    "mojibake": Defect(_STRUCTURE, _by_answer(_garble)),
    "wrong_language": Defect(_STRUCTURE, _speak_foreign),
    "one_token_loop": Defect(_STRUCTURE, _by_answer(_loop)),
    "placeholder": Defect(_STRUCTURE, _append(PLACEHOLDERS)),
    "refusal": Defect(_STRUCTURE, _by_answer(lambda words, rng: rng.choice(REFUSALS))),
    "near_duplicate": Defect(_COPIES, _by_answer(_near_copy)),
    "leaked_item": Defect(_LEAKS, _leak(lambda sources: sources.exams)),
    "rephrased_item": Defect(_LEAKS, _leak(lambda sources: sources.rephrased)),
    "mailbox": _tell(_make_mailbox, ("Write to {}.", "My e-mail is {}", "Copy {} on the reply.")),
    "phone": _tell(_make_phone, ("Call me on {}.", "My number is {}", "Phone: {}", "Or ring {} later.")),
    "card": _tell(_make_card, ("The card is {}.", "Charge it to {}, please.", "Card number: {}")),
    "address": _tell(_make_address, ("I live at {}.", "Send it to {}.", "Address: {}")),
    "hateful": Defect(frozenset({"toxicity"}), _insult),
}  # fmt: skip
