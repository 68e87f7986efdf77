"""How a page names the one script and the one style that it may run."""

import base64
import hashlib


def digest_source(source: str) -> str:
    """How a content security policy names a script or style (CSP level 3, hash-source)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
