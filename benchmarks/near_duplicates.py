"""What the dedup gate turns away of ordinary rows, and what it finds of near-duplicates planted among them.

    python benchmarks/near_duplicates.py ../shared/data/ordinary rc_en cls_template
    python benchmarks/near_duplicates.py ../shared/data/ordinary --pairs rejected.jsonl

Each corpus is judged alone: first as it is, then with one edited copy a row of up to 400 of its rows in a
second table, kind of edit after kind. An edit leaves a Jaccard similarity of at least 0.86 between the word
3-grams of the rows (white space apart, lower case), and of at least 0.85 between the words of the part that
is edited, punctuation apart: the own part of the question (its lines and sentences that no other row of the
corpus has), its other lines and sentences, or the answer. All of that is measured here, by code that the gate
does not share. Where a row is too short for an edit of some kind it gets none; "planted" says how many rows
got one. A copy counts as found when it is rejected. "turned away" and "copies" are of the corpus as it is:
all that is rejected, and what of it equals its twin word for word. With --pairs what else is rejected is
written for reading."""

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

SAMPLE_ROWS = 400
MIN_WHOLE = 0.86
MIN_PART = 0.85
SEED = 11
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
PARTS = re.compile(r"[^\n.!?。！？]+[.!?。！？]*\s*|[\n.!?。！？]+\s*")
Edit = Callable[[list[str], random.Random], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "corpora", nargs="*", help="names of files in the folder, without .jsonl (default: all)"
    )
    parser.add_argument("--pairs", type=Path, help="write rejects that are no exact copies there")
    args = parser.parse_args()
    names = args.corpora or sorted(path.stem for path in args.folder.glob("*.jsonl"))
    pairs: list[dict[str, Any]] = []
    print(f"{'corpus':20} {'rows':>6} {'turned away':>12} {'copies':>7}  planted: found")
    for name in names:
        print(describe(name, read_corpus(args.folder / f"{name}.jsonl"), pairs), flush=True)
    if args.pairs:
        args.pairs.write_text("".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))


def read_corpus(path: Path) -> pa.Table:
    from synth_stack.inputs.foreign import open_dataset, read_candidates

    return pa.concat_tables(list(read_candidates(open_dataset(path)))).combine_chunks()


def describe(name: str, table: pa.Table, pairs: list[dict[str, Any]]) -> str:
    verdicts = judge([table]).to_pylist()
    texts = dict(zip(table["row_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    away = [verdict for verdict in verdicts if verdict["outcome"] in ("reject", "hold")]
    copies = 0
    for verdict in away:
        text, twin = texts[verdict["row_id"]], texts[json.loads(verdict["evidence"])["twin"]]
        if text.lower().split() == twin.lower().split():
            copies += 1
        else:
            pairs.append({"corpus": name, "reason": verdict["reason"], "text": text, "twin": twin})
    planted, kinds = plant(table)
    outcomes = judge([table, planted])["outcome"].to_pylist()[len(table) :]
    found: Counter[str] = Counter(kind for kind, out in zip(kinds, outcomes, strict=True) if out == "reject")
    every = Counter(kinds)
    told = ", ".join(f"{kind} {found[kind]}/{every[kind]}" for kind in KINDS if every[kind])
    share = len(away) / len(table)
    recall = sum(found.values()) / max(len(kinds), 1)
    line = f"{name:20} {len(table):6} {len(away):5} {share:6.2%} {copies:7}"
    return f"{line}  {len(kinds)}: {recall:.4f} ({told})"


def judge(tables: list[pa.Table]) -> pa.Table:
    """Verdicts of the gate with its defaults."""
    from synth_stack.gates.dedup.gate import dedup

    gate = dedup()
    state: dict[str, pa.Table] = {}
    for step in gate.rounds:
        state |= step.merge(iter([step.sketch(table, dict(state)) for table in tables]), dict(state))
    return pa.concat_tables([gate.judge(table, state) for table in tables])


def plant(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Edited copies of some rows of a corpus, and the kind of edit of each."""
    from synth_stack.rows.schemas import build_candidates
    from synth_stack.rows.texts import join_text

    rng = random.Random(SEED)
    every = [row for row in table.to_pylist() if row["messages"] and row["failure"] is None]
    counts = Counter(part for row in every for part in set(split_parts(ask(row))))
    rows, kinds = [], []
    for number, row in enumerate(rng.sample(every, min(SAMPLE_ROWS, len(every)))):
        for kind in list(KINDS)[number % len(KINDS) :] + list(KINDS)[: number % len(KINDS)]:
            messages = KINDS[kind](row["messages"], counts, rng)
            if messages is None:
                continue
            text = join_text(messages, row["alternatives"])
            if measure(grams(text), grams(row["text"])) >= MIN_WHOLE:
                kept = {k: v for k, v in row.items() if k not in ("row_id", "failure")}
                rows.append({**kept, "messages": messages, "text": text, "draw": len(table) + number})
                kinds.append(kind)
                break
    return build_candidates(rows), kinds


def ask(row: dict[str, Any]) -> str:
    return "\n".join(m["content"] or "" for m in row["messages"] if m["role"] == "user")


def split_parts(text: str) -> list[str]:
    return PARTS.findall(text)


def edit_question(edit: Edit, *, shared: bool = False) -> Callable[..., list[dict[str, Any]] | None]:
    """Edits the own part of the questions of a row, or what other rows have too."""

    def change(
        messages: list[dict[str, Any]], counts: Counter[str], rng: random.Random
    ) -> list[dict[str, Any]] | None:
        asked = [number for number, message in enumerate(messages) if message["role"] == "user"]
        if not asked:
            return None
        number = asked[-1]
        parts = split_parts(messages[number]["content"] or "")
        places = [k for k, part in enumerate(parts) if (counts[part] > 1) == shared and part.strip()]
        if not places:
            return None
        edited = edit_parts(parts, places, edit, rng)
        return None if edited is None else put(messages, number, "".join(edited))

    return change


def edit_answer(edit: Edit) -> Callable[..., list[dict[str, Any]] | None]:
    def change(
        messages: list[dict[str, Any]], _: Counter[str], rng: random.Random
    ) -> list[dict[str, Any]] | None:
        number = len(messages) - 1
        said = messages[number]["content"]
        if messages[number]["role"] != "assistant" or not said:
            return None
        edited = edit_parts([said], [0], edit, rng)
        return None if edited is None else put(messages, number, edited[0])

    return change


def edit_parts(parts: list[str], places: list[int], edit: Edit, rng: random.Random) -> list[str] | None:
    """The parts with one of the named ones edited; None where the words of them all change too much."""
    place = max(places, key=lambda k: (len(parts[k]), rng.random()))
    words = re.split(r"(\s+)", parts[place])
    if UNSPACED.search(parts[place]):
        words = list(parts[place])
    changed = [*parts[:place], "".join(edit(words, rng)), *parts[place + 1 :]]
    before, after = (tokens("".join(some[k] for k in places)) for some in (parts, changed))
    return changed if measure(before, after) >= MIN_PART and changed != parts else None


def put(messages: list[dict[str, Any]], number: int, content: str) -> list[dict[str, Any]]:
    return [*messages[:number], {**messages[number], "content": content}, *messages[number + 1 :]]


def tokens(text: str) -> set[str]:
    spaced = UNSPACED.sub(lambda found: f" {found[0]} ", text.lower())
    return {stripped for word in spaced.split() if (stripped := word.strip(".,;:!?\"'()[]。，？！、"))}


def grams(text: str) -> set[tuple[str, ...]]:
    words = UNSPACED.sub(lambda found: f" {found[0]} ", text.lower()).split()
    return {tuple(words[k : k + 3]) for k in range(max(len(words) - 2, 1))}


def measure(one: set[Any], other: set[Any]) -> float:
    return len(one & other) / max(len(one | other), 1)


def pick(words: list[str], rng: random.Random) -> int:
    """The place of a word of some letters, where there is one."""
    long = [k for k, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    return rng.choice(long or [k for k, word in enumerate(words) if word.strip()] or [0])


def exchange(words: list[str], rng: random.Random) -> list[str]:
    k = pick(words, rng)
    return [*words[:k], rng.choice(["thing", "other", "matter"]), *words[k + 1 :]]


def insert(words: list[str], rng: random.Random) -> list[str]:
    k = pick(words, rng)
    return [*words[:k], rng.choice(["really", "indeed", "then"]), " ", *words[k:]]


def swap(words: list[str], rng: random.Random) -> list[str]:
    k = pick(words, rng)
    j = next((j for j in range(k + 1, len(words)) if words[j].strip()), k)
    changed = [*words]
    changed[k], changed[j] = changed[j], changed[k]
    return changed


def mistype(words: list[str], rng: random.Random) -> list[str]:
    k = pick(words, rng)
    j = rng.randrange(max(len(words[k]) - 1, 1))
    return [*words[:k], words[k][:j] + words[k][j + 1 :], *words[k + 1 :]]


def punctuate(words: list[str], rng: random.Random) -> list[str]:
    text = "".join(words)
    core = text.rstrip()
    changed = core.rstrip(".!?。！？") if core[-1:] in ".!?。！？" else core + "!"
    return [*(changed[:1].swapcase() + changed[1:]), *text[len(core) :]]


def copy(messages: list[dict[str, Any]], _: Counter[str], __: random.Random) -> list[dict[str, Any]]:
    return [{**m, "content": f"{m['content']}  " if m["content"] else m["content"]} for m in messages]


KINDS: dict[str, Callable[..., list[dict[str, Any]] | None]] = {
    "copy": copy,
    "punctuation": edit_question(punctuate),
    "typo": edit_question(mistype),
    "word exchanged": edit_question(exchange),
    "word inserted": edit_question(insert),
    "words swapped": edit_question(swap),
    "shared text edited": edit_question(exchange, shared=True),
    "answer edited": edit_answer(exchange),
}

if __name__ == "__main__":
    main()
