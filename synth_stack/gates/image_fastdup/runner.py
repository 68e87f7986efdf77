"""Runs fastdup over a folder: a program for the Python of its own environment, which has nothing of ours.

    python runner.py IMAGES WORK OUT

OUT is JSON: `version`; `pairs` of file names with their similarity; `nearest`, the similarity of outliers to
the image that is most like them; and `stats` by file name: blur, mean, stdv. Nothing is reported to anybody:
fastdup's telemetry (Sentry) is switched off, and Python opens no connection.
"""

import csv
import json
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

NEIGHBOURS = 10
LEAST = 0.5
"""The lowest similarity that is kept."""
STATS = ("blur", "mean", "stdv")


def main() -> None:
    """Run it over the folder in the arguments."""
    images, work, out = sys.argv[1:4]
    os.environ["SENTRY_OPT_OUT"] = "True"
    os.environ["SENTRY_DSN"] = ""
    shut_network()
    import fastdup

    code = fastdup.run(
        input_dir=images,
        work_dir=work,
        num_threads=int(os.environ.get("OMP_NUM_THREADS") or 2),
        threshold=LEAST,
        nearest_neighbors_k=NEIGHBOURS,
        turi_param="nnmodel=0,run_stats=1",
    )
    if code != 0:
        raise SystemExit(f"fastdup ended with {code}")
    told = {
        "version": str(getattr(fastdup, "__version__", "unknown")),
        "pairs": [
            (name(a), name(b), float(s)) for a, b, s in read(work, "similarity.csv", "from", "to", "distance")
        ],
        "nearest": [(name(a), float(s)) for a, s in read(work, "outliers.csv", "from", "distance")],
        "stats": {
            name(first): [float(each) for each in rest]
            for first, *rest in read(work, "atrain_stats.csv", "filename", *STATS)
        },
    }
    Path(out).write_text(json.dumps(told), encoding="utf-8")
    os._exit(0)  # what it registered to run at the end would talk to a server


def shut_network() -> None:
    """Let no connection be opened from Python."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError("no network here")

    socket.socket.connect = refuse  # type: ignore[method-assign]  # that is the point
    socket.create_connection = refuse
    socket.getaddrinfo = refuse


def read(work: str, file: str, *columns: str) -> "list[tuple[str, ...]]":
    """Some columns of a table that fastdup left; nothing where it left none."""
    path = Path(work) / file
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return [tuple(row[column] for column in columns) for row in csv.DictReader(lines)]


def name(path: str) -> str:
    """The name of a file without its folder."""
    return Path(path).name


if __name__ == "__main__":
    main()
