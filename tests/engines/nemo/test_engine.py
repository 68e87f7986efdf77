"""Gates on NeMo Curator with a Ray of their own: the same bytes as anywhere, and nothing left behind."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.engines.catalog import choose_engine
from synth_stack.engines.engine import Step, open_work
from synth_stack.errors import ConfigError, GateError
from tests.engines.engine_runs import RUN, list_marked, make_rows, started, write_gates
from tests.engines.test_dask import TEXTS, map_here
from tests.engines.test_worker import make_spec, write_shards
from tests.nemo_installed import need_nemo

pytestmark = [*need_nemo(), pytest.mark.xdist_group("ray")]

OLD_TOKEN = {"RAY_ADDRESS": "127.0.0.1:1", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of an old session"}


def test_nemo_gives_the_bytes_of_the_local_engine_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN, str(tmp_path))
    for name, value in OLD_TOKEN.items():  # of a Ray that is gone
        monkeypatch.setenv(name, value)
    with choose_engine().open() as local:
        map_here(tmp_path / "here", local.engine)
    with choose_engine({"use": "nemo", "workers": 2}).open() as opened:
        assert opened.facts["version"].startswith("nemo-curator ")
        rows = map_here(tmp_path / "there", opened.engine)
        folder = Path(os.environ["RAY_TMPDIR"])
        assert folder.is_dir()
        assert len(list_marked(str(tmp_path))) >= 4  # the head, its store and its workers

        with pytest.raises(GateError, match="long_texts cannot read a text; seen: boom"):
            map_here(tmp_path / "boom", opened.engine, [["a"], ["boom"]])
        with pytest.raises(GateError, match=r"a worker of gate long_texts failed; seen: ValueError: not an"):
            map_here(tmp_path / "die", opened.engine, [["die"]])
        killed = kill_a_worker(tmp_path / "killed", opened.engine, str(tmp_path))

    assert sorted(rows) == sorted([3, 1, 2] * 2)
    assert sorted(killed) == [1, 2, 3]
    for name in ("part-00000.parquet", "part-00001.parquet", "part-00002.parquet"):
        made, expected = (tmp_path / f / "verdicts" / "long_texts" / name for f in ("there", "here"))
        assert made.read_bytes() == expected.read_bytes()
    assert list_marked(str(tmp_path)) == {}
    assert not folder.exists()
    assert {name: os.environ.get(name) for name in OLD_TOKEN} == OLD_TOKEN
    assert not (Path.home() / ".ray" / "auth_token").exists()


def kill_a_worker(folder: Path, engine: Any, run: str) -> list[int]:
    """The rows that are told of when every process that waits for work is killed before a step."""
    rows: list[int] = []
    shards = write_shards(folder, *TEXTS)
    work = open_work(make_spec(folder))
    for process, command in list_marked(run).items():
        if command.startswith("ray::"):
            os.kill(process, signal.SIGKILL)
    engine.map_shards(work, Step("sketch"), shards, rows.append)
    return rows


def test_a_run_that_is_killed_leaves_nothing(
    tmp_path: Path,
) -> None:
    source = tmp_path / "rows.json"
    source.write_bytes(orjson.dumps(list(make_rows(200))))
    gates = write_gates(tmp_path / "gates")
    before = set(Path("/tmp").glob("synth-stack-nemo-*"))
    with started(
        source, gates, tmp_path / "out", {"use": "nemo", "workers": 1}, run=str(tmp_path)
    ) as process:
        verdicts = tmp_path / "out" / "verdicts" / "structure"
        wait_until(lambda: verdicts.exists() or process.poll() is not None)
        assert process.poll() is None
        process.kill()
    wait_until(lambda: not list_marked(str(tmp_path)))
    wait_until(lambda: set(Path("/tmp").glob("synth-stack-nemo-*")) <= before)
    agents = [
        line
        for stat in Path("/proc").glob("[0-9]*/cmdline")
        if "ray::" in (line := read_or_nothing(stat)) and line.endswith("Agent")
    ]
    assert agents == []


def read_or_nothing(path: Path) -> str:
    try:
        return path.read_text().rstrip("\0 ")
    except OSError:
        return ""


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 2, "address": "auto"}, "a cluster has its own workers; seen: workers=2, address=auto"),
        ({"workers": 0}, "workers is not usable"),
        ({"gpus": -1.0}, "gpus is not usable"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught, choose_engine({"use": "nemo", **options}).open():
        pass
    assert said in str(caught.value)


def test_a_cluster_that_is_not_there_and_a_folder_that_cannot_be_used_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = write_shards(tmp_path, ["a"])
    work = open_work(make_spec(tmp_path))
    with (
        choose_engine({"use": "nemo", "address": "127.0.0.1:9"}).open() as opened,
        pytest.raises(GateError, match="there is no Ray that can be reached at this address"),
    ):
        opened.engine.map_shards(work, Step("sketch"), shards, print)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with (
        choose_engine({"use": "nemo"}).open() as opened,
        pytest.raises(ConfigError, match="too long a name for the sockets of Ray"),
    ):
        opened.engine.map_shards(work, Step("sketch"), shards, print)


def test_nothing_of_nemo_is_imported_before_a_step_is_done() -> None:
    import subprocess

    code = (
        "import sys; from synth_stack.engines.catalog import choose_engine\n"
        "with choose_engine('nemo').open(): print([m for m in ('ray', 'nemo_curator') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_process_reaches_the_head_that_is_started_after_another() -> None:
    import subprocess

    code = (
        "import ray\n"
        "from synth_stack.engines.nemo.ray_head import open_head\n"
        "for _ in range(2):\n"
        "    with open_head(1, {}):\n"
        "        print(ray.cluster_resources()['CPU'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == ["1.0", "1.0"]
