from pathlib import Path

import pytest

from tests.browser import open_browser


def test_without_chromium_a_browser_test_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SYNTH_STACK_REQUIRE_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"), open_browser(tmp_path):
        pass


def test_without_chromium_a_browser_test_fails_where_one_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SYNTH_STACK_REQUIRE_BROWSER", "1")
    with (
        pytest.raises(pytest.fail.Exception, match="SYNTH_STACK_REQUIRE_BROWSER is set"),
        open_browser(tmp_path),
    ):
        pass
