"""Paths that hold no file, or that no disk takes: one sentence and an exit code, and never a wait."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from synth_stack.cli.main import main
from tests.packs.judged_run import build_pack

MAX_SECONDS = 30
BIDI = "a\u202eb\x9bc"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture(autouse=True)
def _end_a_wait() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise AssertionError("it waits")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(MAX_SECONDS)
    yield
    signal.alarm(0)


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def hole(path: Path) -> Path:
    path.touch()
    os.truncate(path, 3 * 10**12)
    return path


def link_to_itself(path: Path) -> Path:
    path.symlink_to(path)
    return path


PATHS: dict[str, Callable[[Path], Path]] = {
    "a pipe": lambda folder: fifo(folder / "x"),
    "a device": lambda _: Path("/dev/zero"),
    "a hole": lambda folder: hole(folder / "x.jsonl"),
    "a folder": lambda folder: folder,
    "a link to itself": lambda folder: link_to_itself(folder / "x.jsonl"),
    "300 characters": lambda folder: folder / ("n" * 300),
    "marks that turn text around": lambda folder: folder / BIDI,
}
COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    "verify": lambda pack, path: ["verify", str(path)],
    "verify --pin": lambda pack, path: [
        "verify",
        str(pack),
        "--pin",
        str(path),
    ],
    "verify --revoked": lambda pack, path: ["verify", str(pack), "--revoked", str(path)],
    "verify --row": lambda pack, path: ["verify", str(pack), "--row", str(path)],
    "trace": lambda pack, path: ["trace", str(path), "f" * 32],
    "export": lambda pack, path: [
        "export",
        str(path),
        "--format",
        "jsonl",
        "--out",
        str(pack.parent / "rows.jsonl"),
    ],
    "curate": lambda pack, path: ["curate", str(path), "--out", str(pack.parent / "out")],
}


def run_main(arguments: list[str]) -> object:
    """The exit code of the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["synth-stack", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
    return stopped.value.code


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_holds_no_file_is_one_sentence(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, command: str
) -> None:
    code = run_main(COMMANDS[command](pack, PATHS[path](tmp_path)))
    assert code in {1, 2}
    told = capsys.readouterr()
    assert len([line for line in told.err.splitlines() if line.startswith("error: ")]) == 1 or code == 2
    assert "Traceback" not in told.err
    assert all(line.isprintable() for line in (told.out + told.err).splitlines())


def test_an_image_that_is_a_pipe_is_not_waited_for(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(["verify", str(pack), "--row", str(fifo(tmp_path / "x.png"))]) == 2
    assert "is no image that can be looked for" in capsys.readouterr().err
