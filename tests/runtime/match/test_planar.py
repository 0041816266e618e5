"""Planar objects seen from the side: affine maps and homographies of matches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from qatm.runtime import InputError, Match, Matcher, Template
from qatm.runtime.boxes import Box
from qatm.runtime.match.pose import outline_overlap

Images = dict[str, np.ndarray]

OBJECTS = {
    "astronaut": (180.0, 60.0, 90.0, 90.0),
    "coffee": (300.0, 210.0, 100.0, 80.0),
    "chelsea": (130.0, 75.0, 100.0, 80.0),
}
HALF = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])


def near(angle: float) -> dict[str, Any]:
    """How an object is looked for; how high its score is, is tested elsewhere."""
    low, high = (min(max(angle + reach, -180), 180) for reach in (-30, 30))
    return {"rotation": (low, high), "scale": 1.4, "min_score": 0.1}


def similar(angle: float, scale: float) -> np.ndarray:
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def slanted(aspect: float, slant: float) -> np.ndarray:
    """An affine map of offsets from the middle."""
    root = aspect**0.5
    return np.array([[root, slant, 0], [0, 1 / root, 0], [0, 0, 1]])


def tilted(degrees: float, around: float, distance: float) -> np.ndarray:
    """How a plane looks from so many pixels away when it is tilted about an axis."""
    axis = np.array([np.cos(np.radians(around)), np.sin(np.radians(around)), 0.0])
    turn = cv2.Rodrigues(axis * np.radians(degrees))[0]
    return np.vstack([turn[:2, :2] @ np.eye(2, 3), [*(turn[2, :2] / distance), 1]])


def moved(matrix: np.ndarray, box: tuple[float, ...], at: tuple[float, float]) -> np.ndarray:
    """A map of offsets from a box's middle, as one of the picture's pixels."""
    x, y = Box(*box).centre
    to_place = np.array([[1, 0, at[0]], [0, 1, at[1]], [0, 0, 1]])
    return to_place @ matrix @ np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])


def seen(image: np.ndarray, whole: np.ndarray, seed: int = 0) -> np.ndarray:
    """A picture through a map, in another light and with noise."""
    matrix = np.linalg.inv(HALF) @ whole @ HALF
    size, border = (560, 460), cv2.BORDER_REFLECT_101
    picture = cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=border)
    noise = np.random.default_rng(seed).normal(0, 3, picture.shape)
    return np.clip(picture * 0.9 + 10 + noise, 0, 255).astype(np.uint8)


def corners_of(whole: np.ndarray, box: tuple[float, ...]) -> np.ndarray:
    x, y, w, h = box
    own = np.array([[[x, y], [x + w, y], [x + w, y + h], [x, y + h]]])
    return cv2.perspectiveTransform(own, whole)[0]


def check(match: Match, corners: np.ndarray, atol: float) -> None:
    assert match.found
    np.testing.assert_allclose(match.corners, corners, atol=atol)
    low, high = match.corners.min(0), match.corners.max(0)
    assert match.box == pytest.approx((*low, *(high - low)))


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize(
    ("angle", "aspect", "slant", "fit"),
    [(0, 1.5, 0.0, "affine"), (70, 0.75, 0.3, "homography"), (-140, 1.2, -0.35, "affine")],
)
def test_affine_maps_are_recovered(
    matcher: Matcher, photographs: Images, name: str, angle: float, aspect: float, slant: float,
    fit: Any,
) -> None:  # fmt: skip
    box = OBJECTS[name]
    whole = moved(similar(angle, 1.1) @ slanted(aspect, slant), box, (280, 230))
    image = seen(photographs[name], whole)
    template = matcher.encode_template(photographs[name], box)
    match = matcher.match(image, templates=[template], fit=fit, **near(angle))[0]
    check(match, corners_of(whole, box), 0.5)
    # Whether perspective is needed is asked, so that an affine map stays one.
    np.testing.assert_array_equal(match.transform[2], (0, 0, 1))
    assert match.angle == pytest.approx(angle, abs=20)
    assert match.scale == pytest.approx(1.1, rel=0.1)
    shift = np.array([[1, 0, box[0]], [0, 1, box[1]], [0, 0, 1]])
    np.testing.assert_allclose(match.transform, whole @ shift, atol=0.5)


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize(("degrees", "around", "angle"), [(30, 20, 0), (38, 200, 100)])
def test_homographies_are_recovered(
    matcher: Matcher, photographs: Images, name: str, degrees: float, around: float, angle: float
) -> None:
    box = OBJECTS[name]
    whole = moved(similar(angle, 1.1) @ tilted(degrees, around, 250), box, (280, 230))
    image = seen(photographs[name], whole)
    template = matcher.encode_template(photographs[name], box)
    plain = matcher.match(image, templates=[template], **near(angle))[0]
    match = matcher.match(image, templates=[template], fit="homography", **near(angle))[0]
    truth = corners_of(whole, box)
    check(match, truth, 0.8)
    assert outline_overlap(match.corners, truth) > 0.97
    assert outline_overlap(plain.corners, truth) < 0.93
    assert (match.score, match.margin, match.name) == (plain.score, plain.margin, plain.name)


def test_a_similarity_is_what_is_found_by_default(matcher: Matcher, photographs: Images) -> None:
    box = OBJECTS["coffee"]
    whole = moved(similar(40, 1) @ slanted(1.3, 0.2), box, (280, 230))
    image = seen(photographs["coffee"], whole)
    template = matcher.encode_template(photographs["coffee"], box)
    first = matcher.match(image, templates=[template], **near(40))[0]
    assert matcher.match(image, templates=[template], fit="similarity", **near(40))[0] == first
    columns = first.transform[:2, :2]
    np.testing.assert_allclose(columns.T @ columns, np.eye(2) * first.scale**2, atol=1e-9)


@pytest.mark.parametrize("fit", ["affine", "homography"])
def test_what_is_turned_and_resized_only_stays_a_similarity(
    matcher: Matcher, photographs: Images, fit: Any
) -> None:
    box = OBJECTS["astronaut"]
    image = seen(photographs["astronaut"], moved(similar(-65, 0.8), box, (280, 230)))
    template = matcher.encode_template(photographs["astronaut"], box)
    first = matcher.match(image, templates=[template], **near(-65))
    assert matcher.match(image, templates=[template], fit=fit, **near(-65)) == first


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("fit", ["affine", "homography"])
@pytest.mark.parametrize("height", [3, 6])
def test_what_deforms_is_placed_no_worse(
    matcher: Matcher, photographs: Images, name: str, fit: Any, height: float
) -> None:
    image, box = photographs[name], OBJECTS[name]
    template = matcher.encode_template(image, box)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    # Even in the box, so that no affine map is nearer to it than the one that changes nothing.
    swing = [
        (height * np.cos(2 * np.pi * (at - start) / side)).astype(np.float32)
        for at, start, side in ((y, box[1], box[3]), (x, box[0], box[2]))
    ]
    bent = cv2.remap(image, x + swing[0], y + swing[1], cv2.INTER_LINEAR)
    truth = corners_of(np.eye(3), box)
    first = matcher.match(bent, templates=[template])[0]
    match = matcher.match(bent, templates=[template], fit=fit)[0]
    before, after = (outline_overlap(each.corners, truth) for each in (first, match))
    assert after > before - 0.02


def test_a_region_and_a_crop_and_a_mask(matcher: Matcher, photographs: Images) -> None:
    image, box = photographs["astronaut"], OBJECTS["astronaut"]
    whole = moved(similar(25, 1) @ slanted(1.35, 0.1), box, (280, 230))
    scene, truth = seen(image, whole), corners_of(whole, box)
    part: dict[str, Any] = {"region": (160, 110, 250, 240), "fit": "affine", **near(25)}
    x, y, w, h = (round(side) for side in box)
    crop = matcher.encode_template(np.ascontiguousarray(image[y : y + h, x : x + w]))
    check(matcher.match(scene, templates=[crop], **part)[0], truth, 0.5)
    down, across = np.mgrid[:h, :w]
    mask = (across - 44.5) ** 2 + (down - 44.5) ** 2 < 44**2
    masked = matcher.encode_template(image, box, mask)
    check(matcher.match(scene, templates=[masked], **part)[0], truth, 1)


def test_several_templates_and_places_are_bent_each_by_itself(
    matcher: Matcher, photographs: Images
) -> None:
    first, second = OBJECTS["astronaut"], (300.0, 190.0, 90.0, 70.0)
    image = photographs["astronaut"]
    whole = moved(similar(8, 1) @ slanted(1.3, 0.1), (200, 120, 120, 80), (280, 230))
    scene = seen(image, whole)
    templates = [matcher.encode_template(image, box) for box in (first, second)]
    matches = matcher.match(scene, templates=templates, fit="affine", **near(0))
    assert {match.template for match in matches} == {0, 1}
    for match in matches:
        check(match, corners_of(whole, (first, second)[match.template]), 0.5)
    assert matcher.match(scene, templates=templates, fit="affine", **near(0)) == matches
    # Two copies of one object, seen from two sides.
    x, y, w, h = (round(side) for side in first)
    tile, board = image[y - 20 : y + h + 20, x - 20 : x + w + 20], np.full_like(image, 128)
    inner = (20.0, 20.0, 90.0, 90.0)
    maps = [
        moved(similar(10, 1) @ slanted(1.4, 0), inner, (130, 130)),
        moved(similar(-20, 1) @ slanted(0.75, 0.1), inner, (360, 350)),
    ]
    for each in maps:
        matrix = np.linalg.inv(HALF) @ each @ HALF
        cv2.warpPerspective(
            tile, matrix, board.shape[1::-1], board, borderMode=cv2.BORDER_TRANSPARENT
        )
    two = matcher.match(board, 5, templates=templates[:1], fit="homography", **near(0))
    assert len(two) == 2
    for match, each in zip(sorted(two, key=lambda match: match.box.x), maps, strict=True):
        check(match, corners_of(each, inner), 0.8)


def test_what_is_not_found_stays_as_it_is(matcher: Matcher, photographs: Images) -> None:
    template = matcher.encode_template(photographs["astronaut"], OBJECTS["astronaut"])
    image = photographs["rocket"]
    first = matcher.match(image, templates=[template])
    assert not first[0].found
    assert matcher.match(image, templates=[template], fit="homography") == first


def test_saved_templates_are_bent_alike(
    matcher: Matcher, photographs: Images, tmp_path: Path
) -> None:
    box = OBJECTS["chelsea"]
    image = seen(photographs["chelsea"], moved(slanted(1.3, 0.1), box, (280, 230)))
    template = matcher.encode_template(photographs["chelsea"], box)
    loaded = Template.load(template.save(tmp_path / "eye"))
    matches = [
        matcher.match(image, templates=[each], fit="affine", **near(0))
        for each in (template, loaded)
    ]
    assert matches[0] == matches[1]


@pytest.mark.parametrize("fit", ["projective", "", None, 6])
def test_an_unknown_fit_is_refused(matcher: Matcher, photographs: Images, fit: Any) -> None:
    template = matcher.encode_template(photographs["coffee"], OBJECTS["coffee"])
    words = f"fit is {fit!r}; choose from similarity, affine, homography"
    with pytest.raises(InputError, match=words):
        matcher.match(photographs["coffee"], templates=[template], fit=fit)
