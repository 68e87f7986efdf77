"""The index of earlier packs: what the dedup gate has to know of them, without their texts."""

import re
from collections.abc import Sequence
from pathlib import Path

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.errors import ConfigError
from synth_stack.gates.dedup.index import NamedPack, write_index
from synth_stack.gates.dedup.lsh import choose_bands
from synth_stack.gates.dedup.signatures import Reading
from synth_stack.inputs.gate_file import load_gates
from synth_stack.registry import bind


def index_packs(packs: Sequence[str | Path], gates: str | Path, out: str | Path) -> int:
    """One file at `out` that stands for all `packs` under `against` of a dedup gate; how many rows it holds.

    Each is the folder of a pack, of a judged run or curation, or an index: that is how one is extended. The
    index serves gates that compare rows as the dedup gate of the file `gates` does. Raises ConfigError,
    InputError or StoreError.
    """
    uses = [use for use in load_gates(gates).gates if use.use == "dedup"]
    if not uses:
        raise ConfigError(
            f"{gates} has no dedup gate, which says how rows are compared", mend="Add `- use: dedup`."
        )
    params = bind("gate", "dedup", uses[0].params, where=str(gates)).params
    bands, rows = choose_bands(params["threshold"])
    reading = Reading(params["field"], params["ngram"], bands, rows, params["seed"], None)
    return write_index([NamedPack(name=_name(pack), path=str(pack)) for pack in packs], out, reading)


def _name(pack: str | Path) -> str:
    """A name for evidence from the last part of a path: letters, digits, dots and dashes."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(pack).resolve().name).strip("._-")
    return plain[:64] or "pack"
