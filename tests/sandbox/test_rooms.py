from pathlib import Path

import pytest

from synth_stack.sandbox.levels import BUBBLEWRAP
from tests.sandbox.rooms import open_room


def test_without_bubblewrap_its_tests_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SYNTH_STACK_REQUIRE_SANDBOXES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no bwrap on PATH"), open_room(BUBBLEWRAP):
        pass


def test_without_bubblewrap_its_tests_fail_where_every_level_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SYNTH_STACK_REQUIRE_SANDBOXES", "1")
    with (
        pytest.raises(pytest.fail.Exception, match="SYNTH_STACK_REQUIRE_SANDBOXES is set"),
        open_room(BUBBLEWRAP),
    ):
        pass
