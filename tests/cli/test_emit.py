"""The command that tells trackers of a run: what it needs, what it says, and that a false pack stops it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synth_stack.cli.main import app
from synth_stack.errors import VerificationError
from synth_stack.packs.signers import local_signer
from synth_stack.packs.write import write_pack
from tests.review.toy_run import make_toy_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_toy_run(tmp_path_factory.mktemp("toy"), {"a": 6})
    write_pack(folder, folder / "pack", signer=local_signer(folder.with_name("key.pem")))
    return folder


def test_a_tracker_has_to_be_named(run: Path) -> None:
    done = CliRunner().invoke(app, ["emit", str(run)])
    assert done.exit_code == 2


def test_the_root_of_the_pack_is_told_after_it_was_verified(run: Path, tmp_path: Path) -> None:
    words = ["emit", str(run), "--openlineage", str(tmp_path / "events.jsonl"), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    [_, complete] = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    assert told["openlineage"]["run_id"] == complete["run"]["runId"]
    assert complete["outputs"][0]["facets"]["version"]["datasetVersion"] == told["root"]

    (run / "pack" / "README.md").write_text("another card", encoding="utf-8")
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, VerificationError)
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2
