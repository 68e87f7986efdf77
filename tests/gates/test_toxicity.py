import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, MissingExtra, ModelError
from synth_stack.gates.judge import Judge
from synth_stack.gates.toxicity import LINEAR_THRESHOLD, Offline, toxicity
from synth_stack.registry import bind
from synth_stack.rows import CANDIDATE_SCHEMA, VERDICT_SCHEMA, build_candidates

MakeRow = Callable[..., dict[str, Any]]
TextsTable = Callable[[Sequence[str | None]], pa.Table]

SWEARING = "Shut up you stupid fucking idiot."
CIVIL = "Thank you, I will look into the delivery at once."

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


def linear(**params: Any) -> Judge:
    return toxicity(scorer="linear-svm", **params)


def test_swearing_is_rejected_by_the_named_linear_scorer(row: MakeRow) -> None:
    table = build_candidates(
        [row(("user", "Where is it?"), ("assistant", SWEARING)), row(("user", CIVIL), ("assistant", CIVIL))]
    )
    bad, good = linear().judge(table).to_pylist()
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
    assert linear(threshold=score).judge(table)["outcome"].to_pylist() == ["reject"]
    assert linear(threshold=min(score + 1e-9, 0.999)).judge(table)["outcome"].to_pylist() == ["accept"]


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


def test_a_slice_above_the_bar_is_held_as_a_whole(row: MakeRow) -> None:
    table = slices(row, {"billing": (2, 18), "login": (0, 30), "tiny": (3, 16), None: (9, 21)})
    judge = linear(escalate_slice_at=0.09)
    outcomes = [
        o for first in range(0, 99, 25) for o in judge.judge(table.slice(first, 25))["outcome"].to_pylist()
    ]
    assert judge.finish is not None
    held = judge.finish()
    accepted = [
        i
        for i, s, o in zip(table["row_id"].to_pylist(), table["slice"].to_pylist(), outcomes, strict=True)
        if s == "billing" and o == "accept"
    ]
    assert held.schema == VERDICT_SCHEMA
    assert held["row_id"].to_pylist() == accepted
    assert len(accepted) == 18
    first = held.to_pylist()[0]
    assert (first["outcome"], first["scope"], first["score"], first["threshold"]) == (
        "hold",
        "slice",
        0.1,
        0.09,
    )
    assert first["reason"] == "toxic slice: 2 of 20 judged rows of billing were rejected"
    assert json.loads(first["evidence"]) == {"slice": "billing", "rejected": 2, "judged": 20}


def test_a_slice_exactly_at_the_bar_is_not_held(row: MakeRow) -> None:
    judge = linear(escalate_slice_at=0.1)
    judge.judge(slices(row, {"billing": (2, 18)}))
    assert judge.finish is not None
    assert judge.finish().num_rows == 0


def test_rows_that_were_abstained_on_do_not_count(row: MakeRow) -> None:
    judge = linear(escalate_slice_at=0.09)
    empty = build_candidates([row(("user", " "), slice="billing", draw=k) for k in range(50)])
    judge.judge(pa.concat_tables([slices(row, {"billing": (2, 18)}), empty]))
    assert judge.finish is not None
    assert judge.finish().num_rows == 18


def test_nothing_judged_holds_nothing_and_null_switches_it_off() -> None:
    finish = linear().finish
    assert finish is not None
    assert finish().schema == VERDICT_SCHEMA
    assert linear(escalate_slice_at=None).finish is None


@pytest.mark.corpora
def test_hatecheck_and_benign_queries_score_as_documented(corpora: Path) -> None:
    from synth_stack.models import load_linear_scorer

    def read(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    score = load_linear_scorer().score  # HateCheck's cases and most queries are shorter than a window
    cases = read(corpora / "hatecheck" / "cases.csv")
    hits = score([case["test_case"] for case in cases])[0] >= LINEAR_THRESHOLD
    hateful = [case["label_gold"] == "hateful" for case in cases]
    assert round(hits[hateful].mean(), 2) == 0.25
    assert round(sum(h and t for h, t in zip(hits, hateful, strict=True)) / hits.sum(), 2) == 0.64
    queries = [r["text"] for part in ("train", "test") for r in read(corpora / "banking77" / f"{part}.csv")]
    assert (score(queries)[0] >= LINEAR_THRESHOLD).mean() <= 0.001


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
