"""Contact sheet of the worst cases: template, picture with both boxes, quality map."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ....runtime.drawing.labels import FOUND_COLOUR, MISSED_COLOUR
from ....runtime.drawing.outlines import INK
from ....runtime.errors import ImageError
from ....runtime.images import Image, read_image, resize_to
from ...drawing.draw import (
    CAPTION_COLOUR,
    MAP_BOX_COLOUR,
    PAPER,
    cut,
)
from .match_figures import scores_of
from .match_runs import Outcome

CASES = 12
COLUMNS = 2
PICTURE = (320, 240)
TEMPLATE = (110, 240)
MARGIN = 6
CAPTION = 22
FONT = cv2.FONT_HERSHEY_SIMPLEX


def worst(outcomes: Sequence[Outcome], protocol: str, count: int = CASES) -> list[Outcome]:
    """The outcomes furthest from the truth: least overlap if present, highest score if absent.

    With absent objects among them, the present ones with the lowest and the absent ones with the
    highest scores alternate.
    """
    scores = scores_of(outcomes, protocol)
    if all(outcome.task.present for outcome in outcomes):
        order = sorted(range(len(outcomes)), key=lambda i: outcomes[i].overlap(protocol))
        return [outcomes[i] for i in order[:count]]
    ranked = np.argsort(scores, kind="stable")
    missed = [outcomes[i] for i in ranked if outcomes[i].task.present]
    alarms = [outcomes[i] for i in ranked[::-1] if not outcomes[i].task.present]
    mixed = [outcome for both in zip(missed, alarms, strict=False) for outcome in both]
    return mixed[:count]


def contact_sheet(outcomes: Sequence[Outcome], protocol: str) -> Image:
    """Draw cases in rows of two.

    The true box is green, the answer orange; an absent object has no true box.

    Args:
        outcomes: the cases.
        protocol: whose answers to draw.

    Returns:
        ``(H, W, 3)`` uint8 BGR.
    """
    tiles = [_tile(outcome, protocol) for outcome in outcomes]
    if not tiles:
        return np.full((CAPTION, TEMPLATE[0], 3), PAPER, np.uint8)
    blank = np.full_like(tiles[0], PAPER)
    tiles += [blank] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _tile(outcome: Outcome, protocol: str) -> Image:
    """One case."""
    task, answer = outcome.task, outcome.answers.get(protocol)
    scene = heat = crop = np.full((8, 8, 3), PAPER, np.uint8)
    try:
        crop = cut(read_image(task.template.path), task.template.box)
        image = read_image(task.search.path)
    except ImageError:
        image = None
    if image is not None:
        scene, scale = fitted(image, PICTURE)
        heat = np.full_like(scene, PAPER)
        if outcome.quality is not None:
            size = (scene.shape[1], scene.shape[0])
            levels = cv2.resize(outcome.quality, size, interpolation=cv2.INTER_LINEAR)
            heat = np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), np.uint8)
        if task.present:
            _outline(scene, task.search.box, scale, FOUND_COLOUR)
            _outline(heat, task.search.box, scale, FOUND_COLOUR)
        if answer:
            _outline(scene, answer.box, scale, MISSED_COLOUR)
            _outline(heat, answer.box, scale, MAP_BOX_COLOUR)
    panels = [(fitted(crop, TEMPLATE)[0], TEMPLATE), (scene, PICTURE), (heat, PICTURE)]
    row = np.hstack([framed(picture, room) for picture, room in panels])
    head = np.full((CAPTION, row.shape[1], 3), PAPER, np.uint8)
    text = _caption(outcome, protocol).encode("ascii", "replace").decode("ascii")
    cv2.putText(head, text, (MARGIN, CAPTION - 7), FONT, 0.42, CAPTION_COLOUR, 1, cv2.LINE_AA)
    return np.vstack([head, row])


def _caption(outcome: Outcome, protocol: str) -> str:
    """What happened, in a line."""
    task, answer = outcome.task, outcome.answers.get(protocol)
    what = f"{task.name} {task.search.path.stem.split('_', 1)[-1]}"
    if answer is None:
        return f"{what}: failed, {outcome.error}"[:100]
    verdict = f"IoU {answer.overlap:.2f}" if task.present else "absent"
    return f"{what}: {verdict}, score {answer.score:.3g}"


def fitted(image: Image, room: tuple[int, int]) -> tuple[Image, float]:
    """An image resized to fit a room, and by how much."""
    height, width = image.shape[:2]
    scale = min(room[0] / width, room[1] / height)
    return resize_to(
        image, max(1, round(width * scale)), max(1, round(height * scale))
    ).copy(), scale


def framed(picture: Image, room: tuple[int, int]) -> Image:
    """A picture in the middle of its room, with a margin."""
    canvas = np.full((room[1] + 2 * MARGIN, room[0] + 2 * MARGIN, 3), PAPER, np.uint8)
    height, width = picture.shape[:2]
    top, left = (canvas.shape[0] - height) // 2, (canvas.shape[1] - width) // 2
    canvas[top : top + height, left : left + width] = picture
    return canvas


def _outline(
    canvas: Image, box: Sequence[float], scale: float, colour: tuple[int, int, int]
) -> None:
    """Draw a box with a dark rim."""
    left, top = round(box[0] * scale), round(box[1] * scale)
    right, bottom = round((box[0] + box[2]) * scale), round((box[1] + box[3]) * scale)
    cv2.rectangle(canvas, (left, top), (right, bottom), INK, 3)
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, 1)
