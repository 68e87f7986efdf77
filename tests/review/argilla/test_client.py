import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from synth_stack.errors import ConfigError, ServerError, SynthStackError
from synth_stack.review.argilla import client as module
from synth_stack.review.argilla.client import ArgillaClient, ServerDataset

KEY = "the-secret-key-of-the-owner"
ID = "00000000-0000-4000-8000-00000000000{}"
OWNER = {"id": ID.format(1), "username": "owner", "role": "owner", "api_key": KEY}
DATASET = ServerDataset(id=ID.format(2), name="d", workspace_id=ID.format(3), status="ready")  # type: ignore[arg-type]

Handle = Callable[[httpx.Request], httpx.Response]


def make_client(handle: Handle, url: str = "http://127.0.0.1:6900") -> ArgillaClient:
    return ArgillaClient(url, KEY, transport=httpx.MockTransport(handle))


def answer(status: int = 200, value: Any = None) -> Handle:
    return lambda _: httpx.Response(status, json=value)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.0)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:6900",
        "ftp://host",
        "http://",
        "http://owner:pass@host",
        "https://host/?key=1",
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent_and_no_password_is_shown(
    url: str,
) -> None:
    with pytest.raises(ConfigError, match="address") as caught:
        make_client(answer(), url)
    assert "pass" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("key", ["", "with\nbreak", "schlüssel"])
def test_a_key_that_is_none_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ArgillaClient("http://127.0.0.1", key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        ("http://127.0.0.1:6900", False),
        ("http://argilla.example.org", True),
        ("https://argilla.example.org", False),
    ],
)
def test_a_client_knows_whether_rows_and_key_travel_unencrypted(url: str, is_open: bool) -> None:
    assert make_client(answer(), url).is_open is is_open


@pytest.mark.parametrize(
    ("handle", "error", "words"),
    [
        (answer(401, {"detail": "Could not validate credentials"}), ConfigError, "does not know this key"),
        (answer(403, {"detail": "no"}), ConfigError, "does not let this key"),
        (answer(404, None), ConfigError, "no Argilla 2 answers"),
        (
            lambda _: httpx.Response(302, headers={"location": "http://evil.example"}),
            ConfigError,
            "no Argilla 2",
        ),
        (lambda _: httpx.Response(200, text="<html>"), ConfigError, "no Argilla 2 answers"),
        (answer(422, {"detail": "bad\x1b[31m request"}), ServerError, "status 422"),
        (answer(500, {"detail": {"code": "x"}}), ServerError, "status 500"),
        (answer(503, None), ServerError, "status 503"),
    ],
)
def test_what_a_server_refuses_is_said_in_one_sentence_without_the_key(
    handle: Handle, error: type[SynthStackError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        make_client(handle).read_me()
    assert KEY not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_redirect_is_not_followed_with_the_key() -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"location": "http://evil.example/api/v1/me"})

    with pytest.raises(ConfigError):
        make_client(handle).read_me()
    assert asked == ["127.0.0.1"]


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), 503, 429])
def test_a_server_that_is_away_for_a_moment_is_asked_again(failure: Exception | int) -> None:
    asked = 0

    def handle(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked < 3:
            if isinstance(failure, Exception):
                raise failure
            return httpx.Response(failure)
        return httpx.Response(200, json=OWNER)

    assert make_client(handle).read_me().username == "owner"
    assert asked == 3


def test_what_could_be_done_twice_is_not_repeated() -> None:
    asked = 0

    def handle(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        raise httpx.ReadTimeout("slow")

    with pytest.raises(ServerError, match="cannot be reached"):
        make_client(handle).create_part(DATASET, "fields", {"name": "x"})
    assert asked == 1


def test_a_server_that_stays_away_is_an_error_that_says_how_to_go_on() -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    with pytest.raises(ServerError, match=r"cannot be reached: Connection refused.*goes on where it stopped"):
        make_client(handle).read_me()


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1_000)
    with pytest.raises(ServerError, match="too large"):
        make_client(lambda _: httpx.Response(200, content=b"x" * 2_000)).read_me()


@pytest.mark.parametrize(
    "items",
    [{"items": "none"}, {"items": [{"id": "not-a-uuid"}]}, {"things": []}, []],
)
def test_an_answer_of_another_shape_is_refused(items: Any) -> None:
    with pytest.raises(ServerError, match="cannot read"):
        make_client(answer(200, items)).list_parts(DATASET, "fields")


@pytest.mark.parametrize(
    ("names", "asked", "found"),
    [
        (["review"], None, "review"),
        (["a", "b"], "b", "b"),
        (["a", "b"], None, None),
        ([], None, None),
        (["a"], "c", None),
    ],
)
def test_the_workspace_is_the_named_one_or_the_only_one(
    names: list[str], asked: str | None, found: str | None
) -> None:
    items = [{"id": ID.format(n), "name": name} for n, name in enumerate(names)]
    client = make_client(answer(200, {"items": items}))
    if found is None:
        with pytest.raises(ConfigError, match="workspace"):
            client.read_workspace(asked)
    else:
        assert client.read_workspace(asked).name == found


def serve_records(total: int, *, deletes: int | None = None) -> tuple[Handle, list[int]]:
    """A server with records that lie in pages; one is deleted after the first page was read."""
    records = [
        {"id": f"00000000-0000-4000-8000-{n:012d}", "external_id": str(n), "fields": {}} for n in range(total)
    ]
    offsets: list[int] = []

    def handle(request: httpx.Request) -> httpx.Response:
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        offsets.append(offset)
        page = {"items": records[offset : offset + limit], "total": len(records)}
        if deletes is not None and len(offsets) == 1:
            del records[deletes]
        return httpx.Response(200, content=json.dumps(page).encode())

    return handle, offsets


def test_records_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE_RECORDS", 3)
    handle, offsets = serve_records(8)
    found = make_client(handle).read_records(DATASET, answers=True)
    assert [record.external_id for record in found] == [str(n) for n in range(8)]
    assert offsets == [0, 3, 6]


def test_a_record_that_is_deleted_while_pages_are_read_makes_no_other_one_be_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAGE_RECORDS", 3)
    handle, offsets = serve_records(8, deletes=0)
    found = {record.external_id for record in make_client(handle).read_records(DATASET, answers=False)}
    assert found >= {str(n) for n in range(1, 8)}
    assert len(offsets) > 3
