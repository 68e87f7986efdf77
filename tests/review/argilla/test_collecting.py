import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from synth_stack.review.argilla.client import ServerAnswer, ServerDataset, ServerRecord
from synth_stack.review.argilla.collecting import Read, Shown, latest_by_id, read_dataset

NOW = datetime(2026, 11, 30, 1, 35, tzinfo=UTC)
WHO = "c" * 64
ROW = "ab" * 16
SENT = {"e1": Shown(ROW, "A good answer."), "e2": Shown("cd" * 16, None)}
DATASET = ServerDataset(id=UUID(int=1), name="d", workspace_id=UUID(int=2), status="ready")


def say(n: int = 1, *, minutes: float = 0.0, status: str = "submitted", **values: Any) -> ServerAnswer:
    said = {name: {"value": value} for name, value in ({"decision": "reject"} | values).items()}
    when = NOW + timedelta(minutes=minutes)
    given = {"id": UUID(int=100 + n), "user_id": UUID(int=7), "status": status}
    return ServerAnswer.model_validate({**given, "values": said, "updated_at": when})


def record(*answers: ServerAnswer, external_id: str = "e1") -> ServerRecord:
    return ServerRecord(id=UUID(int=50), external_id=external_id, responses=list(answers))


def read(*records: ServerRecord, journal: list[dict[str, Any]] | None = None, known: bool = True) -> Read:
    return read_dataset(DATASET, records, SENT, latest_by_id(journal or []), lambda _: WHO if known else None)


OTHER = record(external_id="e2")


def test_a_submitted_answer_is_one_of_the_journal() -> None:
    said = say(
        defect="wrong",
        severity="major",
        corrected="A better answer.",
        note="  see <b> ",
        span=[{"label": "defect", "start": 2, "end": 6}],
    )
    [answer] = read(record(said), OTHER).answers
    assert answer == {
        "answer_id": f"argilla:{DATASET.id}:{said.id}",
        "row_id": ROW,
        "reviewer": WHO,
        "role": "reviewer",
        "judgement": "reject",
        "defect": "wrong",
        "severity": "major",
        "corrected": '{"answer":"A better answer."}',
        "span": '[{"end":6,"field":"answer","start":2}]',
        "note": "  see <b> ",
        "seconds": None,
        "submitted_at": "2026-11-30T01:35:00.000Z",
        "source": "argilla",
        "state": "submitted",
    }


def test_a_time_without_a_zone_is_utc() -> None:
    naive = say().model_copy(update={"updated_at": NOW.replace(tzinfo=None)})
    assert read(record(naive), OTHER).answers[0]["submitted_at"] == "2026-11-30T01:35:00.000Z"


@pytest.mark.parametrize("status", ["draft", "discarded"])
def test_what_is_not_submitted_says_nothing(status: str) -> None:
    assert read(record(say(status=status)), OTHER).answers == ()


def test_an_answer_that_is_known_comes_back_as_it_was() -> None:
    [first] = read(record(say()), OTHER).answers
    assert read(record(say(minutes=5)), OTHER, journal=[first]).answers == (first,)


def test_an_edited_answer_is_a_later_version() -> None:
    [first] = read(record(say()), OTHER).answers
    [second] = read(record(say(minutes=5, decision="release")), OTHER, journal=[first]).answers
    assert (second["answer_id"], second["judgement"]) == (first["answer_id"], "release")
    assert second["submitted_at"] > first["submitted_at"]


def test_an_edit_counts_where_the_clock_of_the_server_was_set_back() -> None:
    [first] = read(record(say()), OTHER).answers
    later = read(record(say(minutes=-60, decision="release")), OTHER, journal=[first])
    assert later.answers[0]["submitted_at"] == "2026-11-30T01:35:00.001Z"
    assert "clock of the server was set back" in later.notices[0]


@pytest.mark.parametrize("status", [None, "draft", "discarded"])
def test_an_answer_that_is_gone_or_withdrawn_is_deleted(status: str | None) -> None:
    [first] = read(record(say()), OTHER).answers
    now = record(*([say(status=status, minutes=9)] if status else []))
    [gone] = read(now, OTHER, journal=[first]).answers
    assert gone == {**first, "state": "deleted"}
    assert read(now, OTHER, journal=[first, gone]).answers == ()


def test_answers_on_a_record_that_is_gone_stay_and_somebody_is_told() -> None:
    [first] = read(record(say()), OTHER).answers
    found = read(OTHER, journal=[first])
    assert found.answers == ()
    assert "1 answers are on records that are gone from the server; they stay counted" in found.notices[0]
    assert any("1 records of the plan are not on the server" in notice for notice in found.notices)


def test_what_another_dataset_said_is_left_alone() -> None:
    [first] = read(record(say()), OTHER).answers
    other = {**first, "answer_id": first["answer_id"].replace(str(DATASET.id), str(UUID(int=9)))}
    assert read(record(), OTHER, journal=[other]).answers == ()


def test_a_record_that_is_none_of_ours_is_left_alone_and_counted() -> None:
    found = read(record(say(), external_id="else"), record(), OTHER)
    assert found.answers == ()
    assert "1 records are none of this plan's" in found.notices[0]


@pytest.mark.parametrize("decision", [None, "yes", 3, {"x": 1}, ["reject"]])
def test_a_decision_that_is_none_is_left_out_and_counted(decision: Any) -> None:
    found = read(record(say(decision=decision)), OTHER)
    assert found.answers == ()
    assert "no decision that is known" in found.notices[0]


def test_an_answer_by_a_stranger_is_left_out_and_counted() -> None:
    found = read(record(say()), OTHER, known=False)
    assert (found.answers, len(found.notices)) == ((), 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("defect", "NOT A CODE"),
        ("defect", 5),
        ("severity", "terrible"),
        ("severity", []),
        ("note", "   "),
        ("note", 7),
        ("corrected", ""),
        ("corrected", "A good answer."),
        ("corrected", ["x"]),
        ("span", "all"),
        ("span", [{"start": "a", "end": 2}]),
        ("span", [{"start": True, "end": 2}]),
        ("span", [7]),
    ],
)
def test_a_part_that_says_nothing_usable_is_none(field: str, value: Any) -> None:
    [answer] = read(record(say(**{field: value})), OTHER).answers
    assert answer[field] is None


def test_a_correction_that_nobody_could_read_is_left_out() -> None:
    found = read(record(say(corrected="x" * 1_100_000)), OTHER)
    assert found.answers[0]["corrected"] is None
    assert "longer than any row" in found.notices[0]


def test_a_long_note_is_cut_where_the_journal_ends() -> None:
    [answer] = read(record(say(note="x" * 20_000)), OTHER).answers
    assert len(answer["note"]) == 10_000


def test_a_correction_that_was_copied_from_the_page_has_no_joiners() -> None:
    [answer] = read(record(say(corrected="use <\N{WORD JOINER}b>")), OTHER).answers
    assert json.loads(answer["corrected"]) == {"answer": "use <b>"}
