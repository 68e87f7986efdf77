"""What a pack states of itself - counts, card, Croissant - made again from its rows and compared."""

from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES, parse_yaml
from synth_stack.packs import layout
from synth_stack.packs.card.card import build_metadata
from synth_stack.packs.card.croissant import render_croissant
from synth_stack.packs.card.figures import OPEN, render_figures
from synth_stack.packs.counts import Counts, Tally
from synth_stack.packs.gate_log import MAX_MEASURES_BYTES, parse_measures
from synth_stack.packs.statement import Seal, build_predicate, read_file
from synth_stack.packs.verify.files import Digests
from synth_stack.runs.locks import GatesLock, RecipeLock, parse_gates, parse_recipe

MAX_CARD_BYTES = 16 * 1024**2
"""A card holds both locks in part and the figures, so some 5 MB at most."""


def read_locks(pack: Path) -> tuple[RecipeLock, GatesLock]:
    """recipe.yaml and gates.yaml of a pack. Raises VerificationError."""
    try:
        recipe = parse_recipe(read_file(pack, layout.RECIPE, max_bytes=MAX_FILE_BYTES), where=layout.RECIPE)
        gates = parse_gates(read_file(pack, layout.GATES, max_bytes=MAX_FILE_BYTES), where=layout.GATES)
    except ConfigError as exc:
        raise VerificationError(str(exc)) from exc
    return recipe, gates


def check_statements(
    pack: Path,
    digests: Digests,
    seal: Seal,
    locks: tuple[RecipeLock, GatesLock],
    tally: Tally,
    *,
    review: dict[str, Any] | None = None,
) -> tuple[Counts, list[VerificationError]]:
    """The counts of the rows, and every statement of the pack that they do not bear out.

    Raises VerificationError for a file that holds no statement at all.
    """
    recipe, lock = locks
    measures = parse_measures(read_file(pack, layout.MEASURES, max_bytes=MAX_MEASURES_BYTES), lock.gates)
    counts = tally.finish([gate.use for gate in lock.gates], measures, review)
    expected = build_predicate(
        identity=recipe.identity,
        version=seal.predicate["synth_stack"],
        signature=seal.predicate["signature"],
        head=seal.head,
        context={"recipe_sha256": digests[layout.RECIPE][0], "gates_sha256": digests[layout.GATES][0]},
        counts=counts,
    )
    problems = [
        VerificationError(
            f"{layout.STATEMENT}: its {key} is not what the pack's rows and files give",
            seen=seal.predicate.get(key),
            allowed=repr(expected.get(key)),
        )
        for key in sorted({*expected, *seal.predicate})
        if seal.predicate.get(key) != expected.get(key)
    ]
    problems += _check_card(pack, recipe, lock, counts)
    data = {name: sha256 for name, (sha256, _) in digests.items() if name.startswith("data/")}
    if read_file(pack, layout.CROISSANT, max_bytes=MAX_FILE_BYTES) != render_croissant(recipe, data):
        problems.append(VerificationError(f"{layout.CROISSANT} does not describe this pack"))
    return counts, problems


def _check_card(pack: Path, recipe: RecipeLock, lock: GatesLock, counts: Counts) -> list[VerificationError]:
    try:
        card = read_file(pack, layout.CARD, max_bytes=MAX_CARD_BYTES).decode("utf-8")
        _, _, header = card.partition("---\n")
        metadata = parse_yaml(header.partition("\n---\n")[0], where=layout.CARD)
    except UnicodeDecodeError as exc:
        return [VerificationError(f"{layout.CARD} is not UTF-8: byte {exc.start}")]
    except ConfigError as exc:
        return [VerificationError(str(exc))]
    problems: list[VerificationError] = []
    if metadata != build_metadata(recipe, counts):
        problems.append(VerificationError(f"{layout.CARD}: its header does not describe this pack"))
    figures = render_figures(counts, lock.gates)
    if figures not in card or card.index(figures) != card.index(OPEN):
        problems.append(VerificationError(f"{layout.CARD}: its figures are not those of the rows"))
    return problems
