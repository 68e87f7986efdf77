"""NeMo Curator's stages for GPUs, in an environment of their own: a script there, Parquet files between.

RAPIDS does not fit beside this package (docs/install.md). What a script there leaves is read back here in the
form of NeMo Curator's own intermediate files, and is believed as far as it can be checked:

    LSHStage/band_A-band_B/part.K.parquet  _bucket_id "b<I>_<md5>", band A + I; _curator_dedup_id list<int64>

The names of buckets start again in each folder of bands. Source: nemo-curator 1.4.0, stages/deduplication.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth_stack.errors import ConfigError, GateError

RAPIDS = "SYNTH_STACK_RAPIDS"
"""The variable that names the interpreter of an environment with RAPIDS. It is none of a gate's parameters: a
gate file names no program."""

ID, SIGNATURE, BUCKET = "_curator_dedup_id", "_minhash_signature", "_bucket_id"
"""NeMo Curator's names of the columns."""
SIGNED, FOUND = "MinHashStage", "LSHStage"
"""NeMo Curator's names of the folders."""

_VERSIONS = (
    "import importlib.metadata as m, json\n"
    "print(json.dumps({name: m.version(package) for name, package in "
    "(('nemo_curator', 'nemo-curator'), ('cudf', 'cudf-cu12'))}))"
)
_ASK_S = 60


def find_python(gate: str) -> str:
    """The interpreter that the variable names. Raises ConfigError without it."""
    python = os.environ.get(RAPIDS)
    if not python:
        raise ConfigError(
            f"{gate} needs NeMo Curator on a GPU, in an environment of its own",
            seen=f"{RAPIDS} is not set",
            mend="docs/install.md says how that environment is made; name its Python in the variable.",
        )
    return python


def read_versions(gate: str) -> Mapping[str, str]:
    """What that environment has of NeMo Curator and of RAPIDS. Raises ConfigError where it lacks either."""
    python = find_python(gate)
    try:
        done = subprocess.run(  # noqa: S603
            [python, "-c", _VERSIONS], capture_output=True, text=True, check=True, timeout=_ASK_S
        )
        said: Mapping[str, str] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        lines = (getattr(exc, "stderr", None) or str(exc)).strip().splitlines()
        raise ConfigError(
            f"{gate}: the Python that {RAPIDS} names has no NeMo Curator with RAPIDS",
            seen=lines[-1] if lines else type(exc).__name__,
            mend="docs/install.md says how that environment is made.",
        ) from exc
    return said


def run_script(python: str, script: Path, folder: Path, *arguments: str, gate: str, mend: str) -> None:
    """`script FOLDER arguments...` under `python`, with a Ray of its own whose files are in `folder`.

    Raises GateError where it cannot be started or fails.
    """
    env = {**os.environ, "RAY_TMPDIR": str(folder)}
    env.pop("RAY_ADDRESS", None)
    job = [python, str(script), str(folder), *arguments]
    try:
        done = subprocess.run(job, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as exc:
        raise GateError(f"{gate}: the Python that {RAPIDS} names cannot be started", seen=str(exc)) from exc
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise GateError(
            f"{gate}: NeMo Curator failed on a GPU",
            seen=lines[-1] if lines else f"exit {done.returncode}",
            mend=mend,
        )


def read_buckets(folder: Path, bands: int, *, gate: str) -> list[list[pa.Table]]:
    """Of each of `bands` bands the tables of buckets (BUCKET, ID) that LSHStage left in `folder`.

    Raises GateError for folders and buckets of other bands.
    """
    found: list[list[pa.Table]] = [[] for _ in range(bands)]
    for begin, end, table in _read_parts(folder / FOUND, gate):
        within = pc.cast(pc.replace_substring_regex(table[BUCKET], r"^b(\d+)_.*$", r"\1"), pa.int64())
        if len(table) and not 0 <= pc.min(within).as_py() <= pc.max(within).as_py() < min(end, bands) - begin:
            raise refuse_buckets(gate, f"a bucket beyond band {min(end, bands)}")
        for band in range(begin, min(end, bands)):
            found[band].append(table.filter(pc.equal(within, band - begin)))
    return found


def _read_parts(home: Path, gate: str) -> Iterator[tuple[int, int, pa.Table]]:
    for bands in sorted(home.iterdir()):
        try:
            begin, end = (int(side.removeprefix("band_")) for side in bands.name.split("-"))
        except ValueError as exc:
            raise refuse_buckets(gate, bands.name) from exc
        for path in sorted(bands.glob("part.*.parquet")):
            yield begin, end, pq.read_table(path, columns=[BUCKET, ID], partitioning=None)


def refuse_buckets(gate: str, seen: str) -> GateError:
    """The error for buckets that cannot be those of the rows that were sent."""
    return GateError(f"{gate}: NeMo Curator left other buckets than the rows have", seen=seen)


def list_members(tables: Sequence[pa.Table]) -> list[pa.Array]:
    """The lists of rows of these buckets, chunk by chunk."""
    return [chunk for table in tables for chunk in table[ID].chunks if len(chunk)]
