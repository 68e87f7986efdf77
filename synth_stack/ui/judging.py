"""Held rows judged from the page: an answer of a reviewer like any other, and what the answers decide."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synth_stack.errors import InputError, replace_unprintable
from synth_stack.review.answers import (
    DEFECTS,
    MAX_NOTE_CHARS,
    SEVERITIES,
    format_time,
    read_answers,
    record_answers,
)
from synth_stack.review.plan_file import has_plan, read_plan
from synth_stack.review.reviewers import ReviewerId, keep_key, reviewer_id
from synth_stack.rows.canonical import digest_bytes
from synth_stack.workflows.review import decide_lots, plan

_GIVEN = {"row_id", "judgement", "defect", "severity", "note"}


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one reviewer, whom the key gives an id, judges rows of the run at `folder`."""

    folder: Path
    name: str
    key: bytes

    @property
    def reviewer(self) -> ReviewerId:
        """The id that this reviewer's answers bear."""
        return reviewer_id(self.name, self.key)

    def describe(self) -> dict[str, Any]:
        """Whether the run has a plan, which rows it asks for, and what this reviewer said of them."""
        defects = [{"name": name, "means": means} for name, means in DEFECTS.items()]
        about = {"defects": defects, "severities": list(SEVERITIES)}
        if not has_plan(self.folder):
            return {"planned": False, "asked": [], "said": {}, **about}
        answers = read_answers(self.folder).to_pylist()
        said = {one["row_id"]: one["judgement"] for one in answers if one["reviewer"] == self.reviewer}
        sample = read_plan(self.folder).sample
        open_ids = [
            row_id
            for row_id, blind in zip(sample["row_id"].to_pylist(), sample["blind"].to_pylist(), strict=True)
            if not blind
        ]
        return {"planned": True, "asked": sorted(set(open_ids)), "said": said, **about}

    def plan_held(self) -> dict[str, Any]:
        """Plans that every held row is read by one person, and nothing else; then as `describe`.

        Raises InputError where no row is held, RunMismatch where another plan stands.
        """
        plan(self.folder, held="only", overlap=0, reviewers=1)
        return self.describe()

    def judge(self, said: Any) -> dict[str, Any]:
        """Records one answer: `row_id`, `judgement`, and where there are any `defect`, `severity`, `note`.

        Raises InputError for anything else, and for rows that the page does not judge: those that the plan
        shows without what gates said of them, which this page would show.
        """
        if not isinstance(said, dict) or set(said) - _GIVEN or not isinstance(said.get("row_id"), str):
            raise InputError("that is no answer on a row", allowed=", ".join(sorted(_GIVEN)))
        if said["row_id"] not in self.describe()["asked"]:
            raise InputError(
                "the review plan does not ask for this row here",
                seen=said["row_id"],
                mend="Plan the review of held rows; rows of a blind sample are read by `review rows`.",
            )
        note = said.get("note")
        if note is not None and not isinstance(note, str):
            raise InputError("a note is text")
        answer = {name: said.get(name) for name in ("row_id", "judgement", "defect", "severity")}
        answer["note"] = replace_unprintable(note)[:MAX_NOTE_CHARS] if note else None
        name = digest_bytes(f"reviewer {self.reviewer} {said['row_id']}".encode())[:32]
        filled = {key: value for key, value in answer.items() if value is not None}
        keep_key(self.folder, self.key)
        recorded = record_answers(
            self.folder,
            [
                {
                    **filled,
                    "answer_id": f"page:{name}",
                    "reviewer": self.reviewer,
                    "submitted_at": format_time(datetime.now(UTC)),
                    "source": "page",
                }
            ],
        )
        return {**recorded.to_json(), **self.describe()}

    def decide(self) -> dict[str, Any]:
        """Puts the answers into effect: verdicts, decisions, report (workflows.review.decide_lots)."""
        return decide_lots(self.folder).to_json()
