"""Addresses of hosts on the Internet, and what is written like one: versions, sections, documentation."""

import ipaddress
import re
from collections.abc import Callable, Iterator

from synth_stack.gates.personal_data.phones import is_placeholder

_IP4 = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)", re.ASCII)
_IP6 = re.compile(r"(?<![\w:.])[23][0-9a-fA-F]{3}:[0-9a-fA-F:]{2,34}(?![\w:])", re.ASCII)
_IP_WORDS = re.compile(
    r"\b(?:ips?|ipv[46]|address|adresse|server|host|ping|dns|gateway|log(?:ged|in|s)?|sign(?:ed)?[ -]in"
    r"|connect\w*|session|firewall|vpn|router|ssh|proxy|subnet|client|remote)\b",
    re.IGNORECASE,
)
_VERSION_WORDS = re.compile(
    r"\b(?:v|ver|version|release|build|firmware|patch|update|section|chapter|figure|table|clause)\.?[ :]*$",
    re.IGNORECASE,
)
_PUBLIC_IPS = frozenset(
    "1.2.3.4 1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220"
    " 2001:4860:4860::8888 2001:4860:4860::8844 2606:4700:4700::1111 2620:fe::fe".split()
)
"""Public resolvers, and the address that people type when any address will do."""


def find_ips(text: str, look: Callable[[int, int], tuple[str, str]]) -> Iterator[tuple[int, int]]:
    """(start, end) of every public address in `text`; `look` gives what stands before and after a place."""
    for match in _IP4.finditer(text):
        if _read_ip(match[0]) is not None and _is_address(match[0], *look(match.start(), match.end())):
            yield match.start(), match.end()
    for match in _IP6.finditer(text):
        if _read_ip(match[0]) is not None:
            yield match.start(), match.end()


def _read_ip(written: str) -> str | None:
    """The address, if it is one that a host on the Internet can have and that is no well-known one.

    Private, loopback, documentation and other reserved ranges (RFC 1918, 5737, 3849, 6890) belong to no one.
    """
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return None
    public = address.is_global and not address.is_multicast and not written.endswith(".0")  # a network's
    known = str(address) in _PUBLIC_IPS or is_placeholder(written.replace(".", ""))
    return str(address) if public and not known else None


def _is_address(written: str, before: str, after: str) -> bool:
    """An address rather than a version: by the word before it, else by numbers that no version has."""
    version = _VERSION_WORDS.search(before)
    if version is not None or _IP_WORDS.search(before) or _IP_WORDS.search(after):
        return version is None
    return sum(int(part) > 31 for part in written.split(".")) >= 2
