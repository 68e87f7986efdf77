"""What every test may count on: no key of the machine's owner is touched, and no network is needed."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# how long an example takes says how busy the machine is; the rest stays as the profile of this place has it
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _own_key(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signing key of the test session's own."""
    folder: Path = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("SYNTH_STACK_KEY", str(folder / "signing-key.pem"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
