"""Turned regions: what is turned in the frame stands upright in them."""

import cv2
import numpy as np
import pytest

from qatm.runtime.patches.region import Region, cut_region


@pytest.mark.parametrize("scale", [1.5, 0.5])
@pytest.mark.parametrize("angle", [30.0, -120.0, 180.0])
def test_a_turned_region_shows_what_is_turned_upright(scale: float, angle: float) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (400, 600, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 8).astype(np.float32)
    levels = 255 * (smooth - smooth.min()) / np.ptp(smooth)
    picture = levels.astype(np.uint8)
    matrix = cv2.getRotationMatrix2D((299.5, 199.5), angle, 1.0)
    turned = cv2.warpAffine(picture, matrix, (600, 400)).astype(np.uint8)
    upright = Region.around((300.0, 200.0), scale, 96, 64)
    follows = Region.around((300.0, 200.0), scale, 96, 64, angle)
    expected = cut_region(picture, upright).astype(float)
    assert np.abs(cut_region(turned, follows) - expected).mean() < 1.5
    assert np.abs(cut_region(turned, upright) - expected).mean() > 10


def test_points_go_to_a_turned_region_and_back() -> None:
    region = Region.around((40.0, 30.0), 2.0, 64, 32, 90.0)
    assert region.to_working(*region.to_frame(5.0, 7.0)) == pytest.approx((5, 7))
    # A quarter turn counter-clockwise: what lies above the middle in the frame lies to its right.
    assert region.to_working(40.0, 25.0) == pytest.approx((32 + 10, 16))
