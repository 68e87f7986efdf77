"""What people made of a batch, as the dataset card tells it."""

from typing import Any

from synth_stack.packs.card.markdown import code, table

MAX_SLICES = 30
"""Lines of the table; smaller slices stand in `review/outcome.json`."""

_STATUSES = {
    "passed": "passed: their unread rows are accepted",
    "skipped": "passed unread, after others of their kind",
    "failed": "failed: all of their rows are rejected",
    "waiting": "wait for more answers",
    "screening": "failed and are being read row by row",
    "screened": "failed and were read row by row",
}


def render_review(outcome: dict[str, Any] | None) -> list[str]:
    """The section on the review, nothing without one; `outcome` is what ReviewOutcome.to_json gives."""
    if outcome is None:
        return []
    return [
        "### Human review",
        _describe_reading(outcome),
        *_describe_lots(outcome["lots"]),
        *_render_outgoing(outcome["outgoing"]),
        _describe_reviewers(outcome["reliability"]),
    ]


def _describe_reading(outcome: dict[str, Any]) -> str:
    people = len(outcome["reliability"]["reviewers"])
    ruled = len(outcome["adjudications"])
    return (
        f"{outcome['settled']:,} rows were settled by {_count(people, 'reviewer')}"
        f"{f', {ruled:,} of them by an adjudicator' if ruled else ''}; {outcome['disputed']:,} are disputed. "
        "Reviewers are known by HMAC-SHA256 ids. Which rows were read was drawn from `review/plan.json`, and "
        "`synth-stack verify` draws them again."
    )


def _describe_lots(lots: list[dict[str, Any]]) -> list[str]:
    if not lots:
        return []
    counts = {status: sum(lot["status"] == status for lot in lots) for status in _STATUSES}
    said = [f"{n:,} {_STATUSES[status]}" for status, n in counts.items() if n]
    return [f"Lots: {'; '.join(said)}."]


def _render_outgoing(outgoing: list[dict[str, Any]]) -> list[str]:
    """The estimated share of defects in what ships, of all and by slice."""
    if not outgoing or outgoing[0]["high"] is None:
        return ["The share of defects in what ships was not measured."]
    lines = [
        (
            "**all**" if place == 0 else code(one["slice"]) if one["slice"] else "none given",
            *(f"{one[name]:,}" for name in ("rows", "read", "sampled", "defects")),
            *("–" if one[name] is None else f"{one[name]:.2%}" for name in ("share", "high")),
        )
        for place, one in enumerate(outgoing[: MAX_SLICES + 1])
    ]
    heads = (
        "Slice",
        "Ships #",
        "Read #",
        "Drawn to measure #",
        "Defects #",
        "Estimate #",
        "95% upper bound #",
    )
    return [
        "Defects in what ships, by rows that were drawn for that and decided nothing (Clopper-Pearson, "
        "one-sided; rows that a person read and released count as good, unless gold rows show what reviewers "
        "miss):",
        table(heads, lines),
    ]


def _describe_reviewers(reliability: dict[str, Any]) -> str:
    said = []
    if reliability["alpha"] is not None:
        said.append(
            f"Krippendorff's alpha {reliability['alpha']:.3f} on {reliability['shared']:,} rows that two or "
            f"more people judged (bar {reliability['bar']:g})."
        )
    elif reliability["shared"]:
        said.append(
            f"All judgements on the {reliability['shared']:,} rows that two people read are the same."
        )
    else:
        said.append("No row was judged by two people, so how far they agree is not known.")
    said.extend(f"{one}, so no lot was decided." for one in reliability["below"])
    for name, words in (("gold", "gold rows"), ("canaries", "planted canaries")):
        known = reliability[name]
        if known["bad"]:
            said.append(f"Of {known['bad']:,} answers on bad {words} {known['caught']:,} were rejects.")
        if known["good"]:
            said.append(f"Of {known['good']:,} answers on good {words} {known['spared']:,} were releases.")
    return " ".join(said)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
