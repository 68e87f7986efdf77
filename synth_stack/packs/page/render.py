"""The page as one file: its parts, and names and bounds of verify_pack.py, so that these cannot differ."""

import json
from importlib.resources import files
from string import Template
from typing import Any

from synth_stack import __version__
from synth_stack.packs import verify_pack
from synth_stack.text.page_policy import digest_source

SCRIPTS = ("sha256", "canonical", "seal", "records", "tree", "withdrawal", "mixture", "inspect", "page")
"""In the order in which they define what the next one uses; the page holds them as one script."""

_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
_CONSTANTS = (
    *("PACK_SCHEME", "RECORD_SCHEME", "RULE_SCHEME", "MANIFEST_SCHEME", "MEASURES_SCHEME", "LEDGER_SCHEME"),
    *("COSIGNATURES_SCHEME", "REVOCATION_SCHEME", "WITHDRAWN_SCHEME", "REVOCATION_TYPE", "STATEMENT_TYPE"),
    *("PREDICATE_TYPE", "PAYLOAD_TYPE", "MANIFEST", "RECIPE", "GATES", "MEASURES", "STATEMENT", "PUBLIC_KEY"),
    *("BUNDLE", "LEDGER", "COSIGNATURES", "TILES", "REVOKED", "WITHDRAWN", "ROWS_SUBJECT", "UNSIGNED"),
    *("REQUIRED", "MAX_FILES", "MAX_NAME_CHARS", "MAX_DEPTH", "MAX_SEAL_BYTES", "MAX_MEASURES_BYTES"),
    *("MAX_VALUES", "MAX_RECORD_BYTES", "MAX_COSIGNATURES_BYTES", "MAX_REVOKED_BYTES", "KINDS", "OUTCOMES"),
    *(
        "DECISIONS",
        "SCOPES",
        "CITED",
        "PRECEDENCE",
        "OVERRIDING",
        "SELECTORS",
        "CORPUS_SELECTORS",
        "LEFT_BY_HUB",
    ),
    *(
        "PREDICATE",
        "KNOWN",
        "INDEX",
        "INDEX_BYTES",
        "PREFIX_BYTES",
        "CROISSANT",
        "FOREIGN",
        "PARQUET_NOTE",
    ),
    *("VERSION", "MOMENT", "GZIP_START"),
    *("MIXTURE_SCHEME", "MIXTURE_PREDICATE", "MIXTURE_FILES", "MIXTURE_KNOWN", "PACKS_SUBJECT", "SOURCES"),
    *("JUDGING_PARTS", "TERMS", "TERMS_OF", "PURPOSES", "MIXED_KEYS_NOTE"),
)


def render_page() -> str:
    """The whole page: no address, no script or style but its own two, whose digests its policy names.

    Nothing from a pack becomes markup: the script makes text nodes, and trusted types refuse anything else.
    """
    rules = json.dumps(list_rules(), sort_keys=True).translate(_ESCAPES)
    scripts = [read_part(f"{name}.js") for name in SCRIPTS]
    script = "\n".join([scripts[0], f"const RULES = {rules};", *scripts[1:]])
    style = read_part("page.css")
    return Template(read_part("page.html")).substitute(
        script_digest=digest_source(script),
        style_digest=digest_source(style),
        script=script,
        style=style,
        version=__version__,
    )


def list_rules() -> dict[str, Any]:
    """The constants of the single file that the page goes by, by their names in small letters."""
    found = {name.lower(): _to_plain(getattr(verify_pack, name)) for name in _CONSTANTS}
    identities = {
        "no_identity": verify_pack.describe_identity(False),
        "identity_not_checked": verify_pack.describe_identity(True),
    }
    return {**found, **identities, "seeds": verify_pack.SEEDS[0]}


def read_part(name: str) -> str:
    """A style, script or page of this folder, without the white space around it."""
    return files("synth_stack.packs.page").joinpath(name).read_text(encoding="utf-8").strip()


def _to_plain(value: Any) -> Any:
    if hasattr(value, "pattern"):
        return value.pattern
    if isinstance(value, bytes):
        return value.hex()
    return sorted(value) if isinstance(value, frozenset) else value
