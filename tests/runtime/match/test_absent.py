"""What is there is found, what is not is not: small screens, letters and photographs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_objects import icon, letter_page, logo, screen

from qatm.runtime import Matcher, box_iou
from qatm.runtime.boxes import Box
from qatm.runtime.match.pose import wrapped

Images = dict[str, np.ndarray]

OBJECTS: dict[str, tuple[int, int, int, int]] = {
    "astronaut": (190, 70, 70, 70),
    "chelsea": (150, 100, 64, 48),
    "coffee": (322, 228, 64, 64),
    "rocket": (300, 150, 50, 120),
}


@pytest.mark.parametrize("framed", [True, False])
def test_icons_are_found_and_absent_ones_are_not(matcher: Matcher, framed: bool) -> None:
    """Also those that are on the screen but for their letter."""
    shown, places = screen(range(10), np.random.default_rng(5))
    old, frames = screen(range(10), np.random.default_rng(6))
    templates = [
        matcher.encode_template(old, (*at, 24, 24)) if framed else matcher.encode_template(icon(n))
        for n, at in enumerate(frames)
    ]
    found = matcher.match(shown, templates=templates)
    for match in found:
        assert match.found, match.template
        at = places[match.template]
        assert (match.box.x, match.box.y) == pytest.approx(at, abs=1.5), match.template
    absent = [matcher.encode_template(icon(number)) for number in range(10, 20)]
    alarms = [match for match in matcher.match(shown, templates=absent) if match.found]
    assert [(10 + match.template, round(match.score, 2)) for match in alarms] == []


@pytest.mark.parametrize("framed", [True, False])
def test_logos_are_found_in_their_own_letters_only(matcher: Matcher, framed: bool) -> None:
    rng = np.random.default_rng(7)
    places = [(int(rng.integers(20, 340)), int(rng.integers(30, 110))) for _ in range(4)]
    pages = [letter_page(number, at, rng) for number, at in enumerate(places)]
    if framed:
        first = [letter_page(number, (60, 60), rng) for number in range(4)]
        templates = [matcher.encode_template(page, (60, 60, 120, 48)) for page in first]
    else:
        templates = [matcher.encode_template(logo(number)) for number in range(4)]
    wrong = []
    for number, page in enumerate(pages):
        for match in matcher.match(page, templates=templates):
            own = match.template == number
            at = Box(*map(float, (*places[number], 120, 48)))
            right = match.found and box_iou(match.box, at) > 0.7 if own else not match.found
            if not right:
                wrong.append((match.template, number, round(match.score, 2)))
    assert wrong == []


def test_objects_of_other_photographs_are_not_found(matcher: Matcher, photographs: Images) -> None:
    templates = [matcher.encode_template(photographs[name], box) for name, box in OBJECTS.items()]
    alarms = []
    for name, image in photographs.items():
        for match in matcher.match(image, templates=templates):
            other = list(OBJECTS)[match.template]
            if other == name:
                assert match.score > 0.9
                assert match.box == pytest.approx(OBJECTS[name], abs=1)
            elif match.found:
                alarms.append((other, name, round(match.score, 2)))
    assert alarms == []


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_object_is_found_only_where_turns_are_searched(
    matcher: Matcher, photographs: Images, name: str, turns: int
) -> None:
    image = photographs[name]
    template = matcher.encode_template(image, OBJECTS[name])
    turned = np.ascontiguousarray(np.rot90(image, turns))
    upright = matcher.match(turned, templates=[template])[0]
    assert not upright.found
    match = matcher.match(turned, templates=[template], rotation=180)[0]
    assert match.score > 0.9
    assert abs(wrapped(match.angle - 90 * turns)) < 0.5
    assert match.scale == pytest.approx(1, abs=0.01)


def test_what_is_gone_from_its_own_frame_is_not_found(
    matcher: Matcher, photographs: Images
) -> None:
    """Covered by another part of the same photograph."""
    for name, (x, y, w, h) in OBJECTS.items():
        image = photographs[name]
        template = matcher.encode_template(image, (x, y, w, h))
        without = image.copy()
        left, right = max(0, x - w - 10), min(image.shape[1], x + w + 10)
        covered = image[-h - 4 : -4, :w][:, ::-1]
        for top in range(max(0, y - h // 2), min(image.shape[0] - h, y + h // 2), h // 2):
            for across in range(left, right - w, w // 2):
                without[top : top + h, across : across + w] = covered
        match = matcher.match(without, templates=[template])[0]
        assert match.score < 0.5, name


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_a_plain_search_follows_sizes_as_far_as_it_promises(
    matcher: Matcher, photographs: Images, name: str
) -> None:
    image = photographs[name]
    template = matcher.encode_template(image, OBJECTS[name])
    for zoom in (0.5, 0.67, 1.5, 2.0):
        interpolation = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
        zoomed = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=interpolation)
        match = matcher.match(zoomed, templates=[template])[0]
        if zoom in {0.5, 2.0}:
            assert not match.found
            match = matcher.match(zoomed, templates=[template], scale=2)[0]
        assert match.score > 0.9
        wanted = Box(*(side * zoom for side in OBJECTS[name]))
        assert box_iou(match.box, wanted) > 0.9
