"""datatrove's filters as a gate: its reasons, what it may not judge, and what it has to catch."""

from typing import Any

import pytest

pytest.importorskip("datatrove")

from synth_stack.errors import ConfigError
from synth_stack.gates.datatrove_filter.canaries import CANARIES, PROSE
from synth_stack.gates.datatrove_filter.filters import CLASSES
from synth_stack.gates.gate import NO_STATE, Judge
from synth_stack.registry import bind
from synth_stack.rows.schemas import build_candidates
from tests.some_rows import make_row

TEXT = "\n\n".join(PROSE)
EVERY = ["gopher_quality", "gopher_repetition", "c4_quality", "c4_paragraph", "fineweb_quality"]


def make_judge(*filters: Any, **params: Any) -> Judge:
    uses = [{"filter": each} if isinstance(each, str) else each for each in filters]
    bound = bind("gate", "datatrove_filter", {"filters": uses, **params}, where="gates.yaml")
    judge: Judge = bound.make()
    return judge


def ask(judge: Judge, *texts: str | None) -> list[dict[str, Any]]:
    """What the judge says of rows that are a text alone."""
    rows = [make_row(draw=n, messages=[], text=text) for n, text in enumerate(texts)]
    verdicts: list[dict[str, Any]] = judge.judge(build_candidates(rows), NO_STATE).to_pylist()
    return verdicts


def test_prose_passes_every_filter_and_each_canary_is_turned_away_by_its_own() -> None:
    [said] = ask(make_judge(*EVERY), TEXT)
    assert said["outcome"] == "accept"
    for name, (_, text) in CANARIES.items():
        [said] = ask(make_judge(name), text)
        assert (said["outcome"], said["reason"].partition(":")[0]) == ("reject", name), name


def test_the_reason_is_datatroves_and_the_first_filter_that_objects_is_named() -> None:
    judge = make_judge({"filter": "gopher_quality", "params": {"min_doc_words": 4}}, "c4_paragraph")
    short, line = ask(judge, "Two words", "This is one line of the prose that people like.")
    assert short["reason"] == "gopher_quality: gopher_short_doc"
    assert short["reason_class"] == "datatrove_filter.gopher_quality_gopher_short_doc"
    assert line["reason"] == "c4_paragraph: < 3 paragraphs"
    assert line["reason_class"] == "datatrove_filter.c4_paragraph_3_paragraphs"


def test_a_filter_without_a_reason_of_its_own_is_named_all_the_same() -> None:
    judge = make_judge({"filter": "regex", "params": {"regex_exp": "(?i)as an ai"}})
    found, other = ask(judge, "As an AI, I cannot.", "A bird sings.")
    assert (found["outcome"], found["reason"]) == ("reject", "regex: not kept")
    assert found["reason_class"] == "datatrove_filter.regex_not_kept"
    assert other["outcome"] == "accept"


def test_what_a_filter_would_rewrite_is_accepted_as_it_is() -> None:
    [said] = ask(make_judge("c4_quality"), f"{TEXT}\nno stop at the end of this line")
    assert said["outcome"] == "accept"
    assert said["evidence"] == '{"would_drop_chars":{"c4_quality":35}}'


def test_empty_failed_and_odd_texts_are_not_judged_and_nothing_breaks() -> None:
    judge = make_judge({"filter": "gopher_quality", "params": {"min_doc_words": 0}}, "fineweb_quality")
    said = ask(judge, "", " \n\t ", None, "...", "\u200b", "x" * 1_200_000)
    assert [each["outcome"] for each in said[:3]] == ["abstain"] * 3
    assert {each["reason_class"] for each in said[:3]} == {"datatrove_filter.nothing_to_read"}
    assert all(each["outcome"] in {"reject", "abstain"} for each in said[3:])
    [failed] = judge.judge(build_candidates([make_row(failure="broken", text=TEXT)]), NO_STATE).to_pylist()
    assert failed["outcome"] == "abstain"


def test_the_answer_can_be_read_in_the_place_of_the_text() -> None:
    row = make_row(("user", "In the harbour there is a { curly } sign."), ("assistant", TEXT))
    table = build_candidates([row])
    outcomes = [
        make_judge("c4_quality", field=f).judge(table, NO_STATE)["outcome"][0].as_py()
        for f in ("text", "answer")
    ]
    assert outcomes == ["reject", "accept"]


def test_canaries_are_caught_and_controls_pass_in_every_shape_of_row() -> None:
    judge = make_judge(*EVERY)
    sample = build_candidates(
        [make_row(("user", "a"), ("assistant", "b")), make_row(messages=[], text="c", draw=1)]
    )
    assert judge.plant is not None
    assert judge.control is not None
    planted = judge.judge(judge.plant(sample, 4, 0), NO_STATE)
    assert planted["outcome"].to_pylist() == ["reject"] * 20
    assert judge.judge(judge.control(sample, 4, 0), NO_STATE)["outcome"].to_pylist() == ["accept"] * 4


def test_a_rule_that_is_off_is_named_and_has_no_canary() -> None:
    judge = make_judge({"filter": "c4_quality", "params": {"filter_lorem_ipsum": False}}, "c4_paragraph")
    assert judge.off == ("c4_quality",)
    sample = build_candidates([make_row(("user", "a"), ("assistant", "b"))])
    assert judge.plant is not None
    assert len(judge.plant(sample, 3, 0)) == 3


def test_other_lengths_and_patterns_have_no_prose_to_be_measured_on() -> None:
    sample = build_candidates([make_row(("user", "a"), ("assistant", "b"))])
    for use in (
        {"filter": "gopher_quality", "params": {"min_doc_words": 2000}},
        {"filter": "regex", "params": {"regex_exp": "harbour"}},
    ):
        judge = make_judge(use)
        assert judge.control is not None
        assert len(judge.control(sample, 3, 0)) == 0


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ({"filter": "gopher"}, "filters"),
        ({"filter": "regex"}, "regex: regex_exp is missing"),
        ({"filter": "regex", "params": {"regex_exp": "("}}, "its parameters cannot be used; seen: "),
        ({"filter": "gopher_quality", "params": {"min_words": 3}}, "min_words is not a parameter of GopherQualityFilter"),
        ({"filter": "gopher_quality", "params": {"min_doc_words": "3"}}, "its parameters cannot be used; seen: TypeError"),
        ({"filter": "c4_paragraph", "params": {"exclusion_writer": "x"}}, "exclusion_writer is not a parameter"),
        ({"filter": "c4_paragraph", "model": "x.bin"}, "a model file belongs to a filter that reads one"),
        ({"filter": "language", "params": {"languages": ["en"]}}, "a model file belongs to a filter that reads one"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_a_filter_that_cannot_be_made_is_refused(use: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_judge(use)
    assert said in str(caught.value)


def test_the_facts_change_with_parameters_and_name_the_packages() -> None:
    first, second = (
        make_judge("c4_quality"),
        make_judge({"filter": "c4_quality", "params": {"min_num_sentences": 2}}),
    )
    assert set(first.facts["packages"]) == {"datatrove", "regex", "spacy"}
    assert first.facts["filters"] != second.facts["filters"]
    assert set(EVERY) < set(CLASSES)
