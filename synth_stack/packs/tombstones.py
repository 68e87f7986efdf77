"""Withdrawal: a signed, append-only list of what was withdrawn, and the rows of packs that it meets.

A list is a file of lines: the public key, then one signed envelope (DSSE) for each tombstone, which names the
digest of the line before it. `verify_pack.read_revocations` reads it, here and in the single-file verifier.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.files import open_regular, store_errors, write_bytes
from synth_stack.lineage.record import RECORD_SCHEMA
from synth_stack.lineage.sign import key_id, load_or_make_key, public_key_pem, sign_payload
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.data_rows import read_rows
from synth_stack.packs.refusals import raise_refusals
from synth_stack.packs.shards import read_shard
from synth_stack.packs.statement import Seal, read_withdrawn
from synth_stack.packs.verify_pack import MAX_REVOKED_BYTES, SELECTORS, Revocations, Tombstone, Withdrawal
from synth_stack.rows.canonical import canonical_json
from synth_stack.runs.folder import hold_alone
from synth_stack.text.printable import show

MAX_WORDS_CHARS = 2_000
"""Of who and why: a paragraph."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """A tombstone that was appended to the list at `path`, which has the digest `sha256` now."""

    path: Path
    tombstone: Tombstone
    key_id: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        told = self.tombstone
        return {
            "list": str(self.path),
            "sequence": told.sequence,
            "when": told.when,
            "select": {by: list(values) for by, values in told.select.items()},
            "sha256": self.sha256,
            "key_id": self.key_id,
        }

    def lines(self) -> list[str]:
        """The same for a person."""
        told = self.tombstone
        return show(
            f"revoked  tombstone {told.sequence} of {self.path}, {told.when}",
            *(f"selects  {by} {value}" for by, values in told.select.items() for value in values),
            f"list     SHA-256 {self.sha256}",
            f"key id   {self.key_id}",
        )


def revoke(
    path: Path,
    select: Mapping[str, Sequence[str]],
    *,
    who: str,
    why: str,
    when: datetime | None = None,
    key_path: Path | None = None,
) -> Revoked:
    """Append a tombstone to the list at `path`, made where there is none, and sign it.

    `select` maps some of `SELECTORS` to values: 32 hexadecimal digits of a row, a seed's id, a document's id,
    a template's `name@digest` or name, a teacher's name or digest, an eval item as `SET:ITEM`. `when` is now,
    unless given. Raises ConfigError for what no list can say, VerificationError for a list that was altered
    or is of another key, SigningError.
    """
    chosen = {by: sorted({*values}) for by, values in select.items() if values}
    _require_sayable(chosen, who, why)
    moment = (when or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    key = load_or_make_key(key_path)
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with hold_alone(path.with_name(f".{path.name}.lock"), str(path), remove=True):
        if path.exists():
            data = open_revocations(path, key_id(key.public_key())).data
        else:
            pem = public_key_pem(key).decode()
            data = canonical_json({"public_key": pem, "scheme": verify_pack.REVOCATION_SCHEME}) + b"\n"
        lines = data.split(b"\n")[:-1]
        entry = {
            "scheme": verify_pack.REVOCATION_SCHEME,
            "sequence": len(lines) - 1,
            "previous": hashlib.sha256(lines[-1]).hexdigest(),
            "who": who,
            "when": moment,
            "why": why,
            "select": chosen,
        }
        data += sign_payload(canonical_json(entry), key, verify_pack.REVOCATION_TYPE) + b"\n"
        with raise_refusals():
            revocations = verify_pack.read_revocations(data, str(path))
        write_bytes(path, data)
    return Revoked(path, revocations.tombstones[-1], revocations.key_id, revocations.sha256)


def open_revocations(path: Path, expected_key: str | None = None) -> Revocations:
    """The list at `path`, every signature checked. Raises VerificationError for one that was altered, and for
    one of another key than `expected_key`.
    """
    try:
        with open_regular(path) as file:
            data = file.read(MAX_REVOKED_BYTES + 1)
    except FileNotFoundError as exc:
        raise ConfigError(f"there is no list of tombstones at {path}") from exc
    with raise_refusals():
        return verify_pack.read_revocations(data, str(path), expected_key)


def open_for_pack(revoked: Path, pack: Path, seal: Seal) -> tuple[Revocations, frozenset[str]]:
    """The list at `revoked`, and the rows that are gone from the pack at `pack` already.

    Raises VerificationError for a list that was altered, is of another key than the pack's, or is older than
    the one that the pack was issued by.
    """
    revocations = open_revocations(revoked, seal.key_id)
    sizes, _, _ = layout.list_pack_files(pack)
    earlier = read_withdrawn(pack, sizes, seal)
    if earlier is None:
        return revocations, frozenset()
    _require_continuation(revocations, earlier.revocations, str(revoked))
    return revocations, frozenset(earlier.rows)


def _require_continuation(newer: Revocations, older: Revocations, where: str) -> None:
    if not newer.data.startswith(older.data):
        raise VerificationError(
            f"{where} does not go on from the list that the pack was issued by: it is older, or another",
            seen=f"{len(newer.tombstones)} tombstones, SHA-256 {newer.sha256}",
            allowed=f"the {len(older.tombstones)} tombstones of SHA-256 {older.sha256}, or more",
        )


def find_withdrawn(packs: Sequence[Path], tombstones: Sequence[Tombstone]) -> dict[Path, dict[str, str]]:
    """By pack, the accepted rows that tombstones withdraw: id to selector, or "descendant".

    A row that came from a withdrawn one of any of the packs is withdrawn too. The packs have to be verified:
    nothing is checked here. Memory is some 200 bytes for each row that names another one.
    """
    return {
        pack: {row_id: cause for row_id, (cause, decision) in found.items() if decision == "accepted"}
        for pack, found in find_descendants(packs, tombstones).items()
    }


def find_descendants(
    packs: Sequence[Path], tombstones: Sequence[Tombstone]
) -> dict[Path, dict[str, tuple[str, str]]]:
    """By pack, every row that tombstones meet, rejected ones too: id to (selector or "descendant", decision).

    Rows of a document are known where the data has them, which is the accepted rows alone.
    """
    withdrawal = Withdrawal(tombstones)
    members: dict[Path, dict[str, str]] = {}
    for pack in packs:
        names, faults, _ = layout.list_pack_files(pack)
        if faults:
            raise faults[0]
        members[pack] = {}
        for record in _read_records(pack, names):
            withdrawal.add(record)
            members[pack][record["row_id"]] = record["decision"]["decision"]
        if withdrawal.documents:
            for name in layout.list_row_files(names):
                for table in read_rows(pack, name, ["row_id", "documents"]):
                    for row_id in find_rows_of_documents(table, withdrawal.documents):
                        withdrawal.add_row(row_id, "document")
    causes = withdrawal.find_causes()
    return {
        pack: {row_id: (causes[row_id], rows[row_id]) for row_id in rows if row_id in causes}
        for pack, rows in members.items()
    }


def find_rows_of_documents(table: pa.Table, documents: frozenset[str]) -> list[str]:
    """The ids of the rows (columns row_id and documents) that have one of these documents, in order."""
    if not documents or not len(table):
        return []
    column = table["documents"].combine_chunks()
    ids = pc.struct_field(pc.list_flatten(column), "id")
    hit = pc.is_in(ids, value_set=pa.array(sorted(documents), pa.string()))
    places = pc.unique(pc.list_parent_indices(column).filter(hit))
    found: list[str] = table["row_id"].take(places).to_pylist()
    return found


def _read_records(pack: Path, names: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for name in layout.of_kind(names, "lineage", "records"):
        for table in read_shard(pack, name, RECORD_SCHEMA, ["record"]):
            for record in table["record"].to_pylist():
                yield orjson.loads(record)


def _require_sayable(select: Mapping[str, list[str]], who: str, why: str) -> None:
    if not select or not {*select} <= {*SELECTORS}:
        raise ConfigError(
            "a tombstone selects by nothing that there is", seen=sorted(select), allowed=", ".join(SELECTORS)
        )
    for what, said in (("who withdraws", who), ("why", why)):
        if not said.strip() or len(said) > MAX_WORDS_CHARS or not said.isprintable():
            raise ConfigError(
                f"a tombstone says {what} in one line",
                seen=said,
                allowed=f"1 to {MAX_WORDS_CHARS} characters",
            )
    for by, value in ((by, value) for by, values in select.items() for value in values):
        if not value.strip() or not value.isprintable() or not _FORMS.get(by, bool)(value):
            allowed = {"row": "32 hexadecimal characters", "eval_item": "SET:ITEM"}.get(by, "printable text")
            raise ConfigError(f"a tombstone cannot select that {by}", seen=value, allowed=allowed)


_FORMS: Mapping[str, Callable[[str], bool]] = {
    "row": verify_pack.is_row_id,
    "eval_item": lambda item: all(item.partition(":")),
}
