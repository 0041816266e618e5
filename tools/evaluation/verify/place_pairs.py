"""Queries and references whose answers are known: homography pairs, and scenes to stitch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ....runtime.errors import InputError, QatmError
from ....runtime.images import IMAGE_SUFFIXES, Image, read_image
from .panoramas import find_turns, render

Array = NDArray[Any]

MODEL_SUFFIX = "_model.txt"
DIGITS = "0123456789"
"""Names that differ only in a number at their end are pairs of one place."""

SHARES = 2
"""Panoramas of a scene: each is made of every second photo and queried with the others."""

MIN_PHOTOS = 4
MIN_SHOWN = 0.3
"""A photo of which less lies in the panorama is no query for it."""

PANORAMA = "panorama"
HOMOGRAPHY = "homography"


@dataclass(frozen=True)
class PlaceReference:
    """A picture of a place; ``group`` names the place, ``kind`` is panorama or homography."""

    name: str
    group: str
    kind: str
    image: Image


@dataclass(frozen=True)
class PlaceQuery:
    """A query for a reference; ``truth`` is the part of it that the query shows, or ``None``."""

    name: str
    group: str
    query: Image
    reference: PlaceReference
    truth: Array | None

    @property
    def same(self) -> bool:
        """Whether query and reference show the same place."""
        return self.truth is not None


@dataclass(frozen=True)
class PlaceQueries:
    """The queries of a folder, and what could not be used, in words."""

    queries: list[PlaceQuery]
    problems: list[str]


def read_queries(folder: Path, others: int, seed: int) -> PlaceQueries:
    """Read ``homography/`` and ``panoramas/`` of a folder and draw the queries of other places.

    Args:
        folder: holds one or both of the two folders, or is one of them.
        others: queries of other places for each reference, each of another place as far as
            there are as many.
        seed: of that choice.

    Raises:
        InputError: there is nothing of either kind, or only one place.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give one with homography/ or panoramas/")
    problems: list[str] = []
    queries: list[PlaceQuery] = []
    pairs, scenes = _sources(folder)
    for model in pairs:
        queries += _guarded(model, _pair_queries, problems)
    for scene in scenes:
        queries += _guarded(scene, _scene_queries, problems)
    if not queries:
        raise InputError(
            f"{folder} holds no usable place ({len(problems)} skipped); expected homography/ with "
            f"NAMEA, NAMEB and NAME{MODEL_SUFFIX}, or panoramas/SCENE/ with photos"
        )
    if len({query.group for query in queries}) == 1:
        raise InputError(f"{folder} holds one place only; queries of other places need another")
    return PlaceQueries(queries + _strangers(queries, others, seed), problems)


def _sources(folder: Path) -> tuple[list[Path], list[Path]]:
    """Model files of homography pairs, and folders of scenes."""
    pairs, scenes = folder / "homography", folder / "panoramas"
    if not pairs.is_dir() and not scenes.is_dir():
        pairs = scenes = folder
    models = sorted(pairs.glob(f"*{MODEL_SUFFIX}")) if pairs.is_dir() else []
    found = sorted(path for path in scenes.iterdir() if path.is_dir()) if scenes.is_dir() else []
    return models, found


def _guarded(path: Path, read: Any, problems: list[str]) -> list[PlaceQuery]:
    """The queries of a place; what is wrong with it goes to the problems."""
    try:
        return read(path, problems)
    except (QatmError, OSError, ValueError) as error:
        problems.append(f"{path.name}: {error}")
        return []


def _pair_queries(model: Path, problems: list[str]) -> list[PlaceQuery]:
    """Each picture of a pair as query for the other one."""
    del problems
    name = model.name.removesuffix(MODEL_SUFFIX)
    group = name.rstrip(DIGITS) or name
    matrix = np.loadtxt(model)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise InputError(f"{model.name} is not a 3x3 matrix")
    pictures = [_picture(model.parent, name + side) for side in "AB"]
    queries = []
    for query, other, way in ((1, 0, matrix), (0, 1, np.linalg.inv(matrix))):
        image, picture = pictures[query], pictures[other]
        reference = PlaceReference(f"{name}{'AB'[other]}", group, HOMOGRAPHY, picture)
        full = np.full(image.shape[:2], 255, np.uint8)
        size = picture.shape[1], picture.shape[0]
        truth = cv2.warpPerspective(full, way, size, flags=cv2.INTER_NEAREST) > 0
        queries.append(PlaceQuery(f"{name}{'AB'[query]}", group, image, reference, truth))
    return queries


def _picture(folder: Path, stem: str) -> Image:
    """The picture with a name, whatever its format."""
    for suffix in IMAGE_SUFFIXES:
        if (folder / f"{stem}{suffix}").is_file():
            return read_image(folder / f"{stem}{suffix}")
    raise InputError(f"no picture {stem} beside the model file")


def _scene_queries(scene: Path, problems: list[str]) -> list[PlaceQuery]:
    """Panoramas of a part of the scene's photos each, queried with the rest."""
    files = sorted(path for path in scene.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if len(files) < MIN_PHOTOS:
        raise InputError(f"{len(files)} photos; a scene needs at least {MIN_PHOTOS}")
    photos = [read_image(file) for file in files]
    turns = find_turns(photos)
    lost = [files[k].name for k in range(len(photos)) if k not in turns.rotations]
    if lost:
        problems.append(f"{scene.name}: photos that overlap with none: {', '.join(lost)}")
    queries: list[PlaceQuery] = []
    for share in range(SHARES):
        part = [k for k in sorted(turns.rotations) if k % SHARES == share]
        rest = [k for k in sorted(turns.rotations) if k % SHARES != share]
        if not part:
            continue
        panorama = render(photos, turns, part)
        reference = PlaceReference(f"{scene.name}-{share}", scene.name, PANORAMA, panorama.image)
        for k in rest:
            truth = panorama.place(turns, k)
            if truth.sum() >= MIN_SHOWN * photos[k].shape[0] * photos[k].shape[1]:
                queries.append(PlaceQuery(files[k].name, scene.name, photos[k], reference, truth))
    return queries


def _strangers(queries: list[PlaceQuery], count: int, seed: int) -> list[PlaceQuery]:
    """Queries of other places for each reference."""
    rng = np.random.default_rng(seed)
    by_group: dict[str, list[PlaceQuery]] = {}
    for query in queries:
        by_group.setdefault(query.group, []).append(query)
    references = {query.reference.name: query.reference for query in queries}
    strangers = []
    for reference in references.values():
        groups = [group for group in by_group if group != reference.group]
        order = [groups[i] for i in rng.permutation(len(groups))]
        for k in range(count):
            pool = by_group[order[k % len(order)]]
            other = pool[int(rng.integers(len(pool)))]
            strangers.append(PlaceQuery(other.name, other.group, other.query, reference, None))
    return strangers
