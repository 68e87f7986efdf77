"""Campaigns on a real server: sent, answered by three people over its API, collected and decided."""

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import ConfigError, RunMismatch, ServerError, StoreError
from synth_stack.files import read_table
from synth_stack.review.answers import read_answers, read_journal
from synth_stack.review.argilla.importing import parse_answer_map
from synth_stack.review.argilla.sending import BATCH_RECORDS
from synth_stack.review.plan_file import read_plan
from synth_stack.review.server.local_server import LocalServer
from synth_stack.rows.schemas import DECISION_SCHEMA
from synth_stack.runs.folder import GATES_LOCK
from synth_stack.runs.judged import DECISIONS, read_candidates
from synth_stack.workflows.campaign import OpenCampaign, campaign
from synth_stack.workflows.correct import correct_rows
from synth_stack.workflows.review import decide_lots, plan
from synth_stack.workflows.review_status import review_status
from tests.argilla_server import ANNOTATORS, Person, wait_for
from tests.review.toy_run import find_ids, make_toy_run

pytestmark = [pytest.mark.review, pytest.mark.slow]


SEEDS = itertools.count(1)


def make_run(folder: Path, rows: int = 24, **options: Any) -> Path:
    """A judged run of two slices with a plan to read all of it; some rows twice."""
    run = make_toy_run(folder, {"orders/late": rows // 2, "billing/refund": rows // 2})
    # a seed of its own makes it a plan of its own, and so a dataset of its own
    settings: dict[str, Any] = {
        "seed": next(SEEDS),
        "percent": 100.0,
        "held": "also",
        "overlap": 0.25,
        "estimate": 0,
    }
    plan(run, **{**settings, **options})
    return run


def open_campaign(run: Path, argilla: LocalServer) -> OpenCampaign:
    address = argilla.address
    return campaign(run, url=address.url, api_key=address.api_key)


def read_decisions(run: Path) -> dict[str, dict[str, Any]]:
    rows = read_table(run / DECISIONS, DECISION_SCHEMA).to_pylist()
    return {row["row_id"]: row for row in rows}


def test_three_people_decide_a_run(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path)
    people = [Person(argilla, name) for name in ANNOTATORS]
    with open_campaign(run, argilla) as reviews:
        sent = reviews.send()
        assert (sent.new, len(sent.datasets)) == (sent.total, 2)
        assert reviews.send().new == 0
        for name in sent.datasets:
            for person in people:
                person.answer_all(person.find_dataset(name))
        first = reviews.collect()
        again = reviews.collect()
    wanted = sum(read_plan(run).sample["reviewers"].to_pylist())
    assert (first.recorded.new, first.submitted) == (wanted, wanted)
    assert (again.recorded.written, again.recorded.repeated) == (0, wanted)
    assert len({answer["reviewer"] for answer in read_answers(run).to_pylist()}) > 1
    outcome = decide_lots(run).outcome
    assert (outcome.settled, outcome.disputed, outcome.waiting) == (outcome.planned, 0, 0)
    assert outcome.reliability.alpha == 1.0
    decided = read_decisions(run)
    assert {decided[row_id]["decision"] for row_id in find_ids(run, "BAD")} == {"rejected"}
    assert {decided[row_id]["decision"] for row_id in find_ids(run, "HOLD")} == {"accepted"}
    status = review_status(run)
    assert (status.given, status.wanted, status.hours_left) == (wanted, wanted, 0.0)
    assert len(status.reliability.reviewers) == len(ANNOTATORS) or len(status.reliability.reviewers) == 2


def test_names_are_on_the_server_alone(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path)
    with open_campaign(run, argilla) as reviews:
        [name, _] = reviews.send().datasets
        Person(argilla, "ann").answer_all(Person(argilla, "ann").find_dataset(name))
        reviews.collect()
    decide_lots(run)
    secrets = [argilla.url, *(each.api_key for each in argilla.accounts.accounts)]
    for path in run.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(secret.encode() in data for secret in secrets), path
    assert b'"ann"' not in (run / "review" / "answers.jsonl").read_bytes()


def test_a_blind_record_tells_an_annotator_nothing_but_the_row(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path, held="no")
    ann, owner = Person(argilla, "ann"), Person(argilla, "owner")
    with open_campaign(run, argilla) as reviews:
        [name, _] = reviews.send().datasets
    dataset = ann.find_dataset(name)
    for record in ann.list_records(dataset):
        assert record["fields"].keys() == {"conversation", "answer"}
        assert record["metadata"].keys() <= {"lot", "slice"}
        assert not record.get("suggestions")
    shown = {each["name"] for each in ann.ask("GET", f"/me/datasets/{dataset}/metadata-properties")["items"]}
    assert shown == {"lot", "slice", "locale"}
    hidden = owner.ask("GET", f"/me/datasets/{dataset}/metadata-properties")["items"]
    assert {each["name"] for each in hidden} == {"lot", "slice", "locale", "score_toy_marks"}


def test_a_held_record_says_why_it_is_held(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path, held="only", overlap=0.0)
    with open_campaign(run, argilla) as reviews:
        [name] = reviews.send().datasets
    ann = Person(argilla, "ann")
    records = ann.list_records(ann.find_dataset(name))
    assert [record["fields"]["gates"] for record in records] == ["toy_marks hold: it says HOLD"] * 3


def test_what_a_reviewer_writes_on_the_server_becomes_a_row_that_the_gates_judge(
    tmp_path: Path, argilla: LocalServer
) -> None:
    run = make_run(tmp_path, held="only", overlap=0.0)
    ann = Person(argilla, "ann")
    with open_campaign(run, argilla) as reviews:
        [name] = reviews.send().datasets
        good, bad, _ = ann.list_records(ann.find_dataset(name))
        fault = {"defect": "wrong", "severity": "major"}
        ann.answer(good, "reject", corrected="The parcel comes on Monday.", **fault)
        ann.answer(bad, "reject", corrected="Please REJECT me.", **fault)
        assert reviews.collect().recorded.new == 2
    decide_lots(run)
    assert correct_rows(run, tmp_path / "gates.yaml").replaced == 2
    decide_lots(run)  # as `review collect` does
    decided = read_decisions(run)
    rows = {row["row_id"]: row for part in read_candidates(run) for row in part.to_pylist()}
    made = {row_id: row for row_id, row in rows.items() if row["parent_id"] in rows}
    said = {row["messages"][-1]["content"]: decided[row_id]["decision"] for row_id, row in made.items()}
    assert said == {"The parcel comes on Monday.": "accepted", "Please REJECT me.": "rejected"}
    assert {decided[row["parent_id"]]["decision"] for row in made.values()} == {"rejected"}
    shipped = next(row_id for row_id in made if decided[row_id]["decision"] == "accepted")
    assert decided[made[shipped]["parent_id"]]["replaced_by"] == shipped


@pytest.mark.parametrize(
    "options", [{"sequential": True, "percent": None}, {"skip_lots": True, "percent": None}]
)
def test_plans_that_read_less_are_sent_and_decided(
    tmp_path: Path, argilla: LocalServer, options: dict[str, Any]
) -> None:
    run = make_run(tmp_path, rows=240, held="no", overlap=0.0, **options)
    people = [Person(argilla, name) for name in ANNOTATORS]
    with open_campaign(run, argilla) as reviews:
        for _ in range(20):
            sent = reviews.send()
            for name in sent.datasets:
                for person in people:
                    person.answer_all(person.find_dataset(name))
            reviews.collect()
            outcome = decide_lots(run).outcome
            if not any(lot.status in {"waiting", "screening"} for lot in outcome.lots):
                break
    statuses = {lot.status for lot in outcome.lots}
    assert statuses <= {"passed", "failed", "skipped", "screened"}, statuses
    assert "rejected" in {each["decision"] for each in read_decisions(run).values()}


def test_edited_withdrawn_and_repeated_answers_count_once(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path, overlap=0.0, held="no")
    ann = Person(argilla, "ann")
    with open_campaign(run, argilla) as reviews:
        [name] = reviews.send().datasets
        first, second, third, *_ = ann.list_records(ann.find_dataset(name))
        ids = [ann.answer(each, "release") for each in (first, second, third)]
        assert reviews.collect().recorded.new == 3
        assert ann.answer(first, "release") == ids[0]  # submitted twice
        ann.answer(first, "reject", defect="wrong", severity="major", note="no")
        ann.ask("DELETE", f"/responses/{ids[1]}")
        ann.ask("PUT", f"/responses/{ids[2]}", {"status": "discarded"})
        done = reviews.collect().recorded
        assert (done.new, done.edited, done.deleted) == (0, 1, 2)
        [answer] = read_answers(run).to_pylist()
        assert (answer["judgement"], answer["defect"], answer["note"]) == ("reject", "wrong", "no")
        ann.answer(second, "reject")  # said again after it was withdrawn
        assert reviews.collect().recorded.new == 1
    assert len(read_journal(run)) == 7
    assert len(read_answers(run)) == 2


def test_a_record_that_somebody_deletes_comes_back_and_its_answers_stay(
    tmp_path: Path, argilla: LocalServer
) -> None:
    run = make_run(tmp_path, overlap=0.0, held="no")
    ann, owner = Person(argilla, "ann"), Person(argilla, "owner")
    with open_campaign(run, argilla) as reviews:
        [name] = reviews.send().datasets
        dataset = ann.find_dataset(name)
        record, *_ = ann.list_records(dataset)
        ann.answer(record, "reject")
        reviews.collect()
        owner.ask("DELETE", f"/datasets/{dataset}/records", ids=record["id"])
        gone = reviews.collect()
        assert gone.recorded.written == 0
        assert any("gone from the server; they stay counted" in notice for notice in gone.notices)
        assert any("`synth-stack review send` sends them again" in notice for notice in gone.notices)
        assert reviews.send().new == 1
        [back] = [each for each in ann.list_records(dataset) if each["external_id"] == record["external_id"]]
        ann.answer(back, "release")
        assert reviews.collect().recorded.new == 1
    [answer] = read_answers(run).to_pylist()
    assert answer["judgement"] == "release"  # what the same person said last of the row


def test_what_reviewers_dispute_goes_to_an_adjudicator(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path, held="no")
    ann, ben, cleo = (Person(argilla, name) for name in ANNOTATORS)
    with open_campaign(run, argilla) as reviews:
        [_, twice] = reviews.send().datasets
        record, *_ = ann.list_records(ann.find_dataset(twice))
        ann.answer(record, "reject", defect="wrong", note="no such parcel")
        ben.answer(record, "release")
        reviews.collect()
        assert decide_lots(run).outcome.disputed == 1
        sent = reviews.send()
        assert sent.new == 1
        dataset = cleo.find_dataset(sent.datasets[-1])
        [disputed] = cleo.list_records(dataset)
        assert disputed["fields"]["answers"] == "A: reject (wrong, no such parcel)\nB: release"
        ben.answer(disputed, "release")
        own = reviews.collect()
        assert own.recorded.new == 0
        assert any(
            "left out: 1 ruling by people who judged the row before" in notice for notice in own.notices
        )
        cleo.answer(disputed, "reject", note="I looked it up")
        assert reviews.collect().recorded.new == 1
        assert reviews.send().new == 0
    outcome = decide_lots(run).outcome
    assert outcome.disputed == 0
    [ruling] = outcome.adjudications
    assert ruling.judgement == "reject"


def test_two_campaigns_at_once_keep_to_themselves(tmp_path: Path, argilla: LocalServer) -> None:
    runs = [make_run(tmp_path / name, rows, overlap=0.0) for name, rows in (("one", 10), ("two", 14))]
    ann = Person(argilla, "ann")
    with open_campaign(runs[0], argilla) as one, open_campaign(runs[1], argilla) as two:
        names = [each.send().datasets[0] for each in (one, two)]
        assert len(set(names)) == 2
        counts = [ann.answer_all(ann.find_dataset(name)) for name in names]
        assert [each.collect().recorded.new for each in (one, two)] == counts
    for run in runs:
        assert {answer["row_id"] for answer in read_answers(run).to_pylist()} <= set(
            read_plan(run).sample["row_id"].to_pylist()
        )


def test_somebody_elses_dataset_of_that_name_is_left_alone(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path, overlap=0.0)
    owner = Person(argilla, "owner")
    with open_campaign(run, argilla) as reviews:
        name = f"a-run-of-synth_stack-{str(read_plan(run).sha256)[:8]}"
        owner.ask("POST", "/datasets", {"name": name, "workspace_id": str(reviews.workspace.id)})
        with pytest.raises(ServerError, match="not this campaign's"):
            reviews.send()


def test_a_dataset_that_was_left_half_made_is_finished(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path, overlap=0.0)
    real = OpenCampaign.send
    with open_campaign(run, argilla) as reviews:
        client = reviews._client
        create, made = client.create_part, list[Any]()

        def create_some(*args: Any) -> None:
            if len(made) == 7:
                raise KeyboardInterrupt
            made.append(args)
            create(*args)

        client.create_part = create_some  # type: ignore[method-assign, assignment]
        with pytest.raises(KeyboardInterrupt):
            real(reviews)
        client.create_part = create  # type: ignore[method-assign]
        sent = real(reviews)
    assert sent.new == sent.total


def test_a_run_that_was_judged_anew_is_refused(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path)
    lock = (run / GATES_LOCK).read_text()
    identity = next(line for line in lock.splitlines() if line.startswith("identity: "))
    (run / GATES_LOCK).write_text(lock.replace(identity, "identity: " + "f" * 64))
    with open_campaign(run, argilla) as reviews:
        for verb in (reviews.send, reviews.collect):
            with pytest.raises(RunMismatch, match="Plan again"):
                verb()


@pytest.mark.parametrize(("key", "words"), [("wrong", "does not know this key"), ("annotator", "annotator")])
def test_a_key_that_may_not_do_this_is_refused(
    tmp_path: Path, argilla: LocalServer, key: str, words: str
) -> None:
    run = make_run(tmp_path)
    used = Person(argilla, "ann").account.api_key if key == "annotator" else key
    with pytest.raises(ConfigError, match=words):
        campaign(run, url=argilla.url, api_key=used)


def test_one_process_sends_or_collects_at_a_time(tmp_path: Path, argilla: LocalServer) -> None:
    import fcntl

    run = make_run(tmp_path)
    with open_campaign(run, argilla) as reviews, (run / "review" / ".campaign.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for verb in (reviews.send, reviews.collect):
            with pytest.raises(StoreError, match="another process"):
                verb()


def start_cli(*arguments: str, argilla: LocalServer) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "synth_stack.cli.main", "review", *arguments, "--url", argilla.url],
        env={**os.environ, "ARGILLA_API_KEY": argilla.address.api_key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_send_and_a_collect_that_are_killed_go_on(tmp_path: Path, argilla: LocalServer) -> None:
    rows = BATCH_RECORDS + 60
    run = make_run(tmp_path, rows, overlap=0.0, held="no")
    ann, owner = Person(argilla, "ann"), Person(argilla, "owner")
    name = f"a-run-of-synth_stack-{str(read_plan(run).sha256)[:8]}"

    def count() -> int:
        there = [each for each in owner.ask("GET", "/me/datasets")["items"] if each["name"] == name]
        if not there or there[0]["status"] != "ready":
            return 0
        return int(owner.ask("GET", f"/datasets/{there[0]['id']}/records", limit=1)["total"])

    process = start_cli("send", str(run), argilla=argilla)
    wait_for(count)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert count() == BATCH_RECORDS
    with open_campaign(run, argilla) as reviews:
        assert reviews.send().new == 60
        records = ann.list_records(ann.find_dataset(name))
        assert len({each["external_id"] for each in records}) == len(records) == rows
        for record in records[:20]:
            ann.answer(record, "release")
        process = start_cli("collect", str(run), "--no-decide", argilla=argilla)
        journal = run / "review" / "answers.jsonl"
        wait_for(lambda: journal.exists() or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        reviews.collect()
    said = read_answers(run).to_pylist()
    assert len({one["answer_id"] for one in said}) == len(said) == len(read_journal(run)) == 20


def test_answers_of_a_dataset_that_was_annotated_elsewhere(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path, 10, overlap=0.0, held="no")
    ann, owner = Person(argilla, "ann"), Person(argilla, "owner")
    ids = read_plan(run).sample["row_id"].to_pylist()
    with open_campaign(run, argilla) as reviews:
        labels = [{"value": value, "text": value} for value in ("good", "bad")]
        body = {"name": "elsewhere", "workspace_id": str(reviews.workspace.id)}
        dataset = owner.ask("POST", "/datasets", body)["id"]
        owner.ask(
            "POST",
            f"/datasets/{dataset}/fields",
            {
                "name": "text",
                "title": "T",
                "required": True,
                "settings": {"type": "text", "use_markdown": False},
            },
        )
        owner.ask(
            "POST",
            f"/datasets/{dataset}/questions",
            {
                "name": "decision",
                "title": "D",
                "required": True,
                "settings": {"type": "label_selection", "options": labels},
            },
        )
        owner.ask("PUT", f"/datasets/{dataset}/publish")
        items = [{"fields": {"text": "x"}, "metadata": {"id": row_id}} for row_id in [*ids[:3], "stranger"]]
        owner.ask("POST", f"/datasets/{dataset}/records/bulk", {"items": items})
        for record in ann.list_records(dataset):
            ann.answer(record, "bad")
        answer_map = parse_answer_map(["decision=decision,release=good,reject=bad,row=metadata.id"])
        first = reviews.collect_dataset("elsewhere", answer_map)
        assert reviews.collect_dataset("elsewhere", answer_map).recorded.written == 0
        with pytest.raises(ConfigError, match="no such dataset"):
            reviews.collect_dataset("nowhere", answer_map)
    assert first.recorded.new == 3
    assert {one["source"] for one in read_answers(run).to_pylist()} == {"import"}


def test_what_the_command_line_collects_is_decided(tmp_path: Path, argilla: LocalServer) -> None:
    run = make_run(tmp_path, 10, overlap=0.0)
    ann = Person(argilla, "ann")
    out, _ = start_cli("send", str(run), "--json", argilla=argilla).communicate()
    sent = json.loads(out)
    ann.answer_all(ann.find_dataset(sent["datasets"][0]))
    out, _ = start_cli("collect", str(run), "--json", argilla=argilla).communicate()
    done = json.loads(out)
    assert done["new"] == sent["total"] == done["submitted"]
    assert done["decided"]["held"] == 0
    assert argilla.address.api_key not in out.decode()
