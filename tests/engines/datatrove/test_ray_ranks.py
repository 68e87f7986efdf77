"""datatrove's Ray executor: the bytes of the local engine, a rank that is killed, and a Ray that is not there."""

import os
import signal
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datatrove")

from synth_stack.engines.catalog import choose_engine
from synth_stack.engines.datatrove import ray_ranks
from synth_stack.engines.datatrove.shard_job import JOBS
from synth_stack.errors import ConfigError, GateError, MissingExtra
from tests.engines.datatrove.test_engine import read_verdicts
from tests.engines.engine_runs import RUN, list_marked
from tests.engines.test_dask import map_here
from tests.nemo_installed import need_nemo

RAY: dict[str, Any] = {"use": "datatrove", "executor": "ray", "shards_per_job": 3}


class Killer(threading.Thread):
    """Kills the first process of a run that does what a rank has to do."""

    def __init__(self, run: str) -> None:
        super().__init__(daemon=True)
        self._run, self.killed = run, 0

    def run(self) -> None:
        while not self.killed:
            for process, words in list_marked(self._run).items():
                if "synth_stack.engines.worker" in words and not self.killed:
                    os.kill(process, signal.SIGKILL)
                    self.killed = process
            time.sleep(0.05)


@pytest.mark.engines
@pytest.mark.xdist_group("ray")
class TestWithRay:
    pytestmark = need_nemo()

    def test_ray_gives_the_bytes_of_the_local_engine_and_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(RUN, str(tmp_path))
        with choose_engine().open() as local:
            map_here(tmp_path / "here", local.engine)
        with choose_engine({**RAY, "workers": 1}).open() as opened:
            killer = Killer(str(tmp_path))
            killer.start()
            assert sorted(map_here(tmp_path / "there", opened.engine)) == [1, 1, 2, 2, 3, 3]
            assert killer.killed
            with pytest.raises(GateError, match="long_texts cannot read a text; seen: boom"):
                map_here(tmp_path / "boom", opened.engine, [["a"], ["boom"]])
        assert read_verdicts(tmp_path / "there") == read_verdicts(tmp_path / "here")
        assert not (tmp_path / "there" / JOBS).exists()
        assert list_marked(str(tmp_path)) == {}


def test_a_ray_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_ranks, "find_spec", lambda name: name)  # also where it is not installed
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9"):
        with (
            pytest.raises(ConfigError, match=f"no Ray that can be reached at this address; seen: {address}"),
            choose_engine({**RAY, "address": address}).open(),
        ):
            pass


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_ranks, "find_spec", lambda name: None if name == "ray" else find_spec(name))
    with pytest.raises(MissingExtra, match=r"pip install 'synth-stack\[ray\]'"), choose_engine(RAY).open():
        pass
