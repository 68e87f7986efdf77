"""The place of a batch in its publisher's ledger, as a paragraph of the dataset card."""

from collections.abc import Mapping
from typing import Any

from synth_stack.packs.card.figures import format_count
from synth_stack.packs.card.markdown import code


def render_place(place: Mapping[str, Any] | None) -> list[str]:
    """The paragraph, by what the statement says of the place; none for a batch without one."""
    if place is None:
        return []
    previous = place["previous"]
    return [
        f"This is batch {place['sequence']:,} of its publisher's ledger. The root over the "
        f"{format_count(previous['size'], 'batch', 'batches')} before it is {code(previous['root'])}; "
        "`synth-stack verify PATH --pin FILE` refuses one that does not go on from the last that you saw."
    ]
