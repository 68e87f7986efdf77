"""The names that a pack's files may have, and the list of those that it has."""

import os
import re
import stat
import unicodedata
from pathlib import Path

from synth_stack.errors import VerificationError
from synth_stack.files import store_errors
from synth_stack.packs.splits import SPLITS, TRAIN
from synth_stack.runs.folder import MANIFEST

PACK_SCHEME = "synth_stack/pack/v3"
"""Stands in the signed statement. It fixes the layout, and also how the card's figures are rendered:
`verify` renders them again, so another rendering needs another scheme."""

REVIEWED_SCHEME = "synth_stack/pack/v4"
"""Of a pack whose rows people have judged: it has `review/`, and a section on it on its card."""

CARD = "README.md"
RECIPE = "recipe.yaml"
GATES = "gates.yaml"
CROISSANT = "croissant.json"
MEASURES = "log/gates.json"
STATEMENT = "lineage/statement.dsse.json"
PUBLIC_KEY = "lineage/public_key.pem"
BUNDLE = "lineage/bundle.sigstore.json"
TILES = "lineage/tiles"
SEEDS = "seeds"

REVIEW = "review"
REVIEW_ANSWERS = f"{REVIEW}/answers.jsonl"

ROWS_SUBJECT = "rows"
"""The one subject of the statement that is no file: the Merkle root over the records of all rows."""

UNSIGNED = frozenset({STATEMENT, PUBLIC_KEY, BUNDLE, MANIFEST})
"""What carries the signature, and the list that is written last."""

MAX_FILES = 20_000
"""More files than a pack of 500 million rows has; a longer list is refused instead of being read."""
MAX_NAME_CHARS = 200

_REQUIRED = (CARD, RECIPE, GATES, CROISSANT, MEASURES, STATEMENT, PUBLIC_KEY, MANIFEST)
_KNOWN = re.compile(
    rf"data/(?:{'|'.join(SPLITS)})-\d{{5}}-of-\d{{5}}\.parquet"
    r"|log/decisions-\d{5}\.parquet|lineage/records-\d{5}\.parquet"
    r"|lineage/tiles/\d\.bin|lineage/bundle\.sigstore\.json|seeds/.+"
    r"|review/(?:plan\.json|outcome\.json|answers\.jsonl|lots\.parquet|frame\.parquet|sample\.parquet)"
    r"|review/(?:earlier-\d{3}/)?(?:plan\.json|sample\.parquet|screened-\d{5}\.parquet)"
)
_LEFT_BY_HUB = (".gitattributes", ".cache")
"""What the Hub's own download puts beside the files; no part of a pack, and nothing reads it."""


def data_name(number: int, shards: int, split: str = TRAIN) -> str:
    """The file of accepted rows of that number, as the Hub names the shards of a split."""
    return f"data/{split}-{number:05d}-of-{shards:05d}.parquet"


def log_name(number: int) -> str:
    """The file of decisions of that number."""
    return f"log/decisions-{number:05d}.parquet"


def records_name(number: int) -> str:
    """The file of lineage records of that number."""
    return f"lineage/records-{number:05d}.parquet"


def of_kind(names: list[str], folder: str, stem: str) -> list[str]:
    """The shards of one kind among `names`, in their order: `of_kind(names, "log", "decisions")`."""
    return sorted(name for name in names if name.startswith(f"{folder}/{stem}-"))


def list_data(names: list[str]) -> dict[str, list[str]]:
    """The files of accepted rows among `names` by split, in their order; none for a split without any."""
    return {split: of_kind(names, "data", split) for split in SPLITS}


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
        (name not in _REQUIRED and not _KNOWN.fullmatch(name), "no part of a pack has that name"),
    )
    return next((fault for is_so, fault in faults if is_so), None)


def list_pack_files(pack: Path) -> tuple[list[str], list[VerificationError], list[str]]:
    """The pack's files, sorted; what is wrong with the folder as a list of files; what the Hub left there.

    Nothing is opened. Links, devices, hidden files and unknown names are faults, and are not listed.
    """
    names: list[str] = []
    faults: list[VerificationError] = []
    left_by_hub: list[str] = []
    pending = [""]
    with store_errors(pack):
        while pending:
            prefix = pending.pop()
            for entry in sorted(os.scandir(pack / prefix), key=lambda entry: entry.name):
                name = f"{prefix}{entry.name}"
                mode = entry.stat(follow_symlinks=False).st_mode
                if name in _LEFT_BY_HUB and not stat.S_ISLNK(mode):
                    left_by_hub.append(name)
                elif stat.S_ISDIR(mode):
                    pending.append(f"{name}/")
                elif not stat.S_ISREG(mode):
                    faults.append(VerificationError(f"{name} is a link or a device", allowed="regular files"))
                elif (fault := find_name_fault(name)) is not None:
                    said = name if name.isprintable() else ascii(name)
                    faults.append(VerificationError(f"{said} does not belong into a pack: {fault}"))
                else:
                    names.append(name)
                if len(names) + len(faults) + len(pending) > MAX_FILES:
                    raise VerificationError(f"the pack holds more than {MAX_FILES} files")
    missing = [VerificationError(f"{name} is missing") for name in _REQUIRED if name not in names]
    return sorted(names), faults + missing, left_by_hub
