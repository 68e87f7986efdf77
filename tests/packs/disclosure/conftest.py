from pathlib import Path

import pytest

from tests.packs.disclosure.stated_pack import build_stated_pack
from tests.packs.judged_run import build_pack


@pytest.fixture(scope="session")
def stated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack whose recipe states all that the documents ask for."""
    return build_stated_pack(tmp_path_factory.mktemp("stated"))


@pytest.fixture(scope="session")
def unstated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack whose recipe states nothing but a licence and languages."""
    return build_pack(tmp_path_factory.mktemp("unstated"))
