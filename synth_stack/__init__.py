"""Synthetic training data that can be defended: gated, traced row by row, and signed.

    run(recipe)                          the whole line: seeds -> generate -> gates -> sign -> pack
    generate(recipe or Pipeline)         candidates alone, durably
    curate(rows, gates, out)             gates over rows that already exist
    audit(rows, gates, out)              the same, told as rates with intervals, and signed
    replay(run, gates)                   the same rows decided again from stored scores
    pack(folder, out), verify(pack)      the handover pack, and whether it is what it says
    load_pack(pack, revoked=...)         its rows, verified, without those that were withdrawn
    push(pack, repo_id)                  the pack as a dataset repository
    pull(repo_id, out)                   a pack from there, verified
    export(pack, out, format=...)        its rows for a trainer, as JSON Lines
    load_recipe(path)                    a recipe, checked

Everything is imported on first use; importing this package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from synth_stack.decisions.replay.replay import replay
    from synth_stack.inputs.recipe import load_recipe
    from synth_stack.packs.export import export_pack as export
    from synth_stack.packs.hub.pull import pull_pack as pull
    from synth_stack.packs.hub.push import push_pack as push
    from synth_stack.packs.load import load_pack
    from synth_stack.packs.verify.verify import verify_pack as verify
    from synth_stack.workflows.audit import audit
    from synth_stack.workflows.curate import curate
    from synth_stack.workflows.run import generate, pack, run

__all__ = [
    "audit",
    "curate",
    "export",
    "generate",
    "load_pack",
    "load_recipe",
    "pack",
    "pull",
    "push",
    "replay",
    "run",
    "verify",
]

_HOMES = {
    "audit": ("synth_stack.workflows.audit", "audit"),
    "load_recipe": ("synth_stack.inputs.recipe", "load_recipe"),
    "load_pack": ("synth_stack.packs.load", "load_pack"),
    "curate": ("synth_stack.workflows.curate", "curate"),
    "export": ("synth_stack.packs.export", "export_pack"),
    "generate": ("synth_stack.workflows.run", "generate"),
    "pack": ("synth_stack.workflows.run", "pack"),
    "pull": ("synth_stack.packs.hub.pull", "pull_pack"),
    "push": ("synth_stack.packs.hub.push", "push_pack"),
    "replay": ("synth_stack.decisions.replay.replay", "replay"),
    "run": ("synth_stack.workflows.run", "run"),
    "verify": ("synth_stack.packs.verify.verify", "verify_pack"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)
