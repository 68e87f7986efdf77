"""The command that audits: a data set, a plan carried out, two audits compared."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synth_stack.cli.main import app
from tests.audited import HOSTILE, write_data, write_gates


def call(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_data_set_is_audited_verified_mended_and_compared(tmp_path: Path) -> None:
    data, gates, out = write_data(tmp_path), write_gates(tmp_path), tmp_path / "audit"
    shown = call(
        "audit", data, "--gates", gates, "--against", f"exam={tmp_path / 'exam.jsonl'}", "--out", out, "-q"
    )
    assert shown.index("Not checked") < shown.index("12 of 100 rows have a defect")
    assert "exam exam" in shown
    assert "test rows in train too" in shown
    assert "figures computed again" in call("verify", out)
    assert json.loads(call("verify", out, "--json"))["verified"] is True
    assert "88 accepted rows" in call("audit", "--apply", out, "--out", tmp_path / "pack")
    assert "accepted rows" in call("verify", tmp_path / "pack")
    told = json.loads(
        call("audit", tmp_path / "pack", "--gates", gates, "--out", tmp_path / "after", "--json")
    )
    assert told["overall"]["defects"]["count"] == 0
    assert "clear" in call("audit", "--compare", out, tmp_path / "after")
    found = json.loads(call("audit", "--compare", out, tmp_path / "after", "--json"))
    assert found["differences"][0]["what"] == "all defects"
    assert HOSTILE in json.dumps(found, ensure_ascii=False).replace('\\"', '"') or found["caveats"]


@pytest.mark.parametrize(
    "words",
    [[], ["data.csv"], ["data.csv", "--gates", "g.yaml"], ["data.csv", "--apply", "a"], ["--apply", "a"]],
)
def test_a_call_that_does_not_say_what_to_do_is_refused(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["audit", *words]).exit_code == 2
