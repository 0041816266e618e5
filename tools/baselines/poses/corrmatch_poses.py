"""``corrmatch`` from PyPI: coarse-to-fine correlation over turns, sub-pixel; sizes one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....runtime.images import Image
from ..base import Array, Crop, MethodOptions, cut_out
from ..scaling import scaled
from .pose_method import Posed, PoseMethod, PoseSpan
from .similarities import moved, outline, similarity
from .turned_crops import LEAST_SIDE, SIZES, grey_of

LEVELS = 3
"""Deeper pyramids, its default, miss small templates."""

FOUND = 0.7


@dataclass(frozen=True, eq=False)
class CompiledSize:
    """A template of one size: how much larger than the crop it is, and what searches for it."""

    scale: float
    size: tuple[int, int]
    matcher: Any


@dataclass(frozen=True, eq=False)
class CompiledCrop:
    """A template in its sizes."""

    crop: Crop
    sizes: tuple[CompiledSize, ...]


class CorrmatchPoses(PoseMethod):
    """The best of seven sizes, each searched in grey, over all turns if there is more than one.

    Args:
        options: threads above one let it use its own.
    """

    name = "corrmatch"

    def __init__(self, options: MethodOptions) -> None:
        import corrmatch

        self._package = corrmatch
        self._parallel = (options.threads or 1) > 1

    def encode(self, frame: Image, box: Sequence[float], poses: PoseSpan) -> CompiledCrop:
        """Compile the crop in its sizes."""
        crop = cut_out(frame, box)
        grey = grey_of(crop.pixels)
        sizes = (self._compiled(grey, size, poses.turns) for size in poses.sizes(SIZES))
        return CompiledCrop(crop, tuple(sizes))

    def find(self, encoded: CompiledCrop, image: Image) -> Posed:
        """Search each size and take the best."""
        grey = grey_of(image)
        best: tuple[float, CompiledSize, Any] | None = None
        for one in encoded.sizes:
            if one.size[0] > image.shape[1] or one.size[1] > image.shape[0]:
                continue
            try:
                seen = one.matcher.match_image(grey)
            # It raises where no place has a correlation, as in a picture of a single colour.
            except RuntimeError:
                continue
            if best is None or seen.score > best[0]:
                best = (seen.score, one, seen)
        if best is None:
            return Posed(None, 0.0, False)
        score, one, seen = best
        score = float(np.clip(score, 0.0, 1.0))
        crop = encoded.crop
        height, width = crop.pixels.shape[:2]
        place = (seen.x + one.size[0] / 2, seen.y + one.size[1] / 2)
        # It turns clockwise.
        matrix = similarity((width / 2, height / 2), -seen.angle_deg, one.scale, place)
        corners = moved(outline(crop.box) - (crop.left, crop.top), matrix)
        return Posed(corners, score, score >= FOUND)

    def _compiled(self, grey: Array, scale: float, turns: bool) -> CompiledSize:
        """The crop in one size."""
        factor = max(scale, LEAST_SIDE / min(grey.shape))
        sized = np.ascontiguousarray(scaled(grey, factor))
        template = self._package.Template(sized)
        if turns:
            compiled = template.compile(self._package.CompileConfig(max_levels=LEVELS))
        else:
            compiled = template.compile_no_rotation(LEVELS)
        search = self._package.MatchConfig(
            rotation="enabled" if turns else "disabled",
            max_image_levels=LEVELS,
            parallel=self._parallel,
        )
        size = (sized.shape[1], sized.shape[0])
        return CompiledSize(factor, size, compiled.matcher(search))
