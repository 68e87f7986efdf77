"""The names that a pack's files may have, and the list of those that it has."""

from collections.abc import Iterable
from pathlib import Path

from synth_stack.errors import VerificationError
from synth_stack.files import store_errors
from synth_stack.packs import verify_pack
from synth_stack.packs.refusals import raise_refusals, to_error
from synth_stack.packs.splits import SPLITS, TRAIN
from synth_stack.packs.turned_away import TURNED_AWAY
from synth_stack.packs.verify_pack import (
    BUNDLE,
    C2PA_CHAIN,
    CARD,
    COSIGNATURES,
    CROISSANT,
    DOCUMENTS,
    GATES,
    INDEX,
    LEDGER,
    MAX_FILES,
    MAX_NAME_CHARS,
    MEASURES,
    PACK_SCHEME,
    PROVENANCE,
    PUBLIC_KEY,
    RECIPE,
    REVOKED,
    ROWS_SUBJECT,
    SPDX,
    STATEMENT,
    TILES,
    TRAINING_SUMMARY,
    UNSIGNED,
    VERIFIER,
    WITHDRAWN,
    find_name_fault,
)

__all__ = [
    "BUNDLE",
    "C2PA_CHAIN",
    "CARD",
    "COSIGNATURES",
    "CROISSANT",
    "DOCUMENTS",
    "GATES",
    "INDEX",
    "LEDGER",
    "MAX_FILES",
    "MAX_NAME_CHARS",
    "MEASURES",
    "PACK_SCHEME",
    "PROVENANCE",
    "PUBLIC_KEY",
    "RECIPE",
    "REVIEW",
    "REVIEW_ANSWERS",
    "REVOKED",
    "ROWS_SUBJECT",
    "SEEDS",
    "SPDX",
    "STATEMENT",
    "TILES",
    "TRAINING_SUMMARY",
    "UNSIGNED",
    "VERIFIER",
    "WITHDRAWN",
    "data_name",
    "find_name_fault",
    "has_review",
    "lines_name",
    "list_data",
    "list_foreign",
    "list_pack_files",
    "list_row_files",
    "list_turned_files",
    "log_name",
    "of_kind",
    "records_name",
    "turned_name",
]

SEEDS = "seeds"
REVIEW = "review"
REVIEW_ANSWERS = f"{REVIEW}/answers.jsonl"


def data_name(number: int, shards: int, split: str = TRAIN) -> str:
    """The file of accepted rows of that number, as the Hub names the shards of a split."""
    return f"data/{split}-{number:05d}-of-{shards:05d}.parquet"


def log_name(number: int) -> str:
    """The file of decisions of that number."""
    return f"log/decisions-{number:05d}.parquet"


def turned_name(number: int, shards: int, decision: str) -> str:
    """The file of rejected or held rows of that number."""
    return f"log/{decision}-{number:05d}-of-{shards:05d}.parquet"


def records_name(number: int) -> str:
    """The file of lineage records of that number."""
    return f"lineage/records-{number:05d}.parquet"


def lines_name(number: int) -> str:
    """The file of the same records as canonical JSON, one a line, for readers without Parquet."""
    return f"lineage/records-{number:05d}.jsonl.gz"


def of_kind(names: Iterable[str], folder: str, stem: str) -> list[str]:
    """The Parquet shards of one kind among `names`, in their order: `of_kind(names, "log", "decisions")`."""
    return sorted(
        name for name in names if name.startswith(f"{folder}/{stem}-") and name.endswith(".parquet")
    )


def list_data(names: Iterable[str]) -> dict[str, list[str]]:
    """The files of accepted rows among `names` by split, in their order; none for a split without any."""
    names = list(names)
    return {split: of_kind(names, "data", split) for split in SPLITS}


def list_turned_files(names: Iterable[str]) -> dict[str, list[str]]:
    """The files of rows that were turned away among `names` by decision, in their order."""
    names = list(names)
    return {decision: of_kind(names, "log", decision) for decision in TURNED_AWAY}


def list_row_files(names: Iterable[str]) -> list[str]:
    """The files of accepted rows among `names`, of one split after another."""
    return [name for files in list_data(names).values() for name in files]


def list_pack_files(pack: Path) -> tuple[dict[str, int], list[VerificationError], list[str]]:
    """The pack's files with their bytes, sorted; what is wrong with the folder as a list of files; what the
    Hub left there.

    Nothing is opened. Links, devices, hidden files and unknown names are faults, and are not listed.
    """
    with store_errors(pack), raise_refusals():
        found = verify_pack.list_pack(pack)
    return found.sizes, [to_error(fault) for fault in found.faults], found.left_by_hub


def list_foreign(pack: Path) -> list[str]:
    """What lies in the folder of a pack, of this scheme or an older one, that no part of a pack is.

    A sentence each. Files that are missing are none of it.
    """
    with store_errors(pack), raise_refusals():
        found = verify_pack.list_pack(pack)
    return [str(fault) for fault in found.faults if not isinstance(fault, verify_pack.MissingFile)]


def has_review(names: Iterable[str]) -> bool:
    """Whether a pack with these files has a review."""
    return any(name.startswith(f"{REVIEW}/") for name in names)
