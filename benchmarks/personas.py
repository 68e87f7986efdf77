"""How various the personas of a run are: `python benchmarks/personas.py RUN_FOLDER ...`.

For each run the personas of its rows: how many there are, how many are the very same, how many are near
copies (Jaccard of words from 0.9 on, as in PersonaHub's first deduplication; arXiv:2406.20094, section 2.3),
and distinct-2, self-BLEU, compression and the chance that the next word pair is new. Figures depend on how
many there are: compare runs of one size. Without a folder, 400 personas of a script are counted, of which
every tenth is a copy and every tenth a near copy: so the truth is known.
"""

import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from synth_stack.stats.diversity import estimate_new, measure_compression, measure_distinct, measure_self_bleu
from synth_stack.text.words import list_shingles, normalise

NEAR = 0.9
WHO = "nurse baker clerk pilot judge miner poet tailor farmer welder".split()
WHERE = "Oslo Quito Hanoi Lagos Perth Turin Izmir Davao".split()
WHAT = (
    "who mends radios|who breeds bees at night|who maps caves|who keeps a ferry|who restores old maps".split(
        "|"
    )
)


def read_personas(folder: Path) -> list[str]:
    """The personas of the rows of a run that did not fail."""
    found = []
    for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA):
        for extra, failure in zip(table["extra"].to_pylist(), table["failure"].to_pylist(), strict=True):
            text = json.loads(extra or "{}").get("persona", {}).get("text")
            if text and failure is None:
                found.append(text)
    return found


def count_near(personas: Sequence[str]) -> int:
    """Personas that share NEAR of their words with an earlier one, the very same among them.

    Two sets with a Jaccard index of t share one of the first (1 - t) |x| + 1 words of each, the rarest words
    first (prefix filtering, Chaudhuri et al. 2006), so that few are compared, however many there are.
    """
    texts = [frozenset(text.split()) for text in normalise(pl.Series(personas)).to_list()]
    held = Counter(word for words in texts for word in words)
    holders: dict[str, list[frozenset[str]]] = {}
    near = 0
    for words in texts:
        rarest = sorted(words, key=lambda word: (held[word], word))
        prefix = rarest[: len(words) - math.ceil(NEAR * len(words)) + 1]
        others = (other for word in prefix for other in holders.get(word, ()))
        if any(len(words & other) >= NEAR * len(words | other) for other in others):
            near += 1
        else:
            for word in prefix:
                holders.setdefault(word, []).append(words)
    return near


def show(name: str, personas: Sequence[str]) -> None:
    texts = normalise(pl.Series(personas))
    grams = [list_shingles(texts, n) for n in (1, 2, 3, 4)]
    print(
        f"{name}: {len(personas)} personas, {len(personas) - len(set(personas))} the very same, "
        f"{count_near(personas)} near copies, distinct-2 {measure_distinct(grams[1]):.3f}, "
        f"self-BLEU {measure_self_bleu(grams):.3f}, compression {measure_compression(personas):.2f}, "
        f"a new pair of words next {estimate_new(grams[1]):.3f}"
    )


def invent() -> list[str]:
    """400 personas: of every ten one is a copy of the one before, one a copy but for a word."""
    made: list[str] = []
    for number in range(400):
        a, b, c = WHO[number % 10], WHERE[number // 10 % 8], WHAT[number // 80]
        text = f"A {a} in {b} {c}, knows numbers by heart, and has worried for {number} days about a letter."
        if number % 10 == 4:
            text = made[-1]
        elif number % 10 == 7:
            text = made[-1].replace("a letter", "the letter")
        made.append(text)
    return made


def main() -> None:
    for folder in sys.argv[1:]:
        show(folder, read_personas(Path(folder)))
    if not sys.argv[1:]:
        show("planted (40 copies, 40 near copies)", invent())


if __name__ == "__main__":
    main()
