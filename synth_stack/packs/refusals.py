"""What the single file (verify_pack.py) refuses, as an error of the package."""

import contextlib
from collections.abc import Iterator

from synth_stack.errors import VerificationError
from synth_stack.packs.verify_pack import Refusal


@contextlib.contextmanager
def raise_refusals() -> Iterator[None]:
    """Turns a Refusal, and what the operating system says of a pack, into a VerificationError."""
    try:
        yield
    except Refusal as exc:
        raise to_error(exc) from exc


def to_error(refusal: Refusal) -> VerificationError:
    """The same sentence as an error of the package."""
    return VerificationError(refusal.what, seen=refusal.seen, allowed=refusal.allowed)
