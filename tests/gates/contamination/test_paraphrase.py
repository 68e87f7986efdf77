import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from synth_stack.errors import GateError
from synth_stack.gates.contamination.eval_sets import load_eval_set
from synth_stack.gates.contamination.paraphrase import (
    Embedding,
    ItemMeanings,
    index_meanings,
    list_near,
    list_pairs,
    read_pairs,
    read_passages,
)
from synth_stack.gates.contamination.reranking import Confirmer, Likest, describe_likest, rerank_pairs
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.models.embedders import load_embedder
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.some_rows import MakeRow, TextsTable

REWRITES = Path(__file__).parents[3] / "benchmarks" / "rewrites"
ANSWER = (
    "Janet eats three of the sixteen eggs and bakes with four, so nine eggs remain. At two dollars each she "
    "makes eighteen dollars at the market every day."
)
EXAM: list[dict[str, Any]] = [
    {
        "id": "ducks",
        "prompt": "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes "
        "muffins for her friends with four. How many eggs are left to sell at the market?",
        "answer": ANSWER,
    },
    {
        "id": "gemeinschaft",
        "prompt": "The concept of gemeinschaft developed by Ferdinand Tönnies describes basically the same "
        "relational characteristics as",
        "answer": "mechanical solidarity",
    },
    {"id": "short", "prompt": "Why?", "answer": "Because."},
]
CODE: list[dict[str, Any]] = [
    {
        "task_id": "cars",
        "prompt": 'def car_race_collision(n: int):\n    """\n    Imagine a road that is a perfectly straight '
        "infinitely long line.\n    n cars are driving left to right; simultaneously, a different set of n cars\n"
        "    are driving right to left. Two cars are said to collide when a car that moves left to right hits\n"
        "    a car that moves right to left. The cars are infinitely sturdy and continue moving as if they did\n"
        '    not collide. This function outputs the number of such collisions.\n    """\n',
        "canonical_solution": "    return n**2\n",
        "entry_point": "car_race_collision",
        "test": "def check(candidate):\n    assert candidate(2) == 4\n",
    },
    {
        "task_id": "palindrome",
        "prompt": 'def is_palindrome(text: str) -> bool:\n    """ Checks if given string is a palindrome """\n',
        "canonical_solution": "    return text == text[::-1]\n",
        "entry_point": "is_palindrome",
        "test": "def check(candidate):\n    assert candidate('aa')\n",
    },
]
DUCKS = (
    "Every day the ducks of Janet produce 16 eggs. Three of them she has for breakfast, and four go into "
    "muffins that she bakes for friends. What number of eggs remains for the market?"
)
OTHER_DUCKS = "Anna has 40 ducks and sells 25 of them for 12 dollars each. What does she earn?"
GEMEINSCHAFT = (
    "Does Ferdinand Tönnies' gemeinschaft essentially describe relations like mechanical solidarity?"
)


def load(tmp_path: Path, name: str, items: list[dict[str, Any]]) -> Any:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(items), encoding="utf-8")
    return load_eval_set(NamedEvalSet(name=name, path=str(path)))


@pytest.fixture(scope="module")
def meanings(tmp_path_factory: pytest.TempPathFactory) -> ItemMeanings:
    folder = tmp_path_factory.mktemp("sets")
    return index_meanings([load(folder, "exam", EXAM), load(folder, "code", CODE)], Embedding())


def read_rewrites(language: str) -> dict[str, str]:
    lines = (REWRITES / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["item"]: row["text"] for row in map(json.loads, lines)}


def find_alike(meanings: ItemMeanings, table: pa.Table) -> dict[int, Likest]:
    """What MiniLM says of the short list of a table."""
    pairs = read_pairs(list_pairs(meanings, read_passages(meanings, table, [])), table)
    confirmer = Confirmer(load_embedder("minilm"), meanings.neutral_texts, meanings.neutral)
    return describe_likest(meanings, rerank_pairs(meanings, confirmer, pairs), "minilm")


def find_likeness(meanings: ItemMeanings, table: pa.Table) -> list[float]:
    found = find_alike(meanings, table)
    return [found[row].likeness if row in found else 0.0 for row in range(len(table))]


def test_a_rephrased_prompt_is_found_and_its_neighbour_is_not(
    meanings: ItemMeanings, texts_table: TextsTable
) -> None:
    table = texts_table([DUCKS, OTHER_DUCKS, GEMEINSCHAFT, "Where is my parcel?"])
    ducks, other, concept, parcel = find_likeness(meanings, table)
    assert min(ducks, concept) > 0.9
    assert max(other, parcel) < 0.1


def test_the_evidence_shows_every_figure_of_the_decision(meanings: ItemMeanings, row: MakeRow) -> None:
    table = build_candidates(
        [
            row(
                ("user", "Hello there, my friend"),
                ("assistant", "Hi."),
                ("user", DUCKS),
                ("assistant", "Nine."),
            )
        ]
    )
    (likest,) = find_alike(meanings, table).values()
    likeness, (reason, shown) = likest.likeness, likest.fault
    assert likest.agrees == ["numbers agree"]
    assert meanings.items[likest.item][1] == 0
    assert reason == f"rephrased item: like exam/ducks, likeness {likeness:.3f}"
    assert (shown["eval_set"], shown["item"], shown["part"]) == ("exam", "ducks", "prompt")
    assert (shown["message"], shown["side"], shown["passage"]) == (2, "asked", DUCKS)
    assert shown["item_text"] == EXAM[0]["prompt"]
    assert 0.7 < shown["cosine"] < 1
    assert {"duck", "muffin"} <= set(shown["shared"])
    assert shown["likeness"] == round(likeness, 6)
    assert shown["by"] == "minilm"


def test_an_answer_is_compared_with_answers_and_not_with_prompts(
    meanings: ItemMeanings, row: MakeRow
) -> None:
    table = build_candidates(
        [
            row(("user", "Tell me a story about a farm, please."), ("assistant", ANSWER)),
            row(("user", "Make up a riddle about a farm."), ("assistant", DUCKS)),
        ]
    )
    found = find_alike(meanings, table)
    assert found[0].fault[1]["part"] == "answer"
    assert found[0].likeness > 0.9
    assert 1 not in found or found[1].likeness < 0.5


@pytest.mark.parametrize("language", ["c", "javascript"])
def test_rewritten_code_is_found_by_its_notes(
    meanings: ItemMeanings, texts_table: TextsTable, language: str
) -> None:
    table = texts_table([read_rewrites(language)["HumanEval/41"]])
    (likest,) = find_alike(meanings, table).values()
    shown = likest.fault[1]
    assert likest.likeness > 0.5
    assert (shown["item"], shown["side"]) == ("cars", "noted")


def test_a_generic_task_is_no_rephrased_item(meanings: ItemMeanings, row: MakeRow) -> None:
    table = build_candidates(
        [
            row(
                ("user", "Write a Java method that checks if a given string is a palindrome."),
                ("assistant", "static boolean isPalindrome(String s) {\n  return true;\n}"),
            )
        ]
    )
    assert find_likeness(meanings, table)[0] < 0.5


def test_functions_come_with_the_items_to_try_them_on(
    meanings: ItemMeanings, texts_table: TextsTable
) -> None:
    table = texts_table(["def f(k):\n    # how many cars collide on the road\n    return k * k\n", DUCKS])
    said = read_passages(meanings, table, [])
    near = list_near(meanings, said, [])
    assert len(list_near(meanings, said, [0])) == 0
    assert near["row"].unique().to_list() == [0]
    first = near["item"][0]
    assert meanings.items[first][0].ids[meanings.items[first][1]] == "cars"


def test_wordllama_alone_tells_the_rows_apart(meanings: ItemMeanings, texts_table: TextsTable) -> None:
    table = texts_table([DUCKS, OTHER_DUCKS])
    pairs = list_pairs(meanings, read_passages(meanings, table, []))
    found = describe_likest(meanings, read_pairs(pairs, table), "wordllama")
    assert found[0].likeness > 0.5
    assert 1 not in found or found[1].likeness < 0.5
    assert found[0].fault[1]["by"] == "wordllama"
    assert pairs.group_by("row", maintain_order=True).first()["likeness"][0] == found[0].likeness


def test_of_a_row_with_hundreds_of_passages_like_an_item_the_likeliest_pairs_are_listed(
    meanings: ItemMeanings, row: MakeRow
) -> None:
    turns = [("user", f"{DUCKS}\n\nThen, number {k}: {DUCKS}") for k in range(64)]
    pairs = list_pairs(meanings, read_passages(meanings, build_candidates([row(*turns)]), []))
    assert len(pairs) == 100
    assert pairs["likeness"].to_list() == sorted(pairs["likeness"], reverse=True)


def test_a_text_of_the_background_is_innocent(tmp_path: Path, texts_table: TextsTable) -> None:
    sets = [load(tmp_path, "exam", EXAM)]
    background = load(tmp_path, "earlier", [{"prompt": DUCKS}])
    table = texts_table([DUCKS])
    plain = index_meanings(sets, Embedding())
    known = index_meanings(sets, Embedding(), background)
    assert len(known.neutral_texts) == len(plain.neutral_texts) + 1
    assert find_likeness(known, table)[0] < find_likeness(plain, table)[0]


def test_a_row_is_judged_alike_whatever_stands_beside_it(
    meanings: ItemMeanings, texts_table: TextsTable
) -> None:
    texts = [
        DUCKS,
        "Where is my parcel?",
        GEMEINSCHAFT,
        None,
        OTHER_DUCKS,
        read_rewrites("c")["HumanEval/41"],
    ]
    table = texts_table(texts)
    whole = find_alike(meanings, table)
    for k in range(len(table)):
        assert find_alike(meanings, table.slice(k, 1)).get(0) == whole.get(k)
    without = list_pairs(meanings, read_passages(meanings, table, [0]))
    assert set(without["row"]) == whole.keys() - {0}


def test_an_items_verdict_does_not_depend_on_the_sets_beside_it(
    meanings: ItemMeanings, tmp_path: Path, texts_table: TextsTable
) -> None:
    alone = index_meanings([load(tmp_path, "exam", EXAM)], Embedding())
    table = texts_table([DUCKS, GEMEINSCHAFT])
    assert find_likeness(alone, table) == find_likeness(meanings, table)


def test_an_item_that_a_set_holds_twice_is_found(tmp_path: Path, texts_table: TextsTable) -> None:
    twice = index_meanings([load(tmp_path, "exam", [*EXAM, *EXAM, *EXAM, *EXAM])], Embedding())
    assert find_likeness(twice, texts_table([DUCKS]))[0] > 0.9


def test_a_passage_that_the_row_does_not_have_is_refused(
    meanings: ItemMeanings, texts_table: TextsTable
) -> None:
    pairs = list_pairs(meanings, read_passages(meanings, texts_table([DUCKS]), []))
    with pytest.raises(GateError, match="does not have the passages"):
        read_pairs(pairs.with_columns(passage=pl.lit(7, pl.Int64)), texts_table([DUCKS]))


HOSTILE = [
    "\x00 " * 500,
    "?!.,;" * 10_000,
    "a" * 1_000_000,
    "/*" * 5_000 + " cars on a road",
    'def f():\n    """' + "cars " * 100_000,
    "word " * 500_000,
    "\u202e\ufeff 👩‍👩‍👧‍👦" * 300,
    "1 2 3 4 5 6 " * 2_000,
]


def test_hostile_texts_are_compared_and_pass(meanings: ItemMeanings, texts_table: TextsTable) -> None:
    assert max(find_likeness(meanings, texts_table(HOSTILE))) < 0.5


def test_nothing_is_like_nothing(meanings: ItemMeanings, texts_table: TextsTable, tmp_path: Path) -> None:
    for table in (CANDIDATE_SCHEMA.empty_table(), texts_table([None, "", "  "])):
        assert find_alike(meanings, table) == {}
        assert len(list_near(meanings, read_passages(meanings, table, []), [])) == 0
    hollow = index_meanings([load(tmp_path, "hollow", [{"prompt": "?", "answer": None}])], Embedding())
    assert find_alike(hollow, texts_table([DUCKS])) == {}


@pytest.mark.parametrize("wrong", [{"threshold": 1.0}, {"model": "bert"}, {"confirm_rows": 0}, {"odd": 1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Embedding(**wrong)
