"""Groups of pictures of one kind of object with the same named points marked in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....runtime.errors import InputError
from ....runtime.images import IMAGE_SUFFIXES, Image, read_image

Array = NDArray[Any]

FEWEST_POINTS = 2


@dataclass(frozen=True)
class Marked:
    """A picture and its points ``(K, 2)``, x and y in pixels from 0; point k means the same in
    every picture of a group."""

    name: str
    image: Image
    points: Array


@dataclass(frozen=True)
class GroupFolder:
    """The usable groups of a folder, by name, and what is wrong with the rest."""

    groups: dict[str, list[Marked]]
    problems: list[str]

    def pairs(self) -> Iterator[tuple[str, Marked, Marked]]:
        """All ordered pairs inside each group."""
        for name, pictures in self.groups.items():
            for source, target in permutations(pictures, 2):
                yield name, source, target


def read_groups(folder: Path) -> GroupFolder:
    """Read each subfolder as a group: pictures with a ``.mat`` file of the same name beside them.

    The file holds ``pts_coord``: x in row 0, y in row 1, pixels from 1 (Proposal Flow's format). A
    folder that holds pictures itself is one group.

    Raises:
        InputError: the folder is missing, or nothing in it can be used.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give one with a subfolder for each group")
    problems: list[str] = []
    groups: dict[str, list[Marked]] = {}
    for place in sorted(path for path in (folder, *folder.iterdir()) if path.is_dir()):
        pictures = _read_group(place, problems)
        if len(pictures) > 1:
            groups[place.name] = pictures
        elif pictures:
            problems.append(f"{place}: a single usable picture makes no pair")
    if not groups:
        reason = f" ({problems[0]})" if problems else ""
        raise InputError(f"{folder} holds no group of pictures with .mat files beside them{reason}")
    return GroupFolder(groups, problems)


def _read_group(folder: Path, problems: list[str]) -> list[Marked]:
    """The usable pictures of one group; adds what is wrong with the others."""
    pictures: list[Marked] = []
    for file in sorted(folder.glob("*.mat")):
        try:
            image = read_image(_picture_beside(file))
            points = _read_points(file)
            if pictures and points.shape != pictures[0].points.shape:
                raise InputError(
                    f"{file} marks {len(points)} points, {pictures[0].name} marks "
                    f"{len(pictures[0].points)}"
                )
        except InputError as error:
            problems.append(str(error))
            continue
        pictures.append(Marked(file.stem, image, points))
    return pictures


def _picture_beside(file: Path) -> Path:
    for suffix in IMAGE_SUFFIXES:
        if (picture := file.with_suffix(suffix)).is_file():
            return picture
    raise InputError(f"{file} has no picture of the same name beside it")


def _read_points(file: Path) -> Array:
    """Points ``(K, 2)`` in pixels from 0."""
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise InputError('.mat files need scipy: pip install "qatm[eval]"') from error
    try:
        points = np.asarray(loadmat(file)["pts_coord"], np.float64)
    except Exception as error:
        # A damaged file fails in many ways inside the reader.
        raise InputError(f"{file} holds no readable pts_coord ({type(error).__name__})") from error
    if points.ndim != 2 or points.shape[0] < 2 or points.shape[1] < FEWEST_POINTS:
        raise InputError(f"{file}: pts_coord has shape {points.shape}; expected (2, points)")
    if not np.isfinite(points[:2]).all():
        raise InputError(f"{file}: pts_coord holds values that are not finite")
    return points[:2].T - 1.0
