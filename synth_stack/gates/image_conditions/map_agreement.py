"""How well what a model sees in an image agrees with a map of poses, boxes or labels: shares from 0 to 1."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from synth_stack.images.condition_maps import LabelledBox
from synth_stack.images.pose_maps import Joints

_SIGMAS = np.array(
    (
        *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
        *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
    )
)
"""How far people who mark the same joint are apart, by the root of a person's area (COCO, keypoints eval)."""
_AREA = 0.53
"""Of a person, as a share of the box around the joints, where no outline is known (MMPose, CocoMetric)."""


def compare_joints(wanted: Joints, found: Joints, min_sure: float) -> float:
    """The object keypoint similarity over the joints that are wanted (COCO, keypoint evaluation): 1 where all
    of them are there, and near 0 where none is. A joint that was found with less sureness is not there.
    """
    asked = wanted[:, 2] > 0
    places = wanted[asked, :2].astype(np.float64)
    area = max(1.0, float(np.prod(np.maximum(np.ptp(places, axis=0), 1.0)))) * _AREA
    apart = ((places - found[asked, :2]) ** 2).sum(axis=1)
    near = np.exp(-apart / (2 * area * (2 * _SIGMAS[asked]) ** 2))
    return float(np.where(found[asked, 2] >= min_sure, near, 0.0).mean())


def box_joints(joints: Joints) -> tuple[float, float, float, float]:
    """The box around the joints that are there: left, top, width and height, a pixel wide at least."""
    places = joints[joints[:, 2] > 0, :2]
    (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
    return float(left), float(top), max(1.0, float(right - left)), max(1.0, float(bottom - top))


def compare_boxes(wanted: Sequence[LabelledBox], found: Sequence[LabelledBox]) -> float:
    """The mean overlap (intersection over union) of each wanted box with the one found that is its match: of
    its label, each for one alone, so that the sum is greatest (Kuhn 1955). What was found beside them is
    free.
    """
    from scipy.optimize import linear_sum_assignment

    if not wanted:
        raise ValueError("no box is wanted")
    overlaps = np.array([[_overlap(one, other) for other in found] for one in wanted]).reshape(
        len(wanted), -1
    )
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    return float(overlaps[rows, columns].sum() / len(wanted))


def compare_labels(
    wanted: NDArray[np.int64], found: NDArray[np.int64], labels: Mapping[int, str]
) -> dict[str, float]:
    """By label the overlap (intersection over union) of both maps (height, width), over the points at which
    one of these labels is wanted: what lies where nothing is asked for is free.
    """
    asked = np.isin(wanted, list(labels))
    told: dict[str, float] = {}
    for number, label in labels.items():
        both = (wanted == number) & (found == number)
        either = ((wanted == number) | (found == number)) & asked
        if (wanted == number).any():
            told[label] = float(both.sum() / either.sum())
    return told


def _overlap(one: LabelledBox, other: LabelledBox) -> float:
    if one.label != other.label:
        return 0.0
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    whole = one.width * one.height + other.width * other.height - shared
    return shared / whole if whole > 0 else 0.0
