from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.decisions import figures as figures_module
from synth_stack.decisions.figures import Figures, compute_figures
from synth_stack.errors import StoreError
from tests.examples import examples
from tests.report.planted_run import EMPTY, SELF_TESTS, Run, build_run, plant_run, replace_rows


def compute(run: Run) -> Figures:
    return compute_figures(run.candidates, run.verdicts, run.decisions, run.self_tests)


def reject(row: int, gate: str = "dedup", what: str | None = "near_duplicate") -> dict[str, Any]:
    class_ = None if what is None else f"{gate}.{what}"
    return {"row": row, "decision": "rejected", "gate": gate, "reason": f"why {row}", "reason_class": class_}


def accept(row: int) -> dict[str, Any]:
    return {"row": row, "decision": "accepted"}


def test_the_totals_are_those_of_the_decisions() -> None:
    run = plant_run(500)
    found = compute(run)
    counted = Counter(run.decisions["decision"].to_pylist())
    assert found.generated == 500
    assert (found.accepted, found.held, found.rejected) == tuple(
        counted[name] for name in ("accepted", "held", "rejected")
    )
    assert found.undecided == 0
    assert found.acceptance_rate == counted["accepted"] / 500


@settings(max_examples=examples(20))
@given(n=st.integers(0, 120), part_size=st.integers(1, 150), seed=st.integers(0, 50))
def test_the_figures_do_not_depend_on_how_the_run_is_cut_into_parts(
    n: int, part_size: int, seed: int
) -> None:
    whole, cut = plant_run(n, part_size=200, seed=seed), plant_run(n, part_size=part_size, seed=seed)
    assert compute(whole) == compute(cut)


@settings(max_examples=examples(20))
@given(n=st.integers(1, 150), seed=st.integers(0, 50))
def test_every_row_leaves_the_funnel_once(n: int, seed: int) -> None:
    found = compute(plant_run(n, seed=seed))
    entered = found.generated
    for stage in found.funnel:
        assert stage.entered == entered
        assert stage.entered == stage.rejected + stage.held + stage.passed
        assert stage.looked_at == stage.accept + stage.reject + stage.hold + stage.abstain
        entered = stage.passed
    assert entered == found.accepted + found.undecided
    for groups in (found.slices, found.generators, found.locales):
        assert sum(group.n for group in groups) == found.generated
        assert sum(group.accepted for group in groups) == found.accepted
    assert sum(reason.count for reason in found.reasons) == found.rejected + found.held


def test_replacements_are_counted_apart_from_the_rows_that_were_generated() -> None:
    plain = plant_run(60)
    found, before = compute(replace_rows(plain, [3, 5, 40])), compute(plain)
    assert (found.generated, found.replacements, found.rows) == (60, 3, 63)
    assert found.accepted + found.held + found.rejected == 63
    assert (before.generated, before.replacements, before.rows) == (60, 0, 60)
    assert found.funnel[0].entered == 63
    assert found.counts()["replacements"] == 3
    assert found.to_json()["rows"] == 63


@settings(max_examples=examples(15))
@given(part_size=st.integers(1, 90), rows=st.sets(st.integers(1, 59), max_size=20))
def test_replacements_do_not_depend_on_how_the_run_is_cut_into_parts(part_size: int, rows: set[int]) -> None:
    found = compute(replace_rows(plant_run(60, part_size=part_size), sorted(rows)))
    assert found == compute(replace_rows(plant_run(60), sorted(rows)))
    assert found.replacements == len(rows)


def test_the_self_test_of_each_gate_goes_into_the_figures_and_their_json() -> None:
    found = compute(replace(plant_run(20), self_tests=SELF_TESTS))
    assert [test.gate for test in found.self_tests if test.blind] == ["toxicity"]
    plain = found.to_json()["self_tests"]
    assert [(test["gate"], test["planted"], test["caught"], test["innocent"]) for test in plain] == [
        ("dedup", 100, 98, 0),
        ("toxicity", 100, 61, 0),
        ("contamination", 30, 27, 20),
        ("drift", 0, 0, 0),
    ]
    low = pytest.approx(0.912, abs=1e-3)
    assert plain[0]["canaries"][0] == {
        "kind": "copy",
        "planted": 40,
        "caught": 40,
        "recall": 1.0,
        "low": low,
        "high": 1.0,
        "bar": 0.95,
        "blind": False,
    }
    assert plain[2]["controls"][0]["share"] == 0.05
    assert plain[2]["off"] == ["translated_item"]


def test_a_gate_counts_what_it_looked_at_apart_from_what_it_decided() -> None:
    run = build_run(
        [{"text": "a"}, {"text": "b"}],
        [
            {"row": 0, "gate": "dedup", "outcome": "reject"},
            {"row": 1, "gate": "dedup", "outcome": "accept"},
            {"row": 0, "gate": "toxicity", "outcome": "reject"},
            {"row": 1, "gate": "toxicity", "outcome": "abstain"},
        ],
        [reject(0), accept(1)],
    )
    dedup, toxicity = compute(run).funnel
    assert (dedup.looked_at, dedup.reject, dedup.rejected, dedup.pass_rate) == (2, 1, 1, 0.5)
    assert (toxicity.looked_at, toxicity.reject, toxicity.abstain) == (2, 1, 1)
    assert (toxicity.entered, toxicity.rejected, toxicity.passed, toxicity.pass_rate) == (1, 0, 1, 1.0)


def test_a_stage_without_verdicts_stands_before_the_gates_unless_they_saw_its_rows() -> None:
    run = build_run(
        [{"text": "never whole"}, {"text": "sent back"}, {"text": "good"}],
        [{"row": row, "gate": "dedup", "outcome": "accept"} for row in (1, 2)],
        [reject(1, "review", "rude"), reject(0, "reader", "failure"), accept(2)],
    )
    stages = compute(run).funnel
    assert [(s.gate, s.looked_at, s.rejected, s.passed) for s in stages] == [
        ("reader", 0, 1, 2),
        ("dedup", 2, 0, 2),
        ("review", 0, 1, 1),
    ]


def test_a_row_turned_away_by_nobody_named_still_has_its_stage() -> None:
    run = build_run([{"text": "a"}], [], [{"row": 0, "decision": "held"}])
    found = compute(run)
    assert [(s.gate, s.held, s.passed) for s in found.funnel] == [("no gate named", 1, 0)]
    assert [(r.gate, r.decision, r.reason_class, r.count) for r in found.reasons] == [(None, "held", None, 1)]


def test_reasons_are_grouped_by_gate_and_class_whatever_they_say() -> None:
    rows = [{"text": str(i)} for i in range(6)]
    decisions = [reject(i) for i in range(3)] + [
        reject(3, what=None),
        reject(4, what=None),
        reject(5, "drift"),
    ]
    found = compute(build_run(rows, [], decisions))
    assert [(r.gate, r.reason_class, r.count) for r in found.reasons] == [
        ("dedup", "dedup.near_duplicate", 3),
        ("dedup", None, 2),
        ("drift", "drift.near_duplicate", 1),
    ]


def test_names_beyond_the_limit_are_folded_into_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_module, "MAX_GROUPS", 2)
    slices = ["a", "a", "a", "b", "b", "c", "d"]
    rows = [{"text": str(i), "slice": name} for i, name in enumerate(slices)]
    decisions = [reject(i, "dedup", name) for i, name in enumerate(slices)]
    found = compute(build_run(rows, [], decisions))
    assert [(g.name, g.n, g.folded) for g in found.slices] == [("a", 3, 0), ("b", 2, 0), (None, 2, 2)]
    reasons = [(r.reason_class, r.count, r.folded) for r in found.reasons]
    assert reasons == [("dedup.a", 3, 0), ("dedup.b", 2, 0), (None, 2, 2)]


def test_groups_are_sorted_by_size_and_keep_rows_without_a_name() -> None:
    rows: list[dict[str, Any]] = [
        {"text": "1", "slice": None},
        {"text": "2", "slice": "z"},
        {"text": "3", "slice": "y"},
    ]
    found = compute(build_run(rows, [], [accept(0), reject(1)]))
    assert [(g.name, g.n, g.accepted, g.rejected, g.acceptance_rate) for g in found.slices] == [
        ("y", 1, 0, 0, 0.0),
        ("z", 1, 0, 1, 0.0),
        (None, 1, 1, 0, 1.0),
    ]
    assert found.undecided == 1


@pytest.mark.parametrize("run", [EMPTY, replace(EMPTY, candidates=[])], ids=["an empty part", "no part"])
def test_an_empty_run_has_figures_too(run: Run) -> None:
    found = compute(run)
    assert (found.generated, found.accepted, found.acceptance_rate) == (0, 0, None)
    assert (len(found.funnel), len(found.reasons), len(found.slices), len(found.histograms)) == (0, 0, 0, 0)


def test_a_gate_that_looked_at_nothing_has_a_stage_and_no_pass_rate() -> None:
    run = build_run([{"text": "a"}], [], [reject(0, "reader")])
    verdicts = {
        "dedup": [pa.table({"row_id": [], "outcome": [], "score": [], "threshold": []}, schema=_NARROW)]
    }
    stages = compute_figures(run.candidates, verdicts, run.decisions).funnel
    assert [(s.gate, s.entered, s.pass_rate) for s in stages] == [("reader", 1, 0.0), ("dedup", 0, None)]


_NARROW = pa.schema(
    [("row_id", pa.string()), ("outcome", pa.string()), ("score", pa.float64()), ("threshold", pa.float64())]
)


def test_large_strings_and_dictionaries_count_like_strings() -> None:
    run = plant_run(60)
    strings = {f.name: pa.large_string() for f in run.decisions.schema}
    decisions = run.decisions.cast(pa.schema(list(strings.items())))
    candidates = [
        part.set_column(part.schema.get_field_index("slice"), "slice", part["slice"].dictionary_encode())
        for part in run.candidates
    ]
    assert compute_figures(candidates, run.verdicts, decisions) == compute(run)


def test_decisions_on_other_rows_are_refused() -> None:
    run, other = plant_run(10), plant_run(10, seed=8)
    with pytest.raises(StoreError, match=r"10 decisions, 0 candidates"):
        compute_figures(run.candidates, {}, other.decisions)


def test_a_row_decided_twice_is_refused() -> None:
    run = build_run([{"text": "a"}], [], [accept(0), reject(0)])
    with pytest.raises(StoreError, match="2 decisions, 1 candidates"):
        compute(run)


def test_an_unknown_decision_or_outcome_is_refused_by_name() -> None:
    rows = [{"text": "a"}]
    with pytest.raises(StoreError, match=r"seen: maybe; allowed: accepted, rejected, held"):
        compute(build_run(rows, [], [{"row": 0, "decision": "maybe"}]))
    with pytest.raises(StoreError, match=r"gate dedup gave an unknown outcome; seen: keep"):
        compute(build_run(rows, [{"row": 0, "gate": "dedup", "outcome": "keep"}]))


def test_the_json_form_is_plain_and_complete() -> None:
    found = compute(plant_run(200))
    plain = found.to_json()
    assert orjson.loads(orjson.dumps(plain)) == plain
    assert plain["scheme"] == "synth_stack/figures/v2"
    assert [stage["gate"] for stage in plain["funnel"]] == [stage.gate for stage in found.funnel]
    assert plain["histograms"][0]["counts"]["accept"] == list(found.histograms[0].counts["accept"])
