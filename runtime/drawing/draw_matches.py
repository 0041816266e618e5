"""Pictures of matches: outlines and scores, and the quality map in colours."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arguments import as_count, as_float, as_number, as_switch, is_row
from ..errors import InputError, seen
from ..images import AnyImage, Image, as_bgr
from ..kinds import Bound, Numeric
from ..match.matches import Match
from .labels import FOUND_COLOUR, MISSED_COLOUR, Label, draw_labels, in_short
from .outlines import FAR, draw_outline

CROWD: Bound[int] = 12
"""Matches beyond which their scores are written smaller."""

LARGEST_SCALE: Bound[float] = 1e4
"""Times a picture is larger than the one that was searched."""

CROWDED_TEXT: Numeric[float] = 0.7


def draw_matches(image: AnyImage, matches: Sequence[Match], scale: float = 1.0) -> Image:
    """Draw outlines and scores on a copy of an image.

    Found matches are green; the best candidate of an absent object is orange and dashed. A turned
    object has a mark at its top edge. Lines and text grow with the image, and text that would not
    fit is left out.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        matches: corners in pixels, best first (the best is drawn on top).
        scale: factor on the corners, for an image that was resized after matching.

    Returns:
        ``(H, W, 3)`` uint8 BGR.

    Raises:
        ImageError: the image is not a usable array.
        InputError: ``matches`` has something else, or a match with what no matcher gives, or
            ``scale`` is not a number above 0.
    """
    canvas = as_bgr(image).copy()
    sequence = isinstance(matches, Sequence) and is_row(matches)
    if not sequence or not all(isinstance(m, Match) for m in matches):
        raise InputError(f"matches are {seen(matches)}; give a list of Match, as match() does")
    if not 0 < (scale := as_number(scale, "scale")) <= LARGEST_SCALE:
        raise InputError(f"scale is {scale:g}; give a factor above 0 and up to {LARGEST_SCALE:g}")
    places = [_checked_corners(match) for match in matches]
    several = len({match.template for match in matches}) > 1
    labels: list[Label] = []
    for match, corners in zip(reversed(matches), reversed(places), strict=True):
        colour = FOUND_COLOUR if match.found else MISSED_COLOUR
        drawn = draw_outline(canvas, corners, scale, colour, dashed=not match.found)
        name = f"{_called(match)} " if several else ""
        text = f"{name}{match.score:.2f}" + ("" if match.found else " not found")
        labels.append(Label(drawn, corners * scale, text, colour))
    draw_labels(canvas, labels[::-1], CROWDED_TEXT if len(matches) > CROWD else 1.0)
    return canvas


def draw_quality(quality: NDArray[np.float32]) -> Image:
    """Colour a quality map on a fixed square-root scale: black is 0, pale yellow is 1.

    Args:
        quality: ``(h, w)``, values in [0, 1].

    Returns:
        ``(h, w, 3)`` uint8 BGR.

    Raises:
        InputError: something else, or nothing.
    """
    numbers = isinstance(quality, np.ndarray) and quality.dtype.kind in "fiu"
    numbers = numbers and not np.ma.isMaskedArray(quality)
    if not numbers or quality.ndim != 2 or not quality.size:  # noqa: PLR2004
        raise InputError(f"quality is {seen(quality)}; give numbers of shape (h, w)")
    likelihood = np.sqrt(np.clip(np.nan_to_num(np.asarray(quality)), 0.0, 1.0))
    levels = np.rint(likelihood * 255.0).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), dtype=np.uint8)


def _checked_corners(match: Match) -> NDArray[np.float64]:
    """Where a match is drawn: one that was made by hand may hold anything.

    Raises:
        InputError: its corners, score, name or numbers are none.
    """
    try:
        with np.errstate(all="ignore"):
            corners = np.asarray(match.corners, np.float64)
    except (TypeError, ValueError, IndexError, AttributeError):
        corners = np.empty(0)
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        held = {"box": match.box, "rows": match.rows, "size": match.size}
        raise InputError(f"a match with {seen(held)} has no corners; give finite numbers")
    if as_float(match.score) is None:
        raise InputError(f"the score of a match is {seen(match.score)}; give 0 to 1")
    if not isinstance(match.name, str):
        raise InputError(f"the name of a match is {seen(match.name)}; give text")
    as_count(match.template, "template of a match")
    as_switch(match.found, "found of a match")
    return np.clip(corners, -FAR, FAR)


def _called(match: Match) -> str:
    """What a match's object is called on a picture."""
    return in_short(match.name) or f"#{match.template}"
