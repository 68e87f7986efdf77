"""The package itself: its public names, and that importing it costs nothing."""

import importlib
import inspect
import subprocess
import sys

import pytest

import synth_stack


def run_script(*lines: str) -> str:
    """What a fresh Python prints."""
    command = [sys.executable, "-W", "error", "-c", "\n".join(lines)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_loads_the_standard_library_alone() -> None:
    loaded = run_script(
        "import sys",
        "before = set(sys.modules)",
        "import synth_stack",
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}",
        "print(sorted(names - sys.stdlib_module_names))",
    )

    assert loaded == "['synth_stack']"


@pytest.mark.parametrize("name", synth_stack.__all__)
def test_every_public_name_is_a_documented_function(name: str) -> None:
    function = getattr(synth_stack, name)

    assert inspect.isfunction(function)
    assert inspect.getdoc(function)


def test_the_docstring_names_every_public_function() -> None:
    assert synth_stack.__doc__ is not None
    assert all(f"{name}(" in synth_stack.__doc__ for name in synth_stack.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'synth_stack' has no attribute 'runn'"):
        getattr(synth_stack, "runn")  # noqa: B009  (mypy knows that it is not there)


def test_the_version_is_that_of_the_installed_package() -> None:
    assert importlib.import_module("importlib.metadata").version("synth-stack") == synth_stack.__version__
