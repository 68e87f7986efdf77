"""The address of a server as a recipe may write it."""

import re
from typing import Annotated

from pydantic import AfterValidator


def _check(text: str) -> str:
    # the value is not repeated: there may be a password in it
    if not re.fullmatch(r"https?://[^\s@]+", text):
        raise ValueError("http:// or https://, and no space, user or password in it")
    return text


BaseUrl = Annotated[str, AfterValidator(_check)]
"""`http://` or `https://`, ends in /v1; a key comes from the environment, never from an address."""
