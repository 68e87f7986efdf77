"""The journal of answers: each counts once, the last version of each, and nothing that is malformed."""

import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth_stack.errors import InputError, StoreError
from synth_stack.files import digest_file
from synth_stack.review.answers import (
    ANSWERS,
    Recorded,
    format_time,
    read_answers,
    read_journal,
    record_answers,
)
from synth_stack.review.plan_file import read_plan
from synth_stack.workflows.review import plan
from tests.examples import examples
from tests.review.toy_run import make_toy_run

ANNA, BERT = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_toy_run(tmp_path_factory.mktemp("toy"), {"a": 6}, held=4)
    plan(run, held="only")
    return run


@pytest.fixture
def run(planned: Path) -> Path:
    (planned / ANSWERS).unlink(missing_ok=True)
    return planned


def rows_of(run: Path) -> list[str]:
    ids: list[str] = read_plan(run).sample["row_id"].to_pylist()
    return ids


def answer(row_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "answer_id": "argilla:1",
        "row_id": row_id,
        "reviewer": ANNA,
        "judgement": "release",
        "submitted_at": "2020-11-30T01:35:00.000Z",
        "source": "argilla",
        **fields,
    }


def test_the_same_answers_twice_are_recorded_once(run: Path) -> None:
    one, two = rows_of(run)[:2]
    given_ = [answer(one), answer(two, answer_id="argilla:2", seconds=12.5, note="ok")]
    assert record_answers(run, given_) == Recorded(new=2)
    before = (run / ANSWERS).read_bytes()
    assert record_answers(run, given_) == Recorded(repeated=2)
    assert (run / ANSWERS).read_bytes() == before
    assert read_answers(run)["row_id"].to_pylist() == [one, two]


def test_an_edit_counts_instead_of_what_it_edits_and_both_stay_in_the_journal(run: Path) -> None:
    row = rows_of(run)[0]
    later = answer(row, judgement="reject", defect="wrong", submitted_at="2020-11-30T01:36:00.000Z")
    record_answers(run, [answer(row)])
    assert record_answers(run, [later]) == Recorded(edited=1)
    assert read_answers(run)["judgement"].to_pylist() == ["reject"]
    assert read_journal(run)["judgement"].to_pylist() == ["release", "reject"]
    assert record_answers(run, [answer(row)]) == Recorded(stale=1)
    assert read_answers(run)["judgement"].to_pylist() == ["reject"]


def test_a_deleted_answer_counts_no_longer_and_a_late_copy_does_not_bring_it_back(run: Path) -> None:
    row = rows_of(run)[0]
    record_answers(run, [answer(row)])
    assert record_answers(run, [answer(row, state="deleted")]) == Recorded(deleted=1)
    assert len(read_answers(run)) == 0
    assert record_answers(run, [answer(row)]) == Recorded(stale=1)
    assert record_answers(run, [answer(row, state="deleted")]) == Recorded(repeated=1)
    assert record_answers(run, [answer(row, submitted_at="2020-11-30T02:00:00.000Z")]) == Recorded(edited=1)
    assert len(read_answers(run)) == 1


def test_a_tombstone_of_an_answer_that_never_came_is_nothing(run: Path) -> None:
    assert record_answers(run, [answer(rows_of(run)[0], state="deleted")]) == Recorded(repeated=1)
    assert not (run / ANSWERS).exists()


def test_of_two_places_where_a_reviewer_answered_the_last_to_arrive_counts_whatever_the_clocks_say(
    run: Path,
) -> None:
    row = rows_of(run)[0]
    record_answers(run, [answer(row)])
    slow = answer(
        row,
        answer_id="terminal:1",
        source="terminal",
        judgement="reject",
        submitted_at="2020-11-30T00:00:00.000Z",
    )
    record_answers(run, [slow])
    assert read_answers(run)["judgement"].to_pylist() == ["reject"]
    record_answers(run, [{**slow, "state": "deleted"}])
    assert read_answers(run)["judgement"].to_pylist() == ["release"]


def test_an_adjudicator_may_be_one_of_the_reviewers_and_both_answers_stay(run: Path) -> None:
    row = rows_of(run)[0]
    record_answers(
        run, [answer(row), answer(row, answer_id="argilla:9", role="adjudicator", judgement="reject")]
    )
    assert read_answers(run)["role"].to_pylist() == ["reviewer", "adjudicator"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"row_id": "0" * 32}, "1 of 1 answers are on rows that the review plan does not have"),
        ({"row_id": "x"}, "row_id is no row id"),
        ({"reviewer": "anna@example.com"}, "no HMAC-SHA256"),
        ({"judgement": "maybe"}, "judgement is 'maybe', allowed: release, reject, unsure"),
        ({"judgement": None}, "no judgement"),
        ({"judgement": 1}, "judgement is no text"),
        ({"severity": "awful"}, "allowed: minor, major, critical"),
        ({"source": "web"}, "allowed: terminal, page, argilla, import"),
        ({"submitted_at": "yesterday"}, "submitted_at"),
        ({"submitted_at": "2020-11-30T01:35:00Z"}, "submitted_at"),
        ({"defect": "Wrong Fact"}, "defect is no short code"),
        ({"answer_id": "two words"}, "answer_id"),
        ({"answer_id": ""}, "answer_id"),
        ({"note": "x" * 10_001}, "note is longer"),
        ({"corrected": "{ }"}, "corrected is not canonical"),
        ({"corrected": '"' + "x" * 1024**2 + '"'}, "corrected is not canonical"),
        ({"span": "[1"}, "span is not canonical"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"e_mail": "a@b.c"}, "a field that no answer has: e_mail"),
    ],
)
def test_what_cannot_be_an_answer_is_refused_and_nothing_is_written(
    run: Path, change: dict[str, Any], match: str
) -> None:
    row = rows_of(run)[0]
    with pytest.raises(InputError, match=match):
        record_answers(run, [answer(row), {**answer(row, answer_id="argilla:2"), **change}][1:])
    assert not (run / ANSWERS).exists()


def test_one_malformed_answer_keeps_all_of_its_batch_out(run: Path) -> None:
    row = rows_of(run)[0]
    with pytest.raises(InputError, match="answer 1 cannot"):
        record_answers(run, [answer(row), answer(row, answer_id="argilla:2", judgement="?")])
    assert len(read_answers(run)) == 0


def test_an_id_that_is_another_answers_is_refused(run: Path) -> None:
    one, two = rows_of(run)[:2]
    record_answers(run, [answer(one)])
    with pytest.raises(InputError, match="with another row_id"):
        record_answers(run, [answer(two)])
    with pytest.raises(InputError, match="with another reviewer"):
        record_answers(run, [answer(one, reviewer=BERT)])


def test_a_line_that_a_killed_process_left_half_is_cut_off_by_the_next(run: Path) -> None:
    one, two = rows_of(run)[:2]
    record_answers(run, [answer(one)])
    whole = (run / ANSWERS).read_bytes()
    record_answers(run, [answer(two, answer_id="argilla:2")])
    data = (run / ANSWERS).read_bytes()
    for cut in (len(whole) + 1, len(data) - 1):
        (run / ANSWERS).write_bytes(data[:cut])
        assert read_answers(run)["row_id"].to_pylist() == [one]
        record_answers(run, [answer(two, answer_id="argilla:2")])
        assert (run / ANSWERS).read_bytes() == data


def test_a_line_in_the_middle_that_is_no_answer_is_a_store_error_that_names_it(run: Path) -> None:
    row = rows_of(run)[0]
    record_answers(run, [answer(row)])
    with (run / ANSWERS).open("ab") as file:
        file.write(b'{"answer_id": 3}\n')
    with pytest.raises(StoreError, match="line 2 is no answer"):
        read_answers(run)


def test_an_answer_from_the_future_counts_and_is_noticed(run: Path) -> None:
    ahead = format_time(datetime.now(UTC) + timedelta(hours=3))
    told = record_answers(run, [answer(rows_of(run)[0], submitted_at=ahead)])
    assert told.new == 1
    assert "ahead of this machine's clock" in told.notices[0]
    assert len(read_answers(run)) == 1


def test_the_manifest_of_a_finished_run_names_the_journal_as_it_is(run: Path) -> None:
    record_answers(run, [answer(rows_of(run)[0])])
    files = json.loads((run / "MANIFEST.json").read_bytes())["files"]
    assert files[ANSWERS]["sha256"] == digest_file(run / ANSWERS)
    assert "review/plan.json" in files


def _record(run: str, start: int) -> None:
    ids = rows_of(Path(run))
    for n in range(start, start + 20):
        record_answers(run, [answer(ids[n % len(ids)], answer_id=f"argilla:{n}", reviewer=f"{n:064x}")])


def test_two_processes_that_collect_at_once_lose_and_double_nothing(run: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_record, args=(str(run), start)) for start in (0, 10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    ids = read_journal(run)["answer_id"].to_pylist()
    assert sorted(ids) == sorted(f"argilla:{n}" for n in range(30))


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_how_answers_are_cut_into_calls_and_repeated_does_not_show(run: Path, data: st.DataObject) -> None:
    (run / ANSWERS).unlink(missing_ok=True)
    ids = rows_of(run)
    events = data.draw(
        st.lists(
            st.tuples(
                st.integers(0, 2), st.integers(0, 3), st.sampled_from(["release", "reject"]), st.booleans()
            ),
            max_size=8,
        )
    )
    made = [
        answer(
            ids[row],
            answer_id=f"argilla:{who}-{row}",
            reviewer=f"{who:064x}",
            judgement=said,
            state="deleted" if gone else "submitted",
            submitted_at=f"2020-11-30T01:00:00.{n:03d}Z",
        )
        for n, (who, row, said, gone) in enumerate(events)
    ]
    record_answers(run, made)
    together = sorted(read_answers(run).to_pylist(), key=str)
    (run / ANSWERS).unlink(missing_ok=True)
    for one in made:
        record_answers(run, [one])
        record_answers(run, [one])
    record_answers(run, made)
    assert sorted(read_answers(run).to_pylist(), key=str) == together
