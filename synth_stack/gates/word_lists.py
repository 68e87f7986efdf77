"""Word lists that a gate looks things up in: text files in the folder of the gate.

# a remark
[section]
one entry a line
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from synth_stack.rows.canonical import Digest, digest_bytes

_SECTION = re.compile(r"\[[a-z_/ =~]+\]")  # an entry may be a regular expression that begins with a class


@cache
def read_sections(package: str, name: str) -> Mapping[str, Sequence[str]]:
    """The entries of `<name>.txt` in `package` by section, both in the order of the file."""
    sections: dict[str, list[str]] = {}
    for line in _read(package, name).decode("utf-8").splitlines():
        if _SECTION.fullmatch(line):
            entries = sections.setdefault(line[1:-1], [])
        elif line and not line.startswith("# "):
            entries.append(line)
    return sections


def digest_list(package: str, name: str) -> Digest:
    """The SHA-256 of `<name>.txt` in `package`: the facts of a gate say by it what was read."""
    return digest_bytes(_read(package, name))


@cache
def read_neutral() -> Sequence[str]:
    """Sentences about everyday matters, one an entry: the background that likeness is measured against."""
    return tuple((files(__package__) / "neutral.txt").read_text(encoding="utf-8").splitlines())


def _read(package: str, name: str) -> bytes:
    return files(package).joinpath(f"{name}.txt").read_bytes()
