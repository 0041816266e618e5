"""Samples for the network that reads boxes: evidence around supposed boxes, and the true ones.

Each clip of :mod:`.moving_scenes` is followed as a tracker would: the object's first look, mostly a
recent one, and supposed boxes that are off by as much as a tracker's are. The evidence is that of
the runtime. Making it takes long, so that it is kept in numbered parts, each written whole or not
at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError
from ...runtime.files import check_folder, whole
from ...runtime.patches.encoder import Encoder
from ...runtime.patches.region import Region
from ...runtime.saved_arrays import read_arrays
from ...runtime.session import Session
from ...runtime.track.box_evidence import box_evidence
from ...runtime.track.options import TrackerOptions
from ...runtime.track.target import TargetModel
from .moving_objects import Pictures
from .moving_scenes import HEIGHT, WIDTH, SceneView, make_clip

Array = NDArray[Any]
Random = np.random.Generator
Progress = Callable[[str, int, int], Any]

PART = 4000
"""Samples of a part; one has a few more, as clips are not divided."""

PART_SEEDS = 1_000_000
"""Clip i of the k-th part of whole objects follows from the seed k * PART_SEEDS + i, clips that
cannot be used counted."""

PIECE_SEEDS = 100 * PART_SEEDS
"""More in the parts of pieces."""

PIECES_EVERY = 4
"""Of so many parts the last one has boxes around pieces of objects. Without them the network takes
a head for the whole animal."""

TRIES = 200
"""Clips in a row without one that can be used before that is an error."""

EDGE = 2
"""Pixels that the first box stays away from the frame's edge."""

NARROWEST = 8
"""Pixels of its sides at least."""

REMEMBERED = 0.85
"""How often there is a recent look."""

SUPPOSED = 2
"""Supposed boxes in each frame."""


class BoxSamples(NamedTuple):
    """Samples.

    Attributes:
        maps: ``(N, 16, 20, 20)`` float16 evidence.
        readings: ``(N, K)`` float32.
        changes: ``(N, 4)`` float32: what :class:`~qatm.model.box_net.BoxNet` is to say.
        clips: ``(N,)`` int64 seeds of the clips, plus one.
    """

    maps: Array
    readings: Array
    changes: Array
    clips: Array


class BoxSampler:
    """Makes samples of clips.

    Args:
        session: of the bundle whose features and recipe are used.
        pictures: what clips are made up from.
    """

    def __init__(self, session: Session, pictures: Pictures) -> None:
        recipes = session.bundle.spec.recipes
        self._encoder = Encoder(session)
        self._alpha = recipes.match.alpha
        # Every look that is remembered is kept at once: there are no frames in between.
        self._options = replace(TrackerOptions.of(recipes.track), recent_after=1)
        self._pictures = pictures

    def of_clip(self, seed: int, *, piece: bool = False) -> list[tuple[Array, Array, Array]] | None:
        """Maps, readings and change of every supposed box of a clip.

        Args:
            seed: decides the clip and what is supposed.
            piece: boxes are around pieces of objects.

        Returns:
            ``None`` if the clip cannot be used.
        """
        random = np.random.default_rng(seed)
        clip = make_clip(self._pictures, random, piece=piece)
        if clip is None or not _usable(clip[0]):
            return None
        first, later, *queries = clip
        model = TargetModel(self._encoder, self._alpha, self._options, first.image, first.box)
        if random.random() < REMEMBERED:
            self._remember(model, later, random)
        return [self._supposed(model, view, random) for view in queries for _ in range(SUPPOSED)]

    def _remember(self, model: TargetModel, view: SceneView, random: Random) -> None:
        """Let the model know how the object looked a while ago, about where it was."""
        size = _size(view) / model.side * np.exp(random.normal(0, 0.1))
        off = random.normal(0, 0.05, 2) * (view.box.w, view.box.h)
        centre = _moved(view.box.centre, off)
        seen = model.encode(
            view.image, Region.around(centre, model.scale / size, *model.region_size)
        )
        # What is remembered counts as recent once the next look is.
        model.remember(seen, centre)
        model.remember(seen, centre)
        model.renew_colours(seen, centre)

    def _supposed(
        self, model: TargetModel, view: SceneView, random: Random
    ) -> tuple[Array, Array, Array]:
        """The evidence around a supposed box, and how the true one lies."""
        spread = random.choice([0.05, 0.12, 0.25], p=[0.3, 0.5, 0.2])
        size = _size(view) / model.side * np.exp(random.normal(0, spread))
        off = random.normal(0, random.choice([0.03, 0.08, 0.15]), 2) * _size(view)
        centre = _moved(view.box.centre, off)
        seen = model.encode(
            view.image, Region.around(centre, model.scale / size, *model.region_size)
        )
        evidence = box_evidence(model, seen, centre)
        width, height = model.box.w * size, model.box.h * size
        x, y = view.box.centre
        change = [
            (x - centre[0]) / width,
            (y - centre[1]) / height,
            math.log(view.box.w / width),
            math.log(view.box.h / height),
        ]
        return evidence.maps, evidence.readings, np.array(change, np.float32)


def make_samples(
    folder: Path,
    count: int,
    sampler: BoxSampler,
    origin: Mapping[str, Any],
    progress: Progress,
) -> BoxSamples:
    """Make the parts of a training that are not there yet, and read all of them.

    Args:
        folder: of the parts; made if missing.
        count: samples in all, or a few more.
        sampler: makes them.
        origin: plain values that the samples follow from; parts must have the same.
        progress: is told what is done, samples made and samples in all.

    Raises:
        InputError: a part that is damaged or follows from something else, or objects of which no
            clip can be used.
    """
    check_folder(folder, "samples", make=True)
    parts: list[BoxSamples] = []
    for number, begin in enumerate(range(0, count, PART)):
        path = folder / f"part-{number:03d}.npz"
        wanted = min(PART, count - begin)
        part = read_part(path, origin) if path.exists() else None
        if part is None or len(part.maps) < wanted:

            def tell(done: int, begin: int = begin) -> None:
                progress("samples", begin + done, count)

            part = _make_part(sampler, number, wanted, tell)
            write_part(path, part, origin)
        parts.append(part)
    return BoxSamples(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def write_part(path: Path, samples: BoxSamples, origin: Mapping[str, Any]) -> None:
    """Write a part, whole or not at all."""
    with whole(path) as draft, draft.open("wb") as file:
        told = np.array(json.dumps(dict(origin), sort_keys=True))
        np.savez(file, origin=told, **samples._asdict())


def read_part(path: Path, origin: Mapping[str, Any]) -> BoxSamples:
    """Read a part.

    Raises:
        InputError: it is damaged, or follows from something else.
    """
    try:
        arrays = read_arrays(path)
        told = json.loads(str(arrays["origin"]))
        samples = BoxSamples(*(arrays[name] for name in BoxSamples._fields))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it to make it again") from error
    for name, value in origin.items():
        if told.get(name) != value:
            raise InputError(
                f"{path} was made with another {name}: {told.get(name)!r}, now it is {value!r}; "
                "make new samples in another folder"
            )
    return samples


def _make_part(
    sampler: BoxSampler, number: int, wanted: int, tell: Callable[[int], None]
) -> BoxSamples:
    """Samples of clips one after the other until there are enough.

    Raises:
        InputError: no clip can be used.
    """
    rows: list[tuple[Array, Array, Array]] = []
    clips: list[int] = []
    before, place = divmod(number, PIECES_EVERY)
    piece = place == PIECES_EVERY - 1
    seed = PIECE_SEEDS + before * PART_SEEDS if piece else (number - before) * PART_SEEDS
    unused = 0
    while len(rows) < wanted:
        found = sampler.of_clip(seed, piece=piece)
        seed += 1
        unused = 0 if found else unused + 1
        if unused == TRIES:
            raise InputError(
                f"none of {TRIES} clips shows an object that can be followed; give objects that "
                "fill more of their pictures"
            )
        for row in found or []:
            rows.append(row)
            clips.append(seed)
        tell(min(len(rows), wanted))
    maps, readings, changes = (np.stack(part) for part in zip(*rows, strict=True))
    return BoxSamples(
        maps.astype(np.float16),
        readings.astype(np.float32),
        changes.astype(np.float32),
        np.array(clips, np.int64),
    )


def _usable(view: SceneView) -> bool:
    """Whether a first box is large enough and lies inside the frame."""
    box = view.box
    inside = box.x >= EDGE and box.y >= EDGE
    inside = inside and box.x + box.w <= WIDTH - EDGE and box.y + box.h <= HEIGHT - EDGE
    return inside and min(box.w, box.h) >= NARROWEST


def _size(view: SceneView) -> float:
    """Square root of the area of a view's box."""
    return math.sqrt(view.box.w * view.box.h)


def _moved(point: tuple[float, float], off: Array) -> tuple[float, float]:
    """A point moved by ``off (2,)``."""
    return point[0] + float(off[0]), point[1] + float(off[1])
