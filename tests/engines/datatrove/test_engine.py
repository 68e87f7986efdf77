"""datatrove as an engine: the bytes of the local one, ranks that die, and a completion mark that lies."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datatrove")

from synth_stack.engines.catalog import choose_engine
from synth_stack.engines.datatrove.shard_job import JOBS, write_job
from synth_stack.engines.engine import Step
from synth_stack.errors import ConfigError, GateError
from tests.engines.engine_runs import RUN, list_marked
from tests.engines.test_dask import TEXTS, map_here
from tests.engines.test_worker import make_spec, write_shards

NAMES = ("part-00000.parquet", "part-00001.parquet", "part-00002.parquet")


def read_verdicts(folder: Path) -> list[bytes]:
    return [(folder / "verdicts" / "long_texts" / name).read_bytes() for name in NAMES]


def test_two_processes_give_the_bytes_of_the_local_engine_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN, str(tmp_path))
    with choose_engine().open() as local:
        map_here(tmp_path / "here", local.engine)
    with choose_engine({"use": "datatrove", "workers": 2}).open() as opened:
        assert sorted(map_here(tmp_path / "there", opened.engine)) == [1, 1, 2, 2, 3, 3]
        assert len(list_marked(str(tmp_path))) >= 2
        with pytest.raises(GateError, match="long_texts cannot read a text; seen: boom"):
            map_here(tmp_path / "boom", opened.engine, [["a"], ["boom"]])
    assert read_verdicts(tmp_path / "there") == read_verdicts(tmp_path / "here")
    assert not (tmp_path / "there" / JOBS).exists()
    assert list_marked(str(tmp_path)) == {}


def test_a_job_of_other_shards_has_another_folder_and_starts_without_answers(tmp_path: Path) -> None:
    shards, spec = write_shards(tmp_path, *TEXTS), make_spec(tmp_path)
    whole, part = (write_job(spec, Step("sketch"), some) for some in (shards, shards[1:]))
    assert whole.folder != part.folder
    whole.write_answer(0, {"rows": 3})
    (whole.logs / "completions").mkdir(parents=True)
    (whole.logs / "completions" / "00000").touch()
    again = write_job(spec, Step("sketch"), shards)
    assert again == whole
    assert again.list_answered() == set()
    assert not again.logs.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"executor": "slurm"}, "the executor slurm and its options do not fit; seen: no partition"),
        ({"partition": "cpu"}, "the executor local and its options do not fit; seen: partition"),
        ({"executor": "slurm", "partition": "cpu", "address": "x"}, "do not fit; seen: address"),
        ({"executor": "slurm", "partition": "cpu"}, "Slurm is not here; seen: no command squeue"),
        ({"executor": "slurm", "partition": "cpu", "time": "a day"}, "time is not usable"),
        ({"executor": "slurm", "partition": "cpu\ntouch x"}, "partition is not usable"),
        ({"executor": "slurm", "partition": "cpu", "qos": "low x"}, "qos is not usable"),
        ({"executor": "slurm", "partition": "cpu", "poll_s": float("inf")}, "poll_s is not usable"),
        ({"executor": "cloud"}, "executor is not usable"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_options_that_do_not_fit_are_refused(
    options: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError) as caught, choose_engine({"use": "datatrove", **options}).open():
        pass
    assert said in str(caught.value)


SBATCH = """#!/bin/sh
# runs the whole array at once, one after the other, and prints an id as Slurm does
for last; do :; done
array=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$last")
for n in $(seq 0 "$array"); do
  SLURM_ARRAY_TASK_ID=$n SLURM_NODELIST=here RUN_OFFSET=0 sh -c "$(sed -n '/^export/,$p' "$last")" >> "$FAKE/log" 2>&1
done
echo "$@" >> "$FAKE/submitted"
cat "$last" >> "$FAKE/script"
echo "Submitted batch job 7"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands of a Slurm of one node, whose queue is always empty because sbatch does the work itself."""
    fake = tmp_path / "slurm"
    fake.mkdir()
    commands = {
        "sbatch": SBATCH,
        "squeue": "#!/bin/sh\n",
        "scancel": '#!/bin/sh\necho "$@" >> "$FAKE/cancelled"\n',
    }
    commands["scontrol"] = "#!/bin/sh\necho here\n"
    commands["srun"] = (
        '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do [ "$1" = -n ] && shift; shift; done\nexec "$@"\n'
    )
    for name, text in commands.items():
        (fake / name).write_text(text)
        (fake / name).chmod(0o755 | stat.S_IXUSR)
    import sys

    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(fake), str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("FAKE", str(fake))
    return fake


@pytest.mark.engines
def test_slurm_runs_the_ranks_from_datatroves_own_script(tmp_path: Path, slurm: Path) -> None:
    with choose_engine().open() as local:
        map_here(tmp_path / "here", local.engine)
    given = {"use": "datatrove", "executor": "slurm", "partition": "cpu", "qos": "low", "poll_s": 0.1}
    with choose_engine({**given, "env_command": "export READY=1", "shards_per_job": 2}).open() as opened:
        assert sorted(map_here(tmp_path / "there", opened.engine)) == [1, 1, 2, 2, 3, 3]
    assert read_verdicts(tmp_path / "there") == read_verdicts(tmp_path / "here")
    script = (slurm / "script").read_text()
    assert "#SBATCH --partition=cpu" in script
    assert "#SBATCH --qos=low" in script
    assert "#SBATCH --array=0-1" in script
    assert "export READY=1" in script
    assert not (slurm / "cancelled").exists()


@pytest.mark.engines
def test_slurm_jobs_that_end_without_an_answer_are_an_error_and_the_rest_is_taken_back(
    tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth_stack.engines.datatrove.slurm_ranks._GRACE_S", 0.3)
    (slurm / "srun").write_text("#!/bin/sh\nexit 3\n")
    given = {"use": "datatrove", "executor": "slurm", "partition": "cpu", "poll_s": 0.1}
    with (
        pytest.raises(
            GateError, match="jobs of gate long_texts ended without an answer; seen: 3 of 3 shards"
        ),
        choose_engine(given).open() as opened,
    ):
        map_here(tmp_path / "there", opened.engine)
    assert "--name synth-stack-long_texts-sketch-0-" in (slurm / "cancelled").read_text()
