"""The band keys of MinHash signatures in PyTorch: the same bits as lsh.py, on the CPU or on a GPU.

torch has uint32 tensors and hardly an operation for them, so everything is int32: multiplication and addition
wrap modulo 2^32 alike, and the unsigned order is the signed one once the sign bit is turned over.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.dedup.lsh import FOLD, Keys, draw_factors
from synth_stack.models.files import need_module
from synth_stack.text.ragged import Ragged

_SIGN = -(1 << 31)
_BLOCK_VALUES = 1 << 22
"""Values of a block of rows: 16 MB, as much again for their images, and twice that for their rows."""


def sign_bands_torch(sets: Ragged, bands: int, rows: int, seed: int, device: Literal["cpu", "cuda"]) -> Keys:
    """One key per band of each set's signature, (n, bands), equal to `lsh.sign_bands` bit by bit.

    No set may be empty. Raises MissingExtra without torch.
    """
    torch = need_module("torch")
    factors = torch.from_numpy(_to_signed(draw_factors(bands * rows, seed))).to(device)
    keys = np.empty((len(sets.lengths), bands), dtype=np.uint32)
    first = 0
    while first < len(keys):
        full = np.searchsorted(sets.offsets, sets.offsets[first] + _BLOCK_VALUES, side="right")
        last = max(int(full) - 1, first + 1)
        begin, end = sets.offsets[first], sets.offsets[last]
        upper = (sets.values[begin:end] >> np.uint64(32)).astype(np.uint32)  # 4 bytes a value cross the bus
        values = torch.from_numpy(_to_signed(upper)).to(device)
        lengths = torch.from_numpy(np.diff(sets.offsets[first : last + 1])).to(device)
        keys[first:last] = _sign_block(torch, values, lengths, factors.view(bands, rows)).view(np.uint32)
        first = last
    return keys


def _sign_block(torch: Any, values: Any, lengths: Any, factors: Any) -> NDArray[np.int32]:
    """The keys of the rows of a block, (r, bands)."""
    bands, rows = factors.shape
    row_of = torch.repeat_interleave(torch.arange(len(lengths), device=values.device), lengths)
    fold = int(FOLD.view(np.int32))
    keys = torch.zeros((len(lengths), bands), dtype=torch.int32, device=values.device)
    for band in range(bands):
        for place in range(rows):
            images = (values * factors[band, place]) ^ _SIGN
            least = torch.full((len(lengths),), 2**31 - 1, dtype=torch.int32, device=values.device)
            least.scatter_reduce_(0, row_of, images, "amin", include_self=True)
            keys[:, band] = keys[:, band] * fold + (least ^ _SIGN)
    found: NDArray[np.int32] = keys.cpu().numpy()
    return found


def _to_signed(values: Keys) -> NDArray[np.int32]:
    """The same bits, in memory that torch may call its own."""
    return values.view(np.int32).copy()
