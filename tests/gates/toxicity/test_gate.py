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
from synth_stack.gates.resources import NoResources
from synth_stack.gates.toxicity.gate import LINEAR_THRESHOLD, Offline
from synth_stack.gates.toxicity.gate import toxicity as make_judge
from synth_stack.registry import bind, registered
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA, build_candidates
from tests.gates.dialling import decide_again
from tests.gates.playing import play
from tests.some_rows import MakeRow, TextsTable

HATE = "Muslims are filthy vermin and should all be deported."
SWEARING = "Shut the fuck up, you stupid bitch."
CIVIL = "Thank you, I will look into the delivery at once."

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


def toxicity(**params: Any) -> Judge:
    return make_judge(NoResources(), **params)


def offline(**params: Any) -> Judge:
    return toxicity(scorer="hate-ngrams", **params)


def say(judge: Judge, table: pa.Table) -> pa.Table:
    """What the judge says of a batch of one table."""
    ((verdicts,), _) = play(judge, [table], name="toxicity")
    return verdicts


def test_hate_is_held_by_the_named_offline_scorer(row: MakeRow) -> None:
    table = build_candidates(
        [row(("user", "Where is it?"), ("assistant", HATE)), row(("user", CIVIL), ("assistant", CIVIL))]
    )
    bad, good = say(offline(), table).to_pylist()
    assert (bad["outcome"], good["outcome"]) == ("hold", "accept")
    assert bad["threshold"] == LINEAR_THRESHOLD == 0.55
    assert (
        bad["reason"]
        == f"toxic: hate {bad['score']:.3f} in messages.1.content, by hate-ngrams (not Detoxify)"
    )
    assert bad["reason_class"] == "toxicity.toxic"
    assert json.loads(bad["evidence"]) == {
        "path": "messages.1.content",
        "role": "assistant",
        "label": "hate",
        "score": bad["score"],
        "start": 0,
        "end": len(HATE),
        "scorer": "hate-ngrams",
    }
    assert 0 <= good["score"] < 0.5
    assert (good["reason"], good["reason_class"], good["evidence"]) == (None, None, None)


def test_swearing_is_held_as_offence(texts_table: TextsTable) -> None:
    (verdict,) = say(offline(), texts_table([SWEARING])).to_pylist()
    assert (verdict["outcome"], json.loads(verdict["evidence"])["label"]) == ("hold", "offence")


def test_at_the_threshold_a_row_is_held(texts_table: TextsTable) -> None:
    table = texts_table([HATE])
    score = say(offline(), table)["score"][0].as_py()
    assert 0 < score < 1
    at, above = (say(offline(threshold=bar), table) for bar in (score, min(score + 1e-9, 0.999)))
    assert (at["outcome"].to_pylist(), above["outcome"].to_pylist()) == (["hold"], ["accept"])


def test_one_bad_sentence_in_a_long_civil_message_is_found(texts_table: TextsTable) -> None:
    long = f"{CIVIL} " * 20 + HATE + f" {CIVIL}" * 20
    (verdict,) = say(offline(), texts_table([long])).to_pylist()
    evidence = json.loads(verdict["evidence"])
    assert verdict["outcome"] == "hold"
    assert long[evidence["start"] : evidence["end"]].strip() == HATE


def test_a_text_scores_less_in_more_text_and_a_repeated_one_no_more(texts_table: TextsTable) -> None:
    doubtful = "The two women run a small bakery near the station."
    texts = [doubtful, f"{doubtful} {CIVIL}", f"{doubtful} " * 200]
    alone, beside, repeated = say(offline(), texts_table(texts))["score"].to_pylist()
    assert alone > beside > repeated


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_row_with_nothing_to_read_is_abstained_on(texts_table: TextsTable, nothing: str | None) -> None:
    (verdict,) = say(offline(), texts_table([nothing])).to_pylist()
    assert (verdict["outcome"], verdict["score"]) == ("abstain", None)
    assert verdict["reason"].startswith("nothing to read: ")
    assert verdict["reason_class"] == "toxicity.nothing_to_read"


@pytest.mark.parametrize(
    "foreign",
    [
        "日本語のテキスト" * 100,
        "Мусульмане пришли вчера вечером.",
        "Wir brauchen dringend ausgebildete Krankenschwestern.",
    ],
)
def test_what_the_scorer_cannot_read_is_abstained_on(texts_table: TextsTable, foreign: str) -> None:
    (verdict,) = say(offline(), texts_table([foreign])).to_pylist()
    assert (verdict["outcome"], verdict["score"]) == ("abstain", None)
    assert verdict["reason"] == "not read: hate-ngrams (not Detoxify) knows too few of its words"
    assert verdict["reason_class"] == "toxicity.unread"


def test_what_cannot_be_read_does_not_hide_the_rest(row: MakeRow) -> None:
    rows = [
        row(("user", None), ("assistant", HATE)),
        row(("user", "日本語のテキスト。"), ("assistant", HATE), draw=1),
    ]
    assert say(offline(), build_candidates(rows))["outcome"].to_pylist() == ["hold", "hold"]


@pytest.mark.parametrize(
    "odd", ["a", "Hi", "a. " * 9000, "no no yes " * 2000, "\ufffd ok", "x = [1, 2, 3]", "Hey 👩‍👩‍👧‍👦" * 90]
)
def test_odd_texts_are_accepted(texts_table: TextsTable, odd: str) -> None:
    assert say(offline(), texts_table([odd]))["outcome"].to_pylist() == ["accept"]


@pytest.mark.parametrize("signs", ["\x00" * 40, "👩‍👩‍👧‍👦" * 400, "!", "7", "?!" * 9000, "🤷"])
def test_signs_alone_are_not_read(texts_table: TextsTable, signs: str) -> None:
    assert say(offline(), texts_table([signs]))["outcome"].to_pylist() == ["abstain"]


def test_a_word_without_end_is_read_in_bounded_time(texts_table: TextsTable) -> None:
    assert say(offline(), texts_table(["x" * 3_000_000]))["outcome"].to_pylist() == ["abstain"]


def test_an_empty_table_has_no_verdicts() -> None:
    verdicts = say(offline(), CANDIDATE_SCHEMA.empty_table())
    assert (verdicts.num_rows, verdicts.schema) == (0, VERDICT_SCHEMA)


def test_the_score_of_a_row_does_not_depend_on_the_rows_beside_it(texts_table: TextsTable) -> None:
    texts = [HATE, CIVIL, SWEARING, "a", "日本語のテキスト", f"{CIVIL} {HATE}", CIVIL.upper()]
    together = say(offline(), texts_table(texts))["score"].to_pylist()
    alone = [say(offline(), texts_table([text]))["score"][0].as_py() for text in texts]
    assert together == alone


def test_without_weights_the_offline_scorer_judges_under_its_own_threshold(texts_table: TextsTable) -> None:
    judge = toxicity(scorer="detoxify:original", threshold=0.05, offline=Offline(threshold=0.6))
    assert judge.facts["scorer_requested"] == "detoxify:original"
    assert judge.facts["scorer_used"] == "hate-ngrams"
    assert judge.facts["why"] == "no weights are named"
    assert judge.facts["threshold"] == 0.6
    (verdict,) = say(judge, texts_table([HATE])).to_pylist()
    assert verdict["threshold"] == 0.6
    assert verdict["reason"].endswith("by hate-ngrams (not Detoxify)")


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
        {"scorer": "hate-ngrams", "weights": "/models/x.ckpt", "weights_sha256": "0" * 64},
    ],
)
def test_weights_without_digest_or_for_another_scorer_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="go together"):
        toxicity(**params)


def test_the_gate_file_of_the_design_binds() -> None:
    params = {"scorer": "detoxify:original", "threshold": 0.05, "escalate_slice_at": 0.02}
    bound = bind("gate", "toxicity", params, where="gates[2]")
    assert bound.params["offline"] == {"scorer": "hate-ngrams", "threshold": 0.55}
    own = {"offline": {"scorer": "hate-ngrams", "threshold": 0.9}}
    judge: Judge = bind("gate", "toxicity", params | own, where="gates[2]").make(NoResources())
    assert judge.facts["threshold"] == 0.9


@pytest.mark.parametrize(
    "wrong",
    [
        {"scorer": "detoxify"},
        {"scorer": "linear-svm"},
        {"threshold": 1.0},
        {"threshold": "0.05"},
        {"offline": {"scorer": "x"}},
        {"weights_sha256": "ab"},
        {"tone": {"threshold": 0.5}},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"gates\[2\]: " + next(iter(wrong))):
        bind("gate", "toxicity", wrong, where="gates[2]")


@pytest.mark.parametrize(
    "mention",
    [
        "Herpes advice: the blisters heal within ten days.",
        "As a gay man, can I insure my husband? Yes, you can.",
        "Swabs from the vagina or the anus, or a sample of semen, are sent to the laboratory.",
        "Kill the child process, collect the garbage and dump the dead rows.",
        "Moby Dick is a novel by Herman Melville.",
        "She pursed her lips and said nothing.",
        "An ugly number is one whose prime factors are two, three or five.",
        "Magnets have two opposing poles.",
        "Sure, and which location would you prefer?",
    ],
)
def test_a_mention_is_not_held(texts_table: TextsTable, mention: str) -> None:
    assert say(offline(), texts_table([mention]))["outcome"].to_pylist() == ["accept"]


def test_what_provokes_in_an_adversarial_row_is_not_scored_but_the_answer_is(row: MakeRow) -> None:
    turns = [(HATE, CIVIL), (CIVIL, HATE), (HATE, None)]
    rows = [row(("user", p), ("assistant", a), kind="adversarial", draw=k) for k, (p, a) in enumerate(turns)]
    usual = row(("user", HATE), ("assistant", CIVIL), draw=9)
    outcomes = say(offline(), build_candidates([*rows, usual]))["outcome"].to_pylist()
    assert outcomes == ["accept", "hold", "abstain", "hold"]


@pytest.mark.parametrize("new", [{}, {"threshold": 0.05}, {"threshold": 0.999}])
def test_deciding_again_from_stored_scores_says_what_judging_again_says(
    row: MakeRow, new: dict[str, Any]
) -> None:
    said = [HATE, SWEARING, CIVIL, "Shut up and wait.", "What a silly joke.", "damn", " "] + [CIVIL] * 40
    table = build_candidates([row(("user", "?!"), ("assistant", t), draw=k) for k, t in enumerate(said)])
    old = {"scorer": "hate-ngrams"}
    before, after = (bind("gate", "toxicity", given, where="x") for given in (old, old | new))
    judge: Judge = before.make(NoResources())
    again = decide_again(say(judge, table), judge.dials, after.params, before.params)
    assert again == say(after.make(NoResources()), table)["outcome"].to_pylist()


def test_offline_the_threshold_of_the_offline_scorer_is_the_one_that_is_turned() -> None:
    (used,), (own,) = toxicity().dials, offline().dials
    assert (used.parameter, used.threshold, used.outcome) == ("offline.threshold", 0.55, "hold")
    assert (own.parameter, own.threshold, own.outcome) == ("threshold", 0.55, "hold")


def test_the_parts_that_are_read_and_what_is_said_late_are_declared() -> None:
    entry = registered("gate")["toxicity"]
    assert entry.reads == ("content", "reasoning", "tool_calls", "tools", "alternatives", "documents")
    assert set(entry.late_parameters) <= set(entry.params.model_fields)


@pytest.mark.corpora
def test_hatecheck_and_benign_queries_score_as_documented(
    corpora: Path, row: MakeRow, texts_table: TextsTable
) -> None:
    def read(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    cases = read(corpora / "hatecheck" / "cases.csv")
    said = [row(("user", case["test_case"]), draw=k) for k, case in enumerate(cases)]
    outcomes = np.array(say(offline(), build_candidates(said))["outcome"].to_pylist())
    hateful = np.array([case["label_gold"] == "hateful" for case in cases])
    assert round((outcomes == "hold")[hateful].mean(), 2) == 0.58
    assert round((outcomes == "hold")[~hateful].mean(), 2) == 0.31
    queries = [r["text"] for part in ("train", "test") for r in read(corpora / "banking77" / f"{part}.csv")]
    assert (np.array(say(offline(), texts_table(queries))["outcome"].to_pylist()) == "hold").mean() <= 0.0002


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
