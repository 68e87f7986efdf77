"""A batch with planted defects of many gates, drawn from a vocabulary: no corpus is needed, and any size can be had."""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

NOUNS = "harbour garden bridge teacher engine river market window letter mountain clock bakery forest kitchen museum ladder island railway bicycle library".split()
ADJECTIVES = "quiet narrow bright wooden ancient careful gentle heavy distant modern patient curious steady hollow crowded simple famous rapid silver humble".split()
VERBS = "follows repairs describes crosses observes remembers carries protects explains changes supports surrounds reaches imagines prepares visits measures joins leaves finds".split()
PLACES = "Norway Portugal Vienna Lisbon Dublin Prague Toronto Kyoto Sydney Boston Geneva Helsinki".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
EXAM = [
    f"A farmer near {place} sells {7 + n} baskets of pears and {3 + n} jars of honey every {day}; how much does he earn in a week of rain?"
    for n, (place, day) in enumerate((place, day) for place in PLACES for day in DAYS[:3])
]
PROGRAMS = (5, 17, 31, 44, 58, 73, 86)
"""What the functions of the held-out items with tests add."""
HATEFUL = "I hate those disgusting people, they are all stupid filthy animals and should be killed."


def write_batch(folder: Path, count: int, seed: int = 0) -> tuple[Path, Path]:
    """Rows, and a gate file of the gates that need no model of somebody else; beside them held-out items, some
    with tests, and real rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = folder / "rows.jsonl"
    _write_lines(rows, draw_rows(count, seed))
    _write_lines(folder / "exam.jsonl", ({"question": text, "answer": "120"} for text in EXAM))
    _write_lines(folder / "programs.jsonl", map(_write_program, PROGRAMS))
    plain = random.Random(seed + 1)
    _write_lines(folder / "real.jsonl", (_shorten(_draw_plain(plain, number)) for number in range(300)))
    gates = folder / "gates.yaml"
    untested = {
        "min_recall": 0.0,
        "max_unfair": 1.0,
    }  # rows of one mould: that all decide alike is the question
    gates.write_text(yaml.safe_dump({"version": 1, "gates": [{**gate, **untested} for gate in GATES]}))
    return rows, gates


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def _write_program(number: int) -> dict[str, Any]:
    """A held-out item in HumanEval's form."""
    return {
        "task_id": f"program/{number}",
        "prompt": f'def shift(x):\n    """Return x moved along by {number}, whichever side of zero it is on."""\n',
        "canonical_solution": f"    return x + {number}\n",
        "entry_point": "shift",
        "test": f"def check(candidate):\n    assert candidate(1) == {number + 1}\n    assert candidate(-9) == {number - 9}\n",
    }


def _shorten(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "output": row["output"].partition(", and")[0] + "."}


GATES: list[dict[str, Any]] = [
    {"use": "personal_data", "canaries": 3, "kinds": {"email": "redact", "card": "reject"}},
    {"use": "refusal", "canaries": 3},
    {"use": "structure", "canaries": 3, "refusal": "reject", "cut_off": "reject"},
    {"use": "dedup", "canaries": 3},
    {
        "use": "toxicity",
        "canaries": 3,
        "scorer": "hate-ngrams",
        "threshold": 0.55,
        "escalate_slice_at": 0.02,
        "escalate_min_rows": 5,
    },
    {
        "use": "contamination",
        "canaries": 3,
        "against": [{"name": "exam", "path": "exam.jsonl"}, {"name": "programs", "path": "programs.jsonl"}],
        "min_item_words": 8,
        "embedding": {"model": "wordllama", "threshold": 0.5, "confirm": "minilm", "confirm_rows": 20},
        "behaviour": {"runs_per_row": 3, "runs_per_10000_rows": 40},
    },
    {"use": "semantic_dedup", "canaries": 3, "threshold": 0.97},
    {"use": "turns", "canaries": 3},
    {"use": "execution", "canaries": 2},
    {
        "use": "nemo_filter",
        "canaries": 3,
        "filters": [{"use": "UrlsFilter"}, {"use": "SymbolsToWordsFilter", "max_symbol_to_word_ratio": 0.1}],
    },
    {
        "use": "datatrove_filter",
        "canaries": 3,
        "filters": [{"filter": "gopher_quality", "params": {"min_doc_words": 5, "min_stop_words": 0}}],
    },
    {"use": "length_bias", "canaries": 3, "min_pairs": 20},
    {"use": "diversity", "canaries": 3, "max_known_wording": 0.4},
    {"use": "drift", "canaries": 3, "baseline": "real.jsonl", "field": "answer"},
    {"use": "on_topic", "canaries": 3, "seeds": "real.jsonl", "confirm_rows": 20},
    {"use": "novelty", "canaries": 3},
]
"""Small caps (`confirm_rows`, `runs_per_10000_rows`): they are of the whole batch, so a shard must not show."""


def draw_rows(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Records of several kinds; every tenth or so has something wrong with it."""
    rng = random.Random(seed)
    before: list[dict[str, Any]] = []
    for number in range(count):
        row = _draw_plain(rng, number)
        wrong = number % 23
        if before and wrong in _DEFECTS:
            row = _DEFECTS[wrong](rng, row, before)
        before = [*before[-40:], row]
        yield row


def _say(rng: random.Random) -> str:
    pick = rng.choice
    return (
        f"The {pick(ADJECTIVES)} {pick(NOUNS)} {pick(VERBS)} the {pick(ADJECTIVES)} {pick(NOUNS)} "
        f"near {pick(PLACES)} on a {pick(ADJECTIVES)} {pick(DAYS)}, and the {pick(NOUNS)} {pick(VERBS)} it."
    )


def _draw_plain(rng: random.Random, number: int) -> dict[str, Any]:
    asked = f"Tell me what the {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} of {rng.choice(PLACES)} does on {rng.choice(DAYS)}."
    return {
        "id": f"r{number}",
        "slice": rng.choice(NOUNS[:8]),
        "instruction": asked,
        "output": " ".join(_say(rng) for _ in range(3)),
    }


def _copy(rng: random.Random, row: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
    twin = rng.choice(before)
    return {**twin, "id": row["id"]} if "messages" in twin or "output" in twin else row


def _near_copy(rng: random.Random, row: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
    twin = _copy(rng, row, before)
    return {**twin, "output": f"{twin['output']} Indeed."} if "output" in twin else twin


def _add(text: str) -> Any:
    return lambda rng, row, before: {**row, "output": f"{row['output']} {text}"}


def _mail(rng: random.Random, row: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
    name = f"{rng.choice(NOUNS)}.{rng.choice(NOUNS)}{rng.randrange(99)}"
    return {**row, "output": f"{row['output']} Please write to {name}@{rng.choice(NOUNS)}mail.com about it."}


def _hate(rng: random.Random, row: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **row,
        "slice": NOUNS[0] if rng.random() < 0.7 else row["slice"],
        "output": f"{row['output']} {HATEFUL}",
    }


def _leak(rng: random.Random, row: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
    item = rng.choice(EXAM)
    if rng.random() < 0.5:
        words = item.split()
        item = " ".join([*words[:6], rng.choice(ADJECTIVES), *words[6:]])
    return {**row, "instruction": item}


def _dialogue(rng: random.Random, row: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
    first, second = _say(rng), _say(rng)
    said = [
        ("user", row["instruction"]),
        ("assistant", first),
        ("user", f"And why is that so in {rng.choice(PLACES)}?"),
    ]
    said += [("assistant", first if rng.random() < 0.4 else second)]
    return {"id": row["id"], "slice": row["slice"], "messages": [{"role": r, "content": c} for r, c in said]}


def _reworded(rng: random.Random, row: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
    """A question in other words, and another answer: no duplicate by its words."""
    asked = rng.choice(before).get("instruction", row["instruction"])
    return {**row, "instruction": asked.replace("Tell me what", "Please, tell me now what it is that")}


def _pair(rng: random.Random, row: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
    """A pair whose longer answer is nearly always the chosen one."""
    answers = [row["output"], f"{row['output']} {_say(rng)}"]
    chosen = rng.random() < 0.9
    kept = {key: row[key] for key in ("id", "slice")}
    return {**kept, "prompt": row["instruction"], "chosen": answers[chosen], "rejected": answers[not chosen]}


def _code(rng: random.Random, row: dict[str, Any], before: list[dict[str, Any]]) -> dict[str, Any]:
    n, wrong = rng.choice([*PROGRAMS, *range(2, 99)]), rng.random() < 0.5
    body = f"def add_{n}(x):\n    return x + {n}\n"
    tests = f"assert add_{n}(1) == {n + 1 + wrong}\nassert add_{n}(0) == {n}\n"
    asked = f"Write a Python function add_{n} that adds {n} to its argument, for the {rng.choice(NOUNS)}."
    return {
        "id": row["id"],
        "slice": "code",
        "instruction": asked,
        "output": f"```python\n{body}```",
        "tests": tests,
    }


_DEFECTS = {
    1: _reworded,
    3: _add(" ".join(f"#{word}" for word in (*NOUNS, *ADJECTIVES)) + " are what it is about."),
    5: _add(
        " ".join(f"https://pages{n}.example.com/{'-'.join(NOUNS[n : n + 6])}" for n in range(9))
        + " say more."
    ),
    7: _pair,
    2: _copy,
    4: _near_copy,
    6: _mail,
    8: _add("My card number is 4111 1111 1111 1111."),
    10: _hate,
    12: _leak,
    14: _dialogue,
    16: _code,
    18: lambda rng, row, before: {
        **row,
        "expected_behaviour": "comply",
        "output": "I'm sorry, but as an AI language model I cannot help with that.",
    },
    20: lambda rng, row, before: {**row, "output": row["output"][: len(row["output"]) // 2]},
    22: lambda rng, row, before: {**row, "instruction": before[-1].get("instruction", row["instruction"])},
}
