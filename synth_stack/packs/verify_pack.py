"""Whether a pack of synth_stack is what was signed, on a machine that has Python 3.10 and `cryptography`
alone.

    python verify_pack.py PACK                   every file, record, decision and count
    python verify_pack.py PACK --key-id KEY_ID   and that this key signed it
    python verify_pack.py PACK --row ROW_ID      the record of one row alone
    python verify_pack.py MIXTURE                every pack in it, and what is said of them together

It is one file: copy it from the package, not from the pack that you want to check, since whoever made the
pack could have changed it there. It reads the signed canonical bytes of the records
(lineage/records-*.jsonl.gz) and of the tree (lineage/tiles); no Parquet file is opened, so that these hold
the same rows is not checked here. The verifier of the package (`synth-stack verify`) checks it, and every
rule that stands here with this very code.

Nothing in a pack is trusted: names and sizes are compared before a byte is read, nothing is followed out of
the folder, and every parser has a bound.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import bisect
import hashlib
import io
import json
import os
import re
import stat
import sys
import unicodedata
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

PACK_SCHEME = "synth_stack/pack/v9"
"""Stands in the signed statement. It fixes the layout, what this file checks, and how the card is written."""
RECORD_SCHEME = "synth_stack/lineage/v2"
RULE_SCHEME = "synth_stack/decision/v1"
MANIFEST_SCHEME = "synth_stack/manifest/v1"
MEASURES_SCHEME = "synth_stack/measures/v3"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://synth-stack.dev/lineage/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"

MANIFEST = "MANIFEST.json"
CARD = "README.md"
RECIPE = "recipe.yaml"
GATES = "gates.yaml"
CROISSANT = "croissant.json"
SPDX = "disclosure/dataset.spdx.json"
PROVENANCE = "disclosure/data_provenance.json"
TRAINING_SUMMARY = "disclosure/training_summary.md"
DOCUMENTS = (CROISSANT, SPDX, PROVENANCE, TRAINING_SUMMARY)
"""What a pack says of itself in the formats of others; the full verifier alone writes them again."""
MEASURES = "log/gates.json"
STATEMENT = "lineage/statement.dsse.json"
PUBLIC_KEY = "lineage/public_key.pem"
BUNDLE = "lineage/bundle.sigstore.json"
LEDGER = "lineage/ledger.json"
COSIGNATURES = "lineage/cosignatures.json"
C2PA_CHAIN = "lineage/c2pa_chain.pem"
TILES = "lineage/tiles"
INDEX = "lineage/index.bin"
"""Where each row stands in the tree, sorted by the first bytes of its id."""
VERIFIER = "verify_pack.py"
SEEDS = ("seeds/seeds.parquet", "seeds/taxonomy.yaml", "seeds/sections.json")
ROWS_SUBJECT = "rows"
"""The one subject of the statement that is no file: the Merkle root over the records of all rows."""
UNSIGNED = frozenset({STATEMENT, PUBLIC_KEY, BUNDLE, COSIGNATURES, MANIFEST})
"""What carries the signature, and the list that is written last."""
REQUIRED = (CARD, RECIPE, GATES, *DOCUMENTS, MEASURES, INDEX, STATEMENT, PUBLIC_KEY, VERIFIER, MANIFEST)

MAX_FILES = 100_000
"""More files than a pack of 500 million rows has, or as many images; a longer list is refused instead of
being read."""
MAX_NAME_CHARS = 200
MAX_DEPTH = 3
"""Folders in each other: lineage/tiles/0.bin has two."""
MAX_SEAL_BYTES = 64 * 1024**2
"""The statement, its envelope and the manifest take at most 350 bytes a file."""
MAX_MEASURES_BYTES = 16 * 1024**2
"""A gate has at most some hundred kinds of canaries and controls, of some hundred bytes each."""
MAX_VALUES = 2_000_000
"""Values in one JSON text: what a list or an object costs in memory is up to a hundred times what it costs
in the file, so the brackets and commas are counted before it is parsed."""
MAX_RECORD_BYTES = 4 * 1024**2
"""The longest record: a thousand times a common one."""
MAX_COUNT = 2**53 - 1
SPARSE_BYTES = 64 * 1024**2
MAX_SPARSE = 50
"""A file of at least SPARSE_BYTES that takes less than this share of its size on the disk is a hole."""

KINDS = ("instruction", "code", "dialogue", "preference", "tool", "adversarial", "image", "foreign")
OUTCOMES = ("accept", "reject", "hold", "abstain")
DECISIONS = ("accepted", "rejected", "held")
SCOPES = ("row", "lot", "slice", "batch")
CITED = ("replaced_by", "eval_set", "item", "twin")
ADVERSARIAL = "adversarial"
FOREIGN = "foreign"
PRECEDENCE = ("override reject", "reject", "failure", "override accept", "hold")
OVERRIDING = ["review"]
"""Who decides against gates: people, whose judgements are in the pack. It shows nothing of anybody else."""

HASH_BYTES = 32
INDEX_BYTES = 12
PREFIX_BYTES = 8
"""Of an entry of the index: the beginning of the id, and after it the number of the leaf."""
ID_BYTES = 16
ROW_BYTES = ID_BYTES + INDEX_BYTES - PREFIX_BYTES
RUN_ROWS = 131_072
TILE_HEIGHT = 8

KNOWN = re.compile(
    r"data/(?:train|adversarial)-\d{5}-of-\d{5}\.parquet"
    r"|log/decisions-\d{5}\.parquet|log/(?:rejected|held)-\d{5}-of-\d{5}\.parquet"
    r"|lineage/records-\d{5}\.(?:parquet|jsonl\.gz)"
    r"|lineage/tiles/\d\.bin|lineage/bundle\.sigstore\.json|lineage/ledger\.json"
    r"|lineage/cosignatures\.json|lineage/c2pa_chain\.pem"
    r"|lineage/revoked\.jsonl|lineage/withdrawn\.json"
    r"|seeds/(?:seeds\.parquet|taxonomy\.yaml|sections\.json)"
    r"|images/(?:metadata\.parquet|[0-9a-f]{2}/[0-9a-f]{64}\.(?:png|jpe?g|webp|gif|bmp|tiff?))"
    r"|review/(?:plan\.json|outcome\.json|answers\.jsonl|lots\.parquet|frame\.parquet|sample\.parquet)"
    r"|review/(?:earlier-\d{3}/)?(?:plan\.json|sample\.parquet|screened-\d{5}\.parquet)",
    re.ASCII,
)
_RECORDS = re.compile(r"lineage/records-(\d{5})\.jsonl\.gz", re.ASCII)
LEFT_BY_HUB = (".gitattributes", ".cache")
"""What the Hub's own download puts beside the files; no part of a pack, and nothing reads it."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ROW_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ROW_PREFIX = re.compile(r"[0-9a-f]{8,32}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?", re.ASCII)
VERSION = re.compile(r"[0-9][0-9A-Za-z.+_-]{0,39}", re.ASCII)
"""A version of this package, as packaging tools write one."""
MOMENT = re.compile(
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
)
"""A day that there is: the 29th of February in leap years alone."""
_REASON_CLASS = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_]*)+", re.ASCII)

Json = dict[str, Any]


class Refusal(Exception):
    """What is wrong with a pack, in one sentence that names the part."""

    def __init__(self, what: str, seen: object = None, allowed: str | None = None) -> None:
        self.what = what
        self.seen = seen
        self.allowed = allowed
        super().__init__(what)

    def __str__(self) -> str:
        seen = "" if self.seen is None else f"; seen: {_shorten(self.seen)}"
        return (
            f"{_print_safely(self.what)}{seen}{'' if self.allowed is None else f'; allowed: {self.allowed}'}"
        )


class MissingFile(Refusal):
    """A file that every pack has is not there."""


# --- files -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Listing:
    """The regular files of a pack by name with their bytes, what is wrong with it as a list of files, and
    what the Hub's download left beside them.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    faults: list[Refusal] = field(default_factory=list)
    left_by_hub: list[str] = field(default_factory=list)


def find_name_fault(name: str) -> str | None:
    """What is wrong with a file's path inside a pack, or None; it says nothing of the file itself."""
    parts = name.split("/")
    survives = name.isprintable() and unicodedata.normalize("NFC", name) == name
    faults = (
        (len(name) > MAX_NAME_CHARS, f"its name is longer than {MAX_NAME_CHARS} characters"),
        (any(part in {"", ".", ".."} for part in parts), "its path leads out of the pack or through nothing"),
        (any(part.startswith(".") for part in parts), "it is hidden"),
        (
            any(part != part.strip(" ") or part.endswith(".") for part in parts),
            "a name in it begins or ends with a space, or ends with a dot",
        ),
        (not survives or "\\" in name or ":" in name, "its name has a character that not every disk takes"),
        (name not in REQUIRED and not KNOWN.fullmatch(name), "no part of a pack has that name"),
    )
    return next((fault for is_so, fault in faults if is_so), None)


def list_pack(pack: Path | str) -> Listing:
    """The files of the folder `pack`; none is opened. Links, devices, hidden files, holes and names that no
    part of a pack has are faults, and are not listed. Raises Refusal for more than MAX_FILES, and OSError.
    """
    found = Listing()
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(os.path.join(pack, prefix) if prefix else pack) as entries:
            for entry in entries:
                _list_entry(f"{prefix}{entry.name}", entry, found, pending)
                if len(found.sizes) + len(found.faults) + len(pending) > MAX_FILES:
                    raise Refusal(f"the pack holds more than {MAX_FILES} files")
    found.sizes = dict(sorted(found.sizes.items()))
    found.faults.sort(key=str)
    found.faults += [MissingFile(f"{name} is missing") for name in REQUIRED if name not in found.sizes]
    return found


def _list_entry(name: str, entry: os.DirEntry[str], found: Listing, pending: list[str]) -> None:
    status = entry.stat(follow_symlinks=False)
    shown = _print_safely(name)
    if name in LEFT_BY_HUB and not stat.S_ISLNK(status.st_mode):
        found.left_by_hub.append(name)
    elif stat.S_ISDIR(status.st_mode):
        if name.count("/") >= MAX_DEPTH:
            found.faults.append(Refusal(f"{shown} does not belong into a pack: its folders are too deep"))
        else:
            pending.append(f"{name}/")
    elif not stat.S_ISREG(status.st_mode) or _is_junction(status):
        found.faults.append(Refusal(f"{shown} is a link or a device", allowed="regular files"))
    elif (fault := find_name_fault(name)) is not None:
        found.faults.append(Refusal(f"{shown} does not belong into a pack: {fault}"))
    elif _is_hole(status):
        found.faults.append(
            Refusal(f"{shown} is almost nothing but a hole in the disk", f"{status.st_size} bytes")
        )
    else:
        found.sizes[name] = status.st_size


def _is_junction(status: os.stat_result) -> bool:
    """Whether a file is a reparse point of Windows that no POSIX mode tells."""
    return bool(getattr(status, "st_reparse_tag", 0))


def _is_hole(status: os.stat_result) -> bool:
    blocks = getattr(status, "st_blocks", None)
    if blocks is None or status.st_size < SPARSE_BYTES:
        return False
    return bool(blocks * 512 < status.st_size / MAX_SPARSE)


def open_regular(pack: Path | str, name: str) -> IO[bytes]:
    """The file `name` of a pack, open to be read: a regular file, reached through no link. Raises Refusal."""
    path = os.path.join(pack, *name.split("/"))
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        folder = os.fspath(pack)
        for part in name.split("/")[:-1]:
            folder = os.path.join(folder, part)
            if stat.S_ISLNK(os.lstat(folder).st_mode):
                raise Refusal(f"{name} is reached through a link")
        handle = os.open(path, flags)
    except FileNotFoundError:
        raise Refusal(f"{name} is missing") from None
    except OSError as exc:
        raise Refusal(f"{name} cannot be read: {exc.strerror or exc}") from exc
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refusal(f"{name} is a link or a device", allowed="regular files")
    return os.fdopen(handle, "rb")


def read_bounded(pack: Path | str, name: str, max_bytes: int) -> bytes:
    """The bytes of one file of a pack. Raises Refusal for a longer one, or none."""
    with open_regular(pack, name) as file:
        try:
            data = file.read(max_bytes + 1)
        except OSError as exc:
            raise Refusal(f"{name} cannot be read: {exc.strerror or exc}") from exc
    if len(data) > max_bytes:
        raise Refusal(f"{name} is too large", allowed=f"at most {max_bytes} bytes")
    return data


def digest_bounded(pack: Path | str, name: str, size: int) -> str:
    """SHA-256 of one file that has `size` bytes. Raises Refusal when it has others by now."""
    digest, left = hashlib.sha256(), size
    with open_regular(pack, name) as file:
        try:
            while left and (block := file.read(min(left, 1024**2))):
                digest.update(block)
                left -= len(block)
            if left or file.read(1):
                raise Refusal(f"{name} was changed while it was read")
        except OSError as exc:
            raise Refusal(f"{name} cannot be read: {exc.strerror or exc}") from exc
    return digest.hexdigest()


# --- JSON --------------------------------------------------------------------------------------------------


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a value of ASCII keys, texts, whole numbers, truth values, lists and null.

    Raises ValueError for any other.
    """
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()


def parse_json(data: bytes, where: str) -> Any:
    """What a JSON text holds. Raises Refusal, starting with `where`, for none and for one of too many
    values.
    """
    if sum(map(data.count, (b"[", b"{", b","))) > MAX_VALUES:
        raise Refusal(f"{where} holds more values than it may", allowed=f"at most {MAX_VALUES}")
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise Refusal(f"{where} is not JSON: {_shorten(exc)}") from exc


def parse_canonical(data: bytes, where: str, *, end: bytes = b"") -> Any:
    """What a canonical JSON text holds, `end` after it. Raises Refusal for a byte that is not the canonical
    one.
    """
    value = parse_json(data, where)
    try:
        written = canonical(value) + end
    except (ValueError, RecursionError) as exc:
        raise Refusal(f"{where} is not JSON that can be canonical: {_shorten(exc)}") from exc
    if written != data:
        raise Refusal(f"{where} is not canonical JSON (RFC 8785)")
    return value


def _has(value: Any, **kinds: type) -> bool:
    """Whether a value is an object of just these keys, each of that very type."""
    return (
        type(value) is dict
        and value.keys() == kinds.keys()
        and all(type(value[name]) is kind for name, kind in kinds.items())
    )


# --- the seal ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """What a signature covers: files by SHA-256, the predicate, and the id of the key."""

    statement: bytes
    subjects: Mapping[str, str]
    predicate: Json
    key_id: str


def open_statement(pack: Path | str, key_id: str | None = None) -> SignedStatement:
    """The signed statement of a pack, its signature checked with the key that comes with it, or that of
    `key_id`.

    Raises Refusal.
    """
    envelope = read_bounded(pack, STATEMENT, MAX_SEAL_BYTES)
    return check_envelope(envelope, read_bounded(pack, PUBLIC_KEY, 4096), key_id)


def check_envelope(envelope: bytes, pem: bytes, key_id: str | None = None) -> SignedStatement:
    """The statement in an envelope, its signature checked with the key in `pem`, or that of `key_id`. Raises
    Refusal.
    """
    key, found = read_key(pem)
    payload, named, signature = open_envelope(envelope, STATEMENT)
    if named != found:
        raise Refusal(f"{STATEMENT} was signed with another key", named, found)
    check_signature(key, signature, payload, STATEMENT)
    if key_id is not None and found != key_id:
        raise Refusal(f"{PUBLIC_KEY} is not the expected key", found, key_id)
    subjects, predicate = read_statement(payload)
    return SignedStatement(payload, subjects, predicate, found)


def read_key(pem: bytes, where: str = PUBLIC_KEY, *, cosigns: bool = False) -> tuple[Any, str]:
    """An Ed25519 public key, or where it `cosigns` one of ML-DSA-65, and its id. Raises Refusal for PEM that
    is written otherwise than packs have it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise Refusal(f"{where} is no public key in PEM: {_shorten(exc)}") from exc
    is_lattice = cosigns and type(key).__name__ == "MLDSA65PublicKey"
    if not isinstance(key, Ed25519PublicKey) and not is_lattice:
        raise Refusal(f"{where}: the public key is of another kind", type(key).__name__, "Ed25519")
    if key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) != pem:
        raise Refusal(f"{where} is not written as packs have it")
    return key, hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def open_envelope(envelope: bytes, where: str, kind: str = PAYLOAD_TYPE) -> tuple[bytes, str, bytes]:
    """Payload, key id and signature of a DSSE envelope (v1) in its one canonical form. Raises Refusal."""
    value = parse_canonical(envelope, where)
    if not _has(value, payload=str, payloadType=str, signatures=list):
        raise Refusal(f"{where} is not a DSSE envelope")
    if len(value["signatures"]) != 1 or not _has(value["signatures"][0], keyid=str, sig=str):
        raise Refusal(f"{where} is not a DSSE envelope with exactly one signature")
    if value["payloadType"] != kind:
        raise Refusal(f"{where} holds another payload type", value["payloadType"], kind)
    one = value["signatures"][0]
    return _decode(value["payload"], where), one["keyid"], _decode(one["sig"], where)


def _decode(text: str, where: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Refusal(f"{where} is not a DSSE envelope: {_shorten(exc)}") from exc
    if base64.b64encode(data).decode() != text:
        raise Refusal(f"{where} is not a DSSE envelope: its base64 has spare bits")
    return data


def check_signature(key: Any, signature: bytes, payload: bytes, where: str, kind: str = PAYLOAD_TYPE) -> None:
    """Raises Refusal unless `signature` is Ed25519 over DSSE's pre-authentication encoding of `payload`."""
    from cryptography.exceptions import InvalidSignature

    name = kind.encode()
    try:
        key.verify(signature, b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload))
    except InvalidSignature as exc:
        raise Refusal(f"the signature in {where} does not fit its statement") from exc


def read_statement(payload: bytes) -> tuple[dict[str, str], Json]:
    """Subjects (name to SHA-256) and predicate of an in-toto statement of a pack. Raises Refusal."""
    where = f"the statement in {STATEMENT}"
    value = parse_canonical(payload, where)
    if not _has(value, _type=str, subject=list, predicateType=str, predicate=dict):
        raise Refusal(f"{where} is not an in-toto statement")
    if value["_type"] != STATEMENT_TYPE or value["predicateType"] != PREDICATE_TYPE:
        raise Refusal(f"{where} is of another type", value["predicateType"], PREDICATE_TYPE)
    subjects: dict[str, str] = {}
    for number, subject in enumerate(value["subject"]):
        if not _has(subject, name=str, digest=dict) or not _has(subject["digest"], sha256=str):
            raise Refusal(f"{where}: subject {number} is not a name with one SHA-256")
        name, digest = subject["name"], subject["digest"]["sha256"]
        if name in subjects or not _SHA256.fullmatch(digest):
            raise Refusal(f"{where}: subject {number} stands twice, or has no SHA-256", name)
        subjects[name] = digest
    if list(subjects) != sorted(subjects):
        raise Refusal(f"{where}: its subjects are not in order")
    return subjects, value["predicate"]


# --- the predicate -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedDial:
    """A threshold of a gate: on which side of it a verdict of these classes stands."""

    rejects: str
    threshold: float
    action: str
    classes: frozenset[str]

    def is_crossed(self, score: float) -> bool:
        """Whether a score is on the side that turns a row away."""
        if self.rejects == "<":
            return score < self.threshold
        return score > self.threshold or (self.rejects == ">=" and score == self.threshold)


@dataclass(frozen=True, slots=True)
class SignedGate:
    """A gate as the signature has it: its place in the order of work, whether it saw rejected rows too, the
    dials that it decides by on the column `score`, where these stand, and the canaries of each kind that it
    was asked for.
    """

    place: int
    sees_all: bool
    dials: tuple[SignedDial, ...]
    thresholds: frozenset[float]
    planted: int


@dataclass(frozen=True, slots=True)
class SignedRule:
    """How verdicts became decisions: the gates in the order of work, and whose verdicts override others."""

    order: tuple[str, ...]
    overriding: tuple[str, ...]
    gates: Mapping[str, SignedGate]

    @property
    def places(self) -> dict[str, int]:
        """Whose verdict comes before whose, where both would decide."""
        return {name: place for place, name in enumerate((*self.overriding, *self.order))}


PREDICATE = (
    *"scheme run synth_stack signature tree recipe_sha256 gates_sha256 rule gates counts".split(),
    *("ledger", "withdrawn", "cosigners", "bytes"),
)


def check_predicate(signed: SignedStatement) -> None:
    """Raises Refusal for a predicate that does not say what a pack's says, in the shape that it has there."""
    said, where = signed.predicate, STATEMENT
    if said.get("scheme") != PACK_SCHEME:
        raise Refusal(f"{where} is of another scheme", said.get("scheme"), PACK_SCHEME)
    if sorted(said) != sorted(PREDICATE):
        odd = sorted({*said} ^ {*PREDICATE})
        raise Refusal(f"{where} does not say what a pack's statement says", odd[0])
    tree = said["tree"]
    if not _has(tree, size=int, root=str) or not _SHA256.fullmatch(tree["root"]) or tree["size"] < 0:
        raise Refusal(f"{where} does not say what a pack's statement says: tree", tree)
    for name in ("run", "recipe_sha256", "gates_sha256"):
        if type(said[name]) is not str or not _SHA256.fullmatch(said[name]):
            raise Refusal(f"{where} does not say what a pack's statement says: {name}", said[name])
    if not _matches(VERSION, said["synth_stack"]):
        raise Refusal(f"{where}: the version of synth_stack is none", said["synth_stack"])
    if said["signature"] not in {"local", "sigstore"}:
        raise Refusal(f"{where} does not say what a pack's statement says: signature", said["signature"])
    if type(said["counts"]) is not dict or type(said["bytes"]) is not dict:
        raise Refusal(f"{where} does not say what a pack's statement says: counts, bytes")
    _check_promised(said["cosigners"], signed.key_id, "pack")
    if signed.subjects.get(ROWS_SUBJECT) != tree["root"]:
        raise Refusal(f"{where} names two different roots, or no rows")
    for name, digest in (("recipe_sha256", RECIPE), ("gates_sha256", GATES)):
        if signed.subjects.get(digest) != said[name]:
            raise Refusal(f"{where}: its {name} is not that of {digest}")


def _check_promised(others: Any, key_id: str, kind: str) -> None:
    """Raises Refusal for a list of cosigners that is none, or not in order."""
    if type(others) is not list or any(not _matches(_SHA256, each) for each in others):
        raise Refusal(f"{STATEMENT} does not say what a {kind}'s statement says: cosigners")
    if others != sorted({*others} - {key_id}):
        raise Refusal(f"{STATEMENT}: its cosigners are not in order, or stand there twice")


COSIGNATURES_SCHEME = "synth_stack/cosignatures/v1"
MAX_COSIGNATURES_BYTES = 1024**2
"""A signature of ML-DSA-65 and its key take 7 kB in base64."""


def check_cosigners(pack: Path | str, signed: SignedStatement) -> tuple[str, ...]:
    """The ids of the further keys that signed: those that the statement names, and whoever signed later.

    Raises Refusal for a signature that is none, and where one is missing that the statement names.
    """
    promised = signed.predicate["cosigners"]
    if not promised and not os.path.lexists(os.path.join(pack, *COSIGNATURES.split("/"))):
        return ()
    data = read_bounded(pack, COSIGNATURES, MAX_COSIGNATURES_BYTES)
    value = parse_canonical(data, COSIGNATURES, end=b"\n")
    if not _has(value, scheme=str, signatures=list) or value["scheme"] != COSIGNATURES_SCHEME:
        raise Refusal(f"{COSIGNATURES} is of another scheme, or of none")
    if not value["signatures"] or any(
        not _has(each, public_key=str, sig=str) for each in value["signatures"]
    ):
        raise Refusal(f"{COSIGNATURES}: a signature is none")
    found = []
    for each in value["signatures"]:
        key, named = read_key(each["public_key"].encode("utf-8", "replace"), COSIGNATURES, cosigns=True)
        check_signature(key, _decode(each["sig"], COSIGNATURES), signed.statement, COSIGNATURES)
        found.append(named)
    if found != sorted({*found} - {signed.key_id}):
        raise Refusal(f"{COSIGNATURES}: its keys are not in order, or one stands there twice")
    missing = sorted({*promised} - {*found})
    if missing:
        raise Refusal(f"{COSIGNATURES} lacks a signature that {STATEMENT} names", allowed=missing[0])
    return tuple(found)


def require_signers(
    signed: SignedStatement, cosigners: Iterable[str], needed: int, keys: Iterable[str]
) -> None:
    """Raises Refusal unless at least `needed` of the keys, by id, signed: the first one, or `cosigners`,
    whose signatures are checked.
    """
    expected = {*keys}
    count = len(expected & {signed.key_id, *cosigners})
    if count < needed:
        raise Refusal(f"{count} of the {len(expected)} expected keys signed", allowed=f"at least {needed}")


def read_rule(predicate: Mapping[str, Any], where: str = STATEMENT) -> SignedRule:
    """The rule and the gates of a signed predicate. Raises Refusal, starting with `where`, for one that is
    not of its gates.
    """
    rule, gates = predicate["rule"], predicate["gates"]
    if not _has(rule, scheme=str, order=list, overriding=list, precedence=list) or type(gates) is not list:
        raise Refusal(f"{where}: its rule is none")
    known: dict[str, SignedGate] = {}
    for place, gate in enumerate(gates):
        if not _has(gate, gate=str, all=bool, canaries=int, dials=list):
            raise Refusal(f"{where}: gate {place} is not described as one")
        every = [_read_dial(dial, f"{where}: a dial of {gate['gate']}") for dial in gate["dials"]]
        # a gate that spares rows beyond a threshold for another reason says so, and is not held to it
        dials = tuple(dial for dial, strict in every if strict)
        thresholds = frozenset(dial.threshold for dial in dials)
        known[gate["gate"]] = SignedGate(place, gate["all"], dials, thresholds, gate["canaries"])
    if rule["scheme"] != RULE_SCHEME or rule["precedence"] != list(PRECEDENCE):
        raise Refusal(f"{where}: its rule is another", rule["scheme"], RULE_SCHEME)
    if rule["overriding"] != OVERRIDING:
        raise Refusal(
            f"{where}: its rule lets others than people override gates", rule["overriding"], "review"
        )
    names = rule["order"] + rule["overriding"]
    if (
        any(type(name) is not str for name in names)
        or len(set(names)) != len(names)
        or rule["order"] != [*known]
    ):
        raise Refusal(
            f"{where}: its rule is not that of its gates, in the order of work",
            rule["order"],
            ", ".join(known),
        )
    return SignedRule(tuple(rule["order"]), tuple(rule["overriding"]), known)


def _read_dial(dial: Any, what: str) -> tuple[SignedDial, bool]:
    shape = {"rejects": str, "threshold": str, "action": str, "classes": list, "strict": bool}
    if (
        not _has(dial, **shape)
        or dial["rejects"] not in {">", ">=", "<"}
        or not _is_decimal(dial["threshold"])
    ):
        raise Refusal(f"{what} is not described as one")
    if any(type(name) is not str for name in dial["classes"]):
        raise Refusal(f"{what} is not described as one")
    classes = frozenset(dial["classes"])
    read = SignedDial(dial["rejects"], float(dial["threshold"]), dial["action"], classes)
    return read, dial["strict"]


def _is_decimal(text: Any) -> bool:
    """Whether a text is the shortest decimal of a finite float, as `repr` writes it."""
    return (
        type(text) is str
        and len(text) <= 32
        and _DECIMAL.fullmatch(text) is not None
        and repr(float(text)) == text
    )


# --- records -----------------------------------------------------------------------------------------------

_RECORD = frozenset(
    "scheme row_id row_sha256 kind slice locale failure origin verdicts decision context".split()
)
_ORIGIN = {
    **dict.fromkeys(
        "source_id seed_id parent_id teacher teacher_digest template_id params".split(), (str, None)
    ),
    **dict.fromkeys("generator generator_version".split(), (str,)),
    "models": (list, None),
    "draw": (int,),
    "rng_seed": (int, None),
    "replayable": (bool,),
}
_VERDICT = frozenset("gate outcome score threshold reason reason_class cites evidence_sha256 scope".split())
_DECISION = frozenset("decision gate reason reason_class replaced_by".split())


def parse_record(data: bytes, where: str) -> Json:
    """The record that a line holds, after every check that its bytes alone allow. Raises Refusal."""
    record = parse_canonical(data, where)
    fault = _find_record_fault(record)
    if fault is not None:
        raise Refusal(f"{where}: {fault}")
    return dict(record)


def _find_record_fault(record: Any) -> str | None:
    if type(record) is not dict or record.keys() != _RECORD:
        return "it does not have the keys of a record"
    texts = all(_is_text(record[name]) for name in ("slice", "locale", "failure"))
    if record["scheme"] != RECORD_SCHEME or not texts:
        return "it is no record of this scheme"
    if record["kind"] not in KINDS:
        return f"its kind is none that there is: {_shorten(record['kind'])}"
    if not _matches(_SHA256, record["row_sha256"]) or record["row_id"] != record["row_sha256"][:32]:
        return "row_id does not begin row_sha256"
    origin, context = record["origin"], record["context"]
    if type(origin) is not dict or origin.keys() != _ORIGIN.keys():
        return "its origin does not have the keys of one"
    for name, kinds in _ORIGIN.items():
        if (
            origin[name] is None
            if None not in kinds
            else origin[name] is not None and type(origin[name]) not in kinds
        ):
            return f"its {name} is of another type"
        if type(origin[name]) not in kinds and origin[name] is not None:
            return f"its {name} is of another type"
    if any(not _has_texts(model, "part name digest".split()) for model in origin["models"] or ()):
        return "its models are none"
    if not _has_texts(context, ["gates_sha256", "recipe_sha256"]):
        return "its context does not have the keys of one"
    if record["row_id"] in {origin["parent_id"], origin["seed_id"], origin["source_id"]}:
        return "its row came from itself"
    if type(record["verdicts"]) is not list:
        return "its verdicts are no list"
    faults = (_find_verdict_fault(verdict, record["row_id"]) for verdict in record["verdicts"])
    return next((fault for fault in faults if fault), None) or _find_decision_fault(record["decision"])


def _find_verdict_fault(verdict: Any, row_id: str) -> str | None:
    if type(verdict) is not dict or verdict.keys() != _VERDICT:
        return "a verdict does not have the keys of one"
    if type(verdict["gate"]) is not str or not _is_text(verdict["reason"]):
        return "a verdict names no gate, or its reason is no text"
    if verdict["outcome"] not in OUTCOMES or verdict["scope"] not in SCOPES:
        return f"a verdict has an unknown word: {_shorten([verdict['outcome'], verdict['scope']])}"
    for name in ("score", "threshold"):
        if verdict[name] is not None and not _is_decimal(verdict[name]):
            return f"a {name} is not a shortest decimal"
    if verdict["reason_class"] is not None and not _matches(_REASON_CLASS, verdict["reason_class"]):
        return "a reason_class is none"
    if verdict["evidence_sha256"] is not None and not _matches(_SHA256, verdict["evidence_sha256"]):
        return "the digest of an evidence is none"
    cites = verdict["cites"]
    if cites is not None and not (
        type(cites) is dict and cites and {*cites} <= {*CITED} and _are_texts(cites)
    ):
        return "a verdict cites nothing, or what no verdict cites"
    if cites is not None and verdict["evidence_sha256"] is None:
        return "a verdict cites something without evidence"
    if cites is not None and row_id in {cites.get("twin"), cites.get("replaced_by")}:
        return "a verdict names its own row as another"
    if cites is not None and "replaced_by" in cites and verdict["outcome"] != "reject":
        return "a verdict names a row in the place of one that it does not reject"
    return None


def _find_decision_fault(decision: Any) -> str | None:
    if type(decision) is not dict or decision.keys() != _DECISION or decision["decision"] not in DECISIONS:
        return "its decision is none"
    if not all(_is_text(decision[name]) for name in ("gate", "reason")):
        return "its decision is none"
    if decision["reason_class"] is not None and not _matches(_REASON_CLASS, decision["reason_class"]):
        return "the reason_class of its decision is none"
    if decision["replaced_by"] is not None and not _matches(_ROW_ID, decision["replaced_by"]):
        return "its replaced_by is no row id"
    return None


def _is_text(value: Any) -> bool:
    return value is None or type(value) is str


def _are_texts(value: Mapping[str, Any]) -> bool:
    return all(type(each) is str for each in value.values())


def _has_texts(value: Any, names: Sequence[str]) -> bool:
    return type(value) is dict and sorted(value) == sorted(names) and all(map(_is_text, value.values()))


def _matches(form: re.Pattern[str], value: Any) -> bool:
    return type(value) is str and form.fullmatch(value) is not None


# --- verdicts and decisions --------------------------------------------------------------------------------


def decide_record(record: Mapping[str, Any], rule: SignedRule, places: Mapping[str, int]) -> Json:
    """The decision that the verdicts of a record give (decisions/decide.py says the same of whole tables).

    A row is rejected by an overriding reject; else by the first gate that rejects it; else for its `failure`;
    else accepted by an overriding accept; else held by the first gate that holds it; else accepted.
    """
    best: tuple[int, int] | None = None
    told: Json = {}
    for verdict in record["verdicts"]:
        outcome, gate = verdict["outcome"], verdict["gate"]
        place = places.get(gate)
        overrides = gate in rule.overriding
        if place is None or outcome == "abstain" or (outcome == "accept" and not overrides):
            continue
        weight = {"reject": 0 if overrides else 1, "accept": 3, "hold": 4}[outcome]
        if best is None or (weight, place) < best:
            best, told = (weight, place), verdict
    if record["failure"] is not None and (best is None or best[0] > 2):
        maker = "reader" if record["kind"] == FOREIGN else "generator"
        return _decision("rejected", maker, record["failure"], f"{maker}.failure", None)
    if best is None or best[0] == 3:
        return _decision("accepted", None, None, None, None)
    if best[0] == 4:
        return _decision("held", told["gate"], told["reason"], told["reason_class"], None)
    replaced_by = (told["cites"] or {}).get("replaced_by")
    return _decision("rejected", told["gate"], told["reason"], told["reason_class"], replaced_by)


def _decision(decision: str, gate: Any, reason: Any, reason_class: Any, replaced_by: Any) -> Json:
    return {
        "decision": decision,
        "gate": gate,
        "reason": reason,
        "reason_class": reason_class,
        "replaced_by": replaced_by,
    }


def find_decision_fault(
    record: Mapping[str, Any], rule: SignedRule, places: Mapping[str, int]
) -> Refusal | None:
    """What a record's verdicts and decision say against the gates and against each other; None where nothing.

    Each gate that a row reached said one thing of it, in the order of work, and may have held it later; a
    verdict stands on the side of its dial that its score is on; and the decision is the one that the verdicts
    give.
    """
    fault = _find_order_fault(record, rule)
    if fault is not None:
        return fault
    for verdict in record["verdicts"]:
        gate = rule.gates.get(verdict["gate"])
        fault = None if gate is None else _find_dial_fault(verdict, gate, record["row_id"])
        if fault is not None:
            return fault
    given = decide_record(record, rule, places)
    if given != record["decision"]:
        name = next(key for key in _DECISION_ORDER if given[key] != record["decision"][key])
        return Refusal(
            f"the {name} of row {record['row_id']} is not what its verdicts give",
            repr(record["decision"][name]),
            repr(given[name]),
        )
    return None


MAX_PATTERNS = 10_000
"""Ways of deciding that are kept: a batch has some hundreds, by gates, classes of reasons and thresholds."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What follows from who said what of a row, whatever its scores: which verdict decides it and how, and
    for some verdicts the dials that their score has to be beyond (True), or must not be.
    """

    decision: str
    place: int | None
    scored: tuple[tuple[int, bool, tuple[SignedDial, ...]], ...]


class DecisionCheck:
    """`find_decision_fault` of many records by one rule, in a third of its time.

    What does not depend on a score is worked out once for all records of whom the same was said.
    """

    def __init__(self, rule: SignedRule) -> None:
        self._rule, self._places = rule, rule.places
        self._patterns: dict[tuple[object, ...], _Pattern] = {}

    def find_fault(self, record: Mapping[str, Any]) -> Refusal | None:
        """What is wrong with the verdicts and the decision of a record; None where nothing is."""
        verdicts = record["verdicts"]
        key = (
            record["failure"] is None,
            *[
                (
                    *(verdict["gate"], verdict["outcome"], verdict["scope"], verdict["reason_class"]),
                    *(verdict["threshold"], verdict["reason"] is None, verdict["score"] is None),
                )
                for verdict in verdicts
            ],
        )
        pattern = self._patterns.get(key)
        if pattern is None:
            fault = find_decision_fault(record, self._rule, self._places)
            if fault is None:
                if len(self._patterns) >= MAX_PATTERNS:
                    self._patterns.clear()
                self._patterns[key] = self._describe(record)
            return fault
        is_sound = self._decide(record, pattern) == record["decision"] and all(
            any(dial.is_crossed(float(verdicts[place]["score"])) for dial in dials) == beyond
            for place, beyond, dials in pattern.scored
        )
        return None if is_sound else find_decision_fault(record, self._rule, self._places)

    def _describe(self, record: Mapping[str, Any]) -> _Pattern:
        """The pattern of a record in which nothing is wrong."""
        decided = record["decision"]
        wanted = {"rejected": {"reject"}, "held": {"hold"}}.get(decided["decision"], set())
        place = next(
            (
                place
                for place, verdict in enumerate(record["verdicts"])
                if verdict["gate"] == decided["gate"] and verdict["outcome"] in wanted
            ),
            None,
        )
        scored = []
        for number, verdict in enumerate(record["verdicts"]):
            gate, said = self._rule.gates.get(verdict["gate"]), verdict["reason_class"]
            if gate is None or verdict["score"] is None or verdict["outcome"] == "abstain":
                continue
            if verdict["outcome"] == "accept":
                dials = tuple(dial for dial in gate.dials if dial.action in {"reject", "hold"})
            else:
                dials = tuple(dial for dial in gate.dials if said in dial.classes)
            if dials:
                scored.append((number, verdict["outcome"] != "accept", dials))
        return _Pattern(decided["decision"], place, tuple(scored))

    def _decide(self, record: Mapping[str, Any], pattern: _Pattern) -> Json:
        if pattern.decision == "accepted":
            return _ACCEPTED
        if pattern.place is None:
            return decide_record(record, self._rule, self._places)
        told = record["verdicts"][pattern.place]
        cited = told["cites"] or {}
        replaced_by = cited.get("replaced_by") if pattern.decision == "rejected" else None
        return _decision(pattern.decision, told["gate"], told["reason"], told["reason_class"], replaced_by)


_ACCEPTED = _decision("accepted", None, None, None, None)
_DECISION_ORDER = ("decision", "gate", "reason", "reason_class", "replaced_by")


def _find_order_fault(record: Mapping[str, Any], rule: SignedRule) -> Refusal | None:
    """A gate that is missing, unknown, out of order, or there twice."""
    row_id, said = record["row_id"], record["verdicts"]
    position, gone = 0, False
    for name in rule.order:
        gate = rule.gates[name]
        first = said[position] if position < len(said) and said[position]["gate"] == name else None
        if first is None and (gate.sees_all or not gone):
            return _explain_missing(name, position, record, rule)
        if first is None:
            continue
        if gone and not gate.sees_all:
            return Refusal(f"row {row_id} has a verdict of {name}, which it did not reach")
        position += 1
        if position < len(said) and said[position]["gate"] == name:
            late = said[position]
            if late["outcome"] != "hold" or late["scope"] == "row":
                return Refusal(
                    f"row {row_id} has two verdicts of {name}, the second of which is no late hold"
                )
            position += 1
        gone = gone or first["outcome"] == "reject"
    people: list[str] = [verdict["gate"] for verdict in said[position:]]
    for name in people:
        if name not in rule.overriding:
            what = (
                "is not in order, or stands there twice"
                if name in rule.gates
                else f"is of no gate in {GATES}"
            )
            return Refusal(f"row {row_id}: a verdict of {_shorten(name)} {what}")
    if people != sorted(people):
        return Refusal(f"row {row_id}: the verdicts are not in order")
    return None


def _explain_missing(name: str, position: int, record: Mapping[str, Any], rule: SignedRule) -> Refusal:
    row_id, said = record["row_id"], record["verdicts"]
    if any(verdict["gate"] == name for verdict in said):
        return Refusal(f"the verdicts on row {row_id} are not in order")
    stray = said[position]["gate"] if position < len(said) else None
    if stray is not None and stray not in rule.gates and stray not in rule.overriding:
        return Refusal(f"row {row_id}: a verdict of {_shorten(stray)} is of no gate in {GATES}")
    return Refusal(f"row {row_id} has no verdict of {name}, which it reached")


def _find_dial_fault(verdict: Mapping[str, Any], gate: SignedGate, row_id: str) -> Refusal | None:
    """A verdict without a class of its gate, or on the wrong side of a dial on its score."""
    name, outcome, said = verdict["gate"], verdict["outcome"], verdict["reason_class"]
    if outcome in {"reject", "hold"} and (said is None or not said.startswith(f"{name}.")):
        return Refusal(f"row {row_id}: {name} turned it away for a class that is none of its own", said)
    if outcome == "accept" and (said is not None or verdict["reason"] is not None):
        return Refusal(
            f"row {row_id}: {name} accepts it, and gives a reason against it", said or verdict["reason"]
        )
    if verdict["score"] is None or outcome == "abstain" or not gate.dials:
        return None
    score, crossed = float(verdict["score"]), False
    for dial in gate.dials:
        if dial.is_crossed(score):
            crossed = crossed or said in dial.classes
            if outcome == "accept" and dial.action in {"reject", "hold"}:
                return Refusal(
                    f"row {row_id}: {name} accepts it, and its score is beyond the threshold",
                    verdict["score"],
                    f"not {dial.rejects} {dial.threshold!r}",
                )
    mine = [] if crossed or said is None else [dial for dial in gate.dials if said in dial.classes]
    if mine:
        return Refusal(
            f"row {row_id}: {name} turned it away as {said}, and its score is within the threshold",
            verdict["score"],
            " or ".join(f"{dial.rejects} {dial.threshold!r}" for dial in mine),
        )
    if verdict["threshold"] is not None and float(verdict["threshold"]) not in gate.thresholds:
        return Refusal(
            f"row {row_id}: the threshold of {name} is none of those in {GATES}",
            verdict["threshold"],
            ", ".join(map(repr, sorted(gate.thresholds))),
        )
    return None


# --- counts ------------------------------------------------------------------------------------------------

_AWAY = {"rejected": "reject", "held": "hold"}


@dataclass(slots=True)
class RecordCounts:
    """What the statement says of the rows, counted from their records; and the rows that decisions name.

    `see` is shown the record of each row that stands in data/.
    """

    rule: SignedRule
    see: Callable[[Json], None] = lambda record: None
    decisions: Counter[str] = field(default_factory=Counter)
    looked_at: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    late: set[str] = field(default_factory=set)
    splits: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, str] = field(default_factory=dict)
    replacements: int = 0
    withdrawn: frozenset[str] = frozenset()

    def add(self, record: Json) -> None:
        """Count one record; they come in the order of the tree."""
        decided = record["decision"]
        decision, gate = decided["decision"], decided["gate"] or ""
        self.decisions[decision] += 1
        verdicts = record["verdicts"]
        self.looked_at.update({verdict["gate"] for verdict in verdicts})
        self.abstained.update({verdict["gate"] for verdict in verdicts if verdict["outcome"] == "abstain"})
        if self.waiting and self.waiting.get(record["row_id"], "") == record["origin"]["parent_id"]:
            del self.waiting[record["row_id"]]
            self.replacements += 1
        if decision == "accepted":
            if record["row_id"] in self.withdrawn:
                return
            self.splits[ADVERSARIAL if record["kind"] == ADVERSARIAL else "train"] += 1
            self.see(record)
            return
        self.decided[gate, decision] += 1
        if decided["replaced_by"] is not None:
            self.waiting[decided["replaced_by"]] = record["row_id"]
        if verdicts:
            self.late.add(gate)

    def require_replacements(self) -> None:
        """Raises Refusal for a decision that names a row which does not stand after it."""
        for replacement, original in self.waiting.items():
            raise Refusal(
                f"row {original} is replaced by {replacement}, and no such row stands after it and names it"
            )

    def count_judged(self) -> dict[str, int]:
        """By gate the rows that it could say something of, in a batch with an accepted row; none in any
        other.
        """
        if not self.decisions["accepted"]:
            return {}
        return {gate: rows - self.abstained[gate] for gate, rows in self.looked_at.items()}

    def to_json(self, self_tests: list[Json]) -> Json:
        """The counts as the statement has them."""
        decided = {name: self.decisions[name] for name in DECISIONS}
        stages = [
            {
                "gate": name,
                "looked_at": self.looked_at[name],
                "abstained": self.abstained[name],
                "rejected": self.decided[name, "rejected"],
                "held": self.decided[name, "held"],
            }
            for name in self._order()
        ]
        splits = {name: self.splits[name] for name in ("train", ADVERSARIAL) if self.splits[name]}
        return {
            "generated": self.decisions.total() - self.replacements,
            "replacements": self.replacements,
            **decided,
            "gates": stages,
            "self_tests": self_tests,
            **({"splits": splits} if self.splits[ADVERSARIAL] else {}),
        }

    def _order(self) -> list[str]:
        """The stages: what decided before any gate, the gates, and whoever decided after them."""
        gates = self.rule.order
        others = sorted(({gate for gate, _ in self.decided} | set(self.looked_at)) - set(gates))
        early = [name for name in others if name not in self.late and name not in self.looked_at]
        return [*early, *gates, *(name for name in others if name not in early)]


def read_self_tests(pack: Path | str, rule: SignedRule, judged: Mapping[str, int]) -> list[Json]:
    """The self-tests of log/gates.json as the statement has them. Raises Refusal for what no gate could have
    done, and for a gate that `judged` rows and planted none although it was asked to.
    """
    value = parse_canonical(read_bounded(pack, MEASURES, MAX_MEASURES_BYTES), MEASURES, end=b"\n")
    if not _has(value, scheme=str, gates=list) or value["scheme"] != MEASURES_SCHEME:
        raise Refusal(f"{MEASURES} is of another scheme, or of none")
    entries: dict[str, Any] = {}
    for entry in value["gates"]:
        if type(entry) is not dict or entry.keys() != {"gate", "self_test", "counts"}:
            raise Refusal(f"{MEASURES} does not say of each gate what it should")
        if type(entry["gate"]) is not str or entry["gate"] not in rule.gates or entry["gate"] in entries:
            raise Refusal(f"{MEASURES} speaks of a gate twice, or of one that did not judge", entry["gate"])
        entries[entry["gate"]] = entry["self_test"]
    found = []
    for name, gate in rule.gates.items():
        if gate.planted:
            found.append(_sum_self_test(name, gate.planted, entries.get(name), judged.get(name, 0)))
        elif entries.get(name) is not None:
            raise Refusal(f"{MEASURES} has a self-test of {name}, which was asked for none")
    return found


def _sum_self_test(name: str, asked: int, said: Any, judged: int) -> Json:
    if not _has(said, canaries=list, controls=list):
        raise Refusal(f"{MEASURES} does not say how {name} did in its self-test")
    sums = []
    for kinds in (said["canaries"], said["controls"]):
        names: set[str] = set()
        for kind in kinds:
            if not _has(kind, kind=str, planted=int, turned_away=int) or kind["kind"] in {"", *names}:
                raise Refusal(f"{MEASURES}: a kind of {name} is none, or stands there twice")
            names.add(kind["kind"])
            if not 0 <= kind["turned_away"] <= kind["planted"]:
                raise Refusal(
                    f"{MEASURES}: {name} turned away more rows than were planted", kind["turned_away"]
                )
            if not 1 <= kind["planted"] <= asked:
                raise Refusal(
                    f"{MEASURES}: {name} has more rows of a kind than it was asked for", kind["planted"]
                )
        sums.append((sum(k["planted"] for k in kinds), sum(k["turned_away"] for k in kinds)))
    (planted, caught), (innocent, away) = sums
    if not planted + innocent and judged:
        raise Refusal(
            f"{MEASURES}: {name} judged {judged} rows and planted none", 0, f"up to {asked} of each kind"
        )
    return {"gate": name, "planted": planted, "caught": caught, "innocent": innocent, "turned_away": away}


# --- the tree ----------------------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data), RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x00" + data).digest()


class GrowingTree:
    """The Merkle tree of RFC 6962, section 2.1, leaf by leaf, in memory of its height.

    `on_tile` is called with each hash of every eighth level, in order: (level, hash).
    """

    def __init__(self, on_tile: Callable[[int, bytes], None] | None = None) -> None:
        self._nodes: list[bytes | None] = []
        self._on_tile = on_tile
        self.size = 0

    def add(self, leaf: bytes) -> None:
        """Append the hash of a leaf."""
        node, level = leaf, 0
        tell = self._on_tile
        if tell is not None:
            tell(0, node)
        while level < len(self._nodes) and (left := self._nodes[level]) is not None:
            node = hashlib.sha256(b"\x01" + left + node).digest()
            self._nodes[level] = None
            level += 1
            if tell is not None and level % TILE_HEIGHT == 0:
                tell(level // TILE_HEIGHT, node)
        if level == len(self._nodes):
            self._nodes.append(None)
        self._nodes[level] = node
        self.size += 1

    def root(self) -> bytes:
        """The root over the leaves so far."""
        found: bytes | None = None
        for node in self._nodes:
            if node is not None:
                found = node if found is None else hashlib.sha256(b"\x01" + node + found).digest()
        return hashlib.sha256(b"").digest() if found is None else found


class StoredTiles:
    """The tile files of a pack, read along with the tree that grows. Raises Refusal at the first other
    hash.
    """

    def __init__(self, pack: Path | str, size: int, sizes: Mapping[str, int]) -> None:
        self._files: list[IO[bytes]] = []
        self._at: Counter[int] = Counter()
        levels = 1
        while size >> (TILE_HEIGHT * levels):
            levels += 1
        for level in range(levels):
            name, wanted = f"{TILES}/{level}.bin", (size >> (TILE_HEIGHT * level)) * HASH_BYTES
            if sizes.get(name) != wanted:
                self.close()
                raise Refusal(
                    f"{name} is not of the length that its leaves give", sizes.get(name, 0), f"{wanted} bytes"
                )
            self._files.append(open_regular(pack, name))
        extra = sorted(n for n in sizes if n.startswith(f"{TILES}/") and n not in _tile_names(levels))
        if extra:
            self.close()
            raise Refusal(f"{extra[0]} belongs to no level of the tree")

    def compare(self, level: int, node: bytes) -> None:
        """Raises Refusal where the next hash of that level is another."""
        number = self._at[level]
        self._at[level] += 1
        if level >= len(self._files) or self._files[level].read(HASH_BYTES) != node:
            raise Refusal(f"{TILES}/{level}.bin: hash {number} is not what its leaves give")

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def _tile_names(levels: int) -> set[str]:
    return {f"{TILES}/{level}.bin" for level in range(levels)}


# --- the records of a pack ---------------------------------------------------------------------------------


def list_records(names: Iterable[str]) -> list[str]:
    """The files of canonical records, in order. Raises Refusal where they are not numbered from 0 on."""
    found = sorted(name for name in names if _RECORDS.fullmatch(name))
    wanted = [f"lineage/records-{number:05d}.jsonl.gz" for number in range(max(len(found), 1))]
    for name, expected in zip(found or [""], wanted):  # noqa: B905  (of one length)
        if name != expected:
            raise Refusal(f"{expected} is missing")
    return found


def read_lines(pack: Path | str, name: str) -> Iterator[bytes]:
    """The records of one file as bytes, each of at most MAX_RECORD_BYTES. Raises Refusal."""
    with open_regular(pack, name) as raw:
        try:
            if (start := raw.read(len(GZIP_START))) and start != GZIP_START:
                raise Refusal(f"{name} does not begin as packs have it: a name, a time or another format")
            raw.seek(0)
            with io.BufferedReader(_OneMember(raw, name), 256 * 1024) as file:
                while line := file.readline(MAX_RECORD_BYTES + 1):
                    if not line.endswith(b"\n"):
                        fault = (
                            "a line is too long"
                            if len(line) > MAX_RECORD_BYTES
                            else "its last line does not end"
                        )
                        raise Refusal(f"{name}: {fault}")
                    yield line[:-1]
        except (OSError, zlib.error) as exc:
            raise Refusal(f"{name} is not a readable gzip file: {_shorten(exc)}") from exc


GZIP_START = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
"""Deflate, and neither a name nor a time nor a comment (RFC 1952, section 2.3)."""


class _OneMember(io.RawIOBase):
    """What a gzip file of one member unpacks to. Raises Refusal for one that is cut, or holds more."""

    def __init__(self, packed: IO[bytes], name: str) -> None:
        self._packed, self._name = packed, name
        self._unpack, self._left = zlib.decompressobj(31), b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        """Fill `target` with the next bytes; 0 at the end."""
        view = memoryview(target).cast("B")
        while not self._unpack.eof:
            self._left = self._left or self._packed.read(64 * 1024)
            if not self._left:
                raise Refusal(f"{self._name} is not a readable gzip file: it ends before its end")
            data = self._unpack.decompress(self._left, len(view))
            self._left = self._unpack.unconsumed_tail
            if data:
                view[: len(data)] = data
                return len(data)
        if self._unpack.unused_data or self._packed.read(1):
            raise Refusal(f"{self._name} is not a readable gzip file: more stands after its end")
        return 0


# --- the whole ---------------------------------------------------------------------------------------------


LOCAL_NOTE = "signed with a local key: proves integrity, not who signed; check the key with --key-id"
PARQUET_NOTE = (
    "the Parquet files were compared with their digests, not with the records: see synth-stack verify"
)
MIXED_KEYS_NOTE = (
    "of the packs the keys are those that came with them: look each up where its publisher says it"
)


def describe_identity(has_bundle: bool, checked: str | None = None) -> str:
    """Whether an identity signed, and whether it was checked: `checked` is who, if it was."""
    if not has_bundle:
        return "none: there is no sigstore bundle, so no identity signed"
    if checked is None:
        return f"not checked: {BUNDLE} is there; synth-stack verify --identity WHO --issuer URL checks it"
    return f"checked: {checked}"


def describe_inner_bundle(folder: str) -> str:
    """What is said of a pack in a mixture that an identity signed too."""
    return f"the identity in {folder}/{BUNDLE} was not checked: verify {folder} alone with --identity"


@dataclass(slots=True)
class Findings:
    """What the checks gave: nothing is wrong where `problems` is empty.

    `key_checked` says that whoever asked named the key, or the keys, that must have signed.
    """

    problems: list[Refusal] = field(default_factory=list)
    passed: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    root: str | None = None
    key_id: str | None = None
    counts: Json = field(default_factory=dict)
    key_checked: bool = False
    identity: str = "not checked: no signature could be read"


def compare_sizes(
    sizes: Mapping[str, int], listed: Mapping[str, Any] | None, signed: Mapping[str, Any] | None
) -> dict[str, Refusal]:
    """What is wrong with names and bytes on the disk, by name, before a byte is hashed: against the manifest,
    and against the bytes that were signed; either may be None.
    """
    known = sorted({*sizes, *(listed or {}), *(signed or {})} - {MANIFEST})
    faults = {name: _find_size_fault(name, sizes.get(name), listed, signed) for name in known}
    return {name: fault for name, fault in faults.items() if fault is not None}


def _find_size_fault(
    name: str, size: int | None, listed: Mapping[str, Any] | None, signed: Mapping[str, Any] | None
) -> Refusal | None:
    entry = None if listed is None else listed.get(name)
    vouched = None if signed is None else signed.get(name)
    if size is None:
        if signed is None or vouched is not None or name in UNSIGNED:
            return Refusal(f"{name} is missing")
        return Refusal(f"{MANIFEST} lists a file that was never part of the pack", name)
    if listed is not None and (entry is None or entry["bytes"] != size):
        if vouched == size:
            return Refusal(f"{MANIFEST} does not list {name} as it was signed")
        if entry is None:
            return Refusal(f"{name} was added: {MANIFEST} does not list it")
        seen, allowed = f"{size} bytes", f"{entry['bytes']} bytes"
        return Refusal(f"{name} was changed: it is not the file that {MANIFEST} lists", seen, allowed)
    if signed is None or vouched == size or name in UNSIGNED:
        return None
    if vouched is None:
        return Refusal(f"{name} was added: {STATEMENT} does not list it")
    return Refusal(
        f"{name} was changed: it is not the file that {STATEMENT} lists", f"{size} bytes", f"{vouched} bytes"
    )


def read_manifest(pack: Path | str) -> Json:
    """MANIFEST.json: scheme, facts, files. Raises Refusal."""
    value = parse_canonical(read_bounded(pack, MANIFEST, MAX_SEAL_BYTES), MANIFEST, end=b"\n")
    if not _has(value, scheme=str, facts=dict, files=dict):
        raise Refusal(f"{MANIFEST} is not a list of files with facts")
    if value["scheme"] != MANIFEST_SCHEME:
        raise Refusal(f"{MANIFEST} has another scheme", value["scheme"], MANIFEST_SCHEME)
    for name, entry in value["files"].items():
        if (
            not _has(entry, sha256=str, bytes=int)
            or not _SHA256.fullmatch(entry["sha256"])
            or entry["bytes"] < 0
        ):
            raise Refusal(f"{MANIFEST}: {_shorten(name)} is not listed with a SHA-256 and its bytes")
    return dict(value)


def build_facts(predicate: Mapping[str, Any]) -> Json:
    """The facts of the manifest: what the statement says, for a reader who only lists packs."""
    return {
        "scheme": predicate["scheme"],
        "run": predicate["run"],
        "root": predicate["tree"]["root"],
        "generated": predicate["counts"].get("generated"),
        "accepted": predicate["counts"].get("accepted"),
        "withdrawn": predicate["withdrawn"],
    }


def inspect(
    pack: Path | str, key_id: str | None = None, signers: tuple[int, Sequence[str]] | None = None
) -> Findings:
    """Every check that needs no Parquet reader, of the pack at that folder. `signers` are how many of which
    keys must have signed. Raises nothing that a pack can cause.
    """
    found = Findings(key_checked=key_id is not None or signers is not None)
    try:
        if is_mixture(pack):
            _inspect_mixture(pack, key_id, found, signers)
        else:
            _inspect(pack, key_id, found, signers)
    except Refusal as exc:
        found.problems.append(exc)
    except OSError as exc:
        found.problems.append(Refusal(f"{exc.filename or pack} cannot be read: {exc.strerror or exc}"))
    except MemoryError:
        found.problems.append(Refusal(f"{pack} takes more memory than there is"))
    return found


def _inspect(
    pack: Path | str,
    key_id: str | None,
    found: Findings,
    signers: tuple[int, Sequence[str]] | None,
    see: Callable[[Json], None] = lambda record: None,
) -> None:
    """`see` is shown the record of each row that stands in data/."""
    listing = list_pack(pack)
    found.problems += listing.faults
    found.notes += [f"{name} was left by the Hub and is no part of the pack" for name in listing.left_by_hub]
    if listing.faults:
        return
    signed = _open_signed(pack, check_predicate, key_id, found, signers)
    found.identity = describe_identity(signed.predicate["signature"] == "sigstore")
    if (signed.predicate["signature"] == "sigstore") != (BUNDLE in listing.sizes):
        raise Refusal(f"{BUNDLE} does not belong to a pack signed with a key alone, or is missing")
    manifest = read_manifest(pack)
    found.problems += compare_sizes(listing.sizes, manifest["files"], signed.predicate["bytes"]).values()
    if found.problems:
        return
    _compare_digests(pack, listing.sizes, manifest, signed, found)
    if found.problems:
        return
    found.passed.append((len(listing.sizes), "files"))
    rule = read_rule(signed.predicate)
    withdrawn = check_withdrawn(pack, listing.sizes, signed.predicate["withdrawn"], signed.key_id)
    gone = frozenset[str]() if withdrawn is None else withdrawn.rows
    counts = RecordCounts(rule, see, withdrawn=gone)
    _read_records(pack, listing.sizes, signed, counts)
    found.counts = counts.to_json(read_self_tests(pack, rule, counts.count_judged()))
    for name in sorted({*found.counts, *signed.predicate["counts"]}):
        if found.counts.get(name) != signed.predicate["counts"].get(name):
            raise Refusal(
                f"{STATEMENT}: its counts.{name} is not what the records give",
                repr(signed.predicate["counts"].get(name)),
                _shorten(repr(found.counts.get(name))),
            )
    check_ledger(pack, listing.sizes, signed.predicate["ledger"])
    rows = counts.decisions.total()
    found.passed += [(rows, "lineage records"), (rows, "decisions")]
    found.notes.append(PARQUET_NOTE)
    if not found.key_checked:
        found.notes.append(LOCAL_NOTE)


def _open_signed(
    pack: Path | str,
    check: Callable[[SignedStatement], None],
    key_id: str | None,
    found: Findings,
    signers: tuple[int, Sequence[str]] | None,
) -> SignedStatement:
    """What was signed, by whom it must be, and checked in its form; `found` then names root and key."""
    signed = open_statement(pack, key_id)
    check(signed)
    cosigners = check_cosigners(pack, signed)
    if signers is not None:
        require_signers(signed, cosigners, *signers)
    found.root, found.key_id = signed.predicate["tree"]["root"], signed.key_id
    return signed


def _compare_digests(
    pack: Path | str, sizes: Mapping[str, int], manifest: Json, signed: SignedStatement, found: Findings
) -> None:
    is_mixed = signed.predicate["scheme"] == MIXTURE_SCHEME
    for name in sorted({*signed.subjects} - {*sizes, PACKS_SUBJECT if is_mixed else ROWS_SUBJECT}):
        found.problems.append(Refusal(f"{name} is missing"))
    for name, size in sizes.items():
        if name == MANIFEST:
            continue
        digest = digest_bounded(pack, name, size)
        if name not in UNSIGNED and signed.subjects.get(name) != digest:
            found.problems.append(
                Refusal(f"{name} was changed: it is not the file that {STATEMENT} lists", f"SHA-256 {digest}")
            )
        elif manifest["files"][name]["sha256"] != digest:
            found.problems.append(Refusal(f"{MANIFEST} does not list {name} as it was signed"))
    facts = build_mixture_facts if is_mixed else build_facts
    if not found.problems and manifest["facts"] != facts(signed.predicate):
        found.problems.append(Refusal(f"{MANIFEST}: its facts are not those that were signed"))


def _read_records(
    pack: Path | str, sizes: Mapping[str, int], signed: SignedStatement, counts: RecordCounts
) -> None:
    """Check and count every record of a pack, against the tree, its tiles and its index."""
    said = signed.predicate
    size, check = said["tree"]["size"], DecisionCheck(counts.rule)
    context = {"gates_sha256": said["gates_sha256"], "recipe_sha256": said["recipe_sha256"]}
    index = LeafOrder()
    if sizes.get(INDEX) != size * INDEX_BYTES:
        raise Refusal(
            f"{INDEX} is not of the length that its leaves give",
            sizes.get(INDEX, 0),
            f"{size * INDEX_BYTES} bytes",
        )
    tiles = StoredTiles(pack, size, sizes)
    tree = GrowingTree(tiles.compare)
    try:
        for name in list_records(sizes):
            for line in read_lines(pack, name):
                where = f"{name}: record {tree.size}"
                if tree.size >= size:
                    raise Refusal(f"{where} stands after the end of the signed tree")
                record = parse_record(line, where)
                tree.add(leaf_hash(line))
                index.add(bytes.fromhex(record["row_id"]), tree.size - 1)
                if record["context"] != context:
                    raise Refusal(f"{where} was recorded for another recipe or gate file")
                fault = check.find_fault(record)
                if fault is not None:
                    raise Refusal(f"{name}: {fault.what}", fault.seen, fault.allowed)
                counts.add(record)
        if tree.size != size or tree.root().hex() != said["tree"]["root"]:
            raise Refusal("the lineage records are not those that were signed", tree.size, f"{size} records")
        index.compare(pack)
    finally:
        tiles.close()
        index.close()
    counts.require_replacements()


class LeafOrder:
    """Where each row stands in the tree, by its id; RUN_ROWS rows are in memory, more lie in a temporary
    file of 20 bytes a row. Close it.
    """

    def __init__(self) -> None:
        self._rows: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._written = 0
        self._runs: list[list[int]] = []

    def add(self, row_id: bytes, leaf: int) -> None:
        self._rows.append(row_id + leaf.to_bytes(INDEX_BYTES - PREFIX_BYTES, "big"))
        if len(self._rows) >= RUN_ROWS:
            self._write_run()

    def close(self) -> None:
        """Give the temporary file back."""
        if self._file is not None:
            self._file.close()

    def compare(self, pack: Path | str) -> None:
        """Raises Refusal for a row that was added twice, and for an index of other entries, or in another
        order.
        """
        number = 0
        with open_regular(pack, INDEX) as file:
            for rows in self._each_sorted():
                if len({row[:ID_BYTES] for row in rows}) < len(rows):
                    [(row_id, _)] = Counter(row[:ID_BYTES] for row in rows).most_common(1)
                    raise Refusal(f"row {row_id.hex()} stands in the lineage twice")
                for row in rows:
                    if file.read(INDEX_BYTES) != _index_entry(row):
                        raise Refusal(f"{INDEX}: entry {number} is not what the records give")
                    number += 1

    def _write_run(self) -> None:
        import tempfile

        rows = sorted(self._rows, key=_index_entry)
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  (close() gives it back)
        self._file.seek(self._written * ROW_BYTES)
        self._file.writelines(rows)
        ends = [bisect.bisect_left(rows, bytes([first])) for first in range(256)]
        self._runs.append([self._written + end for end in (*ends, len(rows))])
        self._written += len(rows)
        self._rows = []

    def _each_sorted(self) -> Iterator[list[bytes]]:
        """The rows in the order of the index; those that begin with the same byte are in one piece."""
        if self._file is None:
            yield sorted(self._rows, key=_index_entry)
            return
        self._write_run()
        for first in range(256):
            rows: list[bytes] = []
            for run in self._runs:
                self._file.seek(run[first] * ROW_BYTES)
                data = self._file.read((run[first + 1] - run[first]) * ROW_BYTES)
                rows += [data[start : start + ROW_BYTES] for start in range(0, len(data), ROW_BYTES)]
            yield sorted(rows, key=_index_entry)


def _index_entry(row: bytes) -> bytes:
    return row[:PREFIX_BYTES] + row[ID_BYTES:]


# --- the ledger --------------------------------------------------------------------------------------------

LEDGER_SCHEME = "synth_stack/ledger/v1"
MAX_BATCHES = 1_000_000


def check_ledger(pack: Path | str, sizes: Mapping[str, int], place: Any) -> list[bytes] | None:
    """The leaf hashes of the batches before this one, if they give the head in its signed `place`; None
    without.

    Raises Refusal.
    """
    if place is None:
        if LEDGER in sizes:
            raise Refusal(f"{LEDGER} does not belong to a pack that has no place in a ledger")
        return None
    if not _has(place, sequence=int, previous=dict) or not _has(place["previous"], size=int, root=str):
        raise Refusal(f"{STATEMENT}: its place in a ledger is none")
    value = parse_canonical(read_bounded(pack, LEDGER, MAX_SEAL_BYTES * 8), LEDGER, end=b"\n")
    if not _has(value, scheme=str, entries=list) or value["scheme"] != LEDGER_SCHEME:
        raise Refusal(f"{LEDGER} is of another scheme, or of none")
    entries = value["entries"]
    if any(not _matches(_SHA256, entry) for entry in entries):
        raise Refusal(f"{LEDGER}: an entry is no SHA-256")
    if len({*entries}) != len(entries):
        raise Refusal(f"{LEDGER}: a batch stands in it twice, and each signs another place")
    leaves = [bytes.fromhex(entry) for entry in entries]
    tree = GrowingTree()
    for leaf in leaves:
        tree.add(leaf)
    previous = place["previous"]
    if not len(leaves) == previous["size"] == place["sequence"] or tree.root().hex() != previous["root"]:
        raise Refusal(f"{LEDGER} does not give the head that was signed", tree.root().hex(), previous["root"])
    return leaves


# --- withdrawal --------------------------------------------------------------------------------------------

REVOKED = "lineage/revoked.jsonl"
"""The list of tombstones that a reissued pack honours, as its publisher signed it."""
WITHDRAWN = "lineage/withdrawn.json"
"""The accepted rows that it withdraws, which the pack's data no longer holds."""
REVOCATION_SCHEME = "synth_stack/revocation/v1"
WITHDRAWN_SCHEME = "synth_stack/withdrawn/v1"
REVOCATION_TYPE = "application/vnd.synth-stack.revocation+json"
SELECTORS = ("row", "seed", "document", "template", "teacher", "eval_item")
MAX_REVOKED_BYTES = 64 * 1024**2
"""A tombstone takes some 800 bytes, and 40 for each further row that it names."""
CORPUS_SELECTORS = frozenset({"seed", "document"})
"""Whoever withdraws a text of the seed corpus wants it gone from seeds/ too."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One entry of a list: who withdrew what, when and why. `select` maps selectors to values."""

    sequence: int
    who: str
    when: str
    why: str
    select: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Revocations:
    """A signed list of tombstones: the entries in order, the id of the key that signed, and the bytes."""

    tombstones: tuple[Tombstone, ...]
    key_id: str
    data: bytes

    @property
    def sha256(self) -> str:
        """The digest of the list as it is now; a longer one has another."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def documents(self) -> frozenset[str]:
        """The documents whose rows are withdrawn."""
        return frozenset(each for t in self.tombstones for each in t.select.get("document", ()))

    @property
    def leaves_out_corpus(self) -> bool:
        """Whether a reissued pack goes without seeds/, since a text in it was withdrawn."""
        return any(CORPUS_SELECTORS & {*tombstone.select} for tombstone in self.tombstones)


def read_revocations(data: bytes, where: str, key_id: str | None = None) -> Revocations:
    """The list that `data` holds, every entry signed by the key in its first line and naming the one before.

    With `key_id`, that key has to be the one of that id. Raises Refusal.
    """
    lines = data.split(b"\n")
    if len(data) > MAX_REVOKED_BYTES or lines.pop() != b"":
        raise Refusal(f"{where} is torn or too large for a list of tombstones")
    header: Any = parse_canonical(lines[0], f"{where}: line 1") if lines else None
    if not _has(header, public_key=str, scheme=str) or header["scheme"] != REVOCATION_SCHEME:
        raise Refusal(f"{where} is no list of tombstones")
    key, named = read_key(header["public_key"].encode(), f"the key in {where}")
    if key_id is not None and named != key_id:
        raise Refusal(f"{where} is the list of another key", named, key_id)
    found = []
    for number, line in enumerate(lines[1:]):
        told = f"{where}: tombstone {number}"
        payload, signer, signature = open_envelope(line, told, REVOCATION_TYPE)
        if signer != named:
            raise Refusal(f"{told} was signed with another key", signer, named)
        check_signature(key, signature, payload, told, REVOCATION_TYPE)
        previous = hashlib.sha256(lines[number]).hexdigest()
        found.append(_read_tombstone(payload, told, number, previous))
    return Revocations(tuple(found), named, data)


def _read_tombstone(payload: bytes, where: str, number: int, previous: str) -> Tombstone:
    value = parse_canonical(payload, where)
    shape = {**dict.fromkeys("scheme previous who when why".split(), str), "sequence": int, "select": dict}
    if not _has(value, **shape) or value["scheme"] != REVOCATION_SCHEME:
        raise Refusal(f"{where} is none")
    if value["sequence"] != number or value["previous"] != previous:
        raise Refusal(
            f"{where} does not go on from the one before it", value["sequence"], f"sequence {number}"
        )
    if not MOMENT.fullmatch(value["when"]):
        raise Refusal(f"{where} is of no time", value["when"], "as 2026-11-30T05:00:00Z")
    if any(not value[name].strip() or not value[name].isprintable() for name in ("who", "why")):
        raise Refusal(f"{where} does not say in one line who withdraws, and why")
    select = value["select"]
    if not select or not {*select} <= {*SELECTORS}:
        raise Refusal(f"{where} selects by nothing, or by what no list selects by", sorted(select))
    for values in select.values():
        if (
            type(values) is not list
            or not values
            or any(type(each) is not str or not each for each in values)
        ):
            raise Refusal(f"{where} selects by nothing")
    if any(not _matches(_ROW_ID, row_id) for row_id in select.get("row", ())):
        raise Refusal(f"{where} names a row that cannot be")
    chosen = {by: tuple(values) for by, values in select.items()}
    return Tombstone(number, value["who"], value["when"], value["why"], chosen)


def is_row_id(text: str) -> bool:
    """Whether a text is the id of a row: 32 lower-case hexadecimal digits."""
    return _ROW_ID.fullmatch(text) is not None


class Withdrawal:
    """The rows that tombstones withdraw: those that they select, and whatever came from such a row.

    Add the records of all packs, in any order, then ask. A row came from another where its parent, its seed
    or its source is that row. `documents` are for whoever reads the rows: no record names a document.
    """

    def __init__(self, tombstones: Iterable[Tombstone]) -> None:
        self._values: dict[str, set[str]] = {by: set() for by in SELECTORS}
        for tombstone in tombstones:
            for by, values in tombstone.select.items():
                self._values[by].update(values)
        self._causes: dict[str, str] = {}
        self._children: dict[str, list[str]] = {}
        self._decisions: dict[str, str] = {}

    @property
    def documents(self) -> frozenset[str]:
        """The documents whose rows are withdrawn."""
        return frozenset(self._values["document"])

    def add(self, record: Mapping[str, Any]) -> None:
        """See one record."""
        row_id, origin = record["row_id"], record["origin"]
        cause = self._select(record)
        links = [
            origin[name]
            for name in ("parent_id", "source_id", "seed_id")
            if origin[name] is not None and _ROW_ID.fullmatch(origin[name])
        ]
        for link in links:
            self._children.setdefault(link, []).append(row_id)
        if cause is not None:
            self._causes.setdefault(row_id, cause)
        if cause is not None or links:
            self._decisions[row_id] = record["decision"]["decision"]

    def add_row(self, row_id: str, cause: str, decision: str = "accepted") -> None:
        """A row that is withdrawn for what its record does not say."""
        self._causes.setdefault(row_id, cause)
        self._decisions[row_id] = decision

    def find_causes(self) -> dict[str, str]:
        """By id of every withdrawn row in the records, rejected ones too, the selector that met it, or
        "descendant" where it came from a withdrawn row.
        """
        found = dict(self._causes)
        # a row that no pack here holds can be a parent all the same
        pending = [*found, *(self._values["row"] - found.keys())]
        while pending:
            for child in self._children.get(pending.pop(), ()):
                if child not in found:
                    found[child] = "descendant"
                    pending.append(child)
        return found

    def find_accepted(self) -> dict[str, str]:
        """The same of the accepted rows alone: what has to be gone from the data."""
        return {
            row_id: cause
            for row_id, cause in self.find_causes().items()
            if self._decisions[row_id] == "accepted"
        }

    def _select(self, record: Mapping[str, Any]) -> str | None:
        origin, values = record["origin"], self._values
        if record["row_id"] in values["row"]:
            return "row"
        if origin["seed_id"] in values["seed"]:
            return "seed"
        if values["template"]:
            named = (origin["template_id"] or "").split()
            if any(
                name in values["template"] or name.partition("@")[0] in values["template"] for name in named
            ):
                return "template"
        if values["teacher"]:
            models = [origin["teacher"], origin["teacher_digest"]]
            for model in origin["models"] or ():
                models += [model["name"], model["digest"]]
            if any(model in values["teacher"] for model in models):
                return "teacher"
        if values["eval_item"]:
            for verdict in record["verdicts"]:
                cites = verdict["cites"] or {}
                if f"{cites.get('eval_set')}:{cites.get('item')}" in values["eval_item"]:
                    return "eval_item"
        return None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What a reissued pack says of its withdrawn rows: their ids, and by which list."""

    rows: frozenset[str]
    revocations: Revocations


def check_withdrawn(pack: Path | str, sizes: Mapping[str, int], said: Any, key_id: str) -> Withdrawn | None:
    """The withdrawn rows of a reissued pack, if they are those that its list withdraws; None for any other.

    `said` is what the statement says of them, `key_id` the key that signed it and must have signed the list.
    Rows of a withdrawn document are taken as they are listed: no record names one. Raises Refusal.
    """
    if said is None:
        for name in (REVOKED, WITHDRAWN):
            if name in sizes:
                raise Refusal(f"{name} does not belong to a pack from which nothing was withdrawn")
        return None
    shape = {"entries": int, "list": str, "rows": int, "statement": str}
    if not _has(said, **shape) or not _matches(_SHA256, said["statement"]):
        raise Refusal(f"{STATEMENT}: what it says of withdrawn rows is none")
    revocations = read_revocations(read_bounded(pack, REVOKED, MAX_REVOKED_BYTES), REVOKED, key_id)
    if (said["entries"], said["list"]) != (len(revocations.tombstones), revocations.sha256):
        raise Refusal(f"{STATEMENT}: its rows were withdrawn by another list than {REVOKED}", said["list"])
    if revocations.leaves_out_corpus and SEEDS[0] in sizes:
        raise Refusal(f"{SEEDS[0]} is there, and {REVOKED} withdraws a text of the seed corpus")
    rows = _read_withdrawn_rows(pack, said["rows"])
    listed = set(rows)
    ordered, found = [], Withdrawal(revocations.tombstones)
    for record in _each_record(pack, sizes):
        found.add(record)
        if record["row_id"] in listed:
            ordered.append((record["row_id"], record["decision"]["decision"]))
            if found.documents:
                found.add_row(record["row_id"], "document")
    if ordered != [(row, "accepted") for row in rows]:
        raise Refusal(f"{WITHDRAWN}: its rows are not accepted rows of this pack, in their order")
    wanted = found.find_accepted()
    missing, extra = sorted(wanted.keys() - listed), sorted(listed - wanted.keys())
    if missing:
        raise Refusal(f"{WITHDRAWN}: row {missing[0]} is withdrawn by {REVOKED}, and is not in it")
    if extra:
        raise Refusal(f"{WITHDRAWN}: row {extra[0]} is withdrawn by no tombstone in {REVOKED}")
    return Withdrawn(frozenset(rows), revocations)


def _read_withdrawn_rows(pack: Path | str, signed: int) -> list[str]:
    value = parse_canonical(read_bounded(pack, WITHDRAWN, MAX_REVOKED_BYTES), WITHDRAWN, end=b"\n")
    if not _has(value, scheme=str, rows=list) or value["scheme"] != WITHDRAWN_SCHEME:
        raise Refusal(f"{WITHDRAWN} is of another scheme, or of none")
    rows: list[str] = value["rows"]
    if any(not _matches(_ROW_ID, row) for row in rows) or len({*rows}) != len(rows):
        raise Refusal(f"{WITHDRAWN}: a row is none, or stands there twice")
    if len(rows) != signed:
        raise Refusal(f"{WITHDRAWN} does not hold as many rows as were signed", len(rows), str(signed))
    return rows


def _each_record(pack: Path | str, sizes: Mapping[str, int]) -> Iterator[Json]:
    for name in list_records(sizes):
        for number, line in enumerate(read_lines(pack, name)):
            yield parse_record(line, f"{name}: record {number}")


# --- mixtures ----------------------------------------------------------------------------------------------

MIXTURE_SCHEME = "synth_stack/mixture/v2"
PACKS_SUBJECT = "packs"
"""The one subject of a mixture's statement that is no file: the Merkle root over the statements of its
packs."""
SOURCES = "sources"
MAX_SOURCES = 100
MIXTURE_FILES = (CARD, *DOCUMENTS, STATEMENT, PUBLIC_KEY, VERIFIER, MANIFEST)
"""What lies beside the packs, always."""
MIXTURE_KNOWN = frozenset({*MIXTURE_FILES, COSIGNATURES, LEDGER})
MIXTURE_PREDICATE = tuple(
    "scheme synth_stack name purpose tree packs counts ledger cosigners bytes".split(),
)
JUDGING_PARTS = ("judge", "reward")
"""Parts of models that write no text of a row."""
TERMS = ("research-only", "non-commercial", "no-competing-models", "train-any")
PURPOSES = ("research", "non-commercial", "commercial", "competing-models")
"""What rows are used for, in the order of the terms that allow it: see inputs/terms.py."""
TERMS_OF = "terms of "
"""Begins the name of a model's terms in croissant.json."""
_OF_A_PACK = ("statement", "root", "key_id")
_SOURCE = re.compile(r"[0-9]{2}", re.ASCII)


@dataclass(slots=True)
class MixtureListing(Listing):
    """The files of a mixture, those of its packs too; `sources` are the folders of the packs, in order."""

    sources: list[str] = field(default_factory=list)


def is_mixture(folder: Path | str) -> bool:
    """Whether a folder is laid out as a mixture of packs."""
    return _is_folder(os.path.join(folder, SOURCES))


def name_source(number: int) -> str:
    """The folder of the pack of that number in a mixture."""
    return f"{SOURCES}/{number:02d}"


def find_mixed_name_fault(name: str) -> str | None:
    """What is wrong with a file's path inside a mixture, or None; it says nothing of the file itself."""
    top, _, rest = name.partition("/")
    number, _, inner = rest.partition("/")
    if top == SOURCES and inner and _SOURCE.fullmatch(number):
        return find_name_fault(inner)
    return None if name in MIXTURE_KNOWN else "no part of a mixture has that name"


def list_mixture(folder: Path | str) -> MixtureListing:
    """The files of a mixture; none is opened. The files of each pack are listed as those of any pack are.

    Raises Refusal for more than MAX_FILES, and OSError.
    """
    found = MixtureListing()
    for prefix in ("", *sorted({name.partition("/")[0] + "/" for name in MIXTURE_KNOWN if "/" in name})):
        if not prefix or _is_folder(os.path.join(folder, prefix[:-1])):
            with os.scandir(os.path.join(folder, prefix) if prefix else folder) as entries:
                for entry in sorted(entries, key=lambda each: each.name):
                    _list_mixed_entry(f"{prefix}{entry.name}", entry, found)
    _list_sources(folder, found)
    for source in found.sources:
        held = list_pack(os.path.join(folder, *source.split("/")))
        found.sizes.update({f"{source}/{name}": size for name, size in held.sizes.items()})
        found.faults += [Refusal(f"{source}: {fault}") for fault in held.faults]
        if len(found.sizes) > MAX_FILES:
            raise Refusal(f"the mixture holds more than {MAX_FILES} files")
    found.sizes = dict(sorted(found.sizes.items()))
    found.faults += [MissingFile(f"{name} is missing") for name in MIXTURE_FILES if name not in found.sizes]
    return found


def _list_mixed_entry(name: str, entry: os.DirEntry[str], found: MixtureListing) -> None:
    status = entry.stat(follow_symlinks=False)
    is_folder = stat.S_ISDIR(status.st_mode) and not _is_junction(status)
    if name in LEFT_BY_HUB and not stat.S_ISLNK(status.st_mode):
        found.left_by_hub.append(name)
    elif name in MIXTURE_KNOWN and stat.S_ISREG(status.st_mode) and not _is_hole(status):
        found.sizes[name] = status.st_size
    elif not is_folder or not any(each.startswith(f"{name}/") for each in (*MIXTURE_KNOWN, f"{SOURCES}/")):
        found.faults.append(Refusal(f"{_print_safely(name)} does not belong into a mixture of packs"))
    if len(found.faults) > MAX_FILES:
        raise Refusal(f"the mixture holds more than {MAX_FILES} files")


def _list_sources(folder: Path | str, found: MixtureListing) -> None:
    for name in sorted(os.listdir(os.path.join(folder, SOURCES)))[: MAX_FILES + 1]:
        if _SOURCE.fullmatch(name) and _is_folder(os.path.join(folder, SOURCES, name)):
            found.sources.append(f"{SOURCES}/{name}")
        else:
            shown = _print_safely(f"{SOURCES}/{name}")
            found.faults.append(Refusal(f"{shown} does not belong into a mixture of packs"))
    numbered = [name_source(number) for number in range(len(found.sources))]
    if found.sources != numbered or len(numbered) < 2:
        found.faults.append(
            Refusal(
                f"{SOURCES}/ is not numbered from 00 without a gap, or holds fewer than two packs",
                ", ".join(found.sources),
            )
        )


def _is_folder(path: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and not _is_junction(status)


def check_mixture(signed: SignedStatement) -> None:
    """Raises Refusal for a predicate that does not say what a mixture's says, in the shape that it has
    there.
    """
    said, where = signed.predicate, STATEMENT
    if said.get("scheme") != MIXTURE_SCHEME:
        raise Refusal(f"{where} is of another scheme", said.get("scheme"), MIXTURE_SCHEME)
    shapes = {"tree": dict, "packs": list, "counts": dict, "cosigners": list, "bytes": dict}
    shapes |= {"synth_stack": str, "name": str}
    wrong = [name for name, kind in shapes.items() if type(said.get(name)) is not kind]
    wrong += sorted({*said} ^ {*MIXTURE_PREDICATE})
    if wrong or not _has(said["counts"], rows=int, synthetic=int, slices=list):
        raise Refusal(f"{where} does not say what a mixture's statement says: {(wrong or ['counts'])[0]}")
    if not VERSION.fullmatch(said["synth_stack"]):
        raise Refusal(f"{where}: the version of synth_stack is none", said["synth_stack"])
    tree = said["tree"]
    if not _has(tree, size=int, root=str) or not _SHA256.fullmatch(tree["root"]):
        raise Refusal(f"{where} does not say what a mixture's statement says: tree", tree)
    _check_promised(said["cosigners"], signed.key_id, "mixture")
    if signed.subjects.get(PACKS_SUBJECT) != tree["root"]:
        raise Refusal(f"{where} names two different roots, or none")
    if any(
        type(each) is not dict or not all(_matches(_SHA256, each.get(name)) for name in _OF_A_PACK)
        for each in said["packs"]
    ):
        raise Refusal(f"{where} does not say what a mixture's statement says: packs")
    leaves = [bytes.fromhex(each["statement"]) for each in said["packs"]]
    if tree != {"size": len(leaves), "root": grow_root(leaves).hex()}:
        raise Refusal(f"{where}: its tree is not that of the statements of its packs", tree["root"])
    if said["purpose"] is not None and said["purpose"] not in PURPOSES:
        raise Refusal(f"{where}: its purpose is none that there is", said["purpose"], ", ".join(PURPOSES))


def check_any(signed: SignedStatement) -> None:
    """Raises Refusal for a predicate that says neither what a pack's says nor what a mixture's does."""
    (check_mixture if signed.predicate.get("scheme") == MIXTURE_SCHEME else check_predicate)(signed)


def grow_root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes, in their order."""
    tree = GrowingTree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def build_mixture_facts(predicate: Mapping[str, Any]) -> Json:
    """The facts of a mixture's manifest."""
    return {
        "scheme": predicate["scheme"],
        "root": predicate["tree"]["root"],
        "packs": len(predicate["packs"]),
        "accepted": predicate["counts"]["rows"],
    }


@dataclass(frozen=True, slots=True)
class LedgerChain:
    """Where a pack of a mixture stands in its publisher's ledger: the hashes of the batches up to it."""

    folder: str
    key_id: str
    leaves: tuple[bytes, ...]


def find_fork(chains: Sequence[LedgerChain]) -> Refusal | None:
    """Two packs by one key that stand in one ledger, and do not agree on the batches in it; None for none.

    A ledger is known by its key and its first batch.
    """
    ledgers: dict[tuple[str, bytes], LedgerChain] = {}
    for chain in sorted(chains, key=lambda each: (-len(each.leaves), each.folder)):
        longest = ledgers.setdefault((chain.key_id, chain.leaves[0]), chain)
        if longest.leaves[: len(chain.leaves)] != chain.leaves:
            first, second = sorted((longest.folder, chain.folder))
            return Refusal(
                f"{first} and {second} are of two forks of one ledger: they disagree on its batches",
                f"batches {len(longest.leaves) - 1} and {len(chain.leaves) - 1}",
            )
    return None


class MixedRows:
    """What the accepted rows of several packs add up to, pack by pack; and whether one stands in two.

    Takes some 100 bytes a row.
    """

    def __init__(self) -> None:
        self._met: dict[bytes, int] = {}
        self._slices: Counter[tuple[str | None, bool]] = Counter()
        self.packs: list[Counter[bool]] = []
        self.clash: tuple[str, int, int] | None = None

    def begin_pack(self) -> None:
        """What follows is of the next pack."""
        self.packs.append(Counter())

    def add(self, record: Mapping[str, Any]) -> None:
        """See the record of a row that stands in the data of a pack."""
        number, is_made = len(self.packs) - 1, is_synthetic(record["origin"])
        self.packs[number][is_made] += 1
        self._slices[record["slice"], is_made] += 1
        other = self._met.setdefault(bytes.fromhex(record["row_id"]), number)
        if other != number and self.clash is None:
            self.clash = (record["row_id"], other, number)

    def to_json(self) -> Json:
        """The counts as the statement of a mixture has them."""
        slices = self._slices
        shares = [
            {"slice": name, "rows": slices[name, True] + slices[name, False], "synthetic": slices[name, True]}
            for name in {name for name, _ in slices}
        ]
        made = sum(pack[True] for pack in self.packs)
        return {
            "rows": sum(pack.total() for pack in self.packs),
            "synthetic": made,
            "slices": sorted(shares, key=lambda s: (-s["rows"], s["slice"] is None, s["slice"] or "")),
        }


def is_synthetic(origin: Mapping[str, Any]) -> bool:
    """Whether a method or a model made a row, by its origin; of the others nobody told."""
    writers = [model for model in origin["models"] or () if model["part"] not in JUDGING_PARTS]
    return origin["generator"] != FOREIGN or origin["teacher"] is not None or bool(writers)


def _inspect_mixture(
    folder: Path | str, key_id: str | None, found: Findings, signers: tuple[int, Sequence[str]] | None
) -> None:
    listing = list_mixture(folder)
    found.problems += listing.faults
    found.notes += [
        f"{name} was left by the Hub and is no part of the mixture" for name in listing.left_by_hub
    ]
    if found.problems:
        return
    signed = _open_signed(folder, check_mixture, key_id, found, signers)
    said = signed.predicate
    found.identity = describe_identity(False)
    manifest = read_manifest(folder)
    found.problems += compare_sizes(listing.sizes, manifest["files"], said["bytes"]).values()
    if not found.problems:
        _compare_digests(folder, listing.sizes, manifest, signed, found)
    if found.problems:
        return
    check_ledger(folder, listing.sizes, said["ledger"])
    packs, rows = _inspect_sources(folder, listing.sources, found)
    if found.problems:
        return
    found.problems += _find_clashes(packs, rows)
    found.problems = found.problems or [*_find_withdrawn_elsewhere(folder, packs)]
    found.problems = found.problems or _compare_told(folder, packs, rows, said)
    found.passed += [
        (len(listing.sizes), "files"),
        (len(packs), "packs"),
        (rows.to_json()["rows"], "accepted rows"),
    ]
    found.notes += [PARQUET_NOTE, MIXED_KEYS_NOTE]
    if not found.key_checked:
        found.notes.append(LOCAL_NOTE)
    for source in listing.sources:
        if f"{source}/{BUNDLE}" in listing.sizes:
            found.notes.append(describe_inner_bundle(source))


@dataclass(frozen=True, slots=True)
class _Source:
    """A pack of a mixture: its folder, its signed statement, its files, and its place in a ledger."""

    folder: str
    signed: SignedStatement
    sizes: Mapping[str, int]
    chain: LedgerChain | None
    withdrawn: Withdrawn | None


def _inspect_sources(
    folder: Path | str, sources: Sequence[str], found: Findings
) -> tuple[list[_Source], MixedRows]:
    packs, rows = [], MixedRows()
    for source in sources:
        rows.begin_pack()
        path, inner = os.path.join(folder, *source.split("/")), Findings()
        try:
            _inspect(path, None, inner, None, rows.add)
        except Refusal as exc:
            inner.problems.append(exc)
        found.problems += [Refusal(f"{source}: {problem}") for problem in inner.problems]
        if inner.problems:
            continue
        signed, sizes = open_statement(path), list_pack(path).sizes
        previous = check_ledger(path, sizes, signed.predicate["ledger"])
        leaves = None if previous is None else (*previous, leaf_hash(signed.statement))
        chain = None if leaves is None else LedgerChain(source, signed.key_id, leaves)
        gone = check_withdrawn(path, sizes, signed.predicate["withdrawn"], signed.key_id)
        packs.append(_Source(source, signed, sizes, chain, gone))
    return packs, rows


def _find_clashes(packs: Sequence[_Source], rows: MixedRows) -> list[Refusal]:
    met: dict[bytes, str] = {}
    for pack in packs:
        if (other := met.setdefault(leaf_hash(pack.signed.statement), pack.folder)) != pack.folder:
            return [Refusal(f"{pack.folder} is the same pack as {other}")]
    if rows.clash is not None:
        row_id, first, second = rows.clash
        where = f"{packs[first].folder} and {packs[second].folder}"
        return [Refusal(f"row {row_id} stands in two packs: {where}")]
    fork = find_fork([pack.chain for pack in packs if pack.chain is not None])
    return [] if fork is None else [fork]


def _find_withdrawn_elsewhere(folder: Path | str, packs: Sequence[_Source]) -> Iterator[Refusal]:
    """Rows that the list in one pack withdraws, or what they came from, and another still has."""

    def each_record(pack: _Source) -> Iterator[Json]:
        return _each_record(os.path.join(folder, *pack.folder.split("/")), pack.sizes)

    for pack in packs:
        if pack.withdrawn is None:
            continue
        found = Withdrawal(pack.withdrawn.revocations.tombstones)
        for other in packs:
            for record in each_record(other):
                found.add(record)
        wanted = found.find_accepted()
        for other in packs:
            gone = frozenset[str]() if other.withdrawn is None else other.withdrawn.rows
            left = [
                r["row_id"] for r in each_record(other) if r["row_id"] in wanted and r["row_id"] not in gone
            ]
            if left:
                yield Refusal(f"{other.folder}: row {min(left)} is withdrawn by {pack.folder}/{REVOKED}")
                return


def _compare_told(
    folder: Path | str, packs: Sequence[_Source], rows: MixedRows, said: Mapping[str, Any]
) -> list[Refusal]:
    """What the statement of a mixture says otherwise than its packs give."""
    entries = []
    for pack, counted in zip(packs, rows.packs):  # noqa: B905  (of one length)
        told = read_disclosure(os.path.join(folder, *pack.folder.split("/")), pack.folder)
        fault = find_forbidden(pack.folder, told, said["purpose"])
        if fault is not None:
            return [fault]
        entries.append(
            {
                "folder": pack.folder,
                "name": told["name"],
                "statement": leaf_hash(pack.signed.statement).hex(),
                "run": pack.signed.predicate["run"],
                "root": pack.signed.predicate["tree"]["root"],
                "key_id": pack.signed.key_id,
                "rows": counted.total(),
                "synthetic": counted[True],
                "licenses": told["licenses"],
                "output_terms": told["output_terms"],
            }
        )
    expected = {"packs": entries, "counts": rows.to_json()}
    return [
        Refusal(f"{STATEMENT}: its {key} is not what the packs give", said[key], repr(value))
        for key, value in expected.items()
        if said[key] != value
    ]


def read_disclosure(pack: Path | str, where: str) -> Json:
    """What croissant.json of a pack says: its name, licences, models, and the terms of those that have some.

    That it follows from recipe and rows is the full verifier's. Raises Refusal.
    """
    name = f"{where}/{CROISSANT}"
    value = parse_json(read_bounded(pack, CROISSANT, MAX_MEASURES_BYTES), name)
    try:
        made = value["prov:wasGeneratedBy"]
        told = {
            "name": value["name"],
            "licenses": list(value.get("license", [])),
            "models": [each["prov:label"] for each in made.get("prov:wasAssociatedWith", [])],
            "output_terms": [
                {
                    "model": each["name"].removeprefix(TERMS_OF),
                    "output": each["description"],
                    "license": each["license"],
                }
                for each in value.get("usageInfo", [])
            ],
        }
    except (KeyError, TypeError, AttributeError) as exc:
        raise Refusal(f"{name} does not say what a pack's says: {_shorten(exc)}") from exc
    return told


def find_forbidden(folder: str, told: Json, purpose: str | None) -> Refusal | None:
    """A model of a pack whose declared terms do not allow a purpose; None where all do."""
    if purpose is None:
        return None
    needed, left = PURPOSES.index(purpose), Counter(each["model"] for each in told["output_terms"])
    for model in told["models"]:
        left[model] -= 1
    undeclared = sorted(model for model, count in left.items() if count < 0)
    outputs = [(each["model"], each["output"]) for each in told["output_terms"]]
    for model, output in [*((model, "undeclared") for model in undeclared), *outputs]:
        if output not in TERMS[needed:]:
            what = f"{folder}: the terms of {model} do not allow this purpose: {purpose}"
            return Refusal(what, output, ", ".join(TERMS[needed:]))
    return None


# --- proofs ------------------------------------------------------------------------------------------------

PROOF_SCHEME = "synth_stack/proof/v1"
MAX_PROOF_BYTES = 64 * 1024**2
"""A record and its path take some 4 kB, a text what it takes."""


@dataclass(frozen=True, slots=True)
class ProvedRow:
    """A row of a proof: its record, its place in the signed tree, and its content where that is shown."""

    record: Json
    index: int
    hashes: int
    content: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof file shows: rows of a signed batch, and the sigstore bundle where there is one.

    Of a pack in a mixture also the statement of the `mixture`, and the `folder` of the pack there.
    """

    signed: SignedStatement
    rows: tuple[ProvedRow, ...]
    bundle: str | None
    mixture: SignedStatement | None = None
    folder: str | None = None


def read_proof(data: bytes, where: str, key_id: str | None = None) -> Proof:
    """What a proof file proves, each row against the signed root. Raises Refusal naming what is wrong.

    Of a pack in a mixture `key_id` is the key that must have signed the mixture.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise Refusal(f"{where} is too large for a proof", allowed=f"at most {MAX_PROOF_BYTES} bytes")
    value = parse_canonical(data, where, end=b"\n")
    shape = {"scheme": str, "public_key": str, "statement": dict, "rows": list}
    bundle: Any = value.pop("bundle", 0) if type(value) is dict else 0
    outer: Any = value.pop("mixture", None) if type(value) is dict else None
    if not _has(value, **shape) or not _is_text(bundle) or value["scheme"] != PROOF_SCHEME:
        raise Refusal(f"{where} is no proof of rows")
    pem = value["public_key"].encode("utf-8", "replace")
    signed = check_envelope(canonical(value["statement"]), pem, key_id if outer is None else None)
    check_predicate(signed)
    mixture, folder = (None, None) if outer is None else _read_outer(outer, signed, where, key_id)
    if (bundle is not None) != (signed.predicate["signature"] == "sigstore"):
        raise Refusal(f"{where}: its sigstore bundle is missing, or does not belong to it")
    if not value["rows"]:
        raise Refusal(f"{where} proves no row")
    rule = read_rule(signed.predicate)
    rows = tuple(_read_proved_row(row, number, signed, rule) for number, row in enumerate(value["rows"]))
    indexes = [row.index for row in rows]
    if indexes != sorted({*indexes}):
        raise Refusal(f"{where}: its rows are not in the order of the tree, or stand there twice")
    return Proof(signed, rows, bundle, mixture, folder)


def _read_outer(
    outer: Any, signed: SignedStatement, where: str, key_id: str | None
) -> tuple[SignedStatement, str]:
    """The statement of the mixture that a proof names, and where the pack lies in it."""
    if not _has(outer, public_key=str, statement=dict):
        raise Refusal(f"{where}: the mixture that it names is none")
    pem = outer["public_key"].encode("utf-8", "replace")
    mixture = check_envelope(canonical(outer["statement"]), pem, key_id)
    check_mixture(mixture)
    leaf = leaf_hash(signed.statement).hex()
    for pack in mixture.predicate["packs"]:
        if pack["statement"] == leaf:
            return mixture, str(pack.get("folder"))
    raise Refusal(f"{where}: its pack is none of those in the mixture", leaf)


def _read_proved_row(row: Any, number: int, signed: SignedStatement, rule: SignedRule) -> ProvedRow:
    where = f"row {number} of the proof"
    content: Any = row.pop("content", 0) if type(row) is dict else 0
    if not _has(row, index=int, path=list, record=str) or not _is_text(content):
        raise Refusal(f"{where} is none")
    if any(not _matches(_SHA256, each) for each in row["path"]):
        raise Refusal(f"{where}: its path holds what is no hash")
    data = row["record"].encode("utf-8", "replace")
    record = parse_record(data, f"the record in {where}")
    told = f"row {record['row_id']}"
    tree, said = signed.predicate["tree"], signed.predicate
    path = [bytes.fromhex(each) for each in row["path"]]
    if not is_included(leaf_hash(data), row["index"], tree["size"], path, bytes.fromhex(tree["root"])):
        raise Refusal(f"{told}: its record and path do not lead to the signed root from leaf {row['index']}")
    if record["context"] != {name: said[name] for name in ("gates_sha256", "recipe_sha256")}:
        raise Refusal(f"{told} was recorded for another recipe or gate file")
    fault = find_decision_fault(record, rule, rule.places)
    if fault is not None:
        raise fault
    if content is not None:
        digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
        if digest != record["row_sha256"]:
            raise Refusal(f"{told}: its content is not what was recorded", digest, record["row_sha256"])
    return ProvedRow(record, row["index"], len(path), content)


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether an audit path leads from the leaf hash at `index` to the root of `size` leaves (RFC 9162,
    2.1.3.2).
    """
    if not 0 <= index < size:
        return False
    position, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        position, last = position >> 1, last >> 1
    return last == 0 and node == root


def describe_proof(proof: Proof, key_checked: bool, identity: str | None = None) -> list[str]:
    """Lines that say what a proof shows of each row, and who signed; `identity` is who, if it was checked."""
    lines = []
    for row in proof.rows:
        decision = row.record["decision"]
        by = f" by {decision['gate']}: {decision['reason']}" if decision["gate"] else ""
        what = "record" if row.content is None else "record and content"
        lines += [
            f"row      {row.record['row_id']}",
            f"decision {decision['decision']}{by}",
            f"proved   {what}: leaf {row.index} of {proof.signed.predicate['tree']['size']}, "
            f"{row.hashes} hashes to the root",
            *([] if row.content is None else [f"content  {row.content}"]),
        ]
    if proof.signed.predicate["withdrawn"] is not None:
        lines.append("note     rows were withdrawn from this batch; a proof does not show which")
    if proof.signed.predicate["cosigners"]:
        lines.append("note     further keys signed the batch; a proof does not hold their signatures")
    if not key_checked and identity is None:
        lines.append(f"note     {LOCAL_NOTE}")
    key_id, root = proof.signed.key_id, proof.signed.predicate["tree"]["root"]
    if proof.mixture is not None:
        tree = proof.mixture.predicate["tree"]
        lines += [f"pack     {proof.folder} of {tree['size']}, with the root {root} and the key {key_id}"]
        key_id, root = proof.mixture.key_id, tree["root"]
    return [
        *lines,
        f"identity {describe_identity(proof.bundle is not None, identity)}",
        *describe_signature(root, key_id, key_checked),
    ]


# --- the command -------------------------------------------------------------------------------------------


class MissingRow(Refusal):
    """A pack has no row of that id."""


def prove_row(pack: Path | str, wanted: str, key_id: str | None = None) -> list[str]:
    """Lines that say what is proved of one row, from its record, the leaves and the signature; of a mixture
    by the pack that has it. Raises Refusal.
    """
    if not _ROW_PREFIX.fullmatch(wanted):
        raise Refusal(
            "that is not a row id", wanted, "its 32 hexadecimal characters, or the first 8 or more of them"
        )
    lines, signed, has_bundle = (_prove_mixed if is_mixture(pack) else _prove_row)(pack, wanted, key_id)
    return [
        *lines,
        *([] if key_id is not None else [f"note     {LOCAL_NOTE}"]),
        f"identity {describe_identity(has_bundle)}",
        *describe_signature(signed.predicate["tree"]["root"], signed.key_id, key_id is not None),
    ]


def _prove_mixed(
    folder: Path | str, wanted: str, key_id: str | None
) -> tuple[list[str], SignedStatement, bool]:
    listing = list_mixture(folder)
    if listing.faults:
        raise listing.faults[0]
    signed = open_statement(folder, key_id)
    check_mixture(signed)
    check_cosigners(folder, signed)
    found = []
    for source in listing.sources:
        path = os.path.join(folder, *source.split("/"))
        try:
            lines, inner, has_bundle = _prove_row(path, wanted, None)
        except MissingRow:
            continue
        except Refusal as exc:
            raise Refusal(f"{source}: {exc}") from exc
        name = f"{source}/{STATEMENT}"
        if signed.subjects.get(name) != digest_bounded(folder, name, listing.sizes[name]):
            raise Refusal(f"{name} is not the one that the mixture signs")
        root = inner.predicate["tree"]["root"]
        lines.append(f"pack     {source}, with the root {root} and the key {inner.key_id}")
        found.append(lines + ([f"note     {describe_inner_bundle(source)}"] if has_bundle else []))
    if len(found) != 1:
        raise MissingRow(
            "several rows begin with that id" if found else "no pack has a row of that id", wanted
        )
    return found[0], signed, False


def _prove_row(pack: Path | str, wanted: str, key_id: str | None) -> tuple[list[str], SignedStatement, bool]:
    listing = list_pack(pack)
    if listing.faults:
        raise listing.faults[0]
    signed = open_statement(pack, key_id)
    check_predicate(signed)
    check_cosigners(pack, signed)
    size = signed.predicate["tree"]["size"]
    rule = read_rule(signed.predicate)
    found: list[tuple[int, bytes]] = []
    needle, number = f'"row_id":"{wanted}'.encode(), 0
    for name in list_records(listing.sizes):
        for line in read_lines(pack, name):
            if needle in line and json.loads(line).get("row_id", "").startswith(wanted):
                found.append((number, line))
            number += 1
            if number > size:
                raise Refusal(f"{name} holds more records than were signed", allowed=f"{size}")
    if len(found) != 1:
        kind = Refusal if found else MissingRow
        raise kind(
            "the pack has no row of that id" if not found else "several rows begin with that id", wanted
        )
    index, line = found[0]
    record = parse_record(line, f"the record of row {wanted}")
    leaves = read_bounded(pack, f"{TILES}/0.bin", size * HASH_BYTES)
    tree = GrowingTree()
    for start in range(0, len(leaves), HASH_BYTES):
        tree.add(leaves[start : start + HASH_BYTES])
    is_signed = tree.size == size and tree.root().hex() == signed.predicate["tree"]["root"]
    if not is_signed or leaves[index * HASH_BYTES : (index + 1) * HASH_BYTES] != leaf_hash(line):
        raise Refusal(f"the record of row {record['row_id']} is not leaf {index} of the signed tree")
    fault = find_decision_fault(record, rule, rule.places)
    if fault is not None:
        raise fault
    withdrawn = check_withdrawn(pack, listing.sizes, signed.predicate["withdrawn"], signed.key_id)
    is_gone = withdrawn is not None and record["row_id"] in withdrawn.rows
    decision = record["decision"]
    by = f" by {decision['gate']}: {decision['reason']}" if decision["gate"] else ""
    lines = [
        f"row      {record['row_id']}",
        f"decision {decision['decision']}{by}",
        f"proved   record: leaf {index} of {size}",
        *(["note     accepted then, and withdrawn since"] if is_gone else []),
    ]
    return lines, signed, signed.predicate["signature"] == "sigstore"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 when the pack holds, 1 when something is wrong with it, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="verify_pack.py", description="Check a pack of synth_stack offline."
    )
    parser.add_argument("pack", help="the folder of the pack, or a proof file")
    parser.add_argument("--key-id", help="the key that must have signed")
    parser.add_argument("--signers", help="how many of --keys must have signed: 2of3, say")
    parser.add_argument("--keys", nargs="+", default=[], help="the ids of these keys")
    parser.add_argument("--row", help="prove the record of this row alone")
    options = parser.parse_args(arguments)
    if not os.path.isdir(options.pack) and not (os.path.isfile(options.pack) and options.row is None):
        sys.stderr.write(f"error: {_print_safely(options.pack)} is not a folder or a proof\n")
        return 2
    if options.key_id is not None and not _SHA256.fullmatch(options.key_id):
        sys.stderr.write("error: --key-id is 64 lower-case hexadecimal digits\n")
        return 2
    try:
        signers = None if options.signers is None else parse_signers(options.signers, options.keys)
    except Refusal as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 2
    if options.row is not None or os.path.isfile(options.pack):
        try:
            lines = _prove(options.pack, options.row, options.key_id)
        except (Refusal, OSError, ValueError, MemoryError) as exc:
            lines = [f"wrong    {exc}"]
        _write(lines)
        return int(lines[0].startswith("wrong"))
    found = inspect(options.pack, options.key_id, signers)
    passed = [] if found.problems else [f"ok       {count} {what}" for count, what in found.passed]
    _write(
        [
            *(f"wrong    {problem}" for problem in found.problems),
            *passed,
            *(f"note     {note}" for note in found.notes),
            f"identity {found.identity}",
            *describe_signature(found.root, found.key_id, found.key_checked),
        ]
    )
    return 1 if found.problems else 0


def parse_signers(text: str, keys: Sequence[str]) -> tuple[int, Sequence[str]]:
    """How many of which keys must have signed, of `2of3` and their ids. Raises Refusal."""
    found = re.fullmatch(r"([1-9][0-9]?)of([1-9][0-9]?)", text, re.ASCII)
    if found is None or not int(found[1]) <= int(found[2]) == len({*keys}):
        raise Refusal("--signers is how many of how many --keys", text, f"as 2of3, with {len({*keys})} keys")
    if any(not _SHA256.fullmatch(key) for key in keys):
        raise Refusal("--keys are ids of keys: 64 lower-case hexadecimal digits each")
    return int(found[1]), keys


def _prove(path: str, row: str | None, key_id: str | None) -> list[str]:
    if row is not None:
        return prove_row(path, row, key_id)
    folder, name = os.path.split(os.path.abspath(path))
    proof = read_proof(read_bounded(folder, name, MAX_PROOF_BYTES), name, key_id)
    return describe_proof(proof, key_id is not None)


def describe_signature(root: str | None, key_id: str | None, key_checked: bool) -> list[str]:
    """Lines that name the signed root and the key; none where no signature could be read."""
    if root is None or key_id is None:
        return []
    return [f"root     {root}", f"key id   {key_id}{', which was expected' if key_checked else ''}"]


def _write(lines: Iterable[str]) -> None:
    try:
        for line in lines:
            sys.stdout.write(_print_safely(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough; the interpreter must not say so at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_safely(text: object) -> str:
    """A text on one line, with a mark for every character that does not print."""
    line = " ".join(part.strip() for part in str(text).splitlines() if part.strip())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _shorten(value: object, max_chars: int = 120) -> str:
    text = _print_safely(value)
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"


if __name__ == "__main__":
    sys.exit(main())
