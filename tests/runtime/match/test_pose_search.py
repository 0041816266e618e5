"""The first look over poses: responses, and the candidates that come of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from qatm.runtime import Matcher
from qatm.runtime.boxes import Box
from qatm.runtime.match.pose import PoseRange
from qatm.runtime.match.pose_search import OUTSIDE, _orthonormal, _ProjectedMaps, _tops, first_look
from qatm.runtime.match.posed_rows import PosedRows, encode_poses, pooled

Images = dict[str, np.ndarray]


def cosines_at(
    coarse: np.ndarray, features: np.ndarray, posed: PosedRows, row: int, column: int
) -> float:
    """Mean cosine of patches with the cells at their places, in all dimensions."""
    flat = coarse.reshape(len(coarse), -1)
    mean, deviation = flat.mean(1), flat.std(1)
    cosines = []
    for raw, (y, x) in zip(posed.rows, posed.cells, strict=True):
        if not (0 <= row + y < features.shape[1] and 0 <= column + x < features.shape[2]):
            return float(OUTSIDE)
        a, b = (raw - mean) / deviation, (features[:, row + y, column + x] - mean) / deviation
        cosines.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return float(np.mean(cosines))


def test_responses_are_mean_cosines_where_all_dimensions_are_kept() -> None:
    random = np.random.default_rng(0)
    channels = 6
    coarse = random.normal(1, 2, (channels, 13, 11)).astype(np.float32)
    # A hole, a lone patch, and places on both sides of the middle.
    cells = np.array([[-2, -1], [-2, 0], [-1, -2], [-1, 1], [0, -1], [0, 0], [0, 1], [2, 0]])
    posed = [
        PosedRows(random.normal(1, 2, (8, channels)).astype(np.float32), cells, 8),
        PosedRows(random.normal(1, 2, (3, channels)).astype(np.float32), cells[:3], 8),
        PosedRows(random.normal(1, 2, (8, channels)).astype(np.float32), cells, 16),
    ]
    maps = _ProjectedMaps(coarse, 8, posed, channels + 1)
    fine, wide = maps.responses([0, 1]), maps.responses([2])
    for response, each, features in (
        (fine[0], posed[0], coarse),
        (fine[1], posed[1], coarse),
        (wide[0], posed[2], pooled(coarse)),
    ):
        expected = [
            [cosines_at(coarse, features, each, y, x) for x in range(response.shape[1])]
            for y in range(response.shape[0])
        ]
        assert response.shape == (features.shape[1] + 1, features.shape[2] + 1)
        np.testing.assert_allclose(response, expected, atol=2e-4)


def test_what_does_not_fit_into_the_image_has_no_response() -> None:
    random = np.random.default_rng(1)
    coarse = random.normal(size=(6, 3, 40)).astype(np.float32)
    cells = np.array([[-2, 0], [2, 0]])
    posed = PosedRows(random.normal(size=(2, 6)).astype(np.float32), cells, 8)
    assert (_ProjectedMaps(coarse, 8, [posed], 4).responses([0])[0] == OUTSIDE).all()


def test_rows_that_depend_on_others_add_nothing() -> None:
    random = np.random.default_rng(2)
    rows = random.normal(size=(3, 20))
    basis = _orthonormal(np.vstack([rows, rows.sum(0), np.zeros(20)]))
    np.testing.assert_allclose(basis[:3] @ basis[:3].T, np.eye(3), atol=1e-4)
    # A vector that they span is as long in their dimensions as it is.
    assert np.linalg.norm(basis @ rows[0]) == pytest.approx(np.linalg.norm(rows[0]), rel=1e-3)
    assert np.abs(basis[4]).max() == 0


def test_a_second_angle_lies_far_from_the_best() -> None:
    values = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, -2], [0.3, 0.2, -2], [0.7, 0.4, -2]])
    angles = np.array([0.0, 30.0, 90.0, -30.0])
    assert _tops(values.astype(np.float32), angles) == [[0, 2], [1, 3], [0]]


def test_the_true_pose_is_the_first_candidate(matcher: Matcher, photographs: Images) -> None:
    image, box = photographs["coffee"], (322.0, 228.0, 64.0, 64.0)
    template = matcher.encode_template(image, box, rotation=180, scale=2)
    x, y = Box(*box).centre
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((x - 0.5, y - 0.5), 62, 1.4)
    turned = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    level = template.levels[0]
    finder = matcher._poses
    posed = finder.posed(template, PoseRange((-180, 180), (0.5, 2)), level)
    features = finder.encoder.encode(np.asarray(turned, np.uint8), level.scale)
    best = first_look(posed, features, finder.encoder.coarse_stride, 64, 10, finder.recipe)
    assert 3 < len(best) <= 10
    assert np.hypot(best[0].pose.x - x, best[0].pose.y - y) < 12
    assert (best[0].pose.angle, best[0].pose.scale) == (60, pytest.approx(2**0.5))
    assert [each.response for each in best] == sorted((e.response for e in best), reverse=True)


def test_poses_encoded_together_are_those_encoded_alone(
    matcher: Matcher, photographs: Images
) -> None:
    template = matcher.encode_template(photographs["astronaut"], (180.0, 60.0, 90.0, 60.0))
    encoder, view = matcher._poses.encoder, template.view
    assert view is not None
    poses = [(0.0, 0.5), (30.0, 0.5), (180.0, 0.5), (-90.0, 1.0), (90.0, 1.0)]
    for pose, posed in zip(poses, encode_poses(encoder, view, poses), strict=True):
        (alone,) = encode_poses(encoder, view, [pose])
        np.testing.assert_array_equal(posed.cells, alone.cells)
        assert posed.stride == alone.stride
        np.testing.assert_allclose(posed.rows, alone.rows, atol=1e-3)
