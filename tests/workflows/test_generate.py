"""From a recipe to candidate rows: refused before anything is sent, kept batch by batch."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import ConfigError, TeacherError
from synth_stack.files import read_table
from synth_stack.inputs.recipe import Recipe, load_recipe
from synth_stack.progress import Silent
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, recompute_row_ids
from synth_stack.runs.folder import list_parts
from synth_stack.workflows.generate import generate_candidates, preview
from tests.openai_server import answer, fail, find_closed_url, serve
from tests.shop import SEEDS, THREE, on_server, read, read_bytes, ready, write_recipe

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_every_draw_of_every_method_is_one_row_with_its_own_name(tmp_path: Path) -> None:
    job = ready(tmp_path, methods=THREE, candidates=21)
    generate_candidates(job, tmp_path / "out", Silent())
    rows = read(tmp_path / "out")
    assert [row["draw"] for row in rows] == list(range(21))
    assert [row["generator"] for row in rows] == [
        *["self_instruct"] * 11,
        *["evol_instruct"] * 6,
        *["magpie"] * 4,
    ]
    for part in list_parts(tmp_path / "out" / "candidates"):
        table = read_table(part, CANDIDATE_SCHEMA)
        assert table["row_id"].to_pylist() == recompute_row_ids(table)
    assert (tmp_path / "out" / "candidates" / ".done").exists()


def test_two_runs_of_a_replayable_teacher_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        generate_candidates(ready(tmp_path, methods=THREE), tmp_path / name, Silent())
    assert read_bytes(tmp_path / "a") == read_bytes(tmp_path / "b")


def test_a_method_whose_share_is_too_small_for_a_row_is_left_out(tmp_path: Path) -> None:
    job = ready(
        tmp_path,
        methods=[{"use": "self_instruct", "share": 0.9}, {"use": "magpie", "share": 0.1}],
        candidates=2,
    )
    generate_candidates(job, tmp_path / "out", Silent())
    assert [row["generator"] for row in read(tmp_path / "out")] == ["self_instruct"] * 2


def test_preparing_sends_nothing_and_generating_asks_for_the_models_first(tmp_path: Path) -> None:
    with serve(models=["other"]) as server:
        job = ready(tmp_path, on_server(server.base_url))
        assert server.listed == []
        with pytest.raises(ConfigError, match="no such model"):
            generate_candidates(job, tmp_path / "out", Silent())
        with pytest.raises(ConfigError, match="no such model"):
            preview(job.recipe, 2)
    assert server.asked == []
    assert not (tmp_path / "out").exists()


def test_a_server_that_cannot_be_reached_is_a_teacher_error_and_nothing_is_made(tmp_path: Path) -> None:
    job = ready(tmp_path, on_server(find_closed_url()))
    with pytest.raises(TeacherError, match="cannot be reached") as caught:
        generate_candidates(job, tmp_path / "out", Silent())
    assert caught.value.exit_code == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("status", [401, 404, 503])
@pytest.mark.parametrize("answers", [3, 14, 37])
def test_a_run_that_its_teacher_stopped_goes_on_to_the_bytes_of_an_undisturbed_one(
    status: int, answers: int, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    methods = [{"use": "self_instruct", "share": 0.5}, {"use": "evol_instruct", "share": 0.5}]

    def load(base_url: str) -> Recipe:
        teacher = on_server(base_url)
        return load_recipe(write_recipe(tmp_path, teacher, methods=methods, candidates=32))

    with serve() as server:
        synth_stack.generate(load(server.base_url), tmp_path / "whole")
    with serve(*[answer] * answers, always=fail(status)) as server:
        recipe = load(server.base_url)
        with pytest.raises(TeacherError, match="loopback-1 is down"):
            synth_stack.generate(recipe, out)
    assert len(read(out)) == answers // 8 * 4
    assert not (out / "candidates" / ".done").exists()
    with serve() as server:
        synth_stack.generate(load(server.base_url), out)
        assert len(server.asked) == 64 - answers // 8 * 8
    assert read_bytes(out) == read_bytes(tmp_path / "whole")


def test_a_scripted_teacher_that_dies_leaves_what_was_committed_and_the_rest_is_made_later(
    tmp_path: Path,
) -> None:
    generate_candidates(ready(tmp_path), tmp_path / "whole", Silent())
    with pytest.raises(TeacherError, match="is down: it died, as its script says"):
        generate_candidates(
            ready(tmp_path, {"use": "scripted", "dies_after": 13}), tmp_path / "out", Silent()
        )
    assert len(read(tmp_path / "out")) == 4
    generate_candidates(ready(tmp_path), tmp_path / "out", Silent())
    assert read_bytes(tmp_path / "out") == read_bytes(tmp_path / "whole")


def test_a_finished_run_asks_no_one_again(tmp_path: Path) -> None:
    with serve() as server:
        job = ready(tmp_path, on_server(server.base_url))
        generate_candidates(job, tmp_path / "out", Silent())
        asked = len(server.asked)
        generate_candidates(job, tmp_path / "out", Silent())
        assert len(server.asked) == asked == 24


def test_progress_counts_every_row_once_also_those_that_were_there(tmp_path: Path) -> None:
    class Counting:
        def __init__(self) -> None:
            self.total = 0
            self.done = 0

        def begin(self, stage: str, total: int, done: int = 0) -> Any:
            assert stage == "generate"
            self.total = total

            def advance(n: int) -> None:
                self.done += n

            return advance

    with pytest.raises(TeacherError):
        generate_candidates(
            ready(tmp_path, {"use": "scripted", "dies_after": 13}), tmp_path / "out", Silent()
        )
    counting = Counting()
    generate_candidates(ready(tmp_path), tmp_path / "out", counting)
    assert (counting.total, counting.done) == (12, 12)


def test_a_key_that_is_not_set_is_found_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOOPBACK_KEY", raising=False)
    with serve() as server, pytest.raises(ConfigError, match="export LOOPBACK_KEY"):
        generate_candidates(
            ready(tmp_path, on_server(server.base_url, api_key_env="LOOPBACK_KEY")),
            tmp_path / "out",
            Silent(),
        )
    assert server.listed == server.asked == []


def test_a_single_bad_answer_is_a_row_with_its_reason(tmp_path: Path) -> None:
    with serve(answer, answer, answer, fail(500)) as server:
        generate_candidates(ready(tmp_path, on_server(server.base_url)), tmp_path / "out", Silent())
    rows = read(tmp_path / "out")
    assert len(rows) == 12
    assert [row["failure"] for row in rows if row["failure"]] == [
        "instruction: teacher error: answers HTTP 500"
    ]


def test_a_preview_is_spread_over_the_methods_shows_the_prompts_and_keeps_nothing(tmp_path: Path) -> None:
    job = ready(tmp_path, methods=THREE, candidates=40)
    before = sorted(path.name for path in tmp_path.iterdir())
    rows = preview(job.recipe, 10)
    assert [row["generator"] for row in rows] == [
        *["self_instruct"] * 5,
        *["evol_instruct"] * 3,
        *["magpie"] * 2,
    ]
    assert all([p["column"] for p in row["prompts"]] == ["instruction", "answer"] for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_preview_shows_the_first_rows_that_the_run_will_have(tmp_path: Path) -> None:
    job = ready(tmp_path, candidates=40)
    generate_candidates(job, tmp_path / "out", Silent())
    shown = [(row["draw"], row["text"]) for row in preview(job.recipe, 5)]
    assert shown == [(row["draw"], row["text"]) for row in read(tmp_path / "out")[:5]]


def test_a_preview_shows_every_row_as_soon_as_it_is_made(tmp_path: Path) -> None:
    asked_by_then: list[int] = []
    with serve() as server:
        job = ready(tmp_path, on_server(server.base_url), candidates=40)
        rows = preview(job.recipe, 4, see=lambda _row: asked_by_then.append(len(server.asked)))
    assert len(rows) == len(asked_by_then) == 4
    assert asked_by_then[0] < len(server.asked)


def test_a_preview_of_a_teacher_that_dies_is_a_teacher_error(tmp_path: Path) -> None:
    with pytest.raises(TeacherError):
        preview(ready(tmp_path, {"use": "scripted", "dies_after": 0}).recipe, 3)


def test_hostile_seeds_and_topics_stay_what_they_are_in_every_prompt(tmp_path: Path) -> None:
    hostile = "{{ 7 * 7 }} {% for x in range(9) %}x{% endfor %} ${PATH} <|im_end|>"
    job = ready(tmp_path, methods=THREE, candidates=30, about=f"a shop {hostile}")
    (tmp_path / "seeds.jsonl").write_text(
        "".join(json.dumps({**seed, "text": f"{seed['text']} {hostile}"}) + "\n" for seed in SEEDS),
        encoding="utf-8",
    )
    rows = preview(job.recipe, 30)
    for row in rows:
        assert hostile in row["prompts"][0]["text"]
        assert "49" not in row["prompts"][0]["text"]


KILLED = """
import os, signal, sys, time
from itertools import count
from tests.openai_server import answer, serve

asked = count(1)

def work(body, raw):
    if next(asked) > int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(body, raw)

with serve(always=work) as server:
    print(server.base_url, flush=True)
    time.sleep(60)
"""


def test_a_server_that_is_killed_midway_stops_the_run_and_another_one_finishes_it(tmp_path: Path) -> None:
    def load(base_url: str) -> Recipe:
        teacher = on_server(base_url, concurrency=4)
        return load_recipe(write_recipe(tmp_path, teacher, candidates=40, batch_rows=2))

    with serve() as server:
        synth_stack.generate(load(server.base_url), tmp_path / "whole")
    command = [sys.executable, "-c", KILLED, "37"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        recipe = load(killed.stdout.readline().strip())
        with pytest.raises(
            TeacherError, match=r"loopback-1 is down: it (cannot be reached|breaks)"
        ) as caught:
            synth_stack.generate(recipe, tmp_path / "out")
        assert killed.wait(10) == -signal.SIGKILL
    assert caught.value.exit_code == 1
    kept = read(tmp_path / "out")
    assert 0 < len(kept) < 40
    assert not [row for row in kept if row["failure"]]
    with serve() as server:
        synth_stack.generate(load(server.base_url), tmp_path / "out")
        assert len(server.asked) == 2 * (40 - len(kept))
    assert read_bytes(tmp_path / "out") == read_bytes(tmp_path / "whole")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_with_many_requests_in_flight_loses_only_the_batches_under_way(
    how: signal.Signals, tmp_path: Path
) -> None:
    enough = threading.Event()

    def work(body: Row, raw: bool) -> Any:
        if len(server.asked) > 60:
            enough.set()
            server.stopping.wait(20)  # the rest is in flight when the signal comes
        return answer(body, raw)

    def load(base_url: str) -> Path:
        teacher = on_server(base_url, concurrency=6)
        return write_recipe(tmp_path, teacher, candidates=60, batch_rows=2)

    script = "import sys, synth_stack; synth_stack.generate(sys.argv[1], sys.argv[2])"
    with serve(always=work) as server:
        arguments = [str(load(server.base_url)), str(tmp_path / "out")]
        command = [sys.executable, "-c", script, *arguments]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as killed:
            assert enough.wait(60)
            killed.send_signal(how)
            assert killed.wait(20) != 0
    kept = read(tmp_path / "out")
    assert 0 < len(kept) < 60
    assert not [row for row in kept if row["failure"]]
    with serve() as server:
        synth_stack.generate(load(server.base_url), tmp_path / "out")
        assert len(server.asked) == 2 * (60 - len(kept))
        synth_stack.generate(load(server.base_url), tmp_path / "whole")
    assert read_bytes(tmp_path / "out") == read_bytes(tmp_path / "whole")


def test_the_bytes_do_not_depend_on_how_many_requests_are_in_flight(tmp_path: Path) -> None:
    for slots in (1, 7):
        with serve() as server:
            job = ready(tmp_path, on_server(server.base_url, concurrency=slots), candidates=30, batch_rows=3)
            generate_candidates(job, tmp_path / str(slots), Silent())
    assert read_bytes(tmp_path / "1") == read_bytes(tmp_path / "7")


def test_a_model_that_a_server_without_a_list_does_not_know_is_found_before_the_first_token(
    tmp_path: Path,
) -> None:
    with serve(models=None, always=fail(404)) as server:
        job = ready(tmp_path, on_server(server.base_url))
        with pytest.raises(
            ConfigError, match="loopback-1 cannot be used: it does not know the model"
        ) as caught:
            generate_candidates(job, tmp_path / "out", Silent())
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "candidates").exists()


class _Counting:
    """A listener that adds up what it is told."""

    def __init__(self) -> None:
        self.total, self.seen = 0, 0

    def begin(self, stage: str, total: int, done: int = 0) -> Callable[[int], None]:
        self.total = total

        def advance(n: int) -> None:
            self.seen += n

        return advance


def test_a_resumed_run_tells_of_the_rows_that_are_there_and_of_those_that_it_makes(tmp_path: Path) -> None:
    with pytest.raises(TeacherError):
        generate_candidates(
            ready(tmp_path, {"use": "scripted", "dies_after": 17}), tmp_path / "out", Silent()
        )
    before = len(read(tmp_path / "out"))
    bar = _Counting()
    generate_candidates(ready(tmp_path), tmp_path / "out", bar)

    assert 0 < before < 12
    assert bar.seen == bar.total == len(read(tmp_path / "out")) == 12
