"""How many requests a server is sent at a time."""

from time import monotonic

from synth_stack.teachers.congestion import Congestion


def test_congestion_halves_the_limit_once_for_all_that_were_in_flight() -> None:
    server = Congestion(16, 10.0)
    began = monotonic()
    for _ in range(5):
        server.note_congestion(began)
    assert server.limit == 8
    server.note_congestion(monotonic())
    assert server.limit == 4


def test_a_round_of_answers_raises_the_limit_by_about_one_and_never_above_the_most() -> None:
    server = Congestion(8, 10.0)
    server.note_congestion(monotonic())
    for _ in range(4):
        server.note_answer(monotonic())
    assert 4.8 < server.limit < 5.1
    for _ in range(200):
        server.note_answer(monotonic())
    assert server.limit == 8


def test_an_answer_that_took_half_of_its_time_is_congestion() -> None:
    slow = Congestion(8, 0.0)
    slow.note_answer(monotonic())
    assert slow.limit == 4


def test_one_request_is_always_let_through() -> None:
    server = Congestion(2, 10.0)
    for _ in range(6):
        server.note_congestion(monotonic())
    assert server.limit == 1
    assert (server.has_room, server.load) == (True, 0)
    server.in_flight = 1
    assert (server.has_room, server.load) == (False, 1)


def test_around_the_limit_that_was_too_much_it_grows_slowly_and_past_it_as_before() -> None:
    server = Congestion(64, 10.0)
    server.limit = 10
    server.note_congestion(monotonic())
    rounds = []
    for mark in (7.5, 12.5, 16.5):
        answers = 0
        while server.limit < mark:
            server.note_answer(monotonic())
            answers += 1
        rounds.append(answers / mark)
    quick, plateau, later = rounds
    assert quick < 4
    assert plateau > 3 * quick
    assert later < 5
