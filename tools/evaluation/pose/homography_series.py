"""Series of pictures of one scene with known homographies, such as the affine data of Oxford.

A folder holds ``img1.png``, ``img2.png`` … and text files ``H1to2p`` …, with or without ``.txt``:
each a 3x3 matrix that maps the middles of pixels of the first picture to those of another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....runtime.boxes import Box
from ....runtime.errors import InputError, QatmError
from ....runtime.images import IMAGE_SUFFIXES, read_image
from ...baselines.base import Array, cut_out
from ...baselines.poses import PoseSpan
from ...baselines.poses.similarities import moved, outline
from .pose_errors import lie_of
from .posed_pictures import PosedPicture
from .textured_boxes import textured_boxes

PICTURE = re.compile(r"img(\d+)", re.IGNORECASE)
HOMOGRAPHY = re.compile(r"H1to(\d+)p?", re.IGNORECASE)
SUFFIXES = IMAGE_SUFFIXES
SERIES = "series"

HALF_PIXEL = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])


@dataclass(frozen=True)
class SeriesTask:
    """A box of the first picture of a series, looked for in another one.

    Attributes:
        name: of the task.
        group: the searched picture.
        first: file of the first picture.
        other: file of the searched one.
        box: in the first picture.
        matrix: rows of the homography from edges of pixels to edges of pixels.
        poses: to be searched.
        crop: give the method the cut-out template only.
        domain: what kind of pictures it is of.
    """

    name: str
    group: str
    first: Path
    other: Path
    box: Box
    matrix: tuple[tuple[float, ...], ...]
    poses: PoseSpan
    crop: bool = False
    domain: str = SERIES

    def load(self) -> PosedPicture:
        """Read both pictures.

        Raises:
            ImageError: a file cannot be read.
        """
        frame, box = read_image(self.first), self.box
        truth = moved(outline(box), np.array(self.matrix))
        if self.crop:
            frame, box = cut_out(frame, box).pixels, Box(0.0, 0.0, box.w, box.h)
        return PosedPicture(frame, box, read_image(self.other), (truth,), self.poses)


def series_folders(folder: Path) -> list[Path]:
    """A folder, or those in it, that hold pictures and homographies of a series."""
    if not folder.is_dir():
        return []
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    return [path for path in (folder, *inside) if _pictures(path) and _homographies(path)]


def series_tasks(
    folder: Path,
    poses: PoseSpan,
    boxes: int,
    seed: int,
    skipped: Callable[[str], None],
    *,
    crop: bool = False,
) -> list[SeriesTask]:
    """Draw boxes in the first picture for each of the others.

    They lie wholly inside of both, show enough to be recognised, and lie in the other picture in a
    pose that is searched.

    Args:
        folder: of one series.
        poses: to be searched.
        boxes: for each of the other pictures.
        seed: of the boxes.
        skipped: told about pictures that cannot be used, and why.
        crop: give methods the cut-out templates only.

    Raises:
        InputError: it has no first picture.
    """
    pictures, matrices = _pictures(folder), _homographies(folder)
    if 1 not in pictures:
        raise InputError(f"{folder} holds no img1, from which the homographies start")
    first = read_image(pictures[1])
    tasks: list[SeriesTask] = []
    for number, path in sorted(matrices.items()):
        name = f"{folder.name}/img{number}"
        try:
            if number not in pictures:
                raise InputError(f"there is no img{number} for {path.name}")
            matrix = read_homography(path)
            height, width = read_image(pictures[number]).shape[:2]
        except QatmError as error:
            skipped(f"{name}: {error}")
            continue

        def usable(
            box: Box, matrix: Array = matrix, width: int = width, height: int = height
        ) -> bool:
            corners = moved(outline(box), matrix)
            inside = (corners >= 0).all() and (corners <= (width, height)).all()
            lie = lie_of(corners, (box.w, box.h))
            return bool(inside) and poses.holds(lie.angle, lie.scale)

        found = textured_boxes(first, boxes, np.random.default_rng((seed, number)), usable)
        if not found:
            skipped(
                f"{name}: no box of img1 lies wholly in it in a pose that is searched "
                f"({_pose_words(first.shape[:2], matrix)}); widen --rotation and --scale"
            )
        rows = tuple(tuple(map(float, row)) for row in matrix)
        tasks += [
            SeriesTask(f"{name}#{i}", name, pictures[1], pictures[number], box, rows, poses, crop)
            for i, box in enumerate(found, 1)
        ]
    return tasks


def read_homography(path: Path) -> Array:
    """Read a 3x3 matrix of middles of pixels, as one of their edges.

    Raises:
        InputError: the file cannot be read, or holds no invertible 3x3 matrix.
    """
    try:
        values = [float(part) for part in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read: {error}") from error
    matrix = np.array(values)
    if len(values) != 9 or not np.isfinite(matrix).all():
        raise InputError(
            f"{path.name} holds {len(values)} numbers; expected a 3x3 matrix of finite ones"
        )
    matrix = matrix.reshape(3, 3)
    if abs(np.linalg.det(matrix)) < 1e-12:
        raise InputError(f"{path.name} holds a matrix that cannot be inverted")
    return HALF_PIXEL @ matrix @ np.linalg.inv(HALF_PIXEL)


def _pictures(folder: Path) -> dict[int, Path]:
    """Number -> file of the pictures."""
    return {
        int(found[1]): path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and (found := PICTURE.fullmatch(path.stem))
    }


def _homographies(folder: Path) -> dict[int, Path]:
    """Number -> file of the homographies."""
    return {
        int(found[1]): path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in ("", ".txt") and (found := HOMOGRAPHY.fullmatch(path.stem))
    }


def _pose_words(shape: tuple[int, ...], matrix: Array) -> str:
    """In which pose the middle of a picture lies."""
    height, width = shape
    side = min(height, width) / 10
    middle = Box.around((width / 2, height / 2), side, side)
    lie = lie_of(moved(outline(middle), matrix), (side, side))
    return f"its middle is turned by {lie.angle:.0f} degrees and {lie.scale:.2f} times as large"
