"""Which Argilla server a campaign is on, and by which key: named, or found where one runs."""

import os
from collections.abc import Mapping
from pathlib import Path

from synth_stack.errors import ConfigError
from synth_stack.files import open_regular, store_errors
from synth_stack.review.server.local_server import ServerAddress, read_address

URL_VARIABLE = "ARGILLA_API_URL"
KEY_VARIABLE = "ARGILLA_API_KEY"
"""The variables of Argilla's own SDK."""
SERVER_FOLDER = "review-server"
"""Where `review serve` keeps its data when no folder is named."""
_MAX_KEY_BYTES = 4_096


def find_server(
    folder: Path,
    *,
    url: str | None = None,
    api_key: str | None = None,
    server: str | Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ServerAddress:
    """The server of a campaign and a key for it; see `campaign`. Raises ConfigError where none is named."""
    named = url
    if named is None and server is None:
        own = read_address(folder)
        if own is not None:
            return own
        named = environment.get(URL_VARIABLE)
    if named is not None:
        key = api_key or environment.get(KEY_VARIABLE)
        if not key:
            raise ConfigError(
                "the Argilla server needs a key",
                mend=f"Put that of an owner or admin into {KEY_VARIABLE}, or into a file for --key-file.",
            )
        return ServerAddress(named, key, None)
    place = Path(server if server is not None else SERVER_FOLDER)
    found = read_address(place)
    if found is None:
        raise ConfigError(
            "no Argilla server is named, and none has run here",
            seen=str(place),
            mend="Start one with `synth-stack review serve`, or name one with --url.",
        )
    return found


def read_key_file(path: Path) -> str:
    """The key in a file, without the end of its line. Raises StoreError, ConfigError for an empty one."""
    with store_errors(path), open_regular(path) as file:
        key = file.read(_MAX_KEY_BYTES).decode("ascii", "replace").strip()
    if not key:
        raise ConfigError(f"{path} holds no key")
    return key
