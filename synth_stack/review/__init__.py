"""What people judge: which rows are read, the answers of reviewers, and what these say of rows and lots.

    plan(run)                        what is to be read, written once (workflows/review.py)
    record_answers(run, answers)     answers into the journal, each once
    decide_lots(run)                 what the answers decide so far, put into effect
    campaign(run)                    a campaign on an Argilla server: send, collect (workflows/campaign.py)
    read_plan(run), read_answers(run)

Everything is imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth_stack.review.answers import read_answers, record_answers
    from synth_stack.review.plan_file import read_plan
    from synth_stack.workflows.campaign import campaign
    from synth_stack.workflows.review import decide_lots, plan

__all__ = ["campaign", "decide_lots", "plan", "read_answers", "read_plan", "record_answers"]

_HOMES = {
    "campaign": "synth_stack.workflows.campaign",
    "decide_lots": "synth_stack.workflows.review",
    "plan": "synth_stack.workflows.review",
    "read_answers": "synth_stack.review.answers",
    "read_plan": "synth_stack.review.plan_file",
    "record_answers": "synth_stack.review.answers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
