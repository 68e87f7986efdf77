"""What a server does, and what the client makes of it: an answer, a failed row, or a server that is down."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from synth_stack.errors import ConfigError, TeacherError
from synth_stack.teachers import rate_limit as pace_module
from synth_stack.teachers.endpoints import Endpoint, Fleet, Server
from synth_stack.teachers.health import MAX_FAILURES_IN_A_ROW, Health
from synth_stack.teachers.openai_client import ask
from synth_stack.teachers.prompt import Answer
from synth_stack.teachers.rate_limit import Pace
from synth_stack.teachers.server_check import check_server
from tests.openai_server import MODEL, Behaviour, complete, fail, find_closed_url, send, serve

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "seed": 7}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "BACKOFF_BASE_S", 0.001)
    monkeypatch.setattr(pace_module, "MAX_BACKOFF_S", 0.01)


def ask_all(
    base_url: str,
    bodies: Sequence[dict[str, Any]] = (BODY,),
    *,
    retries: int = 0,
    timeout_s: float = 10.0,
    key: str | None = None,
    raw: bool = False,
) -> tuple[list[Answer], Health]:
    """The answers to `bodies`, one after the other, and what the client thinks of the server then."""
    endpoint = Endpoint(base_url, MODEL, timeout_s, retries, key, trust_env=False)
    health = Health()

    async def work() -> list[Answer]:
        fleet = Fleet([Server(endpoint, 4, Pace())])
        try:
            return [await ask(fleet, health, body, raw=raw) for body in bodies]
        finally:
            await fleet.aclose()

    return asyncio.run(work()), health


def ask_one(*behaviours: Behaviour, retries: int = 0, timeout_s: float = 10.0) -> tuple[Answer, Health]:
    with serve(*behaviours) as server:
        answers, health = ask_all(server.base_url, retries=retries, timeout_s=timeout_s)
    return answers[0], health


def test_an_answer_has_its_text_and_tokens() -> None:
    answer, health = ask_one(complete("All is well.", usage={"prompt_tokens": 3, "completion_tokens": 4}))
    assert answer == Answer("All is well.", None, False, 3, 4, finish="stop")
    assert health.down is None


def test_what_is_asked_arrives_as_it_is_at_the_path_of_its_kind() -> None:
    with serve() as server:
        ask_all(server.base_url)
        ask_all(server.base_url, [{"model": MODEL, "prompt": "Once"}], raw=True)
    assert [asked.path for asked in server.asked] == ["/v1/chat/completions", "/v1/completions"]
    assert server.bodies() == [BODY, {"model": MODEL, "prompt": "Once"}]


def test_the_key_is_sent_as_a_bearer_token_and_without_one_nothing_is() -> None:
    with serve() as server:
        ask_all(server.base_url, key="sk-loopback")
        ask_all(server.base_url)
    assert [asked.headers.get("authorization") for asked in server.asked] == ["Bearer sk-loopback", None]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_error_is_retried_until_there_is_an_answer(status: int) -> None:
    with serve(fail(status), fail(status), complete("Here.")) as server:
        (answer,), health = ask_all(server.base_url, retries=2)
    assert answer.text == "Here."
    assert len(server.asked) == 3
    assert health.failures_in_a_row == 0


def test_an_error_that_outlasts_the_retries_is_that_row_s_failure_and_not_the_end() -> None:
    with serve(fail(500), fail(500), fail(500)) as server:
        answers, health = ask_all(server.base_url, [BODY, BODY], retries=2)
    assert answers[0] == Answer(None, "teacher error: answers HTTP 500")
    assert answers[1].text is not None
    assert len(server.asked) == 4
    assert health.down is None


def test_the_server_s_own_pause_is_kept_before_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", note)
    with serve(fail(429, retry_after="2"), fail(429)) as server:
        ask_all(server.base_url, retries=2)
    backoff, waited, *_ = pauses
    assert backoff <= 0.001
    assert 1.5 < waited <= 2.0


def test_a_full_server_that_answers_others_is_not_waited_for_ever_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts: list[int] = []

    def note(_: Pace, attempt: int) -> float:
        attempts.append(attempt)
        return 0.1

    async def ask_two(base_url: str) -> list[Answer]:
        fleet = Fleet([Server(Endpoint(base_url, MODEL, 10.0, 3, None, trust_env=False), 1, Pace())])
        try:
            return await asyncio.gather(*(ask(fleet, Health(), BODY, raw=False) for _ in range(2)))
        finally:
            await fleet.aclose()

    monkeypatch.setattr(Pace, "backoff", note)
    with serve(fail(429), complete("Other."), fail(429), fail(429), complete("Here.")) as server:
        answers = asyncio.run(ask_two(server.base_url))
    assert [answer.text for answer in answers] == ["Here.", "Other."]
    assert attempts == [1, 1, 2]


def test_a_server_that_wants_a_pause_longer_than_a_run_waits_is_down_at_once() -> None:
    with serve(fail(429, retry_after="9000")) as server:
        _, health = ask_all(server.base_url, [BODY, BODY], retries=3)
    assert health.down == "asks us to come back in 9000 s (HTTP 429)"
    assert not health.mistake
    assert len(server.asked) == 1


@pytest.mark.parametrize("header", ["Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-1", "²", "", "1e9"])
def test_a_pause_that_is_no_number_of_seconds_is_the_usual_one(header: str) -> None:
    answer, _ = ask_one(fail(429, retry_after=header), complete("Then."), retries=1)
    assert answer.text == "Then."


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "refuses the API key"),
        (402, "wants to be paid first"),
        (403, "refuses access"),
        (404, "does not know the model or path"),
    ],
)
def test_a_server_that_refuses_us_is_down_at_once_and_is_not_asked_again(status: int, says: str) -> None:
    with serve(fail(status)) as server:
        answers, health = ask_all(server.base_url, [BODY, BODY], retries=3)
    assert health.down == f"{says} (HTTP {status})"
    assert [answer.text for answer in answers] == [None, None]
    assert answers[1].failure == f"teacher down: {health.down}"
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "mistake"), [(401, True), (403, True), (404, True), (402, False)])
def test_what_refuses_us_before_its_first_answer_is_ours_to_mend(status: int, mistake: bool) -> None:
    with serve(fail(status)) as server:
        _, health = ask_all(server.base_url)
    assert health.mistake is mistake
    with serve(complete("Yes."), fail(status)) as server:
        _, health = ask_all(server.base_url, [BODY, BODY])
    assert (health.down is not None, health.mistake) == (True, False)


def test_a_server_that_cannot_be_reached_is_down_after_the_retries() -> None:
    (answer,), health = ask_all(find_closed_url(), retries=1)
    assert answer.text is None
    assert health.down is not None
    assert health.down.startswith("cannot be reached")


def test_failures_in_a_row_make_a_server_down_and_an_answer_starts_the_count_again() -> None:
    some = [fail(500)] * (MAX_FAILURES_IN_A_ROW - 1)
    with serve(*some, complete("Back."), *some) as server:
        _, health = ask_all(server.base_url, [BODY] * (2 * len(some) + 1))
        assert health.down is None
        assert health.failures_in_a_row == len(some)
    with serve(always=fail(500)) as server:
        _, health = ask_all(server.base_url, [BODY] * (MAX_FAILURES_IN_A_ROW + 5))
        assert health.down == "answers HTTP 500"
        assert len(server.asked) == MAX_FAILURES_IN_A_ROW


def test_a_refused_prompt_is_not_retried_and_is_that_row_s_failure() -> None:
    with serve(fail(400), complete("Next.")) as server:
        answers, health = ask_all(server.base_url, [BODY, BODY], retries=3)
    assert [answer.failure for answer in answers] == ["teacher error: refuses the prompt (HTTP 400)", None]
    assert len(server.asked) == 2
    assert health.down is None


def test_refusals_never_stop_a_server_that_has_answered_but_nothing_else_than_refusals_does() -> None:
    many = MAX_FAILURES_IN_A_ROW + 3
    with serve(complete("Once."), always=fail(400)) as server:
        _, health = ask_all(server.base_url, [BODY] * many)
        assert health.down is None
    with serve(always=fail(422)) as server:
        _, health = ask_all(server.base_url, [BODY] * many)
        assert (
            health.down == f"refuses the prompt (HTTP 422) (and so each of the first {MAX_FAILURES_IN_A_ROW})"
        )
        assert len(server.asked) == MAX_FAILURES_IN_A_ROW


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [null]}',
        b'{"choices": [{"text": "not a chat"}]}',
        b'{"choices": [{"message": {}}]}',
        b'{"choices": {"0": 1}}',
        b'{"choices": [{"message": {"content": ["a", "b"]}}]}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": [1]}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1e999}}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": "many"}}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_completion_is_retried_and_then_a_failure(body: bytes) -> None:
    with serve(send(body), send(body)) as server:
        (answer,), _ = ask_all(server.base_url, retries=1)
    assert answer == Answer(None, "teacher error: answers what is no completion (HTTP 200)")
    assert len(server.asked) == 2


@pytest.mark.parametrize("text", ["", " \n\t", None, 7, [], [{"type": "text", "text": " "}]])
def test_an_answer_without_text_is_an_empty_answer_of_a_server_that_is_well(text: Any) -> None:
    answer, health = ask_one(complete(text))
    assert answer.text is None
    assert answer.failure == "empty answer: the teacher wrote nothing"
    assert health.failures_in_a_row == 0


def test_an_answer_that_no_file_could_hold_is_a_failure() -> None:
    answer, _ = ask_one(complete("half a smile \ud83d"))
    assert answer.text is None
    assert answer.failure == "broken answer: a lone surrogate is not valid Unicode"


def test_an_answer_cut_by_the_token_limit_says_so() -> None:
    answer, _ = ask_one(complete("It was on the", finish_reason="length"))
    assert answer.cut


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({}, (0, 0)),
        ({"prompt_tokens": None}, (0, 0)),
        ({"prompt_tokens": -5, "completion_tokens": 2**70}, (0, 2**31 - 1)),
    ],
)
def test_tokens_that_no_record_could_hold_are_bounded(usage: dict[str, Any], tokens: tuple[int, int]) -> None:
    answer, _ = ask_one(complete("Fine.", usage=usage))
    assert (answer.input_tokens, answer.output_tokens) == tokens


def test_half_a_body_is_a_broken_connection() -> None:
    whole = complete("Whole.")({}, False).body
    answer, health = ask_one(send(whole, truncate=True))
    assert answer.failure == "teacher error: breaks the connection (RemoteProtocolError)"
    assert health.down is None


@pytest.mark.parametrize("how", [send(hang=True), send(b" " * 1000, trickle=True)])
def test_a_server_that_hangs_or_trickles_is_given_up_after_the_timeout(how: Behaviour) -> None:
    answer, _ = ask_one(how, timeout_s=0.2)
    assert answer.failure == "teacher error: gives no answer within 0.2 s"


def test_a_prompt_that_cannot_be_sent_is_that_row_s_failure() -> None:
    with serve() as server:
        answers, health = ask_all(server.base_url, [{**BODY, "prompt": "\ud800"}, BODY])
    assert answers[0].failure == "teacher error: cannot be sent a prompt that is not valid Unicode"
    assert answers[1].text is not None
    assert health.down is None


def test_a_redirect_is_not_followed() -> None:
    with serve() as other, serve(fail(307, location=f"{other.base_url}/chat/completions")) as server:
        (answer,), health = ask_all(server.base_url, key="sk-loopback")
    assert answer.text is None
    assert health.down == "sends us elsewhere, where we do not go (HTTP 307)"
    assert health.mistake
    assert other.asked == []


def check(base_url: str, *, model: str = MODEL, key: str | None = None) -> None:
    check_server(Endpoint(base_url, model, 5.0, 0, key, trust_env=False))


def test_a_server_that_lists_our_model_passes_and_is_sent_no_prompt() -> None:
    with serve() as server:
        check(server.base_url, key="sk-loopback")
    assert [asked.headers["authorization"] for asked in server.listed] == ["Bearer sk-loopback"]
    assert server.asked == []


def test_an_unknown_model_is_a_configuration_error_that_lists_the_known_ones() -> None:
    with serve(models=["alpha", "beta"]) as server, pytest.raises(ConfigError, match="alpha, beta") as caught:
        check(server.base_url, model="gamma")
    assert caught.value.exit_code == 2
    assert caught.value.seen == "gamma"
    assert server.asked == []


def test_a_server_without_a_list_is_taken_at_its_word() -> None:
    with serve(models=None) as server:
        check(server.base_url)
    with serve(models=[]) as server:
        check(server.base_url)


def test_a_list_of_models_that_is_elsewhere_is_a_configuration_error() -> None:
    with serve() as server:
        server.list_status = 302
        with pytest.raises(ConfigError, match="sends us elsewhere"):
            check(server.base_url)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_a_configuration_error_that_does_not_repeat_it(status: int) -> None:
    with serve() as server:
        server.list_status = status
        with pytest.raises(ConfigError, match="refuses the API key") as caught:
            check(server.base_url, key="sk-loopback")
    assert "sk-loopback" not in str(caught.value)


def test_a_server_that_cannot_be_reached_is_a_teacher_error() -> None:
    with pytest.raises(TeacherError, match=r"cannot be reached: .+") as caught:
        check(find_closed_url())
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[1]", b'{"data": 1}', b'{"data": [1]}', b"\xff", b"[" * 100_000]
)
def test_a_list_of_models_that_cannot_be_read_is_no_list(body: bytes) -> None:
    with serve() as server:
        server.list_body = body
        check(server.base_url, model="gamma")
