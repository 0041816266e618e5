"""Encoding: shapes, tiles against the whole, and fine regions against slices."""

from __future__ import annotations

import numpy as np
import pytest

from qatm.runtime import ImageError, Matcher, features
from qatm.runtime.features import Encoder
from qatm.runtime.images import resize_to

Images = dict[str, np.ndarray]


@pytest.fixture
def encoder(matcher: Matcher) -> Encoder:
    return matcher._encoder


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of two feature maps, cell by cell, relative to a feature's usual length."""
    return np.linalg.norm(a - b, axis=0) / np.linalg.norm(b, axis=0).mean()


@pytest.mark.parametrize("shape", [(16, 16), (17, 33), (1, 1), (50, 7), (100, 131)])
@pytest.mark.parametrize("scale", [1.0, 0.5, 2.0])
def test_every_cell_holds_a_pixel(encoder: Encoder, shape: tuple[int, int], scale: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    rows, columns = (round(side * scale) for side in shape)
    if 0 in (rows, columns):
        with pytest.raises(ImageError, match="1x1 px is too small"):
            encoder.encode(image, scale)
        return
    encoded = encoder.encode(image, scale)
    assert encoded.fine is not None
    assert encoded.fine.shape == (176, -(-rows // 4), -(-columns // 4))
    assert encoded.coarse.shape == (176, -(-rows // 8), -(-columns // 8))
    assert encoded.working.shape == (rows, columns, 3)
    assert encoder.fine_shape(encoded) == encoded.fine.shape[1:]
    assert encoded.size == (shape[1], shape[0])
    assert encoded.scale_x == columns / shape[1]
    assert encoded.scale_y == rows / shape[0]


def test_tiles_equal_the_whole(
    encoder: Encoder, photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = resize_to(photographs["coffee"], 700, 450)
    whole = encoder.encode(image, 1.0)
    monkeypatch.setattr(features, "WHOLE", 0)
    monkeypatch.setattr(features, "TILE", 256)
    tiled = encoder.encode(image, 1.0)
    assert tiled.fine is None
    assert tiled.coarse.shape == whole.coarse.shape
    distance = apart(tiled.coarse, whole.coarse)
    assert distance.max() < 0.15
    assert np.median(distance) < 0.01
    # Inside the first tile, far from its seams, nothing of its neighbours is seen.
    assert distance[:16, :16].max() < 1e-4


def test_a_fine_region_is_a_slice(
    encoder: Encoder, photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = photographs["coffee"]
    whole = encoder.encode(image, 1.0)
    assert whole.fine is not None
    rows, columns = encoder.fine_shape(whole)
    regions = [(0, 0, 10, 12), (41, 33, 60, 57), (rows - 9, columns - 14, rows, columns)]
    for region in regions:
        top, left, bottom, right = region
        part = encoder.fine_region(whole, *region)
        assert np.array_equal(part, whole.fine[:, top:bottom, left:right])
    monkeypatch.setattr(features, "WHOLE", 0)
    tiled = encoder.encode(image, 1.0)
    for region in regions:
        top, left, bottom, right = region
        again = encoder.fine_region(tiled, *region)
        assert again.shape == (176, bottom - top, right - left)
        assert apart(again, whole.fine[:, top:bottom, left:right]).max() < 0.15
    assert np.array_equal(encoder.fine_region(tiled, 0, 0, rows, columns), whole.fine)
