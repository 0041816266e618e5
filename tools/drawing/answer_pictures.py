"""Pictures of answers: what was looked for, where it is, and the quality map, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ...runtime import Match, QualityMap, Verification
from ...runtime.boxes import Box
from ...runtime.images import Image
from .draw import FOUND_COLOUR, MISSED_COLOUR, shown_size, side_by_side


def match_picture(
    template: Image, name: str, image: Image, matches: Sequence[Match], quality: QualityMap
) -> Image:
    """The template, an image with its matches, and the quality map.

    Args:
        template: ``(h, w, 3)`` uint8 BGR.
        name: of the image's file, for the caption.
        image: ``(H, W, 3)`` uint8 BGR.
        matches: best first.
        quality: of the whole image.

    Returns:
        ``(H', W', 3)`` uint8 BGR.
    """
    verdict = "found" if any(match.found for match in matches) else "not found"
    captions = (
        f"template {_size(template)}",
        f"{Path(name).name} {_size(image)}: {verdict}",
        f"quality map, peak {float(quality.values.max()):.2f}",
    )
    heat = quality.resized(shown_size(image))
    return side_by_side(image, template, heat, matches, captions=captions)


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
