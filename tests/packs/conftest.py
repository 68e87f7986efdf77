"""A sound mixture for the tests of mixtures, and of the lies about one."""

import shutil
from pathlib import Path

import pytest

from tests.packs.mixture.mixed_pack import Parts, build_parts


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return build_parts(tmp_path_factory.mktemp("mixture"))


@pytest.fixture
def mixture(parts: Parts, tmp_path: Path) -> Path:
    """A copy of the mixture to be changed."""
    shutil.copytree(parts.mixture, tmp_path / "mixture")
    return tmp_path / "mixture"
