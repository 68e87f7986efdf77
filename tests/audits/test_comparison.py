"""Differences of two audits."""

from typing import Any

from synth_stack.audits.comparison import compare_audits


def make_audit(count: int, rows: int, *, gates: str = "g", data: str = "d") -> dict[str, Any]:
    rate = {"count": count, "rows": rows}
    return {
        "dataset": {"name": data, "sha256": data},
        "judged_by": {"gates": gates},
        "overall": {"defects": rate},
        "gates": [{"gate": "form", "rate": rate, "reasons": [], "self_test": None}],
        "copies": {"exact": rate, "near": {"count": 0, "rows": 0}, "references": [], "across": []},
        "exams": [],
        "groups": None,
        "sources": {"groups": [{"name": f"only {data}", "rate": rate}]},
    }


def test_a_difference_is_clear_when_its_interval_leaves_out_zero() -> None:
    found = compare_audits(make_audit(100, 1000, data="a"), make_audit(50, 1000, data="b"))
    change = {difference.what: difference for difference in found.differences}
    assert change["all defects"].clear
    assert "near-copies" not in change  # nothing was looked at
    assert "source only a" not in change
    assert not compare_audits(make_audit(10, 100), make_audit(11, 100)).differences[0].clear


def test_what_makes_a_comparison_hard_is_said() -> None:
    found = compare_audits(make_audit(1, 10, gates="x"), make_audit(1, 10, gates="y"))
    assert any("other gates" in caveat for caveat in found.caveats)
    assert any("the same data set" in caveat for caveat in found.caveats)
