"""Contact sheet of the worst searches: the template, and the picture with both outlines."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ....runtime.drawing.labels import FOUND_COLOUR, MISSED_COLOUR
from ....runtime.drawing.outlines import INK
from ....runtime.errors import ImageError
from ....runtime.images import Image
from ...drawing.draw import CAPTION_COLOUR, FONT, PAPER, cut
from ..match.contact_sheet import CAPTION, MARGIN, PICTURE, TEMPLATE, fitted, framed
from .pose_runs import PoseOutcome

WORST = 18
SHEET_COLUMNS = 3


def worst_poses(outcomes: Sequence[PoseOutcome], count: int = WORST) -> list[PoseOutcome]:
    """The searches that went worst.

    First what was found and is wrong, then other objects that are there and not rightly placed,
    then the rest; among each the ones whose score says least of whether they are right.
    """

    def regret(outcome: PoseOutcome) -> tuple[int, float]:
        surprise = abs(outcome.right - outcome.score)
        if outcome.right:
            return 0, surprise
        return (2 if outcome.found else int(outcome.present)), surprise

    return sorted(outcomes, key=regret, reverse=True)[:count]


def pose_sheet(outcomes: Sequence[PoseOutcome]) -> Image:
    """Draw searches: true outlines green, the answer orange, its top edge with a dot.

    Returns:
        ``(H, W, 3)`` uint8 BGR.
    """
    tiles = [_tile(outcome) for outcome in outcomes]
    if not tiles:
        return np.full((CAPTION, TEMPLATE[0], 3), PAPER, np.uint8)
    tiles += [np.full_like(tiles[0], PAPER)] * (-len(tiles) % SHEET_COLUMNS)
    starts = range(0, len(tiles), SHEET_COLUMNS)
    rows = [np.hstack(tiles[start : start + SHEET_COLUMNS]) for start in starts]
    return np.asarray(np.vstack(rows), np.uint8)


def _tile(outcome: PoseOutcome) -> Image:
    """One search."""
    crop = scene = np.full((8, 8, 3), PAPER, np.uint8)
    try:
        picture = outcome.task.load()
    except ImageError:
        picture = None
    if picture is not None:
        crop = cut(picture.frame, picture.box)
        scene, scale = fitted(picture.image, PICTURE)
        for truth in picture.truths:
            draw_outline(scene, truth * scale, FOUND_COLOUR)
        if outcome.outline is not None:
            draw_outline(scene, outcome.outline * scale, MISSED_COLOUR)
    panels = [(fitted(crop, TEMPLATE)[0], TEMPLATE), (scene, PICTURE)]
    row = np.hstack([framed(shown, room) for shown, room in panels])
    head = np.full((CAPTION, row.shape[1], 3), PAPER, np.uint8)
    text = _caption(outcome).encode("ascii", "replace").decode("ascii")
    cv2.putText(head, text, (MARGIN, CAPTION - 7), FONT, 0.42, CAPTION_COLOUR, 1, cv2.LINE_AA)
    return np.vstack([head, row])


def draw_outline(canvas: Image, corners: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Draw an outline with a dark rim, and a dot on the template's top left corner."""
    points = np.rint(np.asarray(corners) * 16 - 8).astype(np.int32)
    for ink, width in ((INK, 3), (colour, 1)):
        cv2.polylines(canvas, [points], isClosed=True, color=ink, thickness=width, shift=4)
    first = points[0]
    cv2.circle(canvas, (int(first[0]), int(first[1])), 3 * 16, colour, cv2.FILLED, shift=4)


def _caption(outcome: PoseOutcome) -> str:
    """What happened, in a line."""
    if outcome.error:
        return f"{outcome.task.name}: failed, {outcome.error}"[:60]
    verdict = f"IoU {outcome.overlap:.2f}" if outcome.present else "absent"
    said = "found" if outcome.found else "not found"
    return f"{outcome.task.name}: {verdict}, {said} {outcome.score:.3g}"
