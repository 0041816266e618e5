"""Encoding: shapes, tiles against the whole, and fine regions against slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qatm.runtime import ImageError, Matcher, box_iou
from qatm.runtime.images import resize_to
from qatm.runtime.patches import encoder as features
from qatm.runtime.patches.encoder import Encoder
from qatm.runtime.patches.windows import CellRange
from qatm.runtime.session import Features, Qualities, Session

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
    assert encoded.taps is not None
    assert encoded.taps.whole().shape == (176, -(-rows // 4), -(-columns // 4))
    assert encoded.coarse.shape == (176, -(-rows // 8), -(-columns // 8))
    assert encoded.working.shape == (rows, columns, 3)
    assert encoder.fine_shape(encoded) == encoded.taps.shape
    assert encoded.size == (shape[1], shape[0])
    assert encoded.scale_x == columns / shape[1]
    assert encoded.scale_y == rows / shape[0]


def test_tiles_equal_the_whole(
    encoder: Encoder, photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = resize_to(photographs["coffee"], 700, 450)
    whole = encoder.encode(image, 1.0)
    monkeypatch.setattr(features, "WHOLE", 0)
    tiled = encoder.encode(image, 1.0)
    assert tiled.taps is None
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
    assert whole.taps is not None
    fine = whole.taps.whole()
    rows, columns = encoder.fine_shape(whole)
    regions = [(0, 0, 10, 12), (41, 33, 60, 57), (rows - 9, columns - 14, rows, columns)]
    for region in regions:
        top, left, bottom, right = region
        part = encoder.fine_window(whole, CellRange(*region))
        assert np.allclose(part, fine[:, top:bottom, left:right], atol=1e-5)
    monkeypatch.setattr(features, "WHOLE", 0)
    tiled = encoder.encode(image, 1.0)
    for region in regions:
        top, left, bottom, right = region
        again = encoder.fine_window(tiled, CellRange(*region))
        assert again.shape == (176, bottom - top, right - left)
        assert apart(again, fine[:, top:bottom, left:right]).max() < 0.15
    assert np.allclose(encoder.fine_window(tiled, CellRange(0, 0, rows, columns)), fine, atol=1e-5)


class Bounded:
    """A session with the bounds of an engine: images up to 480 px a side, maps up to 40 cells."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.images: list[tuple[int, ...]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.session, name)

    def takes_image(self, height: int, width: int) -> bool:
        return max(height, width) <= 480

    def takes_match(self, rows: int, height: int, width: int) -> bool:
        return rows > 0 and max(height, width) <= 40

    def features_of(self, images: list[np.ndarray], most: int) -> list[Features]:
        assert all(self.takes_image(*image.shape[:2]) for image in images)
        self.images += [image.shape for image in images]
        return self.session.features_of(images, most)

    def quality(self, rows: np.ndarray, target: np.ndarray, search: np.ndarray) -> Qualities:
        assert self.takes_match(len(rows), *search.shape[1:])
        return self.session.quality(rows, target, search)


def test_what_an_engine_does_not_take_goes_in_pieces(
    matcher: Matcher, photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = resize_to(photographs["coffee"], 600, 400)
    box = (322, 228, 64, 64)
    scene = np.roll(image, (8, -12), (0, 1))
    expected = matcher.match(scene, templates=[matcher.encode_template(image, box)])[0]
    with Matcher(device="cpu") as other:
        recipe = replace(other.bundle.spec.recipes.match, frame_border=128)
        monkeypatch.setattr(other._templates, "recipe", recipe)
        bounded = Bounded(other.session)
        monkeypatch.setattr(other, "session", bounded)
        monkeypatch.setattr(other._encoder, "session", bounded)
        found = other.match(scene, templates=[other.encode_template(image, box)])[0]
        assert len(bounded.images) > 3
        assert found.found
        assert box_iou(found.box, expected.box) > 0.9
        # What fits stays in one piece.
        bounded.images.clear()
        other.encode_template(image[:400, :480], box)
        assert bounded.images[0] == (400, 480, 3)
