"""Pictures of answers: what was looked for, where it is, and the quality map, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ...runtime import Match, QualityMap, Verification
from ...runtime.boxes import Box
from ...runtime.drawing.labels import FOUND_COLOUR, MISSED_COLOUR
from ...runtime.images import Image
from .draw import (
    map_picture,
    panel_for,
    panel_row,
    scene_picture,
    shown_size,
    side_by_side,
    template_panel,
)
from .tiles import tiled, upright_views

MOST_VIEWS = 60
"""Objects that are shown turned back."""


class Beside(NamedTuple):
    """What is shown beside an image, no larger than the image is shown, and its caption."""

    picture: Image
    caption: str


def match_picture(
    templates: Sequence[Image], name: str, image: Image, matches: Sequence[Match], beside: Beside
) -> Image:
    """The templates, an image with its matches, and what is shown beside it.

    Args:
        templates: at least one, ``(h, w, 3)`` uint8 BGR.
        name: of the image's file, for the caption.
        image: ``(H, W, 3)`` uint8 BGR.
        matches: best first.
        beside: see :func:`quality_picture` and :func:`turned_back`.

    Returns:
        ``(H', W', 3)`` uint8 BGR.
    """
    found = sum(match.found for match in matches)
    verdict = "found" if found == 1 else f"{found} found" if found else "not found"
    shown = tiled(templates, template_panel(panel_for(image)))
    captions = (
        f"template {_size(templates[0])}" if len(templates) == 1 else f"{len(templates)} templates",
        f"{Path(name).name} {_size(image)}: {verdict}",
        beside.caption,
    )
    scene = scene_picture(image, matches, panel_for(image))
    return panel_row([shown, scene, beside.picture], captions, panel_for(image))


def quality_picture(image: Image, maps: Sequence[QualityMap], matches: Sequence[Match]) -> Beside:
    """The quality map of the whole image; of several templates, the highest quality at each place.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        maps: of each template.
        matches: are outlined.
    """
    heat = np.max([each.resized(shown_size(image)) for each in maps], axis=0)
    peak = max(float(each.values.max()) for each in maps)
    picture = map_picture(image, heat, matches, panel_for(image))
    return Beside(picture, f"quality map, peak {peak:.2f}")


def turned_back(image: Image, matches: Sequence[Match]) -> Beside:
    """What was found, turned upright and resized as the templates are, best first.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        matches: at least one; if none is found, the candidates are shown.
    """
    found = [match for match in matches if match.found]
    picture = upright_views(image, (found or list(matches))[:MOST_VIEWS], panel_for(image))
    return Beside(picture, "found, turned back" if found else "best candidate, turned back")


def place_picture(query: Image, reference: Image, name: str, answer: Verification) -> Image:
    """A query, the reference with the region's border and box, and the quality map.

    Args:
        query: ``(h, w, 3)`` uint8 BGR.
        reference: ``(H, W, 3)`` uint8 BGR.
        name: of the reference's file, for the caption.
        answer: what was found out about the query.

    Returns:
        ``(H', W', 3)`` uint8 BGR.
    """
    scene = reference.copy()
    colour = FOUND_COLOUR if answer.same_place else MISSED_COLOUR
    mask = np.asarray(answer.region.mask, np.uint8)
    border = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    cv2.drawContours(scene, border, -1, colour, max(1, round(max(scene.shape) / 400)))
    verdict = "same place" if answer.same_place else "not the same place"
    captions = (
        f"query {_size(query)}",
        f"{Path(name).name} {_size(reference)}: {verdict}, {answer.score:.2f}",
        f"quality map, peak {float(answer.quality.values.max()):.2f}",
    )
    heat = answer.quality.resized(shown_size(reference))
    boxes = _region_boxes(answer, scene.shape[1])
    matches = [Match(box, answer.score, answer.same_place) for box in boxes]
    return side_by_side(scene, query, heat, matches, captions=captions)


def _region_boxes(answer: Verification, width: int) -> list[Box]:
    """The box around the region, and its other half where it goes on beyond a panorama's seam."""
    region = answer.region
    if not region.mask.any():
        return []
    box = region.box
    turns = [0, -width] if box.x + box.w > width else [0]
    return [Box(box.x + turn, *box[1:]) for turn in turns]


def _size(image: Image) -> str:
    """Width and height for a caption."""
    return f"{image.shape[1]}x{image.shape[0]}"
