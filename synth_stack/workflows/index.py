"""The index of earlier packs: one file without their texts that a gate compares new rows with."""

import re
from collections.abc import Sequence
from pathlib import Path

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.errors import ConfigError
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.gate_file import load_gates
from synth_stack.registry import bind, find_entry, registered


def index_packs(
    packs: Sequence[str | Path], gates: str | Path, out: str | Path, *, load: Sequence[str] = ()
) -> int:
    """One file at `out` that stands for all `packs`; how many rows it holds.

    Each is the folder of a pack, of a judged run or curation, or an index: that is how one is extended. The
    index serves gates that compare rows as that gate of the file `gates` does which compares with earlier
    packs. `load` names modules or files of other authors. Raises ConfigError, InputError or StoreError.
    """
    file = load_gates(gates)
    load_extensions(load)
    load_extensions(file.load, folder=file.folder)
    for number, use in enumerate(file.gates):
        where = f"{file.name}: gates[{number}]"
        write = find_entry("gate", use.use, where=where).index
        if write is not None:
            params = bind("gate", use.use, use.params, where=where, folder=file.folder).params
            return write([(_name(pack), Path(pack)) for pack in packs], params, Path(out))
    comparing = [name for name, entry in registered("gate").items() if entry.index is not None]
    raise ConfigError(
        f"{file.name} has no gate that compares with earlier packs",
        allowed=", ".join(comparing),
        mend=f"Add `- use: {comparing[0]}`." if comparing else None,
    )


def _name(pack: str | Path) -> str:
    """A name for evidence from the last part of a path: letters, digits, dots and dashes."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(pack).resolve().name).strip("._-")
    return plain[:64] or "pack"
