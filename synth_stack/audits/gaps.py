"""What an audit did not check, derived from what ran: it is said before any figure."""

from pathlib import PurePosixPath
from typing import Any

from synth_stack.audits.evidence import AuditEvidence
from synth_stack.audits.figures import cut, is_sampled, list_names
from synth_stack.inputs.folders import DESCRIBING_FOLDERS, SIDECARS
from synth_stack.inputs.notices import read_notices
from synth_stack.text.printable import count_noun, name_all

Gap = dict[str, str]

DESCRIBING = SIDECARS | DESCRIBING_FOLDERS

MAX_NOTICES = 20
"""Of what the reader kept aside or skipped; input.json has all of it."""


def list_gaps(evidence: AuditEvidence, figures: dict[str, Any]) -> list[Gap]:
    """What was not checked, each with why and what would check it, the widest gaps first."""
    return [
        *_tell_reach(evidence),
        *_tell_failed(figures),
        *_tell_abstained(evidence, figures),
        *_tell_absent(evidence, figures),
        *_tell_partly(evidence, figures),
        *_tell_input(evidence),
    ]


def _gap(what: str, why: str, mend: str = "") -> Gap:
    return {"what": what, "why": why, "mend": mend}


def _tell_reach(evidence: AuditEvidence) -> list[Gap]:
    gaps = []
    if is_sampled(evidence):
        gaps.append(
            _gap(
                "The rows outside the sample",
                f"{count_noun(evidence.size, 'row')} drawn at random and judged; the intervals say what that "
                "leaves open. "
                "Copies show only where both rows were drawn, so their rates are too low.",
                "Audit without --sample.",
            )
        )
    if not evidence.settings.labels:
        gaps.append(
            _gap(
                "The error of the gates themselves",
                "No label file was given: every rate here is what the gates say, not what people found.",
                "Review a sample (below) and pass what people found with `--labels`.",
            )
        )
    return gaps


def _tell_failed(figures: dict[str, Any]) -> list[Gap]:
    return [
        _gap(
            f"Whatever {gate['gate']} looks for",
            f"It failed its self-test on this data: {gate['self_test']['says']}. Its figures cannot be "
            "trusted.",
            "Set the gate to these data (its parameters, the language), or state in the gate file what you "
            "accept.",
        )
        for gate in figures["gates"]
        if gate["self_test"] and gate["self_test"]["failed"]
    ]


def _tell_abstained(evidence: AuditEvidence, figures: dict[str, Any]) -> list[Gap]:
    """Gates that had nothing to say of any row: a missing eval set, baseline, document or column."""
    gaps = []
    for name, work in evidence.work.items():
        if not work.looked_at or work.abstained < work.looked_at:
            continue
        known = evidence.settings.known.get(name, {})
        saw = name_all(work.looked_at, "row")
        given = f": {cut(work.why)}" if work.why else ""
        why, mend = f"It abstained on {saw} that it saw{given}.", ""
        if known.get("exams"):
            if not figures["exams"]:
                why = f"No exam was named, so it abstained on {saw} that it saw."
            mend = "Name the exams that the model will be measured on: `--against NAME=PATH`."
        elif known.get("baseline") and not _has_baseline(figures, name):
            mend = "Name rows of the kind that you want: `--baseline FILE`."
        gaps.append(
            _gap(
                f"Whatever {name} looks for",
                why,
                mend,
            )
        )
    return gaps


def _has_baseline(figures: dict[str, Any], gate: str) -> bool:
    return any(baseline["gate"] == gate for baseline in figures["baseline"]["baselines"])


def _tell_absent(evidence: AuditEvidence, figures: dict[str, Any]) -> list[Gap]:
    used = set(evidence.run.gate_names)
    gaps = []
    absent = sorted(name for name in evidence.settings.known if name not in used)
    if absent:
        why = f"The gate file does not name {list_names(absent, len(absent))}."
        gaps.append(_gap("What other gates look for", why, "Add them to the gate file where they fit."))
    if not any(evidence.settings.known.get(name, {}).get("exams") for name in used):
        gaps.append(
            _gap(
                "Overlap with exams",
                "No gate of the file compares rows with evaluation sets.",
                f"Add {_name_takers(evidence, 'exams')} to the gate file, and name exams: "
                "`--against NAME=PATH`.",
            )
        )
    if not figures["copies"]["references"]:
        takes = any(evidence.settings.known.get(name, {}).get("references") for name in used)
        add = "" if takes else f"Add {_name_takers(evidence, 'references')} to the gate file. "
        gaps.append(
            _gap(
                "Copies of reference rows",
                "No rows of others were named that these may not repeat.",
                f"{add}Name them: `--reference NAME=PATH`.",
            )
        )
    if not figures["baseline"]["baselines"]:
        why = "No baseline was given, so nothing says whether these are the rows that you want."
        takes = any(evidence.settings.known.get(name, {}).get("baseline") for name in used)
        add = "" if takes else f"Add {_name_takers(evidence, 'baseline')} to the gate file. "
        gaps.append(_gap("Drift", why, f"{add}Name rows of the kind that you want: `--baseline FILE`."))
    return gaps


def _name_takers(evidence: AuditEvidence, what: str) -> str:
    """The gates that take exams or a baseline, as a choice."""
    return " or ".join(
        f"`{name}`" for name, known in sorted(evidence.settings.known.items()) if known.get(what)
    )


def _tell_partly(evidence: AuditEvidence, figures: dict[str, Any]) -> list[Gap]:
    gaps = []
    unseen = {name: evidence.size - work.looked_at for name, work in evidence.work.items()}
    late = [f"{name} ({count_noun(count, 'row')})" for name, count in unseen.items() if count]
    if late:
        why = f"A gate does not look at rows that an earlier one rejected: {list_names(late, 20)}."
        gaps.append(
            _gap("Second defects of rejected rows", why, "Set `all: true` on a gate to have it look.")
        )
    for gate in figures["gates"]:
        work = evidence.work.get(gate["gate"])
        if work is None:
            continue
        if 0 < work.abstained < work.looked_at:
            why = f"It abstained on {work.abstained:,} of {work.looked_at:,} rows."
            gaps.append(_gap(f"{gate['gate']}, in part", why))
        test = gate["self_test"]
        if test is None or not test["canaries"]:
            why = "It planted no rows to test itself with on this data."
            gaps.append(_gap(f"Whether {gate['gate']} works here", why))
        if test and test["off"]:
            gaps.append(
                _gap(
                    f"{gate['gate']}, some kinds",
                    f"Switched off in the gate file: {list_names(test['off'], 12)}.",
                )
            )
    if not figures["copies"]["splits"]:
        why = "No file name and no column says which rows train and which test."
        gaps.append(
            _gap("Copies from train to test", why, "Name files train and test, or add a column `split`.")
        )
    return gaps


def _tell_input(evidence: AuditEvidence) -> list[Gap]:
    gaps, beside = [], []
    for notice in read_notices(evidence.input.get("notices") or []):
        if PurePosixPath(notice.name).name.lower() in DESCRIBING:
            continue  # it says what the data are, and holds none
        if notice.what == "skipped":
            why = f"It was not read: {notice.detail}, {notice.count:,} {notice.unit}."
            gaps.append(_gap(f"Input: {notice.name}", why))
        elif notice.what == "kept":
            beside.append(f"{notice.name} ({notice.count:,} {notice.unit})")
    if beside:
        why = (
            f"It stands beside the rows, in no text that most gates read: {list_names(beside, MAX_NOTICES)}."
        )
        mend = "If one of them holds a text, name what it is: `--map FIELD=COLUMN`."
        gaps.insert(0, _gap("Input: what is not in the text of a row", why, mend))
    return gaps[:MAX_NOTICES]
