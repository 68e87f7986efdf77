"""A tool dialogue, a reasoning row and a preference row on the whole way: JSONL, gates, pack, load, export."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import disable_progress_bars, load_dataset

import synth_stack
from synth_stack.files import read_table
from synth_stack.packs.signers import local_signer
from synth_stack.packs.trace import trace
from synth_stack.rows.texts import join_text
from synth_stack.runs.folder import list_parts
from synth_stack.workflows.replace import replace_rows
from tests.some_rows import WEATHER

ASK = "Do I need an umbrella in Oslo today?"
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": '{"rain": false}'}
ANSWER = {"role": "assistant", "content": "No, it stays dry in Oslo today."}
THOUGHT = "An hour has 60 minutes. 3.5 times 60 is 210."

TOOL_DIALOGUE: dict[str, Any] = {
    "id": "tool",
    "messages": [
        {"role": "user", "content": ASK},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        RESULT,
        ANSWER,
    ],
    "tools": WEATHER,
}
REASONED: dict[str, Any] = {
    "id": "reasoned",
    "messages": [
        {"role": "user", "content": "How many minutes are there in three and a half hours?"},
        {"role": "assistant", "content": "There are 210 minutes in it.", "reasoning_content": THOUGHT},
    ],
}
PREFERENCE = {
    "id": "preference",
    "prompt": "How do I take back an order that was sent already?",
    "chosen": "Refuse the parcel at your door, and you get your money back.",
    "rejected": "You can not do that.",
}
OPEN_CALL = {**TOOL_DIALOGUE, "id": "open", "messages": [*TOOL_DIALOGUE["messages"][:2], ANSWER]}
LOST_RESULT = {
    **TOOL_DIALOGUE,
    "id": "lost",
    "messages": [*TOOL_DIALOGUE["messages"][:2], {**RESULT, "tool_call_id": "c9"}, ANSWER],
}
ONE_SIDE = {**PREFERENCE, "id": "one side", "rejected": PREFERENCE["chosen"]}
REASONING_ALONE = {
    "id": "alone",
    "messages": [REASONED["messages"][0], {"role": "assistant", "content": "", "reasoning_content": THOUGHT}],
}
RECORDS = [TOOL_DIALOGUE, REASONED, PREFERENCE, OPEN_CALL, LOST_RESULT, ONE_SIDE, REASONING_ALONE]
GATES = "version: 1\ngates:\n  - use: structure\n  - use: dedup\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the curated rows at `judged` and their pack at `pack`."""
    disable_progress_bars()
    home = tmp_path_factory.mktemp("shapes")
    (home / "rows.jsonl").write_text("\n".join(map(json.dumps, RECORDS)) + "\n", encoding="utf-8")
    (home / "gates.yaml").write_text(GATES, encoding="utf-8")
    synth_stack.curate(home / "rows.jsonl", home / "gates.yaml", home / "judged")
    synth_stack.pack(home / "judged", home / "pack", signer=local_signer(home / "key.pem"))
    return home


def test_every_shape_is_accepted_and_what_is_broken_in_it_is_rejected_by_its_class(folder: Path) -> None:
    decisions = read_table(folder / "judged" / "decisions.parquet").to_pylist()
    assert {row["source_id"]: row["reason_class"] for row in decisions} == {
        "tool": None,
        "reasoned": None,
        "preference": None,
        "open": "structure.unanswered_tool_call",
        "lost": "structure.unmatched_tool_result",
        "one side": "structure.equal_sides",
        "alone": "structure.empty_answer",
    }


def test_the_pack_of_them_verifies_and_is_loaded_with_all_that_they_say(folder: Path) -> None:
    found = synth_stack.verify(folder / "pack")
    assert found.counts is not None
    assert (found.counts.accepted, found.counts.rejected) == (3, 4)
    loaded = load_dataset(str(folder / "pack"), split="train", cache_dir=str(folder / "cache"))
    rows = {row["source_id"]: row for row in loaded}
    calls = rows["tool"]["messages"][1]["tool_calls"]
    assert [(call["id"], call["name"], json.loads(call["arguments"])) for call in calls] == [
        ("c1", "weather", {"city": "Oslo"})
    ]
    assert rows["tool"]["messages"][2]["tool_call_id"] == "c1"
    assert json.loads(rows["tool"]["tools"]) == WEATHER
    assert rows["reasoned"]["messages"][1]["reasoning"] == THOUGHT
    sides = {side["label"]: side["messages"] for side in rows["preference"]["alternatives"]}
    assert sides["chosen"][0]["content"] == PREFERENCE["chosen"]
    assert sides["rejected"][0]["content"] == PREFERENCE["rejected"]


def test_a_trainer_gets_them_back(folder: Path) -> None:
    def read(form: str) -> list[dict[str, Any]]:
        written = synth_stack.export(folder / "pack", folder / f"{form}.jsonl", format=form)
        loaded = load_dataset(
            "json", data_files=str(written.path), split="train", cache_dir=str(folder / "cache" / form)
        )
        return list(loaded)

    tool, reasoned = read("messages")
    assert tool["messages"][1]["tool_calls"] == [CALL]
    assert tool["tools"] == WEATHER
    assert reasoned["messages"][1]["reasoning_content"] == THOUGHT
    (preference,) = read("trl-dpo")
    assert preference["prompt"] == [{"role": "user", "content": PREFERENCE["prompt"]}]
    assert preference["chosen"][0]["content"] == PREFERENCE["chosen"]
    (dialogue,) = read("sharegpt")
    roles = [turn["from"] for turn in dialogue["conversations"]]
    assert roles == ["human", "function_call", "observation", "gpt"]
    assert len(read("jsonl")) == 3


def test_a_traced_row_shows_its_calls_reasoning_and_sides(folder: Path) -> None:
    decisions = read_table(folder / "judged" / "decisions.parquet").to_pylist()
    ids = {row["source_id"]: row["row_id"] for row in decisions}
    for place in ("judged", "pack"):
        told = {name: "\n".join(trace(folder / place, ids[name]).lines()) for name in ids}
        assert 'call      weather {"city": "Oslo"}, id c1' in told["tool"]
        assert f"reasoning {THOUGHT!r}" in told["reasoned"]
        assert "chosen    not rated" in told["preference"]


def test_a_row_that_replaces_another_is_packed_and_the_fate_of_its_original_is_said(
    folder: Path, tmp_path: Path
) -> None:
    judged = Path(shutil.copytree(folder / "judged", tmp_path / "judged"))
    rows = pa.concat_tables(map(read_table, list_parts(judged / "candidates"))).to_pylist()
    original = next(row for row in rows if row["source_id"] == "one side")
    sides = [
        side | {"messages": [{"role": "assistant", "content": text}]}
        for side, text in zip(
            original["alternatives"], (PREFERENCE["chosen"], "Throw the parcel away."), strict=True
        )
    ]
    made = {**original, "alternatives": sides, "parent_id": original["row_id"]}
    made["text"] = join_text(made["messages"], sides)
    replace_rows(judged, folder / "gates.yaml", [made], reason="one answer was pasted twice")
    pack = synth_stack.pack(judged, tmp_path / "pack", signer=local_signer(folder / "key.pem")).path
    assert synth_stack.verify(pack).to_json()["verified"]
    loaded = load_dataset(str(pack), split="train", cache_dir=str(tmp_path / "cache"))
    (replacement,) = (row for row in loaded if row["parent_id"] == original["row_id"])
    told = "\n".join(trace(pack, original["row_id"]).lines())
    assert "decision  rejected by review: one answer was pasted twice" in told
    assert f"by {replacement['row_id']}: accepted" in told
