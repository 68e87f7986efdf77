"""A hub on the loopback that the client may reach, although the tests are offline."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth_stack.packs.signers import local_signer
from synth_stack.packs.write import write_pack
from tests.packs.hub.hub_loopback import TOKEN, Hub, run_hub
from tests.packs.judged_run import RECIPE, build_pack, build_run


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The client as it is with a network, its own folders, and Git LFS instead of Xet."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, online: None) -> Iterator[Hub]:
    with run_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pack, three batches of one ledger (batch0 to batch2), the next of a fork, and the key."""
    folder = tmp_path_factory.mktemp("made")
    build_pack(folder)
    signer = local_signer(folder / "key.pem")
    for number in range(3):
        run = build_run(folder / f"run{number}", recipe={**RECIPE, "about": f"Shop {number}"})
        write_pack(run, folder / f"batch{number}", signer=signer, ledger=folder / "ledger.jsonl")
    for number in (1, 2):
        write_pack(
            folder / f"run{number}", folder / f"fork{number}", signer=signer, ledger=folder / "fork.jsonl"
        )
    return folder


@pytest.fixture
def pack(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "pack", tmp_path / "pack")
    shutil.copy(made / "key.pem", tmp_path / "key.pem")
    return tmp_path / "pack"


@pytest.fixture
def batches(made: Path) -> list[Path]:
    """Three batches of one ledger."""
    return [made / f"batch{number}" for number in range(3)]
