"""The table of lies about a mixture: what nobody signed again, and what the holder of its key did.

Whoever holds the key can mix other packs, and say so everywhere: that is another mixture, and no lie.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.lineage.merkle import leaf_hash
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.verify_pack import SOURCES, VERIFIER
from synth_stack.runs.folder import MANIFEST
from tests.packs.judged_run import read_predicate, reseal
from tests.packs.mixture.mixed_pack import Parts, mix, resign

Json = dict[str, Any]
Change = Callable[[Path, Parts], object]
"""What is done to the mixture at a path."""


@dataclass(frozen=True)
class MixedLie:
    """One lie: what `tell` does to a mixture, a part that some problem has to name (`says`), and whether the
    single file and the page, which open no Parquet file and write no card, find it too."""

    name: str
    tell: Change
    says: str
    single: bool = True


def list_lies() -> list[MixedLie]:
    """Every lie, by a name that no two share."""
    found = [*_list_edits(), *_list_statements(), *_list_entries(), *_list_forged()]
    assert len({lie.name for lie in found}) == len(found)
    return found


def swap(name: str, old: bytes, new: bytes) -> Change:
    """Some bytes of a file."""

    def change(folder: Path, _: Parts) -> None:
        data = (folder / name).read_bytes()
        assert old in data
        (folder / name).write_bytes(data.replace(old, new, 1))

    return change


def sign_again(change: Change, *, entries: bool = True) -> Change:
    """A change, and the mixture signed again: digests, sizes, the leaves of the packs (`entries`), the root."""

    def tell(folder: Path, parts: Parts) -> None:
        change(folder, parts)
        said = read_predicate(folder)[0]
        sources = sorted((folder / SOURCES).iterdir())
        if entries and len(sources) == len(said["packs"]):
            for source, pack in zip(sources, said["packs"], strict=True):
                pack["statement"] = leaf_hash(verify_pack.open_statement(source).statement).hex()
        leaves = [bytes.fromhex(pack["statement"]) for pack in said["packs"]]
        tree = {"size": len(leaves), "root": verify_pack.grow_root(leaves).hex()}
        resign(folder, parts.folder / "mixture.pem", packs=said["packs"], tree=tree)

    return tell


def _list_edits() -> Iterator[MixedLie]:
    for name, (change, says) in EDITS.items():
        yield MixedLie(name, change, "")
        yield MixedLie(f"{name}, signed", sign_again(change), says, not name.startswith(_WRITTEN))


def _list_statements() -> Iterator[MixedLie]:
    for name, (changes, says) in STATEMENTS.items():
        yield MixedLie(
            f"statement: {name}",
            _say(_update(changes)),
            says,
            name != "another name",
        )


def _list_entries() -> Iterator[MixedLie]:
    """What the statement says of the packs and of all together, told otherwise in one place or in several."""
    packs, counts = "its packs is not what the packs give", "its counts is not what the packs give"
    for key, value in ENTRY.items():
        lie = _say(_within_first(_update({key: value})))
        says = "its tree|another key|is not what|does not say" if key == "statement" else packs
        yield MixedLie(f"entry: another {key}", lie, says)
    for key in ENTRY:
        lie = _say(_within_first(_pop(key)))
        yield MixedLie(
            f"entry: no {key}", lie, f"{packs}|does not say what a mixture's statement says: packs"
        )
    yield MixedLie("entry: one key more", _say(lambda said: said["packs"][1].update(note="x")), packs)
    yield MixedLie("entries: exchanged", _say(lambda said: said["packs"].reverse()), f"{packs}|its tree")

    def share(said: Json) -> None:
        said["counts"]["synthetic"] = 0
        for each in (*said["packs"], *said["counts"]["slices"]):
            each["synthetic"] = 0

    def fewer(said: Json) -> None:
        said["counts"]["rows"] -= 1
        said["counts"]["slices"][0]["rows"] -= 1
        said["packs"][0]["rows"] -= 1

    yield MixedLie("share: none is synthetic, everywhere", _say(share), packs)
    yield MixedLie("share: of all", _say(lambda said: said["counts"].update(synthetic=1)), counts)
    yield MixedLie(
        "share: of a slice", _say(lambda said: said["counts"]["slices"][0].update(synthetic=0)), counts
    )
    yield MixedLie("share: a slice left out", _say(lambda said: said["counts"]["slices"].pop()), counts)
    yield MixedLie(
        "share: slices in another order", _say(lambda said: said["counts"]["slices"].reverse()), counts
    )
    yield MixedLie("share: a row fewer, everywhere", _say(fewer), packs)


def _list_forged() -> Iterator[MixedLie]:
    """Parts of one pack in another, and mixtures that `pack` refuses, made by whoever leaves its checks out."""
    changed = "was changed|is not the file|lacks|of another length|not what"
    yield MixedLie("pack: another in its place", _put("third"), changed)
    yield MixedLie("pack: another in its place, signed", sign_again(_put("third")), "its packs is not what")
    yield MixedLie(
        "pack: another, entry kept", sign_again(_put("third"), entries=False), "its packs is not what"
    )
    # what the single file opens fits then: card and documents, which name the pack, are the full verifier's
    yield MixedLie("pack: another, and its entry too", _tell_entry, r"README\.md|croissant", single=False)
    for what, names in {
        "tree": ("lineage/tiles/0.bin",),
        "index": (layout.INDEX,),
        "records": (layout.lines_name(0),),
        "rows": (layout.data_name(0, 1),),
        "statement": (layout.STATEMENT,),
        "statement and key": (layout.STATEMENT, layout.PUBLIC_KEY),
        "statement, key and list": (layout.STATEMENT, layout.PUBLIC_KEY, MANIFEST),
        "recipe": (layout.RECIPE,),
        "terms": (layout.CROISSANT,),
    }.items():
        told = sign_again(_graft(names), entries=what != "statement")
        yield MixedLie(f"pack: the {what} of another", told, "sources/01: ")
    for what, name in {"licence": "license", "terms": "usageInfo"}.items():
        lie = sign_again(_drop(name))
        yield MixedLie(
            f"pack: {what} dropped and signed by its own key", lie, "sources/00: croissant|its packs", True
        )
    yield MixedLie("forged: a row in two packs", _forge("first", "twin"), "stands in two packs")
    yield MixedLie("forged: a pack twice", _forge("first", "first"), "is the same pack as")
    yield MixedLie("forged: two forks of one ledger", _forge("batch1", "fork1"), "two forks of one ledger")
    yield MixedLie(
        "forged: a purpose that terms forbid", _forge("first", "second", purpose="commercial"), "do not allow"
    )
    yield MixedLie(
        "forged: a row that another pack withdraws", _forge("again", "child"), "is withdrawn by sources/00"
    )
    for name, says in {"later": "does not give the head", "gone": "is missing|cannot|lineage/ledger"}.items():
        yield MixedLie(f"ledger: {name}", sign_again(_place(name)), says)


def _say(change: Callable[[Json], object]) -> Change:
    """The statement changed, and signed; digests and sizes are those of the files."""

    def tell(folder: Path, parts: Parts) -> None:
        said = read_predicate(folder)[0]
        change(said)
        resign(folder, parts.folder / "mixture.pem", **said)

    return tell


def _update(values: Json) -> Callable[[Json], object]:
    return lambda said: said.update(values)


def _pop(key: str) -> Callable[[Json], object]:
    return lambda said: said.pop(key)


def _within_first(change: Callable[[Json], object]) -> Callable[[Json], object]:
    """The entry of the first pack, changed."""
    return lambda said: change(said["packs"][0])


def _put(name: str) -> Change:
    def change(folder: Path, parts: Parts) -> None:
        shutil.rmtree(folder / SOURCES / "01")
        shutil.copytree(getattr(parts, name), folder / SOURCES / "01")

    return change


def _tell_entry(folder: Path, parts: Parts) -> None:
    """Another pack, and its entry as it has to be; what all add up to stays."""
    _put("third")(folder, parts)
    entry = read_predicate(mix(parts.folder, [parts.first, parts.third], folder.name + "-entry"))[0]["packs"][
        1
    ]
    said = read_predicate(folder)[0]
    said["packs"][1] = entry
    leaves = [bytes.fromhex(pack["statement"]) for pack in said["packs"]]
    tree = {"size": 2, "root": verify_pack.grow_root(leaves).hex()}
    resign(folder, parts.folder / "mixture.pem", packs=said["packs"], tree=tree)


def _graft(names: Sequence[str]) -> Change:
    def change(folder: Path, parts: Parts) -> None:
        for name in names:
            shutil.copy(parts.first / name, folder / SOURCES / "01" / name)

    return change


def _drop(key: str) -> Change:
    """A pack whose own publisher leaves something out of the document that others read."""

    def change(folder: Path, parts: Parts) -> None:
        path = folder / SOURCES / "00" / layout.CROISSANT
        value = orjson.loads(path.read_bytes())
        del value[key]
        path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        reseal(folder / SOURCES / "00", parts.first.parent / "key.pem")

    return change


def _forge(*names: str, purpose: str | None = None) -> Change:
    def change(folder: Path, parts: Parts) -> None:
        shutil.rmtree(folder)
        with pytest.MonkeyPatch.context() as patch:
            for check in ("find_clashes", "find_forbidden"):
                patch.setattr(f"synth_stack.packs.mixture.write.{check}", lambda *_: [])
            packs = [getattr(parts, name) for name in names]
            made = mix(parts.folder, packs, f"forged-{folder.parent.name}", purpose=purpose)
        made.rename(folder)

    return change


def _place(what: str) -> Change:
    """Another place in the mixture's ledger than the file beside it gives."""

    def change(folder: Path, parts: Parts) -> None:
        shutil.rmtree(folder)
        ledger = folder.parent / "ledger.jsonl"
        mix(
            folder.parent,
            [parts.first, parts.third],
            "before",
            ledger=ledger,
            key=parts.folder / "mixture.pem",
        )
        mix(
            folder.parent,
            [parts.first, parts.second],
            folder.name,
            ledger=ledger,
            key=parts.folder / "mixture.pem",
        )
        if what == "gone":
            (folder / layout.LEDGER).unlink()
        else:
            data = (folder / layout.LEDGER).read_bytes()
            (folder / layout.LEDGER).write_bytes(data.replace(data[13:77], b"0" * 64, 1))

    return change


EDITS: dict[str, tuple[Change, str]] = {
    "card: another share": (swap(layout.CARD, b"| 18 | 18 | 100.0% |", b"| 18 | 1 | 5.6% |"), r"README\.md"),
    "card: another licence": (swap(layout.CARD, b"license: cc-by-4.0", b"license: mit"), r"README\.md"),
    "card: a file of its own": (
        swap(layout.CARD, b"sources/01/data/train-", b"sources/01/log/rejected-"),
        r"README\.md",
    ),
    "croissant": (swap(layout.CROISSANT, b"pack support_intents", b"pack of people"), r"croissant\.json"),
    "spdx": (swap(layout.SPDX, b'"CC-BY-4.0"', b'"MIT"'), "dataset.spdx.json"),
    "provenance": (swap(layout.PROVENANCE, b"18 of 18 rows", b"0 of 18 rows"), "data_provenance.json"),
    "summary": (swap(layout.TRAINING_SUMMARY, b"| 18 | 18 |", b"| 18 | 0 |"), r"training_summary\.md"),
    "card of a pack": (swap("sources/01/README.md", b"# Support", b"# Better"), "sources/01: README"),
    "rows of a pack": (
        lambda f, _: shutil.copy(f / "sources/00" / layout.data_name(0, 1), f / "sources/01/data/"),
        "sources/01: data/train",
    ),
    "two packs exchanged": (
        lambda f, _: (
            (f / "sources/00").rename(f / "x"),
            (f / "sources/01").rename(f / "sources/00"),
            (f / "x").rename(f / "sources/01"),
        ),
        "its packs is not what the packs give",
    ),
    "a pack left out": (lambda f, _: shutil.rmtree(f / "sources/01"), "fewer than two packs"),
    "a pack twice": (
        lambda f, _: shutil.copytree(f / "sources/00", f / "sources/02"),
        "sources/02 is the same pack as sources/00",
    ),
    "a file in a pack": (
        lambda f, _: (f / "sources/00/setup.py").touch(),
        "sources/00: setup.py does not belong",
    ),
    "a file beside": (lambda f, _: (f / "setup.py").touch(), "setup.py does not belong"),
    "the single file": (swap(VERIFIER, b"import os", b"import os "), "verify_pack.py is not the verifier"),
    "a hidden folder": (lambda f, _: (f / ".git").mkdir(), ".git does not belong"),
    "a mixture within": (
        lambda f, _: shutil.copytree(f / "sources/01/seeds", f / "sources/00/sources"),
        "sources/00: sources/",
    ),
}
_WRITTEN = ("card: ", "croissant", "spdx", "provenance", "summary", "the single file")
"""Lies about what the full verifier alone writes again."""
ENTRY: Json = {
    "folder": "sources/01",
    "name": "better",
    "statement": "f" * 64,
    "run": "f" * 64,
    "root": "f" * 64,
    "key_id": "f" * 64,
    "rows": 8,
    "synthetic": 0,
    "licenses": [],
    "output_terms": [],
}
STATEMENTS: dict[str, tuple[Json, str]] = {
    "another purpose": ({"purpose": "commercial"}, "do not allow this purpose: commercial"),
    "no purpose": ({"purpose": "fun"}, "its purpose is none that there is"),
    "another name": ({"name": "Better"}, r"README\.md"),
    "another scheme": ({"scheme": "synth_stack/mixture/v9"}, "of another scheme"),
    "more rows": ({"counts": {"rows": 19, "synthetic": 18, "slices": []}}, "its counts is not what"),
    "another root": ({"tree": {"size": 2, "root": "f" * 64}}, "its tree is not"),
    "no packs": ({"packs": []}, "its tree is not"),
    "a key more": ({"more": 1}, "does not say what a mixture's statement says: more"),
    "a number for a name": ({"name": 3}, "does not say what a mixture's statement says: name"),
    "other bytes": ({"bytes": {"README.md": 1}}, r"README\.md was changed"),
    "a place without a ledger": (
        {"ledger": {"sequence": 0, "previous": {"size": 0, "root": "f" * 64}}},
        "lineage/ledger.json",
    ),
    "a cosigner who did not sign": ({"cosigners": ["f" * 64]}, "lineage/cosignatures.json"),
    "packs that are no objects": ({"packs": [1, 2]}, "does not say what a mixture's statement says: packs"),
}
