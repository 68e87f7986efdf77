import itertools
from pathlib import Path

import pytest

from synth_stack.errors import WorkError
from synth_stack.review.server import environment
from synth_stack.review.server.environment import (
    LOCK_FILE,
    ensure_environment,
    find_environment,
    has_environment,
)

ROOT = Path(__file__).parents[3]


def test_the_environment_is_named_after_its_lock_and_is_there_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTH_STACK_CACHE", str(tmp_path))
    first = find_environment()
    assert first.parent == tmp_path
    assert not has_environment()
    (first / "bin").mkdir(parents=True)
    (first / "bin" / "python").touch()
    assert not has_environment()
    (first / ".complete").touch()
    assert has_environment()
    assert ensure_environment() == first / "bin" / "python"
    lock = tmp_path / "other.lock"
    lock.write_bytes(LOCK_FILE.read_bytes() + b"\n")
    monkeypatch.setattr(environment, "LOCK_FILE", lock)
    assert find_environment() != first


def test_every_package_of_the_lock_has_a_digest_and_the_lock_is_that_of_its_input() -> None:
    lines = LOCK_FILE.read_text().splitlines()
    names = [line.split("==")[0] for line in lines if line and line[0] not in "# "]
    assert {"argilla-server", "click", "fakeredis"} <= set(names)
    followed = [after for line, after in itertools.pairwise(lines) if line and line[0] not in "# "]
    assert all(line.strip().startswith("--hash=sha256:") for line in followed)
    wanted = (ROOT / "requirements" / "argilla_server.in").read_text()
    assert "argilla-server==2.8.0" in wanted
    assert "argilla-server==2.8.0 \\" in lines


@pytest.mark.review
@pytest.mark.slow
def test_a_package_that_is_not_the_locked_one_leaves_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "bad.lock"
    lock.write_text("no-such-package-of-synth-stack==1.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(environment, "LOCK_FILE", lock)
    monkeypatch.setenv("SYNTH_STACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    told: list[str] = []
    with pytest.raises(WorkError, match=r"could not be installed; seen: ERROR.*no-such-package"):
        ensure_environment(told.append)
    assert len(told) == 1
    assert not has_environment()
