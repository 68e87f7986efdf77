import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.gates.resources import NoResources
from synth_stack.gates.toxicity.gate import toxicity
from synth_stack.gates.toxicity.pieces import SPOKEN, read_scored, select_toned
from synth_stack.gates.toxicity.windows import score_rows
from synth_stack.models.toxicity import load_hate_ngrams
from synth_stack.rows.schemas import build_candidates
from tests.gates.playing import play
from tests.some_rows import make_row

SWEARING = "Shut the fuck up, you stupid bitch."
CIVIL = "Thank you, I will look into the delivery at once."


def call(arguments: str) -> list[dict[str, Any]]:
    return [{"id": "c0", "name": "send", "arguments": arguments}]


def row_with(part: str, said: str, draw: int = 0) -> dict[str, Any]:
    """A civil row that says something in one of its parts."""
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Hi?"},
        {"role": "assistant", "content": CIVIL},
    ]
    fields: dict[str, Any] = {}
    match part:
        case "reasoning":
            messages[1]["reasoning"] = said
        case "tool_calls":
            messages[1]["tool_calls"] = call(json.dumps({"text": f"\n{said}"}))
        case "tools":
            fields["tools"] = json.dumps([{"name": "send", "description": said}])
        case "documents":
            fields["documents"] = [{"id": "d", "title": "Help", "text": CIVIL}, {"id": "e", "text": said}]
        case "title":
            fields["documents"] = [{"id": "d", "title": said}]
        case _:
            sides = {"chosen": CIVIL, "rejected": CIVIL, part: said}
            fields["alternatives"] = [
                {"label": label or None, "messages": [{"role": "assistant", "content": content}]}
                for label, content in sides.items()
            ]
    return {**make_row(draw=draw), "text": CIVIL, "messages": messages, **fields}


def judge(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    gate = toxicity(NoResources(), scorer="hate-ngrams")
    ((verdicts,), _) = play(gate, [build_candidates(rows)], name="toxicity")
    said: list[dict[str, Any]] = verdicts.to_pylist()
    return said


@pytest.mark.parametrize(
    ("part", "path", "role"),
    [
        ("reasoning", "messages.1.reasoning", "assistant"),
        ("tool_calls", "messages.1.tool_calls.0.arguments", "assistant"),
        ("tools", "tools", None),
        ("documents", "documents.1.text", None),
        ("title", "documents.0.title", None),
        ("chosen", "alternatives.0.messages.0.content", "assistant"),
        ("rejected", "alternatives.1.messages.0.content", "assistant"),
        ("", "alternatives.2.messages.0.content", "assistant"),
    ],
)
def test_toxic_words_count_in_every_part_of_a_row(part: str, path: str, role: str | None) -> None:
    bad, good = judge(row_with(part, SWEARING), row_with(part, CIVIL, 1))
    assert (bad["outcome"], bad["reason_class"]) == ("hold", "toxicity.toxic")
    assert f" in {path}, by hate-ngrams" in bad["reason"]
    evidence = json.loads(bad["evidence"])
    assert (evidence["path"], evidence["role"]) == (path, role)
    assert good["outcome"] == "accept"


@pytest.mark.parametrize(
    ("part", "counts"),
    [
        ("chosen", True),
        ("rejected", False),
        ("", False),
        ("reasoning", True),
        ("tool_calls", True),
        ("tools", False),
        ("documents", False),
    ],
)
def test_a_tone_counts_in_messages_and_in_the_chosen_alternative(part: str, counts: bool) -> None:
    table = build_candidates([row_with(part, "Not my problem.")])
    toned = select_toned(read_scored(table, SPOKEN), table)
    assert toned["content"].str.contains("Not my problem.").any() == counts


def test_offsets_are_those_of_the_text_with_its_escapes() -> None:
    arguments = json.dumps({"a": "é\n\\ \u2013", "text": SWEARING})
    messages = [{"role": "assistant", "content": None, "tool_calls": call(arguments)}]
    (verdict,) = judge({**make_row(), "messages": messages, "text": "send"})
    evidence = json.loads(verdict["evidence"])
    assert "bitch" in arguments[evidence["start"] : evidence["end"]]


def test_the_attempt_of_an_adversarial_row_is_left_out_of_its_alternatives_too() -> None:
    sides = [{"label": "chosen", "messages": [{"role": "user", "content": SWEARING}]}]
    attempt = make_row(("user", SWEARING), ("assistant", CIVIL), kind="adversarial", alternatives=sides)
    document = {**attempt, "documents": [{"id": "d", "text": SWEARING}], "draw": 1}
    assert [verdict["outcome"] for verdict in judge(attempt, document)] == ["accept", "hold"]


def test_each_piece_of_a_row_has_a_position_of_its_own_and_parts_that_are_not_there_cost_nothing() -> None:
    rows = [make_row(("user", "a"), ("assistant", None), ("user", "b")), row_with("reasoning", "c", 1)]
    pieces = read_scored(build_candidates(rows))
    assert pieces.select("row", "position").unique().height == len(pieces) == 5
    plain = build_candidates([make_row(("user", "a"), ("assistant", "b")), make_row(text="c", draw=1)])
    read = read_scored(plain)
    assert read["path"].to_list() == ["messages.0.content", "messages.1.content", "text"]
    assert select_toned(read, plain).equals(read)


def test_the_same_schemas_in_many_rows_are_scored_once() -> None:
    scorer = load_hate_ngrams()
    seen: list[int] = []

    def count(texts: Any) -> Any:
        seen.append(len(texts))
        return scorer.score(texts)

    counting = replace(scorer, score=count)
    table = build_candidates(row_with("tools", SWEARING, draw) for draw in range(20))
    worst = score_rows(read_scored(table), counting)
    assert len(worst) == 20
    assert seen == [3]


def test_a_table_of_no_rows_has_no_pieces() -> None:
    empty: pa.Table = build_candidates([])
    assert read_scored(empty).is_empty()
    assert select_toned(read_scored(empty), empty).is_empty()
