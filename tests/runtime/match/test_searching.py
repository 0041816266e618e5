"""Parts of images, and images that are large for what is looked for."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import pytest
from bundle_copies import with_recipe

from qatm.runtime import BoxError, Matcher, TemplateError, box_iou
from qatm.runtime.boxes import Box
from qatm.runtime.match.searching import search_level
from qatm.runtime.match.template import level_scales
from qatm.runtime.patches.encoder import Encoder

Images = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def collage(photographs: Images) -> np.ndarray:
    """Three photographs, and below them their mirror images, 1500 x 2001 px."""
    names = ("coffee", "chelsea", "rocket")
    parts = [cv2.resize(photographs[name], (667, 750)) for name in names]
    return np.vstack([np.hstack(parts), np.hstack([part[:, ::-1] for part in parts])])


def test_a_part_of_an_image(matcher: Matcher, photographs: Images) -> None:
    image = np.tile(photographs["astronaut"], (1, 2, 1))
    template = matcher.encode_template(photographs["astronaut"], (176, 64, 64, 48))
    right = matcher.match(image, templates=[template], region=(512, 0, 512, 512))[0]
    assert right.found
    assert right.box == pytest.approx((688, 64, 64, 48), abs=2)
    left = matcher.match(image, templates=[template], region=(0, 0, 512, 512))[0]
    assert left.box == pytest.approx((176, 64, 64, 48), abs=2)
    without = matcher.match(image, templates=[template], region=(256, 200, 256, 312))
    assert not without[0].found
    x, y, w, h = without[0].box
    assert x >= 256
    assert y >= 200
    assert x + w <= 512
    assert y + h <= 512


def test_a_part_is_all_that_is_looked_at(matcher: Matcher, photographs: Images) -> None:
    image = photographs["coffee"].copy()
    template = matcher.encode_template(image, (322, 228, 64, 64))
    part = (251, 160, 240, 200)
    expected = matcher.match(image, templates=[template], region=part)
    x, y, w, h = part
    alone = matcher.match(np.ascontiguousarray(image[y : y + h, x : x + w]), templates=[template])
    assert expected[0].box == pytest.approx(
        (alone[0].box.x + x, alone[0].box.y + y, *alone[0].box[2:]), abs=1e-6
    )
    changed = np.zeros_like(image)
    changed[y : y + h, x : x + w] = image[y : y + h, x : x + w]
    assert matcher.match(changed, templates=[template], region=part) == expected


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ((-1, 0, 50, 50), r"region \(-1.0, 0.0, 50.0, 50.0\) does not lie inside.*600x400 px"),
        ((580, 0, 50, 50), "does not lie inside the image"),
        ((700, 500, 50, 50), "does not lie inside the image"),
        ((0, 0, 0, 50), "both must be positive"),
        ((10.6, 10, 0.3, 50), "holds no whole pixel"),
        ((1, 2, 3), "is not four numbers"),
        ("1,2,3,4", "is not four numbers"),
        ((0, 0, float("nan"), 4), "not finite"),
    ],
)
def test_a_bad_region_is_refused(
    matcher: Matcher, photographs: Images, region: Any, words: str
) -> None:
    image = photographs["coffee"]
    template = matcher.encode_template(image, (322, 228, 64, 64))
    with pytest.raises(BoxError, match=words):
        matcher.match(image, templates=[template], region=region)


def test_a_region_smaller_than_the_template_is_refused(
    matcher: Matcher, photographs: Images
) -> None:
    image = photographs["coffee"]
    template = matcher.encode_template(image, (322, 228, 64, 64))
    words = r"template \(64x64 px\) is larger than the region \(80x60 px\)"
    with pytest.raises(TemplateError, match=words):
        matcher.match(image, templates=[template], region=(0, 0, 80, 60))


@pytest.mark.parametrize(
    ("side", "scales"),
    [
        (64, [1, 2**-0.5, 0.5]),
        (200, [2**-1.5, 0.25, 2**-2.5]),
        (45, [1, 2**-0.5]),
        (32, [1]),
        (24, [2**0.5, 1]),
        (16, [2, 2**0.5, 1]),
        (8, [4, 2**1.5, 2]),
    ],
)
def test_resolutions_of_a_template(matcher: Matcher, side: float, scales: list[float]) -> None:
    recipe = matcher.bundle.spec.recipes.match
    assert level_scales(side, side, recipe) == pytest.approx(scales)


@pytest.mark.parametrize(
    ("size", "box", "scale"),
    [
        ((480, 640), (100, 100, 64, 64), 1.0),
        ((1080, 1920), (100, 100, 64, 64), 0.5),
        ((800, 1280), (100, 100, 24, 24), 1.0),
        ((480, 640), (100, 100, 24, 24), 2**0.5),
        ((3000, 4000), (100, 100, 64, 64), 0.5),
    ],
)
def test_at_which_resolution_an_image_is_searched(
    matcher: Matcher,
    photographs: Images,
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    scale: float,
) -> None:
    template = matcher.encode_template(photographs["coffee"], box)
    level = search_level(template, size[1], size[0], matcher.bundle.spec.recipes.match)
    assert level.scale == pytest.approx(scale)


@pytest.mark.parametrize("side", [20, 24, 40, 64, 150])
def test_objects_in_a_large_image(
    matcher: Matcher,
    collage: np.ndarray,
    photographs: Images,
    monkeypatch: pytest.MonkeyPatch,
    side: int,
) -> None:
    """A textured object pasted by hand is found where it is, and hardly any pixel is enlarged."""
    encoded: list[int] = []
    original = Encoder.encode_crops

    def counted(self: Encoder, crops: list[np.ndarray]) -> Any:
        encoded.extend(crop.shape[0] * crop.shape[1] for crop in crops)
        return original(self, crops)

    monkeypatch.setattr(Encoder, "encode_crops", counted)
    frame = photographs["astronaut"]
    box = (200, 90, side, side)
    template = matcher.encode_template(frame, box)
    image = collage.copy()
    scene = frame[40 : 40 + 300, 150 : 150 + 300]
    image[1101:1401, 1503:1803] = scene
    encoded.clear()
    found = matcher.match(image, templates=[template])[0]
    expected = Box(1503 + 200 - 150, 1101 + 90 - 40, side, side)
    assert found.found
    assert box_iou(found.box, expected) > 0.75
    assert sum(encoded) < 1.6 * image.shape[0] * image.shape[1]


def test_what_is_looked_at_by_itself_lies_where_the_whole_says(
    matcher: Matcher, collage: np.ndarray, photographs: Images
) -> None:
    frame = photographs["astronaut"]
    template = matcher.encode_template(frame, (180, 70, 80, 60))
    image = collage.copy()
    image[601:901, 303:603] = frame[40:340, 150:450]
    apart = matcher.match(image, templates=[template])[0]
    size = image.shape[0] * image.shape[1]
    with Matcher(with_recipe(matcher.bundle, "match", whole_pixels=size)) as other:
        recipe = other.bundle.spec.recipes.match
        levels = [
            search_level(template, image.shape[1], image.shape[0], each).scale
            for each in (recipe, matcher.bundle.spec.recipes.match)
        ]
        assert levels[0] > levels[1]
        whole = other.match(image, templates=[template])[0]
    assert apart.box == pytest.approx(whole.box, abs=1.5)
    assert apart.score == pytest.approx(whole.score, abs=0.05)


def test_many_templates_are_looked_for_side_by_side(photographs: Images) -> None:
    """Each answer is what the template gets by itself, on however many threads."""
    image = photographs["astronaut"]
    boxes = [(176, 64, 64, 48), (300, 300, 64, 64), (60, 200, 48, 64), (400, 60, 56, 56)]
    before = threading.active_count()
    with Matcher(threads=2) as two, Matcher(threads=1) as one:
        templates = [two.encode_template(image, box) for box in boxes]
        together = {m.template: m for m in two.match(image, templates=templates)}
        in_turn = {m.template: m for m in one.match(image, templates=templates)}
        assert threading.active_count() == before
        for index, template in enumerate(templates):
            alone = two.match(image, templates=[template])[0]
            for match in (together[index], in_turn[index]):
                assert match.box == pytest.approx(alone.box, abs=1e-3)
                assert match.score == pytest.approx(alone.score, abs=1e-4)
            assert box_iou(alone.box, Box(*boxes[index])) > 0.9


def test_an_error_of_one_of_many_templates_is_raised(matcher: Matcher, photographs: Images) -> None:
    image = photographs["astronaut"]
    small = matcher.encode_template(image, (176, 64, 48, 48))
    large = matcher.encode_template(image, (0, 0, 300, 300))
    with pytest.raises(TemplateError, match="larger than the image"):
        matcher.match(image[:200, :200], templates=[small] * 4 + [large])
