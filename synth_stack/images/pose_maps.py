"""Poses as pictures: the joints of people drawn as OpenPose draws them, and read from such a picture again.

Eighteen joints, each a disc in a colour of its own (hues 20 degrees apart), and limbs of the same colours at
six tenths (lllyasviel/ControlNet, annotator/openpose/util.py, draw_bodypose): what ControlNets for poses were
trained on.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synth_stack.images.decoding import Pixels

Joints = NDArray[np.float32]
"""Of a person, in the order of COCO: (17, 3), x and y in pixels, and how sure it is, from 0 to 1."""

MIN_SURE = 0.3
"""Joints less sure are not drawn (the same file, and the threshold of MMPose's drawings)."""

NECK = 1
FROM_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""The joint of COCO for each of OpenPose's; the neck lies between the shoulders."""
_SHOULDERS = (5, 6)
_LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
_HUE = 360 // len(FROM_COCO)
_DIM = 0.6
_SIDE_OF_FOUR = 512
"""Discs have a radius of 4 pixels in an image of this side, and grow with it."""

_BRIGHT, _GREY = 200, 0.3
"""Of a disc's pixel: its largest channel, at least, and its smallest as a share of that, at most. A limb has
153 at most."""
_DARK = 40
_PART = 0.35
MIN_JOINTS = 4
"""Of a person that can be compared."""


def draw_poses(people: Sequence[Joints], width: int, height: int) -> Pixels:
    """The people's joints and limbs on black, (height, width, 3)."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(picture)
    radius = max(2, round(4 * min(width, height) / _SIDE_OF_FOUR))
    placed = [_place(person) for person in people]
    for joints in placed:
        for number, (one, other) in enumerate(_LIMBS):
            if one in joints and other in joints:
                red, green, blue = (int(channel * _DIM) for channel in _colour(number))
                pen.line((*joints[one], *joints[other]), fill=(red, green, blue), width=2 * radius - 1)
    for joints in placed:
        for number, (x, y) in joints.items():
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(number))
    return np.asarray(picture)


def read_poses(pixels: Pixels) -> list[Joints]:
    """The people in a picture of poses, in the order of their first points; a joint that is not seen is of
    sureness 0.

    What hangs together is one person. Where two people touch, neither can be told from the other, and both
    are left out, as is a person of fewer than four joints.
    """
    from scipy.ndimage import find_objects, label

    bodies, _ = label(pixels.max(axis=2) > _DARK, np.ones((3, 3)))
    numbers = _number_joints(pixels)
    found: list[Joints] = []
    for body, place in enumerate(find_objects(bodies), start=1):
        mine = np.where(bodies[place] == body, numbers[place], -1)
        person = _gather(mine, left=place[1].start, top=place[0].start)
        if person is not None:
            found.append(person)
    return found


def _place(person: Joints) -> dict[int, tuple[int, int]]:
    """The joints of OpenPose that can be drawn, in whole pixels."""
    both = person[list(_SHOULDERS)]
    neck = np.array([*both[:, :2].mean(axis=0), both[:, 2].min()], np.float32)
    joints = [neck if each is None else person[each] for each in FROM_COCO]
    return {
        number: (round(float(x)), round(float(y)))
        for number, (x, y, sure) in enumerate(joints)
        if sure >= MIN_SURE and abs(x) < 1e5 and abs(y) < 1e5
    }


def _colour(number: int) -> tuple[int, int, int]:
    """Of a joint or limb: hue 20 degrees further than the last one's, of full colour and light."""
    import colorsys

    red, green, blue = (round(each * 255) for each in colorsys.hsv_to_rgb(number * _HUE / 360, 1, 1))
    return red, green, blue


def _number_joints(pixels: Pixels) -> NDArray[np.int64]:
    """The number of the joint whose disc each pixel is part of, -1 for others, (height, width)."""
    values = pixels.astype(np.float32)
    high, low = values.max(axis=2), values.min(axis=2)
    span = np.maximum(high - low, 1)
    red, green, blue = values[..., 0], values[..., 1], values[..., 2]
    hue = np.select(
        [high == red, high == green],
        [(green - blue) / span % 6, (blue - red) / span + 2],
        (red - green) / span + 4,
    )
    number = np.rint(hue * 60 / _HUE).astype(np.int64) % len(FROM_COCO)
    return np.where((high >= _BRIGHT) & (low <= _GREY * high), number, -1)


def _gather(numbers: NDArray[np.int64], *, left: int, top: int) -> Joints | None:
    """One person of the numbers of the discs (h, w) that hang together; None for too few joints, and for two
    discs of one. What is smaller than a third of a joint's disc is where colours run into one another.
    """
    from scipy.ndimage import label

    person = np.zeros((17, 3), np.float32)
    for number, coco in enumerate(FROM_COCO):
        if coco is None or not (numbers == number).any():
            continue
        discs, count = label(numbers == number, np.ones((3, 3)))
        sizes = np.bincount(discs.ravel(), minlength=count + 1)[1:]
        if (sizes >= _PART * sizes.max()).sum() > 1:
            return None
        y, x = np.nonzero(discs == 1 + int(sizes.argmax()))
        person[coco] = left + x.mean(), top + y.mean(), 1.0
    return person if int((person[:, 2] > 0).sum()) >= MIN_JOINTS else None
