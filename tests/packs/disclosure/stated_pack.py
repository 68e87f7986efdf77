"""A pack whose recipe states all that the documents ask for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from tests.packs.judged_run import RECIPE, build_pack, identify

STATED: Mapping[str, Any] = {
    "issuer": {"name": "Acme | Data", "address": ["1 Lock Street", "Kiel"], "country": "DE"},
    "issued": "2026-11-30",
    "url": "https://example.org/packs/support",
    "uses": ["ai-alignment"],
}
TERMS = {"output": "no-competing-models", "license": "LicenseRef-Parrot", "url": "https://example.org/terms"}


def build_stated_pack(folder: Path) -> Path:
    """The pack at `folder`/pack, signed with `folder`/key.pem."""
    named = RECIPE["recipe"]
    return build_pack(
        folder,
        recipe=identify(
            {
                **RECIPE,
                "recipe": {**named, "pack": {**named["pack"], **STATED}},
                "teacher": {**RECIPE["teacher"], "terms": TERMS},
            }
        ),
    )


def read_json(pack: Path, name: str) -> Any:
    """One JSON file of a pack."""
    return orjson.loads((pack / name).read_bytes())
