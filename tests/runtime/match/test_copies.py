"""Many equal parts: all are found and nothing else, and what is equal says nothing against them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_objects import gravel, icon, laid, scattered, screen, ticked, washer, words

from qatm.runtime import Match, Matcher, box_iou
from qatm.runtime.boxes import Box
from qatm.runtime.images import Image

SIDE = 40


@pytest.fixture(scope="module")
def parts() -> tuple[Image, list[Box]]:
    """25 equal round parts on gravel."""
    rng = np.random.default_rng(1)
    ground = gravel(560, 440, rng)
    part, mask = washer(SIDE)
    places = scattered(25, (560, 440), SIDE, rng)
    for place in places:
        laid(ground, part, mask, place)
    return ground, [Box(float(x), float(y), float(SIDE), float(SIDE)) for x, y in places]


@pytest.fixture(scope="module")
def form() -> tuple[Image, list[Box]]:
    """30 ticked boxes on a page of text."""
    rng = np.random.default_rng(2)
    page = np.full((480, 640, 3), 255, np.uint8)
    boxes = []
    for row in range(15):
        for x in (24, 340):
            y = 16 + 30 * row
            ticked(page, (x, y))
            words(page, (x + 28, y + 13), x + 200, rng)
            boxes.append(Box(float(x), float(y), 16.0, 16.0))
    return page, boxes


def cut(image: Image, box: Box) -> Image:
    x, y, w, h = map(int, box)
    return np.ascontiguousarray(image[y : y + h, x : x + w])


def told_apart(matches: list[Match], truths: list[Box]) -> tuple[int, int]:
    """How many truths were found, and how many found ones are none."""
    found = [match for match in matches if match.found]
    hit = {
        index
        for match in found
        for index, truth in enumerate(truths)
        if box_iou(match.box, truth) > 0.6
    }
    wrong = sum(max(box_iou(match.box, truth) for truth in truths) <= 0.6 for match in found)
    return len(hit), wrong


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("picture", ["parts", "form"])
def test_all_copies_are_found_and_nothing_else(
    matcher: Matcher, picture: str, framed: bool, request: pytest.FixtureRequest
) -> None:
    image, truths = request.getfixturevalue(picture)
    box = truths[len(truths) // 2]
    template = (
        matcher.encode_template(image, box) if framed else matcher.encode_template(cut(image, box))
    )
    matches = matcher.match(image, top_k=len(truths) + 10, templates=[template])
    assert told_apart(matches, truths) == (len(truths), 0)


def placed(photographs: dict[str, np.ndarray], count: int) -> Image:
    """A face, so many times, on another photograph."""
    scene = photographs["coffee"].copy()
    face = photographs["astronaut"][70:140, 190:260]
    for index in range(count):
        x, y = 40 + 180 * (index % 3), 20 + 120 * (index // 3)
        scene[y : y + 70, x : x + 70] = face
    return scene


def test_copies_do_not_lower_a_score(matcher: Matcher, photographs: dict[str, np.ndarray]) -> None:
    template = matcher.encode_template(photographs["astronaut"], (190, 70, 70, 70))
    alone = matcher.match(placed(photographs, 1), templates=[template])[0]
    among = matcher.match(placed(photographs, 9), top_k=12, templates=[template])
    assert alone.score > 0.9
    assert among[0].score > alone.score - 0.1
    assert sum(match.found for match in among) == 9
    assert min(match.score for match in among) > alone.score - 0.2


def test_an_exact_copy_comes_before_near_duplicates(matcher: Matcher) -> None:
    """Of icons that differ in a letter only, in the order of how alike they are."""
    rng = np.random.default_rng(3)
    for wanted in (5, 10, 15):
        shown, places = screen([20, 10, 5, 15, 0], rng)
        template = matcher.encode_template(icon(wanted))
        best = matcher.match(shown, top_k=5, templates=[template])[0]
        at = places[(20, 10, 5, 15, 0).index(wanted)]
        assert best.found
        assert (best.box.x, best.box.y) == pytest.approx(at, abs=1.5)


def test_an_exact_copy_comes_before_a_changed_one(
    matcher: Matcher, photographs: dict[str, np.ndarray]
) -> None:
    face = photographs["astronaut"][70:140, 190:260]
    changed = face.copy()
    cv2.circle(changed, (35, 52), 9, (30, 200, 40), -1)
    template = matcher.encode_template(face)
    for exact, other in (((40, 30), (400, 250)), ((400, 250), (40, 30))):
        scene = photographs["coffee"].copy()
        for (x, y), shown in ((exact, face), (other, changed)):
            scene[y : y + 70, x : x + 70] = shown
        best, *_ = matcher.match(scene, top_k=3, templates=[template])
        assert (best.box.x, best.box.y) == pytest.approx(exact, abs=0.5)
        assert best.score > 0.9


def test_a_place_goes_to_one_template_only(matcher: Matcher) -> None:
    """With ``suppress="all"``; each template by itself would be found there, or nearly so."""
    rng = np.random.default_rng(4)
    numbers = [5, 10, 15, 1]
    shown, places = screen(numbers, rng)
    templates = [matcher.encode_template(shown, (*at, 24, 24)) for at in places]
    templates.append(matcher.encode_template(shown, (places[0][0] - 2, places[0][1] - 2, 27, 27)))
    each = matcher.match(shown, templates=templates, min_score=0.3)
    assert {match.template for match in each if match.found} == set(range(5))
    taken = matcher.match(shown, templates=templates, min_score=0.3, suppress="all")
    found = [match for match in taken if match.found]
    assert {match.template for match in found} | {0, 4} == set(range(5))
    assert len(found) == 4
    for index, match in enumerate(found):
        for other in found[index + 1 :]:
            assert box_iou(match.box, other.box) < 0.3
    # What lost its place is listed all the same.
    assert {match.template for match in taken} == set(range(5))


def test_an_answer_is_the_same_every_time(matcher: Matcher, parts: tuple[Image, list[Box]]) -> None:
    image, truths = parts
    template = matcher.encode_template(cut(image, truths[3]))
    first = matcher.match(image, top_k=30, templates=[template])
    assert matcher.match(image, top_k=30, templates=[template]) == first
    again = matcher.encode_template(cut(image, truths[3]))
    assert matcher.match(image, top_k=30, templates=[again]) == first
