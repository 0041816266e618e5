"""Exact places and sizes: known changes of known pictures."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from qatm.runtime import Bundle, Matcher
from qatm.runtime.boxes import Box, box_iou

Images = dict[str, np.ndarray]

OBJECTS = {"astronaut": (200.5, 100.5, 48.0, 48.0), "coffee": (280.0, 180.0, 80.0, 80.0)}


def with_recipe(matcher: Matcher, **changes: float) -> Matcher:
    """A matcher whose recipe differs."""
    spec = matcher.bundle.spec.with_recipe(changes)
    return Matcher(Bundle(matcher.bundle.path, spec), threads=1)


@pytest.fixture(scope="module")
def fixed_size(matcher: Matcher) -> Iterator[Matcher]:
    with with_recipe(matcher, size_rounds=0) as made:
        yield made


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=kind))


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("factor", [0.75, 0.9, 1.0, 1.1, 1.3])
def test_the_size_follows_the_object(
    matcher: Matcher, photographs: Images, name: str, factor: float
) -> None:
    box = OBJECTS[name]
    template = matcher.encode_template(photographs[name], box)
    match = matcher.match(resized(photographs[name], factor), templates=[template])[0]
    assert match.found
    assert match.box.w / (box[2] * factor) == pytest.approx(1, abs=0.06)
    assert match.box.w / match.box.h == pytest.approx(box[2] / box[3])
    for start, length, truth in (
        (match.box.x, match.box.w, box[0]),
        (match.box.y, match.box.h, box[1]),
    ):
        centre = (truth + box[2] / 2) * factor
        assert start + length / 2 == pytest.approx(centre, abs=0.06 * box[2])


def test_the_size_can_be_left_alone(fixed_size: Matcher, photographs: Images) -> None:
    box = OBJECTS["coffee"]
    template = fixed_size.encode_template(photographs["coffee"], box)
    match = fixed_size.match(resized(photographs["coffee"], 1.1), templates=[template])[0]
    assert match.found
    assert match.box[2:] == box[2:]


def test_what_is_not_found_has_about_its_size(matcher: Matcher, photographs: Images) -> None:
    template = matcher.encode_template(photographs["astronaut"], OBJECTS["astronaut"])
    match = matcher.match(photographs["rocket"], templates=[template])[0]
    assert not match.found
    assert match.box.w == pytest.approx(match.box.h)
    assert 0.7 < match.box.w / 48 < 1.4


def test_no_box_outgrows_the_image(matcher: Matcher, photographs: Images) -> None:
    """A template as wide as the image, shown larger."""
    scene = photographs["coffee"][100:260, 200:360]
    template = matcher.encode_template(photographs["coffee"], (210, 110, 140, 140))
    match = matcher.match(resized(scene, 1.2)[16:176, 16:176], templates=[template], min_score=0)[0]
    assert match.box.w == pytest.approx(match.box.h)
    assert match.box.w <= 160
    assert box_iou(match.box, Box(0, 0, 160, 160)) > 0.8


def test_candidates_are_compared_where_they_really_lie(
    matcher: Matcher, photographs: Images
) -> None:
    """The same object twice, once blurred: the sharp one wins wherever it is."""
    image = photographs["astronaut"]
    template = matcher.encode_template(image, (180, 60, 90, 90))
    face = image[60:150, 180:270]
    scene = photographs["coffee"].copy()
    for sharp, soft in (((40, 40), (280, 460)), ((280, 460), (40, 40))):
        shown = scene.copy()
        shown[sharp[0] : sharp[0] + 90, sharp[1] : sharp[1] + 90] = face
        blurred = cv2.GaussianBlur(face, (0, 0), 2.5)
        shown[soft[0] : soft[0] + 90, soft[1] : soft[1] + 90] = blurred
        match = matcher.match(shown, templates=[template])[0]
        assert (match.box.y, match.box.x) == pytest.approx(sharp, abs=6)


@pytest.mark.parametrize(
    "changes", [{"candidates": 1}, {"exclusive": 0}, {"refine": 0}, {"competitors": 0}]
)
def test_each_idea_can_be_switched_off(
    matcher: Matcher, photographs: Images, changes: dict[str, float]
) -> None:
    box = OBJECTS["coffee"]
    with with_recipe(matcher, **changes) as other:
        template = other.encode_template(photographs["coffee"], box)
        match = other.match(photographs["coffee"], templates=[template], top_k=3)[0]
        assert match.found
        assert match.box == pytest.approx(box, abs=4)
