"""The documents of a pack by their file names, all written from one value."""

from synth_stack.packs import layout
from synth_stack.packs.disclosure.croissant import render_croissant
from synth_stack.packs.disclosure.facts import Disclosure
from synth_stack.packs.disclosure.provenance_standard import render_provenance
from synth_stack.packs.disclosure.spdx import render_spdx
from synth_stack.packs.disclosure.training_summary import render_training_summary


def render_documents(told: Disclosure) -> dict[str, bytes]:
    """The bytes of each document by its name in the pack, the same for the same value."""
    return {
        layout.CROISSANT: render_croissant(told),
        layout.SPDX: render_spdx(told),
        layout.PROVENANCE: render_provenance(told),
        layout.TRAINING_SUMMARY: render_training_summary(told),
    }
