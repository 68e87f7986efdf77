"""Failed rows of a run are asked again, with the same recipe or a mended one, and the good ones stay."""

import shutil
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

import synth_stack
from synth_stack.errors import ConfigError, RunMismatch, TeacherError
from synth_stack.inputs.strict_yaml import read_mapping
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import LOCK, read_parts
from synth_stack.workflows import retry
from tests.openai_server import OpenAIServer, complete, fail, refuse, serve
from tests.recipes import call, read_tree, write_recipe

ROWS = 12
CUT = complete("It was cut of", finish_reason="length")


def write(folder: Path, server: OpenAIServer, *, methods: Any = None, **changed: Any) -> Path:
    teacher = {"use": "http", "base_url": server.base_url, "model": "loopback-1", "concurrency": 1}
    teacher |= {"reasoning_tokens": 0, "retries": 0, **changed}
    generate = {
        "candidates": ROWS,
        "batch_rows": 4,
        "on_cut": "fail",
        "methods": methods or [{"use": "self_instruct", "examples": 2}],
    }
    return write_recipe(folder, teacher=teacher, generate=generate)


def read_rows(folder: Path) -> dict[int, dict[str, Any]]:
    tables = read_parts(folder / "candidates", CANDIDATE_SCHEMA)
    return {row["draw"]: row for table in tables for row in table.to_pylist()}


def list_failed(folder: Path) -> list[int]:
    return [draw for draw, row in read_rows(folder).items() if row["failure"]]


def test_only_failed_rows_are_asked_again_and_the_pack_holds_both(tmp_path: Path) -> None:
    with serve(refuse(400, "the prompt is too long"), fail(500)) as server:
        path = write(tmp_path, server)
        before = synth_stack.run(path, tmp_path / "run")
        rows = read_rows(tmp_path / "run")
        failed = list_failed(tmp_path / "run")
        assert len(failed) == 2
        asked = len(server.asked)
        result = synth_stack.run(path, tmp_path / "run", retry_failed=True)
        assert len(server.asked) == asked + 4  # an instruction and an answer for each
    now = read_rows(tmp_path / "run")
    assert not list_failed(tmp_path / "run")
    assert sorted(now) == sorted(rows) == list(range(ROWS))
    assert all(now[draw] == row for draw, row in rows.items() if draw not in failed)
    assert verify_pack(result.pack.path).root == result.pack.root != before.pack.root
    lock = read_mapping(tmp_path / "run" / LOCK)
    assert [(each["draws"], each["asked_before"]) for each in lock["retries"]] == [(2, {})]


def test_a_mended_recipe_asks_the_failed_rows_again_and_the_lock_has_both(tmp_path: Path) -> None:
    with serve(*[CUT] * 3) as server:
        path = write(tmp_path, server, max_tokens=10)
        synth_stack.run(path, tmp_path / "run")
        rows, failed = read_rows(tmp_path / "run"), list_failed(tmp_path / "run")
        assert len(failed) == 3
        mended = write(tmp_path, server, max_tokens=500, temperature=0.2)
        with pytest.raises(RunMismatch, match=r"teacher or prompts were other ones.*--retry-failed"):
            synth_stack.run(mended, tmp_path / "run")
        result = synth_stack.run(mended, tmp_path / "run", retry_failed=True)
        again = server.bodies()[-6:]
        assert {body["max_tokens"] for body in again} <= {96, 48}  # templates bound it now
        files = read_tree(tmp_path / "run")
        synth_stack.run(mended, tmp_path / "run")
        assert read_tree(tmp_path / "run") == files
    verify_pack(result.pack.path)
    now = read_rows(tmp_path / "run")
    assert all(now[draw] == row for draw, row in rows.items() if draw not in failed)
    sampled = {draw: orjson.loads(row["params"])["sampling"]["temperature"] for draw, row in now.items()}
    assert {draw for draw, value in sampled.items() if value == "0.2"} == set(failed)
    [told] = read_mapping(tmp_path / "run" / LOCK)["retries"]
    assert told["asked_before"]["teacher"]["limits"] == {"max_tokens": 10}


def test_a_mended_template_keeps_the_text_of_the_one_before(tmp_path: Path) -> None:
    method = {"use": "self_instruct", "examples": 2}
    (tmp_path / "mine.yaml").write_text(
        "max_tokens: 50\nchat: [{role: user, content: 'About {{ about }}: ask.'}]\n"
    )
    with serve(CUT) as server:
        synth_stack.run(write(tmp_path, server, methods=[method]), tmp_path / "run")
        mended = {**method, "templates": {"self_instruct": {"file": "mine.yaml"}}}
        result = synth_stack.run(
            write(tmp_path, server, methods=[mended]), tmp_path / "run", retry_failed=True
        )
    verify_pack(result.pack.path)
    used = {row["template_id"].split("@")[0] for row in read_rows(tmp_path / "run").values()}
    assert used == {"self_instruct", "mine"}


def test_the_tokens_of_the_first_try_are_still_counted(tmp_path: Path) -> None:
    price = {"input_per_million": 1.0, "output_per_million": 1.0}
    with serve(CUT) as server:
        path = write(tmp_path, server, price=price)
        synth_stack.run(path, tmp_path / "run")
        result = synth_stack.run(path, tmp_path / "run", retry_failed=True)
    calls = 1 + 2 * ROWS
    assert (result.spent.input_tokens, result.spent.output_tokens) == (11 * calls, 7 * calls)
    assert result.spent.cost == pytest.approx(18e-6 * calls)


def test_a_retry_that_is_killed_at_any_step_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(*[fail(500)] * 5) as server:
        path = write(tmp_path, server)
        synth_stack.generate(path, tmp_path / "first")
    ends = {}
    for kill in [None, 1, 2, 3, 4, 6]:
        out = tmp_path / f"run{kill}"
        shutil.copytree(tmp_path / "first", out)
        with serve() as server:
            path = write(tmp_path, server)
            if kill is not None:
                _kill_at(monkeypatch, kill)
                with pytest.raises(KeyboardInterrupt):
                    synth_stack.generate(path, out, retry_failed=True)
                monkeypatch.undo()
            synth_stack.generate(path, out, retry_failed=True)
        assert not list_failed(out)
        ends[kill] = read_tree(out / "candidates")
    assert all(tree == ends[None] for tree in ends.values())


def _kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ends the process, as far as a test can, before so many files of a retry are written."""
    written = [0]

    def count(name: str) -> None:
        real = getattr(retry, name)

        def write(*arguments: Any) -> Any:
            written[0] += 1
            if written[0] == step:
                raise KeyboardInterrupt
            return real(*arguments)

        monkeypatch.setattr(retry, name, write)

    count("write_table")
    count("write_bytes")


def test_a_retry_that_its_teacher_refuses_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    with serve(*[refuse(400, "no such thing")] * 2) as server:
        path = write(tmp_path, server)
        synth_stack.run(path, tmp_path / "run")
        candidates = read_tree(tmp_path / "run" / "candidates")
    with serve(always=fail(401)) as server, pytest.raises((TeacherError, ConfigError)):
        synth_stack.run(write(tmp_path, server), tmp_path / "run", retry_failed=True)
    assert read_tree(tmp_path / "run" / "candidates") == candidates
    with serve() as server:
        result = synth_stack.run(write(tmp_path, server), tmp_path / "run")
        assert not server.asked  # nothing is asked again that nobody asked for
    verify_pack(result.pack.path)


def test_rows_that_fail_again_are_kept_with_their_new_reason(tmp_path: Path) -> None:
    with serve(fail(500), CUT) as server:
        path = write(tmp_path, server)
        synth_stack.generate(path, tmp_path / "run")
        server.always = refuse(400, "it is still too long")
        synth_stack.generate(path, tmp_path / "run", retry_failed=True)
    reasons = {row["failure"] for row in read_rows(tmp_path / "run").values() if row["failure"]}
    assert reasons == {"instruction: teacher error: refuses the prompt (HTTP 400): it is still too long"}


@pytest.mark.parametrize(
    ("change", "refused", "why"),
    [
        ({"seed": 8}, RunMismatch, "holds a different run"),
        ({"teacher": {"use": "scripted", "model": "other"}}, RunMismatch, "holds a different run"),
        (
            {"generate": {"target": {"accepted": 5}, "methods": [{"use": "magpie"}]}},
            RunMismatch,
            "different run",
        ),
    ],
)
def test_what_would_make_other_rows_is_no_mended_recipe(
    tmp_path: Path, change: dict[str, Any], refused: type[Exception], why: str
) -> None:
    path = write_recipe(tmp_path)
    synth_stack.generate(path, tmp_path / "run")
    other = write_recipe(tmp_path, **change)
    with pytest.raises(refused, match=why):
        synth_stack.run(other, tmp_path / "run", retry_failed=True)


def test_a_run_with_a_target_draws_more_instead(tmp_path: Path) -> None:
    generate = {"target": {"accepted": 3}, "batch_rows": 4, "methods": [{"use": "self_instruct"}]}
    path = write_recipe(tmp_path, generate=generate)
    synth_stack.run(path, tmp_path / "run")
    with pytest.raises(ConfigError, match="makes up for failed rows by drawing more"):
        synth_stack.run(path, tmp_path / "run", retry_failed=True)


def test_rows_that_people_have_read_are_not_replaced(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    synth_stack.run(path, tmp_path / "run")
    synth_stack.review.plan(tmp_path / "run")
    with pytest.raises(ConfigError, match="people have read rows"):
        synth_stack.run(path, tmp_path / "run", retry_failed=True)


def test_a_folder_without_a_run_is_told_before_anything_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_recipe(tmp_path)
    code, _, err = call(monkeypatch, capsys, "run", path, "--out", tmp_path / "none", "--retry-failed")
    assert (code, "holds no run whose failed rows could be asked again" in " ".join(err.split())) == (2, True)


def test_the_command_asks_again_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(fail(500)) as server:
        path = write(tmp_path, server)
        assert call(monkeypatch, capsys, "generate", path, "--out", tmp_path / "run", "-q")[0] == 0
        assert len(list_failed(tmp_path / "run")) == 1
        arguments = ("generate", path, "--out", tmp_path / "run", "--retry-failed", "-q")
        code, out, _ = call(monkeypatch, capsys, *arguments)
    assert (code, f"{ROWS} candidates" in out) == (0, True)
    assert not list_failed(tmp_path / "run")
    assert pq.read_metadata(next((tmp_path / "run" / "candidates").glob("part-*"))).num_rows == 4
