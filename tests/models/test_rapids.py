import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import ConfigError, GateError
from synth_stack.models.rapids import BUCKET, FOUND, ID, RAPIDS, read_buckets, read_versions, run_script
from synth_stack.watcher import watch
from tests.rapids_stand_in import VERSIONS, write_python


def write_part(home: Path, *names: str) -> None:
    home.mkdir(parents=True)
    pq.write_table(pa.table({BUCKET: list(names), ID: [[0, 1]] * len(names)}), home / "part.0.parquet")


def test_versions_are_asked_of_the_other_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAPIDS, write_python(tmp_path, ""))
    assert read_versions("some_gate") == VERSIONS


def test_an_environment_without_nemo_curator_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No package metadata was found for cudf-cu12' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setenv(RAPIDS, str(python))
    with pytest.raises(
        ConfigError, match=r"some_gate: the Python .* has no NeMo Curator with RAPIDS; seen: No package"
    ):
        read_versions("some_gate")


def test_a_script_has_a_ray_of_its_own_with_a_token_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "somewhere:6379")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another's")
    code = "import os\nassert os.environ['RAY_TMPDIR'] == str(folder) and 'RAY_ADDRESS' not in os.environ\n"
    code += "assert os.environ['RAY_AUTH_MODE'] == 'token' and 'RAY_AUTH_TOKEN' not in os.environ\n"
    code += "token = Path(os.environ['RAY_AUTH_TOKEN_PATH'])\n"
    code += "assert len(token.read_text()) == 64 and token.stat().st_mode & 0o77 == 0\n"
    code += "assert arguments == ['a', 'b']"
    with watch("test") as den:
        run_script(write_python(tmp_path, code), Path("x.py"), den, "a", "b", gate="some_gate", mend="")
    with (
        watch("test") as den,
        pytest.raises(GateError, match=r"some_gate: NeMo .* failed on a GPU; seen: exit 4"),
    ):
        run_script(write_python(tmp_path, "sys.exit(4)"), Path("x.py"), den, gate="some_gate", mend="")


def test_a_script_whose_daemons_outlive_it_is_not_waited_for_and_they_end(tmp_path: Path) -> None:
    code = "import os, subprocess\nsleeps = subprocess.Popen(['sleep', '60'])\n"
    code += f"Path({str(tmp_path)!r}, 'number').write_text(str(sleeps.pid))\nos.kill(os.getpid(), 9)"
    with watch("test") as den, pytest.raises(GateError, match="exit -9"):
        run_script(write_python(tmp_path, code), Path("x.py"), den, gate="some_gate", mend="")
    daemon = Path("/proc", (tmp_path / "number").read_text(), "stat")
    assert not daemon.exists() or ") Z " in daemon.read_text()


def test_a_run_that_is_killed_leaves_neither_the_script_nor_its_files(tmp_path: Path) -> None:
    python = write_python(tmp_path, "import os, time\nprint(os.getpid(), folder, file=open(arguments[0], 'w'))\ntime.sleep(60)")  # fmt: skip
    says = tmp_path / "says"
    os.mkfifo(says)
    code = (
        "from pathlib import Path\nfrom synth_stack.models.rapids import run_script\n"
        "from synth_stack.watcher import watch\nwith watch('test') as den:\n"
        f"    run_script({python!r}, Path('x.py'), den, {str(says)!r}, gate='some_gate', mend='')\n"
    )
    run = subprocess.Popen([sys.executable, "-c", code])
    number, folder = says.read_text().split()
    run.kill()
    run.wait()
    deadline = time.monotonic() + 20
    while (Path("/proc", number).exists() or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path("/proc", number).exists()
    assert not Path(folder).exists()


def test_buckets_are_sorted_into_their_bands(tmp_path: Path) -> None:
    write_part(tmp_path / FOUND / "band_0-band_2", "b0_x", "b1_y", "b1_z")
    write_part(tmp_path / FOUND / "band_2-band_3", "b0_x")
    found = read_buckets(tmp_path, 3, 9, gate="some_gate")
    assert [sum(map(len, tables)) for tables in found] == [1, 2, 1]


@pytest.mark.parametrize(
    ("folder", "bucket"),
    [
        ("band_0-band_3", "b3_x"),
        ("band_0-band_3", "x"),
        ("band_0-band_9", "b4_x"),
        ("band_0-band_2", "b0_x"),  # the last band is missing
        ("band_3-band_0", "b0_x"),
        ("other", "b0_x"),
    ],
)
def test_buckets_of_other_bands_are_refused(folder: str, bucket: str, tmp_path: Path) -> None:
    write_part(tmp_path / FOUND / folder, bucket)
    with pytest.raises(GateError, match="some_gate: NeMo Curator left other buckets"):
        read_buckets(tmp_path, 3, 9, gate="some_gate")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({BUCKET: ["b0_x"], ID: [None]}, "1 empty entries"),
        ({BUCKET: ["b0_x"], ID: [[0, None]]}, "1 empty entries"),
        ({BUCKET: ["b0_x"], ID: [["0", "one"]]}, "part.0.parquet"),
        ({BUCKET: ["b99999999999999999999_x"], ID: [[0, 1]]}, "part.0.parquet"),
        ({BUCKET: ["b0_x"]}, ID),
        ({BUCKET: ["b0_x"], ID: [[0] * 10_000]}, "10001 entries"),
        ({BUCKET: ["b0_x"] * 9_000, ID: [[0]] * 9_000}, "18000 entries"),
    ],
)
def test_files_that_are_not_buckets_of_so_many_rows_are_refused(
    columns: dict[str, Any], said: str, tmp_path: Path
) -> None:
    home = tmp_path / FOUND / "band_0-band_3"
    home.mkdir(parents=True)
    pq.write_table(pa.table(columns), home / "part.0.parquet")
    with pytest.raises(GateError, match=f"some_gate: NeMo Curator left other buckets .*{said}"):
        read_buckets(tmp_path, 3, 9, gate="some_gate")


def test_noise_in_place_of_a_file_and_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="some_gate: NeMo Curator left other buckets"):
        read_buckets(tmp_path, 3, 9, gate="some_gate")
    home = tmp_path / FOUND / "band_0-band_3"
    home.mkdir(parents=True)
    (home / "part.0.parquet").write_bytes(b"PAR1 and noise PAR1")
    with pytest.raises(GateError, match="some_gate: NeMo Curator left other buckets"):
        read_buckets(tmp_path, 3, 9, gate="some_gate")


@pytest.mark.parametrize("said", ["3", "[]", '{"cudf": 1}', "noise"])
def test_versions_of_another_form_are_refused(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{said}'\n")
    python.chmod(0o755)
    monkeypatch.setenv(RAPIDS, str(python))
    with pytest.raises(ConfigError, match="has no NeMo Curator with RAPIDS"):
        read_versions("some_gate")
