"""A review from its plan on: what is planned, how a second plan is met, and what is refused."""

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from synth_stack.decisions.replay.replay import replay
from synth_stack.errors import ConfigError, InputError, RunMismatch, StoreError
from synth_stack.files import read_table
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify.verify import inspect_pack
from synth_stack.packs.write import write_pack
from synth_stack.report.review import render_review
from synth_stack.review.answers import read_answers, record_answers
from synth_stack.review.content import read_rows_to_review, read_said
from synth_stack.review.lot_decisions import walk_chains
from synth_stack.review.plan_file import FRAME, LOT_SCHEMA, PLAN, SAMPLE, read_plan
from synth_stack.review.queue import build_queue
from synth_stack.runs.judged import open_judged
from synth_stack.workflows.curate import curate
from synth_stack.workflows.review import decide_lots, plan
from tests.packs.shaped_pack import judge_rows
from tests.recipes import read_tree
from tests.review.toy_run import GATES, find_ids, make_toy_run
from tests.some_rows import make_row

SLICES = {"a": 300, "b": 200, "c": 4}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_run(tmp_path_factory.mktemp("toy"), SLICES)


@pytest.fixture
def run(judged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(judged, tmp_path / "judged"))


def test_every_accepted_row_is_in_one_lot_and_every_lot_has_its_sample(run: Path) -> None:
    made = plan(run)
    frame = pl.DataFrame(made.read_frame())
    assert len(frame) == 504 == frame["row_id"].n_unique()
    lots = pl.DataFrame(made.lots)
    assert lots.select("slice", "generator").rows() == [(s, g) for s in "abc" for g in ("left", "right")]
    assert lots["rows"].to_list() == [150, 150, 100, 100, 2, 2]
    assert lots["method"].to_list() == ["single"] * 4 + ["whole"] * 2
    drawn = pl.DataFrame(made.sample)
    counted = drawn.filter(purpose="sample").group_by("lot").len().sort("lot")
    beside = drawn.filter(purpose="estimate")
    assert len(beside) == min(300, 504 - sum(lots["n"].to_list()))
    assert counted["len"].to_list() == lots["n"].to_list()
    assert drawn["position"].to_list() == list(range(len(drawn)))
    assert (drawn["reviewers"] == 2).sum() == sum(
        round(0.2 * len(p)) for p in (beside, drawn.filter(purpose="sample"))
    )
    assert drawn["blind"].all()


def test_held_rows_alone_are_planned_without_lots_and_not_blind(run: Path) -> None:
    made = plan(run, held="only")
    assert len(made.lots) == len(made.read_frame()) == 0
    assert sorted(made.sample["row_id"].to_pylist()) == sorted(find_ids(run, "HOLD"))
    assert set(made.sample["purpose"].to_pylist()) == {"held"}
    assert made.sample["blind"].to_pylist() == [False] * 3
    assert set(made.sample["reviewers"].to_pylist()) == {1}


def test_held_rows_come_first_where_lots_are_planned_too(run: Path) -> None:
    purposes = plan(run, held="also").sample["purpose"].to_pylist()
    assert purposes[:3] == ["held"] * 3
    assert set(purposes[3:]) == {"sample", "estimate"}


def test_the_same_plan_again_is_the_same_bytes_and_another_is_refused_until_it_is_asked_for(
    run: Path,
) -> None:
    first = plan(run)
    before = {path: path.read_bytes() for path in (run / "review").iterdir() if path.is_file()}
    assert plan(run).sha256 == first.sha256
    assert {path: path.read_bytes() for path in (run / "review").iterdir() if path.is_file()} == before
    with pytest.raises(RunMismatch, match=r"another review plan.*--again"):
        plan(run, risk="low")
    second = plan(run, risk="low", again=True)
    assert second.supersedes == first.sha256
    assert (run / "review" / "earlier-001" / "plan.json").read_bytes() == before[run / PLAN]
    assert json.loads((run / "MANIFEST.json").read_bytes())["files"].keys() >= {
        "review/plan.json",
        "review/earlier-001/sample.parquet",
    }


def test_the_seed_follows_from_the_run_and_a_given_one_draws_other_rows(run: Path) -> None:
    made = plan(run)
    assert not made.facts["seed_given"]
    given = plan(run, seed=7, again=True)
    assert given.settings.seed == 7
    assert given.facts["seed_given"]
    assert set(given.sample["row_id"].to_pylist()) != set(made.sample["row_id"].to_pylist())


def test_two_runs_of_the_same_rows_have_the_same_plan(tmp_path: Path) -> None:
    plans = [plan(make_toy_run(tmp_path / name, {"a": 40})) for name in ("one", "two")]
    assert plans[0].sha256 == plans[1].sha256


def test_a_flat_share_is_drawn_of_every_lot(run: Path) -> None:
    made = plan(run, percent=5)
    assert made.lots["n"].to_pylist() == [8, 8, 5, 5, 1, 1]
    assert made.lots["c"].to_pylist() == [0] * 6
    assert all(risk > 0.05 for risk in made.lots["consumer_risk"].to_pylist())


def test_lots_are_told_apart_by_what_is_asked_for(run: Path) -> None:
    assert plan(run, by=["slice"]).lots["rows"].to_pylist() == [300, 200, 4]
    assert plan(run, by=["generator"], again=True).lots["rows"].to_pylist() == [252, 252]
    assert plan(run, by=[], again=True).lots["rows"].to_pylist() == [504]


def test_rows_without_slices_are_one_lot_a_generator(tmp_path: Path) -> None:
    rows = [make_row(("user", f"Q {n}?"), ("assistant", "A."), draw=n) for n in range(30)]
    made = plan(judge_rows(tmp_path, rows, GATES))
    assert made.lots.select(["slice", "generator", "rows"]).to_pylist() == [
        {"slice": None, "generator": "test", "rows": 30}
    ]


def test_what_reviewers_see_are_the_rows_in_the_order_of_reading(run: Path) -> None:
    made = plan(run, held="also")
    shown = read_rows_to_review(made)
    assert shown["row_id"].to_pylist() == made.sample["row_id"].to_pylist()
    said = read_said(open_judged(run), shown["row_id"].to_pylist()[:3])
    assert said["reason"].to_pylist() == ["it says HOLD"] * 3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"risk": "tiny"}, "no such risk tier; seen: tiny; allowed: low, medium, high"),
        ({"aql": 0.1, "ltpd": 0.05}, "acceptable has to be below"),
        ({"confidence": 1.0}, "a confidence is a probability"),
        ({"percent": 0.0}, "a percent of each lot"),
        ({"percent": 101.0}, "a percent of each lot"),
        ({"overlap": 1.5}, "overlap is a share"),
        ({"by": ["colour"]}, "lots cannot be told apart by that; seen: colour"),
        ({"reviewers": 0}, "reviewers are a number of people"),
        ({"reviewers": 1}, "an overlap needs two reviewers"),
        ({"min_agreement": 1.5}, "no agreement is above 1"),
        ({"seed": -5}, "a seed is a whole number"),
        ({"seconds_a_row": 0.0}, "reading a row takes time"),
        ({"lot_rows": 0}, "lot_rows"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_before_anything_is_written(
    run: Path, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        plan(run, **options)
    assert not (run / "review").exists()


def test_a_folder_that_is_not_judged_and_a_run_without_rows_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no judged rows"):
        plan(tmp_path / "nothing")
    with pytest.raises(InputError, match="has no review plan"):
        read_plan(run)
    none = make_toy_run(tmp_path / "none", {"a": 0}, held=0, rejected=2)
    with pytest.raises(InputError, match="the gates left none accepted"):
        plan(none)
    with pytest.raises(InputError, match="the gates left none held"):
        plan(none, held="only")


@pytest.mark.parametrize("name", [SAMPLE, FRAME])
def test_a_table_that_was_changed_after_the_plan_is_named(run: Path, name: str) -> None:
    plan(run)
    data = bytearray((run / name).read_bytes())
    data[len(data) // 2] ^= 1
    (run / name).write_bytes(data)
    with pytest.raises(StoreError, match=f"{name} is not what was planned"):
        read_plan(run)


def test_a_plan_that_is_no_plan_is_a_store_error(run: Path) -> None:
    plan(run)
    for data in (b"", b"[]", b"{}", b'{"scheme": "x"}'):
        (run / PLAN).write_bytes(data)
        with pytest.raises(StoreError, match="is no review plan"):
            read_plan(run)


def answer_all(run: Path, *, bad: str = "BAD", only: set[str] | None = None) -> None:
    """Answers on every row of the plan: those that say `bad` are rejected, by as many as each needs."""
    made = read_plan(run)
    shown = read_rows_to_review(made)
    answers = [
        {
            "answer_id": f"import:{row['row_id']}:{number}",
            "row_id": row["row_id"],
            "reviewer": f"{number:064x}",
            "judgement": "reject" if bad in row["text"] else "release",
            "defect": "bad_answer" if bad in row["text"] else None,
            "submitted_at": "2020-11-30T01:35:00.000Z",
            "source": "import",
        }
        for row, planned in zip(shown.to_pylist(), made.sample.to_pylist(), strict=True)
        for number in range(planned["reviewers"])
        if only is None or row["row_id"] in only
    ]
    record_answers(run, answers)


def decisions_of(run: Path) -> dict[str, dict[str, Any]]:
    rows = read_table(run / "decisions.parquet").to_pylist()
    return {row["row_id"]: row for row in rows}


def test_held_rows_are_released_and_rejected_by_people_and_nothing_else_changes(run: Path) -> None:
    before = decisions_of(run)
    plan(run, held="only")
    held = find_ids(run, "HOLD")
    answer_all(run, bad="says 504")
    done = decide_lots(run)
    after = decisions_of(run)
    assert [after[row]["decision"] for row in held] == ["rejected", "accepted", "accepted"]
    rejected = after[held[0]]
    assert (rejected["gate"], rejected["reason_class"]) == ("review", "review.bad_answer")
    assert rejected["reason"] == "a reviewer rejected it as bad_answer"
    assert {k: v for k, v in after.items() if k not in held} == {
        k: v for k, v in before.items() if k not in held
    }
    assert done.figures.counts()["held"] == 0
    assert done.outcome.overall is not None
    assert done.outcome.overall.high is None  # nothing was drawn to measure what ships
    assert replay(run).before == replay(run).after


def test_a_failed_lot_is_rejected_as_a_whole_with_what_its_sample_showed(run: Path) -> None:
    plan(run, by=["slice"], estimate=0)
    answer_all(run)
    done = decide_lots(run)
    assert [lot.status for lot in done.outcome.lots] == ["failed", "failed", "failed"]
    reasons = {
        row["reason"] for row in decisions_of(run).values() if row["reason_class"] == "review.lot_rejected"
    }
    assert len(reasons) == 3
    assert all(
        re.fullmatch(r"lot rejected: \d+ of \d+ sampled failed, upper bound \d+%", one) for one in reasons
    )
    assert done.figures.counts()["accepted"] == 0
    assert replay(run).before == replay(run).after


def test_a_lot_that_passes_ships_without_the_defects_that_were_read(run: Path) -> None:
    plan(run, by=[], aql=0.3, ltpd=0.5, estimate=60)
    answer_all(run)
    done = decide_lots(run)
    [lot] = done.outcome.lots
    assert lot.status == "passed"
    after = decisions_of(run)
    read_bad = set(read_plan(run).sample["row_id"].to_pylist()) & set(find_ids(run, "BAD"))
    gone = {row for row, one in after.items() if one["gate"] == "review"}
    assert gone == read_bad
    overall = done.outcome.overall
    assert overall is not None
    assert overall.high is not None
    assert overall.share is not None
    true = sum(
        one["decision"] == "accepted" and row in set(find_ids(run, "BAD")) for row, one in after.items()
    )
    assert overall.share < true / overall.rows + 0.08
    assert true / overall.rows <= overall.high


def test_rows_of_a_lot_wait_until_its_sample_is_read_and_then_do_not(run: Path) -> None:
    plan(run, by=[], aql=0.3, ltpd=0.5, estimate=0)
    first = set(read_plan(run).sample["row_id"].to_pylist()[:2])
    answer_all(run, only=first)
    done = decide_lots(run)
    assert [lot.status for lot in done.outcome.lots] == ["waiting"]
    held = [row for row in decisions_of(run).values() if row["reason_class"] == "review.lot_waits"]
    assert len(held) >= 502
    answer_all(run)
    assert decide_lots(run).figures.counts()["held"] == 3


def test_rows_of_a_lot_that_waits_ship_where_that_is_set(run: Path) -> None:
    plan(run, on_waiting="ship")
    assert decide_lots(run).figures.counts()["accepted"] == 504


def test_a_failed_lot_is_read_whole_where_that_is_set(run: Path) -> None:
    plan(run, by=["slice"], on_failed="screen", estimate=0)
    answer_all(run)
    first = decide_lots(run)
    assert first.added > 0
    assert first.outcome.count_lots().keys() >= {"screening"}
    assert decide_lots(run).added == 0
    answer_all(run)
    done = decide_lots(run)
    assert done.outcome.count_lots() == {"screened": 3}
    after = decisions_of(run)
    bad = set(find_ids(run, "BAD"))
    assert all(
        (after[row]["decision"] == "rejected") == (row in bad)
        for row in read_plan(run).read_frame()["row_id"].to_pylist()
    )
    assert done.outcome.overall is not None
    assert done.outcome.overall.high == 0.0


def test_deciding_twice_gives_the_same_files(run: Path) -> None:
    plan(run, by=["slice"])
    answer_all(run)
    decide_lots(run)
    before = read_tree(run)
    decide_lots(run)
    assert read_tree(run) == before


def test_reviewers_who_do_not_agree_decide_no_lot(run: Path) -> None:
    plan(run, by=[], aql=0.3, ltpd=0.5, overlap=1.0)
    answer_all(run)
    edited = []
    for number, answer in enumerate(read_answers(run).to_pylist()):
        if answer["reviewer"].endswith("1") and number % 3 == 0:
            flipped = "release" if answer["judgement"] == "reject" else "reject"
            edited.append({**answer, "judgement": flipped, "defect": None})
    record_answers(run, edited)
    done = decide_lots(run)
    assert not done.outcome.reliability.passes
    assert [lot.status for lot in done.outcome.lots] == ["waiting"]
    assert "below the bar" in done.outcome.reliability.describe()


def test_an_adjudicator_settles_what_reviewers_dispute(run: Path) -> None:
    plan(run, held="only")
    row = find_ids(run, "HOLD")[0]
    base = {"row_id": row, "submitted_at": "2020-11-30T01:35:00.000Z", "source": "import"}
    said = [
        {**base, "answer_id": "import:1", "reviewer": "a" * 64, "judgement": "release"},
        {**base, "answer_id": "import:2", "reviewer": "b" * 64, "judgement": "reject"},
    ]
    record_answers(run, said)
    assert decide_lots(run).outcome.disputed == 1
    assert decisions_of(run)[row]["decision"] == "held"
    ruled = {
        **base,
        "answer_id": "import:3",
        "reviewer": "c" * 64,
        "judgement": "reject",
        "role": "adjudicator",
    }
    record_answers(run, [{**ruled, "note": "the second is right"}])
    done = decide_lots(run)
    assert decisions_of(run)[row]["reason"] == "an adjudicator rejected it"
    [one] = done.outcome.adjudications
    assert (one.row_id, one.adjudicator, one.judgement) == (row, "c" * 64, "reject")


def test_a_run_that_other_gates_judged_since_is_refused(run: Path, tmp_path: Path) -> None:
    plan(run)
    other = tmp_path / "other.yaml"
    other.write_text("version: 1\ngates:\n  - use: structure\n", encoding="utf-8")
    curate(run, other, run)
    with pytest.raises(InputError, match="other gates after its review was planned"):
        decide_lots(run)


def plant_gold(folder: Path, good: int = 6, bad: int = 4) -> Path:
    rows = [
        {"prompt": f"Gold {n}?", "answer": "A good answer." if n < good else "A BAD answer.", "truth": truth}
        for n, truth in enumerate(["release"] * good + ["reject"] * bad)
    ]
    path = folder / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_gold_rows_and_canaries_are_mixed_in_blind_and_measure_reviewers(run: Path, tmp_path: Path) -> None:
    gates = tmp_path / "planter.yaml"
    gates.write_text("version: 1\ngates:\n  - use: toy_planter\n", encoding="utf-8")
    options: dict[str, Any] = {"gold": plant_gold(tmp_path), "canaries": 3, "gates": gates}
    made = plan(run, by=["slice"], aql=0.3, ltpd=0.5, estimate=20, overlap=0.0, **options)
    assert (
        plan(run, by=["slice"], aql=0.3, ltpd=0.5, estimate=20, overlap=0.0, **options).sha256 == made.sha256
    )
    planted = [row for row in made.sample.to_pylist() if row["purpose"] in {"gold", "canary"}]
    assert sorted(row["truth"] for row in planted) == ["reject"] * 7 + ["release"] * 6
    shown = pl.DataFrame(read_rows_to_review(made)).filter(
        pl.col("row_id").is_in([r["row_id"] for r in planted])
    )
    lots = {lot["lot"]: lot["slice"] for lot in made.lots.to_pylist()}
    assert shown["slice"].to_list() == [lots[row["lot"]] for row in planted]
    together = plan(run, by=[], aql=0.3, ltpd=0.5, estimate=20, overlap=0.0, again=True, **options)
    assert read_rows_to_review(together)["slice"].null_count == 0
    assert plan(
        run, by=["slice"], aql=0.3, ltpd=0.5, estimate=20, overlap=0.0, again=True, **options
    ).supersedes
    assert set(shown["generator"].to_list()) == {""}
    assert shown["extra"].null_count() == len(planted)
    answer_all(run)
    done = decide_lots(run)
    reliability = done.outcome.reliability
    assert (reliability.gold.bad, reliability.gold.caught, reliability.gold.good) == (4, 4, 6)
    assert (reliability.canaries.bad, reliability.canaries.caught) == (3, 3)
    assert reliability.reviewers[0].gold.sensitivity == 1.0
    overall = done.outcome.overall
    assert overall is not None
    assert overall.corrected is not None
    assert not set(decisions_of(run)) & {row["row_id"] for row in planted}
    said = read_table(run / "verdicts" / "review" / "part-lots.parquet")["row_id"].to_pylist()
    assert not set(said) & {row["row_id"] for row in planted}


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ([{"prompt": "a", "answer": "b"}], "does not say its truth"),
        ([{"prompt": "a", "answer": "b", "truth": "good"}], "seen: good; allowed: release, reject"),
        (["{"], "cannot be read"),
    ],
)
def test_gold_rows_without_a_truth_are_refused(
    run: Path, tmp_path: Path, lines: list[Any], match: str
) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    with pytest.raises(InputError, match=match):
        plan(run, gold=path)


def test_canaries_need_a_gate_file_that_plants_some(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no gate file is named"):
        plan(run, canaries=3)
    gates = tmp_path / "none.yaml"
    gates.write_text("version: 1\ngates:\n  - use: toy_marks\n", encoding="utf-8")
    with pytest.raises(InputError, match="no gate of the file plants"):
        plan(run, canaries=3, gates=gates)


def test_a_sequential_plan_stops_reading_a_lot_that_is_clear(tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"a": 700})
    made = plan(run, by=["slice"], risk="low", sequential=True, estimate=0, overlap=0.0)
    assert made.lots["method"].to_pylist() == ["sequential"]
    looks = made.lots["stages"].to_pylist()[0]
    stages = made.sample["stage"].to_pylist()
    assert stages == sorted(stages)
    assert stages.count(1) == looks[0]["n"]
    queue = build_queue(open_judged(run), made, "a" * 64)
    assert len(queue) == looks[-1]["n"]
    first = {row["row_id"] for row in made.sample.to_pylist() if row["stage"] <= 2}
    answer_all(run, bad="never", only=first)
    done = decide_lots(run)
    assert [(lot.status, lot.look, lot.read) for lot in done.outcome.lots] == [("passed", 2, looks[1]["n"])]
    assert build_queue(open_judged(run), made, "a" * 64) == ()
    pack = write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert inspect_pack(pack.path).problems == ()


def test_the_report_shows_what_people_made_of_the_batch(run: Path) -> None:
    plan(run, by=["slice"], aql=0.3, ltpd=0.5, estimate=60)
    answer_all(run)
    done = decide_lots(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "<h2>Human review</h2>" in page
    overall = done.outcome.overall
    assert overall is not None
    assert f"<td>{overall.rows}</td><td>{overall.read}</td>" in page
    assert f"<td>{overall.high:.2%}</td>" in page
    evil = "<script>alert(1)</script>\u202e"
    told = {**done.outcome.to_json(), "outgoing": [asdict(overall), {**asdict(overall), "slice": evil}]}
    drawn = render_review(told, overall.rows)
    assert "<script>" not in drawn
    assert "\u202e" not in drawn
    assert "judged again since" in render_review(told, overall.rows + 1)
    assert render_review(None, 3) == ""


def test_lots_of_a_chain_go_unread_after_two_have_passed_and_not_after_one_failed() -> None:
    lots = pa.Table.from_pylist(
        [{"lot": f"l{n}", "chain": "c", "place": n, "skip": n in {2, 3, 5}} for n in range(6)]
        + [{"lot": "alone", "chain": None, "place": None, "skip": False}],
        schema=pa.schema([LOT_SCHEMA.field(name) for name in ("lot", "chain", "place", "skip")]),
    )
    own: dict[str, Any] = dict.fromkeys(lots["lot"].to_pylist(), "waiting")
    assert walk_chains(lots, own).later == {"l2", "l3", "l5"}
    own |= {"l0": "passed", "l1": "passed"}
    walked = walk_chains(lots, own)
    assert walked.skipped == {"l2", "l3"}
    assert walked.later == {"l5"}
    assert walk_chains(lots, {**own, "l4": "passed"}).skipped == {"l2", "l3", "l5"}
    assert walk_chains(lots, {**own, "l4": "failed"}).skipped == {"l2", "l3"}
    assert walk_chains(lots, {**own, "l1": "failed"}).skipped == set()


def test_a_skipped_lot_ships_unread_and_is_measured_and_packed(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    run = make_toy_run(tmp_path, {"a": 1_200})
    made = plan(run, risk="low", lot_rows=60, skip_lots=True, estimate=60, overlap=0.0)
    assert made.lots["skip"].to_pylist().count(True) > 0
    while queue := build_queue(open_judged(run), made, "a" * 64):
        answer_all(run, bad="never", only={row.row_id for row in queue})
    done = decide_lots(run)
    assert done.outcome.count_lots().keys() == {"passed", "skipped"}
    reasons = {row["reason"] for row in read_table(run / "verdicts/review/part-lots.parquet").to_pylist()}
    assert "lot passed unread: 2 lots of its kind passed before it, one after another" in reasons
    pack = write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    assert inspect_pack(pack.path).problems == ()
