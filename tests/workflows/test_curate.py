"""Gates over rows that already exist: what is left in the folder, and what goes on after a stop."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import pyarrow as pa
import pytest
import yaml
from pydantic import Field

import synth_stack
import tests.engines.backwards  # noqa: F401  (registers an engine)
from synth_stack import __version__
from synth_stack.errors import ConfigError, InputError, RunMismatch, UsageError
from synth_stack.files import SHARD_ROWS, digest_file, read_table
from synth_stack.gates.gate import Judge, State
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.registry import gate
from synth_stack.rows.schemas import DECISION_SCHEMA, build_verdicts
from synth_stack.runs.folder import LOCK, MANIFEST, list_files
from synth_stack.workflows.curate import curate
from synth_stack.workflows.judge import Batch, bind_gates
from tests.recipes import read_tree, write_jsonl

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "code_alpaca" / "code_alpaca_2k.json"

ROWS = [
    {"id": "r0", "instruction": "Name a colour.", "output": "Blue is a colour that many people like."},
    {"id": "r1", "instruction": "Name a curse.", "output": "A bad word stands in this answer."},
    {"id": "r2", "instruction": "Name an oddity.", "output": "An odd thing stands in this answer."},
    {"id": "r3", "instruction": "Name a fruit.", "output": "The apple grows on trees in the garden."},
]


@gate("curate-test", version="1")
def spot(*, word: str = "bad", hold: str = "odd", stop_at: str | None = None) -> Judge:
    """A judge that rejects rows with one word, holds those with another, and stops work at a third."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        texts = table["text"].to_pylist()
        if stop_at is not None and any(stop_at in (text or "") for text in texts):
            raise KeyboardInterrupt
        outcomes = [
            "abstain" if text is None else "reject" if word in text else "hold" if hold in text else "accept"
            for text in texts
        ]
        reasons = [f"spotted: {o}" if o in {"reject", "hold"} else None for o in outcomes]
        evidence = [json.dumps({"row": o}) if r else None for o, r in zip(outcomes, reasons, strict=True)]
        scores = [0.9 if o == "reject" else 0.1 for o in outcomes]
        return build_verdicts(
            table["row_id"], "curate-test", outcomes,
            scores=scores, threshold=0.5, reasons=reasons, evidence=evidence,
            reason_classes=["curate-test.spotted" if r else None for r in reasons],
        )  # fmt: skip

    return Judge(judge=judge, facts={"words": 2})


@gate("curate-test-share", version="1")
def share(*, threshold: Annotated[float, Field(ge=0, le=1)] = 0.5) -> Judge:
    """A judge that accepts everything."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        return build_verdicts(table["row_id"], "curate-test-share", ["accept"] * table.num_rows)

    return Judge(judge=judge)


def write_gates(folder: Path, *gates: dict[str, Any], name: str = "gates.yaml") -> Path:
    """A gate file; by default the gate of this test alone."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"version": 1, "gates": list(gates) or [{"use": "curate-test"}]}))
    return path


def read_pile(batch: Batch, pile: str) -> list[dict[str, Any]]:
    """The rows of accepted/, rejected/ or held/."""
    return [
        row
        for path in sorted((batch.folder / pile).glob("*.parquet"))
        for row in pl.read_parquet(path).to_dicts()
    ]


def read_decisions(folder: Path) -> list[tuple[str | None, str]]:
    """Each row's own id and its decision, in order."""
    table = read_table(folder / "decisions.parquet", DECISION_SCHEMA)
    return list(zip(table["source_id"].to_pylist(), table["decision"].to_pylist(), strict=True))


def test_every_row_ends_in_exactly_one_pile_and_keeps_its_own_id(tmp_path: Path) -> None:
    batch = curate(ROWS, write_gates(tmp_path), tmp_path / "out")

    assert read_decisions(batch.folder) == [
        ("r0", "accepted"),
        ("r1", "rejected"),
        ("r2", "held"),
        ("r3", "accepted"),
    ]
    piles = {
        pile: [r["source_id"] for r in read_pile(batch, pile)] for pile in ("accepted", "rejected", "held")
    }
    assert piles == {"accepted": ["r0", "r3"], "rejected": ["r1"], "held": ["r2"]}
    assert batch.figures.counts() == {
        "generated": 4,
        "replacements": 0,
        "accepted": 2,
        "rejected": 1,
        "held": 1,
    }


def test_a_rejected_row_stands_beside_what_decided_it(tmp_path: Path) -> None:
    batch = curate(ROWS, write_gates(tmp_path), tmp_path / "out")
    [row] = read_pile(batch, "rejected")

    assert row["text"] == "Name a curse.\n\nA bad word stands in this answer."
    assert {k: row[k] for k in ("gate", "reason", "reason_class", "score", "threshold", "evidence")} == {
        "gate": "curate-test",
        "reason": "spotted: reject",
        "reason_class": "curate-test.spotted",
        "score": 0.9,
        "threshold": 0.5,
        "evidence": '{"row": "reject"}',
    }


def test_accepted_rows_have_the_columns_of_candidates_and_nothing_else(tmp_path: Path) -> None:
    batch = curate(ROWS, write_gates(tmp_path), tmp_path / "out")
    part = batch.folder / "candidates" / "part-00000.parquet"

    assert read_table(batch.folder / "accepted" / "part-00000.parquet").schema.equals(read_table(part).schema)


def test_the_folder_holds_what_was_promised_and_a_manifest_of_all_of_it(tmp_path: Path) -> None:
    batch = curate(ROWS, write_gates(tmp_path), tmp_path / "out")
    files = list_files(batch.folder)

    assert files == sorted(
        [
            MANIFEST,
            "accepted/part-00000.parquet",
            "candidates/part-00000.parquet",
            "decisions.parquet",
            "gates.lock.yaml",
            "held/part-00000.parquet",
            "input.json",
            "recipe.lock.yaml",
            "rejected/part-00000.parquet",
            "report.html",
            "verdicts/curate-test/part-00000.parquet",
        ]
    )
    manifest = json.loads((batch.folder / MANIFEST).read_bytes())
    assert manifest["facts"] == {
        "generated": 4,
        "replacements": 0,
        "accepted": 2,
        "rejected": 1,
        "held": 1,
        "engine": {"name": "local", "version": __version__},
    }
    assert set(manifest["files"]) == set(files) - {MANIFEST}
    assert all(digest_file(batch.folder / name) == f["sha256"] for name, f in manifest["files"].items())


def test_a_near_copy_is_rejected_and_names_its_twin(tmp_path: Path) -> None:
    batch = curate(
        [*ROWS, {**ROWS[0], "id": "copy"}], write_gates(tmp_path, {"use": "dedup"}), tmp_path / "out"
    )
    [row] = read_pile(batch, "rejected")
    twin = read_pile(batch, "accepted")[0]

    assert (row["source_id"], row["gate"], twin["source_id"]) == ("copy", "dedup", "r0")
    assert json.loads(row["evidence"])["twin"] == twin["row_id"]


def test_the_first_of_two_gates_that_reject_a_row_is_the_one_that_is_named(tmp_path: Path) -> None:
    gates = write_gates(
        tmp_path, {"use": "curate-test-share"}, {"use": "dedup", "all": True}, {"use": "curate-test"}
    )
    batch = curate([ROWS[1], ROWS[1]], gates, tmp_path / "out")

    assert [row["gate"] for row in read_pile(batch, "rejected")] == ["curate-test", "dedup"]


def test_a_record_that_cannot_be_read_is_among_the_decisions(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "good"}\nnot json\n{"text": 5}\n')
    batch = curate(path, write_gates(tmp_path), tmp_path / "out")

    assert batch.figures.generated == len(read_decisions(batch.folder)) == 3
    assert batch.figures.funnel[0].abstain == 2


def test_the_same_call_again_changes_nothing(tmp_path: Path) -> None:
    gates = write_gates(tmp_path, {"use": "curate-test"}, {"use": "dedup"})
    first = read_tree(curate(ROWS, gates, tmp_path / "out").folder)
    again = read_tree(curate(ROWS, gates, tmp_path / "out").folder)

    assert again == first
    assert read_tree(curate(ROWS, gates, tmp_path / "elsewhere").folder) == first


def test_a_stopped_call_goes_on_and_ends_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    rows = [{"id": str(i), "text": f"row number {i} says something of its own"} for i in range(SHARD_ROWS)]
    rows += [{"id": "last", "text": "one more that is bad"}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    stopping = write_gates(tmp_path, {"use": "curate-test", "stop_at": "one more"}, name="stopping.yaml")
    gates = write_gates(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        curate(tmp_path / "rows.jsonl", stopping, tmp_path / "out")
    assert not (tmp_path / "out" / MANIFEST).exists()
    assert not (tmp_path / "out" / "decisions.parquet").exists()
    (tmp_path / "out" / "candidates" / ".done").unlink()
    (tmp_path / "out" / "candidates" / "part-00001.parquet").unlink()

    batch = curate(tmp_path / "rows.jsonl", gates, tmp_path / "out")
    whole = curate(tmp_path / "rows.jsonl", gates, tmp_path / "whole")
    assert batch.figures == whole.figures
    assert read_tree(batch.folder) == read_tree(whole.folder)
    assert (batch.figures.accepted, batch.figures.rejected) == (SHARD_ROWS, 1)


@pytest.mark.parametrize("in_place", [False, True])
def test_other_gates_in_the_same_folder_leave_nothing_of_the_first_ones(
    in_place: bool, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    curate(ROWS, write_gates(tmp_path), out)
    other = write_gates(
        tmp_path, {"use": "curate-test", "word": "apple", "hold": "nothing"}, name="other.yaml"
    )
    batch = curate(out if in_place else ROWS, other, out)

    assert [decision for _, decision in read_decisions(out)] == [
        "accepted",
        "accepted",
        "accepted",
        "rejected",
    ]
    assert [row["source_id"] for row in read_pile(batch, "rejected")] == ["r3"]
    assert not (out / "held").exists()
    assert read_tree(out) == read_tree(curate(ROWS, other, tmp_path / "fresh").folder)


def test_a_reason_for_a_gate_may_change_and_nothing_is_judged_again(tmp_path: Path) -> None:
    out = curate(ROWS, write_gates(tmp_path), tmp_path / "out").folder
    verdicts = out / "verdicts" / "curate-test" / "part-00000.parquet"
    before = verdicts.stat().st_mtime_ns
    curate(ROWS, write_gates(tmp_path, {"use": "curate-test", "why": "we say so"}), out)

    assert verdicts.stat().st_mtime_ns == before
    assert yaml.safe_load((out / "gates.lock.yaml").read_text())["gates"][0]["why"] == "we say so"


def test_a_folder_of_other_rows_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    gates = write_gates(tmp_path)
    out = curate(ROWS, gates, tmp_path / "out").folder
    before = read_tree(out)
    with pytest.raises(RunMismatch, match="holds a different run"):
        curate(ROWS[:2], gates, out)

    assert read_tree(out) == before


def test_a_judged_folder_is_a_source_of_its_candidates(tmp_path: Path) -> None:
    first = curate(ROWS, write_gates(tmp_path), tmp_path / "one").folder
    second = curate(first, write_gates(tmp_path, {"use": "dedup"}), tmp_path / "two").folder

    assert digest_file(second / "candidates" / "part-00000.parquet") == digest_file(
        first / "candidates" / "part-00000.parquet"
    )
    assert read_decisions(second) == [(row["id"], "accepted") for row in ROWS]
    assert yaml.safe_load((second / LOCK).read_text())["source"]["name"] == "a run of synth_stack"


def test_a_collection_of_one_dataset_is_that_dataset(tmp_path: Path) -> None:
    batch = curate({"train": ROWS}, write_gates(tmp_path), tmp_path / "out")

    assert batch.figures.generated == 4
    with pytest.raises(InputError) as caught:
        curate({"train": ROWS, "test": ROWS}, write_gates(tmp_path), tmp_path / "two")
    assert str(caught.value) == (
        "a collection of several datasets is not one batch; seen: train, test. Pass one of them."
    )


def test_eval_sets_of_the_call_are_what_the_contamination_gate_checks_against(tmp_path: Path) -> None:
    leaked = "how many apples does Mary have left after she gave three of them to her brother John"
    write_jsonl(tmp_path / "eval.jsonl", [{"id": "e1", "question": leaked}])
    gates = write_gates(tmp_path, {"use": "contamination", "embedding": None})
    rows = [*ROWS, {"id": "leak", "instruction": f"Tell me: {leaked}?", "output": "Two."}]
    evals = [NamedEvalSet(name="school", path=str(tmp_path / "eval.jsonl"))]
    batch = curate(rows, gates, tmp_path / "out", eval_sets=evals)

    assert [row["source_id"] for row in read_pile(batch, "rejected")] == ["leak"]
    [entry] = yaml.safe_load((batch.folder / "gates.lock.yaml").read_text())["gates"]
    assert entry["facts"]["against"][0]["sha256"] == digest_file(tmp_path / "eval.jsonl")
    assert str(tmp_path) not in (batch.folder / "gates.lock.yaml").read_text()


@pytest.mark.parametrize(
    ("source", "gates", "kind", "message"),
    [
        ([], [{"use": "curate-test"}], InputError, "records in memory holds no rows"),
        (
            [{"body": "x"}],
            [{"use": "curate-test"}],
            InputError,
            "no column says what the text is; seen: body",
        ),
        (
            5,
            [{"use": "curate-test"}],
            InputError,
            "records in memory cannot be read more than once; seen: int",
        ),
        ("nowhere.jsonl", [{"use": "curate-test"}], InputError, "nowhere.jsonl does not exist"),
        (ROWS, [{"use": "curate-tset"}], ConfigError, "Did you mean 'curate-test'?"),
        (ROWS, [{"use": "curate-test-share", "threshold": "0.9"}], ConfigError, "threshold is not usable"),
        (
            ROWS,
            [{"use": "contamination", "against": [{"name": "e", "path": "no.jsonl"}]}],
            InputError,
            "eval set e",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(
    source: Any, gates: Sequence[dict[str, Any]], kind: type[UsageError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        curate(source, write_gates(tmp_path, *gates), tmp_path / "out")

    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_run_without_candidates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).write_text("identity: x\n")
    with pytest.raises(InputError) as caught:
        curate(tmp_path / "run", write_gates(tmp_path), tmp_path / "out")

    assert str(caught.value) == (
        f"{tmp_path / 'run'} is a run without candidates. Run `synth-stack generate` first."
    )


def test_what_is_recorded_of_the_gates_is_the_same_wherever_the_file_lies(tmp_path: Path) -> None:
    locks = []
    for name in ("a", "b"):
        folder = tmp_path / name
        path = write_gates(
            folder,
            {"use": "contamination", "embedding": None, "against": [{"name": "e", "path": "e.jsonl"}]},
            {"use": "curate-test", "why": "because"},
        )
        write_jsonl(folder / "e.jsonl", [{"prompt": "one two three four five six seven eight nine"}])
        locks.append(bind_gates(path).lock)

    assert locks[0] == locks[1]
    assert yaml.safe_load(locks[0])["gates"][1] == {
        "use": "curate-test",
        "version": "1",
        "all": False,
        "canaries": 0,
        "min_recall": 0.9,
        "bars": {},
        "max_unfair": 0.1,
        "off": [],
        "reads": ["content"],
        "params": {"word": "bad", "hold": "odd", "stop_at": None},
        "dials": [],
        "facts": {"words": 2},
        "why": "because",
    }


def test_progress_is_told_of_reading_and_of_every_gate(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    class Listener:
        def begin(self, stage: str, total: int, done: int = 0) -> Callable[[int], None]:
            return lambda n: told.append((stage, n))

    curate(ROWS, write_gates(tmp_path), tmp_path / "out", progress=Listener())

    assert told == [("read", 4), ("curate-test", 4)]


def test_hostile_text_is_carried_through_every_stage_unchanged(tmp_path: Path) -> None:
    texts = ["<script>alert(1)</script>", "\x1b[2J\0", "=cmd|' /C calc'!A0", "\u202eevil", "x" * 100_000, ""]
    batch = curate([{"text": text} for text in texts], write_gates(tmp_path), tmp_path / "out")

    assert [row["text"] for row in read_pile(batch, "accepted")] == texts
    assert "<script>alert(1)" not in (batch.folder / "report.html").read_text(encoding="utf-8")


def test_the_public_function_is_this_one() -> None:
    assert synth_stack.curate is curate


@pytest.mark.corpora
@pytest.mark.skipif(not CORPUS.exists(), reason="no public corpora beside the checkout")
def test_code_alpaca_is_curated_and_every_row_is_decided(tmp_path: Path) -> None:
    batch = curate(CORPUS, write_gates(tmp_path, {"use": "curate-test", "word": "array"}), tmp_path / "out")
    rows = len(json.loads(CORPUS.read_text(encoding="utf-8")))

    assert batch.figures.generated == rows
    assert batch.figures.accepted + batch.figures.rejected + batch.figures.held == rows
    counts = batch.figures.counts()
    assert min(counts[name] for name in ("accepted", "rejected", "held")) > 0
    assert len(read_pile(batch, "accepted")) == batch.figures.accepted
    assert len(read_pile(batch, "rejected")) == batch.figures.rejected


def test_the_engine_is_in_the_manifest_and_changes_nothing_else(tmp_path: Path) -> None:
    gates = write_gates(tmp_path, {"use": "dedup"}, {"use": "curate-test"})
    here = curate(ROWS, gates, tmp_path / "here").folder
    there = curate(ROWS, gates, tmp_path / "there", engine={"use": "backwards"}).folder

    facts = [json.loads((folder / MANIFEST).read_bytes())["facts"]["engine"] for folder in (here, there)]
    assert facts == [{"name": "local", "version": __version__}, {"name": "backwards", "version": "7"}]
    files = [{n: d for n, d in read_tree(folder).items() if n != MANIFEST} for folder in (here, there)]
    assert files[0] == files[1]


def test_an_engine_is_chosen_before_any_row_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no engine of that name"):
        curate(ROWS, write_gates(tmp_path, {"use": "dedup"}), tmp_path / "out", engine="dusk")
    assert not (tmp_path / "out").exists()
