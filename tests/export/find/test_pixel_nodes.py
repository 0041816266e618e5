"""Pixels are registered and compared as in the runtime."""

from __future__ import annotations

import numpy as np
import pytest
from written_graphs import given_by

from qatm.export.find.patch_nodes import Spot
from qatm.export.find.pixel_nodes import PixelSet, differing, registered, tint
from qatm.export.find.turned import fits_turned
from qatm.runtime import Box
from qatm.runtime.match.differences import Differences, mean_tint
from qatm.runtime.match.pixels import PixelTemplate
from qatm.runtime.match.pose import Pose
from qatm.runtime.match.posed_rows import TemplateView
from qatm.runtime.match.turned_squares import TurnedSquares

BOXES = [Box(150, 120, 108, 109), Box(100, 80, 60, 70), Box(50, 60, 150, 90)]
POSES = [(0.7, 0.0, 1.0), (-1.2, 2.0, 1.03), (1.5, -3.0, 0.95), (60.0, 0.0, 1.0)]


def inputs(pixels: PixelTemplate, image: np.ndarray, pose: Pose) -> dict[str, np.ndarray]:
    return {
        "image": image,
        "used": pixels.used.astype(np.float32),
        "grey": pixels.grey,
        "steepest": pixels.steepest,
        "inverse": pixels.inverse.astype(np.float32),
        "zoom": np.array(pixels.zoom, np.float32),
        "spot": np.array([pose.x, pose.y, np.radians(pose.angle), pose.scale], np.float32),
    }


def spot_of(values) -> Spot:
    return Spot(*(values.at(index) for index in range(4)))


@pytest.mark.parametrize("core", [False, True])
@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize(("off", "angle", "scale"), POSES)
def test_registered(photographs, box, off, angle, scale, core):
    image = np.ascontiguousarray(photographs["astronaut"][:360, :480])
    view = TemplateView.cut(image, box, None, 1.0, framed=True)
    pixels = PixelTemplate.of(view, core=core)
    assert pixels is not None
    x, y = box.centre
    pose = Pose(x + off, y - off / 2, angle, scale)

    def write(image, used, grey, steepest, inverse, zoom, spot):
        template = PixelSet(used, grey, steepest, inverse, zoom)
        fit = registered(template, image, spot_of(spot))
        return [*fit.spot, fit.correlation, *differing(template, image, spot_of(spot))]

    x, y, turn, size, correlation, *spots = given_by(write, **inputs(pixels, image, pose))
    expected = pixels.register(image, pose)
    assert correlation == pytest.approx(expected.correlation, abs=1e-4)
    assert (x, y) == pytest.approx((expected.pose.x, expected.pose.y), abs=0.03)
    assert np.degrees(turn) == pytest.approx(expected.pose.angle, abs=0.02)
    assert size == pytest.approx(expected.pose.scale, abs=5e-4)
    assert spots == pytest.approx(Differences.between(pixels, image, pose), abs=0.02)


def test_flat_pixels_correlate_with_nothing(photographs):
    image = np.ascontiguousarray(photographs["astronaut"][:360, :480])
    pixels = PixelTemplate.of(TemplateView.cut(image, BOXES[1], None, 1.0, framed=True))
    assert pixels is not None
    plain = np.full_like(image, 90)

    def write(image, used, grey, steepest, inverse, zoom, spot):
        template = PixelSet(used, grey, steepest, inverse, zoom)
        fit = registered(template, image, spot_of(spot))
        return [*fit.spot, fit.correlation, *differing(template, image, spot_of(spot))]

    pose = Pose(200, 150)
    x, y, turn, size, correlation, *_ = given_by(write, **inputs(pixels, plain, pose))
    assert correlation == -1
    assert (x, y, turn, size) == pytest.approx([200, 150, 0, 1])
    _, _, _, _, _, *spots = given_by(write, **inputs(pixels, plain, pose))
    assert spots == pytest.approx(Differences.unknown())


def test_tint(photographs):
    image = np.ascontiguousarray(photographs["chelsea"][:200, :240])
    pose, size = Pose(100.5, 90.25, 12.0, 1.2), (60.0, 44.0)
    expected = mean_tint(image, pose.matrix() * size, (pose.x, pose.y), None)

    def write(image, spot, size):
        colours = image.writer.filled(1.0, 16, 16)
        return [tint(image, spot_of(spot), (size.at(0), size.at(1)), colours)]

    spot = np.array([pose.x, pose.y, np.radians(pose.angle), pose.scale], np.float32)
    (found,) = given_by(write, image=image, spot=spot, size=np.array(size, np.float32))
    np.testing.assert_allclose(found, expected, atol=0.1)


@pytest.mark.parametrize("quarter_turns", [0, 1, 2])
@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_turned_squares(photographs, quarter_turns, scale):
    frame = np.ascontiguousarray(photographs["astronaut"][:300, :300])
    box = Box(110, 90, 64, 64)
    view = TemplateView.cut(frame, box, None, 1.0, framed=True)
    squares = TurnedSquares.of(view)
    assert squares is not None
    image = frame.copy()
    image[90:154, 110:174] = np.rot90(frame[90:154, 110:174], quarter_turns)
    pose = Pose(*box.centre, 0.0, scale)

    def write(image, squares, step, spot, size):
        turned = fits_turned(squares, step, image, spot_of(spot), (size.at(0), size.at(1)))
        return [turned]

    (found,) = given_by(
        write,
        image=image,
        squares=np.stack([*squares.own, *squares.others]),
        step=np.array(squares.step, np.float32),
        spot=np.array([pose.x, pose.y, 0, scale], np.float32),
        size=np.array([64, 64], np.float32),
    )
    assert found == squares.fits_turned(image, pose, (64, 64))
    assert found == (quarter_turns > 0)
