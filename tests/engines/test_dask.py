"""Dask: two workers give the bytes of the local engine, and what cannot start says so."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth_stack.engines.catalog import choose_engine
from synth_stack.engines.engine import Step, open_work
from synth_stack.errors import ConfigError, GateError, MissingExtra
from tests.engines.engine_runs import RUN, list_marked
from tests.engines.test_worker import make_spec, merge, write_shards

distributed = pytest.importorskip("distributed")

TEXTS = [["a", "bb", "c" * 40], ["dd"], ["e" * 9, "f" * 50]]


def map_here(folder: Path, engine: Any, texts: list[list[str]] = TEXTS) -> list[int]:
    """The toy gate over the texts by an engine; the rows that it told of."""
    rows: list[int] = []
    shards = write_shards(folder, *texts)
    work = open_work(make_spec(folder))
    engine.map_shards(work, Step("sketch"), shards, rows.append)
    merge(work, shards)
    engine.map_shards(work, Step("judge"), shards, rows.append)
    return rows


def test_two_workers_give_the_bytes_of_the_local_engine_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv(RUN, str(tmp_path))
    with choose_engine().open() as local:
        map_here(tmp_path / "here", local.engine)
    with dashboard_port_taken(), choose_engine({"use": "dask", "workers": 2}).open() as opened:
        assert opened.facts == {"name": "dask", "version": distributed.__version__}
        rows = map_here(tmp_path / "there", opened.engine)
        processes = list_marked(str(tmp_path))
        assert len(processes) >= 4  # two nannies with a worker each

        with pytest.raises(GateError, match="long_texts cannot read a text; seen: boom"):
            map_here(tmp_path / "boom", opened.engine, [["a"], ["boom"]])
        with pytest.raises(
            GateError, match="a worker of gate long_texts failed; seen: ValueError: not an error"
        ):
            map_here(tmp_path / "die", opened.engine, [["die"]])

    assert sorted(rows) == sorted([3, 1, 2] * 2)
    for name in ("part-00000.parquet", "part-00001.parquet", "part-00002.parquet"):
        made, expected = (tmp_path / f / "verdicts" / "long_texts" / name for f in ("there", "here"))
        assert made.read_bytes() == expected.read_bytes()
    assert list_marked(str(tmp_path)) == {}
    assert [each for each in recwarn if "8787" in str(each.message)] == []


@contextlib.contextmanager
def dashboard_port_taken() -> Iterator[None]:
    """Dask's own port for its pages is not free."""
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # by somebody else
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        yield


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scheduler": "tcp://127.0.0.1:9", "patience_s": 2.0}, "no scheduler answers; seen: tcp://127.0.0.1:9"),
        ({"scheduler": "nonsense://x", "patience_s": 2.0}, "no scheduler answers"),
        ({"scheduler_file": "/no/such/file.json", "patience_s": 2.0}, "no scheduler answers; seen: file.json"),
        ({"scheduler": "tcp://127.0.0.1:9", "workers": 2}, "a scheduler has its own workers; seen: scheduler, workers"),
        ({"scheduler": "tcp://127.0.0.1:9", "scheduler_file": "x"}, "a scheduler has its own workers"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_cluster_that_is_not_there_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught, choose_engine({"use": "dask", **options}).open():
        pass
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [("noise", "it is not JSON"), ('{"id": 1}', "names no address"), ('["tcp://127.0.0.1:9"]', "names no address")],
)  # fmt: skip
def test_a_scheduler_file_that_dask_did_not_write_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(text)
    engine = choose_engine({"use": "dask", "scheduler_file": str(file)})
    with (
        pytest.raises(ConfigError, match=rf"no scheduler answers; seen: scheduler\.json: .*{said}"),
        engine.open(),
    ):
        pass


def test_gpus_that_are_asked_for_have_to_be_there() -> None:
    with (
        pytest.raises((MissingExtra, ConfigError), match=r"dask-cuda|no GPU"),
        choose_engine({"use": "dask", "gpus": True}).open(),
    ):
        pass


@pytest.mark.engines
def test_a_scheduler_of_somebody_else_is_used_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs="error") as cluster:
        address = cluster.scheduler_address
        given = {"use": "dask", "scheduler": address}
        with (
            pytest.raises(ConfigError, match="no worker took a task; seen: 0 workers"),
            choose_engine({**given, "patience_s": 1.0}).open(),
        ):
            pass
        started = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            address,
            "--nthreads",
            "2",
            "--no-dashboard",
        ]
        worker = subprocess.Popen(
            [*started, "--local-directory", str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stderr=subprocess.DEVNULL,
        )
        try:
            cluster.wait_for_workers(1)
            with monkeypatch.context() as older:
                older.setattr(distributed, "__version__", "2000.1.0")
                said = r"another version of Dask; seen: scheduler .*, worker .*; allowed: .* 2000"
                with pytest.raises(ConfigError, match=said), choose_engine(given).open():
                    pass
            with choose_engine(given).open() as opened:
                assert sorted(map_here(tmp_path / "there", opened.engine)) == [1, 1, 2, 2, 3, 3]
            assert worker.poll() is None
            with choose_engine({**given, "patience_s": 3.0}).open() as opened:
                worker.send_signal(signal.SIGTERM)
                worker.wait()
                time.sleep(0.5)
                with pytest.raises(GateError, match="no worker is left on the Dask cluster"):
                    map_here(tmp_path / "late", opened.engine)
        finally:
            worker.kill()
            worker.wait()
