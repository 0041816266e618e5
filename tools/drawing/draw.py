"""Pictures of results: boxes on the image, and template, image and quality map side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime import Match
from ...runtime.boxes import Box
from ...runtime.images import Image, as_bgr, resize_to
from .outlines import INK, Colour, draw_outline, line_unit, whole_edges

FOUND_COLOUR = (90, 230, 60)
MISSED_COLOUR = (30, 150, 255)
MAP_BOX_COLOUR = (255, 255, 255)
PAPER = (34, 30, 28)
CAPTION_COLOUR = (225, 225, 225)
FONT = cv2.FONT_HERSHEY_SIMPLEX

LONGEST_PANEL = 960
SHORTEST_PANEL = 320
MAX_ENLARGE = 10.0
TEMPLATE_SHARE = 0.6
CAPTION_HEIGHT = 30
CAPTION_SCALE = 0.55
MARGIN = 10
LONGEST_NAME = 18
CROWD = 12
"""Matches beyond which their scores are written smaller."""

CROWDED_TEXT = 0.7


class Panel(NamedTuple):
    """Width and height, in pixels, into which a picture is fitted."""

    width: int
    height: int


def draw_matches(image: Image, matches: Sequence[Match], scale: float = 1.0) -> Image:
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
    """
    canvas = as_bgr(image).copy()
    several = len({match.template for match in matches}) > 1
    tags: list[tuple[Box, str, Colour]] = []
    for match in reversed(matches):
        colour = FOUND_COLOUR if match.found else MISSED_COLOUR
        drawn = draw_outline(canvas, match.corners, scale, colour, dashed=not match.found)
        name = f"{_called(match)} " if several else ""
        text = f"{name}{match.score:.2f}" + ("" if match.found else " not found")
        tags.append((drawn, text, colour))
    size = CROWDED_TEXT if len(matches) > CROWD else 1.0
    for drawn, text, colour in tags:
        draw_label(canvas, drawn, 1.0, text, colour, size)
    return canvas


def heat_picture(quality: NDArray[np.float32]) -> Image:
    """Colour a quality map on a fixed square-root scale: black is 0, pale yellow is 1.

    Args:
        quality: ``(h, w)``, values in [0, 1].

    Returns:
        ``(h, w, 3)`` uint8 BGR.
    """
    likelihood = np.sqrt(np.clip(np.nan_to_num(quality), 0.0, 1.0))
    levels = np.rint(likelihood * 255.0).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), dtype=np.uint8)


def side_by_side(
    image: Image,
    template: Image,
    quality: NDArray[np.float32],
    matches: Sequence[Match],
    *,
    captions: Sequence[str] = ("template", "matches", "quality map"),
    panel: Panel | None = None,
) -> Image:
    """Put the template, the image with its matches, and the quality map next to each other.

    Args:
        image: search image, ``(H, W, 3)`` uint8 BGR.
        template: picture of the template, ``(h, w, 3)`` uint8 BGR.
        quality: quality map of the whole image, values in [0, 1], any size (best: shown_size).
        matches: matches in pixels of ``image``.
        captions: one line of text above each of the three pictures.
        panel: room for the image and for the map; by default it follows the size of the image.

    Returns:
        ``(H', W', 3)`` uint8 BGR.
    """
    room = panel or panel_for(image)
    scene = scene_picture(image, matches, room)
    heat = map_picture(image, quality, matches, room)
    return panel_row([template, scene, heat], captions, room)


def scene_picture(image: Image, matches: Sequence[Match], room: Panel) -> Image:
    """An image as large as a panel shows it, with its matches."""
    height, width = shown_size(image, room)
    return draw_matches(resize_to(image, width, height), matches, _fit(image, room))


def map_picture(
    image: Image, quality: NDArray[np.float32], matches: Sequence[Match], room: Panel
) -> Image:
    """The quality map of an image as large as a panel shows it, with the matches' outlines."""
    height, width = shown_size(image, room)
    heat = cv2.resize(np.asarray(quality, np.float32), (width, height))
    coloured = heat_picture(np.asarray(heat, np.float32))
    for match in reversed(matches):
        corners, scale = match.corners, _fit(image, room)
        draw_outline(coloured, corners, scale, MAP_BOX_COLOUR, dashed=not match.found)
    return coloured


def panel_row(pictures: Sequence[Image], captions: Sequence[str], room: Panel) -> Image:
    """Put a template, a scene and what is shown beside it next to each other.

    Args:
        pictures: the template in any size, the others no larger than ``room``.
        captions: one line of text above each.
        room: for the scene, and for what is beside it.
    """
    template, *others = pictures
    square = template_panel(room)
    crop = resize_to(template, *_scaled(template, _fit(template, square)))
    parts = [_framed(crop, square, captions[0])]
    parts += [
        _framed(other, room, caption) for other, caption in zip(others, captions[1:], strict=True)
    ]
    gap = np.full((parts[0].shape[0], MARGIN, 3), PAPER, np.uint8)
    row = np.hstack([gap, *(piece for part in parts for piece in (part, gap))])
    bottom = np.full((MARGIN, row.shape[1], 3), PAPER, np.uint8)
    return np.vstack([row, bottom])


def template_panel(room: Panel) -> Panel:
    """Room for the template beside a scene."""
    return Panel(round(min(room) * TEMPLATE_SHARE), room.height)


def shown_size(image: Image, panel: Panel | None = None) -> tuple[int, int]:
    """Height and width at which :func:`side_by_side` shows an image."""
    width, height = _scaled(image, _fit(image, panel or panel_for(image)))
    return height, width


def cut(image: Image, box: Sequence[float]) -> Image:
    """The part of an image inside a box, at least one pixel, for showing (not for matching).

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        box: ``(x, y, w, h)`` in pixels; what lies outside the image is left out.
    """
    height, width = image.shape[:2]
    left = int(np.clip(np.floor(box[0]), 0, width - 1))
    top = int(np.clip(np.floor(box[1]), 0, height - 1))
    right = int(np.clip(np.ceil(box[0] + box[2]), left + 1, width))
    bottom = int(np.clip(np.ceil(box[1] + box[3]), top + 1, height))
    return image[top:bottom, left:right].copy()


def draw_label(
    canvas: Image,
    box: Sequence[float],
    scale: float,
    text: str,
    colour: Colour,
    smaller: float = 1.0,
) -> None:
    """Write on a filled tag above the box, or below it where there is no room above."""
    unit = line_unit(canvas) * smaller
    size, thickness = 0.5 * unit, max(1, round(1.2 * unit))
    (wide, tall), below = cv2.getTextSize(text, FONT, size, thickness)
    pad = max(2, round(3 * unit))
    tag_w, tag_h = wide + 2 * pad, tall + below + 2 * pad
    height, width = canvas.shape[:2]
    if tag_w > width or 2 * tag_h > height:
        return
    left, top, _, bottom = whole_edges(box, scale)
    x = min(max(left, 0), width - tag_w)
    y = top - tag_h if top >= tag_h else min(bottom + 1, height - tag_h)
    y = min(max(y, 0), height - tag_h)
    cv2.rectangle(canvas, (x, y), (x + tag_w - 1, y + tag_h - 1), colour, cv2.FILLED)
    origin = (x + pad, y + pad + tall)
    cv2.putText(canvas, text, origin, FONT, size, INK, thickness, cv2.LINE_AA)


def _called(match: Match) -> str:
    """What a match's object is called on a picture."""
    name = match.name.encode("ascii", "replace").decode("ascii")
    if not name:
        return f"#{match.template}"
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 2]}.."


def panel_for(image: Image) -> Panel:
    """Room that shows an image at its own size, within limits for tiny and huge ones."""
    height, width = image.shape[:2]
    longest = max(height, width)
    scale = min(LONGEST_PANEL / longest, max(1.0, SHORTEST_PANEL / longest))
    fitted_w, fitted_h = _scaled(image, scale)
    return Panel(max(fitted_w, SHORTEST_PANEL // 2), max(fitted_h, SHORTEST_PANEL // 2))


def _fit(image: Image, panel: Panel) -> float:
    """The factor that fits a picture into a panel."""
    height, width = image.shape[:2]
    return min(panel.width / width, panel.height / height, MAX_ENLARGE)


def _scaled(image: Image, scale: float) -> tuple[int, int]:
    """Width and height of a scaled picture, at least one pixel each."""
    return max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))


def _framed(picture: Image, panel: Panel, caption: str) -> Image:
    """Centre a picture in its panel under a caption."""
    canvas = np.full((panel.height + CAPTION_HEIGHT, panel.width, 3), PAPER, np.uint8)
    x = (panel.width - picture.shape[1]) // 2
    y = CAPTION_HEIGHT + (panel.height - picture.shape[0]) // 2
    canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    origin = (2, CAPTION_HEIGHT - 10)
    text = _shortened(caption, panel.width - 4)
    cv2.putText(canvas, text, origin, FONT, CAPTION_SCALE, CAPTION_COLOUR, 1, cv2.LINE_AA)
    return canvas


def _shortened(text: str, width: int) -> str:
    """Cut a caption to a width in pixels; the font has ASCII letters only."""
    plain = text.encode("ascii", "replace").decode("ascii")
    if _text_width(plain) <= width:
        return plain
    while plain and _text_width(plain + "...") > width:
        plain = plain[:-1]
    return plain + "..." if plain else ""


def _text_width(text: str) -> int:
    """Width of a caption in pixels."""
    return cv2.getTextSize(text, FONT, CAPTION_SCALE, 1)[0][0]
