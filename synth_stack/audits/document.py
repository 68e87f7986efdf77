"""The audit of a judged folder as one JSON value: all that its page, its plan and its statement say."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from synth_stack.audits.copies import measure_copies, measure_exams
from synth_stack.audits.evidence import AuditEvidence, read_evidence, read_settings
from synth_stack.audits.figures import is_sampled, measure_gates, measure_groups, measure_overall
from synth_stack.audits.gaps import list_gaps
from synth_stack.audits.remedies import plan_remedies
from synth_stack.audits.surroundings import measure_drift, measure_grounding, measure_signs
from synth_stack.errors import InputError
from synth_stack.review.plan_file import PlanSettings
from synth_stack.review.planning import SEED_FROM_RUN, build_plan, identify
from synth_stack.rows.canonical import canonical_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.stats.acceptance import TIERS

Json = dict[str, Any]

AUDIT = "audit.json"
AUDIT_SCHEME = "synth_stack/audit/v2"
TIER = "medium"
"""The risks of `synth-stack review plan` where nobody chooses others."""


def build_audit(folder: Path) -> Json:
    """The audit that the evidence in `folder` gives; the same evidence gives the same value.

    Raises InputError for a folder that is not judged, StoreError for one whose tables do not fit together.
    """
    evidence = read_evidence(folder, read_settings(folder))
    figures: Json = {
        "gates": measure_gates(evidence),
        "copies": measure_copies(evidence),
        "exams": measure_exams(evidence),
        "baseline": measure_drift(evidence),
    }
    told = {
        "scheme": AUDIT_SCHEME,
        "dataset": _tell_dataset(evidence),
        "judged_by": {**identify(evidence.run), "order": list(evidence.run.gate_names)},
        "settings": evidence.settings.to_json(),
        "not_checked": list_gaps(evidence, figures),
        "overall": measure_overall(evidence),
        **figures,
        "groups": measure_groups(evidence, "group"),
        "sources": measure_groups(evidence, "source"),
        "source_column": evidence.source_column,
        "grounding": measure_grounding(evidence),
        "signs": measure_signs(evidence),
        "review": _plan_review(evidence),
        "plan": plan_remedies(evidence),
    }
    value: Json = orjson.loads(canonical_json(told))  # as whoever reads the file will have it
    return value


def _tell_dataset(evidence: AuditEvidence) -> Json:
    source = evidence.run.recipe.source
    return {
        "name": evidence.run.recipe.name,
        "sha256": evidence.run.recipe.identity if source is None else source.sha256,
        "rows": evidence.size,
        "sampled": is_sampled(evidence),
        "splits": [dict(part) for part in evidence.input.get("parts") or []],
        "columns": [dict(column) for column in evidence.input.get("columns") or []],
    }


def _plan_review(evidence: AuditEvidence) -> Json | None:
    """How many rows people would have to read so that a bad lot is found, and besides for an estimate of what
    ships; None without rows.
    """
    import polars as pl

    settings = PlanSettings(seed=SEED_FROM_RUN, tier=TIER, **asdict(TIERS[TIER]), by="slice,generator")
    truths = pl.DataFrame(schema={"row_id": pl.String, "purpose": pl.String, "truth": pl.String})
    try:
        settings, tables, _ = build_plan(evidence.run, settings, CANDIDATE_SCHEMA.empty_table(), truths)
    except InputError:
        return None
    drawn = pl.DataFrame(tables.sample.select(["row_id", "purpose"]))
    read = drawn.filter(purpose="sample")["row_id"].n_unique()
    risks = TIERS[TIER]
    return {
        "tier": TIER,
        "lots": len(tables.lots),
        "rows": read,
        "besides": drawn["row_id"].n_unique() - read,
        "hours": round(read * settings.seconds_a_row / 3600, 1),
        "finds": risks.ltpd,
        "confidence": 1 - risks.beta,
    }
