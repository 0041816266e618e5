"""Objects at any angle and size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from qatm.runtime import Matcher, Template, TemplateError
from qatm.runtime.boxes import Box
from qatm.runtime.match.pose import Pose, outline_overlap, wrapped

Images = dict[str, np.ndarray]

OBJECTS = {"astronaut": (180.0, 60.0, 90.0, 90.0), "coffee": (322.0, 228.0, 64.0, 64.0)}


def posed(
    image: np.ndarray, box: tuple[float, ...], angle: float, scale: float
) -> tuple[np.ndarray, Pose]:
    """An image turned and zoomed about a box, which comes to lie in its middle."""
    height, width = image.shape[:2]
    x, y = Box(*box).centre
    matrix = cv2.getRotationMatrix2D((x - 0.5, y - 0.5), angle, scale)
    matrix[:, 2] += (width / 2 - x, height / 2 - y)
    turned = cv2.warpAffine(image, matrix, (width, height), borderValue=(90, 100, 110))
    return turned, Pose(width / 2, height / 2, wrapped(angle), scale)


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize(
    ("angle", "scale"), [(0, 1), (90, 1), (-47, 1.3), (180, 0.7), (133, 0.6), (20, 1.8)]
)
def test_known_poses_are_found(
    matcher: Matcher, photographs: Images, name: str, angle: float, scale: float
) -> None:
    box = OBJECTS[name]
    image, truth = posed(photographs[name], box, angle, scale)
    template = matcher.encode_template(photographs[name], box, name=name)
    match = matcher.match(image, templates=[template], rotation=180, scale=2)[0]
    assert match.found
    assert match.name == name
    corners = truth.corners(template.size)
    assert outline_overlap(match.corners, corners) > 0.95
    np.testing.assert_allclose(match.corners, corners, atol=0.5)
    assert abs(wrapped(match.angle - angle)) < 0.5
    assert match.scale == pytest.approx(scale, rel=0.01)
    low, high = corners.min(0), corners.max(0)
    assert match.box == pytest.approx((*low, *(high - low)), abs=0.7)
    origin = match.transform @ (0, 0, 1)
    np.testing.assert_allclose(origin[:2], match.corners[0])


def test_beyond_the_range_nothing_is_found(matcher: Matcher, photographs: Images) -> None:
    box = OBJECTS["astronaut"]
    template = matcher.encode_template(photographs["astronaut"], box)
    image, _ = posed(photographs["astronaut"], box, 90, 1)
    assert not matcher.match(image, templates=[template], rotation=30)[0].found
    assert matcher.match(image, templates=[template], rotation=(80, 100))[0].found
    image, _ = posed(photographs["astronaut"], box, 0, 1.8)
    assert not matcher.match(image, templates=[template], scale=(0.8, 1.2))[0].found
    assert matcher.match(image, templates=[template], scale=2)[0].found


def test_turning_the_image_turns_the_answer(matcher: Matcher, photographs: Images) -> None:
    box = OBJECTS["coffee"]
    template = matcher.encode_template(photographs["coffee"], box)
    image = photographs["coffee"]
    quarter = np.ascontiguousarray(np.rot90(image))
    first = matcher.match(image, templates=[template], rotation=180)[0]
    second = matcher.match(quarter, templates=[template], rotation=180)[0]
    assert abs(wrapped(second.angle - first.angle - 90)) < 0.2
    x, y = first.corners.mean(0)
    np.testing.assert_allclose(second.corners.mean(0), (y, image.shape[1] - x), atol=0.1)


def test_a_slender_object_is_placed_though_it_leans(matcher: Matcher, photographs: Images) -> None:
    """Its ends lie 9 px from where they would be without the turn."""
    box = (310.0, 100.0, 40.0, 160.0)
    template = matcher.encode_template(photographs["rocket"], box)
    image, truth = posed(photographs["rocket"], box, 6, 1.08)
    match = matcher.match(image, templates=[template])[0]
    assert match.found
    assert match.angle == 0
    np.testing.assert_allclose(match.corners.mean(0), (truth.x, truth.y), atol=0.3)
    assert match.scale == pytest.approx(1.08, rel=0.01)


def test_a_part_of_an_image_is_searched(matcher: Matcher, photographs: Images) -> None:
    box = OBJECTS["astronaut"]
    image, truth = posed(photographs["astronaut"], box, 60, 1)
    template = matcher.encode_template(photographs["astronaut"], box)
    part = (120, 130, 300, 280)
    match = matcher.match(image, templates=[template], rotation=180, region=part)[0]
    np.testing.assert_allclose(match.corners, truth.corners(template.size), atol=0.5)


def test_poses_are_kept_and_saved(matcher: Matcher, photographs: Images, tmp_path: Path) -> None:
    box = OBJECTS["coffee"]
    image, _ = posed(photographs["coffee"], box, 75, 1.2)
    template = matcher.encode_template(photographs["coffee"], box)
    assert not template.poses
    first = matcher.match(image, templates=[template], rotation=180, scale=1.5)[0]
    assert len(template.poses) == 36
    loaded = Template.load(template.save(tmp_path / "cup"))
    assert loaded.poses.keys() == template.poses.keys()
    for key, rows in template.poses.items():
        np.testing.assert_array_equal(loaded.poses[key].rows, rows.rows)
        np.testing.assert_array_equal(loaded.poses[key].cells, rows.cells)
    assert matcher.match(image, templates=[loaded], rotation=180, scale=1.5)[0] == first
    # Other poses are encoded from what the template keeps of its picture.
    more = matcher.match(image, templates=[loaded], rotation=180, scale=2)[0]
    np.testing.assert_allclose(more.corners, first.corners, atol=0.2)


def test_templates_of_earlier_versions_cannot_be_turned(
    matcher: Matcher, photographs: Images, tmp_path: Path
) -> None:
    template = matcher.encode_template(photographs["coffee"], OBJECTS["coffee"], name="cup")
    path = template.save(tmp_path / "cup.npz")
    with np.load(path) as data:
        older = {name: data[name] for name in data if not name.startswith("view")}
    np.savez(path, **{**older, "format": np.array(1)})
    loaded = Template.load(path)
    assert matcher.match(photographs["coffee"], templates=[loaded])[0].found
    with pytest.raises(TemplateError, match=r"'cup' was saved by an earlier version.*encode it"):
        matcher.match(photographs["coffee"], templates=[loaded], rotation=180)


def test_an_object_that_fits_at_no_size_is_refused(matcher: Matcher, photographs: Images) -> None:
    template = matcher.encode_template(photographs["coffee"], (0, 0, 300, 300))
    image = photographs["coffee"][:200, :200]
    with pytest.raises(TemplateError, match="larger than the image"):
        matcher.match(image, templates=[template], rotation=180)
    assert matcher.match(image, templates=[template], scale=2)


def test_masked_templates_are_turned_with_their_mask(matcher: Matcher, photographs: Images) -> None:
    box = OBJECTS["astronaut"]
    y, x = np.mgrid[:90, :90]
    mask = (x - 44.5) ** 2 + (y - 44.5) ** 2 < 45**2
    template = matcher.encode_template(photographs["astronaut"], box, mask)
    image, truth = posed(photographs["astronaut"], box, -120, 0.9)
    match = matcher.match(image, templates=[template], rotation=180, scale=1.5)[0]
    np.testing.assert_allclose(match.corners, truth.corners(template.size), atol=1)


def test_a_plain_match_says_where_it_is_to_a_part_of_a_pixel(
    matcher: Matcher, photographs: Images
) -> None:
    image = photographs["astronaut"]
    for dx, dy in ((0.3, -0.45), (2.71, 1.5), (-3.2, 0.08)):
        moved = cv2.warpAffine(
            image, np.array([[1, 0, dx], [0, 1, dy]]), (512, 512), flags=cv2.INTER_CUBIC
        )
        for template in (
            matcher.encode_template(image, (180, 60, 90, 90)),
            matcher.encode_template(np.ascontiguousarray(image[60:150, 180:270])),
        ):
            match = matcher.match(moved, templates=[template])[0]
            centre = match.corners.mean(0)
            np.testing.assert_allclose(centre, (225 + dx, 105 + dy), atol=0.08)
            assert match.angle == 0
            assert match.scale == pytest.approx(1, abs=0.003)
            assert match.margin > 0.3
