"""Any distilabel pipeline, batch by batch: in order, resumable, and stopped by a teacher that is down."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from distilabel.pipeline import Pipeline, routing_batch_function
from distilabel.steps import GroupColumns, KeepColumns, LoadDataFromDicts, StepInput, step
from distilabel.steps.tasks import TextGeneration

from synth_stack.errors import ConfigError, TeacherError
from synth_stack.generation.driver import digest_pipeline, drive, drive_lines, find_llms, plan_steps
from synth_stack.generation.lines import Line
from synth_stack.generators.instruction.methods import self_instruct
from synth_stack.teachers.health import MAX_FAILURES_IN_A_ROW
from synth_stack.teachers.openai_llm import TeacherLLM
from synth_stack.teachers.scripted_llm import ScriptedLLM
from tests.openai_server import MODEL, Behaviour, answer, complete, fail, find_closed_url, serve
from tests.shop import make_plan

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@step(inputs=["instruction"], outputs=["instruction"])  # type: ignore[untyped-decorator]  # distilabel has no types
def Shout(inputs: StepInput) -> Any:  # noqa: N802
    for row in inputs:
        row["instruction"] += "!"
    yield inputs


@step(inputs=["instruction"], outputs=["instruction"], step_type="global")  # type: ignore[untyped-decorator]
def Sort(inputs: StepInput) -> Any:  # noqa: N802
    yield sorted(inputs, key=lambda row: str(row["instruction"]))


def load(count: int = 5, batch_size: int = 2) -> Any:
    data = [{"instruction": f"question {i}"} for i in range(count)]
    return LoadDataFromDicts(name="load", data=data, batch_size=batch_size)


def keep(name: str, *columns: str) -> Any:
    return KeepColumns(name=name, columns=list(columns or ("instruction",)))


def run(pipeline: Any, kept: dict[int, list[Row]] | None = None) -> dict[int, list[Row]]:
    """The committed batches by number; those of `kept` are done already."""
    batches = {} if kept is None else kept

    def commit(number: int, items: list[Row], rows: list[Row]) -> None:
        assert number not in batches
        batches[number] = rows

    drive(pipeline, is_done=lambda number, _items: number in batches, commit=commit)
    return batches


def run_overlapped(pipeline: Any, kept: dict[int, list[Row]] | None = None) -> dict[int, list[Row]]:
    """As `run`, with several batches under way; in the order in which they were committed."""
    batches = {} if kept is None else kept

    def commit(number: int, items: list[Row], rows: list[Row]) -> None:
        assert number not in batches
        assert threading.current_thread() is threading.main_thread()
        batches[number] = rows

    drive_lines([Line(pipeline, lambda number, _items: number in batches, commit)])
    return batches


def ask_server(base_url: str, count: int = 40, batch_rows: int = 4, **fields: Any) -> Any:
    """Our own self-instruct pipeline on a server; every row is two requests."""
    llm = TeacherLLM(**{"base_url": base_url, "model": MODEL, "retries": 0, "concurrency": 1, **fields})
    return self_instruct(llm, make_plan(count), batch_rows)


def undisturbed(count: int = 40, batch_rows: int = 4) -> dict[int, list[Row]]:
    with serve() as server:
        return run(ask_server(server.base_url, count, batch_rows))


def test_every_batch_is_committed_in_order_and_the_last_is_shorter() -> None:
    with Pipeline(name="p") as pipeline:
        load(5, 2) >> keep("keep")
    batches = run(pipeline)
    assert list(batches) == [0, 1, 2]
    assert [row["instruction"] for rows in batches.values() for row in rows] == [
        f"question {i}" for i in range(5)
    ]


def test_a_pipeline_of_one_step_is_driven() -> None:
    with Pipeline(name="p") as pipeline:
        load(3, 2)
    assert [len(rows) for rows in run(pipeline).values()] == [2, 1]


def test_batches_that_are_done_are_not_asked_again() -> None:
    with serve() as server:
        first = run(ask_server(server.base_url, 12))
        asked = len(server.asked)
        again = run(ask_server(server.base_url, 12), {0: first[0], 2: first[2]})
    assert len(server.asked) == asked + 8
    assert again == first


def test_steps_run_after_all_their_predecessors_on_paths_of_different_length() -> None:
    with Pipeline(name="p") as pipeline:
        root, group = load(4, 2), GroupColumns(name="group", columns=["instruction"], output_columns=["all"])
        root >> keep("a") >> keep("b") >> keep("c") >> group >> keep("last", "all")
        root >> group
    order, predecessors = plan_steps(pipeline)
    names = [s.name for s in order]
    assert all(names.index(before) < names.index(name) for name in names for before in predecessors[name])
    assert (names[0], names[-1]) == ("load", "last")
    assert [row["all"] for row in run(pipeline)[0]] == [["question 0"] * 2, ["question 1"] * 2]


def test_a_step_that_writes_into_its_rows_changes_neither_the_items_nor_another_branch() -> None:
    with Pipeline(name="p") as pipeline:
        group = GroupColumns(name="group", columns=["instruction"], output_columns=["all"])
        load(2, 2) >> [Shout(name="shout"), keep("plain")] >> group
    seen: list[list[Row]] = []
    rows: list[Row] = []

    def commit(_number: int, items: list[Row], made: list[Row]) -> None:
        seen.append(items)
        rows.extend(made)

    drive(pipeline, is_done=lambda *_: False, commit=commit)
    assert seen == [[{"instruction": "question 0"}, {"instruction": "question 1"}]]
    assert sorted(rows[0]["all"]) == ["question 0", "question 0!"]


def refuse_global() -> None:
    load() >> Sort(name="sort")


def refuse_routing() -> None:
    @routing_batch_function()  # type: ignore[untyped-decorator]
    def route(steps: list[str]) -> list[str]:
        return steps[:1]

    group = GroupColumns(name="group", columns=["instruction"], output_columns=["all"])
    load() >> route >> [keep("a"), keep("b")] >> group


def refuse_leaves() -> None:
    load() >> [keep("a"), keep("b")]


def refuse_roots() -> None:
    group = GroupColumns(name="group", columns=["instruction"], output_columns=["all"])
    [load(), LoadDataFromDicts(name="other", data=[{"instruction": "x"}])] >> group


def refuse_columns() -> None:
    load() >> TextGeneration(name="write", llm=ScriptedLLM(), columns=["question"], template="{{ question }}")


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (refuse_global, r"step 'sort' needs all rows at once"),
        (refuse_routing, r"step 'load' routes batches"),
        (refuse_leaves, r"must start in one step and end in one; .*'a', 'b'"),
        (refuse_roots, r"must start in one step and end in one; .*'load', 'other'"),
        (refuse_columns, r"is not one that distilabel would run: .*question"),
        (lambda: None, r"must start in one step and end in one"),
    ],
)
def test_a_pipeline_that_cannot_be_resumed_is_refused_in_one_sentence(
    build: Callable[[], None], says: str
) -> None:
    with Pipeline(name="p") as pipeline:
        build()
    with pytest.raises(ConfigError, match=f"pipeline p.*{says}") as caught:
        run(pipeline)
    assert "\n" not in str(caught.value)


def test_teachers_are_found_once_each() -> None:
    llm = ScriptedLLM()
    assert find_llms(self_instruct(llm, make_plan(4), 2)) == [llm]


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "refuses the API key"), (404, "does not know the model"), (402, "wants to be paid")],
)
def test_a_teacher_that_refuses_us_stops_the_run_and_everything_before_is_kept(
    status: int, says: str
) -> None:
    kept: dict[int, list[Row]] = {}
    with (
        serve(*[answer] * 21, always=fail(status)) as server,
        pytest.raises(TeacherError, match=f"loopback-1 is down: it {says}") as caught,
    ):
        run(ask_server(server.base_url), kept)
    assert caught.value.exit_code == 1
    assert list(kept) == [0, 1]
    with serve() as server:
        assert run(ask_server(server.base_url), kept) == undisturbed()


def test_a_teacher_that_cannot_be_reached_stops_the_run_before_anything_is_committed() -> None:
    kept: dict[int, list[Row]] = {}
    with pytest.raises(TeacherError, match="it cannot be reached"):
        run(ask_server(find_closed_url()), kept)
    assert kept == {}


@pytest.mark.parametrize("batch_rows", [1, 3, 4, 20])
@pytest.mark.parametrize("answers", [0, 6, 9, 15])
def test_an_outage_costs_no_row_wherever_it_begins(batch_rows: int, answers: int) -> None:
    kept: dict[int, list[Row]] = {}
    with (
        serve(*[answer] * answers, always=fail(503)) as server,
        pytest.raises(TeacherError, match="it answers HTTP 503"),
    ):
        run(ask_server(server.base_url, 20, batch_rows), kept)
    assert not [row for rows in kept.values() for row in rows if row["failure"]]
    with serve() as server:
        assert run(ask_server(server.base_url, 20, batch_rows), kept) == undisturbed(20, batch_rows)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (fail(500), "instruction: teacher error: answers HTTP 500"),
        (fail(400), "instruction: teacher error: refuses the prompt (HTTP 400)"),
        (complete(""), "instruction: empty answer: the teacher wrote nothing"),
        (complete('""'), "instruction: empty answer: nothing but numbering or quotes"),
    ],
)
def test_a_single_bad_answer_is_a_row_with_its_reason_that_no_later_step_asks_for(
    bad: Behaviour, reason: str
) -> None:
    with serve(bad) as server:
        batches = run(ask_server(server.base_url, 4))
    assert len(server.asked) == 7
    failed, *others = batches[0]
    assert failed["failure"] == reason
    assert failed["messages"] == []
    assert [row["draw"] for row in batches[0]] == [0, 1, 2, 3]
    assert others == undisturbed(4)[0][1:]


def test_a_cut_answer_is_asked_for_once_more_with_room_and_fails_where_that_is_not_enough() -> None:
    cut = complete("It is no", finish_reason="length")
    with serve(cut, complete("It is now whole.")) as server:
        whole, *_ = run(ask_server(server.base_url, 4))[0]
    assert (whole["failure"], whole["messages"][0]["content"]) == (None, "It is now whole.")
    first, again = server.bodies()[:2]
    assert again == {**first, "max_tokens": 4 * first["max_tokens"]}
    with serve(cut, cut) as server:
        failed, *others = run(ask_server(server.base_url, 4))[0]
    assert failed["failure"] == "instruction: cut off: it ends at the token limit"
    assert not any(row["failure"] for row in others)


def test_failures_at_the_very_end_are_rows_when_they_are_too_few_for_an_outage() -> None:
    with serve(*[answer] * 4, always=fail(500)) as server:
        (rows,) = run(ask_server(server.base_url, 4)).values()
    assert [bool(row["failure"]) for row in rows] == [True] * 4
    assert all(row["messages"] for row in rows)
    assert MAX_FAILURES_IN_A_ROW > 4


def test_the_teacher_is_unloaded_however_the_run_ends() -> None:
    with serve(fail(401)) as server:
        pipeline = ask_server(server.base_url, 4)
        (llm,) = find_llms(pipeline)
        with pytest.raises(ConfigError, match="cannot be used: it refuses the API key"):
            run(pipeline)
        assert llm._fleet is None
        assert len(run(pipeline)[0]) == 4


def test_the_digest_names_what_a_pipeline_does_and_not_where() -> None:
    def build(**fields: Any) -> Any:
        return ask_server("http://127.0.0.1:1/v1", 4, **fields)

    digest = digest_pipeline(build())
    assert digest_pipeline(ask_server("http://127.0.0.1:2/v1", 4)) == digest
    assert digest_pipeline(build(timeout_s=9.0, api_key_env="KEY")) == digest
    assert digest_pipeline(build(sampling={"temperature": 0.5})) != digest
    assert digest_pipeline(ask_server("http://127.0.0.1:1/v1", 4, 2)) != digest


def test_no_secret_stands_in_the_dump_the_rows_or_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "sk-loopback-0123456789")
    kept: dict[int, list[Row]] = {}
    with serve(*[answer] * 9, always=fail(401)) as server:
        pipeline = ask_server(server.base_url, api_key_env="LOOPBACK_KEY")
        with pytest.raises(TeacherError) as caught:
            run(pipeline, kept)
        assert server.asked[0].headers["authorization"] == "Bearer sk-loopback-0123456789"
    assert len(kept) == 1
    assert "sk-loopback" not in json.dumps([kept, str(caught.value), pipeline.dump()])


def slowly(body: dict[str, Any], raw: bool) -> Any:
    time.sleep(0.01)
    return answer(body, raw)


def hold_until(n: int) -> Behaviour:
    """No answer before `n` requests are there: however slow the machine, they meet or never do."""
    arrived, enough = itertools.count(1), threading.Event()

    def hold(body: dict[str, Any], raw: bool) -> Any:
        if next(arrived) == n:
            enough.set()
        enough.wait(20)
        return slowly(body, raw)

    return hold


def test_batches_under_way_fill_the_slots_of_the_teacher_and_never_more_and_give_the_same_rows() -> None:
    with serve(always=hold_until(6)) as server:
        made = run_overlapped(ask_server(server.base_url, 40, 2, concurrency=6))
        assert server.most_at_once == 6
    assert sorted(made) == list(range(20))
    assert dict(sorted(made.items())) == undisturbed(40, 2)


def test_pipelines_of_one_teacher_are_driven_side_by_side() -> None:
    with serve(always=hold_until(4)) as server:
        llm = TeacherLLM(base_url=server.base_url, model=MODEL, retries=0, concurrency=4)
        draws: list[int] = []

        def commit(_number: int, _items: list[Row], rows: list[Row]) -> None:
            draws.extend(row["draw"] for row in rows)

        plans = [make_plan(3), make_plan(3, first=3)]
        drive_lines([Line(self_instruct(llm, plan, 3), lambda *_: False, commit) for plan in plans])
        assert server.most_at_once == 4
    assert sorted(draws) == [0, 1, 2, 3, 4, 5]
    assert llm._fleet is None


def test_a_pipeline_whose_teacher_is_not_ours_goes_one_by_one_in_this_thread() -> None:
    @step(inputs=["instruction"], outputs=["thread"])  # type: ignore[untyped-decorator]
    def Name(inputs: StepInput) -> Any:  # noqa: N802
        yield [{**row, "thread": threading.current_thread().name} for row in inputs]

    with Pipeline(name="p") as pipeline:
        load(6, 2) >> Name(name="name")
    made = run_overlapped(pipeline)
    assert list(made) == [0, 1, 2]
    assert {row["thread"] for rows in made.values() for row in rows} == {threading.main_thread().name}


@pytest.mark.parametrize("batch_rows", [1, 3, 8])
@pytest.mark.parametrize("answers", [0, 9, 30])
def test_an_outage_with_many_requests_in_flight_costs_no_row(batch_rows: int, answers: int) -> None:
    kept: dict[int, list[Row]] = {}
    with (
        serve(*[slowly] * answers, always=fail(503)) as server,
        pytest.raises(TeacherError, match="it answers HTTP 503"),
    ):
        run_overlapped(ask_server(server.base_url, 40, batch_rows, concurrency=5), kept)
    assert not [row for rows in kept.values() for row in rows if row["failure"]]
    with serve() as server:
        made = run_overlapped(ask_server(server.base_url, 40, batch_rows, concurrency=5), kept)
    assert dict(sorted(made.items())) == undisturbed(40, batch_rows)


def test_a_late_answer_to_an_old_request_does_not_turn_an_outage_into_rows() -> None:
    late = threading.Event()

    def wait(body: dict[str, Any], raw: bool) -> Any:
        late.wait(10)
        return answer(body, raw)

    def fail_then_release(body: dict[str, Any], raw: bool) -> Any:
        late.set()
        return fail(503)(body, raw)

    kept: dict[int, list[Row]] = {}
    # one request hangs while others fail; its answer comes when 5 batches of failures are finished
    with (
        serve(wait, *[fail(503)] * 5, fail_then_release, always=fail(503)) as server,
        pytest.raises(TeacherError),
    ):
        run_overlapped(ask_server(server.base_url, 40, 1, concurrency=2), kept)
    assert not [row for rows in kept.values() for row in rows if row["failure"]]


def test_a_commit_that_fails_stops_everything_that_is_under_way() -> None:
    def refuse(_number: int, _items: list[Row], _rows: list[Row]) -> None:
        raise OSError("the disk is full")

    with serve(always=slowly) as server:
        pipeline = ask_server(server.base_url, 200, 2, concurrency=6)
        with pytest.raises(OSError, match="disk is full"):
            drive_lines([Line(pipeline, lambda *_: False, refuse)])
        assert len(server.asked) < 200
    ours = [thread.name for thread in threading.enumerate() if thread.name.startswith(("batch", "teacher"))]
    assert ours == []


def test_failures_of_single_rows_do_not_keep_other_batches_back() -> None:
    def some(body: dict[str, Any], raw: bool) -> Any:
        return fail(500)(body, raw) if body["seed"] % 10 == 0 else slowly(body, raw)

    with serve(always=some) as server:
        made = run_overlapped(ask_server(server.base_url, 100, 4, concurrency=4))
    failed = [row for rows in made.values() for row in rows if row["failure"]]
    assert sorted(made) == list(range(25))
    assert 0 < len(failed) < 50


def test_once_it_is_to_stop_no_batch_is_begun_and_those_under_way_are_kept() -> None:
    kept: dict[int, list[Row]] = {}
    with serve(always=slowly) as server:
        pipeline = ask_server(server.base_url, concurrency=4, batch_rows=2)
        line = Line(pipeline, lambda *_: False, lambda number, _items, rows: kept.update({number: rows}))
        drive_lines([line], stop=lambda _: len(kept) >= 3)
        asked = len(server.asked)

    assert 3 <= len(kept) < 20
    assert asked == 2 * sum(map(len, kept.values()))
    assert kept.items() <= undisturbed(40, 2).items()


def test_a_run_that_is_to_stop_at_once_asks_nothing() -> None:
    with serve() as server:
        line = Line(ask_server(server.base_url), lambda *_: False, lambda *_: None)
        drive_lines([line], stop=lambda _: True)
        assert server.asked == []


def test_lines_come_round_by_their_shares_so_that_a_stopped_run_has_rows_of_each() -> None:
    begun: list[str] = []

    def note(name: str, share: float) -> Line:
        with Pipeline(name=name) as pipeline:
            load(24, 1) >> keep("keep")
        return Line(pipeline, lambda *_: False, lambda *_: begun.append(name), share)

    drive_lines([note("most", 0.75), note("few", 0.25)], stop=lambda _: len(begun) == 12)

    assert begun.count("most") == 9
    assert begun.count("few") == 3
