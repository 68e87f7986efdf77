"""A report becomes a budget: every row is shared out, the worst slices first, and no line is guessed at."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import ConfigError, InputError
from synth_stack.generation import slice_budget as longtail
from synth_stack.generation.slice_budget import SliceScore, plan_budget, read_report, record_budget
from synth_stack.inputs.recipe import ReportUse
from synth_stack.rows.canonical import canonical_json, digest_bytes

SLICES = ("billing/refund", "orders/late", "orders/lost", "returns/gift")
HEADER = "slice,n,score\n"


def write(folder: Path, text: str | bytes, name: str = "report.csv", **changes: Any) -> ReportUse:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return ReportUse(path=str(path), **changes)


def score(slice_: str, n: int, value: str) -> SliceScore:
    return SliceScore(slice_, n, Decimal(value))


def use(**changes: Any) -> ReportUse:
    return ReportUse(path="report.csv", **changes)


def rows_of(scores: list[SliceScore], total: int, **changes: Any) -> dict[str, int]:
    return {share.slice: share.rows for share in plan_budget(scores, total, use(**changes))}


def test_a_csv_report_is_read_in_its_order_and_its_scores_as_they_are_written(tmp_path: Path) -> None:
    report = write(tmp_path, HEADER + "orders/lost,3,0.10\n billing/refund , 120 , 8.75e-1 \n")
    assert read_report(report, SLICES) == (
        SliceScore("orders/lost", 3, Decimal("0.10")),
        SliceScore("billing/refund", 120, Decimal("0.875")),
    )


@pytest.mark.parametrize("name", ["report.jsonl", "report.json", "report.parquet"])
def test_json_and_parquet_give_what_csv_gives(name: str, tmp_path: Path) -> None:
    csv = write(tmp_path, HEADER + "orders/lost,3,0.1\nbilling/refund,120,1\n")
    lines = [
        '{"slice": "orders/lost", "n": 3, "score": 0.1}',
        '{"slice": "billing/refund", "n": 120, "score": 1}',
    ]
    if name.endswith("parquet"):
        columns = {
            "slice": ["orders/lost", "billing/refund"],
            "n": [3, 120],
            "score": [Decimal("0.1"), Decimal(1)],
        }
        pq.write_table(pa.table(columns), tmp_path / name)
        other = ReportUse(path=str(tmp_path / name))
    else:
        other = write(tmp_path, "\n".join(lines) if name.endswith("l") else f"[{','.join(lines)}]", name)
    assert read_report(other, SLICES) == read_report(csv, SLICES)


def test_columns_may_have_names_of_their_own_and_others_are_passed_over(tmp_path: Path) -> None:
    text = '{"topic": "orders/late", "count": 9, "accuracy": 0.5, "model": "m1"}\n'
    report = write(
        tmp_path, text, "report.jsonl", slice_column="topic", n_column="count", score_column="accuracy"
    )
    assert read_report(report, SLICES) == (score("orders/late", 9, "0.5"),)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            "orders/lte,3,0.5",
            r"line 2: no seed is of this slice; seen: orders/lte.*Did you mean 'orders/late'",
        ),
        ("quantum,3,0.5", "line 2: no seed is of this slice; seen: quantum; allowed: billing/refund"),
        (
            "orders/late,3,0.5\norders/late,4,0.6",
            "line 3: the slice stands already on line 2; seen: orders/late",
        ),
        ("orders/late,3,good", "line 2: score is not a number; seen: good; allowed: 0 to 1"),
        ("orders/late,3,nan", "line 2: score is not a number; seen: nan"),
        ("orders/late,3,Infinity", "line 2: score is not a number"),
        ("orders/late,3,", "line 2: score is not a number"),
        ("orders/late,3,1_0", "line 2: score is not a number"),
        ("orders/late,3,١", "line 2: score is not a number"),
        ("orders/late,3,0x1", "line 2: score is not a number"),
        ("orders/late,3,1e9999999", "line 2: score is not a number"),
        ("orders/late,3,-0.1", "line 2: score is out of range; seen: -0.1; allowed: 0 to 1$"),
        ("orders/late,3,1.01e3", "line 2: score is out of range; seen: 1.01e3; allowed: 0 to 1$"),
        ("orders/late,3,87.5", r"line 2: score is out of range.*Is that a percentage\? Write 0\.875\.$"),
        ("orders/late,3,87.5%", r"line 2: score is not a number.*Is that a percentage\? Write 0\.875\.$"),
        ("orders/late,3,100", r"Write 1\.$"),
        (
            "orders/late,-3,0.5",
            "line 2: n is not a count; seen: -3; allowed: a whole number of 0 to 1000000000000",
        ),
        ("orders/late,3.0,0.5", "line 2: n is not a count"),
        ("orders/late,three,0.5", "line 2: n is not a count"),
        ("orders/late,,0.5", "line 2: n is not a count"),
        ("orders/late,9999999999999,0.5", "line 2: n is out of range"),
        (",3,0.5", "line 2: column 'slice' is empty"),
        ("orders/late,3", "line 2: has fewer fields than the header names"),
        ("orders/late,3,0.5,9", "line 2: has more fields than the header names"),
        ('orders/late,3,"0.5', "line 2: not CSV"),
        ("orders/late,0,0.5\norders/lost,0,0.4", "no slice has an item: n is 0 on every line"),
        ("", "report.csv names no slice"),
    ],
)
def test_a_line_that_cannot_be_used_is_refused_by_its_number(lines: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_report(write(tmp_path, HEADER + lines + "\n"), SLICES)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"slice": "orders/late", "n": 3, "score": true}', "score is not a number; seen: True"),
        ('{"slice": "orders/late", "n": 3, "score": null}', "score is not a number"),
        ('{"slice": "orders/late", "n": 3, "score": NaN}', "score is not a number; seen: nan"),
        ('{"slice": "orders/late", "n": 3, "score": 87.5}', r"Is that a percentage\? Write 0\.875\.$"),
        ('{"slice": "orders/late", "n": true, "score": 0.5}', "n is not a count; seen: True"),
        ('{"slice": "orders/late", "n": 3.0, "score": 0.5}', "n is not a count; seen: 3.0"),
        ('{"slice": "orders/late", "n": -1, "score": 0.5}', "n is out of range; seen: -1"),
        ('{"slice": 7, "n": 3, "score": 0.5}', "column 'slice' is not text"),
        (
            '{"slice": "orders/late", "n": 3, "scores": 0.5}',
            "there is no column 'score'.*Did you mean 'scores'",
        ),
        ('{"slice": "orders/late", "score": 0.5}', "there is no column 'n'"),
        ("[1]", "not an object but list"),
    ],
)
def test_a_json_value_of_another_type_is_refused_by_its_line(line: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"line 1: .*{says}"):
        read_report(write(tmp_path, line + "\n", "report.jsonl"), SLICES)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("report.csv", b"", "names no slice"),
        ("report.csv", b"slice,slice,score\n", "two columns of one name"),
        ("report.csv", b"slice,n,score\norders/\xff,3,0.5\n", "line 2: not UTF-8"),
        ("report.csv", b"\x00\x01\x02", "report.csv"),
        ("report.parquet", b"PAR1", "not a readable Parquet file"),
        ("report.xlsx", b"PK", "is of a kind that is not read"),
    ],
)
def test_a_file_that_is_no_report_is_refused(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        read_report(write(tmp_path, content, name), SLICES)


def test_a_missing_file_a_folder_and_a_huge_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(InputError, match="is not a file"):
            read_report(ReportUse(path=str(path)), SLICES)
    monkeypatch.setattr(longtail, "MAX_REPORT_BYTES", 20)
    with pytest.raises(InputError, match="too large for a report; seen: 33 bytes; allowed: at most 20"):
        read_report(write(tmp_path, HEADER + "orders/late,3,0.5\n\n"), SLICES)


def test_rows_go_in_proportion_to_the_deficit() -> None:
    scores = [
        score("billing/refund", 100, "0.9"),
        score("orders/late", 100, "0.7"),
        score("orders/lost", 100, "1"),
    ]
    assert rows_of(scores, 40, prior_n=0) == {"orders/late": 30, "billing/refund": 10, "orders/lost": 0}


def test_the_budget_names_the_worst_slice_first_with_its_deficit() -> None:
    [first, second] = plan_budget(
        [score("orders/late", 10, "0.8"), score("orders/lost", 10, "0.4")], 10, use(prior_n=10)
    )
    assert (first.slice, first.deficit, first.rows) == ("orders/lost", Decimal("0.500000"), 6)
    assert (second.slice, second.deficit, second.rows) == ("orders/late", Decimal("0.300000"), 4)


def test_a_slice_of_three_items_is_not_known_to_be_as_bad_as_one_of_three_hundred() -> None:
    scores = [
        score("orders/late", 3, "0"),
        score("orders/lost", 300, "0"),
        score("billing/refund", 300, "0.9"),
    ]
    assert rows_of(scores, 100) == {"orders/lost": 56, "orders/late": 37, "billing/refund": 7}
    assert rows_of(scores, 100, prior_n=0) == {"orders/lost": 47, "orders/late": 48, "billing/refund": 5}


def test_a_slice_without_items_has_the_mean_of_the_others() -> None:
    scores = [score("orders/late", 0, "0"), score("orders/lost", 10, "0.5")]
    for prior_n in (0, 10):
        shares = plan_budget(scores, 4, use(prior_n=prior_n))
        assert {share.deficit for share in shares} == {Decimal("0.500000")}


def test_a_slice_that_is_at_its_goal_gets_nothing_whatever_the_floor() -> None:
    scores = [score("orders/late", 100, "0.8"), score("orders/lost", 100, "0.5")]
    assert rows_of(scores, 10, goal=0.75, floor=5) == {"orders/lost": 10, "orders/late": 0}


def test_the_floor_lifts_a_small_deficit_and_the_cap_cuts_a_large_one() -> None:
    scores = [score("a", 10**6, "0.99"), score("b", 10**6, "0.5"), score("c", 10**6, "0.1")]
    assert rows_of(scores, 100, floor=0) == {"c": 64, "b": 35, "a": 1}
    assert rows_of(scores, 100, floor=20, cap=45) == {"c": 45, "b": 35, "a": 20}


@pytest.mark.parametrize(
    ("total", "changes", "says"),
    [
        (3, {"floor": 2}, r"a floor of 2 for each of 2 slices below goal is too much; seen: 4 rows of 3"),
        (7, {"cap": 3}, r"a cap of 3 for each of 2 slices below goal is too low; seen: 6 rows of 7"),
        (9, {"floor": 5, "cap": 4}, "the floor is above the cap; seen: floor 5, cap 4"),
    ],
)
def test_bounds_that_cannot_be_kept_are_refused_with_the_numbers(
    total: int, changes: dict[str, Any], says: str
) -> None:
    scores = [
        score("orders/late", 9, "0.8"),
        score("orders/lost", 9, "0.5"),
        score("returns/gift", 10**9, "1"),
    ]
    with pytest.raises(ConfigError, match=says):
        plan_budget(scores, total, use(goal=0.99, **changes))


def test_a_report_in_which_every_slice_is_at_its_goal_leaves_nothing_to_aim_at() -> None:
    with pytest.raises(InputError, match=r"report\.csv: every slice is at its goal of 0\.9"):
        plan_budget([score("orders/late", 9, "0.9"), score("orders/lost", 9, "1")], 10, use(goal=0.9))


def test_the_record_is_signable_and_names_the_file_by_its_digest_alone(tmp_path: Path) -> None:
    text = HEADER + "orders/late,3,0.25\norders/lost,30,1.0\n"
    report = write(tmp_path, text, cap=40)
    record = record_budget(report, plan_budget(read_report(report, SLICES), 10, report))
    assert record["sha256"] == digest_bytes(text.encode())
    assert record["slices"][0] == {
        "slice": "orders/late", "n": 3, "score": "0.25", "deficit": "0.225524", "rows": 9
    }  # fmt: skip
    assert str(tmp_path).encode() not in canonical_json(record)


SCORES = st.lists(
    st.tuples(st.integers(0, 500), st.decimals(0, 1, places=3, allow_nan=False)), min_size=1, max_size=12
).map(lambda pairs: [SliceScore(f"s{i:02}", n, value) for i, (n, value) in enumerate(pairs)])


@st.composite
def budgets(draw: st.DrawFn) -> tuple[list[SliceScore], int, ReportUse]:
    """Scores with a slice below goal, and a total that floor and cap leave room for."""
    scores = draw(SCORES.filter(lambda scores: any(s.n and s.score < 1 for s in scores)))
    prior_n = draw(st.integers(0, 50))
    probe = plan_budget(scores, 10**9, use(floor=0, prior_n=prior_n))
    short = sum(share.deficit > 0 for share in probe)
    floor = draw(st.integers(0, 5))
    cap = draw(st.none() | st.integers(max(floor, 1), 40))
    total = draw(st.integers(max(1, floor * short), 500 if cap is None else max(1, cap * short)))
    return scores, total, use(floor=floor, cap=cap, prior_n=prior_n)


@given(budgets())
def test_every_budget_adds_up_within_its_bounds_and_more_deficit_never_gets_fewer(
    case: tuple[list[SliceScore], int, ReportUse],
) -> None:
    scores, total, report = case
    budget = plan_budget(scores, total, report)
    assert sum(share.rows for share in budget) == total
    assert {share.slice for share in budget} == {score.slice for score in scores}
    for share in budget:
        if share.deficit == 0:
            assert share.rows == 0
        else:
            assert share.rows >= report.floor
            assert report.cap is None or share.rows <= report.cap
    for more, less in pairwise(budget):
        assert more.deficit >= less.deficit
        assert more.rows >= less.rows


@given(budgets())
def test_a_slice_within_its_bounds_gets_its_share_to_less_than_a_row(
    case: tuple[list[SliceScore], int, ReportUse],
) -> None:
    scores, total, report = case
    budget = [share for share in plan_budget(scores, total, report) if share.deficit]
    cap = total if report.cap is None else report.cap
    inside = [share for share in budget if report.floor + 1 < share.rows < cap - 1]
    for one in inside:
        for other in inside:
            ratio = Fraction(one.deficit) / Fraction(other.deficit)
            assert abs(one.rows - ratio * other.rows) < 1 + ratio


@given(budgets(), st.randoms(use_true_random=False))
def test_the_order_of_a_report_changes_nothing(
    case: tuple[list[SliceScore], int, ReportUse], rng: Any
) -> None:
    scores, total, report = case
    shuffled = rng.sample(scores, len(scores))
    assert plan_budget(shuffled, total, report) == plan_budget(scores, total, report)
