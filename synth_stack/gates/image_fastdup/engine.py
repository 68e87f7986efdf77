"""Asks fastdup about images: they are written out as their pixels alone, and it runs in a process of its own.

What a stranger's file holds beside its pixels never reaches its decoders.
"""

import logging
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from synth_stack.errors import GateError, MissingExtra

LICENCE = "CC BY-NC-ND 4.0"
INSTALL = "In an environment of Python 3.9 to 3.12 of its own, type: pip install fastdup==2.54"
_RUNNER = Path(__file__).with_name("runner.py")
_TIMEOUT_S = 6 * 3600
"""Of one batch: a million images take fastdup some hours on a few cores."""
_MAX_ANSWER = 4 * 1024**3
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "OMP_NUM_THREADS", "SYSTEMROOT", "LD_LIBRARY_PATH")
"""Of our environment: no key and no token goes to a program of somebody else."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FastdupAnswer:
    """By number of the image: pairs with their similarity, outliers with that to the nearest, and figures
    (blur, mean, stdv).
    """

    version: str
    pairs: Sequence[tuple[int, int, float]]
    nearest: Mapping[int, float]
    stats: Mapping[int, tuple[float, float, float]]


def check_fastdup(python: Path) -> str:
    """The version in that environment. Raises MissingExtra for one without fastdup."""
    asked = "import importlib.metadata as m; print(m.version('fastdup'))"
    try:
        found = subprocess.run(  # noqa: S603  (the interpreter that the gate file names)
            [str(python), "-c", asked],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise MissingExtra("fastdup's environment cannot be used", seen=str(python), mend=INSTALL) from exc
    if found.returncode != 0:
        raise MissingExtra("there is no fastdup in that environment", seen=str(python), mend=INSTALL)
    return found.stdout.strip()[:40]


def ask_fastdup(python: Path, images: Iterable[tuple[int, bytes]]) -> FastdupAnswer:
    """What fastdup says of images, each a PNG by its number. Raises GateError where it fails."""
    with tempfile.TemporaryDirectory(prefix="synth-stack-fastdup-") as made:
        folder = Path(made)
        (folder / "images").mkdir()
        count = 0
        for number, data in images:
            (folder / "images" / f"{number:09d}.png").write_bytes(data)
            count += 1
        if count < 2:  # fewer have no neighbours, and it ends with an error
            return FastdupAnswer("", (), {}, {})
        command = [str(python), str(_RUNNER), "images", "work", "answer.json"]
        try:
            ended = subprocess.run(  # noqa: S603  (the same)
                command, cwd=folder, capture_output=True, timeout=_TIMEOUT_S, check=False, env=_environment()
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise GateError("fastdup did not finish", seen=type(exc).__name__) from exc
        answer = folder / "answer.json"
        if ended.returncode != 0 or not answer.is_file() or answer.stat().st_size > _MAX_ANSWER:
            said = ended.stderr.decode("utf-8", "replace").strip()[-300:]
            raise GateError("fastdup failed", seen=said or f"exit {ended.returncode}")
        return _read(answer.read_bytes())


def _read(data: bytes) -> FastdupAnswer:
    try:
        told: Any = orjson.loads(data)
        pairs = [(_number(a), _number(b), float(s)) for a, b, s in told["pairs"]]
        nearest = {_number(a): float(s) for a, s in told["nearest"]}
        stats = {_number(a): (float(x), float(y), float(z)) for a, (x, y, z) in told["stats"].items()}
        return FastdupAnswer(str(told["version"])[:40], pairs, nearest, stats)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
        raise GateError("fastdup gave an answer that is none", seen=str(exc)[:200]) from exc


def _number(name: str) -> int:
    return int(name.partition(".")[0])


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "SENTRY_OPT_OUT": "True", "SENTRY_DSN": "", "PYTHONNOUSERSITE": "1"}


def warn_of_licence() -> None:
    """Say under which licence fastdup is used."""
    _log.warning("fastdup is licensed under %s: no commercial use, and no changed copies of it", LICENCE)
