"""Where the parts of an evaluation item stand, in the forms in which sets are published.

    MMLU            question, choices (a list), answer (an index); or the archive's CSV without a header
    ARC             question (text, or {stem, choices}), choices {text, label}, answerKey
    GSM8K, MATH     question, answer; problem, solution
    HumanEval       prompt, canonical_solution, entry_point, test
    MBPP            text or prompt, code, test_list, test_setup_code or test_imports
    BBH             input, target; or {examples: [...]}
    IFEval          key, prompt
    TruthfulQA      question, best_answer, correct_answers, incorrect_answers; or mc1_targets
                    {choices, labels}
    MT-Bench        question_id, turns (a list), reference
    XQuAD, SQuAD    question, context, answers {text}; or {data: [{paragraphs: [{context, qas: [...]}]}]}

A column is known by its name, without case, with `_` for a space or a hyphen. What a set calls its parts in
another way, its entry in the gate file names.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from synth_stack.errors import InputError

ROLES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "task_id", "question_id", "key", "unique_id", "prompt_id"),
    "prompt": (
        *("prompt", "question", "instruction", "problem", "input", "turns", "goal", "question_stem"),
        *("ctx", "sentence", "text"),
    ),
    "answer": (
        *("answer", "output", "canonical_solution", "response", "solution", "target", "best_answer"),
        *("correct_answer", "code", "answers", "answerkey", "label", "reference"),
    ),
    "passage": ("context", "passage", "article"),
    "choices": ("choices", "options", "endings", "mc1_targets"),
    "entry_point": ("entry_point",),
    "test": ("test", "test_list"),
}
"""The columns of each part, the first that a record has counts. `text` alone makes a set of prompts."""

MAX_FIELD_CHARS = 1_000_000
"""A longer prompt, answer or test is no part of an item: 200 times the longest of GSM8K and HumanEval."""
MAX_CHOICES = 100
"""More are no choice: of the forms above the longest list has 24."""

_CHOICE_COLUMNS = (
    ("correct_answers", "incorrect_answers"),
    ("correct_answer", "incorrect_answer_1", "incorrect_answer_2", "incorrect_answer_3"),
    tuple("abcdefghij"),
    ("option1", "option2"),
    ("sol1", "sol2"),
)
_LETTERS = "ABCDEFGHIJ"
_MMLU_CSV = ("question", "A", "B", "C", "D", "answer")
_DEFINED = re.compile(r"^def[ \t]+(\w+)[ \t]*\(", re.MULTILINE)
_PROGRAM_PARTS = ("test_setup_code", "test_imports")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ItemParts:
    """One item: what is asked, apart from the passage that it is asked of and the choices that it offers."""

    id: str | None
    prompt: str
    answer: str | None
    passage: str | None
    choices: tuple[str, ...]
    entry_point: str | None
    test: str | None

    @property
    def says_something(self) -> bool:
        """Whether it has a prompt, a passage or choices, and not an answer alone."""
        return any(part and part.strip() for part in (self.prompt, self.passage, *self.choices))


def unfold(place: str, record: Row) -> Iterator[tuple[str, Row]]:
    """The items of a record: itself, or what SQuAD's and BBH's files hold inside one object."""
    if isinstance(data := record.get("data"), list) and all(map(_has_paragraphs, data)):
        numbers = itertools.count(1)
        for paragraph in (p for one in data for p in one["paragraphs"]):
            if not isinstance(paragraph, dict) or not isinstance(paragraph.get("qas"), list):
                raise InputError(f"{place}: a paragraph without a list `qas`", seen=paragraph)
            for qa in paragraph["qas"]:
                yield (
                    f"question {next(numbers)}",
                    {"context": paragraph.get("context"), **_require(qa, place)},
                )
    elif isinstance(found := record.get("examples"), list) and all(isinstance(e, dict) for e in found):
        yield from ((f"example {k}", example) for k, example in enumerate(found, start=1))
    elif isinstance(question := record.get("question"), dict) and "stem" in question:
        yield place, {**record, "question": question["stem"], "choices": question.get("choices")}
    else:
        yield place, record


def name_headless(header: Sequence[str]) -> tuple[str, ...] | None:
    """The columns of a CSV whose first line is an item already, as in MMLU's archive; None for others."""
    if len(header) == len(_MMLU_CSV) and header[-1].strip() in _LETTERS[:4] and header[-1].strip():
        return _MMLU_CSV
    return None


def fold_name(column: str) -> str:
    """The name by which a column is known."""
    return column.strip().casefold().replace(" ", "_").replace("-", "_")


def read_item(record: Row, named: Mapping[str, str], where: str) -> ItemParts:
    """The parts of a record; `named` gives columns by role where they are not those of ROLES.

    An answer that is the letter or the number of a choice is read as that choice. An instruction and its
    input are one prompt, turns too. Raises InputError for a part that is no text.
    """
    known = {fold_name(column): column for column in record}

    def find(role: str) -> str | None:
        if role in named:
            return named[role]
        return next((known[n] for n in ROLES[role] if record.get(known.get(n, "")) is not None), None)

    def read(role: str) -> str | None:
        column = find(role)
        return None if column is None else read_text(record.get(column), f"{where}: {column}")

    choices, right = _read_choices(record, known, named.get("choices") or find("choices"), where)
    column = find("answer")
    answer = None if column is None else _read_answer(record.get(column), choices, f"{where}: {column}")
    if column is not None and fold_name(column) in {"label", "answerkey"} and not choices:
        answer = None  # the number of a class, or of choices that are not there
    prompt = read("prompt") or ""
    asked, given = find("prompt"), known.get("input")
    if asked is not None and given not in {None, asked} and fold_name(asked) == "instruction":
        prompt = "\n\n".join(x for x in (prompt, read_text(record[given], f"{where}: {given}")) if x)
    entry_point, test = _read_program(record, known, named, find, where)
    answer = right if answer is None else answer
    return ItemParts(read("id"), prompt, answer, read("passage"), choices, entry_point, test)


def read_text(value: Any, where: str) -> str | None:
    """A text, a number as it is written, or the texts of a list (or of `{"text": [...]}`), line by line."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        value = value["text"][:1]  # SQuAD's answers: several readers' wordings of one
    if isinstance(value, list) and all(isinstance(x, str) or x is None for x in value):
        value = "\n\n".join(x for x in value if x) or None
    if isinstance(value, list) and value and all(isinstance(x, dict) and "text" in x for x in value):
        value = value[0]["text"]
    if isinstance(value, str):
        if len(value) > MAX_FIELD_CHARS:
            raise InputError(
                f"{where} is too long",
                seen=f"{len(value)} characters",
                allowed=f"at most {MAX_FIELD_CHARS}",
            )
        return value
    if value is None or value == []:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"{where} is not text", seen=value, allowed="a string", mend="Name another column.")


def _has_paragraphs(article: Any) -> bool:
    return isinstance(article, dict) and isinstance(article.get("paragraphs"), list)


def _require(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{place}: a question that is no object", seen=value)
    return value


def _read_choices(
    record: Row, known: Mapping[str, str], column: str | None, where: str
) -> tuple[tuple[str, ...], str | None]:
    """The choices, and the right one where the column itself says which that is."""
    if column is None:
        for names in _CHOICE_COLUMNS:
            there = [known[name] for name in names if record.get(known.get(name, "")) not in (None, "")]
            if len(there) > 1:
                parts = [c for name in there for c in _list_texts(record[name], f"{where}: {name}")]
                return _check_choices(parts, where), None
        return (), None
    value = record.get(column)
    right = None
    if isinstance(value, Mapping) and isinstance(value.get("labels"), list):
        texts = value.get("choices")
        right = next((t for t, mark in zip(texts or [], value["labels"], strict=False) if mark == 1), None)
        value = texts
    elif isinstance(value, Mapping) and "text" in value:
        value = value["text"]
    texts = _list_texts(value, f"{where}: {column}")
    return _check_choices(texts, where), right if isinstance(right, str) else None


def _list_texts(value: Any, where: str) -> list[str]:
    """The texts of a list, of a list of `{"text": ...}`, of JSON that holds one, or parted by semicolons."""
    if isinstance(value, str):
        if len(value) > MAX_FIELD_CHARS:
            raise InputError(f"{where} is too long", seen=f"{len(value)} characters")
        if value.lstrip().startswith("["):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError:
                value = [value]
        else:
            value = re.split(r"[;\n]", value)
    if value is None:
        return []
    if not isinstance(value, list):
        value = [value]
    texts = [x["text"] if isinstance(x, Mapping) and "text" in x else x for x in value]
    return [text.strip() for x in texts if (text := read_text(x, where)) and text.strip()]


def _check_choices(choices: Sequence[str], where: str) -> tuple[str, ...]:
    if len(choices) > MAX_CHOICES:
        raise InputError(f"{where}: too many choices", seen=len(choices), allowed=f"at most {MAX_CHOICES}")
    return tuple(choices)


def _read_answer(value: Any, choices: tuple[str, ...], where: str) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    answer = read_text(value, where)
    if not choices or answer is None:
        return answer
    mark = answer.strip()
    if mark in choices:
        return mark
    if mark.isdecimal() and len(mark) < 3:
        at = int(mark)
    elif len(mark) == 1 and mark.upper() in _LETTERS:
        at = _LETTERS.index(mark.upper())
    else:
        return answer
    return choices[at] if at < len(choices) else None


def _read_program(
    record: Row, known: Mapping[str, str], named: Mapping[str, str], find: Any, where: str
) -> tuple[str | None, str | None]:
    """The name of a function and its tests: HumanEval's columns, or MBPP's list of asserts."""
    if "entry_point" in named or "entry_point" in known:
        entry, test = find("entry_point"), named.get("test") or known.get("test")
        if entry is None and test is None:
            return None, None
        texts = [read_text(record.get(c), f"{where}: {c}") if c else None for c in (entry, test)]
        return texts[0], texts[1]
    tests, code = record.get(known.get("test_list", "")), record.get(known.get("code", ""))
    if not isinstance(tests, list) or not isinstance(code, str) or len(code) > MAX_FIELD_CHARS:
        return None, None
    asserts = read_text(tests, f"{where}: test_list") or ""
    entry = next((n for n in _DEFINED.findall(code) if f"{n}(" in asserts), None)
    before = [read_text(record.get(known.get(c, "")), f"{where}: {c}") for c in _PROGRAM_PARTS]
    return entry, "\n".join([b for b in before if b] + [asserts]) if entry else None
