"""The last fraction of a pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from qatm.runtime.boxes import Box
from qatm.runtime.match.pixels import PixelTemplate
from qatm.runtime.match.pose import Pose, wrapped
from qatm.runtime.match.posed_rows import TemplateView

Images = dict[str, np.ndarray]

BOXES = {"astronaut": (180, 60, 90, 90), "coffee": (322, 228, 64, 64), "rocket": (310, 100, 40, 90)}


def template_of(image: np.ndarray, box: tuple[float, ...]) -> PixelTemplate:
    view = TemplateView.cut(image, Box(*box), None, 64 / np.sqrt(box[2] * box[3]), framed=True)
    made = PixelTemplate.of(view)
    assert made is not None
    return made


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("seed", range(3))
def test_known_transforms_are_recovered(photographs: Images, name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    image, box = photographs[name], BOXES[name]
    template = template_of(image, box)
    centre = np.array(Box(*box).centre)
    angle, scale = random.uniform(-180, 180), np.exp(random.uniform(-0.4, 0.4))
    matrix = cv2.getRotationMatrix2D(tuple(centre - 0.5), angle, scale)
    there = np.array([300.0, 250.0]) + random.uniform(0, 1, 2)
    matrix[:, 2] += there - centre
    turned = cv2.warpAffine(image, matrix, (600, 500), flags=cv2.INTER_CUBIC)
    # Another light.
    turned = np.clip(turned * 0.8 + 20 + random.normal(0, 2, turned.shape), 0, 255).astype(np.uint8)
    start = Pose(
        there[0] + random.uniform(-1.5, 1.5),
        there[1] + random.uniform(-1.5, 1.5),
        angle + random.uniform(-3, 3),
        scale * np.exp(random.uniform(-0.03, 0.03)),
    )
    fit = template.register(turned, start)
    assert fit.correlation > 0.97
    assert fit.correlation >= fit.before
    assert np.hypot(fit.pose.x - there[0], fit.pose.y - there[1]) < 0.1
    assert abs(wrapped(fit.pose.angle - angle)) < 0.3
    assert abs(np.log(fit.pose.scale / scale)) < 0.005


def test_what_is_not_there_moves_nothing_far(photographs: Images) -> None:
    template = template_of(photographs["coffee"], BOXES["coffee"])
    start = Pose(200, 150, 20, 1.1)
    fit = template.register(photographs["rocket"], start)
    assert fit.correlation < 0.8
    assert np.hypot(fit.pose.x - start.x, fit.pose.y - start.y) < 10


def test_flat_templates_have_no_pixels_to_register() -> None:
    flat = np.full((100, 100, 3), 120, np.uint8)
    view = TemplateView.cut(flat, Box(20, 20, 40, 40), None, 1.0, framed=True)
    assert PixelTemplate.of(view) is None
    stripes = flat.copy()
    stripes[::8] = 20
    view = TemplateView.cut(stripes, Box(20, 20, 40, 40), None, 1.0, framed=True)
    # Stripes say nothing of moves along them.
    assert PixelTemplate.of(view) is None


def test_a_flat_image_correlates_with_nothing(photographs: Images) -> None:
    template = template_of(photographs["coffee"], BOXES["coffee"])
    start = Pose(50, 50)
    fit = template.register(np.full((100, 100, 3), 90, np.uint8), start)
    assert fit.pose == start
    assert fit.correlation <= 0


def test_a_pose_that_does_not_get_better_stays_as_it_was(photographs: Images) -> None:
    template = template_of(photographs["coffee"], BOXES["coffee"])
    start = Pose(50, 50, 33.3, 1.17)
    assert template.register(np.full((100, 100, 3), 90, np.uint8), start).pose is start
