"""Which values become black and white: the rule, type by type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatm.runtime import Box, ImageError, InputError, TemplateError, ValueRange
from qatm.runtime.images import as_bgr, as_object_frame, limits_of
from qatm.runtime.value_range import (
    REACH,
    grey_levels,
    object_range,
    own_limits,
    shared_range,
    widened,
)

TYPES = (np.uint16, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64)


def ramp(low: float, high: float, kind: Any = np.uint16, side: int = 100) -> np.ndarray:
    """Values from low to high, evenly, in a square."""
    return np.linspace(low, high, side * side).reshape(side, side).astype(kind)


def one(array: np.ndarray, box: Box | None = None) -> ValueRange:
    """The range of an object."""
    found = object_range(array, box)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", TYPES)
def test_the_whole_range_is_used_whatever_the_type(kind: Any) -> None:
    values = ramp(1000, 2000, kind)
    shown = as_bgr(values)[..., 0]
    assert shown.dtype == np.uint8
    assert (shown.min(), shown.max()) == (0, 255)
    assert len(np.unique(shown)) > 240
    expected = ((values.astype(float) - 1000) * 255 / 1000).clip(0, 255)
    assert np.abs(shown - expected).max() <= 1


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 3), (20, 30, 4)])
@pytest.mark.parametrize("kind", TYPES)
def test_every_shape_is_taken_in_every_type(shape: tuple[int, ...], kind: Any) -> None:
    values = np.random.default_rng(0).integers(900, 1900, shape).astype(kind)
    shown = as_bgr(values)
    assert shown.shape == (20, 30, 3)
    assert shown.flags.c_contiguous
    assert shown.std() > 40


def test_colours_share_one_range() -> None:
    values = np.dstack([ramp(1000, 1100), ramp(1000, 1500), ramp(1000, 2000)])
    shown = as_bgr(values).max((0, 1))
    assert shown[2] == 255
    assert shown[1] == pytest.approx(128, abs=2)
    assert shown[0] == pytest.approx(26, abs=2)


def test_uint8_is_not_touched() -> None:
    image = np.random.default_rng(0).integers(90, 99, (9, 7, 3), dtype=np.uint8)
    assert np.array_equal(as_bgr(image, value_range=ValueRange.fixed((0, 1000))), image)
    assert limits_of(image) is None
    assert object_range(image) is None
    assert np.array_equal(as_object_frame(image, limits=(0, 1000))[0], image)


@pytest.mark.parametrize(
    ("scale", "kind"),
    [(1 / 255, np.float32), (1 / 255, np.float64), (1, np.float32), (1, np.int32), (257, np.uint16),
     (1, np.uint16), (257, np.float64)],
)  # fmt: skip
def test_a_converted_picture_looks_as_it_did_in_8_bits(
    photographs: dict[str, np.ndarray], scale: float, kind: Any
) -> None:
    image = photographs["chelsea"]
    assert np.array_equal(as_bgr((image * float(scale)).astype(kind)), image)


def test_half_precision_is_as_near_as_it_can_be(photographs: dict[str, np.ndarray]) -> None:
    image = photographs["chelsea"]
    assert np.abs(as_bgr((image / 255).astype(np.float16)).astype(int) - image).max() <= 1


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        (ramp(0.45, 0.47, np.float32), (0.45, 0.47)),
        (ramp(0.2, 0.8, np.float32), (0, 1)),
        (ramp(-0.2, 0.8, np.float32), (-0.2, 0.8)),
        (ramp(15, 40, np.float32), (15, 40)),
        (ramp(20, 200, np.float32), (0, 255)),
        (ramp(29000, 30000), (29000, 30000)),
        (ramp(10000, 60000), (0, 65535)),
        (ramp(0, 4095), (0, 4095)),
        (ramp(-1000, 3000, np.int16), (-1000, 3000)),
        (np.zeros((9, 9), np.float32), (0, 1)),
        (np.full((9, 9), 65535, np.uint16), (0, 65535)),
        (np.full((9, 9), -7, np.int16), (-7, -7)),
    ],
)
def test_own_limits(values: np.ndarray, limits: tuple[float, float]) -> None:
    found = own_limits(values)
    assert found == pytest.approx(limits, abs=(limits[1] - limits[0]) / 400)


def test_defect_pixels_do_not_count() -> None:
    values = ramp(29000, 30000)
    values[3, 4:8], values[50, 4:8] = 0, 65535
    assert own_limits(values) == pytest.approx((29000, 30000), abs=5)
    small = ramp(29000, 30000, side=12)
    small[5, 5] = 65535
    assert own_limits(small) == pytest.approx((29000, 30000), abs=10)


def test_a_few_bright_spots_on_black_count() -> None:
    values = np.full((200, 200), 100, np.uint16)
    values[5:8, 5:8] = 9000
    assert own_limits(values) == (100, 9000)


def test_large_pictures_are_looked_at_in_every_column() -> None:
    values = np.zeros((1024, 2048), np.uint16)
    values[:, 1::2] = 1000
    assert own_limits(values) == (0, 1000)


def test_missing_pixels_are_shown_as_the_middle_of_their_picture() -> None:
    values = ramp(20, 40, np.float32)
    values[:30, 10] = np.nan
    known = np.isfinite(values)
    shown = as_bgr(values)[..., 0]
    assert (shown[~known] == shown[~known][0]).all()
    assert shown[~known][0] == pytest.approx(np.median(shown[known]), abs=1)
    whole = as_bgr(ramp(20, 40, np.float32))[..., 0]
    assert np.abs(shown.astype(int) - whole)[known].max() <= 2


def test_infinity_is_black_or_white() -> None:
    values = ramp(20, 40, np.float64)
    values[0, 5], values[0, 6] = np.inf, -np.inf
    shown = as_bgr(values)[..., 0]
    assert (shown[0, 5], shown[0, 6]) == (255, 0)
    assert own_limits(values) == pytest.approx((20, 40), abs=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_picture_without_any_value_is_refused(value: float) -> None:
    with pytest.raises(ImageError, match=r"^scene of dtype float32 holds no finite value"):
        as_bgr(np.full((5, 5), value, np.float32), "scene")


def test_values_that_are_too_far_apart_are_refused() -> None:
    with pytest.raises(ImageError, match="too far to be shown"):
        as_bgr(ramp(-1, 1, np.float64) * 1.7e308)


def test_small_differences_of_large_numbers_are_seen() -> None:
    values = (2_000_000_000 + ramp(0, 200, np.int64)).astype(np.int32)
    assert len(np.unique(as_bgr(values))) > 190
    assert len(np.unique(as_bgr(ramp(0, 1e-40, np.float64)))) > 190


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(TYPES), st.floats(-900, 900), st.floats(1, 900), st.booleans())
def test_brighter_is_never_darker(kind: Any, low: float, width: float, repeated: bool) -> None:
    values = ramp(1000 + low, 1000 + low + width, kind, side=20)
    shown = as_bgr(np.dstack([values] * 3) if repeated else values)[..., 0].ravel()
    assert (np.diff(shown.astype(int)) >= 0).all()


def test_the_same_value_is_the_same_grey_in_frame_and_image() -> None:
    frame, image = ramp(29000, 30000), ramp(29100, 29800)
    kept = one(frame, Box(10, 40, 30, 30))
    shown, again = as_object_frame(frame, (10, 40, 30, 30))
    assert again == kept
    assert limits_of(image, value_range=kept) == (kept.low, kept.high)
    later = as_bgr(image, value_range=kept)
    first = np.interp(image.ravel().astype(float), frame.ravel(), shown[..., 0].ravel())
    assert np.abs(first - later[..., 0].ravel()).max() <= 1


def test_the_range_is_widened_where_an_image_goes_beyond() -> None:
    kept = one(ramp(29000, 30000))
    low, high = limits_of(ramp(29200, 30500), value_range=kept) or (0, 0)
    assert low == kept.low
    assert high == pytest.approx(30500, abs=5)
    # As from 290 to 300 K, and far later from 310 to 320 K.
    low, high = limits_of(ramp(31000, 32000), value_range=kept) or (0, 0)
    assert (low, high) == pytest.approx((29000, 32000), abs=5)


def test_something_glowing_does_not_take_the_contrast() -> None:
    frame = ramp(29000, 29100)
    frame[:20] = 65535
    kept = one(frame, Box(10, 60, 30, 30))
    # The box holds values from 29060 to 29090.
    assert kept.high - kept.low <= REACH * 30
    assert kept.low < 29060
    assert kept.high > 29090
    image = ramp(29000, 29100)
    image[:, :30] = 60000
    assert limits_of(image, value_range=kept) == (kept.low, kept.most)


def test_a_picture_of_something_else_is_shown_in_its_own_range() -> None:
    kept = one(ramp(29000, 30000))
    assert limits_of(ramp(100, 300), value_range=kept) == own_limits(ramp(100, 300))
    celsius = ramp(10, 30, np.float32)
    assert limits_of(celsius, value_range=kept) == own_limits(celsius)
    photograph = ramp(0, 1, np.float64)
    kept = one(ramp(0, 255, np.float32))
    assert (kept.low, kept.high) == (0, 255)
    assert limits_of(photograph, value_range=kept) == (0, 1)


def test_an_object_of_one_value_keeps_its_frame() -> None:
    frame = ramp(29000, 30000)
    frame[10:40, 10:40] = 29500
    kept = one(frame, Box(15, 15, 20, 20))
    assert (kept.low, kept.high) == pytest.approx((29000, 30000), abs=5)


def test_a_named_range_is_kept_to() -> None:
    fixed = ValueRange.fixed((29000, 30000))
    for values in (ramp(29000, 30000), ramp(100, 300), ramp(0, 1, np.float32)):
        assert limits_of(values, value_range=fixed) == (29000, 30000)
    shown = grey_levels(np.array([[28000, 29000, 29500, 30000, 31000]], np.uint16), (29000, 30000))
    assert shown.tolist() == [[0, 0, 128, 255, 255]]


@pytest.mark.parametrize(
    "limits", [(1,), (1, 2, 3), (2, 1), (1, 1), (float("nan"), 1), (0, float("inf")), 5, "ab", None]
)
def test_limits_that_are_none_are_refused(limits: Any) -> None:
    with pytest.raises(InputError, match=r"value_range is .*give two"):
        ValueRange.fixed(limits)


def test_templates_share_a_range_where_it_suits_all() -> None:
    image = ramp(29000, 30000)
    first, second = one(ramp(29000, 29500)), one(ramp(29400, 30100))
    both = shared_range(image, [first, None, second, first])
    assert both is not None
    assert (both.low, both.high) == (first.low, second.high)
    assert shared_range(image, [None]) is None
    assert shared_range(image, [first, first]) == first
    assert shared_range(image.astype(np.float32), [first, second]) is None
    assert shared_range(image.astype(np.uint8), [first, one(ramp(0, 3))]) is None
    with pytest.raises(TemplateError, match=r"too different for one picture.*value_range="):
        shared_range(image, [first, one(ramp(29000, 29020))])
    named = ValueRange.fixed((29000, 30000))
    assert shared_range(image, [named, ValueRange.fixed((29000, 30000))]) == named
    with pytest.raises(TemplateError, match="too different"):
        shared_range(image, [named, ValueRange.fixed((29000, 30001))])


def test_objects_in_the_same_frames_share_a_range() -> None:
    first, second = one(ramp(29000, 29500)), one(ramp(29400, 30100))
    both = widened(first, second)
    assert both is not None
    assert (both.low, both.high) == (first.low, second.high)
    assert widened(None, first) == widened(first, None) == first
    named = ValueRange.fixed((1, 2))
    assert widened(named, first) == named
    with pytest.raises(InputError, match="give all of them the same"):
        widened(first, named)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_values_beyond_their_type_are_refused(kind: Any) -> None:
    most = float(np.finfo(kind).max)
    ends = np.random.default_rng(0).choice(np.array([-most, most], kind), (40, 50))
    for wide in (ends, ramp(0.95 * most, most, np.float64)):
        if wide.dtype == kind:
            with pytest.raises(ImageError, match="too far to be shown"):
                own_limits(wide)


@pytest.mark.parametrize(("low", "high"), [(-3e38, 3e38), (-1e300, 1e300), (3.2e38, 3.3e38)])
def test_named_limits_beyond_single_precision(low: float, high: float) -> None:
    values = ramp(low if abs(low) < 3.3e38 else 0, min(high, 3.3e38), np.float32)
    values[0, 0] = np.nan
    shown = grey_levels(values, (low, high))
    expected = (values.astype(float) / high - low / high) / (1 - low / high) * 255
    expected[0, 0] = np.median(expected[np.isfinite(values)])
    assert np.abs(shown - expected).max() <= 1


def test_the_slightest_differences_are_shown() -> None:
    values = ramp(0, 5e-320, np.float64)
    assert (as_bgr(values).min(), as_bgr(values).max()) == (0, 255)


def test_a_range_at_the_end_of_its_type_is_stored() -> None:
    values = one(ramp(0, 7e306, np.float64))
    assert ValueRange.recorded(values.record()) == values


def test_a_picture_that_changes_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner writes NaN into it after its values were sorted, or while it is shown."""
    picture = np.full((40, 50), -3.0, np.float32)
    partition = np.partition

    def sorted_and_changed(*arguments: Any) -> Any:
        ordered = partition(*arguments)
        picture[:] = np.nan
        return ordered

    with monkeypatch.context() as patch:
        patch.setattr(np, "partition", sorted_and_changed)
        assert own_limits(picture) == (-3.0, -3.0)
    isnan = np.isnan

    def looked_at_and_changed(values: Any) -> Any:
        known = isnan(values)
        picture[:] = np.nan
        return known

    picture[:] = 3.0
    picture[0] = np.nan
    monkeypatch.setattr(np, "isnan", looked_at_and_changed)
    assert (grey_levels(picture, (0.0, 6.0))[1:] == 128).all()
