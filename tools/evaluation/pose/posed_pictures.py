"""Pictures in which an object lies in a known pose: pairs of frames turned and zoomed by seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from ....runtime.boxes import Box
from ....runtime.images import Image, read_image
from ...baselines.base import Array, cut_out
from ...baselines.poses import NO_POSES, PoseSpan
from ...baselines.poses.similarities import moved, outline, similarity, warped
from ..match.frame_pairs import FrameView

FINEST = 32
"""Shifts are whole parts of this of a pixel, which ``cv2.warpAffine`` keeps exactly."""

MARGIN = 1.0
"""Pixels between the object and the edge of the picture."""


class Border(str, Enum):
    """What a turned picture shows where its frame ends."""

    reflect = "reflect"
    mean = "mean"


class Turn(NamedTuple):
    """How a picture is turned: degrees counter-clockwise, factor on lengths, shift in pixels."""

    angle: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class PosedPicture:
    """What a method is given, and what it should say.

    Attributes:
        frame: ``(H, W, 3)`` uint8 BGR, shows the object.
        box: of the object in the frame.
        image: ``(H, W, 3)`` uint8 BGR, to be searched.
        truths: ``(4, 2)`` corners of each true copy, from the template's top left one clockwise;
            empty if the object is absent.
        poses: to be searched.
    """

    frame: Image
    box: Box
    image: Image
    truths: tuple[Array, ...]
    poses: PoseSpan


class PoseTask(Protocol):
    """One search whose answer is known.

    Attributes:
        name: of the task, unique among those of its kind.
        group: what it shares with others, such as the video; drawn as a whole for intervals.
        domain: what kind of pictures it is of.
    """

    @property
    def name(self) -> str:
        """As the attribute says."""
        ...

    @property
    def group(self) -> str:
        """As the attribute says."""
        ...

    @property
    def domain(self) -> str:
        """As the attribute says."""
        ...

    def load(self) -> PosedPicture:
        """Read or draw the pictures.

        Raises:
            ImageError: a file cannot be read.
        """
        ...


@dataclass(frozen=True)
class ViewTask:
    """A template of one view, looked for in another one.

    Attributes:
        name: of the task.
        group: its video.
        template: what is looked for.
        search: what is searched, with the box of its own object.
        domain: what kind of pictures it is of.
        poses: to be searched.
        turn: of the searched picture about its own object; ``None`` leaves it as it is.
        present: whether that object is the one looked for.
        crop: give the method the cut-out template only, without what surrounds it.
        border: of turned pictures.
    """

    name: str
    group: str
    template: FrameView
    search: FrameView
    domain: str
    poses: PoseSpan = NO_POSES
    turn: Turn | None = None
    present: bool = True
    crop: bool = False
    border: Border = Border.mean

    def load(self) -> PosedPicture:
        """Read both pictures and turn the second one.

        Raises:
            ImageError: a file cannot be read.
        """
        frame = read_image(self.template.path)
        same = self.search.path == self.template.path
        image = frame if same else read_image(self.search.path)
        box = self.template.box
        truth = outline(self.search.box)
        if self.crop:
            cut = cut_out(frame, box)
            height, width = cut.pixels.shape[:2]
            frame, box = cut.pixels, Box(0.0, 0.0, float(width), float(height))
            if same:
                truth = outline(Box(float(cut.left), float(cut.top), box.w, box.h))
        if self.turn is not None:
            image, truth = turned(image, truth, self.turn, self.border)
        return PosedPicture(frame, box, image, (truth,) if self.present else (), self.poses)


def turned(image: Image, corners: Array, turn: Turn, border: Border) -> tuple[Image, Array]:
    """Turn and zoom a picture about an object, which stays where it is as far as it then fits.

    The picture keeps its size, or grows where the object would not fit.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        corners: ``(4, 2)`` of the object.
        turn: about the middle of the corners.
        border: where the frame ends, ``reflect`` shows its mirror image, so that there is no edge;
            ``mean`` shows its mean colour, so that nothing is there twice.

    Returns:
        The new picture, and the corners in it.
    """
    height, width = image.shape[:2]
    pivot = corners.mean(axis=0)
    centre = float(pivot[0]), float(pivot[1])
    around = moved(corners, similarity(centre, turn.angle, turn.zoom, (0.0, 0.0)))
    low, high = around.min(axis=0) - MARGIN, around.max(axis=0) + MARGIN
    size = np.maximum((width, height), np.ceil(high - low)).astype(int)
    place = np.clip(pivot + turn.shift, -low, size - high)
    place = pivot + np.rint((place - pivot) * FINEST) / FINEST
    matrix = similarity(centre, turn.angle, turn.zoom, (float(place[0]), float(place[1])))
    edge: dict[str, Any] = {"borderMode": cv2.BORDER_REFLECT_101}
    if border is Border.mean:
        edge = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": cv2.mean(image)}
    return warped(image, matrix, (int(size[0]), int(size[1])), **edge), moved(corners, matrix)


def seeded_turn(poses: PoseSpan, *seed: int) -> Turn:
    """A turn within a range: angles alike likely, sizes in their logarithm, a part of a pixel.

    Args:
        poses: the range.
        seed: numbers that choose it.
    """
    rng = np.random.default_rng(seed)
    angle = float(rng.uniform(*poses.rotation))
    zoom = float(np.exp(rng.uniform(*np.log(poses.scale))))
    x, y = rng.integers(-FINEST // 2, FINEST // 2 + 1, 2) / FINEST
    return Turn(angle, zoom, (float(x), float(y)))
