"""Pictures of results: boxes on the image, and template, image and quality map side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime import Match
from ...runtime.drawing.draw_matches import draw_matches, draw_quality
from ...runtime.drawing.outlines import draw_outline
from ...runtime.images import Image, resize_to

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


class Panel(NamedTuple):
    """Width and height, in pixels, into which a picture is fitted."""

    width: int
    height: int


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
    coloured = draw_quality(np.asarray(heat, np.float32))
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
    return _joined(parts)


def framed_row(pictures: Sequence[Image], captions: Sequence[str], room: Panel) -> Image:
    """Put pictures next to each other, each in its panel under a caption.

    Args:
        pictures: no larger than ``room``.
        captions: one line of text above each.
        room: for each.
    """
    pairs = zip(pictures, captions, strict=True)
    return _joined([_framed(picture, room, caption) for picture, caption in pairs])


def _joined(parts: Sequence[Image]) -> Image:
    """Pictures of one height next to each other, with margins."""
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
