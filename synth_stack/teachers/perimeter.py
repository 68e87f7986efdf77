"""How far prompts may go: `open`, or `local`, which is this machine and the hosts that a recipe allows.

What is checked is the host that the HTTP library itself reads out of the address, so that no second parser
can be told another story (`http://127.0.0.1@evil`). A loopback address is taken as it stands and needs no
name to be looked up; `localhost` is looked up once and the address that was found is the one that is asked;
an allowed host is trusted by its name, wherever that resolves to. Proxies of the environment are not used and
redirects are not followed.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import Literal, NamedTuple

import httpx

from synth_stack.errors import ConfigError
from synth_stack.teachers.teacher import Teacher

Perimeter = Literal["open", "local"]


_HOST = re.compile(r"[0-9a-z](?:[0-9a-z_.:-]*[0-9a-z])?|::[0-9a-f:.]*")


class Address(NamedTuple):
    """Where requests go: `base_url`, and the `host` that they name when that was looked up before."""

    base_url: str
    host: str | None = None


def confine(teacher: Teacher, perimeter: Perimeter, allow_hosts: Sequence[str]) -> None:
    """Make a teacher keep to the perimeter, and refuse one that reaches beyond it; sends nothing.

    Raises ConfigError for such a teacher, for one that cannot say where it sends its prompts, and for an
    allowed host that is none. The address that a teacher states is checked here, whatever its own
    `keep_local` does.
    """
    if perimeter == "open":
        if allow_hosts:
            raise ConfigError(
                "allow_hosts says nothing while the perimeter is open",
                seen=", ".join(allow_hosts),
                mend="Set perimeter: local, or leave allow_hosts out.",
            )
        return
    hosts = [read_host(host) for host in allow_hosts]
    if teacher.address is not None:
        find_address(teacher.address, hosts)
    teacher.keep_local(hosts)


def read_host(text: str) -> str:
    """An entry of `allow_hosts` as addresses are compared with it. Raises ConfigError for all but a host."""
    host = _named(text)
    try:
        known = _canonical(httpx.URL(f"http://{host}/").raw_host.decode("ascii"))
    except (httpx.InvalidURL, UnicodeError):
        known = ""
    if not _HOST.fullmatch(known) or re.search(r"[\s/@?#\\]", text):
        raise ConfigError(
            "allow_hosts names hosts",
            seen=text,
            allowed="a name or an IP address, without scheme, port or path",
        )
    return known


def find_address(base_url: str, allow_hosts: Sequence[str]) -> Address:
    """The address of a server within the local perimeter. Raises ConfigError for any other."""
    try:
        url = httpx.URL(base_url)
        host = _canonical(url.raw_host.decode("ascii"))
    except (httpx.InvalidURL, UnicodeError) as exc:
        raise ConfigError(f"teacher.base_url is no address: {exc}") from exc
    if url.scheme not in {"http", "https"}:
        raise ConfigError("teacher.base_url is no address of a web server", allowed="http:// or https://")
    if url.userinfo:
        raise _refused("an address with a user in it", url.host)
    if host in allow_hosts or _is_loopback(host):
        return Address(base_url)
    if host != "localhost":
        raise _refused("a teacher that is not on this machine", url.host)
    found = _look_up(host, url.port or (443 if url.scheme == "https" else 80))
    beyond = [address for address in found if not _is_loopback(address)]
    if beyond or not found:
        raise _refused("a localhost that is not on this machine", ", ".join(beyond) or host)
    return Address(str(url.copy_with(host=found[0])), host if url.port is None else f"{host}:{url.port}")


def _refused(what: str, seen: str) -> ConfigError:
    return ConfigError(
        f"perimeter: local refuses {what}",
        seen=seen,
        allowed="a loopback address, localhost, or a host in allow_hosts",
        mend="Nothing was sent. Allow the host in the recipe, or set perimeter: open.",
    )


def _named(text: str) -> str:
    """An IPv6 address in the brackets that a URL wants."""
    return f"[{text}]" if ":" in text and not text.startswith("[") else text


def _canonical(host: str) -> str:
    """A host as it is compared: lower case, addresses in their one form."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host.lower()


def _is_loopback(host: str) -> bool:
    """Whether `host` is a loopback address, spelt out: 2130706433 and 127.1 are names to us, and refused."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool(address.is_loopback or (mapped is not None and mapped.is_loopback))


def _look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    # IPv4 first: most model servers listen there alone
    return [str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0] != socket.AF_INET)]
