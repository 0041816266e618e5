"""What the four tasks answer on fixed pictures stays what it was, to some thousandths of a pixel.

Of alignments and verifications ``fixed_answers.json`` differs by .02 px at most from what the first
version answered; matches are where their pixels are since then, and their scores, which change with
each fit, are not recorded; tracks are those since what is still is found by its pixels. Whoever
changes what is computed, on purpose, records it again and says so in the changelog.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from qatm.runtime import Aligner, Matcher, Session, Tracker, Verifier
from qatm.runtime.images import Image

RECORDED: dict[str, list[float]] = json.loads(
    (Path(__file__).parents[1] / "support" / "fixed_answers.json").read_text()
)
# Other processors move some by up to .002 px, other versions of OpenCV, ONNX Runtime and numpy by
# up to .03.
TOLERANCE = 0.05 if os.environ.get("QATM_RUNTIME_ONLY") == "1" else 5e-3

# A track adds up what its frames differ by: .008 px after twelve frames on another processor.
TRACK_TOLERANCE = max(TOLERANCE, 2e-2)

BOXES = {
    "astronaut": (180.0, 60.0, 90.0, 90.0),
    "coffee": (322.0, 228.0, 64.0, 64.0),
    "chelsea": (150.5, 90.25, 70.0, 52.5),
    "rocket": (310.0, 100.0, 40.0, 160.0),
}
CHANGES = ((0, 1.0, (0, 0)), (6, 1.08, (11.3, -7.6)), (-4, 0.93, (-5.2, 9.9)))
"""Turn in degrees, size, and shift in pixels."""


def changed(image: Image, turn: float, size: float, shift: tuple[float, float]) -> Image:
    """A picture turned, zoomed and shifted about its middle."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, size)
    matrix[:, 2] += shift
    moved = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


@pytest.fixture(scope="module")
def session():
    """The default bundle on one thread, for every task that it is meant for."""
    with Session(device="cpu", threads=1) as opened:
        yield opened


@pytest.mark.parametrize("name", BOXES)
def test_matches(session: Session, photographs: dict[str, Image], name: str) -> None:
    image = photographs[name]
    with Matcher(session) as matcher:
        template = matcher.encode_template(image, BOXES[name])
        for number, change in enumerate(CHANGES):
            (best,) = matcher.match(changed(image, *change), templates=[template])
            expected = RECORDED[f"match {name} {number}"]
            assert best.box == pytest.approx(expected, abs=TOLERANCE)
            assert best.score > 0.7


def test_tracks(session: Session, photographs: dict[str, Image]) -> None:
    image = photographs["coffee"]
    with Tracker(session) as tracker:
        tracker.init(image, BOXES["coffee"])
        for step in range(1, 13):
            frame = changed(image, 0.5 * step, 1 + 0.01 * step, (3.0 * step, -1.5 * step))
            track = tracker.track(frame)
            assert [*track.box, track.score] == pytest.approx(
                RECORDED[f"track {step}"], abs=TRACK_TOLERANCE
            )


def test_alignment(photographs: dict[str, Image]) -> None:
    image = photographs["astronaut"]
    with Aligner(device="cpu", threads=1) as aligner:
        found = aligner.align(image, changed(image, 5, 1.05, (8, -6)))
    points = found.transfer([[100.0, 100.0], [300.0, 200.0], [400.0, 400.0]])
    assert [*points.ravel(), found.score] == pytest.approx(RECORDED["align"], abs=TOLERANCE)


def test_verification(session: Session, photographs: dict[str, Image]) -> None:
    image = photographs["astronaut"]
    query = changed(image, 8, 0.9, (15, 10))[60:400, 80:420]
    with Verifier(image, session) as verifier:
        found = verifier.verify(query)
    # The region has whole pixels, and one more or less may be in it.
    assert found.region.box == pytest.approx(RECORDED["verify"][:4], abs=1.5)
    assert found.score == pytest.approx(RECORDED["verify"][4], abs=TOLERANCE)
