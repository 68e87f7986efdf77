"""NeMo Curator's stages for GPUs, in an environment of their own: a script there, Parquet files between.

RAPIDS does not fit beside this package (docs/install.md). What a script there leaves is read back here in the
form of NeMo Curator's own intermediate files, and is believed as far as it can be checked:

    LSHStage/band_A-band_B/part.K.parquet  _bucket_id "b<I>_<md5>", band A + I; _curator_dedup_id list<int64>

The names of buckets start again in each folder of bands. Source: nemo-curator 1.4.0, stages/deduplication.
"""

import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from synth_stack.errors import ConfigError, GateError
from synth_stack.host import start_apart
from synth_stack.watcher import Den

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
_NAMED = TypeAdapter(dict[str, str])
_END_BYTES = 65_536
"""Of what a script said: its last lines are in them."""
_FORM = pa.schema([(BUCKET, pa.string()), (ID, pa.list_(pa.int64()))])


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
        return _NAMED.validate_json(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        said = exc.stderr if isinstance(exc, subprocess.CalledProcessError) else None
        raise ConfigError(
            f"{gate}: the Python that {RAPIDS} names has no NeMo Curator with RAPIDS",
            seen=_find_last_line(said or str(exc)) or type(exc).__name__,
            mend="docs/install.md says how that environment is made.",
        ) from exc


def run_script(python: str, script: Path, den: Den, *arguments: str, gate: str, mend: str) -> None:
    """`script FOLDER arguments...` under `python`, with a Ray of its own, its files in the folder of `den`.

    That Ray takes tasks from whoever has its token alone, and ends with the den, as whatever else the script
    starts. Raises GateError where the script cannot be started or fails.
    """
    log = den.folder / "script.log"
    job = [python, str(script), str(den.folder), *arguments]
    env = _shut_ray(den)
    try:
        # A file, since a daemon that outlives the script would hold a pipe open for ever.
        with log.open("wb") as said:
            done = subprocess.run(  # noqa: S603
                job, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, **start_apart()
            )  # fmt: skip
    except OSError as exc:
        raise GateError(f"{gate}: the Python that {RAPIDS} names cannot be started", seen=str(exc)) from exc
    if done.returncode:
        raise GateError(
            f"{gate}: NeMo Curator failed on a GPU",
            seen=_find_last_line(_read_end(log)) or f"exit {done.returncode}",
            mend=mend,
        )


def _shut_ray(den: Den) -> dict[str, str]:
    """The environment of a process whose Ray is its own: another one's address and token are left out."""
    token = den.folder / "token"
    with os.fdopen(os.open(token, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    others = ("RAY_ADDRESS", "RAY_AUTH_TOKEN")
    return {
        **{name: value for name, value in den.env.items() if name not in others},
        "RAY_TMPDIR": str(den.folder),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def _read_end(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _END_BYTES, 0))
        return file.read().decode("utf-8", errors="replace")


def _find_last_line(said: str) -> str:
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")


def read_buckets(folder: Path, bands: int, rows: int, *, gate: str) -> list[list[pa.Table]]:
    """Of each of `bands` bands the tables of buckets (BUCKET, ID) that LSHStage left in `folder`.

    Raises GateError for folders and buckets of other bands, for bands without a folder, and for files of
    another form or with more entries than `rows` rows have.
    """
    found: list[list[pa.Table]] = [[] for _ in range(bands)]
    for begin, end, home in _list_bands(folder / FOUND, bands, gate):
        left = rows * (end - begin)
        for path in sorted(home.glob("part.*.parquet")):
            table, within = _read_part(path, left, gate)
            left -= pc.sum(pc.list_value_length(table[ID])).as_py() or 0
            if len(table) and not 0 <= pc.min(within).as_py() <= pc.max(within).as_py() < end - begin:
                raise refuse_buckets(gate, f"a bucket beyond band {end}")
            for band in range(begin, end):
                found[band].append(table.filter(pc.equal(within, band - begin)))
    return found


def _list_bands(home: Path, bands: int, gate: str) -> Sequence[tuple[int, int, Path]]:
    """The folders, which have to hold each band once."""
    try:
        names = sorted(home.iterdir())
        sides = [[int(side.removeprefix("band_")) for side in name.name.split("-")] for name in names]
        folders = sorted((begin, end, name) for (begin, end), name in zip(sides, names, strict=True))
    except (OSError, ValueError) as exc:
        raise refuse_buckets(gate, f"no folders of bands: {exc}") from exc
    opens, ends = [0, *(end for _, end, _ in folders)], [*(begin for begin, _, _ in folders), bands]
    if opens != ends or any(begin >= end for begin, end, _ in folders):
        raise refuse_buckets(gate, f"{', '.join(name.name for name in names[:3])} of {bands} bands")
    return folders


def _read_part(path: Path, most: int, gate: str) -> tuple[pa.Table, pa.ChunkedArray]:
    """The table of a file of at most `most` rows, and of each bucket the number of its band in its folder."""
    try:
        with pq.ParquetFile(path) as file:
            entries = [
                file.metadata.row_group(group).column(column).num_values
                for group in range(file.metadata.num_row_groups)
                for column in range(file.metadata.num_columns)
            ]
            if max(entries, default=0) < 0 or sum(entries) > 2 * most:
                raise refuse_buckets(gate, f"{path.name}: {sum(entries)} entries")
            table = file.read(columns=[BUCKET, ID])
        lists = table.select(_FORM.names).cast(_FORM)
        nulls = sum(column.null_count for column in lists.columns) + pc.list_flatten(lists[ID]).null_count
        if nulls:
            raise refuse_buckets(gate, f"{path.name}: {nulls} empty entries")
        within = pc.cast(pc.replace_substring_regex(lists[BUCKET], r"^b(\d+)_.*$", r"\1"), pa.int64())
    except (OSError, KeyError, ValueError, pa.ArrowException) as exc:
        raise refuse_buckets(gate, f"{path.name}: {exc}") from exc
    return lists, within


def refuse_buckets(gate: str, seen: str) -> GateError:
    """The error for buckets that cannot be those of the rows that were sent."""
    return GateError(f"{gate}: NeMo Curator left other buckets than the rows have", seen=seen)


def list_members(tables: Sequence[pa.Table]) -> list[pa.Array]:
    """The lists of rows of these buckets, chunk by chunk."""
    return [chunk for table in tables for chunk in table[ID].chunks if len(chunk)]
