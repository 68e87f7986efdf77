"""Engines by name: options are checked, a missing library names its extra, another author's engine is found."""

from pathlib import Path
from typing import Any

import pytest

from synth_stack import __version__
from synth_stack.engines import catalog
from synth_stack.engines.catalog import choose_engine, parse_engine
from synth_stack.errors import ConfigError, MissingExtra
from tests.engines.backwards import BackwardsEngine, open_now


def test_an_engine_is_open_as_long_as_the_block_lasts() -> None:
    chosen = choose_engine({"use": "backwards", "workers": 3})
    assert open_now == []
    with chosen.open() as opened:
        assert open_now == ["3 None False"]
        assert isinstance(opened.engine, BackwardsEngine)
        assert opened.facts == {"name": "backwards", "version": "7"}
    assert open_now == []


def test_the_local_engine_is_the_one_that_is_taken_without_a_word() -> None:
    with choose_engine().open() as opened:
        assert opened.facts == {"name": "local", "version": __version__}


def test_options_of_a_command_line_become_values_of_their_types() -> None:
    given = ["workers=5", "address=tcp://10.0.0.1:8786?a=b", "quick=true"]
    assert parse_engine("backwards", given) == {
        "use": "backwards",
        "workers": 5,
        "address": "tcp://10.0.0.1:8786?a=b",
        "quick": True,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["workers"], "KEY=VALUE"),
        (["=3"], "KEY=VALUE"),
        (["workers=two"], "engine backwards: workers is not usable; seen: 'two'"),
        (["workers=1", "workers=2"], "workers is given twice"),
        (["use=local"], "use is given twice"),
        (
            ["worker=2"],
            "worker is no option of it; allowed: address, quick, workers. Did you mean 'workers'?",
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_option_that_cannot_be_used_is_refused(options: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_engine("backwards", options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("dusk", "there is no engine of that name; seen: dusk; allowed: backwards, "),
        ("dusk", "Did you mean 'dask'?"),
        ({"workers": 2}, "a mapping with `use`"),
        ({"use": "backwards", "workers": 0}, "engine backwards: workers is not usable; seen: 0"),
        ({"use": "backwards", "workers": "2"}, "engine backwards: workers is not usable; seen: '2'"),
        ({"use": "backwards", "threads": 2}, "threads is not a known key"),
    ],
    ids=str,
)
def test_an_engine_that_cannot_be_used_is_refused(given: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_engine(given)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_library_is_one_sentence_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine_without_its_library.py").write_text("import no_such_library_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(catalog._HOMES, "dask", "engine_without_its_library")
    with pytest.raises(MissingExtra) as caught:
        choose_engine("dask")
    assert "Run: pip install 'synth-stack[dask]'" in str(caught.value)
    assert "no_such_library_here" in str(caught.value)
    assert caught.value.exit_code == 2
