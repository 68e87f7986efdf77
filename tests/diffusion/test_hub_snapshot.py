from pathlib import Path

import pytest

from synth_stack.diffusion.hub_snapshot import find_weights_folder, name_weights
from synth_stack.errors import ConfigError, ModelError

COMMIT = "a" * 40


def test_a_folder_is_itself_and_a_repository_is_named_with_its_commit(tmp_path: Path) -> None:
    assert find_weights_folder(str(tmp_path), None, where="w") == tmp_path
    assert name_weights(str(tmp_path), None) == tmp_path.name
    assert name_weights("hub:owner/name", COMMIT) == f"owner/name@{COMMIT[:12]}"


@pytest.mark.parametrize("revision", [None, "main", "a" * 39])
def test_a_repository_without_a_commit_is_refused(revision: str | None) -> None:
    with pytest.raises(ConfigError, match="a branch moves"):
        find_weights_folder("hub:owner/name", revision, where="teacher.model")


def test_what_is_no_place_of_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no repository"):
        find_weights_folder("hub:../name", COMMIT, where="w")
    with pytest.raises(ConfigError, match="a folder has no revision"):
        find_weights_folder(str(tmp_path), COMMIT, where="w")
    with pytest.raises(ModelError, match="no folder of weights"):
        find_weights_folder(str(tmp_path / "gone"), None, where="w")


def test_a_commit_that_the_hub_does_not_give_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="the Hub gave no owner/name at aaaaaaaaaaaa"):
        find_weights_folder("hub:owner/name", COMMIT, where="w")
