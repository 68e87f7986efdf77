"""JSON as the documents of a pack are written: indented, so that people and `verify` can name a line."""

from collections.abc import Mapping
from typing import Any

import orjson


def render_json(value: Mapping[str, Any]) -> bytes:
    """The bytes of a JSON document, the same for the same value in the same order, with a line feed."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
