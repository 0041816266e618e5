"""Windows and maxima of a quality map, against loops and known curves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qatm.runtime.patches.windows import (
    cells_around,
    find_peaks,
    highest,
    whole_cells,
    window_response,
)

SIZES = [(9, 11, 3, 4), (8, 8, 8, 8), (12, 7, 1, 1), (10, 10, 5, 1)]

OVERLAP = 0.3


@pytest.mark.parametrize(("rows", "columns", "height", "width"), SIZES)
@pytest.mark.parametrize("masked", [False, True])
def test_response_is_the_mean_root_in_the_footprint(
    rows: int, columns: int, height: int, width: int, masked: bool
) -> None:
    generator = np.random.default_rng(rows)
    quality = generator.random((rows, columns)).astype(np.float32)
    footprint = np.ones((height, width), np.float32)
    if masked:
        footprint[generator.random(footprint.shape) < 0.4] = 0
        footprint[-1, -1] = 1
    response = window_response(quality, footprint)
    assert response.shape == (rows - height + 1, columns - width + 1)
    for y, x in np.ndindex(*response.shape):
        values = [
            np.sqrt(quality[y + i, x + j]) for i, j in np.ndindex(height, width) if footprint[i, j]
        ]
        assert response[y, x] == pytest.approx(np.mean(values), abs=1e-6)


@pytest.mark.parametrize(("x", "y"), [(6.3, 4.8), (2.5, 9.0), (7.0, 7.49)])
def test_the_vertex_of_a_parabola_is_found(x: float, y: float) -> None:
    j, i = np.meshgrid(np.arange(12), np.arange(13))
    surface = (0.9 - 0.004 * (j - x) ** 2 - 0.003 * (i - y) ** 2).astype(np.float32)
    for count in (1, 2):
        best = find_peaks(surface, (3, 3), count, OVERLAP)[0]
        assert (best.x, best.y) == pytest.approx((x, y), abs=1e-2)
        assert 0 <= best.response <= 1


def test_a_maximum_at_the_border_stays_there() -> None:
    slope = np.linspace(1, 0, 20, dtype=np.float32).reshape(4, 5)
    best = find_peaks(slope, (2, 2), 1, OVERLAP)[0]
    assert (best.x, best.y, best.response) == (0, 0, 1)


def test_peaks_are_sorted_and_apart() -> None:
    response = np.random.default_rng(4).random((40, 50)).astype(np.float32)
    window = (8, 6)
    peaks = find_peaks(response, window, 30, OVERLAP)
    assert len(peaks) > 10
    scores = [peak.response for peak in peaks]
    assert scores == sorted(scores, reverse=True)
    for a, b in itertools.combinations(peaks, 2):
        # Whole cells: the parabola moves each by half a cell at most.
        dx, dy = abs(round(a.x) - round(b.x)), abs(round(a.y) - round(b.y))
        common = max(0, window[1] - dx - 1) * max(0, window[0] - dy - 1)
        assert common / (2 * 48 - common) <= OVERLAP


def test_the_second_copy_is_found_and_the_shoulder_is_not() -> None:
    response = np.zeros((30, 30), np.float32)
    response[5, 5], response[6, 7], response[20, 22] = 0.9, 0.8, 0.7
    peaks = find_peaks(response, (6, 6), 2, OVERLAP)
    assert [(round(p.x), round(p.y)) for p in peaks] == [(5, 5), (22, 20)]


def test_no_more_peaks_than_there_is_room_for() -> None:
    assert len(find_peaks(np.ones((2, 2), np.float32), (9, 9), 5, OVERLAP)) == 1
    assert len(find_peaks(np.ones((1, 1), np.float32), (4, 4), 3, OVERLAP)) == 1


def test_the_height_of_a_sampled_parabola_is_exact() -> None:
    y, x = np.mgrid[0:5, 0:5].astype(float)
    surface = 1 - 0.1 * (x - 2.3) ** 2 - 0.2 * (y - 1.6) ** 2
    assert highest(surface) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(2.0, 3.0, (2, 3)), (2.4, 3.4, (3, 3)), (2.0, 0.2, (2, 1)), (-1.6, 2.0, (-2, 2))],
)
def test_an_interval_is_put_on_whole_cells(
    start: float, length: float, expected: tuple[int, int]
) -> None:
    assert whole_cells(start, length) == expected


@pytest.mark.parametrize(
    ("column", "row", "margin", "expected"),
    [
        (5.0, 4.0, 0, (4, 5, 6, 8)),
        (5.3, 4.0, 1, (3, 4, 7, 10)),
        (-4.0, 0.5, 2, (0, 0, 5, 3)),
        (19.0, 30.0, 1, (8, 17, 10, 20)),
    ],
)
def test_the_cells_around_a_window_lie_in_the_map(
    column: float, row: float, margin: int, expected: tuple[int, ...]
) -> None:
    found = cells_around(column, row, (2, 3), (10, 20), margin)
    assert found == expected
    values = np.zeros((7, 10, 20))
    top, left, bottom, right = expected
    assert found.cut(values).shape == (7, bottom - top, right - left)
    assert found.times(2).cut(np.zeros((20, 40))).shape == (2 * (bottom - top), 2 * (right - left))
