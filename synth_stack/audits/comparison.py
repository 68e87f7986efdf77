"""Two audits side by side: before and after, two vendors, two batches; each difference with an interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synth_stack.stats.intervals import newcombe

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """A rate in two audits, and the second less the first with a 95% interval."""

    what: str
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    change: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the two differ by more than chance lets such counts differ."""
        return self.low > 0 or self.high < 0

    def to_json(self) -> Json:
        """The same as plain JSON."""
        return {
            "what": self.what,
            "first": dict(self.first),
            "second": dict(self.second),
            "change": round(self.change, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "clear": self.clear,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of two audits, and what makes them hard to compare."""

    names: tuple[str, str]
    differences: tuple[Difference, ...]
    caveats: tuple[str, ...]

    def to_json(self) -> Json:
        """The same as plain JSON."""
        return {
            "audits": list(self.names),
            "caveats": list(self.caveats),
            "differences": [difference.to_json() for difference in self.differences],
        }


def compare_audits(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """The differences of all rates that both audits have: overall, by gate and reason, by group, source, eval
    set and split. Each interval is 95% for itself (Newcombe 1998, method 10).
    """
    rates = [_list_rates(audit) for audit in (first, second)]
    differences = []
    for what, before in rates[0].items():
        after = rates[1].get(what)
        if after is None or not before["rows"] or not after["rows"]:
            continue
        low, high = newcombe(after["count"], after["rows"], before["count"], before["rows"])
        differences.append(
            Difference(
                what,
                before,
                after,
                after["count"] / after["rows"] - before["count"] / before["rows"],
                low,
                high,
            )
        )
    names = (str(first["dataset"]["name"]), str(second["dataset"]["name"]))
    return Comparison(names, tuple(differences), tuple(_list_caveats(first, second, rates)))


def _list_rates(audit: Mapping[str, Any]) -> dict[str, Json]:
    rates = {"all defects": audit["overall"]["defects"]}
    for gate in audit["gates"]:
        rates[gate["gate"]] = gate["rate"]
        reasons: dict[str, Json] = {}
        for reason in gate["reasons"]:
            name = f"{reason['reason_class'] or gate['gate']} ({reason['outcome']})"
            reasons[name] = reason["rate"]
        rates |= reasons
    copies = audit["copies"]
    rates["exact copies"], rates["near-copies"] = copies["exact"], copies["near"]
    for reference in copies["references"]:
        rates[f"copies of {reference['name']}"] = reference["rate"]
    for cross in copies["across"]:
        rates[f"{cross['split']} in {cross['other']}"] = cross["rate"]
    for exam in audit["exams"]:
        rates[f"exam {exam['eval_set']}"] = exam["rate"]
    for column in ("groups", "sources"):
        for group in (audit[column] or {"groups": []})["groups"]:
            rates[f"{column.removesuffix('s')} {group['name']}"] = group["rate"]
    return rates


def _list_caveats(
    first: Mapping[str, Any], second: Mapping[str, Any], rates: list[dict[str, Json]]
) -> list[str]:
    caveats = []
    if first["judged_by"]["gates"] != second["judged_by"]["gates"]:
        caveats.append(
            "the two were judged by other gates or thresholds: a difference may be that of the gates"
        )
    if first["dataset"]["sha256"] == second["dataset"]["sha256"]:
        caveats.append("both are of the same data set")
    failed = sorted(
        {
            gate["gate"]
            for audit in (first, second)
            for gate in audit["gates"]
            if gate["self_test"] and gate["self_test"]["failed"]
        }
    )
    if failed:
        caveats.append(f"failed a self-test, and is not to be trusted there: {', '.join(failed)}")
    only = [len(mine.keys() - theirs.keys()) for mine, theirs in (rates, rates[::-1])]
    if any(only):
        caveats.append(f"{only[0]} figures stand in the first alone, {only[1]} in the second alone")
    if len(rates[0].keys() & rates[1].keys()) > 1:
        caveats.append("each interval is 95% for itself: of 20 comparisons one is clear by chance")
    return caveats
