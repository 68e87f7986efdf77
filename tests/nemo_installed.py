"""Tests that need NeMo Curator: run by `make test-nemo`, in an environment of their own."""

import os
from importlib.util import find_spec

import pytest

REQUIRED = "SYNTH_STACK_REQUIRE_NEMO"
"""Set where NeMo Curator has to be there: a test that is left out would go unnoticed."""


def mark_nemo() -> list[pytest.MarkDecorator]:
    """Marks for a module that `make test-nemo` runs."""
    return [pytest.mark.nemo, *need_nemo()]


def need_nemo() -> list[pytest.MarkDecorator]:
    """Marks for a module; it is left out where NeMo Curator is not installed and need not be."""
    missing = find_spec("nemo_curator") is None
    if missing and os.environ.get(REQUIRED):
        raise RuntimeError("NeMo Curator is not installed in the environment of make test-nemo")
    return [
        pytest.mark.skipif(missing, reason="NeMo Curator is not installed: make test-nemo"),
        pytest.mark.filterwarnings("ignore"),  # NeMo, Ray and Hydra warn of one another's interfaces
    ]
