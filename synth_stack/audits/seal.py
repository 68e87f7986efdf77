"""The statement of an auditor: which data set, which gates, which figures; signed over every file of the
audit.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth_stack.audits.document import AUDIT
from synth_stack.files import digest_file, write_bytes
from synth_stack.lineage.sign import build_statement, key_id, load_or_make_key, public_key_pem, sign_local
from synth_stack.rows.canonical import canonical_json, digest_bytes
from synth_stack.runs.folder import MANIFEST, list_files

Json = dict[str, Any]

AUDIT_TYPE = "https://synth-stack.dev/audit/v1"
ENVELOPE = "audit.dsse.json"
AUDIT_KEY = "audit.pub.pem"
PAGE = "audit.html"
REMEDY = "remedy"
REVIEW = "review"
"""What people do after the audit lies beside it, and is no part of it."""
UNSIGNED = frozenset({MANIFEST, ENVELOPE, AUDIT_KEY})


def list_signed(folder: Path) -> list[str]:
    """The files of an audit that its statement names. Raises StoreError for a link."""
    return [name for name in list_files(folder) if name not in UNSIGNED and not name.startswith(f"{REVIEW}/")]


def build_predicate(audit: Mapping[str, Any]) -> Json:
    """What a statement says in the clear of an audit, and the digest of all that the audit says."""
    return {
        "scheme": audit["scheme"],
        "dataset": {name: audit["dataset"][name] for name in ("name", "sha256", "rows", "sampled")},
        "gates": audit["judged_by"],
        "figures": {
            "defects": audit["overall"]["defects"],
            "corrected": audit["overall"]["corrected"],
            "by_gate": {gate["gate"]: gate["rate"] for gate in audit["gates"]},
            "copies_of_references": [
                {name: reference[name] for name in ("gate", "name", "sha256", "rate")}
                for reference in audit["copies"]["references"]
            ],
            "not_checked": [gap["what"] for gap in audit["not_checked"]],
        },
        "audit": digest_bytes(canonical_json(dict(audit))),
    }


def sign_audit(folder: Path, audit: Mapping[str, Any], key_path: Path | None = None) -> str:
    """Signs an audit and all files that it was computed from; the id of the key.

    With the local key: it proves that nothing was changed, and not who signed. Raises SigningError.
    """
    key = load_or_make_key(key_path)
    subjects = {name: str(digest_file(folder / name)) for name in list_signed(folder)}
    statement = build_statement(subjects, build_predicate(audit), AUDIT_TYPE)
    write_bytes(folder / AUDIT_KEY, public_key_pem(key))
    write_bytes(folder / ENVELOPE, sign_local(statement, key))
    return key_id(key.public_key())


def write_audit(folder: Path, audit: Mapping[str, Any]) -> None:
    """audit.json, as canonical JSON."""
    write_bytes(folder / AUDIT, canonical_json(dict(audit)) + b"\n")
