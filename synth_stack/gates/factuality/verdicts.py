"""What is said of a row, from the claims of its answer and from its code."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from synth_stack.gates.factuality.checker import Checked
from synth_stack.gates.factuality.claims import FLOOR, Sort
from synth_stack.gates.factuality.code_check import CodeFinding, CodeSort
from synth_stack.gates.gate import Dial
from synth_stack.gates.row_verdicts import RowVerdict
from synth_stack.rows.canonical import canonical_text

NOT_FOUND = "factuality.not_found"
CONDITION = "factuality.condition_dropped"
CONTACT = "factuality.unknown_contact"
NO_ANSWER = "factuality.no_answer"
NO_SOURCE = "factuality.nothing_to_check_against"
NO_CLAIM = "factuality.no_claim"
IN_DOUBT = "factuality.in_doubt"
DISAGREE = "factuality.sources_disagree"
LANGUAGE = "factuality.other_language"
REWRITTEN = "factuality.rewritten"
CONTRADICTED: Mapping[Sort, str] = {
    "number": "factuality.number_contradicted",
    "unit": "factuality.unit_contradicted",
    "polarity": "factuality.polarity_contradicted",
    "name": "factuality.name_contradicted",
    "contact": "factuality.contact_contradicted",
    "statement": "factuality.statement_contradicted",
}
CODE: Mapping[CodeSort, str] = {
    "syntax": "factuality.code_syntax",
    "invented_name": "factuality.invented_name",
    "invented_parameter": "factuality.invented_parameter",
    "wrong_argument": "factuality.wrong_argument",
    "deprecated_name": "factuality.deprecated_name",
}
_SHOWN_CLAIMS = 8
_SHOWN_CHARS = 300
_GRAVITY = {"contradicted": 0, "not_found": 1, "in_doubt": 2, "supported": 3}
_SEVERITY = {"reject": 2, "hold": 1}

Setting = Literal["reject", "hold", "ignore"]


class CodeSettings(BaseModel):
    """What becomes of a row whose Python does not parse (`syntax`), names what its package does not have
    (`invented_name`), passes a parameter that there is not (`invented_parameter`) or a value that does not
    fit (`wrong_argument`), or uses what is deprecated (`deprecated_name`).

    Deprecated code still runs, so a person decides; the others fail, and so does what is learnt from them.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    syntax: Setting = "reject"
    invented_name: Setting = "reject"
    invented_parameter: Setting = "reject"
    wrong_argument: Setting = "hold"
    deprecated_name: Setting = "hold"


class FactualityRules(NamedTuple):
    """The two thresholds, and what becomes of each other kind of finding."""

    max_contradiction: float
    max_not_found: float
    conditions: Setting
    contacts: Setting
    code: CodeSettings


class _Fault(NamedTuple):
    """A finding that turns a row away, and how."""

    outcome: str
    reason: str
    reason_class: str


def list_dials(rules: FactualityRules) -> tuple[Dial, ...]:
    """The dials of the gate: the thresholds, and a fixed one for each kind of finding that is set by a
    word.
    """
    contradiction = Dial(
        rules.max_contradiction,
        ">=",
        tuple(CONTRADICTED.values()),
        parameter="max_contradiction",
        score="contradiction",
        lowest=FLOOR,
    )
    found = [Dial(1, ">=", (CODE[sort],), score=f"code.{sort}", outcome=f"code.{sort}") for sort in CODE]
    found.append(Dial(1, ">=", (CONDITION,), score="conditions_dropped", outcome="conditions"))
    found.append(Dial(1, ">=", (CONTACT,), score="unknown_contacts", outcome="contacts"))
    missing = Dial(rules.max_not_found, ">", (NOT_FOUND,), parameter="max_not_found", outcome="hold")
    return (contradiction, *found, missing)


def decide(checked: Sequence[Checked], code: Sequence[CodeFinding], rules: FactualityRules) -> RowVerdict:
    """The verdict on a row whose answer makes these claims and has this code; both may be empty.

    The gravest fault decides, and of equals the first: a contradiction, code, a dropped condition, an unknown
    contact route, too many claims that are found nowhere.
    """
    counts = _count(checked, code)
    if not counts["claims"] and not code:
        return RowVerdict("abstain", None, "the answer makes no claim that can be checked", NO_CLAIM)
    known = counts["supported"] + counts["contradicted"] + counts["not_found"]
    score = counts["not_found"] / known if known else None
    worst = max((c for c in checked if _is_denied(c)), key=lambda c: c.claim.strength, default=None)
    evidence = _write_evidence(checked, code, counts, worst)
    faults = list(_list_faults(checked, code, rules, worst))
    if score is not None and score > rules.max_not_found:
        reason = f"not found in any source: {counts['not_found']} of {known} claims"
        faults.append(_Fault("hold", reason, NOT_FOUND))
    if faults:
        fault = max(faults, key=lambda f: _SEVERITY[f.outcome])  # the first of equals
        return RowVerdict(fault.outcome, score, fault.reason, fault.reason_class, canonical_text(evidence))
    if len(evidence) > _ALWAYS:  # something was found, and is let pass by the setting
        return RowVerdict("accept", score, None, None, canonical_text(evidence))
    disagreed = next((c for c in checked if c.claim.against is not None), None)
    if disagreed is not None:
        return RowVerdict("abstain", None, _say(disagreed), DISAGREE, canonical_text(evidence))
    if score is None:
        reason = "rules cannot tell whether the sources bear the answer out"
        return RowVerdict("abstain", None, reason, IN_DOUBT, canonical_text(evidence))
    return RowVerdict("accept", score, None, None, canonical_text(evidence))


def _list_faults(
    checked: Sequence[Checked], code: Sequence[CodeFinding], rules: FactualityRules, worst: Checked | None
) -> "list[_Fault]":
    faults: list[_Fault] = []
    if worst is not None and worst.claim.strength >= rules.max_contradiction:
        faults.append(_Fault("reject", _say(worst), CONTRADICTED[worst.claim.sort]))
    for sort, reason_class in CODE.items():
        finding = next((f for f in code if f.sort == sort), None)
        setting = getattr(rules.code, sort)
        if finding is not None and setting != "ignore":
            said = f"code that does not parse: {finding.said}" if sort == "syntax" else finding.said
            faults.append(_Fault(setting, said[:_SHOWN_CHARS], reason_class))
    dropped = next((c for c in checked if c.claim.sort == "condition"), None)
    if dropped is not None and rules.conditions != "ignore":
        faults.append(_Fault(rules.conditions, _say(dropped), CONDITION))
    unknown = next((c for c in checked if _is_unknown_contact(c)), None)
    if unknown is not None and rules.contacts != "ignore":
        faults.append(_Fault(rules.contacts, _say(unknown), CONTACT))
    return faults


_ALWAYS = 2
"""Keys of evidence that every judged row has: `counts` and `claims`."""


def _write_evidence(
    checked: Sequence[Checked], code: Sequence[CodeFinding], counts: Mapping[str, int], worst: Checked | None
) -> dict[str, Any]:
    shown = sorted(checked, key=lambda c: (_GRAVITY[c.claim.standing], -c.claim.strength))[:_SHOWN_CLAIMS]
    claims = [_show(each) for each in shown]
    claims += [_show_code(f) for f in code if f.sort != "known"][:_SHOWN_CLAIMS]
    evidence: dict[str, Any] = {"counts": dict(counts), "claims": claims}
    if worst is not None:
        evidence["contradiction"] = round(worst.claim.strength, 6)
    dropped = sum(c.claim.sort == "condition" for c in checked)
    unknown = sum(_is_unknown_contact(c) for c in checked)
    faulty = {sort: n for sort in CODE if (n := sum(f.sort == sort for f in code))}
    found = {"conditions_dropped": dropped, "unknown_contacts": unknown, "code": faulty}
    return evidence | {key: value for key, value in found.items() if value}


def _count(checked: Sequence[Checked], code: Sequence[CodeFinding]) -> dict[str, int]:
    """Whole numbers to be added up over a batch: rows with claims, claims by standing and by who decided."""
    claims = [c for c in checked if c.claim.sort != "condition"]
    counts = {"rows_with_claims": int(bool(claims or code)), "claims": len(claims) + len(code)}
    for standing in _GRAVITY:
        counts[standing] = sum(c.claim.standing == standing for c in claims)
    known = sum(f.sort in {"known", "deprecated_name"} for f in code)
    counts["supported"] += known
    counts["contradicted"] += len(code) - known
    for by in ("rules", "verifier"):
        counts[f"by_{by}"] = sum(c.by == by and c.claim.standing != "in_doubt" for c in claims)
    return counts | {"by_code": len(code)}


def _is_denied(checked: Checked) -> bool:
    return checked.claim.standing == "contradicted" and checked.claim.sort != "condition"


def _is_unknown_contact(checked: Checked) -> bool:
    return checked.claim.sort == "contact" and checked.claim.standing == "not_found"


def _say(checked: Checked) -> str:
    """The finding as a sentence."""
    claim = checked.claim
    shown = claim.text[:_SHOWN_CHARS]
    place = claim.source.passage.id if claim.source is not None else ""
    if claim.against is not None:
        return f"the sources disagree on {shown!r}: {place} and {claim.against.passage.id}"
    if claim.sort == "condition":
        return f"a condition is left out: {place} says {claim.said[:_SHOWN_CHARS]!r}"
    if claim.standing == "not_found":
        return f"not in any source: {shown!r}"
    if claim.sort in {"polarity", "statement"}:
        return f"{place} says otherwise: {claim.said[:_SHOWN_CHARS]!r}"
    return f"{place} says {claim.said[:_SHOWN_CHARS]!r} and not {shown!r}"


def _show(checked: Checked) -> dict[str, Any]:
    """A claim beside its passage, as evidence has it; offsets are characters of the message and the file."""
    claim = checked.claim
    shown: dict[str, Any] = {
        "sort": claim.sort,
        "standing": claim.standing,
        "claim": claim.text[:_SHOWN_CHARS],
        "path": checked.path,
        "start": checked.start,
        "end": checked.end,
        "by": checked.by,
    }
    for key, source in (("source", claim.source), ("against", claim.against)):
        if source is not None:
            start = source.passage.start + source.said.start
            shown[key] = {
                "passage": source.passage.id,
                "start": start,
                "end": start + len(source.said.text),
                "text": source.said.text[:_SHOWN_CHARS],
            }
    if claim.said and claim.standing == "contradicted":
        shown["said"] = claim.said[:_SHOWN_CHARS]
    return shown


def _show_code(finding: CodeFinding) -> dict[str, Any]:
    standing = "supported" if finding.sort == "deprecated_name" else "contradicted"
    shown: dict[str, Any] = {
        "sort": finding.sort,
        "standing": standing,
        "claim": finding.name[:_SHOWN_CHARS],
        "said": finding.said[:_SHOWN_CHARS],
        "path": finding.path,
        "start": finding.start,
        "end": finding.end,
        "by": "code",
    }
    if finding.file is not None:
        shown["source"] = {"passage": finding.file, "line": finding.line}
    return shown
