"""Bars that reviewers have to reach before what they say decides about rows that nobody read."""

from collections.abc import Mapping

import pyarrow as pa

from synth_stack.review.reliability import Reliability, measure_reliability

CAREFUL, SECOND, CARELESS = ("a" * 64, "b" * 64, "c" * 64)


def measure(said: Mapping[str, Mapping[int, bool]]) -> Reliability:
    """The figures of people by what each said of numbered rows: whether the row is good."""
    given = [(str(row), who, good) for who, rows in said.items() for row, good in rows.items()]
    answers = pa.table(
        {
            "row_id": [row for row, _, _ in given],
            "reviewer": [who for _, who, _ in given],
            "role": ["reviewer"] * len(given),
            "judgement": ["release" if good else "reject" for _, _, good in given],
            "seconds": pa.nulls(len(given), pa.float64()),
        }
    )
    sample = pa.table({"row_id": ["0"], "purpose": ["lot"], "truth": pa.nulls(1, pa.string())})
    return measure_reliability(sample, answers, bar=0.667, reviewer_bar=0.8)


def test_one_who_differs_is_below_the_bars_where_all_together_are_above() -> None:
    truth = {row: row % 2 == 0 for row in range(400)}
    last = {row: truth[row] if row % 5 < 3 else not truth[row] for row in range(360, 400)}
    found = measure({CAREFUL: truth, SECOND: {row: truth[row] for row in range(360)}, CARELESS: last})
    assert found.alpha is not None
    assert found.alpha > found.bar
    assert not found.passes
    kappa, share = found.below
    assert f"kappa of {CAREFUL[:12]} and {CARELESS[:12]} is" in kappa
    assert share == f"{CARELESS[:12]} agrees with nobody on more than 73% of rows, below 80%"
    assert found.describe().endswith(f"{kappa}; {share}")


def test_whoever_reads_with_a_careless_one_is_not_named() -> None:
    truth = {row: row % 2 == 0 for row in range(300)}
    careless = {row: row % 3 == 0 for row in range(100, 300)}
    found = measure({CAREFUL: dict(list(truth.items())[:200]), SECOND: truth, CARELESS: careless})
    assert [one[:12] for one in found.below if "nobody" in one] == [CARELESS[:12]]


def test_a_few_rows_prove_nothing_about_one_person() -> None:
    truth = {row: row % 2 == 0 for row in range(40)}
    found = measure({CAREFUL: truth, SECOND: {**truth, 1: True}, CARELESS: {2: False, 3: False}})
    assert not found.below
    assert found.passes


def test_where_defects_are_rare_one_dissent_puts_no_pair_below() -> None:
    truth = dict.fromkeys(range(60), True)
    found = measure({CAREFUL: truth, SECOND: {**truth, 7: False}})
    [pair] = found.pairs
    assert pair.kappa == 0
    assert not found.below
    assert not found.passes  # for alpha, which gold rows bring up
