"""Real photographs, real changes: what is there is found in its place, what is not is not."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from qatm.calib.photographs import photograph_files
from qatm.runtime import Match, Matcher, Template, box_iou

Images = dict[str, np.ndarray]
Box = tuple[float, float, float, float]

OBJECTS: dict[str, Box] = {
    "astronaut": (180, 60, 90, 90),
    "chelsea": (150, 90, 110, 80),
    "coffee": (200, 120, 150, 130),
    "rocket": (300, 90, 60, 180),
    "motorcycle_left": (120, 250, 130, 130),
}
NAMES = sorted(OBJECTS)


@pytest.fixture(scope="module")
def templates(matcher: Matcher, photographs: Images) -> dict[str, Template]:
    return {
        name: matcher.encode_template(photographs[name], box, name=name)
        for name, box in OBJECTS.items()
    }


def best(matcher: Matcher, image: np.ndarray, template: Template) -> Match:
    return matcher.match(image, templates=[template])[0]


def warped(image: np.ndarray, box: Box, scale: float, dx: float, dy: float) -> tuple:
    """The picture scaled and shifted, and where the box went."""
    matrix = np.array([[scale, 0, dx], [0, scale, dy]], np.float64)
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT)
    return moved, (box[0] * scale + dx, box[1] * scale + dy, box[2] * scale, box[3] * scale)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shift", [(0, 0), (37, -21), (-50, 13)])
def test_a_shift_is_found_exactly(
    matcher: Matcher, photographs: Images, templates, name: str, shift: tuple[int, int]
) -> None:
    scene, truth = warped(photographs[name], OBJECTS[name], 1.0, *shift)
    match = best(matcher, scene, templates[name])
    assert match.found
    assert match.box == pytest.approx(truth, abs=2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_a_scaled_object_is_found(
    matcher: Matcher, photographs: Images, templates, name: str, scale: float
) -> None:
    scene, truth = warped(photographs[name], OBJECTS[name], scale, 9, 5)
    match = best(matcher, scene, templates[name])
    assert match.found
    assert box_iou(match.box, truth) > 0.5


def noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 12, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def compressed(image: np.ndarray) -> np.ndarray:
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 25])
    assert ok
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


CHANGES = {
    "brighter": lambda image: cv2.convertScaleAbs(image, alpha=1, beta=35),
    "darker": lambda image: cv2.convertScaleAbs(image, alpha=0.6, beta=0),
    "contrast": lambda image: np.clip((image - 128.0) * 1.4 + 128, 0, 255).astype(np.uint8),
    "gamma": lambda image: (255 * (image / 255.0) ** 1.6).astype(np.uint8),
    "noise": noisy,
    "jpeg": compressed,
    "blur": lambda image: cv2.GaussianBlur(image, (0, 0), 1.2),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_still_shows_the_object(
    matcher: Matcher, photographs: Images, templates, name: str, change: str
) -> None:
    scene, truth = warped(photographs[name], OBJECTS[name], 1.0, 14, 11)
    match = best(matcher, CHANGES[change](scene), templates[name])
    assert match.found
    assert box_iou(match.box, truth) > 0.6


def test_absent_objects_are_hardly_ever_found(
    matcher: Matcher, photographs: Images, templates
) -> None:
    """About one in twenty is imagined, as in the evaluation; none as surely as a real one."""
    alarms = []
    for name in NAMES:
        there = best(matcher, photographs[name], templates[name]).score
        for other in photographs:
            if other.split("_")[0] == name.split("_", maxsplit=1)[0]:
                continue
            match = best(matcher, photographs[other], templates[name])
            assert match.score < min(0.8, there)
            alarms += [f"{name} in {other}: {match}"] * match.found
    assert len(alarms) <= 2, alarms


def test_the_other_eye_of_a_stereo_camera_shows_it_too(
    matcher: Matcher, photographs: Images, templates
) -> None:
    match = best(matcher, photographs["motorcycle_right"], templates["motorcycle_left"])
    assert match.found
    assert abs(match.box.y - OBJECTS["motorcycle_left"][1]) < 8


def test_both_copies_of_an_object_are_found(matcher: Matcher, photographs: Images) -> None:
    astronaut, scene = photographs["astronaut"], photographs["coffee"].copy()
    x, y, w, h = 170, 50, 110, 110
    places = [(20, 30), (420, 250)]
    for left, top in places:
        scene[top : top + h, left : left + w] = astronaut[y : y + h, x : x + w]
    template = matcher.encode_template(astronaut, (x, y, w, h))
    matches = matcher.match(scene, top_k=2, min_score=0.01, templates=[template])
    assert len(matches) == 2
    assert matches[0].score >= matches[1].score
    for left, top in places:
        assert max(box_iou(match.box, (left, top, w, h)) for match in matches) > 0.8
    assert len(matcher.match(scene, top_k=1, templates=[template])) == 1


def test_several_templates_equal_single_calls(
    matcher: Matcher, photographs: Images, templates
) -> None:
    scene = photographs["coffee"]
    wanted = [templates[name] for name in NAMES]
    together = matcher.match(scene, top_k=3, templates=wanted)
    single = [
        (index, match)
        for index, template in enumerate(wanted)
        for match in matcher.match(scene, top_k=3, templates=[template])
    ]
    assert {match.template for match in together} == set(range(len(wanted)))
    assert [match.score for match in together] == sorted((m.score for m in together), reverse=True)
    key = lambda index, match: (index, match.box, match.score, match.found)  # noqa: E731
    assert sorted(key(m.template, m) for m in together) == sorted(key(i, m) for i, m in single)


def test_found_follows_min_score(matcher: Matcher, photographs: Images, templates) -> None:
    scene, template = photographs["astronaut"], templates["astronaut"]
    threshold = matcher.info.threshold
    default = matcher.match(scene, top_k=5, templates=[template])
    assert all(match.found == (match.score >= threshold) for match in default)
    everything = matcher.match(scene, top_k=5, min_score=0, templates=[template])
    # Refining may move two of the five together.
    assert 3 <= len(everything) <= 5
    assert all(match.found for match in everything)
    assert everything[0] == default[0]
    second = everything[1].score
    two = matcher.match(scene, top_k=5, min_score=second, templates=[template])
    assert [match.score for match in two] == [match.score for match in everything[:2]]
    # Nobody is forced to a match, and the best candidate is listed all the same.
    absent = matcher.match(photographs["rocket"], top_k=5, templates=[template])
    assert [match.found for match in absent] == [False]


LARGE = """
import json, resource, sys, time
import cv2, numpy as np
from qatm import runtime

coffee = cv2.imread(sys.argv[1])
generator = np.random.default_rng(0)
small = generator.integers(0, 256, (250, 250, 3), dtype=np.uint8)
scene = cv2.resize(small, (4000, 4000), interpolation=cv2.INTER_CUBIC)
scene[2700:3100, 1300:1900] = coffee
matcher = runtime.Matcher(device="cpu", threads=2)
matcher.set_template(coffee, (200, 120, 200, 200))
start = time.perf_counter()
match = matcher.match(scene)[0]
seconds = time.perf_counter() - start
small_one = matcher.encode_template(coffee, (220, 140, 12, 12))
tiny = matcher.match(scene, templates=[small_one])[0]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([match.box, match.found, seconds, tiny.box, peak]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource is not on Windows")
def test_a_large_image_in_little_memory() -> None:
    (path,) = photograph_files(["coffee.png"])
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    box, found, seconds, tiny, peak = json.loads(done.stdout)
    assert found
    assert box == pytest.approx([1500, 2820, 200, 200], abs=4)
    assert tiny == pytest.approx([1520, 2840, 12, 12], abs=3)
    assert seconds < 30
    # ru_maxrss is in bytes on macOS, in kibibytes elsewhere.
    assert peak / (1024 if sys.platform == "darwin" else 1) < 2 << 30
