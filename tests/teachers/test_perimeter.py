"""What a local perimeter lets pass: loopback and allowed hosts, whatever an address pretends to be."""

import socket
from typing import Any

import pytest
from pydantic import Field

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError, UsageError
from synth_stack.registry import bind
from synth_stack.teachers.openai_llm import SharedLLM, TeacherLLM, collect_answers
from synth_stack.teachers.perimeter import Address, confine, find_address, read_host
from synth_stack.teachers.prompt import Answer, Prompt
from tests.openai_server import MODEL, complete, fail, serve

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(autouse=True)
def _no_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but localhost may be looked up: a question to a resolver leaves the machine, too."""
    look_up = socket.getaddrinfo

    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        assert host in {"localhost", "127.0.0.1", "::1"}, host
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", guarded)


class Stranger(SharedLLM):
    """A teacher of another author that says no more than it has to."""

    @property
    def model_name(self) -> str:
        return "stranger"

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        return collect_answers([Answer("Hello.")] * num_generations, Prompt(input))


class Promising(Stranger):
    """One that promises to stay here, and has an address elsewhere."""

    kept: list[str] = Field(default_factory=list)

    @property
    def address(self) -> str:
        return "https://api.example.com/v1"

    def keep_local(self, allow_hosts: list[str]) -> None:
        self.kept = allow_hosts


def teacher(base_url: str) -> TeacherLLM:
    return TeacherLLM(base_url=base_url, model=MODEL, retries=0)


def ask(llm: TeacherLLM) -> str | None:
    llm.load()
    try:
        (output,) = llm.generate([HELLO])
    finally:
        llm.unload()
    text: str | None = output["generations"][0]
    return text


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8000/v1",
        "https://127.9.9.9/v1",
        "http://[::1]:8000/v1",
        "http://[0:0:0:0:0:0:0:1]/v1",
        "http://[::ffff:127.0.0.1]/v1",
    ],
)
def test_a_loopback_address_is_within_as_it_stands(base_url: str) -> None:
    assert find_address(base_url, []) == Address(base_url)


def test_localhost_is_looked_up_once_and_the_address_is_what_is_asked_from_then_on() -> None:
    found = find_address("http://LocalHost:8000/v1", [])
    assert found.base_url in {"http://127.0.0.1:8000/v1", "http://[::1]:8000/v1"}
    assert found.host == "localhost:8000"
    assert find_address("https://localhost/v1", []).host == "localhost"


@pytest.mark.parametrize(
    "base_url",
    [
        "http://example.com/v1",
        "http://8.8.8.8/v1",
        "http://0.0.0.0:8000/v1",
        "http://[::]/v1",
        "http://[::ffff:8.8.8.8]/v1",
        "http://[64:ff9b::7f00:1]/v1",
        "http://169.254.169.254/v1",
        "http://10.0.0.7/v1",
        "http://127.0.0.1.example.com/v1",
        "http://localhost.example.com/v1",
        "http://localhost./v1",
        "http://127.0.0.1@example.com/v1",
        "http://localhost:80@example.com/v1",
        "http://127.0.0.1\\@example.com/v1",
        "http://user:secret@127.0.0.1/v1",
        "http://2130706433/v1",
        "http://0x7f000001/v1",
        "http://127.1/v1",
        "http://0177.0.0.1/v1",
        "http:///v1",
        "http://[::1",
        "//127.0.0.1",
        "file:///etc/passwd",
        "",
    ],
)
def test_every_other_address_is_refused_with_one_sentence_and_nothing_is_sent(base_url: str) -> None:
    with pytest.raises(ConfigError, match=r"refuses|no address") as caught:
        find_address(base_url, ["10.0.0.8", "gpu1"])
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "allowed"),
    [
        ("http://GPU1.lab:8000/v1", "gpu1.lab"),
        ("http://10.0.0.7/v1", "10.0.0.7"),
        ("http://[2001:DB8::1]:8000/v1", "2001:db8:0::1"),
        ("http://bücher.example/v1", "bücher.example"),
        ("http://xn--bcher-kva.example/v1", "Bücher.example"),
    ],
)
def test_an_allowed_host_is_within_by_its_name_and_is_not_looked_up(base_url: str, allowed: str) -> None:
    assert find_address(base_url, [read_host(allowed)]) == Address(base_url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "*",
        "*.lab",
        "http://gpu1",
        "gpu1/v1",
        "gpu1:8000",
        "user@gpu1",
        "gpu1 gpu2",
        "gpu1?",
        "[gpu1",
    ],
)
def test_what_is_no_host_is_not_allowed(text: str) -> None:
    with pytest.raises(ConfigError, match="allow_hosts names hosts"):
        read_host(text)


def test_a_localhost_that_is_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 80))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: [entry])
    with pytest.raises(ConfigError, match=r"localhost that is not on this machine; seen: 192\.0\.2\.7"):
        find_address("http://localhost/v1", [])


def test_a_local_perimeter_refuses_a_teacher_elsewhere_when_it_is_set() -> None:
    with pytest.raises(ConfigError, match=r"not on this machine; seen: api\.example\.com") as caught:
        confine(teacher("https://api.example.com/v1"), "local", [])
    assert caught.value.exit_code == 2
    confine(teacher("https://api.example.com/v1"), "local", ["api.example.com"])
    confine(teacher("https://api.example.com/v1"), "open", [])


def test_a_teacher_that_cannot_say_where_it_sends_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not say where it sends its prompts; seen: Stranger"):
        confine(Stranger(), "local", [])


def test_a_teacher_that_states_an_address_elsewhere_is_refused_whatever_it_promises() -> None:
    promising = Promising()
    with pytest.raises(ConfigError, match=r"not on this machine; seen: api\.example\.com"):
        confine(promising, "local", [])
    assert promising.kept == []
    confine(promising, "local", ["API.example.com"])
    assert promising.kept == ["api.example.com"]


def test_allowed_hosts_without_a_perimeter_are_a_mistake() -> None:
    with pytest.raises(ConfigError, match="says nothing while the perimeter is open"):
        confine(Stranger(), "open", ["gpu1"])


@pytest.mark.parametrize("use", ["scripted", "embedded"])
def test_a_teacher_in_this_process_is_within(use: str) -> None:
    try:
        llm = bind("teacher", use, {}, where="recipe r: teacher").make()
    except UsageError as exc:  # the weights of the embedded one are not installed
        pytest.skip(str(exc))
    confine(llm, "local", [])


def test_a_local_teacher_asks_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serve(complete("Mine.")) as server, serve() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.base_url.removesuffix("/v1"))
        llm = teacher(server.base_url)
        confine(llm, "local", [])
        llm.check()
        assert ask(llm) == "Mine."
        assert len(server.asked) == len(server.listed) == 1
        assert proxy.asked == proxy.listed == []


def test_a_local_teacher_by_its_name_is_told_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(complete("Mine.")) as server:
        port = server.base_url.rpartition(":")[2].removesuffix("/v1")
        llm = teacher(f"http://localhost:{port}/v1")
        confine(llm, "local", [])
        llm.load()
        monkeypatch.setattr(socket, "getaddrinfo", None)  # rebinding: nobody is asked for the name again
        (output,) = llm.generate([HELLO])
        llm.unload()
        assert server.asked[0].headers["host"] == f"localhost:{port}"
    assert output["generations"] == ["Mine."]


def test_a_local_server_that_sends_us_elsewhere_is_not_followed() -> None:
    with serve() as other, serve(fail(307, location=f"{other.base_url}/chat/completions")) as server:
        llm = teacher(server.base_url)
        confine(llm, "local", [])
        assert ask(llm) is None
        assert llm.health.down == "sends us elsewhere, where we do not go (HTTP 307)"
        assert other.asked == []
