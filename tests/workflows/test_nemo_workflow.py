"""NeMo Curator's own runner and our curate over the same configuration keep the same documents."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import yaml

from synth_stack import curate
from synth_stack.inputs.gate_file import NamedEvalSet
from tests.engines.engine_runs import make_rows, read_bytes
from tests.nemo_installed import mark_nemo

pytestmark = [*mark_nemo(), pytest.mark.xdist_group("ray")]

CONFIGS = Path(__file__).parents[2] / "curator_configs" / "nemo"
LEAKED = "A farmer has seventeen sheep and sells all but nine of them at the market on a Tuesday morning."


@pytest.fixture(scope="module")
def ray() -> Iterator[dict[str, str]]:
    """The environment of a process that finds a Ray with two workers."""
    from synth_stack.engines.nemo.engine import RUNNER
    from synth_stack.engines.ray_driver import connect_to
    from synth_stack.engines.ray_head import open_head

    with open_head(2, {"PYTHONPATH": str(Path(__file__).parents[2])}, "nemo") as head:
        with connect_to(head.address, RUNNER, head.env):  # its node is there
            pass
        yield {**head.env}


def run_nemo(env: dict[str, str], folder: Path, name: str, *overrides: str) -> None:
    """NeMo's own runner, as its user calls it."""
    command = [sys.executable, "-m", "nemo_curator.config.run", "--config-path", str(CONFIGS)]
    done = subprocess.run(
        [*command, "--config-name", name, *overrides], env=env, cwd=folder, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def run_workflow(env: dict[str, str], folder: Path, *args: str, kept: str) -> None:
    """The workflow in a program of a NeMo user, who names no executor."""
    code = "from synth_stack.workflows.nemo_workflow import CurateWorkflow\n"
    code += f"CurateWorkflow(*{args!r}, kept={kept!r}).run()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_stages_keep_the_same_documents_on_either(tmp_path: Path, ray: dict[str, str]) -> None:
    texts = [row["output"] for row in make_rows(60)]
    texts += [
        "Hi.",
        "\n",
        LEAKED,
        "You people are all disgusting and should be driven out of this country.",
        "•\n•",
        "a b c d e f",
    ]
    docs, exam = tmp_path / "docs.jsonl", tmp_path / "exam.jsonl"
    docs.write_bytes(b"\n".join(orjson.dumps({"id": str(k), "text": text}) for k, text in enumerate(texts)))
    exam.write_bytes(orjson.dumps({"question": LEAKED, "answer": "Nine of them are left."}))
    named = f"against=[{{name: exam, path: {exam}}}]"
    run_nemo(
        ray,
        tmp_path,
        "documents",
        f"input_path={docs}",
        f"output_path={tmp_path / 'kept'}",
        f"rejects_path={tmp_path / 'away'}",
        named,
    )
    kept = [json.loads(line) for part in (tmp_path / "kept").iterdir() for line in part.open()]

    out = curate(docs, CONFIGS / "documents.yaml", tmp_path / "out", eval_sets=[NamedEvalSet(name="exam", path=str(exam))]).folder  # fmt: skip
    accepted = pl.concat([pl.read_parquet(part) for part in (out / "accepted").iterdir()])
    assert {row["id"] for row in kept} == set(accepted["source_id"])
    assert 20 < len(kept) < len(texts)
    away = {part.name.partition("-")[0] for part in (tmp_path / "away").iterdir()}
    assert away == {"gate_toxicity", "gate_contamination"}


def test_a_workflow_leaves_the_bytes_of_curate(tmp_path: Path, ray: dict[str, str]) -> None:
    source, gates = tmp_path / "rows.jsonl", tmp_path / "gates.yaml"
    source.write_bytes(b"\n".join(orjson.dumps(row) for row in make_rows(120)))
    gates.write_text(yaml.safe_dump({"version": 1, "gates": [{"use": "structure"}, {"use": "dedup"}]}))
    overrides = [f"gate_file={gates}", f"input_path={source}", f"output_path={tmp_path / 'theirs'}"]
    run_nemo(ray, tmp_path, "standard", *overrides)
    curate(source, gates, tmp_path / "ours")
    assert read_bytes(tmp_path / "theirs") == read_bytes(tmp_path / "ours")
    assert (
        json.loads((tmp_path / "theirs" / "MANIFEST.json").read_bytes())["facts"]["engine"]["name"] == "nemo"
    )


@pytest.mark.parametrize(("form", "numbers"), [("jsonl", False), ("parquet", True)])
def test_its_removal_leaves_the_accepted_records_whole(
    form: str, numbers: bool, tmp_path: Path, ray: dict[str, str]
) -> None:
    rows: list[dict[str, Any]] = [
        {**row, "id": k if numbers else f"r{k}", "own": k} for k, row in enumerate(make_rows(40))
    ]
    rows[9] = {**rows[3], "id": rows[9]["id"], "own": 9}
    rows[7]["output"] += " Write to jane.doe@quickmail.net about it."
    source, gates = tmp_path / f"rows.{form}", tmp_path / "gates.yaml"
    frame = pl.DataFrame(rows)
    frame.write_parquet(source) if form == "parquet" else frame.write_ndjson(source)
    gates.write_text(yaml.safe_dump({"version": 1, "gates": [{"use": "personal_data"}, {"use": "dedup"}]}))
    for name in ("kept/of_an_earlier_run.jsonl", "kept.removed/ids.parquet"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    if numbers:
        run_workflow(ray, tmp_path, str(source), str(gates), "out", kept=str(tmp_path / "kept"))
    else:
        paths = [f"input_path={source}", f"output_path={tmp_path / 'out'}", f"kept_path={tmp_path / 'kept'}"]
        run_nemo(ray, tmp_path, "standard", f"gate_file={gates}", *paths)
    read = pl.read_parquet if form == "parquet" else pl.read_ndjson
    left = pl.concat([read(part) for part in (tmp_path / "kept").iterdir()]).sort("own")
    decided = pl.read_parquet(tmp_path / "out" / "decisions.parquet")
    away = decided.filter(pl.col("decision") != "accepted")["source_id"].to_list()
    assert set(away) == ({"7", "9"} if numbers else {"r7", "r9"})
    assert left.to_dicts() == frame.filter(~pl.col("id").cast(pl.String).is_in(away)).to_dicts()
    assert len(pl.read_parquet(tmp_path / "kept.removed" / "ids.parquet")) == len(rows) - len(left)


def test_kept_needs_files_and_ids_that_nemo_reads(tmp_path: Path) -> None:
    from synth_stack.errors import ConfigError
    from synth_stack.workflows.nemo_workflow import CurateWorkflow

    (tmp_path / "rows.csv").write_text("instruction,output\nHi.,Hello.\n")
    (tmp_path / "gates.yaml").write_text(yaml.safe_dump({"version": 1, "gates": [{"use": "dedup"}]}))
    rows = {
        "none.jsonl": ["{}"],
        "twice.jsonl": ['{"id": 7}', '{"id": 7}'],
        "null.jsonl": ['{"id": 7}', "{}"],
        "mixed.jsonl": ['{"id": 7}', '{"id": "seven"}'],
    }
    for name, lines in rows.items():
        (tmp_path / name).write_text("\n".join(line.replace("}", ', "text": "Hi."}').replace("{,", "{") for line in lines))  # fmt: skip
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "theirs").touch()
    for name, kept, said in (
        ("rows.csv", "kept", "seen: rows.csv"),
        ("none.jsonl", "kept", "no id by which .* seen: text"),
        ("twice.jsonl", "kept", r"seen: 7 \(2 times\)"),
        ("null.jsonl", "kept", r"seen: None \(1 times\)"),
        ("mixed.jsonl", "kept", "no column of one type; seen: .*seven"),
        ("twice.jsonl", "full", "no earlier run has left it"),
        ("twice.jsonl", "", "neither holds the source"),
        ("twice.jsonl", "twice.jsonl.out/kept", "nor lies in them"),
    ):
        out = str(tmp_path / f"{name}.out")
        work = CurateWorkflow(
            str(tmp_path / name), str(tmp_path / "gates.yaml"), out, kept=str(tmp_path / kept)
        )
        with pytest.raises(ConfigError, match=said):
            work.run()
        assert not Path(out).exists()
    assert (tmp_path / "full" / "theirs").exists()


def test_the_script_that_ships_keeps_what_its_gates_let_pass(tmp_path: Path, ray: dict[str, str]) -> None:
    texts = {
        "kept": "The tea was good, and we have to thank you for the time that you have spent with us today.",
        "redacted": "Write to jane.doe@quickmail.net or call her, she answers every day but Sunday.",
        "away": "You people are all disgusting and should be driven out of this country.",
        "short": "Hi there.",
    }
    docs = tmp_path / "docs.jsonl"
    docs.write_bytes(b"\n".join(orjson.dumps({"id": name, "text": text}) for name, text in texts.items()))
    script = Path(__file__).parents[2] / "pipelines" / "nemo_documents.py"
    done = subprocess.run(
        [sys.executable, str(script), "docs.jsonl", "out"], env=ray, cwd=tmp_path, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    kept = [json.loads(line) for part in (tmp_path / "out").iterdir() for line in part.open()]
    assert [row["id"] for row in kept] == ["kept", "redacted"]
    assert "jane.doe" not in kept[1]["text"]
    away = pl.concat([pl.read_parquet(part) for part in (tmp_path / "out.away").iterdir()])
    assert away["id"].to_list() == ["away"]
