"""Copies at any angle: each is found once, also where it looks the same in several poses."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_objects import gravel, laid, washer

from qatm.runtime import Matcher, Template
from qatm.runtime.images import Image
from qatm.runtime.match.pose import Pose, outline_overlap, wrapped

SIDE = 48


def turned(part: Image, angle: float) -> Image:
    """A square picture turned about its middle."""
    middle = (part.shape[1] / 2 - 0.5, part.shape[0] / 2 - 0.5)
    matrix = cv2.getRotationMatrix2D(middle, angle, 1)
    kind = cv2.INTER_CUBIC
    return np.asarray(cv2.warpAffine(part, matrix, part.shape[1::-1], flags=kind), np.uint8)


def symmetric(kind: str) -> tuple[Image, Image]:
    """A ring, or a cross that looks the same after a quarter of a turn; and its mask."""
    part, mask = np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    middle = (SIDE // 2, SIDE // 2)
    cv2.circle(mask, middle, SIDE // 2 - 1, 255, -1)
    cv2.circle(part, middle, SIDE // 2 - 1, (70, 160, 220), -1)
    if kind == "ring":
        cv2.circle(part, middle, SIDE // 4, (30, 60, 90), -1)
    else:
        cv2.rectangle(part, (21, 8), (27, 40), (235, 240, 245), -1)
        cv2.rectangle(part, (8, 21), (40, 27), (235, 240, 245), -1)
    return part, mask


@pytest.mark.parametrize("kind", ["ring", "cross"])
def test_a_symmetric_object_is_found_once(matcher: Matcher, kind: str) -> None:
    rng = np.random.default_rng(11)
    ground = gravel(400, 320, rng)
    part, mask = symmetric(kind)
    laid(ground, part, mask, (220, 140))
    template = matcher.encode_template(ground, (220, 140, SIDE, SIDE))
    found = [
        match
        for match in matcher.match(ground, top_k=6, templates=[template], rotation=180)
        if match.found
    ]
    assert len(found) == 1
    assert found[0].corners.mean(0) == pytest.approx((244, 164), abs=0.5)
    assert found[0].scale == pytest.approx(1, abs=0.02)
    if kind == "cross":
        assert abs(wrapped(4 * found[0].angle)) < 8


def test_turned_copies_are_all_found_at_their_angles(matcher: Matcher) -> None:
    rng = np.random.default_rng(12)
    ground = gravel(480, 360, rng)
    part, mask = washer(SIDE)
    truths = {}
    for index, angle in enumerate((0, 40, 100, 160, -130, -70)):
        at = (30 + 150 * (index % 3), 50 + 160 * (index // 3))
        laid(ground, turned(part, angle), mask, at)
        truths[at] = angle
    # The corners of its box show the ground, which does not turn with it.
    template = matcher.encode_template(ground, (30, 50, SIDE, SIDE), mask > 127)
    matches = matcher.match(ground, top_k=12, templates=[template], rotation=180)
    found = [match for match in matches if match.found]
    assert len(found) == len(truths)
    for (x, y), angle in truths.items():
        outline = Pose(x + SIDE / 2, y + SIDE / 2, float(angle)).corners((SIDE, SIDE))
        best = max(found, key=lambda match: outline_overlap(match.corners, outline))
        assert outline_overlap(best.corners, outline) > 0.95
        assert abs(wrapped(best.angle - angle)) < 1


def test_copies_do_not_lower_the_score_of_a_turned_object(
    matcher: Matcher, photographs: dict[str, Image]
) -> None:
    face = photographs["astronaut"][70:140, 190:260]
    template = matcher.encode_template(face)
    scores = []
    for count in (1, 4):
        scene = photographs["coffee"].copy()
        for index in range(count):
            x, y = 60 + 300 * (index % 2), 30 + 200 * (index // 2)
            scene[y : y + 70, x : x + 70] = np.rot90(face, 1 + index)
        matches = matcher.match(scene, top_k=6, templates=[template], rotation=180)
        assert sum(match.found for match in matches) == count
        scores.append(matches[0].score)
    assert scores[1] > scores[0] - 0.1


def test_an_object_beyond_the_sizes_is_not_found(
    matcher: Matcher, photographs: dict[str, Image]
) -> None:
    image = photographs["coffee"]
    template = matcher.encode_template(image, (322, 228, 64, 64))
    twice = np.asarray(cv2.resize(image[180:340, 260:460], None, fx=2, fy=2))
    for rotation, scale in ((None, None), (None, (0.7, 1.3)), (180, None)):
        match = matcher.match(twice, templates=[template], rotation=rotation, scale=scale)[0]
        assert not match.found, (rotation, scale, match.score)
    match = matcher.match(twice, templates=[template], scale=2.1)[0]
    assert match.score > 0.9
    assert match.scale == pytest.approx(2, rel=0.02)


def test_a_saved_template_with_poses_answers_the_same(
    matcher: Matcher, photographs: dict[str, Image], tmp_path: Path
) -> None:
    """Those that were encoded ahead, and those that are encoded when they are needed."""
    image = photographs["astronaut"]
    box = (190, 70, 70, 70)
    scene = np.ascontiguousarray(np.rot90(image))
    late = matcher.encode_template(image, box)
    ahead = matcher.encode_template(image, box, rotation=180)
    loaded = [
        Template.load(template.save(tmp_path / f"{number}.npz"))
        for number, template in enumerate((late, ahead))
    ]
    first = matcher.match(scene, top_k=3, templates=[late], rotation=180)
    for template in (ahead, *loaded):
        assert matcher.match(scene, top_k=3, templates=[template], rotation=180) == first
