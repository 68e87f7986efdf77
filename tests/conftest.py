"""What every test may count on: no key of the machine's owner is touched, and no network is needed."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import examples
from tests.installed_wheel import PYTHONS, Installed, build_wheel, find_python, install

# threads of numpy and torch sleep while they have nothing to do: on a machine whose cores run a test process each,
# threads that wait in a loop take from the others what they need (read when these libraries are first loaded)
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# how long an example takes says how busy the machine is; `make test` draws the same examples each time
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=examples(100),
    derandomize=True,
)
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests run in one process, so that what they share is made once (`--dist loadgroup`)."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(autouse=True)
def _own_key(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signing key of the test session's own."""
    folder: Path = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("SYNTH_STACK_KEY", str(folder / "signing-key.pem"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built once for all who install it."""
    return build_wheel(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def install_once(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Installed]:
    """What installs the wheel for a version of Python, by an interpreter of it, the first time it is asked."""
    made: dict[str, Installed] = {}

    def make(version: str, python: str) -> Installed:
        if version not in made:
            folder = tmp_path_factory.mktemp("python" + version.replace(".", "_"))
            made[version] = install(wheel, python, folder)
        return made[version]

    return make


@pytest.fixture(scope="session", params=PYTHONS)
def installed(request: pytest.FixtureRequest, install_once: Callable[[str, str], Installed]) -> Installed:
    """An environment with the wheel and nothing of the checkout, for each supported Python that is at hand."""
    python = find_python(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} at hand: make test-extras resolves the package for it")
    return install_once(request.param, python)


@pytest.fixture(scope="session")
def here(install_once: Callable[[str, str], Installed]) -> Installed:
    """The one of the Python that runs the tests: what does not depend on the version is tried once."""
    return install_once(".".join(map(str, sys.version_info[:2])), sys.executable)
