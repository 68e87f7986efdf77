"""A dataset repository on the Hub, read within bounds: who runs the server may not be a friend.

The client's own session is used (its proxies, certificates and offline mode), and neither its retries nor its
snapshots: these believe what a server says of names, sizes, waits and addresses.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urljoin, urlsplit

import httpx2
from huggingface_hub import constants, get_session, hf_hub_url
from huggingface_hub.errors import HFValidationError

# the package exports them lazily, which mypy does not follow
from huggingface_hub.utils import build_hf_headers, validate_repo_id  # type: ignore[attr-defined]

from synth_stack.errors import ConfigError, InputError, VerificationError, WorkError
from synth_stack.packs.verify_pack import MAX_FILES

TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105  (the name of a variable)
MAIN = "main"
LEFT_BY_HUB = frozenset({".gitattributes"})
"""What the Hub adds to every repository; no part of a pack."""

MAX_ANSWER_BYTES = 8 * 1024**2
"""A page of the list of files has 1,000 files of some 300 bytes; 8 MiB of JSON take at most some 300 MB."""
MAX_PAGES = 2 * MAX_FILES // 1_000
"""Twice what a pack of MAX_FILES files takes."""
MAX_REDIRECTS = 5
ANSWER_S = 60.0
"""The longest that an answer may take from its first to its last byte; a file may take longer."""
TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
ATTEMPTS = 5
"""Tries in a row that bring nothing."""

_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_TOKEN = re.compile(r"[!-~]+", re.ASCII)
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class HubCommit:
    """A commit of a repository: its id, and whether the repository is private."""

    sha: str
    private: bool


@dataclass(frozen=True, slots=True)
class HubFile:
    """What a repository says of a file: its bytes, and the digest that it is stored by: SHA-256 of a large
    file, git's blob id of any other.
    """

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A dataset repository at `endpoint`; `token_env` names the environment variable with the token."""

    repo_id: str
    endpoint: str
    token: str | None
    token_env: str

    @classmethod
    def open(cls, repo_id: str, token_env: str = TOKEN_VARIABLE) -> Self:
        """The repository `repo_id` on the server that HF_ENDPOINT names; nothing is asked yet.

        Without the variable the token is the one that `hf auth login` saved. Raises InputError for a name
        that no repository has, ConfigError for a token that is none.
        """
        try:
            validate_repo_id(repo_id)
        except HFValidationError as exc:
            raise InputError("that is no name of a repository", seen=repo_id, allowed="OWNER/NAME") from exc
        endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
        token = os.environ.get(token_env) or None
        if token is not None and not _TOKEN.fullmatch(token):  # a client would quote it in its complaint
            raise ConfigError(f"what {token_env} holds is no token", allowed="ASCII without spaces")
        return cls(repo_id, endpoint, token, token_env)

    def find_commit(self, revision: str = MAIN) -> HubCommit:
        """The commit that a branch, tag or id stands for. Raises WorkError."""
        value, _ = self._read_json(
            f"{self.endpoint}/api/datasets/{self.repo_id}/revision/{quote(revision, safe='')}"
        )
        match value:
            case {"sha": str(sha), "private": bool(private)} if _COMMIT.fullmatch(sha):
                return HubCommit(sha, private)
        raise self.refuse("does not say which commit that is")

    def list_files(self, commit: str) -> dict[str, HubFile]:
        """The files of a commit by path, as the server lists them: any name that it likes.

        Raises WorkError, and VerificationError for more files than a pack has.
        """
        found: dict[str, HubFile] = {}
        url = f"{self.endpoint}/api/datasets/{self.repo_id}/tree/{commit}?recursive=true&expand=false"
        for _ in range(MAX_PAGES):
            value, following = self._read_json(url)
            if not isinstance(value, list):
                raise self.refuse("lists no files")
            for entry in value:
                self._add_entry(entry, found)
            if len(found) > MAX_FILES:
                raise VerificationError(f"the repository has more than {MAX_FILES} files")
            if following is None:
                return found
            url = urljoin(url, following)
        raise self.refuse("goes on listing files without an end")

    @contextlib.contextmanager
    def open_file(self, commit: str, name: str, start: int = 0) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Where the bytes of a file begin that the server sends, and these as they come: at `start`, or at 0
        where it sends no part of a file. Raises WorkError, VerificationError for a file that it has not.
        """
        url = hf_hub_url(self.repo_id, name, repo_type="dataset", revision=commit, endpoint=self.endpoint)
        with self._open(url, {"Range": f"bytes={start}-"} if start else {}) as response:
            said = response.headers.get("content-range", "")
            begins = start if response.status_code == 206 and said.startswith(f"bytes {start}-") else 0
            if response.status_code == 206 and begins != start:
                raise self.refuse(f"sends another part of {name} than it was asked for")
            yield begins, response.iter_raw()

    def refuse(self, what: str) -> WorkError:
        """The error for an answer that no Hub gives."""
        return WorkError(
            f"the server that holds {self.repo_id} {what}", mend="Check that HF_ENDPOINT names a Hub."
        )

    def explain(self, error: Exception) -> WorkError:
        """What the network or the client said, as one sentence of ours."""
        said = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        return WorkError(
            f"{self.repo_id} cannot be read from the Hub: {said}",
            mend=f"Check HF_ENDPOINT, the network and the token in {self.token_env}.",
        )

    def _read_json(self, url: str) -> tuple[Any, str | None]:
        """The value of an answer in JSON, and the address of its next page."""
        data, end = bytearray(), time.monotonic() + ANSWER_S
        for wait in list_waits():
            try:
                with self._open(url, {}) as response:
                    following = response.links.get("next", {}).get("url")
                    for chunk in response.iter_raw():
                        data += chunk
                        if len(data) > MAX_ANSWER_BYTES or time.monotonic() > end:
                            raise self.refuse("answers without an end")
                break
            except httpx2.TransportError as exc:
                if wait is None:
                    raise self.explain(exc) from exc
                data.clear()
                time.sleep(wait)
        try:
            return json.loads(data), following
        except (ValueError, RecursionError) as exc:
            raise self.refuse("does not answer as the Hub does") from exc

    @contextlib.contextmanager
    def _open(self, url: str, asked: dict[str, str]) -> Iterator[httpx2.Response]:
        """A sound answer whose body is not read yet, after at most MAX_REDIRECTS redirects.

        The token goes to the endpoint alone, and a redirect elsewhere has to be https. Raises
        httpx2.TransportError where asking again may help, WorkError, VerificationError.
        """
        for _ in range(MAX_REDIRECTS + 1):
            is_hub = _find_origin(url) == _find_origin(self.endpoint)
            headers = build_hf_headers(token=(self.token if is_hub else False), headers=asked)
            headers["Accept-Encoding"] = "identity"  # a packed answer may become any number of bytes
            try:
                with get_session().stream(
                    "GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=False
                ) as response:
                    if not response.has_redirect_location:
                        self._require_sound(response)
                        yield response
                        return
                    url = urljoin(url, response.headers["location"])
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, OSError) as exc:
                raise self.explain(exc) from exc
            if urlsplit(url).scheme != "https" and _find_origin(url) != _find_origin(self.endpoint):
                raise self.refuse("sends its reader to an address without https")
        raise self.refuse("sends its reader from address to address")

    def _require_sound(self, response: httpx2.Response) -> None:
        status, code = response.status_code, response.headers.get("x-error-code", "")
        if status in _RETRIED:
            raise httpx2.NetworkError(f"the server answers {status}", request=response.request)
        if status == 404 and code == "RevisionNotFound":
            raise WorkError(f"{self.repo_id} has no such revision on the Hub", mend="Check --revision.")
        if status == 404 and code == "EntryNotFound":
            raise VerificationError(f"{self.repo_id} does not give a file that it lists")
        if status in {401, 403, 404}:
            raise WorkError(
                f"the Hub has no dataset {self.repo_id}, or does not show it to this token ({status})",
                mend=f"Check HF_ENDPOINT, the repository's name, and the token in {self.token_env}.",
            )
        if status not in {200, 206}:
            raise self.refuse(f"answers {status}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self.refuse("packs what it was asked to send as it is")

    def _add_entry(self, entry: Any, found: dict[str, HubFile]) -> None:
        match entry:
            case {"type": "directory"}:
                return
            case {"type": "file", "path": str(path), "size": int(size), "lfs": {"oid": str(digest)}}:
                pass
            case {"type": "file", "path": str(path), "size": int(size), "oid": str(digest)}:
                pass
            case _:
                raise self.refuse("lists a file that is none")
        if path in found:
            raise self.refuse("lists a file twice")
        found[path] = HubFile(size, digest)


def list_waits() -> Iterator[float | None]:
    """Seconds to wait after each try that failed, and None after the last."""
    yield from (float(2**number) for number in range(ATTEMPTS - 1))
    yield None


def _find_origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
