import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.gates.contamination import canaries, short_list
from synth_stack.gates.contamination.canaries import BARS
from synth_stack.gates.contamination.paraphrase import Embedding
from synth_stack.gates.gate import Judge
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates, recompute_row_ids
from tests.gates.contamination.exams import CODING, judge_rows, make_judge
from tests.gates.playing import learn
from tests.some_rows import MakeRow, TextsTable, make_foreign, make_row

NAMES = (
    "Amara",
    "Boris",
    "Chiyo",
    "Dmitri",
    "Elif",
    "Farid",
    "Greta",
    "Hana",
    "Ivo",
    "Jorge",
    "Kemal",
    "Lotte",
)
GOODS = (
    "kites",
    "violins",
    "lanterns",
    "ceramic bowls",
    "sledges",
    "marbles",
    "hats",
    "oars",
    "drums",
    "quilts",
)
PLACES = ("harbour", "monastery", "airfield", "orchard", "quarry", "lighthouse", "mill", "vineyard")
FORM = "Read the question below with care, work it out step by step, and write the final answer on the last line."


def ask(k: int) -> str:
    name, goods, place = NAMES[k % 12], GOODS[k % 10], PLACES[k % 8]
    return (
        f"{FORM} At the old {place} {name} carves {k + 13} {goods} every week and gives {k + 4} of them to a "
        f"cousin who repairs bicycles. The others are sold for {k + 3} dollars each. How much money does {name} "
        f"earn with {goods} in {k + 2} weeks?"
    )


def spell(number: int) -> str:
    return "q" + "".join("aeioumnrst"[int(digit)] for digit in str(number))


def tell(k: int) -> str:
    words = " ".join(
        f"{PLACES[(k + j) % 8]} {GOODS[(k * 3 + j) % 10]} {NAMES[(k * 5 + j) % 12]}" for j in range(30)
    )
    return f"In the year {1500 + k} the chronicle speaks of {words}."


def offer(k: int) -> list[str]:
    return [
        f"the {PLACES[k % 8]} burnt down in {1600 + k + j} with all {GOODS[(k + j) % 10]}" for j in range(4)
    ]


@pytest.fixture
def exams(tmp_path: Path) -> list[NamedEvalSet]:
    """A set of every kind of item."""
    sets: dict[str, list[dict[str, Any]]] = {
        "maths": [{"question": ask(k), "answer": str(k)} for k in range(24)],
        "short": [{"question": f"In which year did {n} sell {g} at last?"} for n in NAMES for g in GOODS[:2]],
        "reading": [{"question": f"What of {k}?", "context": tell(k)} for k in range(24)],
        "choosing": [{"question": f"What is true of {k}?", "choices": offer(3 * k)} for k in range(24)],
        "stories": [{"question": " ".join(spell(40 * k + j) for j in range(40))} for k in range(24)],
        "chinese": [
            {"question": "".join(chr(0x4E00 + 60 * k + j) for j in range(60)) + "？"} for k in range(24)
        ],
        "coding": CODING,
    }  # fmt: skip
    for name, items in sets.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(items), encoding="utf-8")
    return [NamedEvalSet(name=name, path=str(tmp_path / f"{name}.json")) for name in sets]


def make_sample(row: MakeRow, texts_table: TextsTable) -> pa.Table:
    conversation = row(("user", "My parcel has not come."), ("assistant", "I am sorry to hear that."))
    return pa.concat_tables([build_candidates([conversation]), texts_table(["A plain text of a row."])])


def measure(judge: Judge, sample: pa.Table, plant: Callable[..., pa.Table] | None) -> dict[str, float]:
    """The share of the planted rows of each kind that is turned away, canaries for what is wrong with them."""
    assert plant is not None
    rows = plant(sample, 8, 3)
    verdicts = judge.judge(rows, learn(judge, [sample], rows)).select(["outcome", "reason_class"]).to_pylist()
    kinds = [json.loads(extra)["kind"] for extra in rows["extra"].to_pylist()]
    away = Counter(
        kind
        for kind, said in zip(kinds, verdicts, strict=True)
        if said["outcome"] in ("reject", "hold")
        and said["reason_class"] in judge.caught_as.get(kind, (said["reason_class"],))
    )
    return {kind: away[kind] / number for kind, number in Counter(kinds).items()}


def is_blind(caught: Mapping[str, float], judge: Judge) -> bool:
    return any(share < judge.bars[kind] for kind, share in caught.items())


@pytest.fixture
def sample(row: MakeRow, texts_table: TextsTable) -> pa.Table:
    return make_sample(row, texts_table)


def test_every_kind_is_planted_and_found_and_every_control_passes(
    exams: list[NamedEvalSet], sample: pa.Table
) -> None:
    judge = make_judge(against=exams)
    caught = measure(judge, sample, judge.plant)
    assert caught.keys() == BARS.keys() - {
        "reworded_program"
    }  # two programs have no rewording between the bounds
    assert not is_blind(caught, judge)
    assert judge.off == ()
    unfair = measure(judge, sample, judge.control)
    assert unfair.keys() == {"instructions_of_an_exam", "own_boilerplate", "same_topic", "a_few_words"}
    assert max(unfair.values()) <= judge.max_unfair


def test_choices_of_which_one_is_the_answer_and_long_enough_to_occur_whole_are_caught(
    tmp_path: Path, sample: pa.Table
) -> None:
    items = [{"question": f"Which {k}?", "choices": offer(3 * k), "answer": k % 4} for k in range(24)]
    (tmp_path / "exam.json").write_text(json.dumps(items), encoding="utf-8")
    exam = NamedEvalSet(name="exam", path=str(tmp_path / "exam.json"))
    judge = make_judge(against=[exam], embedding=None, behaviour=None)
    assert measure(judge, sample, judge.plant)["choices_copied"] == 1


@pytest.mark.parametrize(
    ("params", "off"),
    [
        ({"embedding": None}, ("reworded", "reworded_after_a_passage", "reworded_program")),
        ({"behaviour": None, "embedding": None}, ("solved_under_its_name", "solved_with_other_names")),
        ({"convention": "tulu3-8gram-50", "embedding": None}, ("excerpt", "excerpt_without_spaces", "piece")),
        ({"pieces": "ignore", "embedding": None}, ("piece",)),
        ({"ngram": 14, "embedding": None}, ("piece",)),
    ],
)
def test_a_check_that_is_switched_off_is_listed_and_not_planted(
    exams: list[NamedEvalSet], sample: pa.Table, params: dict[str, Any], off: tuple[str, ...]
) -> None:
    judge = make_judge(against=exams, **params)
    assert set(off) <= set(judge.off)
    assert judge.plant is not None
    kinds = {json.loads(extra)["kind"] for extra in judge.plant(sample, 2, 3)["extra"].to_pylist()}
    assert not kinds & set(judge.off)
    assert "copied" in kinds


@pytest.mark.parametrize(
    "params",
    [
        {"embedding": Embedding(threshold=0.99)},
        {"ngram": 30, "min_item_words": 30, "embedding": None, "behaviour": None},
        {"ngram": 40, "embedding": None, "behaviour": None},
    ],
)
def test_a_bar_that_lets_items_through_is_noticed(
    exams: list[NamedEvalSet], sample: pa.Table, params: dict[str, Any]
) -> None:
    judge = make_judge(against=exams, **params)
    assert is_blind(measure(judge, sample, judge.plant), judge)


@pytest.mark.parametrize("stage", ["choices", "passages", "pieces", "windows", "trials"])
def test_a_check_that_no_longer_works_is_noticed(
    exams: list[NamedEvalSet], sample: pa.Table, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params: dict[str, Any] = {} if stage == "windows" else {"embedding": None}
    judge = make_judge(against=exams, **params)
    broken = {
        "choices": ("short_list.find_choices", lambda *_: {}),
        "passages": ("overlap_rules.PASSAGE_WORDS", 10_000),
        "pieces": ("short_list.is_quotation", lambda *_: True),
        "windows": ("passages.split_ends", lambda prose: prose.clear()),
        "trials": ("closer_looks.try_functions", lambda *_: {}),
    }
    name, replacement = broken[stage]
    if stage == "passages":
        monkeypatch.setattr("synth_stack.gates.contamination.overlap_rules._WHOLE", 10_000)
    monkeypatch.setattr(f"synth_stack.gates.contamination.{name}", replacement)
    assert is_blind(measure(judge, sample, judge.plant), judge)


def test_the_papers_conventions_find_their_canaries(exams: list[NamedEvalSet], sample: pa.Table) -> None:
    for convention in ("gpt3-13gram", "tulu3-8gram-50", "palm-8gram-70"):
        judge = make_judge(against=exams, convention=convention, embedding=None)
        assert not is_blind(measure(judge, sample, judge.plant), judge)
        assert max(measure(judge, sample, judge.control).values()) <= judge.max_unfair


def test_an_ngram_of_five_words_is_unfair_where_a_piece_that_stands_alone_counts(
    exams: list[NamedEvalSet], sample: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short_list, "is_quotation", lambda *_: False)
    judge = make_judge(against=exams, ngram=5, min_item_words=3, embedding=None, behaviour=None)
    assert max(measure(judge, sample, judge.control).values()) > judge.max_unfair


def test_a_solution_is_asked_for_in_other_words_and_keeps_its_behaviour(
    coding: NamedEvalSet, sample: pa.Table
) -> None:
    judge = make_judge(against=[coding], embedding=Embedding(confirm=None))
    assert judge.plant is not None
    rows = judge.plant(sample, 1, 1).to_pylist()
    solved = {json.loads(row["extra"])["kind"]: row["text"] for row in rows}
    for kind in ("solved_under_its_name", "solved_with_other_names"):
        code = solved[kind].partition("```python\n")[2].partition("```")[0]
        space: dict[str, Any] = {}
        exec(code, space)  # our own solution
        (function,) = [value for value in space.values() if callable(value)]
        assert function([3]) == 0 if "sum" in code else function(3)
        assert (function.__name__ in ("sum_even", "is_odd")) is (kind == "solved_under_its_name")


def test_rows_have_the_shape_of_the_sample_and_ids_of_their_own(exams: list[NamedEvalSet]) -> None:
    shapes = [make_row(("user", "Hi?"), ("assistant", "Good day."), kind="dialogue"), make_foreign("Plain.")]
    judge = make_judge(against=exams, embedding=None)
    for make in (judge.plant, judge.control):
        assert make is not None
        rows = make(build_candidates(shapes), 4, 1)
        assert rows.schema == CANDIDATE_SCHEMA
        assert recompute_row_ids(rows) == rows["row_id"].to_pylist()
        assert len(set(rows["row_id"].to_pylist())) == len(rows)
        assert rows.equals(make(build_candidates(shapes), 4, 1))
        said = {(row["kind"], len(row["messages"])) for row in rows.to_pylist()}
        assert said == {("dialogue", 2), ("foreign", 0)}


@pytest.mark.parametrize("prompt", ["Too short to say.", "x" * 5_000 + " word" * 30, "? " * 100])
def test_items_that_no_rule_fits_are_passed_over(tmp_path: Path, sample: pa.Table, prompt: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"prompt": prompt}]))
    judge = make_judge(against=[NamedEvalSet(name="x", path=str(path))], embedding=None)
    assert judge.plant is not None
    assert judge.plant(sample, 10, 1).num_rows == 0
    assert judge.plant(CANDIDATE_SCHEMA.empty_table(), 10, 1).num_rows == 0


@pytest.mark.parametrize("answer", [None, "", "    return (", "    " + "(" * 3_000, "\x00"])
def test_a_solution_that_is_no_python_is_passed_over(
    tmp_path: Path, sample: pa.Table, answer: str | None
) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{**CODING[0], "canonical_solution": answer}]))
    judge = make_judge(against=[NamedEvalSet(name="x", path=str(path))], embedding=None)
    assert judge.plant is not None
    assert "solved" not in str(judge.plant(sample, 10, 1)["extra"].to_pylist())


def test_rows_of_every_odd_sort_lend_their_shape(exams: list[NamedEvalSet], texts_table: TextsTable) -> None:
    judge = make_judge(against=exams, embedding=None)
    for odd in ([""], ["x"], [None], ["中"]):
        for make in (judge.plant, judge.control):
            assert make is not None
            rows = make(texts_table(odd), 2, 1)
            assert len(judge_rows(judge, rows)) == len(rows) > 0


def test_without_eval_sets_nothing_is_planted() -> None:
    assert make_judge().plant is None
    assert make_judge().control is None
    assert canaries.BARS["copied"] == 0.9
