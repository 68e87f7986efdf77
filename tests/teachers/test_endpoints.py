"""Several servers of one teacher: the least busy one is asked, and one that fails is left out."""

import asyncio

import pytest

from synth_stack.teachers import endpoints
from synth_stack.teachers.endpoints import Endpoint, Fleet, Server
from synth_stack.teachers.health import Health
from synth_stack.teachers.openai_client import ask
from synth_stack.teachers.rate_limit import Pace
from tests.openai_server import MODEL, Behaviour, complete, fail, find_closed_url, send, serve

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}


def make(*base_urls: str, most: int = 2, retries: int = 0) -> Fleet:
    ends = [Endpoint(url, MODEL, 5.0, retries, trust_env=False) for url in base_urls]
    return Fleet([Server(end, most, Pace()) for end in ends])


def ask_all(fleet: Fleet, count: int) -> tuple[list[str | None], Health]:
    health = Health()

    async def work() -> list[str | None]:
        asked = [ask(fleet, health, {**BODY, "seed": i}, raw=False) for i in range(count)]
        answers = await asyncio.gather(*asked)
        await fleet.aclose()
        return [each.failure for each in answers]

    return asyncio.run(work()), health


def test_requests_are_shared_between_servers_within_what_each_bears() -> None:
    with serve() as one, serve() as other:
        failures, _ = ask_all(make(one.base_url, other.base_url), 12)
    assert failures == [None] * 12
    assert len(one.asked) + len(other.asked) == 12
    assert min(len(one.asked), len(other.asked)) >= 2
    assert max(one.most_at_once, other.most_at_once) <= 2


@pytest.mark.parametrize("broken", [fail(401), fail(404)])
def test_a_server_that_refuses_us_is_left_out_and_the_other_answers_for_it(broken: Behaviour) -> None:
    with serve(always=broken) as one, serve() as other:
        failures, health = ask_all(make(one.base_url, other.base_url), 8)
    assert failures == [None] * 8
    assert health.down is None
    assert 1 <= len(one.asked) <= 2


def test_a_server_that_is_not_there_is_left_out_and_without_any_the_teacher_is_down() -> None:
    with serve() as other:
        failures, health = ask_all(make(find_closed_url(), other.base_url), 6)
    assert (failures, health.down) == ([None] * 6, None)
    failures, health = ask_all(make(find_closed_url(), find_closed_url()), 3)
    assert "cannot be reached" in str(health.down)
    assert all(failures)


def test_a_server_that_asks_for_a_pause_is_left_alone_while_another_has_room() -> None:
    with serve(always=fail(429, retry_after="30")) as one, serve() as other:
        fleet = make(one.base_url, other.base_url, most=4)
        held, free = fleet.servers
        ask_all(fleet, 8)
        assert held.pace.is_held
        assert held.congestion.limit == 2
        assert not free.pace.is_held
        before = len(one.asked)

        async def take() -> Server | None:
            async with fleet.take() as server:
                return server

        assert asyncio.run(take()) is free
        assert len(one.asked) == before


def test_a_request_that_failed_is_tried_again_at_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "backoff", lambda *_: 0.0)
    with serve(always=fail(500)) as one, serve() as other:
        failures, health = ask_all(make(one.base_url, other.base_url, most=8, retries=1), 6)
    assert (failures, health.down) == ([None] * 6, None)
    assert len(one.asked) >= 2


def test_an_answer_that_is_too_long_is_that_row_s_failure_and_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoints, "MAX_ANSWER_BYTES", 100_000)
    with serve(send(b"x" * 1_000_000), complete("fine")) as server:
        failures, health = ask_all(make(server.base_url, most=1), 2)
    assert failures == ["teacher error: answers more than 16 MiB", None]
    assert health.down is None


def test_the_key_goes_into_the_header_that_is_named_and_the_query_behind_every_path() -> None:
    base_url = "https://h/openai/deployments/d"
    endpoint = Endpoint(base_url, MODEL, 1.0, 0, "k", key_header="api-key", query={"api-version": "2"})
    assert endpoint.headers() == {"api-key": "k"}
    assert endpoint.url("models") == f"{base_url}/models?api-version=2"
    assert Endpoint("http://h/v1", MODEL, 1.0, 0, "k").headers() == {"Authorization": "Bearer k"}


def test_a_client_is_used_by_one_at_a_time_and_then_by_the_next() -> None:
    server = make("http://127.0.0.1/v1").servers[0]
    one, other = server.take_connection(), server.take_connection()
    assert one is not other
    server.give_connection(one)
    assert server.take_connection() is one
    asyncio.run(server.aclose())
