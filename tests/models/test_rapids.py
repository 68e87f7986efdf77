from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import ConfigError, GateError
from synth_stack.models.rapids import BUCKET, FOUND, ID, RAPIDS, read_buckets, read_versions, run_script
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


def test_a_script_has_a_ray_of_its_own_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "somewhere:6379")
    code = "import os\nassert os.environ['RAY_TMPDIR'] == str(folder) and 'RAY_ADDRESS' not in os.environ\n"
    code += "assert arguments == ['a', 'b']"
    run_script(write_python(tmp_path, code), Path("x.py"), tmp_path, "a", "b", gate="some_gate", mend="")
    with pytest.raises(GateError, match="some_gate: NeMo Curator failed on a GPU; seen: exit 4"):
        run_script(write_python(tmp_path, "sys.exit(4)"), Path("x.py"), tmp_path, gate="some_gate", mend="")


def test_buckets_are_sorted_into_their_bands(tmp_path: Path) -> None:
    write_part(tmp_path / FOUND / "band_0-band_2", "b0_x", "b1_y", "b1_z")
    write_part(tmp_path / FOUND / "band_2-band_3", "b0_x")
    found = read_buckets(tmp_path, 3, gate="some_gate")
    assert [sum(map(len, tables)) for tables in found] == [1, 2, 1]


@pytest.mark.parametrize(
    ("folder", "bucket"), [("band_0-band_2", "b2_x"), ("band_0-band_9", "b4_x"), ("other", "b0_x")]
)
def test_buckets_of_other_bands_are_refused(folder: str, bucket: str, tmp_path: Path) -> None:
    write_part(tmp_path / FOUND / folder, bucket)
    with pytest.raises(GateError, match="some_gate: NeMo Curator left other buckets"):
        read_buckets(tmp_path, 3, gate="some_gate")
