import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import ConfigError, ModelError
from synth_stack.gates.structure.gate import structure
from synth_stack.gates.structure.reading import Length
from synth_stack.registry import bind
from synth_stack.rows.schemas import (
    ALTERNATIVES,
    CANDIDATE_SCHEMA,
    MESSAGES,
    VERDICT_SCHEMA,
    build_candidates,
)
from tests.arbitrary_rows import draw_rows, draw_values
from tests.examples import examples
from tests.gates.structure.judging import find_fault, judge_row, judge_table
from tests.some_rows import MakeRow, make_call, make_row, make_tool_row

ASK = "How do I cancel my order please?"
SAY = "Open the orders page, choose the order, and press cancel."
GERMAN = (
    "Wie kann ich meine Bestellung stornieren?",
    "Öffnen Sie die Seite mit den Bestellungen und wählen Sie Stornieren.",
)


def test_a_sound_row_is_accepted_with_its_language_score(row: MakeRow) -> None:
    verdict = judge_row(row(("user", ASK), ("assistant", SAY)))
    assert (verdict["outcome"], verdict["reason"], verdict["evidence"]) == ("accept", None, None)
    assert 0 <= verdict["score"] < verdict["threshold"] == 0.6


def test_a_failure_is_the_reason_before_anything_else(row: MakeRow) -> None:
    verdict = judge_row(row(failure="teacher timed out after 300 s"))
    assert verdict["reason"] == "generation failed: teacher timed out after 300 s"
    assert judge_row(row(failure="x" * 9000))["reason"] == "generation failed: " + "x" * 200


def test_every_turn_in_its_place_is_accepted(row: MakeRow) -> None:
    turns = [
        ("user", ASK),
        ("assistant", SAY),
        ("user", "And then what happens?"),
        ("assistant", "You get an e-mail."),
    ]
    assert judge_row(row(*turns))["outcome"] == "accept"
    assert judge_row(row(("system", "Be brief."), *turns))["outcome"] == "accept"


@pytest.mark.parametrize(
    ("turns", "reason", "message"),
    [
        ([("user", ASK)], "wrong roles: the last message is not the assistant's", 0),
        ([("assistant", SAY)], "wrong roles: message 0 is assistant, it is the turn of user", 0),
        ([("system", "Hi")], "wrong roles: the last message is not the assistant's", 0),
        ([("user", ASK), ("user", ASK)], "wrong roles: message 1 is user, it is the turn of assistant", 1),
        ([("user", ASK), ("tool", SAY)], "unmatched tool result: message 1 answers no open call", 1),
        (
            [("user", ASK), ("assistant", SAY), ("system", "Hi")],
            "wrong roles: message 2 is system, it is the turn of user",
            2,
        ),
        ([("user", ASK), ("<b>\x00", SAY)], "wrong roles: message 1 is ?b??, it is the turn of assistant", 1),
        ([("user", ASK), ("assistant", " \n\u3000")], "empty answer: the assistant message is empty", 1),
        ([("user", ""), ("assistant", SAY)], "empty prompt: the user message is empty", 0),
        ([("user", ASK), ("assistant", None)], "unreadable text: message 1 is null or not valid UTF-8", 1),
        ([(None, ASK), ("assistant", SAY)], "unreadable text: message 0 is null or not valid UTF-8", 0),
        (
            [("user", ASK), ("assistant", "Press\x00 cancel.")],
            "broken characters: message 1 holds NUL or the replacement character U+FFFD",
            1,
        ),
        (
            [("user", "Caf\ufffd?"), ("assistant", SAY)],
            "broken characters: message 0 holds NUL or the replacement character U+FFFD",
            0,
        ),
        (
            [("user", ASK), ("assistant", " how do I CANCEL my order, please! ")],
            "prompt echoed: the answer only repeats the message before it",
            1,
        ),
        (
            [("user", ASK), ("assistant", "I can help you. " * 20)],
            "runaway repetition: message 1 says the same 20 times in a row",
            1,
        ),
        (
            [("user", ASK), ("assistant", "\n".join(["- item"] * 16))],
            "runaway repetition: message 1 says the same 16 times in a row",
            1,
        ),
    ],
)
def test_a_fault_is_named_with_its_message(row: MakeRow, turns: Any, reason: str, message: int) -> None:
    verdict = judge_row(row(*turns))
    assert (verdict["outcome"], verdict["reason"]) == ("reject", reason)
    measured = {"repeats": 20 if "20" in reason else 16} if "times in a row" in reason else {}
    assert json.loads(verdict["evidence"]) == {"message": message, **measured}


THOUGHT = "An order that was sent can still be refused."


@pytest.mark.parametrize(
    ("messages", "kind", "place"),
    [
        ([{"role": "user"}, {"role": "assistant", "reasoning": THOUGHT}], None, {}),
        (
            [{"role": "user"}, {"role": "assistant", "content": None, "reasoning": THOUGHT}],
            "empty_answer",
            {"message": 1},
        ),
        (
            [{"role": "user"}, {"role": "assistant", "content": " ", "reasoning": THOUGHT}],
            "empty_answer",
            {"message": 1},
        ),
        (
            [{"role": "user", "reasoning": THOUGHT}, {"role": "assistant"}],
            "misplaced_reasoning",
            {"message": 0},
        ),
        ([{"role": "user"}, {"role": "assistant", "reasoning": "a\0"}], "broken_characters", {"message": 1}),
        ([{"role": "user"}, {"role": "assistant", "reasoning": "word " * 20_000}], None, {}),
    ],
)
def test_reasoning_stands_on_answers_and_never_alone(
    messages: list[dict[str, Any]], kind: str | None, place: dict[str, int]
) -> None:
    contents = {"user": ASK, "assistant": SAY}
    spoken = [{"content": contents[said["role"]], **said} for said in messages]
    assert find_fault(make_row(messages=spoken, text=f"{ASK}\n\n{SAY}")) == (kind, place)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (make_row(failure="x"), "generation_failed"),
        (make_row(), "no_messages"),
        (make_row(("user", ASK), ("assistant", None)), "unreadable_text"),
        (make_row(("user", ASK)), "wrong_roles"),
        (make_row(("user", " "), ("assistant", SAY)), "empty_prompt"),
        (make_row(("user", ASK), ("assistant", " ")), "empty_answer"),
        (make_row(("system", " "), ("user", ASK), ("assistant", SAY)), "empty_system"),
        (make_row(kind="foreign", text=" "), "empty_text"),
        (make_row(("user", ASK), ("assistant", "\0")), "broken_characters"),
        (make_row(("user", ASK), ("assistant", "a" * 20_000)), "too_long"),
        (make_row(("user", ASK), ("assistant", ASK)), "echo"),
        (make_row(("user", ASK), ("assistant", "I can help you. " * 20)), "repetition"),
        (make_row(("user", GERMAN[0]), ("assistant", GERMAN[1])), "wrong_language"),
        (make_row(("user", ASK), ("assistant", SAY)), None),
    ],
)
def test_every_fault_has_a_class_of_its_own(made: dict[str, Any], kind: str | None) -> None:
    assert find_fault(made)[0] == kind


def test_its_dial_is_the_confidence_in_another_language() -> None:
    *_, dial = structure(min_confidence=0.9).dials
    assert (dial.parameter, dial.threshold, dial.rejects, dial.score) == (
        "min_confidence",
        0.9,
        ">=",
        "score",
    )
    assert dial.classes == ("structure.wrong_language",)
    assert dial.classes not in {other.classes for other in structure(languages=[]).dials}


def test_a_result_that_an_answer_repeats_is_no_echo_and_its_lines_may_repeat() -> None:
    rows = "- nothing\n" * 9
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": ASK},
        {"role": "assistant", "content": None, "tool_calls": [make_call("find", q="x")]},
        {"role": "tool", "content": rows, "tool_call_id": "c1"},
        {"role": "assistant", "content": "Nothing was found in any of the orders that you asked about."},
    ]
    assert find_fault(make_tool_row(messages=messages, tools=None)) == (None, {})
    messages[2:] = [{**messages[2], "content": "42 days"}, {"role": "assistant", "content": "42 days"}]
    assert find_fault(make_tool_row(messages=messages, tools=None)) == (None, {})


def test_the_first_of_several_faults_is_the_reason(row: MakeRow) -> None:
    verdict = judge_row(row(("user", ""), ("assistant", "a\x00")))
    assert verdict["reason"] == "empty prompt: the user message is empty"


def test_a_row_without_messages_is_rejected_unless_foreign_with_a_text(row: MakeRow) -> None:
    assert judge_row(row())["reason"].startswith("no messages: ")
    assert judge_row(row(text="Only a text."))["reason"].startswith("no messages: ")
    assert judge_row(row(kind="foreign"))["reason"].startswith("no messages: ")
    assert judge_row(row(kind="foreign", text="A single piece of text."))["outcome"] == "accept"
    assert judge_row(row(kind="foreign", text="  "))["reason"] == "empty text: the text is empty"


@pytest.mark.parametrize(
    ("prompt", "answer", "reason"),
    [
        ("abcde", "f g", None),
        ("abcd", "f g", "prompt too short: 4 chars, allowed 5 to 10"),
        ("abcde fghij", "f g", "prompt too long: 11 chars, allowed 5 to 10"),
        ("abcde", "f", "answer too short: 1 words, allowed 2 to 3"),
        ("abcde", "f g h", None),
        ("abcde", "f g h i", "answer too long: 4 words, allowed 2 to 3"),
    ],
)
def test_bounds_count_both_ends_in(row: MakeRow, prompt: str, answer: str, reason: str | None) -> None:
    bounds = {"prompt": Length(min_chars=5, max_chars=10), "answer": Length(min_words=2, max_words=3)}
    verdict = judge_row(row(("user", prompt), ("assistant", answer)), languages=[], **bounds)
    assert verdict["reason"] == reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我很好谢谢你", 3),
        ("注文をキャンセルするには、注文ページを開いてください。", 13),
        ("ยกเลิกคำสั่งซื้อ", 4),
        ("我 love 北京", 3),
        ("Öl und Käse", 3),
        ("plain words here", 3),
    ],
)
def test_scripts_without_spaces_are_counted_by_the_length_of_their_words(
    row: MakeRow, text: str, words: int
) -> None:
    for bounds, outcome in (
        ((words, words), "accept"),
        ((words + 1, 99), "reject"),
        ((0, words - 1), "reject"),
    ):
        allowed = Length(min_words=bounds[0], max_words=bounds[1])
        verdict = judge_row(row(("user", ASK), ("assistant", text)), languages=[], answer=allowed)
        assert verdict["outcome"] == outcome


def test_a_prompt_of_one_sign_is_too_short_where_more_is_asked_for(row: MakeRow) -> None:
    made = row(("user", "?"), ("assistant", SAY))
    assert find_fault(made, prompt=Length(min_chars=3))[0] == "too_short"
    assert find_fault(made)[0] is None


def test_another_language_is_rejected_with_its_probability(row: MakeRow) -> None:
    made = row(("user", GERMAN[0]), ("assistant", GERMAN[1]))
    verdict = judge_row(made)
    assert (verdict["outcome"], verdict["reason"]) == ("reject", "wrong language: de, wanted en")
    assert verdict["score"] > 0.8
    assert judge_row(made, languages=["de"])["outcome"] == "accept"
    assert judge_row(made, languages=["en", "de"])["outcome"] == "accept"
    off = judge_row(made, languages=[])
    assert (off["outcome"], off["score"], off["threshold"]) == ("accept", None, None)


@pytest.mark.parametrize(
    "ask", ["Où est ma commande passée hier ?", "我想取消我昨天下的订单", "Where Я хочу отменить мой заказ"]
)
def test_short_rows_of_other_languages_are_told(row: MakeRow, ask: str) -> None:
    assert judge_row(row(("user", ask), ("assistant", "→ 42")))["reason"].startswith("wrong language: ")


def test_what_is_too_short_to_tell_is_not_rejected(row: MakeRow) -> None:
    verdict = judge_row(row(("user", "Danke schön"), ("assistant", "OK")))
    assert (verdict["outcome"], verdict["score"]) == ("accept", None)


def test_code_is_not_read_as_a_language(row: MakeRow) -> None:
    fenced = "```python\nfür = lambda größe: [wörter for wörter in größe]\n```"
    bare = "def größe(wörter):\n    return [länge_von(w) for w in wörter]"
    for code in (fenced, bare):
        verdict = judge_row(row(("user", ASK), ("assistant", code), kind="code"))
        assert verdict["outcome"] == "accept"
        assert judge_row(row(("user", "==>"), ("assistant", code), kind="code"))["score"] is None


def test_repetition_under_the_bar_and_in_short_texts_is_fine(row: MakeRow) -> None:
    assert judge_row(row(("user", ASK), ("assistant", "ha ha ha ha ha ha")))["outcome"] == "accept"
    steps = "\n".join([f"Step {k}: press the button with the number {k}." for k in range(9)])
    assert judge_row(row(("user", ASK), ("assistant", steps)))["outcome"] == "accept"


def torn_table(made: dict[str, Any]) -> pa.Table:
    """The row with its text and its last message replaced by bytes that are no UTF-8 (a lone surrogate)."""
    table = build_candidates([made])
    torn = pa.Array.from_buffers(
        pa.string(),
        1,
        [None, pa.py_buffer(np.array([0, 3], dtype=np.int32).tobytes()), pa.py_buffer(b"\xed\xa0\x80")],
    )
    fields = list(MESSAGES.value_type)
    given = {"role": pa.array(["assistant"]), "content": torn}
    values = [given.get(field.name, pa.nulls(1, field.type)) for field in fields]
    structs = pa.StructArray.from_arrays(values, fields=fields)
    messages = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), structs)
    names = CANDIDATE_SCHEMA.names
    table = table.set_column(names.index("text"), CANDIDATE_SCHEMA.field("text"), torn)
    return table.set_column(names.index("messages"), CANDIDATE_SCHEMA.field("messages"), messages)


def test_bytes_that_are_no_utf8_are_rejected_and_break_nothing(row: MakeRow) -> None:
    (verdict,) = judge_table(torn_table(row(("assistant", "x")))).to_pylist()
    assert (verdict["outcome"], verdict["reason"]) == ("reject", "unreadable text: not valid UTF-8")


def test_an_empty_table_has_no_verdicts() -> None:
    verdicts = judge_table(CANDIDATE_SCHEMA.empty_table())
    assert (verdicts.num_rows, verdicts.schema) == (0, VERDICT_SCHEMA)


@settings(max_examples=examples(40))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["user", "assistant", "system", "tool", None]),
            st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        ),
        max_size=4,
    )
)
def test_whatever_a_row_holds_it_is_judged(turns: list[tuple[str | None, str | None]]) -> None:
    verdict = judge_row(make_row(*turns, kind="foreign"))
    assert (verdict["reason"] is None) == (verdict["outcome"] == "accept")


FEW_TEXTS = st.sampled_from(["", "a", "user", "assistant", "tool", "{}", "chosen", "rejected", "1.5"])
SHAPED = draw_rows(
    messages=draw_values(MESSAGES, FEW_TEXTS),
    alternatives=st.none() | draw_values(ALTERNATIVES, FEW_TEXTS),
    tools=st.none() | FEW_TEXTS,
    failure=st.none(),
)


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(SHAPED, min_size=1, max_size=4))
def test_whatever_shape_a_row_has_it_is_judged_alike_alone_and_among_others(
    rows: list[dict[str, Any]],
) -> None:
    table = build_candidates(rows)
    together = judge_table(table)
    alone = [judge_table(table.slice(k, 1)) for k in range(len(rows))]
    assert together.to_pylist() == pa.concat_tables(alone).to_pylist()


def test_a_huge_answer_is_judged_by_its_length(row: MakeRow) -> None:
    verdict = judge_row(row(("user", ASK), ("assistant", "word " * 400_000)))
    assert verdict["reason"] == "answer too long: 2000000 chars, allowed 1 to 16000"


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_confidence": 0.4},
        {"languages": ["english"]},
        {"languages": "en"},
        {"max_repeated_lines": 0},
        {"prompt": {"min_chars": 9, "max_chars": 8}},
        {"answer": {"min_char": 1}},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"gates\[0\]: " + next(iter(wrong))):
        bind("gate", "structure", wrong, where="gates[0]")


def test_a_language_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ModelError, match="xq"):
        structure(languages=["en", "xq"])


@pytest.mark.corpora
def test_real_support_queries_are_not_rejected(
    corpora: Path, texts_table: Callable[[list[str]], pa.Table]
) -> None:
    lines = (corpora / "banking77" / "test.csv").read_text(encoding="utf-8").split("\n")[1:3001]
    queries = [
        line.rpartition(",")[0].strip('"') for line in lines if line.count(",") and not line.startswith("'")
    ]
    outcomes = judge_table(texts_table([q for q in queries if q]))["outcome"].to_pylist()
    assert outcomes.count("reject") <= 3
