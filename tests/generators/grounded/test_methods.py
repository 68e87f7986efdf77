"""Grounded pairs: questions within their phrasings, answers of cited sentences, and what is refused before."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import synth_stack
from synth_stack.errors import ConfigError
from synth_stack.generation.draws import Plan
from synth_stack.generation.driver import drive
from synth_stack.generators.grounded.methods import grounded_pairs, record_phrasings
from synth_stack.generators.grounded.phrasings import read_phrasings
from synth_stack.inputs.recipe import load_recipe
from synth_stack.inputs.seeds import Corpus, Topic
from synth_stack.teachers.grammar import list_texts
from synth_stack.teachers.openai_llm import TeacherLLM
from synth_stack.teachers.scripted_llm import ScriptedLLM
from synth_stack.workflows.prepare import prepare
from tests.shop import make_corpus, make_plan, read, write_recipe

Row = dict[str, Any]

SECTIONS = {
    "orders#late-parcels": "Tell us when a parcel is ten days late. We then send the parcel again. It costs nothing.",
    "billing#refunds": "A refund takes five working days. It goes to the card that paid. Gift cards are not refunded.",
}
PHRASES = {
    "orders/late": {
        "situations": ["My parcel is (ten|twelve) days late."],
        "asks": [
            "Will you send (a late parcel|the parcel) again?",
            "What does it cost to send a parcel again?",
        ],
    },
    "orders/lost": {"asks": ["My parcel never came, so will you send it again?"]},
    "billing/refund": {"asks": ["How long does a refund take(|, please)?", "Are gift cards refunded?"]},
}


def make_grounded_plan(count: int) -> Plan:
    """The shop's plan, with a section of several sentences for every slice."""
    corpus = make_corpus()
    topics = {
        name: Topic(**{**topic.model_dump(), "policy": topic.policy or "orders#late-parcels"})
        for name, topic in corpus.topics.items()
    }
    return replace(make_plan(count, method="grounded_pairs"), corpus=Corpus(corpus.seeds, topics, SECTIONS))


def write_phrasings(folder: Path, slices: dict[str, Any] | None = None) -> str:
    path = folder / "phrasings.yaml"
    path.write_text(yaml.safe_dump({"slices": slices or PHRASES}))
    return str(path)


def run(pipeline: Any) -> list[Row]:
    rows: list[Row] = []
    drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, made: rows.extend(made))
    return rows


def make_rows(folder: Path, llm: Any = None, count: int = 12, **params: Any) -> list[Row]:
    if "phrasings" not in params:
        params["phrasings"] = write_phrasings(folder)
    return run(grounded_pairs(llm or ScriptedLLM(), make_grounded_plan(count), 4, **params))


def read_extra(row: Row) -> Row:
    found: Row = json.loads(row["extra"])["grounded"]
    return found


def test_a_question_is_one_of_the_wordings_of_its_slice(tmp_path: Path) -> None:
    rows = make_rows(tmp_path, count=24)
    known = read_phrasings(write_phrasings(tmp_path))
    for row in rows:
        offered = {
            text
            for form in range(len(known.forms))
            for ask in range(len(known.slices[row["slice"]].asks))
            for text in list_texts(known.message(row["slice"], form, ask))
        }
        assert row["messages"][0]["content"] in offered
        assert read_extra(row)["wording"] == "chosen"
    assert len({row["messages"][0]["content"] for row in rows}) > 8


def test_an_answer_is_made_of_the_sentences_that_it_cites_and_of_nothing_else(tmp_path: Path) -> None:
    rows = make_rows(tmp_path)
    assert all(row["failure"] is None for row in rows)
    for row in rows:
        (document,) = row["documents"]
        cited = read_extra(row)["citations"]
        assert cited
        assert document["text"] == SECTIONS[document["id"]]
        said = " ".join(document["text"][each["start"] : each["end"]] for each in cited)
        assert row["messages"][1]["content"] == said
        assert {f"{each['document']}#{each['section']}" for each in cited} == {document["id"]}


def test_the_answer_is_to_what_is_asked(tmp_path: Path) -> None:
    answers = {row["messages"][0]["content"]: row["messages"][1]["content"] for row in make_rows(tmp_path)}
    assert answers["Are gift cards refunded?"].startswith("Gift cards are not refunded.")
    assert "five working days" in answers["How long does a refund take?"]


def test_the_same_draw_gives_the_same_row_in_batches_of_any_size(tmp_path: Path) -> None:
    path = write_phrasings(tmp_path)
    first = run(grounded_pairs(ScriptedLLM(), make_grounded_plan(8), 8, phrasings=path))
    again = run(grounded_pairs(ScriptedLLM(), make_grounded_plan(8), 3, phrasings=path))
    assert first == again


def test_a_teacher_that_leaves_its_wordings_fails_the_row_and_keeps_what_it_wrote(tmp_path: Path) -> None:
    (row,) = make_rows(tmp_path, ScriptedLLM(rules=[("", ["Where is my lamp?"])]), count=1)
    assert "did not keep to the wordings" in row["failure"]
    assert [message["content"] for message in row["messages"]] == ["Where is my lamp?"]


def test_a_free_wording_that_is_no_longer_its_draft_fails(tmp_path: Path) -> None:
    llm = ScriptedLLM(rules=[("draft of one more: ", ["The weather in Spain is lovely this week."])])
    for row in make_rows(tmp_path, llm, wording="free", count=4):
        assert row["failure"].startswith("instruction: it is not what its draft was")


def test_a_free_wording_that_says_the_draft_again_is_kept_and_marked(tmp_path: Path) -> None:
    asked = "Could you tell me whether gift cards can be refunded?"
    llm = ScriptedLLM(rules=[("Are gift cards refunded", [asked])])
    rows = [r for r in make_rows(tmp_path, llm, wording="free", count=24) if r["failure"] is None]
    assert rows
    for row in rows:
        assert row["messages"][0]["content"] == asked
        assert read_extra(row)["wording"] == "free"


def test_a_question_that_no_sentence_is_near_to_fails_with_both_figures(tmp_path: Path) -> None:
    slices = {**PHRASES, "billing/refund": {"asks": ["Do tigers sleep on trees?"]}}
    rows = make_rows(tmp_path, phrasings=write_phrasings(tmp_path, slices), min_nearness=0.4)
    failures = {row["slice"]: row["failure"] for row in rows}
    assert failures["billing/refund"].startswith("answer: no sentence of billing#refunds is near (")
    assert failures["orders/lost"] is None


def test_without_phrasings_the_teacher_writes_the_question_freely(tmp_path: Path) -> None:
    llm = ScriptedLLM(rules=[("", ["How many days does a refund take?"])])
    rows = make_rows(tmp_path, llm, phrasings=None)
    refunds = [row for row in rows if row["slice"] == "billing/refund"]
    assert refunds
    for row in refunds:
        assert row["failure"] is None
        assert row["messages"][1]["content"].startswith("A refund takes five working days.")
        assert row["template_id"].startswith("self_instruct@")


def test_a_slice_without_a_section_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="slices without a section") as caught:
        grounded_pairs(ScriptedLLM(), make_plan(4), 4, phrasings=write_phrasings(tmp_path))
    assert "orders/lost" in str(caught.value)


def test_a_slice_without_phrasings_is_refused_with_its_name(tmp_path: Path) -> None:
    path = write_phrasings(tmp_path, {"orders/late": {"asks": ["Why?"]}})
    with pytest.raises(ConfigError, match="no phrasings") as caught:
        grounded_pairs(ScriptedLLM(), make_grounded_plan(4), 4, phrasings=path)
    assert "billing/refund, orders/lost" in str(caught.value)


@pytest.mark.parametrize("params", [{"phrasings": None}, {}])
def test_wordings_are_chosen_only_from_phrasings_by_a_teacher_that_takes_a_grammar(
    tmp_path: Path, params: Row
) -> None:
    llm = TeacherLLM(base_url="http://127.0.0.1:9/v1", model="some")
    with pytest.raises(ConfigError, match=r"chosen|grammar"):
        make_rows(tmp_path, llm, wording="chosen", **params)


def test_a_record_has_the_digest_of_the_phrasings_and_no_path(tmp_path: Path) -> None:
    path = write_phrasings(tmp_path)
    recorded = record_phrasings({"phrasings": path, "examples": 2})
    assert recorded["phrasings"] == {"found": {"sha256": read_phrasings(path).digest}}
    assert record_phrasings({"phrasings": None})["phrasings"] is None


def test_a_recipe_runs_by_it_and_other_phrasings_are_another_run(tmp_path: Path) -> None:
    slices = {name: phrases for name, phrases in PHRASES.items() if name != "orders/lost"}
    write_phrasings(tmp_path, slices)
    path = write_recipe(tmp_path, methods=[{"use": "grounded_pairs", "phrasings": "phrasings.yaml"}])
    kept = [line for line in (tmp_path / "seeds.jsonl").read_text().splitlines() if "orders/lost" not in line]
    (tmp_path / "seeds.jsonl").write_text("\n".join(kept))
    folder = synth_stack.generate(path, tmp_path / "run")
    rows = read(folder)
    assert {row["slice"] for row in rows} == set(slices)
    assert all(row["replayable"] and row["documents"] for row in rows)
    lock = prepare(load_recipe(path)).lock
    write_phrasings(tmp_path, {**slices, "billing/refund": {"asks": ["When is my refund here?"]}})
    assert prepare(load_recipe(path)).lock["identity"] != lock["identity"]
