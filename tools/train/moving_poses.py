"""How a made-up object stands in each view of a clip; see :mod:`.moving_scenes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from .moving_objects import ObjectPose

Random = np.random.Generator

WIDTH, HEIGHT = 400, 300
"""Pixels of a frame."""

LATER_SIZES = (12, 150)
"""Least and most size of the object after the first frame: the square root of its box's area."""

SLANT = 3e-4
"""Standard deviation of perspective, for each pixel of the canvas."""


SHAPE = ("yaw", "pitch", "bend", "phase", "flip", "morph")
"""What changes an object's shape or what it shows."""

MOTION: Mapping[str, float] = MappingProxyType(
    {
        "yaw": 0.15,
        "pitch": 0.08,
        "phase": 0.7,
        "bend": 0.3,
        "turn": 0.07,
        "zoom": 0.1,
        "stretch": 0.04,
    }
)
"""Standard deviations of what changes within a few frames."""


def first_pose(random: Random) -> ObjectPose:
    """How the object stands in the first frame."""
    return ObjectPose(
        yaw=0.0,
        pitch=0.0,
        phase=random.uniform(0, 6),
        bend=random.normal(),
        turn=random.uniform(-0.2, 0.2),
        slant=random.normal(0, SLANT, 2),
        middle=(WIDTH / 2 + random.uniform(-50, 50), HEIGHT / 2 + random.uniform(-30, 30)),
        ground=(random.uniform(0, WIDTH * 0.5), random.uniform(0, HEIGHT * 0.5)),
    )


def later_pose(first: ObjectPose, random: Random, change: float, side: float) -> ObjectPose:
    """How it stands after much has changed.

    Args:
        first: how it stood.
        random: the source of the changes.
        change: factor on them.
        side: its size in the first frame, in pixels.
    """
    pose = replace(
        first,
        yaw=random.normal(0, 0.6 * change),
        pitch=random.normal(0, 0.3 * change),
        phase=first.phase + random.normal(0, 2 * change),
        bend=first.bend + random.normal(0, 0.8 * change),
        flip=random.random() < 0.1 * change,
        morph=int(random.integers(-3, 4)) if random.random() < 0.15 * change else 0,
        turn=first.turn + random.normal(0, 0.2 * change),
        zoom=np.clip(random.normal(0, 0.45 * change), -1.3, 1.3),
        stretch=random.normal(0, 0.1 * change),
        ground=(random.uniform(0, WIDTH * 0.5), random.uniform(0, HEIGHT * 0.5)),
        ground_zoom=random.normal(0, 0.2),
        slant=random.normal(0, SLANT, 2),
    )
    return replace(pose, zoom=float(np.clip(pose.zoom, *np.log(np.array(LATER_SIZES) / side))))


def in_shape(pose: ObjectPose, first: ObjectPose) -> ObjectPose:
    """A pose in which the object has the shape that it had in another one."""
    kept = {name: getattr(first, name) for name in SHAPE}
    return replace(pose, **kept)


def soon_after(pose: ObjectPose, random: Random, *, shaped: bool) -> ObjectPose:
    """How it stands a few frames after a pose, maybe without a change of its shape."""
    change = random.choice([0.3, 1, 2])
    moved = {
        name: getattr(pose, name) + random.normal(0, spread * change)
        for name, spread in MOTION.items()
        if not (shaped and name in SHAPE)
    }
    x, y = (
        float(np.clip(before + random.normal(0, spread * change), 0, most))
        for before, spread, most in zip(
            pose.ground, (15, 10), (WIDTH * 0.5, HEIGHT * 0.5), strict=True
        )
    )
    return replace(pose, **moved, ground=(x, y))
