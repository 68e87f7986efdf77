"""What the requests say of a server: which failures were rows, and which the beginning of an outage."""

from hypothesis import given
from hypothesis import strategies as st

from synth_stack.teachers.health import MAX_FAILURES_IN_A_ROW, Health


def test_an_answer_forgives_the_failures_that_it_began_after_and_no_later_one() -> None:
    health = Health()
    began = health.failures
    health.note_failure("answers HTTP 503", fatal=False)
    health.note_answer(began)
    assert (health.failures_in_a_row, health.forgiven, health.failures) == (0, 0, 1)
    health.note_answer(health.failures)
    assert health.forgiven == 1


def test_an_answer_to_an_old_request_takes_nothing_back() -> None:
    health = Health()
    health.note_failure("x", fatal=False)
    health.note_answer(1)
    health.note_answer(0)
    assert health.forgiven == 1


def test_a_refused_prompt_shows_that_the_server_is_there() -> None:
    health = Health()
    health.note_failure("x", fatal=False)
    health.note_refusal("refuses the prompt", 1)
    assert (health.forgiven, health.failures_in_a_row, health.down) == (1, 0, None)


def test_only_a_fatal_failure_before_the_first_answer_is_a_mistake_of_ours() -> None:
    late, early, outage = Health(), Health(), Health()
    late.note_answer(0)
    late.note_failure("refuses the API key", fatal=True, mistake=True)
    early.note_failure("refuses the API key", fatal=True, mistake=True)
    for _ in range(MAX_FAILURES_IN_A_ROW):
        outage.note_failure("answers HTTP 503", fatal=False)
    assert [health.mistake for health in (late, early, outage)] == [False, True, False]
    assert None not in [health.down for health in (late, early, outage)]


@given(st.lists(st.sampled_from(["answer", "failure", "refusal"])))
def test_a_server_is_down_after_eight_failures_in_a_row_and_never_forgives_more_than_failed(
    events: list[str],
) -> None:
    health = Health()
    health.note_answer(0)
    row = 0
    for event in events:
        if event == "answer":
            health.note_answer(health.failures)
        elif event == "refusal":
            health.note_refusal("refuses the prompt", health.failures)
        else:
            health.note_failure("x", fatal=False)
        row = row + 1 if event == "failure" else 0
        assert health.forgiven == health.failures - row
        assert health.down is None or max(row, health.failures) >= MAX_FAILURES_IN_A_ROW
        if row >= MAX_FAILURES_IN_A_ROW:
            assert health.down == "x"
