"""C2PA manifests in the images of a pack, and what they have to say there.

    lineage/c2pa_chain.pem    the certificates of whoever signed the manifests, the issuer last

An image then has other bytes than the file that its row names, and the same pixels; `verify` compares both.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import InputError, MissingExtra, VerificationError
from synth_stack.files import write_bytes
from synth_stack.images.attached import CONDITION, describe_pixels, read_image
from synth_stack.images.decoding import MAX_BYTES
from synth_stack.images.paths import MIMES
from synth_stack.images.store import STORE
from synth_stack.lineage.content_credentials import FORMATS, ContentSigner, read_manifest
from synth_stack.lineage.merkle import TreeHead
from synth_stack.lineage.record import RECORD_SCHEMA, leaves_of
from synth_stack.lineage.record_form import parse_record
from synth_stack.packs import layout
from synth_stack.packs.images import METADATA, METADATA_SCHEMA, PackedImage
from synth_stack.packs.shards import read_shard
from synth_stack.packs.statement import read_file
from synth_stack.runs.folder import list_files

MAX_CHAIN_BYTES = 64 * 1024
MAX_SIGNED_BYTES = 2 * MAX_BYTES
"""Of an image with its manifest, which may hold the one that the image had."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """Where a row stands in the tree."""

    index: int
    leaf: str
    generated: bool


def embed_credentials(pack: Path, signer: ContentSigner, head: TreeHead) -> int:
    """Put a manifest into each result of a pack in the making whose format takes one; how many there are.

    It names the first row that hands the image over. Raises InputError for an image whose pixels are not
    those that its row names, SigningError.
    """
    if not (pack / METADATA).is_file():
        raise InputError("no accepted row has an image, so there is nothing for C2PA to sign")
    leaves = _find_leaves(pack)
    signed: set[str] = set()
    for table in read_shard(pack, METADATA, METADATA_SCHEMA):
        for line in table.to_pylist():
            name = f"{STORE}/{line['file_name']}"
            mime = MIMES[Path(name).suffix]
            if name in signed or mime not in FORMATS:
                continue
            signed.add(name)
            found = leaves[line["row_id"]]
            lineage = {"row_id": line["row_id"], "leaf": found.leaf, "index": found.index}
            told = {**lineage, "root": head.root.hex(), "size": head.size}
            data = signer.embed((pack / name).read_bytes(), mime, told, generated=found.generated)
            if line["pixels_sha256"] is None or _digest(data) != line["pixels_sha256"]:
                raise InputError(
                    f"an image of row {line['row_id']} has other pixels than the row says",
                    mend="Curate its folder again, so that rows name the pixels of their images.",
                )
            write_bytes(pack / name, data)
    write_bytes(pack / layout.C2PA_CHAIN, signer.chain)
    return len(signed)


def _find_leaves(pack: Path) -> dict[str, _Leaf]:
    """The rows with images, by their ids."""
    wanted = {
        row_id
        for table in read_shard(pack, METADATA, METADATA_SCHEMA, ["row_id"])
        for row_id in table["row_id"].to_pylist()
    }
    found: dict[str, _Leaf] = {}
    index = 0
    for name in layout.of_kind(list_files(pack), "lineage", "records"):
        for table in read_shard(pack, name, RECORD_SCHEMA):
            leaves = bytes(leaves_of(table))
            for place, row_id in enumerate(table["row_id"].to_pylist()):
                if row_id in wanted:
                    record = parse_record(table["record"][place].as_py())
                    leaf = leaves[32 * place : 32 * place + 32].hex()
                    found[row_id] = _Leaf(index + place, leaf, record["origin"]["generator"] != "foreign")
            index += len(table)
    return found


@dataclass(slots=True)
class CredentialCheck:
    """Compares the manifests of images with the tree; `unread` counts those that nothing here reads."""

    pack: Path
    names: frozenset[str]
    root: str
    unread: int = 0

    def compare(self, image: PackedImage, signed: str) -> VerificationError | None:
        """What is wrong with an image of that signed digest. Where there are manifests, each image of a
        format that takes one has one.
        """
        mime = MIMES[Path(image.name).suffix]
        if layout.C2PA_CHAIN not in self.names or mime not in FORMATS or image.attached["role"] == CONDITION:
            return None if signed == image.attached["sha256"] else _refuse(image, signed)
        data = read_file(self.pack, image.name, max_bytes=MAX_SIGNED_BYTES)
        if _digest(data) != image.attached["pixels_sha256"]:
            return VerificationError(f"{image.name} does not have the pixels of row {image.row_id}")
        fault = self._find_fault(data, mime)
        return None if fault is None else VerificationError(f"{image.name}: {fault}")

    def _find_fault(self, data: bytes, mime: str) -> str | None:
        try:
            chain = read_file(self.pack, layout.C2PA_CHAIN, max_bytes=MAX_CHAIN_BYTES)
            manifest = read_manifest(data, mime, chain)
        except MissingExtra:
            self.unread += 1
            return None
        except VerificationError as exc:
            return str(exc)
        if manifest is None:
            return "it has the pixels of its row, and no C2PA manifest any more"
        is_ours = manifest.trusted and manifest.lineage.get("root") == self.root
        return None if is_ours else "its C2PA manifest is of another signer or another batch"


def describe_change(pack: Path, name: str) -> str | None:
    """What became of an image whose file is not the one that was signed; None where nothing can be said.

    The metadata that it is compared with may have been changed too.
    """
    lines = read_shard(pack, METADATA, METADATA_SCHEMA, ["file_name", "pixels_sha256"])
    try:
        told = {line["file_name"]: line["pixels_sha256"] for table in lines for line in table.to_pylist()}
        pixels = _digest(read_file(pack, name, max_bytes=MAX_SIGNED_BYTES))
        known = told.get(name.removeprefix(f"{STORE}/"))
    except (VerificationError, MissingExtra):
        return None
    if pixels is None:
        return "it is no image any more"
    if pixels == known:
        return "its pixels are still those of the row; the file around them is another, as encoding makes it"
    others = sorted(other for other, digest in told.items() if digest == pixels)
    return f"its pixels are those of {STORE}/{others[0]}" if others else "its pixels are others"


def _refuse(image: PackedImage, signed: str) -> VerificationError:
    return VerificationError(
        f"{image.name} is not the image of row {image.row_id}",
        seen=f"SHA-256 {signed}",
        allowed=f"SHA-256 {image.attached['sha256']}",
    )


def _digest(data: bytes) -> Any:
    """The digest of the pixels of a file; None for one that is no image."""
    return describe_pixels(read_image(data)).get("pixels_sha256")
