"""What every test may count on: no key of the machine's owner is touched, and no network is needed."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import examples

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
