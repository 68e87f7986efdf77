"""Gate files, recipes and the lock of weights that come with the package, by name.

They are written at the top of the repository (curator_configs/, pipelines/, requirements/), once. A wheel has
them under synth_stack/data, where setup.py copies them; a checkout and an editable installation read them
where they are written.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_DATA = _PACKAGE / "data"


def list_gate_files() -> dict[str, Path]:
    """The gate files that come with the package, by the name that `--gates` takes."""
    return {file.stem: file for file in sorted(_find("gates", "curator_configs").glob("*.yaml"))}


def list_recipes() -> dict[str, Path]:
    """The folders of the recipes that come with the package, by name."""
    found = _find("recipes", "pipelines").glob("*/recipe.yaml")
    return {file.parent.name: file.parent for file in sorted(found)}


def find_weights_lock() -> Path:
    """The lock of packages that are installed for the model files they carry, each with its digest."""
    return _find("weights.lock", "requirements/weights.lock")


def _find(name: str, written: str) -> Path:
    copied = _DATA / name
    return copied if copied.exists() else _PACKAGE.parent / written
