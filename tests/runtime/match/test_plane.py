"""Maps of planar objects, and their pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from qatm.runtime.boxes import Box
from qatm.runtime.match.plane import (
    believable,
    closest_similarity,
    moves,
    outline_places,
    pixel_matrix,
    place_matrix,
    projected,
    step_matrix,
    straightened,
)
from qatm.runtime.match.plane_pixels import PlaneTemplate, plane_pyramid
from qatm.runtime.match.pose import Pose, upright_crop
from qatm.runtime.match.posed_rows import TemplateView

Images = dict[str, np.ndarray]

SIZE = (80.0, 60.0)
SIMILAR = place_matrix(Pose(200.0, 150.0, 30.0, 1.2).transform(SIZE), SIZE)


def test_steps_are_what_the_moves_say() -> None:
    places = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    for parameter in range(8):
        step = np.zeros(8)
        step[parameter] = 1e-5
        moved = (projected(step_matrix(step), places) - places) / 1e-5
        np.testing.assert_allclose(moved, moves(places)[parameter].T, atol=1e-4)
    np.testing.assert_array_equal(step_matrix(np.zeros(4)), np.eye(3))


def test_maps_of_places_and_of_pixels_are_the_same() -> None:
    transform = np.array([[1.2, 0.1, 30.0], [-0.2, 0.9, 40.0], [0.0004, -0.0002, 1.0]])
    matrix = place_matrix(transform, SIZE)
    np.testing.assert_allclose(pixel_matrix(matrix, SIZE), transform, atol=1e-12)
    corners = projected(matrix, outline_places(SIZE))
    own = np.array([[[0, 0], [80, 0], [80, 60], [0, 60]]], np.float64)
    np.testing.assert_allclose(corners, cv2.perspectiveTransform(own, transform)[0], atol=1e-9)


def test_the_closest_similarity_of_a_similarity_is_itself() -> None:
    for angle in (-179.0, -40.0, 0.0, 90.0, 180.0):
        corners = Pose(10.0, 20.0, angle, 0.7).corners(SIZE)
        found, scale = closest_similarity(corners, SIZE)
        assert found == pytest.approx(angle)
        assert scale == pytest.approx(0.7)
    # Stretching along both axes by inverse factors turns nothing.
    angle, scale = closest_similarity(outline_places(SIZE) * (1.5, 1 / 1.5), SIZE)
    assert angle == pytest.approx(0)
    assert scale < 1


@pytest.mark.parametrize(
    ("step", "good"),
    [
        ((0, 0, 0, 0, 0, 0, 0, 0), True),
        ((0, 0, 0.1, 0.1, 0.15, 0.15, 0.2, -0.1), True),
        # Flipped, folded, seen from the edge, far too large, and elsewhere.
        ((0, 0, 0, -1, 1, 0, 0, 0), False),
        ((0, 0, 0, 0, 0, 0, 1.2, 0), False),
        ((0, 0, 0, 0, 0.6, 0, 0, 0), False),
        ((0, 0, 0, 1, 0, 0, 0, 0), False),
        ((1.2, 0, 0, 0, 0, 0, 0, 0), False),
        ((0, 0, 0, 0, 0, 0, 0.55, 0), False),
        ((math.nan, 0, 0, 0, 0, 0, 0, 0), False),
    ],
)
def test_maps_that_can_be_none_of_the_object_are_refused(
    step: tuple[float, ...], good: bool
) -> None:
    assert believable(SIMILAR @ step_matrix(np.array(step)), SIMILAR, SIZE) == good


def test_mirrored_maps_are_refused() -> None:
    assert not believable(SIMILAR @ np.diag([-1.0, 1.0, 1.0]), SIMILAR, SIZE)


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5])
def test_an_object_is_straightened_as_it_is_turned_upright(
    photographs: Images, scale: float
) -> None:
    image = cv2.GaussianBlur(photographs["astronaut"], (0, 0), 2.5)
    pose = Pose(250.3, 200.8, 25.0, scale)
    unit = math.sqrt(80 * 60) / 2
    straight = straightened(image, place_matrix(pose.transform(SIZE), SIZE), unit, (80, 60), 1)
    upright = upright_crop(image, pose, 1.0, 80, 60, cv2.BORDER_REPLICATE)
    assert straight.shape == upright.shape
    assert np.abs(straight.astype(int) - upright).mean() < 1


def template_of(image: np.ndarray, box: tuple[float, ...]) -> list[PlaneTemplate]:
    view = TemplateView.cut(image, Box(*box), None, 64 / math.sqrt(box[2] * box[3]), framed=True)
    return plane_pyramid(view)


@pytest.mark.parametrize("count", [4, 6, 8])
@pytest.mark.parametrize("seed", range(3))
def test_pixels_find_known_maps(photographs: Images, count: int, seed: int) -> None:
    random = np.random.default_rng((seed, count))
    image, box = photographs["astronaut"], (180.0, 60.0, 90.0, 90.0)
    reach = np.array([0.05, 0.05, 0.1, 0.1, 0.15, 0.15, 0.1, 0.1])
    pose = Pose(250.4, 200.7, float(random.uniform(-180, 180)), 1.1)
    size = box[2:]
    start = place_matrix(pose.transform(size), size)
    truth = start @ step_matrix(random.uniform(-reach, reach)[:count])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    to_image = pixel_matrix(truth, size) @ [[1, 0, -box[0]], [0, 1, -box[1]], [0, 0, 1]]
    whole = np.linalg.inv(half) @ to_image @ half
    seen = cv2.warpPerspective(image, whole, (500, 400), flags=cv2.INTER_CUBIC)
    # Another light, and noise.
    light = np.clip(seen * 0.8 + 20 + random.normal(0, 3, seen.shape), 0, 255)
    grey = cv2.cvtColor(light.astype(np.uint8), cv2.COLOR_BGR2GRAY).astype(np.float32)
    here, correlation = start, 0.0
    for level in template_of(image, box):
        here, correlation = level.register(grey, here, count)
    assert correlation > 0.97
    places = outline_places(size)
    np.testing.assert_allclose(projected(here, places), projected(truth, places), atol=0.4)


def test_what_is_flat_has_no_pixels_to_register(photographs: Images) -> None:
    assert template_of(np.full((100, 100, 3), 90, np.uint8), (20, 20, 40, 40)) == []
    level = template_of(photographs["coffee"], (322, 228, 64, 64))[0]
    flat = np.full((100, 100), 90, np.float32)
    matrix, correlation = level.register(flat, SIMILAR, 8)
    assert matrix is SIMILAR
    assert correlation == -1


def test_stripes_are_moved_across_themselves_only() -> None:
    stripes = np.full((100, 100, 3), 120, np.uint8)
    stripes[:, ::9] = 20
    stripes = cv2.GaussianBlur(stripes, (0, 0), 2)
    levels = template_of(stripes, (30, 30, 40, 40))
    size = (40.0, 40.0)
    start = place_matrix(Pose(51.0, 50.0).transform(size), size)
    grey = stripes[..., 0].astype(np.float32)
    here = start
    for level in levels:
        here, _ = level.register(grey, here, 4)
    off = projected(here, np.zeros((1, 2)))[0]
    np.testing.assert_allclose(off, (50.0, 50.0), atol=0.05)
