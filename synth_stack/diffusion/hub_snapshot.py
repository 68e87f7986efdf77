"""Weights by name: a folder of this machine, or a repository of the Hub at one commit."""

import os
import re
from pathlib import Path

from synth_stack.errors import ConfigError, ModelError

HUB = "hub:"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SETTINGS = ("*.json", "*/*.json", "*/*.txt", "*/*.model", "*/*.jinja")


def find_weights_folder(source: str, revision: str | None, *, where: str, pickles: bool = False) -> Path:
    """The folder that `source` names: a path, or `hub:owner/name` at the commit `revision`.

    What the Hub's cache lacks of it is downloaded, without weights of other formats. Raises ConfigError for a
    repository without a commit, ModelError where the folder is missing or the Hub gives nothing.
    """
    if not source.startswith(HUB):
        if revision is not None:
            raise ConfigError(f"{where}: a folder has no revision", seen=revision, mend="Leave revision out.")
        folder = Path(source)
        if not folder.is_dir():
            raise ModelError(
                f"{where}: there is no folder of weights", seen=folder.name, mend="Check the path."
            )
        return folder
    repository = source.removeprefix(HUB)
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigError(f"{where} is no repository of the Hub", seen=source, allowed="hub:owner/name")
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ConfigError(
            f"{where}: weights of the Hub are taken at one commit, for a branch moves",
            seen=revision or "no revision",
            allowed="40 hexadecimal digits",
            mend="Set revision to the commit that you have looked at.",
        )
    return _download(repository, revision, pickles)


def name_weights(source: str, revision: str | None) -> str:
    """How rows and locks call them: the last part of the path, or the repository with its commit."""
    if not source.startswith(HUB):
        return Path(source).name
    return f"{source.removeprefix(HUB)}@{(revision or '')[:12]}"


def _download(repository: str, revision: str, pickles: bool) -> Path:
    import httpx2
    from huggingface_hub import snapshot_download

    weights = ("*.safetensors", "*/*.safetensors", *(("*/*.bin", "*.bin") if pickles else ()))
    try:
        found = snapshot_download(
            repository,
            revision=revision,
            endpoint=os.environ.get("HF_ENDPOINT"),
            allow_patterns=[*_SETTINGS, *weights],
        )
    # the client raises its own errors, which are OSErrors, those of httpx2 where it cannot connect, and
    # ValueError and RuntimeError for an answer that it cannot use
    except (httpx2.HTTPError, OSError, ValueError, RuntimeError) as exc:
        raise ModelError(
            f"the Hub gave no {repository} at {revision[:12]}",
            seen=" ".join(f"{type(exc).__name__}: {exc}".split())[:200],
            allowed="a connection, once, or the commit in the cache",
            mend=f"Connect and run again, or fetch it elsewhere with hf download {repository} --revision "
            f"{revision} and name the folder.",
        ) from exc
    return Path(found)
