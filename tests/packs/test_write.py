import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import (
    BlindGate,
    ConfigError,
    InputError,
    RunMismatch,
    SigningError,
    StoreError,
    UnfairGate,
    VerificationError,
)
from synth_stack.files import read_table, write_bytes, write_table
from synth_stack.packs import layout
from synth_stack.packs.signers import Signer, local_signer
from synth_stack.packs.verify.verify import verify_pack, verify_row
from synth_stack.packs.write import write_pack
from synth_stack.progress import Silent
from synth_stack.rows.canonical import canonical_json, digest_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, VERDICT_SCHEMA, build_verdicts
from synth_stack.runs.folder import LOCK, list_files, list_parts
from tests.packs.judged_run import (
    ADVERSARIAL,
    GATES,
    HELD,
    RECIPE,
    REJECTED,
    ROWS,
    build_pack,
    build_run,
    commit_run,
    decide_run,
    plant_canaries,
    replace_rows,
)

ACCEPTED = ROWS - len(REJECTED) - len(HELD)


def read_all(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in list_files(folder)}


def test_the_same_run_and_key_give_the_same_bytes(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    signer = local_signer(tmp_path / "key.pem")
    write_pack(run, tmp_path / "one", signer=signer)
    write_pack(run, tmp_path / "two", signer=local_signer(tmp_path / "key.pem"))
    assert read_all(tmp_path / "one") == read_all(tmp_path / "two")


def test_memory_comes_from_malloc_while_a_pack_is_written_and_from_arrow_again_after_it(
    tmp_path: Path,
) -> None:
    run, seen = build_run(tmp_path / "run"), []

    class Watching(Silent):
        def begin(self, stage: str, total: int, done: int = 0) -> Callable[[int], None]:
            seen.append(pa.default_memory_pool().backend_name)
            return super().begin(stage, total, done)

    before = pa.default_memory_pool().backend_name
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"), progress=Watching())
    with pytest.raises(StoreError):
        write_pack(tmp_path / "nowhere", tmp_path / "none", signer=local_signer(tmp_path / "key.pem"))

    assert (seen, pa.default_memory_pool().backend_name) == (["system"], before)


def test_decisions_are_cut_at_the_shards_of_the_run_however_they_lie_in_their_file(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    pack = build_pack(tmp_path / "whole")
    decisions = pq.read_table(run / "decisions.parquet")
    pq.write_table(decisions, run / "decisions.parquet", row_group_size=3)
    commit_run(run)
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))

    assert (
        read_table(tmp_path / "pack" / layout.log_name(0), DECISION_SCHEMA).to_pylist()
        == read_table(pack / layout.log_name(0), DECISION_SCHEMA).to_pylist()
    )


def test_the_summary_counts_every_row(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    summary = write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert summary.path == tmp_path / "pack"
    decided = {"accepted": ACCEPTED, "rejected": 2, "held": 1}
    assert summary.counts == {"generated": ROWS, "replacements": 0, **decided}
    verified = verify_pack(tmp_path / "pack")
    assert (summary.root, summary.key_id) == (verified.root, verified.key_id)


def test_only_accepted_rows_are_in_the_data_and_every_row_is_in_the_log(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    candidates = pa.concat_tables(
        read_table(path, CANDIDATE_SCHEMA) for path in list_parts(tmp_path / "run/candidates")
    )
    rows = candidates.to_pylist()
    data = read_table(pack / layout.data_name(0, 1)).select(CANDIDATE_SCHEMA.names).to_pylist()
    assert data == [row for row in rows if row["draw"] not in {*REJECTED, *HELD}]
    log = read_table(pack / "log/decisions-00000.parquet", DECISION_SCHEMA)
    assert log.equals(read_table(tmp_path / "run" / "decisions.parquet"))


def test_adversarial_rows_that_were_accepted_stand_in_a_split_of_their_own(tmp_path: Path) -> None:
    pack = build_pack(tmp_path, adversarial=ADVERSARIAL)
    splits = {name: read_table(pack / layout.data_name(0, 1, name)) for name in ("train", "adversarial")}
    assert splits["train"]["draw"].to_pylist() == [0, 3, 5, 6, 8, 10]
    assert splits["adversarial"]["draw"].to_pylist() == [1, 4, 11]
    assert set(splits["train"]["kind"].to_pylist()) == {"instruction"}
    counts = verify_pack(pack).counts
    assert counts is not None
    assert [(split.name, split.rows) for split in counts.splits] == [("train", 6), ("adversarial", 3)]
    assert (counts.accepted, counts.adversarial) == (ACCEPTED, 3)


def test_the_redacted_copy_of_an_adversarial_row_stands_in_its_split(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", adversarial=ADVERSARIAL)
    (copy,) = replace_rows(run, [1])
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    apart = read_table(tmp_path / "pack" / layout.data_name(0, 1, "adversarial"))
    assert apart["row_id"].to_pylist()[-1] == copy
    verify_pack(tmp_path / "pack")


@pytest.mark.parametrize("shard_rows", [1, 2, 100])
@pytest.mark.parametrize("apart", [(), (0,), (1, 4, 11), tuple(range(ROWS))])
def test_each_split_says_of_how_many_files_it_is(
    tmp_path: Path, shard_rows: int, apart: tuple[int, ...]
) -> None:
    run = build_run(tmp_path / "run", adversarial=dict.fromkeys(apart, ADVERSARIAL[1]))
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"), shard_rows=shard_rows)
    attempts = len({*apart} - {*REJECTED, *HELD})
    sizes = {"train": ACCEPTED - attempts, "adversarial": attempts}
    shards = {split: -(-rows // shard_rows) for split, rows in sizes.items()}
    names = {layout.data_name(i, n, split) for split, n in shards.items() for i in range(n)}
    assert {name for name in list_files(tmp_path / "pack") if name.startswith("data/")} == names
    checks = {check.name: check.count for check in verify_pack(tmp_path / "pack").checks}
    assert (checks["accepted rows"], checks.get("adversarial rows", 0)) == (ACCEPTED, attempts)


def test_a_batch_whose_adversarial_rows_were_all_rejected_has_an_empty_train_split(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", rows=3, kind="adversarial", failure="torn")
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert read_table(tmp_path / "pack" / layout.data_name(0, 1)).num_rows == 0
    verify_pack(tmp_path / "pack")


def test_the_locks_and_seeds_are_those_of_the_run(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    run = tmp_path / "run"
    assert (pack / "recipe.yaml").read_bytes() == (run / LOCK).read_bytes()
    assert (pack / "gates.yaml").read_bytes() == (run / "gates.lock.yaml").read_bytes()
    assert (pack / "seeds/taxonomy.yaml").read_bytes() == (run / "seeds/taxonomy.yaml").read_bytes()
    assert read_table(pack / "seeds/seeds.parquet").equals(read_table(run / "seeds/seeds.parquet"))


def test_the_private_key_is_not_in_the_pack(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    secret = (tmp_path / "key.pem").read_bytes().splitlines()[1]
    assert not any(secret in data or b"PRIVATE" in data for data in read_all(pack).values())


def test_an_older_pack_of_the_same_run_is_replaced(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    before = read_all(pack)
    write_pack(tmp_path / "run", pack, signer=local_signer(tmp_path / "other.pem"))
    assert read_all(pack).keys() == before.keys()
    assert (pack / layout.PUBLIC_KEY).read_bytes() != before[layout.PUBLIC_KEY]
    verify_pack(pack)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.pem", "other.pem", "pack", "run"]


def test_the_pack_of_another_run_is_not_replaced(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    other = build_run(tmp_path / "other", recipe={**RECIPE, "about": "Another shop."})
    before = read_all(pack)
    with pytest.raises(RunMismatch, match="holds the pack of another run"):
        write_pack(other, pack, signer=local_signer(tmp_path / "key.pem"))
    assert read_all(pack) == before


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    signer = local_signer(tmp_path / "key.pem")
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(RunMismatch, match="holds no pack"):
        write_pack(run, out, signer=signer)
    assert (out / "thesis.txt").read_text() == "years of work"
    (tmp_path / "file").touch()
    with pytest.raises(RunMismatch, match="in the way"):
        write_pack(run, tmp_path / "file", signer=signer)


def test_an_older_pack_with_a_file_of_mine_in_it_is_refused(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    (pack / "seeds" / "notes.md").write_text("mine")
    with pytest.raises(RunMismatch, match="no part of the pack"):
        write_pack(tmp_path / "run", pack, signer=local_signer(tmp_path / "key.pem"))
    assert (pack / "seeds" / "notes.md").read_text() == "mine"


def test_a_pack_of_an_older_scheme_that_lacks_a_file_is_replaced(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    manifest = orjson.loads((pack / "MANIFEST.json").read_bytes())
    del manifest["files"]["lineage/index.bin"]
    (pack / "MANIFEST.json").write_bytes(canonical_json(manifest) + b"\n")
    (pack / "lineage" / "index.bin").unlink()
    write_pack(tmp_path / "run", pack, signer=local_signer(tmp_path / "key.pem"))
    assert (pack / "lineage" / "index.bin").is_file()
    verify_pack(pack)


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    (tmp_path / "pack").mkdir()
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    verify_pack(tmp_path / "pack")


def test_a_failed_signature_leaves_nothing(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")

    def refuse(_: bytes) -> Mapping[str, bytes]:
        raise SigningError("the log is closed")

    with pytest.raises(SigningError, match="the log is closed"):
        write_pack(run, tmp_path / "pack", signer=Signer("local", "0" * 64, refuse))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_killed_pack_leaves_the_older_one_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    before = read_all(pack)
    code = f"""
import os, signal
from pathlib import Path
from synth_stack.packs.signers import Signer
from synth_stack.packs.write import write_pack
from synth_stack.progress import Silent
def die(statement):
    os.kill(os.getpid(), signal.SIGKILL)
write_pack(Path({str(tmp_path / "run")!r}), Path({str(pack)!r}), signer=Signer("local", "0" * 64, die))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert read_all(pack) == before
    assert list(tmp_path.glob(".pack.*"))
    write_pack(tmp_path / "run", pack, signer=local_signer(tmp_path / "key.pem"))
    assert not list(tmp_path.glob(".pack.*"))
    assert read_all(pack) == before


def test_the_batch_of_a_blind_gate_is_not_packed(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    plant_canaries(run, "dedup", [("copy", "reject")] * 3 + [("copy", "accept")] * 2)
    with pytest.raises(
        BlindGate, match=r"dedup caught 3 of 5 planted rows of kind copy, where 0\.95 of them"
    ):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert not (tmp_path / "pack").exists()


def test_the_batch_of_an_unfair_gate_is_not_packed(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    plant_canaries(run, "toxicity", [("insult", "reject"), ("puzzle", "hold")])
    with pytest.raises(UnfairGate, match=r"toxicity turned away 1 of 1 innocent rows of kind puzzle"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert not (tmp_path / "pack").exists()


def test_the_canaries_are_counted_in_the_pack_and_their_rows_are_not_in_it(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    assert orjson.loads((pack / layout.MEASURES).read_bytes()) == {
        "scheme": "synth_stack/measures/v3",
        "gates": [
            {
                "gate": "dedup",
                "self_test": {
                    "canaries": [
                        {"kind": "copy", "planted": 2, "turned_away": 2},
                        {"kind": "near_duplicate", "planted": 1, "turned_away": 1},
                    ],
                    "controls": [],
                },
                "counts": {},
            },
            {
                "gate": "toxicity",
                "self_test": {
                    "canaries": [
                        {"kind": "insult", "planted": 2, "turned_away": 1},
                        {"kind": "threat", "planted": 2, "turned_away": 2},
                    ],
                    "controls": [{"kind": "puzzle", "planted": 1, "turned_away": 0}],
                },
                "counts": {},
            },
        ],
    }
    counts = verify_pack(pack).counts
    assert counts is not None
    tests = [(test.gate, test.planted, test.caught, test.innocent) for test in counts.measures.self_tests]
    assert tests == [("dedup", 3, 3, 0), ("toxicity", 4, 3, 1)]
    planted = read_table(tmp_path / "run/canaries/dedup.parquet")["row_id"].to_pylist()
    for name, data in read_all(pack).items():
        assert not any(row_id.encode() in data for row_id in planted), name


def test_what_a_gate_counted_in_its_evidence_is_signed_and_stands_on_the_card(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    path = run / "verdicts/toxicity/part-00000.parquet"
    said = read_table(path).to_pylist()
    for n, verdict in enumerate(said):
        verdict["evidence"] = f'{{"counts":{{"lines":{n}}}}}'
    write_table(path, pa.Table.from_pylist(said, schema=VERDICT_SCHEMA))
    commit_run(run)
    pack = tmp_path / "pack"
    write_pack(run, pack, signer=local_signer(tmp_path / "key.pem"))
    counts = verify_pack(pack).counts
    assert counts is not None
    assert counts.measures.counts == {"toxicity": {"lines": sum(range(10))}}
    assert "| `toxicity` | `lines` | 45 |" in (pack / layout.CARD).read_text()
    assert orjson.loads((pack / layout.MEASURES).read_bytes())["gates"][1]["counts"] == {"lines": 45}


def test_a_gate_that_planted_nothing_beside_the_rows_that_it_judged_is_refused(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    (run / "canaries" / "dedup.parquet").unlink()
    commit_run(run)
    with pytest.raises(VerificationError, match="dedup judged 12 rows and planted none; seen: 0"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))


def test_replacements_are_packed_beside_the_rejected_rows_that_they_stand_for(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    copies = replace_rows(run, [1, 5])
    summary = write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert summary.counts == {
        "generated": ROWS,
        "replacements": 2,
        "accepted": ACCEPTED,
        "rejected": len(REJECTED) + 2,
        "held": len(HELD),
    }
    verified = verify_pack(tmp_path / "pack")
    assert verified.counts is not None
    assert verified.counts.rows == ROWS + 2
    data = read_table(tmp_path / "pack" / layout.data_name(0, 1))
    assert data["row_id"].to_pylist()[-2:] == copies
    card = (tmp_path / "pack" / layout.CARD).read_text()
    assert "| 2 replacements |  |  |  |  |  | 14 |" in card
    assert "| `personal_data` | rejected | `personal_data.redacted` | 2 |" in card
    assert f"Expansion: 4 seeds drawn on, {ROWS / 4:.2f} generated" in card


@pytest.mark.parametrize("name", [LOCK, "gates.lock.yaml", "decisions.parquet"])
def test_a_run_that_is_not_judged_to_the_end_is_refused(tmp_path: Path, name: str) -> None:
    run = build_run(tmp_path / "run")
    (run / name).unlink()
    with pytest.raises(InputError, match=f"has no {name}"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert not (tmp_path / "pack").exists()


def test_a_run_with_too_few_decisions_is_refused(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    write_table(run / "decisions.parquet", read_table(run / "decisions.parquet").slice(1))
    with pytest.raises(InputError, match="one decision for every row"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))


def test_decisions_in_another_order_are_refused(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    table = read_table(run / "decisions.parquet")
    write_table(run / "decisions.parquet", pa.concat_tables([table.slice(1), table.slice(0, 1)]))
    with pytest.raises(StoreError, match="not in the order"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))


def test_a_row_that_was_changed_after_it_was_named_is_not_signed(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    path = run / "candidates" / "part-00000.parquet"
    rows = read_table(path, CANDIDATE_SCHEMA).to_pylist()
    rows[1]["text"] = "Buy now"
    write_table(path, pa.Table.from_pylist(rows, schema=CANDIDATE_SCHEMA))
    commit_run(run)
    with pytest.raises(SigningError, match=f"changed after it was named; seen: {rows[1]['row_id']}"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))


def test_late_verdicts_on_rows_that_are_not_there_are_refused(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    stray = build_verdicts(pa.array(["0" * 32]), "toxicity", ["hold"], scope="slice")
    write_table(run / "verdicts/toxicity/part-extra.parquet", stray)
    commit_run(run)
    with pytest.raises(StoreError, match="verdicts on rows that the run does not have"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))


def test_a_gate_without_its_verdicts_is_refused(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    (run / "verdicts/dedup/part-00000.parquet").unlink()
    with pytest.raises(StoreError, match="dedup"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))


def review(run: Path, row_id: str) -> None:
    """A person rejects a row, and nothing is decided anew."""
    said = build_verdicts(
        pa.array([row_id]), "review", ["reject"], reasons=["wrong"], reason_classes=["review.wrong"]
    )
    write_table(run / "verdicts/review/part-00000.parquet", said)


def test_a_run_whose_verdicts_give_other_decisions_is_refused(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    row_id = read_table(run / "decisions.parquet")["row_id"][0].as_py()
    review(run, row_id)
    said = (
        f"the decision of row {row_id} is not what its verdicts give; seen: 'accepted'; allowed: 'rejected'"
    )
    with pytest.raises(VerificationError, match=said):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert not (tmp_path / "pack").exists()


def test_a_reviewers_verdicts_are_recorded_after_those_of_the_gates(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    review(run, read_table(run / "decisions.parquet")["row_id"][0].as_py())
    decide_run(run)
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    counts = verify_pack(tmp_path / "pack").counts
    assert counts is not None
    assert [(gate.gate, gate.looked_at, gate.rejected, gate.left) for gate in counts.gates] == [
        ("dedup", 12, 2, 10),
        ("toxicity", 10, 0, 9),
        ("review", 1, 1, 8),
    ]


def test_a_lock_that_is_no_recipe_is_named(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    write_bytes(run / LOCK, b"identity: 5\n")
    with pytest.raises(ConfigError, match=r"recipe\.lock\.yaml: identity"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))


def test_a_run_whose_seeds_are_gone_is_refused(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    (run / "seeds" / "sections.json").unlink()
    with pytest.raises(InputError, match=r"sections\.json is missing: the recipe states a seed corpus"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))


def test_a_curated_dataset_without_recipe_or_seeds_is_packed(tmp_path: Path) -> None:
    lock = {
        "scheme": "synth_stack/curate-lock/v2",
        "identity": digest_json("foreign"),
        "synth_stack": "0.1.0",
        "source": {"name": "chat_logs.jsonl", "sha256": "e" * 64},
    }
    run = build_run(tmp_path / "run", recipe=lock, kind="foreign", seed_id="sha256:" + "e" * 64)
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    verify_pack(tmp_path / "pack")
    card = (tmp_path / "pack" / "README.md").read_text()
    assert "The rows were not made here. They were read from `chat_logs.jsonl`" in card
    assert "- synthetic" not in card


def test_the_rows_of_a_pipeline_of_ones_own_are_packed(tmp_path: Path) -> None:
    lock = {
        "scheme": "synth_stack/pipeline-lock/v1",
        "identity": digest_json("mine"),
        "synth_stack": "0.1.0",
        "pipeline": {"name": "my-pipeline", "sha256": "f" * 64},
    }
    run = build_run(tmp_path / "run", recipe=lock)
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    verify_pack(tmp_path / "pack")
    assert "A distilabel pipeline: `my-pipeline`" in (tmp_path / "pack" / "README.md").read_text()


def test_rows_are_cut_into_files_of_so_many_rows(tmp_path: Path) -> None:
    run, pack = build_run(tmp_path / "run"), tmp_path / "pack"
    write_pack(run, pack, signer=local_signer(tmp_path / "key.pem"), shard_rows=4)
    data = [layout.data_name(i, 3) for i in range(3)]
    assert [pq.read_metadata(pack / name).num_rows for name in data] == [4, 4, 1]
    assert (pack / "log/decisions-00002.parquet").exists()
    assert (pack / "lineage/records-00002.parquet").exists()
    row_id = read_table(pack / "log/decisions-00002.parquet")["row_id"][3].as_py()
    assert verify_row(pack, row_id).index == ROWS - 1
    verify_pack(pack)


def test_a_gate_file_with_no_facts_is_packed(tmp_path: Path) -> None:
    gates = {**GATES, "gates": [{"use": gate["use"], "version": "1"} for gate in GATES["gates"]]}
    verify_pack(build_pack(tmp_path, gates=gates))


def test_the_folders_of_this_machine_do_not_stand_in_a_pack(tmp_path: Path) -> None:
    for name, data in read_all(build_pack(tmp_path)).items():
        assert str(tmp_path).encode() not in data, name
