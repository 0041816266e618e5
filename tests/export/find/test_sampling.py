"""Pictures are resized, sampled and smoothed as OpenCV does it in the runtime."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from written_graphs import given_by

from qatm.export.find import sampling
from qatm.runtime.boxes import Box
from qatm.runtime.images import is_flat, pad_to_multiple, resize_to
from qatm.runtime.match.pose import sampled


@pytest.fixture(scope="module")
def picture(photographs) -> np.ndarray:
    return np.ascontiguousarray(photographs["astronaut"][40:223, 100:351])


def number(value) -> np.ndarray:
    return np.array(value, np.float32)


@pytest.mark.parametrize("scale", [0.25, 0.3536, 0.5, 0.7071, 1.0, 1.4142, 2.0, 4.0])
def test_resized(picture, scale):
    rows, columns = (round(side * scale) for side in picture.shape[:2])
    (found,) = given_by(
        lambda image, columns, rows: [sampling.resized(image, columns, rows)],
        image=picture,
        columns=np.array(columns),
        rows=np.array(rows),
    )
    expected = resize_to(picture, columns, rows).astype(np.float32)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.002


@pytest.mark.parametrize("multiple", [8, 32, 251])
def test_padded(picture, multiple):
    (found,) = given_by(lambda image: [sampling.padded(image, multiple)], image=picture)
    np.testing.assert_array_equal(found, pad_to_multiple(picture, multiple))


@pytest.mark.parametrize("step", [0.6, 1.0, 1.59, 1.7, 3.2])
@pytest.mark.parametrize("middle", [(120.3, 90.7), (6.0, 170.25), (-20.0, 60.0)])
def test_upright_crops(picture, step, middle):
    size = (70, 50)
    expected = sampled(picture, np.eye(2) * step, middle, *size, cv2.BORDER_REPLICATE)
    (found,) = given_by(
        lambda image, step, x, y, w, h: [sampling.upright(image, step, (x, y), w, h)],
        image=picture,
        step=number(step),
        x=number(middle[0]),
        y=number(middle[1]),
        w=np.array(size[0]),
        h=np.array(size[1]),
    )
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.03


@pytest.mark.parametrize("size", [1.0, 2.5])
def test_slanted_crops(picture, size):
    angle = np.radians(25)
    c, s = size * np.cos(angle), size * np.sin(angle)
    matrix, middle = np.array([[c, s], [-s, c]]), (100.3, 80.6)
    expected = sampled(picture, matrix, middle, 16, 16, cv2.BORDER_REPLICATE).reshape(-1, 3)
    (found,) = given_by(
        lambda image, m, x, y: [
            sampling.slanted(image, (m.at(0), m.at(1), m.at(2), m.at(3)), (x, y), 16)
        ],
        image=picture,
        m=number(matrix.ravel()),
        x=number(middle[0]),
        y=number(middle[1]),
    )
    assert np.abs(found - expected).max() < 0.6


def test_grey_values(picture):
    (found,) = given_by(lambda image: [sampling.grey(image)], image=picture)
    expected = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.001


@pytest.mark.parametrize("sigma", [0.7, 0.72, 1.8, 4.5])
def test_smoothed_as_floats(picture, sigma):
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    expected = cv2.GaussianBlur(grey, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    weights = sampling.alike(sigma, sampling.FLOAT_REACH)
    (found, length, banded) = given_by(
        lambda image, sigma: [
            sampling.smoothed(image, sampling.bell(image, sigma, sampling.FLOAT_REACH)),
            sampling.bell(image, sigma, sampling.FLOAT_REACH),
            sampling.band(image.side(0), weights)
            @ image
            @ sampling.band(image.side(1), weights).turned(1, 0),
        ],
        image=grey,
        sigma=number(sigma),
    )
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_allclose(banded, expected, atol=2e-3)
    np.testing.assert_allclose(length, weights, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.75, 1.3, 3.0])
def test_smoothed_as_bytes(picture, sigma):
    expected = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    (found,) = given_by(
        lambda image, sigma: [sampling.blurred(image, sigma)], image=picture, sigma=number(sigma)
    )
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.03


@pytest.mark.parametrize("box", [(30, 20, 40.5, 30), (-10, -5, 30, 20.2), (240, 170, 60, 60)])
def test_single_coloured(picture, box):
    plain = picture.copy()
    plain[:40, :90] = 100
    plain[10, 20] = 102
    for image in (picture, plain):
        (found,) = given_by(
            lambda image, box: [
                sampling.single_coloured(image, (box.at(0), box.at(1), box.at(2), box.at(3)))
            ],
            image=image,
            box=number(box),
        )
        assert found == is_flat(image, Box(*box))


def test_angles():
    angles = np.radians([0, 10, -25, 80, -89.9, 120, -150, 179])
    (found,) = given_by(
        lambda y, x: [sampling.quarter_turn_tangent(y, x)],
        y=number(np.sin(angles)),
        x=number(np.cos(angles)),
    )
    np.testing.assert_allclose(found, angles, atol=1e-4)
