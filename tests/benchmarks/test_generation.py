"""The benchmark of the generate stage prints both figures beside their target, from real requests."""

import re
import sys

import pytest
from generation import main


def test_rows_and_an_own_pipeline_are_timed_beside_a_bare_client(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--requests", "64", "--slots", "16", "--service-ms", "5", "--rounds", "1", "--batch-rows", "8"]
    monkeypatch.setattr(sys, "argv", ["generation.py", *options, "--rows", "0", "--distilabel-rows", "0"])
    main()
    said = capsys.readouterr().out
    for name in ("served", "own"):
        assert re.search(rf"{name} +ours to bare [0-9.]+, the median of 1 pairs; target: at most 1.10", said)
    assert said.count("ms CPU a request") == 2
