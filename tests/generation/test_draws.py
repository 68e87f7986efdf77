"""What is drawn: the same for the same run, evenly over the slices, and no example twice in a prompt."""

from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

from synth_stack.generation.draws import Aim, Plan, cut_to_sentences
from synth_stack.inputs.seeds import SEED_SCHEMA, Corpus, Topic

SEEDS_BY_SLICE = {"billing/refund": 5, "orders/late": 3, "orders/lost": 1}


def make_corpus() -> Corpus:
    rows = [
        {"seed_id": f"{slice_}-{k}", "slice": slice_, "locale": "en-GB", "text": f"{slice_} text {k}"}
        for slice_, count in SEEDS_BY_SLICE.items()
        for k in range(count)
    ]
    topics = {
        s: Topic(slice=s, title=s, description="d", policy="p#q" if s == "orders/late" else None)
        for s in SEEDS_BY_SLICE
    }
    return Corpus(pa.Table.from_pylist(rows, schema=SEED_SCHEMA), topics, {"p#q": "We refund at once."})


def make_plan(
    *, run_seed: int = 1, method: str = "m", first: int = 0, count: int = 30, examples: int = 0
) -> Plan:
    return Plan(make_corpus(), "a shop", run_seed, method, first, count, examples)


@pytest.mark.parametrize("size", [1, 4, 7, 30, 100])
def test_the_items_are_the_same_whatever_the_batch_size(size: int) -> None:
    whole = [make_plan(examples=3).item(i) for i in range(30)]
    batches = list(make_plan(examples=3).batches(size))
    assert [item for batch in batches for item in batch] == whole
    assert {len(batch) for batch in batches[:-1]} <= {size}


def test_an_item_is_the_same_when_nothing_before_it_was_planned() -> None:
    assert make_plan(examples=2).item(17) == next(make_plan(examples=2).batches(30))[17]


def test_a_shorter_plan_begins_like_a_longer_one() -> None:
    assert next(make_plan(count=4).batches(4)) == next(make_plan(count=30).batches(4))


def test_every_slice_comes_once_in_each_round_in_an_order_that_changes() -> None:
    drawn = [item["slice"] for item in next(make_plan().batches(30))]
    rounds = [drawn[k : k + 3] for k in range(0, 30, 3)]
    assert all(set(round_) == set(SEEDS_BY_SLICE) for round_ in rounds)
    assert len({tuple(round_) for round_ in rounds}) > 1


def test_run_seed_method_and_draw_each_change_the_random_seed() -> None:
    plans = [make_plan(), make_plan(run_seed=2), make_plan(method="n"), make_plan(first=30)]
    seeds = [item["rng_seed"] for plan in plans for item in next(plan.batches(30))]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_draws_are_numbered_from_the_first_of_the_method() -> None:
    assert [item["draw"] for item in next(make_plan(first=100).batches(3))] == [100, 101, 102]


def test_examples_are_the_seed_and_others_of_its_slice_and_never_repeat() -> None:
    for item in next(make_plan(examples=4).batches(30)):
        assert len(item["examples"]) == min(4, SEEDS_BY_SLICE[item["slice"]])
        assert len(set(item["example_ids"])) == len(item["example_ids"])
        assert item["seed_id"] in item["example_ids"]
        assert {id_.rsplit("-", 1)[0] for id_ in item["example_ids"]} == {item["slice"]}


def test_without_examples_none_are_drawn() -> None:
    assert make_plan().item(0)["examples"] == make_plan().item(0)["example_ids"] == []


def test_an_item_carries_its_topic_and_the_section_that_answers_it() -> None:
    items = {item["slice"]: item for item in next(make_plan().batches(3))}
    assert items["orders/late"]["grounding"] == "We refund at once."
    assert items["orders/lost"]["grounding"] is None
    assert items["orders/lost"]["title"] == "orders/lost"
    assert items["orders/lost"]["seed"] == "orders/lost text 0"
    assert items["orders/lost"]["about"] == "a shop"


def test_all_seeds_of_a_slice_are_used_in_the_long_run() -> None:
    used = Counter(item["seed_id"] for item in next(make_plan(count=300).batches(300)))
    assert len(used) == sum(SEEDS_BY_SLICE.values())


def test_an_empty_plan_has_no_batches() -> None:
    assert list(make_plan(count=0).batches(5)) == []


@pytest.mark.parametrize(
    ("max_words", "kept"),
    [
        (None, "One two three. Four five! Six seven eight?"),
        (100, "One two three. Four five! Six seven eight?"),
        (7, "One two three. Four five!"),
        (5, "One two three. Four five!"),
        (4, "One two three."),
        (1, "One two three."),
    ],
)
def test_a_section_is_cut_to_whole_sentences_and_never_to_nothing(max_words: int | None, kept: str) -> None:
    assert cut_to_sentences("One two three. Four five! Six seven eight?", max_words) == kept
    assert cut_to_sentences(None, max_words) is None


def aim_at(slices: list[str], weights: dict[str, float] | None = None, *, first: int = 0) -> Plan:
    return replace(make_plan(first=first, count=len(slices)), aim=Aim(first, slices, weights or {}))


def test_an_aimed_draw_is_of_its_own_slice_whatever_the_batch_size() -> None:
    slices = ["orders/late", "orders/late", "billing/refund", "orders/lost", "orders/late"]
    items = [item for batch in aim_at(slices, first=40).batches(2) for item in batch]

    assert [item["slice"] for item in items] == slices
    assert [item["draw"] for item in items] == list(range(40, 45))


def test_a_seed_is_drawn_in_proportion_to_its_weight_and_one_without_weighs_one() -> None:
    plan = aim_at(["orders/late"] * 3000, {"orders/late-0": 0.25, "orders/late-1": 0.75})
    drawn = Counter(item["seed_id"] for item in next(plan.batches(3000)))

    assert drawn["orders/late-0"] == pytest.approx(3000 * 0.125, rel=0.15)
    assert drawn["orders/late-1"] == pytest.approx(3000 * 0.375, rel=0.1)
    assert drawn["orders/late-2"] == pytest.approx(3000 * 0.5, rel=0.1)


def test_an_aim_changes_slice_and_seed_of_a_draw_and_not_its_random_seed() -> None:
    plain, aimed = make_plan(count=3).item(2), aim_at(["orders/lost"] * 3).item(2)

    assert aimed["seed_id"] == "orders/lost-0"
    assert aimed["rng_seed"] == plain["rng_seed"]
