import json
from typing import Any

import pytest

from synth_stack.gates.gate import NO_STATE
from synth_stack.gates.personal_data.gate import personal_data
from synth_stack.gates.personal_data.policy import Actions
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates, recompute_row_ids
from synth_stack.rows.texts import join_text
from tests.some_rows import make_row

MAILBOX = "anna.keller@kellerpost.de"
CARD = 4539148803436467
SAID = f"Mail {MAILBOX} now."
TAKEN = "Mail [EMAIL] now."


def make_full(**fields: Any) -> dict[str, Any]:
    """A row with every part, in which nothing is personal but what `fields` say."""
    call = {"id": "c0", "name": "send", "arguments": fields.pop("arguments", '{"a": "b"}')}
    messages = [
        {"role": "user", "content": fields.pop("content", "Hello.")},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "ok", "tool_call_id": "c0", "name": "send"},
        {"role": "assistant", "content": "Done.", "reasoning": fields.pop("reasoning", "Easy.")},
    ]
    side = {
        "role": "assistant",
        "content": fields.pop("rejected", "No."),
        "reasoning": fields.pop("why", "b"),
    }
    alternatives = [
        {"label": "chosen", "messages": [{"role": "assistant", "content": "Yes."}], "rating": "4"},
        {"label": "rejected", "messages": [side], "model": "m"},
    ]
    row = {
        **make_row(kind="preference"),
        "messages": messages,
        "alternatives": alternatives,
        "tools": canonical_text([{"name": "send", "description": fields.pop("tool", "Sends.")}]),
        "documents": [
            {
                "id": "d",
                "title": fields.pop("title", "Help"),
                "text": fields.pop("document", "b"),
                "source": "s",
            }
        ],
        "models": [{"part": "writer", "name": "m", "digest": None}],
        **fields,
    }
    return {**row, "text": fields.get("text") or join_text(messages, alternatives)}


def redact(row: dict[str, Any], **kinds: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The verdict on a row, and its copy."""
    judge = personal_data(kinds=Actions.model_validate(kinds))
    table = build_candidates([row])
    assert judge.amend is not None
    (verdict,), copies = judge.judge(table, NO_STATE).to_pylist(), judge.amend(table, {})
    if len(copies):
        assert recompute_row_ids(copies) == copies["row_id"].to_pylist()
        assert judge.judge(copies, NO_STATE)["outcome"].to_pylist() == ["accept"]
        assert copies["parent_id"].to_pylist() == table["row_id"].to_pylist()
    return verdict, (copies.to_pylist() or [None])[0]


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("content", "messages.0.content"),
        ("reasoning", "messages.3.reasoning"),
        ("rejected", "alternatives.1.messages.0.content"),
        ("why", "alternatives.1.messages.0.reasoning"),
        ("title", "documents.0.title"),
        ("document", "documents.0.text"),
    ],
)
def test_a_value_is_taken_out_of_every_part_and_nothing_else_changes(field: str, path: str) -> None:
    verdict, copy = redact(make_full(**{field: SAID}))
    assert copy is not None
    evidence = json.loads(verdict["evidence"])
    assert evidence["findings"] == [{"path": path, "kind": "email", "start": 5, "end": 30}]
    assert (verdict["reason_class"], evidence["replaced_by"]) == ("personal_data.email", copy["row_id"])
    clean = build_candidates([make_full(**{field: TAKEN})]).to_pylist()[0]
    marked = {"row_id", "extra", "parent_id", "replayable"}
    assert {k: v for k, v in copy.items() if k not in marked} == {
        k: v for k, v in clean.items() if k not in marked
    }
    assert json.loads(copy["extra"])["redacted"] == evidence["findings"]


def test_arguments_stay_the_json_that_they_were() -> None:
    written = f'{{ "to" : "x\\n{MAILBOX}", "card": {CARD}, "u": "\\u00fc@kellerpost.de" }}'
    verdict, copy = redact(make_full(arguments=written), card="redact")
    assert copy is not None
    assert json.loads(verdict["evidence"])["counts"] == {"email": 2, "card": 1}
    after = copy["messages"][1]["tool_calls"][0]
    assert after["arguments"] == '{ "to" : "x\\n[EMAIL]", "card": "[CARD]", "u": "[EMAIL]" }'
    assert (after["id"], after["name"]) == ("c0", "send")
    assert copy["text"] == join_text(copy["messages"], copy["alternatives"])


def test_arguments_that_are_no_json_are_a_text_like_others() -> None:
    _, copy = redact(make_full(arguments=f"to={MAILBOX}, {{"))
    assert copy is not None
    assert copy["messages"][1]["tool_calls"][0]["arguments"] == "to=[EMAIL], {"


def test_schemas_of_tools_stay_canonical() -> None:
    _, copy = redact(make_full(tool=SAID))
    assert copy is not None
    assert copy["tools"] == canonical_text([{"name": "send", "description": TAKEN}])


@pytest.mark.parametrize("tools", ["[", f'["{MAILBOX} '])
def test_no_copy_is_made_of_a_row_whose_schemas_are_no_json(tools: str) -> None:
    verdict, copy = redact(make_full(tools=tools + MAILBOX))
    assert copy is None
    assert verdict["reason"].endswith("no clean copy can be made")
    assert "replaced_by" not in json.loads(verdict["evidence"])


def test_a_text_of_its_own_is_redacted_in_place() -> None:
    _, copy = redact(make_full(content=SAID, text=f"Summary: {SAID}"))
    assert copy is not None
    assert copy["text"] == f"Summary: {TAKEN}"


def test_a_copy_of_a_copy_names_the_row_that_it_was_made_from() -> None:
    original = make_full(content=SAID)
    first = redact(original)[1]
    assert first is not None
    again = {**first, "documents": [{"id": "d", "title": None, "text": SAID, "source": None}]}
    second = redact(again)[1]
    assert second is not None
    assert second["parent_id"] == build_candidates([again])["row_id"][0].as_py()


def test_names_ids_ratings_and_models_stay() -> None:
    row = make_full(content=SAID)
    row["models"][0]["name"] = MAILBOX
    row["documents"][0]["source"] = MAILBOX
    row["messages"][2]["name"] = MAILBOX
    verdict, copy = redact(row)
    assert copy is not None
    assert json.loads(verdict["evidence"])["counts"] == {"email": 1}
    assert copy["models"][0]["name"] == copy["documents"][0]["source"] == MAILBOX
