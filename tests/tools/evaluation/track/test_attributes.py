from __future__ import annotations

import numpy as np
import pytest

from qatm.tools.evaluation.track.attributes import ATTRIBUTES, attributes_of

NAN = float("nan")


def boxes(count=20, size=(40.0, 40.0), step=1.0) -> np.ndarray:
    """An object that moves to the right."""
    return np.array([[10 + step * i, 20, *size] for i in range(count)], float)


def grown(factor: float) -> np.ndarray:
    """The same, whose last box has so many times the size."""
    truth = boxes()
    truth[-1, 2:] *= factor
    return truth


def stretched(factor: float) -> np.ndarray:
    """The same, whose last box has so many times the aspect, and its size."""
    truth = boxes()
    truth[-1, 2:] *= factor**0.5, factor**-0.5
    return truth


def away(truth: np.ndarray, *frames: int) -> np.ndarray:
    truth[list(frames)] = NAN
    return truth


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        (boxes(), ["steady"]),
        (grown(1.39), ["steady"]),
        (grown(1.41), ["size change"]),
        (grown(1 / 1.41), ["size change"]),
        (stretched(1.19), ["steady"]),
        (stretched(1.21), ["aspect change"]),
        (grown(1.5) * np.array([1, 1, 1, 0.5]), ["size change", "small"]),
        (boxes(size=(40, 25)), ["steady", "small"]),
        (boxes(size=(40, 26)), ["steady"]),
        (boxes(step=19), ["steady"]),
        (boxes(step=21), ["steady", "fast"]),
        (away(boxes(), 3), ["steady", "leaving"]),
        # Where it comes back is no move.
        (away(boxes(step=19), 3, 4), ["steady", "leaving"]),
    ],
)
def test_attributes_follow_from_the_boxes(truth, expected):
    assert attributes_of(truth) == expected


def test_a_twentieth_of_the_moves_has_to_be_fast():
    truth = boxes(41, step=0)
    truth[20:, 0] += 30
    assert "fast" not in attributes_of(truth), "one of 40"
    truth[30:, 0] += 30
    assert "fast" in attributes_of(truth), "two of 40"


def test_an_object_that_is_seen_once_has_no_moves():
    assert attributes_of(away(boxes(3), 1, 2)) == ["steady", "leaving"]


def test_every_attribute_can_be_had():
    everything = boxes(step=21, size=(20, 20))
    everything[-1, 2:] = 60, 20
    found = attributes_of(away(everything, 5))
    assert found == [name for name in ATTRIBUTES if name != "steady"]
