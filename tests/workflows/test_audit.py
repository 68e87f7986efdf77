"""An audit of known defects: what it counts, what it says first, its plan carried out, and every lie about
it.
"""

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import synth_stack
from synth_stack.audits.seal import ENVELOPE, sign_audit, write_audit
from synth_stack.errors import ConfigError, InputError, RunMismatch, VerificationError
from synth_stack.files import read_table, write_table
from synth_stack.gates.canaries import plant_defects
from synth_stack.gates.gate import Judge, State
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.registry import gate
from synth_stack.report.audit import render_audit
from synth_stack.rows.schemas import build_verdicts
from synth_stack.stats.acceptance import TIERS, find_single
from synth_stack.stats.intervals import clopper_pearson
from synth_stack.workflows.audit import AuditResult, apply_audit, audit, compare, verify_audit
from tests.audited import HOSTILE, good_row, list_rows, write_data, write_gates


@gate("audit-blind", version="1")
def see_nothing() -> Judge:
    """A judge that accepts whatever it sees, also what it plants."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        return build_verdicts(table["row_id"], "audit-blind", ["accept"] * len(table))

    def plant(sample: pa.Table, n: int, _: int) -> pa.Table:
        return plant_defects(sample, n, [("it shouts", str.upper)])

    return Judge(judge, plant=plant)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """The audit of two CSV files, made once."""
    folder = tmp_path_factory.mktemp("audited")
    data = write_data(folder)
    exam = NamedEvalSet(name="exam", path=str(folder / "exam.jsonl"))
    key = tmp_path_factory.getbasetemp() / "signing-key.pem"
    return audit(data, write_gates(folder), folder / "out", eval_sets=[exam], key=key)


@pytest.fixture
def copied(audited: AuditResult, tmp_path: Path) -> Path:
    """A copy of it to lie in."""
    shutil.copytree(audited.folder, tmp_path / "audit")
    return tmp_path / "audit"


def find_gate(told: Any, name: str) -> Any:
    return next(gate for gate in told["gates"] if gate["gate"] == name)


def test_defects_are_counted_with_exact_intervals(audited: AuditResult) -> None:
    told = audited.audit
    empty = find_gate(told, "structure")["rate"]
    low, high = clopper_pearson(4, 100)
    assert (empty["count"], empty["rows"]) == (4, 100)
    assert empty["low"] == pytest.approx(low, abs=1e-6)
    assert empty["high"] == pytest.approx(high, abs=1e-6)
    assert told["overall"]["defects"]["count"] == 4 + 5 + 3
    assert {group["name"]: group["rate"]["rows"] for group in told["sources"]["groups"]} == {
        "vendor a": sum(row["source"] == "vendor a" for rows in list_rows().values() for row in rows),
        "vendor b": sum(row["source"] == "vendor b" for rows in list_rows().values() for row in rows),
    }
    assert {group["name"] for group in told["groups"]["groups"]} == {"care", "home", HOSTILE}


def test_an_exam_and_rows_that_test_and_train_share_are_found(audited: AuditResult) -> None:
    exam = audited.audit["exams"][0]
    assert (exam["eval_set"], exam["items_found"], exam["rate"]["count"]) == ("exam", 1, 3)
    assert {worst["position"] for worst in exam["worst"]} <= {20 + 5, 20 + 11, 20 + 17}
    (cross,) = audited.audit["copies"]["across"]
    assert (cross["split"], cross["other"], cross["rate"]["count"]) == ("test", "train", 5)
    assert audited.audit["copies"]["splits"] == {"test": 20, "train": 80}


def test_what_was_not_checked_is_derived_from_what_ran(audited: AuditResult, tmp_path: Path) -> None:
    said = {gap["what"] for gap in audited.audit["not_checked"]}
    assert {"The error of the gates themselves", "Drift", "What other gates look for"} <= said
    assert "Whatever contamination looks for" not in said
    without = audit([good_row(n) for n in range(8)], write_gates(tmp_path), tmp_path / "a").audit
    said = {gap["what"] for gap in without["not_checked"]}
    assert {"Whatever contamination looks for", "Copies from train to test"} <= said


def test_the_plan_puts_the_gravest_first_and_its_steps_add_up(audited: AuditResult) -> None:
    plan = audited.audit["plan"]
    assert [step["harm"] for step in plan["steps"]] == ["exams", "form", "spread"]
    assert sum(step["rows"] for step in plan["steps"]) == audited.audit["overall"]["defects"]["count"]
    assert plan["steps"][-1]["size_after"] == plan["size_after"] == 88
    assert plan["steps"][-1]["defects_after"]["count"] == 0
    assert plan["steps"][0]["defects_after"]["count"] == 9


def test_the_plan_carried_out_is_a_pack_that_verifies(audited: AuditResult, tmp_path: Path) -> None:
    packed = apply_audit(audited.folder, tmp_path / "pack")
    assert packed.counts["accepted"] == audited.audit["plan"]["size_after"]
    assert verify_pack(tmp_path / "pack").problems == ()


def test_a_step_can_be_left_out(audited: AuditResult, tmp_path: Path) -> None:
    text = (audited.folder / "remedy" / "gates.yaml").read_text(encoding="utf-8")
    assert "/" not in text.replace("../", "").split("path: ")[1].splitlines()[0]  # as the folder sees it
    gates = write_gates(tmp_path)
    kept = text[: text.index("- use: dedup")]
    gates.write_text(kept, encoding="utf-8")
    packed = apply_audit(audited.folder, tmp_path / "pack", gates=gates)
    assert packed.counts["accepted"] == 96
    assert verify_pack(tmp_path / "pack").problems == ()


def test_an_audit_verifies_and_names_its_data_set(audited: AuditResult) -> None:
    found = verify_audit(audited.folder, expected_key=audited.key_id)
    assert found.problems == ()
    assert found.dataset == audited.audit["dataset"]["sha256"]
    assert dict(found.checks)["rows with the ids that they give themselves"] == 100


def change_file(folder: Path) -> None:
    page = folder / "audit.html"
    page.write_bytes(page.read_bytes().replace(b"12 of 100", b"02 of 100"))


def add_verdicts(folder: Path) -> None:
    part = next((folder / "verdicts" / "dedup").glob("part-*.parquet"))
    shutil.copy(part, part.with_name("part-00009.parquet"))


def drop_file(folder: Path) -> None:
    next((folder / "verdicts" / "dedup").glob("part-*.parquet")).unlink()


def swap_envelope(folder: Path) -> None:
    path = folder / ENVELOPE
    path.write_bytes(path.read_bytes().replace(b'"keyid":"', b'"keyid":"0', 1))


@pytest.mark.parametrize("change", [change_file, add_verdicts, drop_file, swap_envelope])
def test_a_change_after_signing_is_found(copied: Path, change: Callable[[Path], None]) -> None:
    change(copied)
    assert verify_audit(copied).problems


def lie(folder: Path, change: Callable[[Any], None], *, page: bool = True) -> Any:
    """The audit in a folder with a lie in it, its page drawn from it, signed again."""
    told = json.loads((folder / "audit.json").read_bytes())
    change(told)
    write_audit(folder, told)
    if page:
        (folder / "audit.html").write_text(render_audit(told), encoding="utf-8")
    sign_audit(folder, told)
    return verify_audit(folder)


def fewer_defects(told: Any) -> None:
    told["overall"]["defects"] |= {"count": 2, "share": 0.02}


def other_dataset(told: Any) -> None:
    told["dataset"]["sha256"] = "0" * 64


def no_gap(told: Any) -> None:
    told["not_checked"] = []


def other_gates(told: Any) -> None:
    told["judged_by"]["gates"] = "0" * 64


def narrow_interval(told: Any) -> None:
    told["gates"][0]["rate"]["high"] = 0.05


@pytest.mark.parametrize("change", [fewer_defects, other_dataset, no_gap, other_gates, narrow_interval])
def test_a_lie_about_figures_is_found_though_it_was_signed_again(
    copied: Path, change: Callable[[Any], None]
) -> None:
    (problem,) = lie(copied, change).problems
    assert "is not what the evidence gives" in str(problem) or "data set" in str(problem)


def test_a_page_that_shows_other_figures_is_found_though_it_was_signed(copied: Path) -> None:
    change_file(copied)
    (problem,) = lie(copied, lambda _: None, page=False).problems
    assert "does not show" in str(problem)


def test_decisions_and_rows_that_were_changed_before_signing_are_found(copied: Path) -> None:
    decisions = pl.read_parquet(copied / "decisions.parquet").with_columns(decision=pl.lit("accepted"))
    schema = read_table(copied / "decisions.parquet").schema
    write_table(copied / "decisions.parquet", decisions.to_arrow().cast(schema))
    assert "not what the verdicts decide" in str(lie(copied, lambda _: None).problems[0])


def test_a_row_that_was_changed_before_signing_is_found(copied: Path) -> None:
    part = next((copied / "candidates").glob("*.parquet"))
    table = read_table(part)
    texts = ["another text", *table["text"].to_pylist()[1:]]
    write_table(part, table.set_column(table.schema.get_field_index("text"), table.field("text"), [texts]))
    assert "not what its id says" in str(lie(copied, lambda _: None).problems[0])


def test_a_link_among_the_files_is_a_problem_and_no_crash(copied: Path) -> None:
    (copied / "remedy" / "more").symlink_to("/etc/passwd")
    assert "link" in str(verify_audit(copied).problems[0])


def test_what_people_add_later_is_no_part_of_the_audit(copied: Path) -> None:
    (copied / "notes.txt").write_text("mine", encoding="utf-8")
    found = verify_audit(copied)
    assert not found.problems
    assert any("notes.txt" in note for note in found.notes)


def test_two_audits_differ_where_the_data_do(audited: AuditResult, tmp_path: Path) -> None:
    rows = [good_row(number) for number in range(100)]
    gates = write_gates(tmp_path)
    after = audit(rows, gates, tmp_path / "after")
    found = compare(audited.folder, after.folder)
    change = {difference.what: difference for difference in found.differences}
    assert change["all defects"].clear
    assert change["all defects"].change == pytest.approx(-0.12)
    assert change["all defects"].low < -0.12 < change["all defects"].high < 0
    assert any("other gates" in caveat for caveat in found.caveats)


def test_a_sample_is_judged_in_the_place_of_all_rows_and_is_not_packed(tmp_path: Path) -> None:
    data, gates = write_data(tmp_path), write_gates(tmp_path)
    told = audit(data, gates, tmp_path / "a", sample=40).audit
    assert (told["dataset"]["rows"], told["dataset"]["sampled"]) == (40, True)
    assert sum(told["copies"]["splits"].values()) == 40
    assert told["not_checked"][0]["what"] == "The rows outside the sample"
    assert audit(data, gates, tmp_path / "b", sample=40).audit == told
    assert verify_audit(tmp_path / "a").problems == ()
    with pytest.raises(ConfigError, match="a sample"):
        apply_audit(tmp_path / "a", tmp_path / "pack")


def test_labels_correct_the_rate_and_say_so(tmp_path: Path) -> None:
    labels = [{"gate": "structure", "outcome": "reject", "verdict": "right"}] * 45
    labels += [{"gate": "structure", "outcome": "reject", "verdict": "wrong"}] * 5
    labels += [{"gate": "none", "outcome": "accept", "verdict": "right"}] * 98
    labels += [{"gate": "none", "outcome": "accept", "verdict": "wrong"}] * 2
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(f"{json.dumps(label)}\n" for label in labels), encoding="utf-8")
    rows = list_rows()["train"]
    told = audit(rows, write_gates(tmp_path), tmp_path / "a", labels=path).audit
    corrected, seen = told["overall"]["corrected"], told["overall"]["defects"]["share"]
    assert corrected["share"] == pytest.approx(seen * 0.9 + (1 - seen) * 0.02, abs=1e-6)
    assert corrected["low"] < corrected["share"] < corrected["high"]
    page = (tmp_path / "a" / "audit.html").read_text(encoding="utf-8")
    assert "Corrected for the gates" in page
    assert verify_audit(tmp_path / "a").problems == ()


def test_several_data_sets_in_memory_are_one_by_split(tmp_path: Path) -> None:
    told = synth_stack.audit(list_rows(), write_gates(tmp_path), tmp_path / "a").audit
    assert told["copies"]["splits"] == {"test": 20, "train": 80}
    assert told["copies"]["across"][0]["rate"]["count"] == 5


def test_all_rows_bad_and_one_row_are_audited_and_no_rows_are_refused(tmp_path: Path) -> None:
    gates = write_gates(tmp_path)
    bad = audit([{"instruction": f"Say {n}.", "output": ""} for n in range(4)], gates, tmp_path / "bad").audit
    assert bad["overall"]["defects"]["share"] == 1.0
    assert bad["plan"]["size_after"] == 0
    assert bad["review"] is None
    one = audit([good_row(1)], gates, tmp_path / "one").audit
    assert one["overall"]["defects"]["high"] == pytest.approx(0.975)
    for folder in ("bad", "one"):
        assert verify_audit(tmp_path / folder).problems == ()
    with pytest.raises(InputError, match="holds no rows"):
        audit([], gates, tmp_path / "none")


def test_a_gate_that_fails_its_self_test_does_not_stop_an_audit_but_is_said_first(tmp_path: Path) -> None:
    gates = tmp_path / "gates.yaml"
    gates.write_text(
        "version: 1\ngates:\n  - {use: audit-blind, canaries: 4, min_recall: 1.0}\n", encoding="utf-8"
    )
    told = audit([good_row(number) for number in range(12)], gates, tmp_path / "a").audit
    assert find_gate(told, "audit-blind")["self_test"]["failed"]
    assert "Whatever audit-blind looks for" in {gap["what"] for gap in told["not_checked"]}
    assert "Not to be trusted here" in (tmp_path / "a" / "audit.html").read_text(encoding="utf-8")
    assert verify_audit(tmp_path / "a").problems == ()


def test_a_folder_without_an_audit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no signed audit"):
        verify_audit(tmp_path)
    with pytest.raises(ConfigError, match="slice or by cluster"):
        audit([good_row(1)], write_gates(tmp_path), tmp_path / "a", by="topic")


def test_an_audit_that_was_changed_is_not_carried_out(copied: Path, tmp_path: Path) -> None:
    drop_file(copied)
    with pytest.raises(VerificationError):
        apply_audit(copied, tmp_path / "pack")


def test_files_tell_sources_apart_where_no_column_does(tmp_path: Path) -> None:
    for name in "ab":
        rows = [{"instruction": f"Question {n} to vendor {name}?", "output": ""} for n in range(4)]
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        path = tmp_path / "data" / f"vendor_{name}-00000-of-00001.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(lines, encoding="utf-8")
    told = audit(tmp_path / "data", write_gates(tmp_path), tmp_path / "out").audit
    assert told["source_column"] == "file"
    rows_of = {group["name"]: group["rate"]["rows"] for group in told["sources"]["groups"]}
    assert rows_of == {"vendor_a": 4, "vendor_b": 4}


def test_the_audit_says_which_column_was_read_as_what(audited: AuditResult) -> None:
    read = {
        column["column"]: (column["field"], column["rows"]) for column in audited.audit["dataset"]["columns"]
    }
    assert read == {"instruction": ("prompt", 100), "output": ("answer", 100), "slice": ("slice", 100)}
    page = (audited.folder / "audit.html").read_text(encoding="utf-8")
    assert '<th scope="row">output</th><td>the answer</td><td class="n">100</td>' in page
    beside = [gap for gap in audited.audit["not_checked"] if gap["what"].startswith("Input: ")]
    assert ["column 'source' (100 rows)" in gap["why"] for gap in beside] == [True]


def test_rows_without_an_answer_are_told_so_before_anything_is_left_out(tmp_path: Path) -> None:
    rows = [{"prompt": f"{good_row(n)['instruction']}", "reply": "Yes."} for n in range(20)]
    told = audit(rows, write_gates(tmp_path), tmp_path / "out", key=tmp_path / "key.pem")
    page = (told.folder / "audit.html").read_text(encoding="utf-8")
    assert "No column was read as the answer: name it with <code>--map answer=COLUMN</code>." in page


def test_the_plan_of_a_review_counts_the_rows_that_decide_lots_apart(audited: AuditResult) -> None:
    review = audited.audit["review"]
    lots = [group["rate"]["rows"] - group["rate"]["count"] for group in audited.audit["groups"]["groups"]]
    plans = find_single([size for size in lots if size], TIERS["medium"])
    assert review["lots"] == len(plans)
    assert review["rows"] == sum(plan.looks[-1].n for plan in plans)
    assert 0 <= review["besides"] <= sum(lots) - review["rows"]


def test_a_column_of_sources_that_no_row_has_is_refused(tmp_path: Path) -> None:
    rows = [{**good_row(n), "vendor": "a"} for n in range(20)]
    gates = write_gates(tmp_path)
    with pytest.raises(InputError, match=r"seen: seller; allowed: source, vendor\. Name another with"):
        audit(rows, gates, tmp_path / "out", source_column="seller", key=tmp_path / "key.pem")
    told = audit(rows, gates, tmp_path / "out", source_column="vendor", key=tmp_path / "key.pem")
    assert [group["name"] for group in told.audit["sources"]["groups"]] == ["a"]


def test_an_audit_over_another_audit_is_refused_and_the_same_one_goes_through(tmp_path: Path) -> None:
    rows = [good_row(number) for number in range(8)]
    gates, out = write_gates(tmp_path), tmp_path / "a"
    told = audit(rows, gates, out).audit
    assert audit(rows, gates, out).audit == told
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(RunMismatch, match="holds another audit"):
        audit(rows, gates, out, by="cluster")
    with pytest.raises(RunMismatch, match="holds another audit"):
        audit(rows, write_gates(tmp_path, languages=["en"]), out)
    with pytest.raises(RunMismatch):
        audit([good_row(9)], gates, out)
    assert before == {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def test_a_baseline_of_too_few_rows_is_told_with_the_reason_of_the_gate(tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("".join(f"{json.dumps(good_row(number))}\n" for number in range(3)), encoding="utf-8")
    (tmp_path / "gates.yaml").write_text("version: 1\ngates: [{use: drift, canaries: 0}]\n", encoding="utf-8")
    told = audit([good_row(n) for n in range(8)], tmp_path / "gates.yaml", tmp_path / "a", baseline=few).audit
    (gap,) = [gap for gap in told["not_checked"] if gap["what"] == "Whatever drift looks for"]
    (reason,) = {row["why_not"] for row in told["baseline"]["baselines"]}
    assert reason
    assert reason in gap["why"]
    assert "baseline FILE" not in gap["mend"]
    assert reason in html.unescape(render_audit(told))
