"""Verdicts on images that are copies, written from what was decided of the batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.gate import State
from synth_stack.gates.image_duplicates.image_sets import NamedImages
from synth_stack.gates.image_duplicates.outcome import find_rows
from synth_stack.gates.image_duplicates.perceptual_hash import ORIENTATIONS, WINDOWS
from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.rows.canonical import canonical_text

NEAR_DUPLICATE = "image_duplicates.near_duplicate"
EVAL_IMAGE = "image_duplicates.eval_image"
REAL_IMAGE = "image_duplicates.real_image"
_CLASSES = {"eval": EVAL_IMAGE, "real": REAL_IMAGE}
_DECIMALS = 4

LYING: Mapping[tuple[bool, bool, bool], str] = {
    (False, False, False): "as it is",
    (False, False, True): "mirrored",
    (False, True, False): "upside down and mirrored",
    (False, True, True): "upside down",
    (True, False, False): "turned by a quarter and mirrored",
    (True, False, True): "turned by a quarter",
    (True, True, False): "turned by a quarter",
    (True, True, True): "turned by a quarter and mirrored",
}
"""In words how one image lies on the other. Turning by a half is both: no viewer says which way up it was."""


def write_verdicts(
    table: pa.Table, state: State, *, threshold: float, sets: Sequence[NamedImages]
) -> pa.Table:
    """One verdict a row of the table, in order. Raises GateError for a row that was not in the batch."""
    said = [_say(line, sets) for line in find_rows(state, table).to_pylist()]
    return write_row_verdicts(table, "image_duplicates", said, threshold=threshold)


def _say(line: Mapping[str, Any], sets: Sequence[NamedImages]) -> RowVerdict:
    likeness = round(float(line["likeness"]), _DECIMALS)
    if not line["seen"]:
        return RowVerdict(
            "abstain", None, "there is no image that can be decoded", "image_duplicates.no_image", None
        )
    if line["twin"] is None and not line["told"]:
        why = "there is too little in the image to tell it from others; no other has the same pixels"
        return RowVerdict("abstain", None, why, "image_duplicates.no_detail", None)
    if line["twin"] is None:
        return RowVerdict("accept", likeness, None, None, None)
    lying = LYING[ORIENTATIONS[line["orientation"]]]
    evidence: dict[str, Any] = {"likeness": likeness, "lying": lying, **_describe_part(line)}
    if line["set"] is None:
        evidence["twin"] = line["twin"]
        reason = f"near duplicate: like {line['twin']} {lying}, likeness {likeness}"
        return RowVerdict("reject", likeness, reason, NEAR_DUPLICATE, canonical_text(evidence))
    named = sets[line["set"]]
    evidence |= {"item": line["twin"], "eval_set" if named.what == "eval" else "real_set": named.name}
    reason = f"copies {named.name}: like {line['twin']} {lying}, likeness {likeness}"
    return RowVerdict("reject", likeness, reason, _CLASSES[named.what], canonical_text(evidence))


def _describe_part(line: Mapping[str, Any]) -> dict[str, Any]:
    """Which of the two is a part of the other, and about which part; nothing for whole images."""
    if line["window"] == 0:
        return {}
    (top, bottom), (left, right) = WINDOWS[line["window"]]
    part = [round(edge, 2) for edge in (top, bottom, left, right)]
    return {"part": part, "part_of": "twin" if line["within"] else "row"}
