"""Near-duplicates differ visibly, and symmetry is what a person sees."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from qatm.tools.scenes.likeness import looks_different, symmetry_of
from qatm.tools.scenes.stickers import Sticker, cut_out


def polygon(corners: int, side: int = 160) -> Sticker:
    mask = np.zeros((side, side), np.uint8)
    angles = np.arange(corners) * 2 * np.pi / corners
    ring = side / 2 + side * 0.48 * np.stack([np.cos(angles), np.sin(angles)], 1)
    cv2.fillPoly(mask, [np.rint(ring * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return cut_out((255, 255, 255), mask, 2)


@pytest.mark.parametrize("corners", [2, 3, 4, 5, 6])
def test_symmetry_counts_turns(corners: int) -> None:
    if corners == 2:
        sticker = cut_out((255, 255, 255), np.full((40, 90), 255, np.uint8))
    else:
        sticker = polygon(corners)
    assert symmetry_of(sticker) == corners


def test_a_disc_is_round_and_a_marked_one_is_not() -> None:
    mask = np.zeros((160, 160), np.uint8)
    cv2.circle(mask, (80, 80), 76, 255, -1, cv2.LINE_AA)
    assert symmetry_of(cut_out((255, 255, 255), mask)) == 0
    cv2.circle(mask, (80, 30), 14, 0, -1, cv2.LINE_AA)
    assert symmetry_of(cut_out((255, 255, 255), mask)) == 1


def test_a_dot_is_seen_and_a_faint_one_is_not() -> None:
    plain = polygon(4)
    for level, differs in ((0, True), (235, False)):
        dotted = plain.pixels.copy()
        cv2.circle(dotted, (80, 80), 12, (level, level, level, 255), -1)
        assert looks_different(plain, Sticker(dotted, 2)) == differs


def test_what_is_only_turned_is_not_different_where_things_lie_turned() -> None:
    bar = np.zeros((120, 120), np.uint8)
    bar[20:30, 20:100] = 255
    upright, turned = cut_out((0, 0, 0), bar), cut_out((0, 0, 0), np.rot90(bar).copy())
    assert looks_different(upright, turned)
    assert not looks_different(upright, turned, turns=4)
