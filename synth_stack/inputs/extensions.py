"""Modules of other authors, loaded by name or path, so that their gates, generators and teachers are known.

An extension is Python code, and is run: it is named by whoever runs the command, never by a data set.
"""

import contextlib
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from synth_stack.errors import ConfigError
from synth_stack.registry import Entry, list_entries, make_absolute, take_back
from synth_stack.rows.canonical import digest_bytes, digest_json

EXTENSION_SCHEME = "synth_stack/extension/v1"

_PREFIX = "synth_stack_extension_"


@dataclass(frozen=True, slots=True)
class Extension:
    """A module that was loaded, and the digest of its files.

    `reference` is the name or absolute path to load it by elsewhere, `name` what records call it; `modules`
    are the names under which Python knows it and what it registered.
    """

    reference: str
    name: str
    sha256: str
    modules: frozenset[str]

    def to_json(self) -> dict[str, str]:
        """What the lock records: where it lies on this machine is in no record."""
        return {"name": self.name, "sha256": self.sha256}


_loaded: dict[str, Extension] = {}


def load_extensions(references: Iterable[str], *, folder: Path | None = None) -> tuple[Extension, ...]:
    """The named modules, imported; each at most once in this process.

    A reference is the dotted name of an installed module, or a path: of a `.py` file, or of a package folder.
    Whatever ends in `.py` or has a separator in it is a path; relative ones are taken from `folder`.

    Raises ConfigError for one that is not there, that fails, that ends the program, or that registers a name
    which is taken. Nothing of it stays registered then, so that it can be loaded once it is mended.
    """
    return tuple(_load(reference, folder or Path()) for reference in references)


def find_extension(entry: Entry) -> Extension | None:
    """The loaded extension that a registered function comes from; None for a function of no extension."""
    module = entry.module
    for extension in _loaded.values():
        if module in extension.modules or any(module.startswith(f"{name}.") for name in extension.modules):
            return extension
    return None


def record_extensions(extensions: Iterable[Extension]) -> list[dict[str, str]]:
    """The extensions as a lock has them: each once, by name, in whatever order they were loaded."""
    every = {(extension.name, extension.sha256): extension for extension in extensions}
    return [every[key].to_json() for key in sorted(every)]


def _load(reference: str, folder: Path) -> Extension:
    is_path = (
        reference.endswith(".py") or bool({"/", os.sep} & set(reference)) or reference in {".", "..", "~"}
    )
    key = make_absolute(folder, reference) if is_path else reference
    if key in _loaded:
        return _loaded[key]
    _require_name(reference, key)
    before = list_entries()
    # standard output is for results
    with _whole_or_not(before), contextlib.redirect_stdout(sys.stderr):
        try:
            module, sha256 = _import_path(Path(key)) if is_path else _import_module(key)
        except ConfigError:
            raise
        except (Exception, SystemExit) as exc:  # whatever an author's code raises when it is run
            raise _tell_failure(reference, exc) from exc
    added = {entry.module for entry in list_entries() if entry not in before}
    name = Path(key).name if is_path else reference
    _loaded[key] = Extension(key, name, sha256, frozenset({module.__name__, *added}))
    return _loaded[key]


@contextlib.contextmanager
def _whole_or_not(before: tuple[Entry, ...]) -> Iterator[None]:
    """Takes back what the block registered and loaded, when it raises."""
    loaded = dict(_loaded)
    try:
        yield
    except BaseException:
        _loaded.clear()
        _loaded.update(loaded)
        added = [entry for entry in list_entries() if entry not in before]
        take_back(added)
        for entry in added:  # else Python would not run the module again
            sys.modules.pop(entry.module, None)
        raise


def _tell_failure(reference: str, exc: BaseException) -> ConfigError:
    what = f"{type(exc).__name__}: {exc}"
    if isinstance(exc, SystemExit):
        what = "it ends the program when it is imported"
    mend = "Run it with Python to see where it fails."
    if isinstance(exc, ModuleNotFoundError):
        mend = "Install what it imports. Files that belong together stand in a folder with __init__.py."
    return ConfigError(f"load: {reference} cannot be loaded: {what}", mend=mend)


def _require_name(reference: str, key: str) -> None:
    """Raises ConfigError for a name that no record can hold, or that means another module in each process."""
    try:
        key.encode()
    except UnicodeEncodeError as exc:
        raise ConfigError("load: the name of an extension is not Unicode text", seen=repr(reference)) from exc
    if reference in {"", "__main__"}:
        raise ConfigError(
            "load: there is no module of that name",
            seen=repr(reference),
            mend="Name an installed module or a .py file.",
        )


def _import_path(path: Path) -> tuple[ModuleType, str]:
    """The module of a file or of a package folder, and the digest of what was run."""
    name = _PREFIX + hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    if path.is_dir():
        return _import_folder(path, name), digest_folder(path)
    if not path.is_file():
        raise ConfigError(f"load: {path} is not a file", mend="Check the path.")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ConfigError(f"load: {path} is no Python module", allowed="a .py file or a folder of them")
    source = path.read_bytes()
    module = importlib.util.module_from_spec(spec)
    with _known_as(name, module):
        # not by its loader: that may run what an earlier text of the file was compiled to
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102  (an extension is code)
    return module, digest_bytes(source)


def _import_folder(path: Path, name: str) -> ModuleType:
    start = path / "__init__.py"
    if not start.is_file():
        raise ConfigError(
            f"load: {path} is no package: it has no __init__.py", mend="Name a .py file in it, or add one."
        )
    spec = importlib.util.spec_from_file_location(name, start, submodule_search_locations=[str(path)])
    assert spec is not None  # of a .py file
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _known_as(name, module):
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _known_as(name: str, module: ModuleType) -> Iterator[None]:
    """Python knows the module by that name, unless the block raises."""
    sys.modules[name] = module
    try:
        yield
    except BaseException:
        for known in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
            del sys.modules[known]
        raise


def _import_module(name: str) -> tuple[ModuleType, str]:
    """An installed module, and the digest of its file, or of all files of a package."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name and f"{name}.".startswith(f"{exc.name}."):
            raise ConfigError(
                f"load: there is no module {name}", mend="Install it, or name its .py file."
            ) from exc
        raise
    file = getattr(module, "__file__", None)  # neither a built-in module nor a folder without code has one
    if file is None:
        raise ConfigError(f"load: {name} has no file whose text could be recorded")
    path = Path(file)
    is_package = path.stem == "__init__"
    return module, digest_folder(path.parent) if is_package else digest_bytes(path.read_bytes())


def digest_folder(path: Path) -> str:
    """The digest of every file in a package folder by its relative path.

    What is hidden, and what Python compiled, is left out.
    """
    files: dict[str, str] = {}
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if not hidden and file.is_file():
            files["/".join(parts)] = digest_bytes(file.read_bytes())
    return digest_json({"scheme": EXTENSION_SCHEME, "files": files})
