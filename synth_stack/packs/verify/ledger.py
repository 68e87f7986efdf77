"""The place of a pack in its publisher's ledger, against what the reader knows of that ledger."""

import re
from dataclasses import replace
from pathlib import Path

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.files import write_bytes
from synth_stack.lineage.ledger import advance_packs, advance_pin, read_pin
from synth_stack.packs.verify.verify import Verification

_SHA256 = re.compile(r"[0-9a-f]{64}")


def follow_ledger(found: Verification, *, pin: Path | None = None, root: str | None = None) -> Verification:
    """The verification with what `pin` and `root` say of the pack's place in a ledger.

    `pin` is a file with the last head that was seen: the pack has to be that batch or the next one, and a
    sound pack moves it on; a file that is not there yet is made of the first pack. Of a mixture it keeps how
    far the ledgers of its packs were seen, too. `root` is the head that
    the ledger has to have with this batch, from another source. Raises ConfigError for a root or a pin that
    is none.
    """
    if root is not None and not _SHA256.fullmatch(root):
        raise ConfigError(
            "the root of a ledger is none", seen=root, allowed="64 lower-case hexadecimal digits"
        )
    before = None if pin is None else read_pin(pin)
    if (pin is None and root is None) or found.problems:
        return found
    if found.place is None or found.key_id is None:
        problem = VerificationError(
            "the pack has no place in a ledger, so nothing shows which batches were before it",
            mend="Ask the publisher for a pack that was made with --ledger.",
        )
        return replace(found, checks=(), problems=(problem,))
    head = found.place.head
    try:
        if root is not None and head != root:
            raise VerificationError(
                "the ledger has another head than the expected one", seen=head, allowed=root
            )
        after = advance_pin(before, found.key_id, found.place.previous, found.place.leaf)
        chains = [(part.folder, part.key_id, part.leaves) for part in found.parts]
        after = replace(after, packs=advance_packs(after.packs, chains))
    except VerificationError as exc:
        return replace(found, checks=(), problems=(exc,))
    if pin is not None and after != before:
        write_bytes(pin, after.to_bytes())
    return found
