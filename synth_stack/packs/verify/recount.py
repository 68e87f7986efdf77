"""What a pack states of itself - counts, card, documents, verifier - made again from its rows and
compared.
"""

import importlib.resources
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES
from synth_stack.packs import layout
from synth_stack.packs.card.card import render_card
from synth_stack.packs.counts import Counts, Tally
from synth_stack.packs.disclosure.documents import render_documents
from synth_stack.packs.disclosure.facts import Disclosure, build_disclosure
from synth_stack.packs.gate_log import MAX_MEASURES_BYTES, parse_measures
from synth_stack.packs.statement import Seal, build_predicate, read_file
from synth_stack.runs.locks import GatesLock, RecipeLock, parse_gates, parse_recipe

MAX_CARD_BYTES = 16 * 1024**2
"""A card holds both locks in part and the figures, so some 5 MB at most."""


def read_verifier() -> bytes:
    """The bytes of verify_pack.py, as they go into every pack."""
    return importlib.resources.files("synth_stack.packs").joinpath(layout.VERIFIER).read_bytes()


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
    seal: Seal,
    locks: tuple[RecipeLock, GatesLock],
    tally: Tally,
    *,
    review: dict[str, Any] | None = None,
) -> tuple[Counts, list[VerificationError]]:
    """The counts of the rows, and every statement of the pack that they do not bear out.

    Raises VerificationError for a file that holds no statement at all.
    """
    _, lock = locks
    measures = parse_measures(
        read_file(pack, layout.MEASURES, max_bytes=MAX_MEASURES_BYTES), lock.gates, tally.count_judged()
    )
    counts = tally.finish([gate.use for gate in lock.gates], measures, review)
    problems = compare_predicate(seal, locks, counts)
    problems += _compare_documents(pack, seal, locks, counts)
    problems += check_verifier(pack)
    return counts, problems


def check_verifier(pack: Path) -> list[VerificationError]:
    """What is wrong with the copy of the single file that lies in a pack."""
    if read_file(pack, layout.VERIFIER, max_bytes=MAX_FILE_BYTES) == read_verifier():
        return []
    return [
        VerificationError(f"{layout.VERIFIER} is not the verifier of {layout.PACK_SCHEME}; do not run it")
    ]


def disclose_sealed(seal: Seal, locks: tuple[RecipeLock, GatesLock], counts: Counts) -> Disclosure:
    """What the documents of a pack tell, by what was signed of it and counted in it."""
    recipe, lock = locks
    withdrawn, sizes = seal.predicate["withdrawn"], seal.predicate["bytes"]
    return build_disclosure(
        recipe,
        lock.gates,
        counts,
        root=seal.head.root.hex(),
        key_id=seal.key_id,
        files={
            name: (sha256, sizes[name]) for name, sha256 in seal.subjects.items() if name.startswith("data/")
        },
        withdrawn=0 if withdrawn is None else withdrawn["rows"],
    )


def _compare_documents(
    pack: Path, seal: Seal, locks: tuple[RecipeLock, GatesLock], counts: Counts
) -> list[VerificationError]:
    """What the card and the documents say otherwise than if they were written now."""
    recipe, lock = locks
    predicate, told = seal.predicate, disclose_sealed(seal, locks, counts)
    card = render_card(
        recipe,
        lock.gates,
        counts,
        told=told,
        signature=predicate["signature"],
        place=predicate["ledger"],
        withdrawn=predicate["withdrawn"],
        cosigners=predicate["cosigners"],
    )
    expected = {layout.CARD: card.encode("utf-8"), **render_documents(told)}
    return [
        problem
        for name, data in expected.items()
        for problem in compare_bytes(name, read_file(pack, name, max_bytes=MAX_CARD_BYTES), data)
    ]


def compare_predicate(
    seal: Seal, locks: tuple[RecipeLock, GatesLock], counts: Counts
) -> list[VerificationError]:
    """What the signed statement says otherwise than the locks and the rows."""
    recipe, lock = locks
    expected = build_predicate(
        identity=recipe.identity,
        version=seal.predicate["synth_stack"],
        signature=seal.predicate["signature"],
        head=seal.head,
        context={"recipe_sha256": seal.subjects[layout.RECIPE], "gates_sha256": seal.subjects[layout.GATES]},
        lock=lock,
        counts=counts,
        sizes=seal.predicate["bytes"],
        place=seal.predicate["ledger"],
        withdrawn=seal.predicate["withdrawn"],
        cosigners=seal.predicate["cosigners"],
    )
    return [
        VerificationError(
            f"{layout.STATEMENT}: its {key} is not what the pack's rows and files give",
            seen=seal.predicate.get(key),
            allowed=repr(expected.get(key)),
        )
        for key in sorted({*expected, *seal.predicate})
        if seal.predicate.get(key) != expected.get(key)
    ]


def compare_bytes(name: str, found: bytes, expected: bytes) -> list[VerificationError]:
    """What a file says otherwise than it would if it were written now: the first line that differs."""
    if found == expected:
        return []
    lines, wanted = found.split(b"\n"), expected.split(b"\n")
    place = next(
        (i for i, (a, b) in enumerate(zip(lines, wanted, strict=False)) if a != b),
        min(len(lines), len(wanted)),
    )
    seen = lines[place].decode("utf-8", "replace") if place < len(lines) else "its end"
    allowed = wanted[place].decode("utf-8", "replace")[:120] if place < len(wanted) else "its end"
    return [
        VerificationError(
            f"{name}: line {place + 1} is not what the rows, the gates and the recipe of this pack give",
            seen=seen,
            allowed=allowed,
        )
    ]
