"""What a matcher gives back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..answers import PlainAnswer, plain_box, rounded, significant
from ..boxes import Box
from .plane import closest_similarity
from .pose import Pose

Array = NDArray[Any]

Row = tuple[float, float, float]


@dataclass(frozen=True)
class Match(PlainAnswer):
    """One place where a template may be.

    Attributes:
        box: ``(x, y, w, h)`` in pixels of the searched image: the upright rectangle around
            :attr:`corners`.
        score: 0 to 1; how surely the object is there.
        found: whether the score reaches the threshold.
        template: index of the template in the searched list (0 for a single one).
        angle: degrees by which the object is turned, counter-clockwise as seen in the picture, in
            (-180, 180]; of an affine map or a homography, those of the similarity that takes the
            template's corners nearest to :attr:`corners`.
        scale: its size, relative to the template; the same.
        margin: how far the best other place is behind, in [0, 1]: 0 where another fits as well, 1
            where none comes close.
        name: of the template, as ``encode_template`` was given it.
        rows: of :attr:`transform`, or ``None`` for a box alone.
        size: width and height of the template in pixels, or ``None`` for a box alone.
        ms: milliseconds that the call took which gave this match and those beside it; ``None`` of
            one that no call gave. Equal matches may differ in it.
    """

    box: Box
    score: float
    found: bool
    template: int = 0
    angle: float = 0.0
    scale: float = 1.0
    margin: float = 0.0
    name: str = ""
    rows: tuple[Row, Row, Row] | None = None
    size: tuple[float, float] | None = None
    ms: float | None = field(default=None, compare=False)

    @classmethod
    def at(
        cls,
        pose: Pose,
        size: tuple[float, float],
        score: float,
        found: bool,
        template: int,
        **more: Any,
    ) -> Match:
        """A match of a template of some size at a pose; its box is that around its corners."""
        matrix = pose.transform(size)
        rows = tuple(tuple(float(v) for v in row) for row in matrix)
        if pose.angle:
            low, high = (edge(pose.corners(size), axis=0) for edge in (np.min, np.max))
            box = Box(*(float(v) for v in (*low, *(high - low))))
        else:
            box = Box.around((pose.x, pose.y), size[0] * pose.scale, size[1] * pose.scale)
        return cls(
            box,
            score,
            found,
            template,
            pose.angle,
            pose.scale,
            rows=rows,  # type: ignore[arg-type]
            size=size,
            **more,
        )

    @property
    def transform(self) -> Array:
        """``(3, 3)`` float64: from pixels of the template to pixels of the searched image."""
        if self.rows is not None:
            return np.array(self.rows)
        return np.array([[1.0, 0.0, self.box.x], [0.0, 1.0, self.box.y], [0.0, 0.0, 1.0]])

    @property
    def corners(self) -> Array:
        """``(4, 2)`` float64: the template's corners, clockwise from its top-left one."""
        w, h = self.box[2:] if self.size is None else self.size
        points = np.array([[0.0, 0.0, 1.0], [w, 0.0, 1.0], [w, h, 1.0], [0.0, h, 1.0]])
        moved = points @ self.transform.T
        return moved[:, :2] / moved[:, 2:]

    def bent(self, transform: Array) -> Match:
        """The same match with another map ``(3, 3)`` from pixels of the template to the image's."""
        size = self.box[2:] if self.size is None else self.size
        rows = tuple(tuple(float(v) for v in row) for row in transform)
        moved = replace(self, rows=rows, size=size)  # type: ignore[arg-type]
        corners = moved.corners
        low, high = corners.min(0), corners.max(0)
        box = Box(*(float(v) for v in (*low, *(high - low))))
        angle, scale = closest_similarity(corners, size)
        return replace(moved, box=box, angle=angle, scale=scale)

    def shifted(self, x: float, y: float) -> Match:
        """The same match in an image of which the searched one is a part."""
        box = Box(self.box.x + x, self.box.y + y, *self.box[2:])
        if self.rows is None:
            return replace(self, box=box)
        moved = np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]]) @ self.transform
        rows = tuple(tuple(float(v) for v in row) for row in moved)
        return replace(self, box=box, rows=rows)  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as ``qatm match --json`` has it: lengths in pixels, angles in degrees.

        ``template`` is the template's name, ``index`` its place among those that were searched;
        ``corners`` are four ``[x, y]``, ``transform`` three rows.
        """
        return {
            "box": plain_box(self.box),
            "score": rounded(self.score, 4),
            "found": bool(self.found),
            "template": self.name,
            "index": self.template,
            "angle": rounded(self.angle, 3),
            "scale": rounded(self.scale, 4),
            "corners": [plain_box(corner) for corner in self.corners],
            "margin": rounded(self.margin, 4),
            "transform": [[significant(value) for value in row] for row in self.transform],
        }

    def __repr__(self) -> str:
        name = repr(self.name) if self.name else f"#{self.template}"
        which = f", template={name}" if self.name or self.template else ""
        posed = round(self.angle, 2) or round(self.scale, 3) != 1
        pose = f", angle={self.angle:.2f}, scale={self.scale:.3f}" if posed else ""
        return f"Match({self.box!r}, score={self.score:.4f}, found={bool(self.found)}{which}{pose})"
