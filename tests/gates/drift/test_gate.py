import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, GateError, InputError
from synth_stack.gates.drift.envelope import STATISTICS, Envelope
from synth_stack.gates.drift.gate import drift
from synth_stack.gates.gate import NO_STATE
from synth_stack.registry import bind
from synth_stack.rows.schemas import build_candidates
from tests.gates.dialling import decide_again
from tests.gates.playing import play
from tests.some_rows import make_row

pytest.importorskip("wordllama")
pytest.importorskip("vaderSentiment")

TOPICS = {
    "cards": "my bank card|the credit card|a new card|the card payment|my debit card|the card reader".split(
        "|"
    ),
    "garden": "my tomato plants|the lawn mower|the rose bed|an apple tree|the compost heap|garden soil".split(
        "|"
    ),
    "travel": "the train to Oslo|my flight home|a hotel room|the ferry ticket|my passport|the airport bus".split(
        "|"
    ),
}
OPENINGS = "How do I fix|Why is there trouble with|Can you help with|I have a question about|Please tell me about".split(
    "|"
)
ENDINGS = (
    "since yesterday|before the weekend|in the morning|again and again|after the storm|for my mother".split(
        "|"
    )
)
FEELINGS = ", hey I'm so sad|, I love it|, it is awful|,|, I am so glad|, this is terrible".split("|")


def make_texts(rows: int, seed: int, topics: Sequence[str] = tuple(TOPICS)) -> list[tuple[str, str]]:
    """Texts with their topics."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        topic = str(rng.choice(topics))
        opening, ending, feeling = (str(rng.choice(words)) for words in (OPENINGS, ENDINGS, FEELINGS))
        mark = "?" if opening[0] in "HWC" else "."
        made.append((f"{opening} {rng.choice(TOPICS[topic])} {ending}{feeling.rstrip(',')}{mark}", topic))
    return made


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("real") / "real.jsonl"
    lines = [json.dumps({"text": text, "about": topic}) for text, topic in make_texts(500, 1)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def make_table(texts: Sequence[tuple[str | None, str | None]]) -> pa.Table:
    return build_candidates(make_row(("user", t), draw=k, slice=s) for k, (t, s) in enumerate(texts))


def judge_table(table: pa.Table, baseline: str | None, **params: Any) -> list[dict[str, Any]]:
    judge = drift(baseline=baseline, columns={"slice": "about"}, **params)
    [verdicts], _ = play(judge, [table], name="drift")
    return list(verdicts.to_pylist())


def list_shifts(verdict: dict[str, Any]) -> set[str]:
    return {shift["statistic"] for shift in json.loads(verdict["evidence"]).get("shifts", [])}


def test_rows_of_the_same_kind_pass(baseline: str) -> None:
    verdicts = judge_table(make_table(make_texts(400, 2)), baseline)
    assert {(v["outcome"], v["scope"]) for v in verdicts} == {("accept", "row")}
    assert all(v["score"] < v["threshold"] == 1 for v in verdicts)
    assert set(json.loads(verdicts[0]["evidence"])["low"]) == set(STATISTICS)


@pytest.mark.parametrize(
    ("shift", "statistic"),
    [
        (lambda text, topic: (f"{text} {text}", topic), "length_ks"),
        (
            lambda text, topic: (text.replace(", this is terrible", ", I love it so much"), topic),
            "sentiment_ks",
        ),
        (lambda text, topic: (f"As a retired teacher from Leeds, {text}", topic), "auc"),
        (lambda text, topic: (text.lower().rstrip("?.") + " pls!!", topic), "formality_ks"),
        (
            lambda text, topic: (f"Ich möchte bitte wissen, wann die Lampe kommt {text[:9]}", topic),
            "locale_variation",
        ),
    ],
)
def test_a_batch_that_has_moved_is_held_as_a_whole(baseline: str, shift: Any, statistic: str) -> None:
    verdicts = judge_table(make_table([shift(*row) for row in make_texts(400, 2)]), baseline)
    assert {(v["outcome"], v["scope"]) for v in verdicts} == {("hold", "batch")}
    assert statistic in list_shifts(verdicts[0])
    assert verdicts[0]["reason"].startswith("the batch has drifted from the baseline: ")


def test_a_topic_that_is_gone_is_named_and_rows_of_both_ends_are_shown(baseline: str) -> None:
    table = make_table(make_texts(400, 2, ["cards", "garden"]))
    held = judge_table(table, baseline)[0]
    assert {"topic_lost", "topic_psi"} & list_shifts(held)
    told = json.loads(held["evidence"])
    shift = told["shifts"][0]
    assert shift["bar"] < shift["low"] <= shift["size"] <= shift["high"]
    ids = set(table["row_id"].to_pylist())
    assert {*told["worst"]["examples"]["low"], *told["worst"]["examples"]["high"]} <= ids


def test_only_the_slice_that_has_moved_is_held(baseline: str) -> None:
    rows = [(f"{t} {t}" if s == "cards" else t, s) for t, s in make_texts(700, 2)]
    loose = {name: None for name in STATISTICS if name != "length_ks"}
    verdicts = judge_table(make_table(rows), baseline, envelope=Envelope(**loose, length_ks=0.45))
    said = {(v["outcome"], v["scope"], s) for v, (_, s) in zip(verdicts, rows, strict=True)}
    assert said == {("hold", "slice", "cards"), ("accept", "row", "garden"), ("accept", "row", "travel")}


@pytest.mark.parametrize("rows", [0, 1, 99])
def test_too_small_a_batch_is_abstained_on(baseline: str, rows: int) -> None:
    verdicts = judge_table(make_table(make_texts(rows, 2)), baseline)
    assert [v["outcome"] for v in verdicts] == ["abstain"] * rows
    assert all("fewer than 100 rows" in v["reason"] for v in verdicts)


def test_no_baseline_and_a_tiny_one_are_abstentions_with_their_reason(tmp_path: Path) -> None:
    table = make_table(make_texts(120, 2))
    assert {v["reason"] for v in judge_table(table, None)} == {
        "drift could not be measured: no baseline is named"
    }
    tiny = tmp_path / "tiny.jsonl"
    tiny.write_text('{"text": "hello there"}\n', encoding="utf-8")
    reasons = {v["reason"] for v in judge_table(table, str(tiny))}
    assert reasons == {"drift could not be measured: the baseline has fewer than 100 rows"}
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"text": ""}\n', encoding="utf-8")
    assert {v["outcome"] for v in judge_table(table, str(empty))} == {"abstain"}


def test_constant_columns_are_named_and_give_no_nan(tmp_path: Path) -> None:
    same = tmp_path / "same.jsonl"
    same.write_text('{"text": "the same words again"}\n' * 120, encoding="utf-8")
    verdict = judge_table(make_table([("the same words again", None)] * 120), str(same))[0]
    told = json.loads(verdict["evidence"])
    assert verdict["outcome"] == "accept"
    assert told["unmeasured"]["batch:length_ks"] == "it is the same number in every row of both sides"
    assert "length_ks" not in told["low"]


def test_a_baseline_that_repeats_one_row_is_measured_and_has_no_control(tmp_path: Path) -> None:
    same = tmp_path / "same.jsonl"
    same.write_text('{"text": "the same words again"}\n' * 300, encoding="utf-8")
    table, judge = make_table(make_texts(200, 2)), drift(baseline=str(same))
    assert judge.control is not None
    planted = judge.control(table, 20, 2)
    [said], state = play(judge, [table], planted)
    assert set(said["outcome"].to_pylist()) == {"hold"}
    assert set(judge.judge(planted, state)["outcome"].to_pylist()) <= {"abstain"}
    numbers = [each for name in ("size", "low", "high") for each in state["effects"][name].to_pylist()]
    assert all(number is None or np.isfinite(number) for number in numbers)


def test_a_row_without_text_is_abstained_on(baseline: str) -> None:
    verdicts = judge_table(make_table([(None, None), (" ", "cards"), *make_texts(200, 2)]), baseline)
    assert [v["reason_class"] for v in verdicts[:2]] == ["drift.nothing_to_read"] * 2


def test_how_the_batch_is_cut_does_not_show(baseline: str) -> None:
    table, judge = make_table(make_texts(300, 2)), drift(baseline=baseline)
    [whole], _ = play(judge, [table])
    parts, _ = play(judge, [table.slice(0, 1), table.slice(1, 0), table.slice(1, 180), table.slice(181)])
    assert pa.concat_tables(parts).equals(whole)


def test_every_kind_of_canary_is_caught_and_real_rows_pass(baseline: str) -> None:
    table, judge = make_table(make_texts(300, 2)), drift(baseline=baseline)
    assert judge.plant is not None
    assert judge.control is not None
    planted = pa.concat_tables([judge.plant(table, 20, 1), judge.control(table, 20, 2)])
    _, state = play(judge, [table], planted)
    said = judge.judge(planted, state)["outcome"].to_pylist()
    kinds = [json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()]
    caught = {kind: said[kinds.index(kind)] for kind in dict.fromkeys(kinds)}
    assert caught == {**dict.fromkeys(STATISTICS, "hold"), "real_rows": "accept"}


def test_a_statistic_that_is_off_plants_nothing_and_an_absurd_bar_is_noticed(baseline: str) -> None:
    table = make_table(make_texts(300, 2))
    judge = drift(baseline=baseline, envelope=Envelope(auc=None, vocabulary_js=0.999))
    assert judge.off == ("auc",)
    assert judge.plant is not None
    planted = judge.plant(table, 20, 1)
    _, state = play(judge, [table], planted)
    kinds = [json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()]
    said = dict(zip(kinds, judge.judge(planted, state)["outcome"].to_pylist(), strict=True))
    assert "auc" not in kinds
    assert said["vocabulary_js"] == "accept"


def test_a_learnt_envelope_is_never_tighter_than_the_stated_one(baseline: str) -> None:
    _, state = play(drift(baseline=baseline, envelope="learn"), [make_table(make_texts(200, 2))])
    bars = {e["statistic"]: e["bar"] for e in state["effects"].to_pylist() if e["scope"] == "batch"}
    assert all(bar >= Envelope().list_bars()[name] for name, bar in bars.items())


def test_dials_decide_again_as_the_gate_does(baseline: str) -> None:
    judge = drift(baseline=baseline)
    [verdicts], _ = play(judge, [make_table([(f"{t} {t}", s) for t, s in make_texts(300, 2)])])
    old = {"envelope": Envelope().model_dump()}
    assert decide_again(verdicts, judge.dials, old, old) == verdicts["outcome"].to_pylist()
    loose = {"envelope": dict.fromkeys(STATISTICS, 99.0)}
    assert set(decide_again(verdicts, judge.dials, loose, old)) == {"accept"}


def test_what_cannot_be_used_is_refused(tmp_path: Path, baseline: str) -> None:
    with pytest.raises(InputError):
        drift(baseline=str(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigError):
        bind("gate", "drift", {"envelope": {"length_ks": 2}}, where="gates.yaml")
    with pytest.raises(ConfigError):
        bind("gate", "drift", {"envelope": {"height": 0.1}}, where="gates.yaml")
    with pytest.raises(GateError):
        drift(baseline=baseline).judge(make_table(make_texts(1, 1)), NO_STATE)
