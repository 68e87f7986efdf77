"""A run through the batch API: each request is paid for once, whatever happens to the run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import ConfigError, TeacherError
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from tests.batch_server import KEY, BatchServer, serve_batches
from tests.openai_server import MODEL
from tests.recipes import read_tree, write_recipe

METHODS = [{"use": "self_instruct", "examples": 2}]
ROWS = 12


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setenv("BATCH_KEY", KEY)
    monkeypatch.setattr("synth_stack.teachers.batch_llm.GATHER_S", 0.1)
    with serve_batches() as running:
        yield running
        assert not running.wrong


def write(folder: Path, server: BatchServer, **changed: Any) -> Path:
    teacher = {
        "use": "batch",
        "base_url": server.base_url,
        "model": MODEL,
        "api_key_env": "BATCH_KEY",
        "poll_s": 0.05,
        **changed,
    }
    generate = {"candidates": ROWS, "batch_rows": 4, "methods": METHODS}
    return write_recipe(folder, teacher=teacher, generate=generate)


def make_rows(path: Path, out: Path) -> list[dict[str, Any]]:
    folder = synth_stack.generate(path, out)
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def list_failures(rows: list[dict[str, Any]]) -> list[str]:
    return [row["failure"] for row in rows if row["failure"]]


def test_every_step_of_a_run_is_a_batch_and_every_request_is_paid_for_once(
    server: BatchServer, tmp_path: Path
) -> None:
    rows = make_rows(write(tmp_path, server), tmp_path / "run")
    assert len(rows) == ROWS
    assert not list_failures(rows)
    assert set(server.billed.values()) == {1}
    assert len(server.billed) == 2 * ROWS
    assert len(server.batches) <= 4  # two steps, and what a busy machine gathers late


def test_the_same_prompts_are_found_again_in_batches_of_an_earlier_run(
    server: BatchServer, tmp_path: Path
) -> None:
    path = write(tmp_path, server)
    make_rows(path, tmp_path / "one")
    batches = len(server.batches)
    make_rows(path, tmp_path / "two")
    assert len(server.batches) == batches
    assert set(server.billed.values()) == {1}
    assert read_tree(tmp_path / "one" / "candidates") == read_tree(tmp_path / "two" / "candidates")


def test_rows_without_a_seed_in_their_request_still_get_answers_of_their_own(
    server: BatchServer, tmp_path: Path
) -> None:
    make_rows(write(tmp_path, server, leave_out=["seed"]), tmp_path / "run")
    assert len(server.billed) == 2 * ROWS


@pytest.mark.kills
def test_a_run_that_is_killed_while_a_batch_works_takes_its_answers_and_pays_for_none_twice(
    server: BatchServer, tmp_path: Path
) -> None:
    path = write(tmp_path, server)
    server.released.clear()
    script = "import sys, synth_stack; synth_stack.generate(sys.argv[1], sys.argv[2])"
    command = [sys.executable, "-c", script, str(path), str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ}) as killed:
        end = time.monotonic() + 60
        while not server.batches and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.2)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait(20) == -signal.SIGKILL
    assert server.batches
    server.released.set()
    make_rows(path, tmp_path / "out")
    assert set(server.billed.values()) == {1}
    assert len(server.billed) == 2 * ROWS
    make_rows(path, tmp_path / "whole")
    assert read_tree(tmp_path / "out" / "candidates") == read_tree(tmp_path / "whole" / "candidates")


def test_a_run_that_loses_its_server_while_a_batch_works_takes_its_answers_at_the_next_start(
    server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, server, retries=0)
    server.released.clear()
    with monkeypatch.context() as patched:
        patched.setattr(BatchServer, "show", lambda self, name: {"id": name, "status": 1 / 0})
        with pytest.raises(TeacherError, match="breaks the connection"):
            make_rows(path, tmp_path / "out")
    server.released.set()
    before = len(server.batches)
    make_rows(path, tmp_path / "out")
    assert before > 0
    assert set(server.billed.values()) == {1}
    assert len(server.billed) == 2 * ROWS


@pytest.mark.parametrize("what", ["expire_first", "break_first"])
def test_what_a_batch_left_unanswered_is_sent_again(server: BatchServer, tmp_path: Path, what: str) -> None:
    setattr(server, what, 3)
    assert not list_failures(make_rows(write(tmp_path, server), tmp_path / "run"))
    assert set(server.billed.values()) == {1}
    assert len(server.billed) == 2 * ROWS


def test_what_is_never_answered_is_a_row_with_its_reason(server: BatchServer, tmp_path: Path) -> None:
    server.refuse_first = 2
    server.break_first = 3  # of each of the three tries of one request another: none is lost
    failures = list_failures(make_rows(write(tmp_path, server), tmp_path / "run"))
    assert (
        failures
        == ["instruction: teacher error: refuses the prompt (HTTP 400): it is too long for the model"] * 2
    )


def test_a_request_that_was_refused_is_asked_again_by_a_later_run(
    server: BatchServer, tmp_path: Path
) -> None:
    server.refuse_first = 2
    path = write(tmp_path, server)
    assert len(list_failures(make_rows(path, tmp_path / "one"))) == 2
    assert not list_failures(make_rows(path, tmp_path / "two"))
    assert set(server.billed.values()) == {1}


def test_a_batch_whose_answer_was_lost_is_not_made_twice(server: BatchServer, tmp_path: Path) -> None:
    server.loses_answer = True
    assert not list_failures(make_rows(write(tmp_path, server), tmp_path / "run"))
    assert len({batch["input_file_id"] for batch in server.batches}) == len(server.batches)
    assert set(server.billed.values()) == {1}


def test_answers_that_the_server_let_go_are_asked_for_again(server: BatchServer, tmp_path: Path) -> None:
    path = write(tmp_path, server)
    make_rows(path, tmp_path / "one")
    for batch in server.batches:
        del server.files[batch["output_file_id"]]
    assert not list_failures(make_rows(path, tmp_path / "two"))
    assert set(server.billed.values()) == {2}
    server.wrong.clear()  # it was asked for files that it had no more


def test_a_batch_that_fails_ends_the_run_with_the_servers_sentence(
    server: BatchServer, tmp_path: Path
) -> None:
    server.fail_with = "the model does not take batches"
    with pytest.raises(ConfigError, match="ends our batch as failed: the model does not take batches"):
        make_rows(write(tmp_path, server), tmp_path / "run")


def test_a_batch_that_somebody_cancels_stops_the_run_which_goes_on_at_the_next_start(
    server: BatchServer, tmp_path: Path
) -> None:
    server.cancels = True
    path = write(tmp_path, server)
    with pytest.raises(TeacherError, match="was told to cancel our batch"):
        make_rows(path, tmp_path / "run")
    server.cancels = False
    assert not list_failures(make_rows(path, tmp_path / "run"))
    assert set(server.billed.values()) == {1}


def test_a_key_that_is_refused_is_told_before_the_first_file(
    server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCH_KEY", "another")
    with pytest.raises(ConfigError, match="refuses the API key"):
        make_rows(write(tmp_path, server), tmp_path / "run")
    assert not server.files


def test_a_server_without_a_batch_api_is_told_before_the_first_file(
    server: BatchServer, tmp_path: Path
) -> None:
    server.has_no_batches = True
    with pytest.raises(ConfigError, match="lists no batches"):
        make_rows(write(tmp_path, server), tmp_path / "run")
    assert not server.files
    server.wrong.clear()


def test_tokens_cost_the_share_of_their_price_that_batches_are_billed_at(
    server: BatchServer, tmp_path: Path
) -> None:
    price = {"input_per_million": 1000.0, "output_per_million": 3000.0}
    recipe = write(tmp_path, server, price=price)
    asked = 2 * ROWS
    result = synth_stack.run(recipe, tmp_path / "run")
    assert result.spent.cost == pytest.approx(0.5 * asked * (11 * 1000 + 7 * 3000) / 1e6)


@pytest.mark.parametrize("broken", [b"no json\n", b"[1]\n", json.dumps({"custom_id": 7}).encode()])
def test_a_file_of_answers_that_is_none_stops_the_run(
    server: BatchServer, tmp_path: Path, broken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = BatchServer._work

    def spoil(self: BatchServer, batch: dict[str, Any]) -> None:
        work(self, batch)
        self.files[batch["output_file_id"]] = broken

    monkeypatch.setattr(BatchServer, "_work", spoil)
    with pytest.raises(TeacherError, match=r"is not JSON Lines|left a request unanswered"):
        make_rows(write(tmp_path, server), tmp_path / "run")
