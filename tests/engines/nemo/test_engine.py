"""Gates on NeMo Curator with a Ray of their own: the same bytes as anywhere, and nothing left behind."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.engines import ray_head
from synth_stack.engines.catalog import choose_engine
from synth_stack.engines.engine import Step, open_work
from synth_stack.engines.ray_driver import connect_to, start_ray
from synth_stack.engines.ray_head import RayHead, open_head
from synth_stack.engines.worker import ONE_THREAD, find_import_path
from synth_stack.errors import ConfigError, GateError
from tests.engines.engine_runs import RUN, list_marked, make_rows, started, write_gates
from tests.engines.test_dask import TEXTS, map_here
from tests.engines.test_worker import make_spec, write_shards
from tests.nemo_installed import mark_nemo

pytestmark = [*mark_nemo(), pytest.mark.xdist_group("ray")]

OLD_TOKEN = {"RAY_ADDRESS": "127.0.0.1:1", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of an old session"}


def find_runner() -> str:
    """What runs in the process that talks to Ray; its module needs NeMo Curator to be imported."""
    from synth_stack.engines.nemo.engine import RUNNER

    return RUNNER


def test_nemo_gives_the_bytes_of_the_local_engine_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN, str(tmp_path))
    for name, value in OLD_TOKEN.items():  # of a Ray that is gone
        monkeypatch.setenv(name, value)
    home = read_home_token()
    with choose_engine().open() as local:
        map_here(tmp_path / "here", local.engine)
    with choose_engine({"use": "nemo", "workers": 2}).open() as opened:
        assert opened.facts["version"].startswith("nemo-curator ")
        rows = map_here(tmp_path / "there", opened.engine)
        head, folder = find_head(str(tmp_path))
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
    assert list_session(head) == []
    assert not folder.exists()
    assert {name: os.environ.get(name) for name in OLD_TOKEN} == OLD_TOKEN
    assert read_home_token() == home
    assert "ray" not in sys.modules


def read_home_token() -> bytes | None:
    """What `ray start` of others may have left in the home folder."""
    token = Path.home() / ".ray" / "auth_token"
    return token.read_bytes() if token.exists() else None


def find_head(run: str) -> tuple[int, Path]:
    """The process of the Ray of a run, and its folder; others may have theirs on this machine."""
    [(process, command)] = [each for each in list_marked(run).items() if "ray_start.py start" in each[1]]
    return process, Path(re.findall(r"--temp-dir=(\S+)", command)[0])


def list_session(leader: int) -> list[str]:
    """What is left of what a process started; those that title themselves lose their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state not in "ZX":
                found.append((folder / "cmdline").read_text())
    return found


def kill_a_worker(folder: Path, engine: Any, run: str) -> list[int]:
    """The rows that are told of when every process that waits for work is killed before a step."""
    rows: list[int] = []
    shards = write_shards(folder, *TEXTS)
    work = open_work(make_spec(folder))
    for process, command in list_marked(run).items():
        if command.startswith("ray::") and "Agent" not in command:  # without its agents the node ends
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    engine.map_shards(work, Step("sketch"), shards, rows.append)
    return rows


def test_a_run_that_is_killed_leaves_nothing(
    tmp_path: Path,
) -> None:
    source = tmp_path / "rows.json"
    source.write_bytes(orjson.dumps(list(make_rows(200))))
    gates = write_gates(tmp_path / "gates")
    with started(
        source, gates, tmp_path / "out", {"use": "nemo", "workers": 1}, run=str(tmp_path)
    ) as process:
        verdicts = tmp_path / "out" / "verdicts" / "structure"
        wait_until(lambda: verdicts.exists() or process.poll() is not None)
        assert process.poll() is None
        head, folder = find_head(str(tmp_path))
        process.kill()
    wait_until(lambda: not list_marked(str(tmp_path)))
    wait_until(lambda: not list_session(head))
    wait_until(lambda: not folder.exists())


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 600
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


def test_a_head_whose_port_is_taken_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        drawn = iter([[port] * len(ray_head._PORTS)])  # the first head has no port that is free
        find_ports = ray_head._find_ports
        monkeypatch.setattr(ray_head, "_find_ports", lambda count: next(drawn, None) or find_ports(count))
        with start_ray(1, find_runner(), {}, "nemo"):
            assert next(drawn, None) is None


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    """A Ray that is somebody else's."""
    with open_head(1, {**ONE_THREAD, "PYTHONPATH": find_import_path()}, "nemo") as head:
        with connect_to(head.address, find_runner(), head.env):
            pass
        yield head


def set_cluster(patch: pytest.MonkeyPatch, env: Mapping[str, str], **others: str) -> None:
    cluster = {name: value for name, value in env.items() if name.startswith("RAY_")}
    for name, value in {**cluster, **others}.items():
        patch.setenv(name, value)


def test_the_token_of_an_old_session_is_refused(
    head: RayHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "token"
    old.write_text("5" * 64)
    set_cluster(monkeypatch, head.env, RAY_AUTH_TOKEN_PATH=str(old))
    with (
        choose_engine({"use": "nemo", "address": "auto"}).open() as opened,
        pytest.raises(
            GateError, match=r"no Ray that can be reached at this address; seen: .*(?i:authenticat|token)"
        ),
    ):
        map_here(tmp_path / "there", opened.engine)
    assert head.is_alive()


def test_a_cluster_of_another_version_is_refused(
    head: RayHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_cluster(monkeypatch, head.env)
    with (
        cluster_version(head, "2.1.0"),
        choose_engine({"use": "nemo", "address": head.address}).open() as opened,
        pytest.raises(GateError, match=r"no Ray that can be reached at this address; seen: .*2\.1\.0"),
    ):
        map_here(tmp_path / "there", opened.engine)


@contextlib.contextmanager
def cluster_version(head: RayHead, told: str) -> Iterator[None]:
    """A cluster that says that its Ray is of another version, as long as the block lasts."""
    code = (
        "import json, sys, ray\n"
        "from ray._raylet import GcsClient\n"
        "from ray._private import ray_constants as names\n"
        "gcs = GcsClient(address=sys.argv[1])\n"
        "key, space = b'CLUSTER_METADATA', names.KV_NAMESPACE_CLUSTER\n"
        "known = json.loads(gcs.internal_kv_get(key, space, None))\n"
        "known['ray_version'] = sys.argv[2] if len(sys.argv) > 2 else ray.__version__\n"
        "gcs.internal_kv_put(key, json.dumps(known).encode(), True, space, None)\n"
    )
    change = [sys.executable, "-c", code, head.address]
    subprocess.run([*change, told], env={**head.env}, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(change, env={**head.env}, check=True, capture_output=True)


def test_a_cluster_of_somebody_else_is_used_and_left_alone(
    head: RayHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that has refused others before."""
    set_cluster(monkeypatch, head.env)
    with choose_engine({"use": "nemo", "address": "auto"}).open() as opened:
        assert sorted(map_here(tmp_path / "there", opened.engine)) == sorted([3, 1, 2] * 2)
    assert head.is_alive()


def test_a_ray_that_loses_its_head_is_an_error_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself ends the process that is connected, with exit code 1 and nothing raised."""
    monkeypatch.setenv(RUN, str(tmp_path))
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "2")
    shards = write_shards(tmp_path, ["a"])
    work = open_work(make_spec(tmp_path))
    with choose_engine({"use": "nemo", "workers": 1}).open() as opened:
        opened.engine.map_shards(work, Step("sketch"), shards, print)
        for process, command in list_marked(str(tmp_path)).items():
            if "gcs_server" in command:
                os.kill(process, signal.SIGKILL)
        with pytest.raises(GateError, match="Ray has lost its workers") as caught:
            opened.engine.map_shards(work, Step("judge"), write_shards(tmp_path / "b", ["b"]), print)
        assert "same command again" in str(caught.value)
    assert list_marked(str(tmp_path)) == {}


def test_nothing_of_nemo_is_imported_before_a_step_is_done() -> None:
    code = (
        "import sys; from synth_stack.engines.catalog import choose_engine\n"
        "with choose_engine('nemo').open(): print([m for m in ('ray', 'nemo_curator') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
