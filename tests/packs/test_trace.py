import shutil
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import InputError, VerificationError
from synth_stack.files import read_table, write_table
from synth_stack.packs import layout
from synth_stack.packs.signers import local_signer
from synth_stack.packs.trace import SHOWN_SIBLINGS, Relative, trace
from synth_stack.packs.write import write_pack
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.packs.judged_run import (
    ADVERSARIAL,
    HELD,
    REJECTED,
    ROWS,
    TEMPLATE,
    TEMPLATE_ID,
    build_pack,
    build_run,
    replace_rows,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and its pack."""
    return build_pack(tmp_path_factory.mktemp("traced")).parent


@pytest.fixture(scope="module")
def ids(folder: Path) -> list[str]:
    found: list[str] = pq.read_table(folder / "run" / "decisions.parquet")["row_id"].to_pylist()
    return found


@pytest.mark.parametrize("kind", ["run", "pack"])
@pytest.mark.parametrize("draw", [0, REJECTED[0], HELD[0]])
def test_a_row_is_traced_to_seed_template_teacher_and_gates(
    folder: Path, ids: list[str], kind: str, draw: int
) -> None:
    traced = trace(folder / kind, ids[draw])
    assert traced.seed is not None
    assert traced.seed["text"] == f"Seed text {draw % 4}"
    assert dict(traced.templates) == {TEMPLATE_ID: TEMPLATE}
    assert (traced.row["teacher"], traced.row["generator"], traced.row["draw"]) == (
        "parrot",
        "instruction",
        draw,
    )
    assert traced.verdicts[0]["gate"] == "dedup"
    assert float(traced.verdicts[0]["threshold"]) == 0.85
    assert {other.row_id for other in traced.siblings} == {
        ids[i] for i in range(ROWS) if i % 4 == draw % 4 and i != draw
    }
    assert traced.parent is None


@pytest.mark.parametrize("kind", ["run", "pack"])
def test_a_reject_says_which_gate_and_why(folder: Path, ids: list[str], kind: str) -> None:
    traced = trace(folder / kind, ids[REJECTED[0]])
    assert (traced.decision, traced.gate) == ("rejected", "dedup")
    assert traced.reason == f"near duplicate: of {ids[0]}"
    assert f"decision  rejected by dedup: near duplicate: of {ids[0]}" in traced.lines()


@pytest.mark.parametrize("kind", ["run", "pack"])
def test_a_held_row_shows_the_late_verdict_last(folder: Path, ids: list[str], kind: str) -> None:
    traced = trace(folder / kind, ids[HELD[0]])
    assert [verdict["outcome"] for verdict in traced.verdicts] == ["accept", "accept", "hold"]


def test_a_run_has_the_evidence_and_a_pack_its_digest(folder: Path, ids: list[str]) -> None:
    in_run = trace(folder / "run", ids[REJECTED[0]]).verdicts[0]
    in_pack = trace(folder / "pack", ids[REJECTED[0]]).verdicts[0]
    assert orjson.loads(in_run["evidence"]) == {"twin": ids[0]}
    assert len(in_pack["evidence_sha256"]) == 64


def test_a_pack_shows_the_text_of_accepted_rows_alone(folder: Path, ids: list[str]) -> None:
    assert trace(folder / "pack", ids[0]).row["messages"][0]["content"] == "Why was I charged 0 times?"
    assert "messages" not in trace(folder / "pack", ids[REJECTED[0]]).row
    assert "messages" in trace(folder / "run", ids[REJECTED[0]]).row


def test_an_accepted_adversarial_row_is_traced_in_its_split(tmp_path: Path) -> None:
    pack = build_pack(tmp_path, adversarial=ADVERSARIAL)
    row_id = read_table(pack / layout.data_name(0, 1, "adversarial"))["row_id"][1].as_py()
    traced = trace(pack, row_id)
    assert traced.row["messages"][0]["content"] == "Why was I charged 4 times?"
    assert orjson.loads(traced.row["extra"])["adversarial"] == ADVERSARIAL[4]
    assert any(line.endswith(", adversarial") for line in traced.lines())


@pytest.mark.parametrize("kind", ["run", "pack"])
def test_the_start_of_an_id_is_enough(folder: Path, ids: list[str], kind: str) -> None:
    assert trace(folder / kind, ids[3][:8]).row_id == ids[3]


@pytest.mark.parametrize("kind", ["run", "pack"])
@pytest.mark.parametrize("wanted", ["", "abc", "0123456", "x" * 32, "A" * 8, "0" * 33, "../../../etc"])
def test_what_is_no_id_is_refused(folder: Path, kind: str, wanted: str) -> None:
    with pytest.raises(InputError, match="not a row id"):
        trace(folder / kind, wanted)


@pytest.mark.parametrize("kind", ["run", "pack"])
def test_an_unknown_id_names_close_ones(folder: Path, ids: list[str], kind: str) -> None:
    with pytest.raises(InputError, match=f"Close to it: {ids[0]}"):
        trace(folder / kind, ids[0][:8] + "0" * 24)


def test_every_trace_is_json(folder: Path, ids: list[str]) -> None:
    for kind in ("run", "pack"):
        for row_id in ids:
            value = trace(folder / kind, row_id).to_json()
            assert orjson.loads(orjson.dumps(value))["row_id"] == row_id


def test_a_folder_that_is_neither_run_nor_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a pack nor the rows of a run"):
        trace(tmp_path, "0" * 32)


def test_a_run_that_is_not_judged_yet_is_traced(folder: Path, ids: list[str], tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    shutil.rmtree(run / "verdicts")
    shutil.rmtree(run / "seeds")
    (run / "decisions.parquet").unlink()
    (run / "gates.lock.yaml").unlink()
    traced = trace(run, ids[0])
    assert (traced.decision, traced.verdicts, traced.seed) == (None, (), None)
    assert "decision  none yet" in traced.lines()


def test_the_parent_of_a_row_is_named_with_its_decision(folder: Path, ids: list[str], tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    path = run / "candidates" / "part-00001.parquet"
    rows = read_table(path, CANDIDATE_SCHEMA).to_pylist()
    child = build_candidates([{**rows[0], "parent_id": ids[REJECTED[0]]}])
    write_table(path, pa.concat_tables([child, read_table(path, CANDIDATE_SCHEMA).slice(1)]))
    traced = trace(run, child["row_id"][0].as_py())
    assert traced.parent is not None
    assert (traced.parent.row_id, traced.parent.decision) == (ids[REJECTED[0]], "rejected")


def test_the_parent_of_a_dialogue_is_a_node_of_its_tree_and_no_row(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    path = run / "candidates" / "part-00001.parquet"
    rows = read_table(path, CANDIDATE_SCHEMA).to_pylist()
    node = "0123456789abcdef" * 2
    dialogue = build_candidates([{**rows[0], "kind": "dialogue", "parent_id": node}])
    write_table(path, pa.concat_tables([dialogue, read_table(path, CANDIDATE_SCHEMA).slice(1)]))
    traced = trace(run, dialogue["row_id"][0].as_py())
    assert traced.parent is None
    assert f"node      {node}: its tree up to the last exchange" in traced.lines()


@pytest.mark.parametrize("kind", ["run", "pack"])
def test_a_replaced_row_names_its_replacement_and_that_the_row_and_what_was_redacted(
    tmp_path: Path, ids: list[str], kind: str
) -> None:
    run = build_run(tmp_path / "run")
    (copy,) = replace_rows(run, [1])
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    original, made = trace(tmp_path / kind, ids[1]), trace(tmp_path / kind, copy)
    assert (original.replaced_by, original.replaces_parent) == (Relative(copy, "accepted"), False)
    assert original.reason_class == "personal_data.redacted"
    assert f"replaced  by {copy}: accepted" in original.lines()
    assert (made.parent, made.replaces_parent, made.replaced_by) == (
        Relative(ids[1], "rejected"),
        True,
        None,
    )
    assert f"parent    {ids[1]}: rejected, and this row stands for it" in made.lines()
    assert "redacted  2 email, 1 phone" in made.lines()
    assert made.to_json()["replaces_parent"] is True


@pytest.mark.parametrize(
    "extra",
    ["{}", "[]", '{"redacted":true}', '{"redacted":[1,{"kind":2}]}', "not JSON", '{"redacted":{"kind":"x"}}'],
)
def test_a_column_of_somebodys_dataset_does_not_pass_for_a_redaction(tmp_path: Path, extra: str) -> None:
    run = build_run(tmp_path / "run", extra=extra)
    row_id = pq.read_table(run / "decisions.parquet")["row_id"][0].as_py()
    traced = trace(run, row_id)
    assert traced.replaces_parent is False
    assert not any(line.startswith(("redacted", "parent", "replaced")) for line in traced.lines())


@pytest.mark.parametrize("kind", ["run", "pack"])
def test_rows_of_one_foreign_dataset_are_not_siblings(tmp_path: Path, kind: str) -> None:
    source = {"name": "chat_logs.jsonl", "sha256": "e" * 64}
    recipe = {"scheme": "synth_stack/curate-lock/v2", "synth_stack": "0.1.0", "source": source}
    build_pack(tmp_path, recipe=recipe, kind="foreign", seed_id="sha256:" + "e" * 64, source_id="line 7")
    row_id = pq.read_table(tmp_path / "run" / "decisions.parquet")["row_id"][0].as_py()
    traced = trace(tmp_path / kind, row_id)
    assert traced.siblings == ()
    assert "source    line 7" in traced.lines()
    assert "position  0 in the dataset that it was read from" in traced.lines()


def test_a_foreign_text_that_is_no_conversation_is_shown(tmp_path: Path) -> None:
    build_pack(tmp_path, kind="foreign", messages=[], text="only a text")
    row_id = pq.read_table(tmp_path / "run" / "decisions.parquet")["row_id"][0].as_py()
    for kind in ("run", "pack"):
        assert "text      'only a text'" in trace(tmp_path / kind, row_id).lines()


def test_many_siblings_are_counted_and_not_all_shown(tmp_path: Path) -> None:
    build_pack(tmp_path, rows=40, seed_id="seed-000000")
    row_id = pq.read_table(tmp_path / "run" / "decisions.parquet")["row_id"][0].as_py()
    traced = trace(tmp_path / "pack", row_id)
    assert len(traced.siblings) == 39
    assert traced.lines()[-1] == f"siblings  {39 - SHOWN_SIBLINGS} more"


def test_a_message_without_role_or_content_is_shown_as_it_is(tmp_path: Path) -> None:
    build_pack(tmp_path, messages=[{"role": None, "content": None}])
    row_id = pq.read_table(tmp_path / "run" / "decisions.parquet")["row_id"][0].as_py()
    assert "no role   None" in trace(tmp_path / "pack", row_id).lines()


def test_control_characters_of_a_row_do_not_reach_the_terminal(tmp_path: Path) -> None:
    build_pack(tmp_path, slice="\x1b[31mred/\u202e", text="a\x1b]0;title\x07", locale="e\nn")
    row_id = pq.read_table(tmp_path / "run" / "decisions.parquet")["row_id"][0].as_py()
    for kind in ("run", "pack"):
        assert all(line.isprintable() for line in trace(tmp_path / kind, row_id).lines())


def test_a_pack_with_a_link_in_it_is_not_followed(folder: Path, ids: list[str], tmp_path: Path) -> None:
    pack = Path(shutil.copytree(folder / "pack", tmp_path / "pack"))
    (pack / "seeds" / "seeds.parquet").unlink()
    (pack / "seeds" / "seeds.parquet").symlink_to(folder / "run" / "seeds" / "seeds.parquet")
    with pytest.raises(VerificationError, match=r"seeds/seeds.parquet is a link"):
        trace(pack, ids[0])
