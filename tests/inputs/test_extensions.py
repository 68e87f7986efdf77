"""Modules of other authors: found by name or path, loaded once, whole or not at all, recorded by their text."""

import sys
from pathlib import Path

import pytest

from synth_stack.errors import ConfigError
from synth_stack.inputs.extensions import find_extension, load_extensions, record_extensions
from synth_stack.registry import Entry, registered
from synth_stack.rows.canonical import digest_bytes

GATE = """
from synth_stack.registry import gate

@gate({name!r}, version="1")
def {name}(*, bar: float = 0.5) -> None:
    return bar
"""


def write_gate(path: Path, name: str, more: str = "") -> Path:
    """A file that registers one gate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GATE.format(name=name) + more, encoding="utf-8")
    return path


def entry(name: str) -> Entry:
    return registered("gate")[name]


def refuse(reference: str, folder: Path | None = None) -> str:
    """The message with which an extension is refused."""
    with pytest.raises(ConfigError) as caught:
        load_extensions([reference], folder=folder)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_file_is_run_and_recorded_by_its_name_and_the_digest_of_its_text(tmp_path: Path) -> None:
    path = write_gate(tmp_path / "my_gate.py", "ext_file")
    [extension] = load_extensions(["my_gate.py"], folder=tmp_path)

    assert extension.to_json() == {"name": "my_gate.py", "sha256": digest_bytes(path.read_bytes())}
    assert extension.reference == str(path)
    assert find_extension(entry("ext_file")) is extension
    assert not (tmp_path / "__pycache__").exists()


def test_the_same_file_is_loaded_once_by_whatever_path(tmp_path: Path) -> None:
    path = write_gate(tmp_path / "a" / "g.py", "ext_once")
    (tmp_path / "link.py").symlink_to(path)
    (tmp_path / "b").mkdir()
    [first] = load_extensions(["a/g.py"], folder=tmp_path)
    for reference in (str(path), "../a/g.py", "../a/./g.py", "../link.py"):
        assert load_extensions([reference], folder=tmp_path / "b") == (first,)
    assert record_extensions([first, first]) == [first.to_json()]


def test_relative_paths_are_taken_from_the_working_folder_without_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gate(tmp_path / "g.py", "ext_working")
    monkeypatch.chdir(tmp_path)
    assert load_extensions(["g.py"])[0].reference == str(tmp_path / "g.py")


def test_a_copy_of_a_file_registers_nothing_twice(tmp_path: Path) -> None:
    write_gate(tmp_path / "one.py", "ext_copied")
    write_gate(tmp_path / "two.py", "ext_copied")
    load_extensions(["one.py"], folder=tmp_path)
    assert "gate 'ext_copied' is registered twice" in refuse("two.py", tmp_path)
    assert find_extension(entry("ext_copied")) is not None


def test_the_name_of_a_gate_of_the_package_is_taken(tmp_path: Path) -> None:
    import synth_stack.gates  # noqa: F401  (registers them)

    write_gate(tmp_path / "g.py", "dedup")
    assert "'dedup' is registered twice: synth_stack.gates.dedup.gate has it already" in refuse(
        "g.py", tmp_path
    )
    assert entry("dedup").module == "synth_stack.gates.dedup.gate"
    assert find_extension(entry("dedup")) is None


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("\n1 / 0\n", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("\nimport sys\nsys.exit(0)\n", "it ends the program when it is imported"),
        ("\nraise SystemExit\n", "it ends the program when it is imported"),
        (GATE.format(name="ext_broken"), "gate 'ext_broken' is registered twice"),
        (
            "\nimport no_such_library_anywhere\n",
            "No module named 'no_such_library_anywhere'. Install what it",
        ),
        ("\nfrom . import words\n", "ImportError"),
        ("\nthis is no Python\n", "SyntaxError"),
        ("\nloop = lambda: loop()\nloop()\n", "RecursionError"),
    ],
)
def test_a_file_that_fails_leaves_nothing_behind_and_can_be_loaded_once_it_is_mended(
    more: str, says: str, tmp_path: Path
) -> None:
    path = write_gate(tmp_path / "g.py", "ext_broken", more)
    before = set(sys.modules)
    assert says in refuse("g.py", tmp_path)
    assert "ext_broken" not in registered("gate")
    assert not [name for name in set(sys.modules) - before if name.startswith("synth_stack_extension_")]

    name = f"ext_mended_{abs(hash(more)) % 10**8}"
    write_gate(path, name)
    [extension] = load_extensions(["g.py"], folder=tmp_path)
    assert find_extension(entry(name)) is extension
    assert extension.sha256 == digest_bytes(path.read_bytes())


def test_what_runs_is_the_text_that_is_recorded_and_not_what_it_was_compiled_to_before(
    tmp_path: Path,
) -> None:
    import os
    import py_compile

    path = write_gate(tmp_path / "g.py", "ext_stale")
    py_compile.compile(str(path))
    seen = path.stat()
    path.write_text(path.read_text().replace("ext_stale", "ext_fresh"))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # as an editor within the same second
    load_extensions(["g.py"], folder=tmp_path)
    assert "ext_fresh" in registered("gate")
    assert "ext_stale" not in registered("gate")


def test_ctrl_c_in_a_file_is_not_the_fault_of_the_file(tmp_path: Path) -> None:
    write_gate(tmp_path / "g.py", "ext_stopped", "\nraise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_extensions(["g.py"], folder=tmp_path)
    assert "ext_stopped" not in registered("gate")


def test_what_a_file_prints_is_not_among_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "g.py").write_text("print('hello')\n")
    load_extensions(["g.py"], folder=tmp_path)
    assert capsys.readouterr() == ("", "hello\n")


def test_a_package_folder_is_loaded_with_its_parts_and_recorded_by_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "my_gates"
    write_gate(folder / "parts" / "one.py", "ext_in_folder")
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "words.txt").write_text("a\n")
    (folder / "__init__.py").write_text("from .parts import one\n")
    (folder / ".hidden").write_text("not a part")
    [extension] = load_extensions(["./my_gates"], folder=tmp_path)

    assert extension.name == "my_gates"
    assert entry("ext_in_folder").module.endswith(".parts.one")
    assert find_extension(entry("ext_in_folder")) is extension

    for number, change in enumerate(["words.txt", "parts/one.py", ".hidden", "parts/__pycache__/one.pyc"]):
        copy = tmp_path / f"copy{number}" / "my_gates"
        for file in ["__init__.py", "parts/__init__.py", "words.txt"]:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            (copy / file).write_bytes((folder / file).read_bytes())
        write_gate(copy / "parts" / "one.py", "ext_in_folder")
        (copy / "__init__.py").write_bytes((folder / "__init__.py").read_bytes())
        same = digest(copy)
        assert same == extension.sha256
        (copy / change).parent.mkdir(exist_ok=True)
        (copy / change).write_text("another text")
        assert (digest(copy) == same) == (number > 1)


def digest(folder: Path) -> str:
    from synth_stack.inputs.extensions import digest_folder

    return digest_folder(folder)


def test_a_package_folder_that_fails_leaves_none_of_its_parts_behind(tmp_path: Path) -> None:
    folder = tmp_path / "half"
    write_gate(folder / "one.py", "ext_half")
    (folder / "__init__.py").write_text("from . import one\n1 / 0\n")
    assert "ZeroDivisionError" in refuse("./half", tmp_path)
    assert "ext_half" not in registered("gate")
    (folder / "__init__.py").write_text("from . import one\n")
    load_extensions(["./half"], folder=tmp_path)
    assert "ext_half" in registered("gate")


def test_an_installed_module_is_loaded_by_its_name_and_a_package_with_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_gate(tmp_path / "installed_alone.py", "ext_installed")
    write_gate(tmp_path / "installed_many" / "part.py", "ext_installed_part")
    (tmp_path / "installed_many" / "__init__.py").write_text("import installed_many.part\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    alone, many = load_extensions(["installed_alone", "installed_many"])

    assert alone.to_json() == {"name": "installed_alone", "sha256": digest_bytes(path.read_bytes())}
    assert many.name == many.reference == "installed_many"
    assert find_extension(entry("ext_installed")) is alone
    assert find_extension(entry("ext_installed_part")) is many


def test_a_module_that_a_program_imported_before_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    write_gate(tmp_path / "imported_before.py", "ext_before")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("imported_before")
    assert find_extension(entry("ext_before")) is None
    [extension] = load_extensions(["imported_before"])
    assert find_extension(entry("ext_before")) is extension


def test_an_extension_may_load_another_and_each_knows_its_own(tmp_path: Path) -> None:
    write_gate(tmp_path / "inner.py", "ext_inner")
    more = (
        "\nfrom pathlib import Path\nfrom synth_stack.inputs.extensions import load_extensions\n"
        "load_extensions(['inner.py'], folder=Path(__file__).parent)\n"
    )
    write_gate(tmp_path / "outer.py", "ext_outer", more)
    [outer] = load_extensions(["outer.py"], folder=tmp_path)
    [inner] = load_extensions(["inner.py"], folder=tmp_path)
    assert find_extension(entry("ext_outer")) is outer
    assert find_extension(entry("ext_inner")) is inner

    write_gate(tmp_path / "inner2.py", "ext_inner2")
    write_gate(tmp_path / "outer2.py", "ext_outer2", more.replace("inner", "inner2") + "\n1 / 0\n")
    refuse("outer2.py", tmp_path)
    assert {"ext_inner2", "ext_outer2"} & set(registered("gate")) == set()
    load_extensions(["inner2.py"], folder=tmp_path)
    assert "ext_inner2" in registered("gate")


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("", "there is no module of that name"),
        ("__main__", "there is no module of that name"),
        ("no_such_module_anywhere", "there is no module no_such_module_anywhere. Install it"),
        ("json.nowhere", "there is no module json.nowhere"),
        (".relative", "cannot be loaded: TypeError"),
        ("a b", "there is no module a b"),
        ("a\0b", "there is no module a"),
        ("gone.py", "is not a file"),
        ("gone/", "is not a file"),
        ("data.txt/", "is no Python module"),
        ("./data.txt", "is no Python module"),
        ("empty_folder/", "is no package: it has no __init__.py"),
        ("folder.py", "is no package"),
        (".", "is no package"),
        ("\0.py", "a path cannot be resolved"),
        ("loop.py", "a path cannot be resolved"),
        ("~nobody-of-that-name/g.py", "a path cannot be resolved"),
        ("g\udc80.py", "is not Unicode text"),
        ("sys", "has no file whose text could be recorded"),
        ("space", "has no file whose text could be recorded"),
    ],
)
def test_what_is_no_extension_is_refused_in_one_sentence(
    reference: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.txt").write_text("1 / 0\n")
    (tmp_path / "empty_folder").mkdir()
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "space").mkdir()  # a namespace package
    monkeypatch.syspath_prepend(str(tmp_path))
    message = refuse(reference, tmp_path)
    assert says in message
    assert "\n" not in message


def test_records_are_in_the_order_of_names_whatever_the_order_of_loading(tmp_path: Path) -> None:
    write_gate(tmp_path / "b.py", "ext_order_b")
    write_gate(tmp_path / "a.py", "ext_order_a")
    loaded = load_extensions(["b.py", "a.py"], folder=tmp_path)
    assert [extension.name for extension in loaded] == ["b.py", "a.py"]
    assert [lock["name"] for lock in record_extensions(loaded)] == ["a.py", "b.py"]
    assert record_extensions(reversed(loaded)) == record_extensions(loaded)
