"""The demo's video: a photograph moves through another one, goes behind a third and returns."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime import Tracker
from ...runtime.boxes import Box, box_iou
from ...runtime.drawing.draw_tracks import draw_tracks
from ...runtime.images import Image, resize_to
from ...runtime.track.presence import LOST, TRACKING, Track
from ...runtime.video.writer import VideoWriter
from ..console import print_line
from ..drawing.draw import cut

FRAMES = 125
RATE = 25.0
VIEW = (480, 320)
WORLD = (1100, 742)
OBJECT = Box(104, 28, 210, 190)
OBJECT_WIDTH = 92
PILLAR = Box(560, 0, 160, 742)
GOOD_OVERLAP = 0.5
HIDDEN, IN_VIEW = 0.02, 0.6

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DemoShot:
    """One frame with the truth.

    Attributes:
        image: ``(H, W, 3)`` uint8 BGR.
        box: where the object is, hidden or not, ``(x, y, w, h)`` in pixels.
        visible: share of the object that is in the frame and not hidden, 0 to 1.
    """

    image: Image
    box: Box
    visible: float


@dataclass(frozen=True)
class Verdict:
    """How the tracking went.

    Attributes:
        overlap: mean intersection over union with the truth where the object is in view.
        hidden: number of frames in which nothing of the object is to be seen.
        noticed: in how many of those it was reported lost.
        back: frames from when it was in view again until it was tracked again; ``None``: never.
        fps: frames per second of the tracker alone.
    """

    overlap: float
    hidden: int
    noticed: int
    back: int | None
    fps: float

    @property
    def right(self) -> bool:
        """Whether the object was followed, missed and found again."""
        return self.overlap >= GOOD_OVERLAP and self.noticed > 0 and self.back is not None


def shoot(photographs: Mapping[str, Image]) -> Iterator[DemoShot]:
    """The frames: the camera pans and zooms, the object moves, turns, grows and is hidden once."""
    world = resize_to(photographs["motorcycle_left"], *WORLD)
    thing = cut(photographs["chelsea"], OBJECT)
    pillar = resize_to(photographs["coffee"], round(PILLAR.w), round(PILLAR.h))
    for number in range(FRAMES):
        camera = camera_at(number)
        place = camera @ object_at(number)
        image, _ = warped(world, camera)
        there = paste(image, thing, place)
        hidden = paste(image, pillar, camera @ shift(PILLAR.x, PILLAR.y))
        whole = OBJECT.area * float(np.linalg.det(place[:2, :2]))
        seen = float(np.count_nonzero(there & ~hidden)) / whole
        yield DemoShot(image, upright(place), min(1.0, seen))


def camera_at(number: int) -> Matrix:
    """From the world to the view: a pan to the right, up and down, in and out."""
    part = number / FRAMES
    middle = (320 + 440 * part, 340 + 40 * math.sin(3 * math.pi * part))
    zoom = 0.85 + 0.12 * math.sin(2 * math.pi * part)
    return shift(VIEW[0] / 2, VIEW[1] / 2) @ scale(zoom) @ shift(-middle[0], -middle[1])


def object_at(number: int) -> Matrix:
    """From the object's picture to the world: a wavy path to the right, turning and growing."""
    part = number / FRAMES
    turn = math.radians(8 * math.sin(4 * math.pi * part))
    cosine, sine = math.cos(turn), math.sin(turn)
    turned = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    size = OBJECT_WIDTH / OBJECT.w * (1 + 0.25 * math.sin(math.pi * part))
    path = shift(240 + 620 * part, 340 + 50 * math.sin(5 * math.pi * part))
    return path @ turned @ scale(size) @ shift(-OBJECT.w / 2, -OBJECT.h / 2)


def shift(x: float, y: float) -> Matrix:
    """A matrix that moves."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scale(factor: float) -> Matrix:
    """A matrix that enlarges about the origin."""
    return np.diag([factor, factor, 1.0])


def warped(picture: Image, matrix: Matrix) -> tuple[Image, NDArray[np.bool_]]:
    """A picture in the view, and where in the view it is."""
    seen = cv2.warpAffine(picture, matrix[:2], VIEW, flags=cv2.INTER_AREA)
    white = np.full(picture.shape[:2], 255, np.uint8)
    inside = cv2.warpAffine(white, matrix[:2], VIEW) > 127
    return np.asarray(seen, np.uint8), np.asarray(inside)


def paste(image: Image, picture: Image, matrix: Matrix) -> NDArray[np.bool_]:
    """Put a picture over the view; where it is."""
    seen, inside = warped(picture, matrix)
    image[inside] = seen[inside]
    return inside


def upright(place: Matrix) -> Box:
    """The upright box with the centre and the size of the object."""
    middle = place @ np.array([OBJECT.w / 2, OBJECT.h / 2, 1.0])
    size = math.sqrt(float(np.linalg.det(place[:2, :2])))
    w, h = OBJECT.w * size, OBJECT.h * size
    return Box(float(middle[0]) - w / 2, float(middle[1]) - h / 2, w, h)


def follow_object(photographs: Mapping[str, Image], out: Path) -> bool:
    """The third part of the demo: following an object through a video."""
    shots, tracks, seconds = list(shoot(photographs)), [], 0.0
    file = out / "tracked.mp4"
    with Tracker() as tracker, VideoWriter(file, RATE) as writer:
        tracker.init(shots[0].image, shots[0].box)
        for shot in shots:
            start = time.perf_counter()
            track = tracker.track(shot.image) if tracks else Track(shot.box, 1.0, TRACKING)
            seconds += time.perf_counter() - start
            tracks.append(track)
            writer.write(draw_tracks(shot.image, {None: track}))
    verdict = judge(shots, tracks, seconds)
    print_line(describe(verdict))
    print_line(f"Video: {file.resolve()}")
    return verdict.right


def judge(shots: list[DemoShot], tracks: list[Track], seconds: float) -> Verdict:
    """Compare tracks with the truth; the first frame, which is given, is left out."""
    pairs = list(zip(shots, tracks, strict=True))[1:]
    overlaps = [box_iou(shot.box, track.box) for shot, track in pairs if shot.visible >= IN_VIEW]
    hidden = [place for place, (shot, _) in enumerate(pairs) if shot.visible <= HIDDEN]
    back = None
    if hidden:
        after = pairs[hidden[-1] + 1 :]
        returned = next(n for n, (shot, _) in enumerate(after) if shot.visible >= IN_VIEW)
        again = (n for n, (_, track) in enumerate(after) if track.state == TRACKING)
        back = next((max(0, n - returned) for n in again), None)
    return Verdict(
        overlap=float(np.mean(overlaps)),
        hidden=len(hidden),
        noticed=sum(pairs[place][1].state == LOST for place in hidden),
        back=back,
        fps=len(pairs) / seconds,
    )


def describe(verdict: Verdict) -> str:
    """The verdict in a sentence."""
    back = "never found again"
    if verdict.back is not None:
        back = f"tracked again {verdict.back} frames after its return"
    return (
        f"Following an object: overlap {verdict.overlap:.2f} with the truth; hidden for "
        f"{verdict.hidden} frames, reported lost in {verdict.noticed}, {back}; "
        f"{verdict.fps:.0f} fps: {'right' if verdict.right else 'WRONG'}"
    )
