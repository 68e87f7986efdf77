"""Word lists that gates look things up in: read from the text files beside this one.

# a remark
[section]
one entry a line
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from synth_stack.rows import Digest, digest_bytes

_SECTION = re.compile(r"\[[a-z_/ =~]+\]")  # an entry may be a regular expression that begins with a class


@cache
def read_sections(name: str) -> Mapping[str, Sequence[str]]:
    """The entries of `<name>.txt` by section, both in the order of the file."""
    sections: dict[str, list[str]] = {}
    for line in _read(name).decode("utf-8").splitlines():
        if _SECTION.fullmatch(line):
            entries = sections.setdefault(line[1:-1], [])
        elif line and not line.startswith("# "):
            entries.append(line)
    return sections


def digest_list(name: str) -> Digest:
    """The SHA-256 of `<name>.txt`: what the facts of a gate say that it was read from."""
    return digest_bytes(_read(name))


def _read(name: str) -> bytes:
    return files(__name__).joinpath(f"{name}.txt").read_bytes()
