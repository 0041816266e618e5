"""A template as plain arrays: of which types and shapes, and what is where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qatm.runtime.match.find_inputs import LEVEL_NUMBERS, NO_PICTURE, NUMBERS, find_inputs


@pytest.fixture(scope="module")
def template(matcher, photographs):
    return matcher.encode_template(photographs["astronaut"], (200, 80, 70, 90))


def test_types(template):
    arrays = find_inputs(template)
    kinds = {name: array.dtype for name, array in arrays.items()}
    assert kinds.pop("squares") == np.uint8
    assert set(kinds.values()) == {np.dtype(np.float32)}
    assert all(array.flags.c_contiguous for array in arrays.values())


def test_numbers(template):
    arrays = find_inputs(template)
    numbers = dict(zip(NUMBERS, arrays["numbers"], strict=True))
    assert (numbers["width"], numbers["height"]) == (70, 90)
    assert (numbers["inside"], numbers["flat"], numbers["registered"]) == (1, 0, 1)
    assert numbers["scale"] == np.float32(template.levels[0].scale)
    assert numbers["zoom"] == pytest.approx(template.pixels.zoom)


def test_levels_lie_one_after_the_other(template):
    arrays = find_inputs(template)
    assert len(arrays["levels"]) == len(template.levels) > 1
    for row, level in zip(arrays["levels"], template.levels, strict=True):
        about = dict(zip(LEVEL_NUMBERS, row, strict=True))
        first, count = int(about["first_row"]), int(about["rows"])
        grid = level.coarse
        np.testing.assert_array_equal(arrays["coarse_rows"][first : first + count], grid.rows)
        np.testing.assert_array_equal(arrays["coarse_target"][first : first + count], grid.target)
        shape = int(about["footprint_rows"]), int(about["footprint_columns"])
        cell = int(about["first_cell"])
        part = arrays["coarse_footprint"][cell : cell + shape[0] * shape[1]]
        np.testing.assert_array_equal(part.reshape(shape), grid.footprint)
        assert (about["offset_x"], about["offset_y"]) == pytest.approx(grid.offset, abs=1e-4)


def test_a_template_without_a_picture(template):
    arrays = find_inputs(replace(template, view=None))
    numbers = dict(zip(NUMBERS, arrays["numbers"], strict=True))
    assert (numbers["registered"], numbers["core"], numbers["square_step"]) == (0, 0, 0)
    assert not arrays["squares"].any()
    assert arrays["colours"].all()
    assert arrays["picture"].shape == NO_PICTURE
    assert not arrays["picture"].any()


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ((200, 80, 70, 90), (64, 64, 3)),
        ((180, 80, 120, 60), (48, 88, 3)),
        ((200, 80, 60, 120), (48, 88, 3)),
        ((200, 80, 30, 120), (32, 128, 3)),
    ],
)
def test_the_picture_is_that_which_is_compared(matcher, photographs, box, shape):
    template = matcher.encode_template(photographs["astronaut"], box)
    picture = find_inputs(template)["picture"]
    assert picture.shape == shape
    np.testing.assert_array_equal(picture, template.compared.picture[0])
    assert "picture" not in find_inputs(template, compared=False)
