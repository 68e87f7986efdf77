"""A review in a pack: signed, worked out again, its sample redrawn, and nobody's name in it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from synth_stack.errors import InputError
from synth_stack.files import digest_file, read_table, write_table
from synth_stack.packs import layout
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify.verify import inspect_pack
from synth_stack.packs.write import write_pack
from synth_stack.review.answers import read_answers, record_answers
from synth_stack.review.outcome import OUTCOME
from synth_stack.review.plan_file import PLAN, SAMPLE, SAMPLE_SCHEMA
from synth_stack.review.reviewers import load_or_make_key, reviewer_id
from synth_stack.rows.canonical import canonical_json, canonical_text
from synth_stack.workflows.review import decide_lots, plan
from tests.packs.judged_run import reseal
from tests.review.toy_run import find_ids, make_toy_run
from tests.workflows.test_review import answer_all

PLANTED = ("anna.lindqvist@example.com", "Anna Lindqvist", "+46 70 123 45 67")


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose lots were decided: one passes, others fail; held rows were read too."""
    run = make_toy_run(tmp_path_factory.mktemp("toy"), {"a": 200, "b": 120, "c": 4})
    plan(run, by=["slice", "generator"], aql=0.3, ltpd=0.5, estimate=30, held="also")
    answer_all(run)
    decide_lots(run)
    return run


@pytest.fixture(scope="module")
def whole(reviewed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    return write_pack(reviewed, folder / "pack", signer=local_signer(folder / "key.pem")).path


@pytest.fixture
def pack(whole: Path, tmp_path: Path) -> Path:
    shutil.copy(whole.parent / "key.pem", tmp_path / "key.pem")
    return Path(shutil.copytree(whole, tmp_path / "pack"))


def problems_of(pack: Path) -> list[str]:
    return [str(problem) for problem in inspect_pack(pack).problems]


def test_a_reviewed_pack_is_verified_and_its_sample_is_drawn_again(reviewed: Path, whole: Path) -> None:
    found = inspect_pack(whole)
    assert found.problems == ()
    drawn = len(read_table(reviewed / SAMPLE))
    assert ("rows of the review drawn again", drawn) in [(check.name, check.count) for check in found.checks]
    statement = (whole / layout.STATEMENT).read_bytes()
    assert statement
    assert json.loads((whole / "MANIFEST.json").read_bytes())["facts"]["scheme"] == layout.PACK_SCHEME


def test_the_card_shows_the_figures_of_the_outcome(whole: Path) -> None:
    card = (whole / layout.CARD).read_text(encoding="utf-8")
    outcome = json.loads((whole / OUTCOME).read_bytes())
    overall = outcome["outgoing"][0]
    assert f"| **all** | {overall['rows']:,} | {overall['read']:,} |" in card
    assert f"{overall['high']:.2%}" in card
    assert f"{outcome['settled']:,} rows were settled by 2 reviewers" in card


def test_funnel_report_and_card_show_the_same_arithmetic(reviewed: Path, whole: Path) -> None:
    found = inspect_pack(whole)
    assert found.counts is not None
    figures = decide_lots(reviewed).figures
    stage = next(stage for stage in figures.funnel if stage.gate == "review")
    counted = next(gate for gate in found.counts.gates if gate.gate == "review")
    assert (stage.looked_at, stage.rejected, stage.held, stage.passed) == (
        counted.looked_at,
        counted.rejected,
        counted.held,
        counted.left,
    )
    assert figures.funnel[-1].gate == "review"
    assert stage.passed == figures.counts()["accepted"] == found.counts.accepted


def swap_a_row(pack: Path) -> None:
    """Reads a row in the place of one that the seed drew, and says so everywhere."""
    rows = pl.DataFrame(read_table(pack / SAMPLE))
    frame = pl.DataFrame(read_table(pack / "review" / "frame.parquet"))
    fresh = frame.filter(~pl.col("row_id").is_in(rows["row_id"].implode()))["row_id"][0]
    old = rows.filter(purpose="estimate")["row_id"][0]
    changed = rows.with_columns(row_id=pl.col("row_id").replace(old, fresh))
    write_table(pack / SAMPLE, changed.to_arrow().cast(SAMPLE_SCHEMA), plain=True)
    lines = (pack / layout.REVIEW_ANSWERS).read_text().replace(old, fresh)
    (pack / layout.REVIEW_ANSWERS).write_text(lines)
    set_plan(pack, "tables", {"sample.parquet": digest_file(pack / SAMPLE)})


def set_plan(pack: Path, name: str, values: dict[str, object]) -> None:
    said = json.loads((pack / PLAN).read_bytes())
    said[name] |= values
    (pack / PLAN).write_bytes(canonical_json(said) + b"\n")


def flip_an_answer(pack: Path) -> None:
    lines = (pack / layout.REVIEW_ANSWERS).read_text().splitlines()
    said = json.loads(next(line for line in lines if '"reject"' in line))
    at = next(n for n, line in enumerate(lines) if json.loads(line)["answer_id"] == said["answer_id"])
    lines[at] = canonical_text({**said, "judgement": "release", "defect": None})
    (pack / layout.REVIEW_ANSWERS).write_text("\n".join(lines) + "\n")


def claim_less(pack: Path) -> None:
    said = json.loads((pack / OUTCOME).read_bytes())
    said["outgoing"][0]["high"] = 0.001
    (pack / OUTCOME).write_bytes(canonical_json(said) + b"\n")


def drop_the_plan(pack: Path) -> None:
    (pack / PLAN).unlink()


def write_no_json(pack: Path) -> None:
    (pack / PLAN).write_bytes(b"{")


def add_a_field(pack: Path) -> None:
    with (pack / layout.REVIEW_ANSWERS).open("ab") as file:
        file.write(b'{"note": "call Anna"}\n')


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (swap_a_row, "rows were read that the seed does not draw"),
        (
            lambda pack: set_plan(pack, "settings", {"seed": 7}),
            "the seed is not the one that follows from the run",
        ),
        (lambda pack: set_plan(pack, "settings", {"ltpd": "0.9"}), "another n than its plan gives"),
        (lambda pack: set_plan(pack, "run", {"gates": "0" * 64}), "made for another run, or other gates"),
        (flip_an_answer, "verdict than the answers give"),
        (claim_less, "its outgoing is not what the answers give"),
        (drop_the_plan, "review/plan.json is missing"),
        (write_no_json, "is no review plan"),
        (add_a_field, "is no answer of a pack"),
    ],
)
def test_a_review_that_was_changed_and_signed_again_is_found(
    pack: Path, forge: Callable[[Path], None], said: str
) -> None:
    forge(pack)
    reseal(pack, pack.parent / "key.pem")
    assert any(said in problem for problem in problems_of(pack)), problems_of(pack)


def test_no_name_address_or_note_of_a_reviewer_is_in_a_pack(tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"a": 40})
    plan(run, held="only")
    key = load_or_make_key(tmp_path / "review.key", outside=run)
    mail, name, phone = PLANTED
    record_answers(
        run,
        [
            {
                "answer_id": f"import:{mail}:{number}",
                "row_id": row,
                "reviewer": reviewer_id(mail, key),
                "judgement": "reject",
                "note": f"{name} says no, call {phone}",
                "corrected": canonical_text({"text": f"signed, {name}"}),
                "span": canonical_text([{"label": name}]),
                "submitted_at": "2020-11-30T01:35:00.000Z",
                "source": "import",
            }
            for number, row in enumerate(find_ids(run, "HOLD"))
        ],
    )
    decide_lots(run)
    pack = write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem")).path
    assert inspect_pack(pack).problems == ()
    assert name in str(read_answers(run)["note"])
    for path in pack.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            texts = [data]
            if path.suffix == ".parquet":
                texts.append(json.dumps(read_table(path).to_pylist(), default=str).encode())
            for planted in PLANTED:
                assert all(planted.encode() not in text for text in texts), path
            assert key.hex().encode() not in data
    assert reviewer_id(mail, key) in (pack / layout.REVIEW_ANSWERS).read_text()


def test_answers_that_came_after_the_decision_are_put_into_effect_before_a_pack(tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"a": 40})
    plan(run, held="only")
    with pytest.raises(InputError, match="--decide-only"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    decide_lots(run)
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    answer_all(run)
    with pytest.raises(InputError, match="are not put into effect"):
        write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))


def test_an_earlier_plan_and_screened_rows_are_packed_and_verified_too(tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"a": 60})
    plan(run, held="only")
    answer_all(run)
    decide_lots(run)
    plan(run, by=["slice"], on_failed="screen", estimate=5, again=True)
    answer_all(run)
    assert decide_lots(run).added > 0
    answer_all(run)
    decide_lots(run)
    pack = write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem")).path
    assert problems_of(pack) == []
    assert (pack / "review" / "earlier-001" / "sample.parquet").exists()
    assert (pack / "review" / "screened-00000.parquet").exists()


def test_a_persons_verdict_that_no_answer_bears_out_is_refused(tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"a": 20})
    plan(run, held="only")
    decide_lots(run)
    verdicts = read_table(run / "verdicts" / "toy_marks" / "part-00000.parquet")
    write_table(run / "verdicts" / "review" / "part-mine.parquet", verdicts)
    with pytest.raises(InputError, match="beside those of a review; seen: part-mine"):
        decide_lots(run)
