import random
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from synth_stack.errors import ConfigError
from synth_stack.gates.contamination.eval_sets import EvalItems, Fault
from synth_stack.gates.contamination.ngram_overlap import describe_overlap, find_overlaps, index_words
from synth_stack.gates.contamination.overlap_rules import Convention, choose_rule
from synth_stack.rows.canonical import Digest

WORDS = [f"w{k}" for k in range(200)]
CAFES = "Le café de la rue où l’on sert du thé glacé dès l’aube est fermé le lundi."


def make_set(
    prompts: Sequence[str], answers: Sequence[str | None] | None = None, name: str = "exam"
) -> EvalItems:
    n = len(prompts)
    nothing: list[str | None] = [None] * n
    return EvalItems(
        name=name,
        sha256=Digest("0" * 64),
        ids=[str(k) for k in range(n)],
        prompts=list(prompts),
        answers=list(answers or nothing),
        entry_points=nothing,
        tests=nothing,
    )


def find(
    sets: Sequence[EvalItems], rows: Sequence[str | None], convention: Convention = "run", **numbers: int
) -> dict[int, Fault]:
    index = index_words(sets, choose_rule(convention, **numbers))
    found, _ = find_overlaps(index, pl.Series(rows, dtype=pl.String))
    return {row: describe_overlap(index, overlap, rows[row] or "") for row, overlap in found.items()}


def evidence_of(fault: Fault) -> dict[str, Any]:
    return fault[1]


def test_the_evidence_names_item_part_span_and_coverage() -> None:
    item = " ".join(WORDS[:20])
    row = f"Well: {' '.join(WORDS[2:17]).upper()}, and so on."
    ((at, (reason, shown)),) = find([make_set(["short", item])], ["nothing", row]).items()
    assert (at, reason) == (1, "shared n-gram: with the prompt of exam/1")
    assert shown == {
        "part": "prompt",
        "eval_set": "exam",
        "item": "1",
        "item_text": item,
        "span": row[6 : row.index(" and")],
        "start": 6,
        "end": row.index(" and"),
        "shared_words": 15,
        "coverage": 0.75,
    }


def test_an_answer_is_looked_for_too_and_the_right_set_is_named() -> None:
    sets = [make_set(["a b c"], name="first"), make_set(["d", "e"], [None, " ".join(WORDS)], name="second")]
    ((_, (reason, shown)),) = find(sets, [" ".join(WORDS[50:70])]).items()
    assert reason == "shared n-gram: with the answer of second/1"
    assert (shown["shared_words"], shown["coverage"]) == (20, 0.1)


@pytest.mark.parametrize(
    ("convention", "shared", "found"),
    [
        ("run", 11, False),
        ("run", 12, True),
        ("gpt3-13gram", 12, False),
        ("gpt3-13gram", 13, True),
        ("tulu3-8gram-50", 20, False),
        ("tulu3-8gram-50", 21, True),
        # 33 8-grams in 40 words: 70% are 23.1, so 24 of them, which 31 words hold
        ("palm-8gram-70", 30, False),
        ("palm-8gram-70", 31, True),
    ],
)
def test_each_convention_has_its_bar(convention: Convention, shared: int, found: bool) -> None:
    item = make_set([" ".join(WORDS[:40])])
    row = " ".join([*WORDS[100:120], *WORDS[5 : 5 + shared], *WORDS[120:140]])
    assert bool(find([item], [row], convention)) is found


def test_coverage_adds_up_what_is_scattered_over_the_row() -> None:
    item = make_set([" ".join(WORDS[:40])])
    pieces = [*WORDS[:9], "x", *WORDS[12:21], "y", *WORDS[30:39]]
    row = " ".join(pieces)
    assert find([item], [row]) == {}
    ((_, fault),) = find([item], [row], "tulu3-8gram-50").items()
    assert evidence_of(fault)["shared_words"] == 27
    assert evidence_of(fault)["span"] == " ".join(WORDS[:9])
    assert find([item], [row], "palm-8gram-70") == {}


def test_a_short_item_that_is_covered_wins_over_a_long_one_that_is_not() -> None:
    longer = [" ".join([*WORDS[:30], *[f"v{k}-{j}" for j in range(100)]]) for k in range(6)]
    sets = [make_set([*longer, " ".join(WORDS[:10])])]
    for convention in ("tulu3-8gram-50", "palm-8gram-70"):
        ((_, fault),) = find(sets, [" ".join(WORDS[:30])], convention).items()
        assert evidence_of(fault)["item"] == "6"


@pytest.mark.parametrize("words", [8, 9, 10, 11])
def test_an_item_shorter_than_the_ngram_has_to_occur_whole(words: int) -> None:
    item = make_set([" ".join(WORDS[:words])])
    whole, cut = " ".join(WORDS[:words]), " ".join(WORDS[: words - 1])
    assert list(find([item], [f"so {whole} then", f"so {cut} then"])) == [0]


def test_a_form_of_words_that_many_items_begin_with_hides_none_of_them() -> None:
    form = "The following is a multiple choice question about the topic of"
    items = make_set([f"{form} item {k} and its {k}th neighbour" for k in range(500)])
    rows = [f"{form} gardening.", f"Say: {form} item 499 and its 499th neighbour"]
    ((row, fault),) = find([items], rows).items()
    assert (row, evidence_of(fault)["item"]) == (1, "499")


def test_a_form_of_twelve_words_that_all_items_share_is_an_overlap_with_the_first() -> None:
    form = " ".join(WORDS[:12])
    ((_, fault),) = find([make_set([f"{form} a{k} b{k}" for k in range(200)])], [f"x {form} y"]).items()
    assert evidence_of(fault)["item"] == "0"


def test_accents_punctuation_and_case_do_not_hide_an_item_and_offsets_hold() -> None:
    row = "«" + CAFES.upper().replace(" ", "  ") + "» dit-il."
    ((_, fault),) = find([make_set([CAFES])], [row]).items()
    shown = evidence_of(fault)
    assert shown["span"] == row[shown["start"] : shown["end"]]
    assert shown["span"].startswith("«LE") or shown["span"].startswith("LE")
    assert shown["coverage"] == 1.0


def test_rows_without_words_and_sets_without_items_find_nothing() -> None:
    assert find([make_set(["", "a"])], [None, "", "?!", "a"]) == {}
    assert find([], ["a b c"]) == {}


def test_items_that_are_too_short_are_counted_by_set() -> None:
    sets = [
        make_set(["a b", " ".join(WORDS[:8])]),
        make_set(["a"], ["b"]),
        make_set(["a"], [" ".join(WORDS)]),
    ]
    assert list(index_words(sets, choose_rule("run")).skipped) == [1, 1, 0]


@pytest.mark.parametrize("numbers", [{"ngram": 9}, {"min_item_words": 5}])
def test_a_named_convention_leaves_its_numbers_alone(numbers: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="tulu3-8gram-50 fixes its own numbers; seen: ngram"):
        choose_rule("tulu3-8gram-50", **numbers)


def test_a_text_that_repeats_an_item_ten_thousand_times_is_one_finding() -> None:
    item = " ".join(WORDS[:30])
    ((_, fault),) = find([make_set([item] * 100)], [f"{item} " * 10_000]).items()
    assert evidence_of(fault)["coverage"] == 1.0
    assert evidence_of(fault)["span"] == item


def test_every_planted_run_is_found_and_nothing_else() -> None:
    rng = random.Random(3)
    vocabulary = [f"word{k}" for k in range(400)]
    weights = [1 / (k + 10) for k in range(400)]

    def say(n: int) -> list[str]:
        return rng.choices(vocabulary, weights, k=n)

    items = [say(rng.randint(5, 60)) for _ in range(300)]
    sets = [
        make_set([" ".join(i) for i in items[:150]]),
        make_set(["none"] * 150, [" ".join(i) for i in items[150:]]),
    ]
    rows, planted = [], set()
    for row in range(400):
        spoken = say(rng.randint(20, 100))
        if row % 5 == 0:
            item = rng.choice([i for i in items if len(i) >= 12])
            start = rng.randint(0, len(item) - 12)
            length = rng.randint(12, len(item) - start)
            at = rng.randint(0, len(spoken))
            spoken = spoken[:at] + item[start : start + length] + spoken[at:]
            planted.add(row)
        rows.append(" ".join(spoken))
    truth = {r for r, row in enumerate(rows) if shares_a_run(row.split(), items, 12, 8)}
    assert planted <= truth
    assert set(find(sets, rows)) == truth


def shares_a_run(row: list[str], items: list[list[str]], n: int, fewest: int) -> bool:
    runs: dict[int, set[tuple[str, ...]]] = {}
    for item in items:
        size = min(n, len(item))
        if size >= fewest:
            runs.setdefault(size, set()).update(
                tuple(item[k : k + size]) for k in range(len(item) - size + 1)
            )
    return any(tuple(row[k : k + size]) in known for size, known in runs.items() for k in range(len(row)))
