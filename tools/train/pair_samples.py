"""Samples for the network that compares pixels: registered pairs in numbered parts.

Making them takes long, so that parts are made in several processes and kept, each written whole or
not at all. What a part holds follows from the seed and its number alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.match_recipe import MatchRecipe
from ...runtime.errors import InputError
from ...runtime.files import check_folder, whole
from ...runtime.match.comparing import SHAPES
from ...runtime.saved_arrays import read_arrays
from ..evaluation.processes import runner
from ..evaluation.track.sequences import TrackSequence
from ..scenes.fonts import installed_fonts
from ..scenes.photo_scenes import default_photographs
from .pair_scenes import DOMAIN_WEIGHTS, FOOTAGE, PairMaker, RegisteredPair

Array = NDArray[Any]
Progress = Callable[[str, int, int], Any]

PART = 1000
"""Pairs of a part; one has a few more, as scenes are not divided."""

FIRST_SEED = 100_000
"""Seed of the first scene: the score is fitted to lower ones, and evaluations draw them."""

PART_SEEDS = 100_000
"""Scene i of the k-th part has the seed FIRST_SEED + (n * MOST_PARTS + k) * PART_SEEDS + i, where n
is the seed of the samples."""

MOST_PARTS = 100_000

FOOTAGE_EVERY = 6
"""Of so many parts the last one is of frames, where sequences are given."""

TRIES = 300
"""Scenes or frames in a row without a pair before that is an error."""

SCENES_LEFT_OUT = 25
"""One of so many scenes is not learned from, ..."""

SEQUENCES_LEFT_OUT = 3
"""... and of so many sequences."""


class PairSamples(NamedTuple):
    """Pairs whose pictures have one size.

    Attributes:
        pictures: ``(N, 2, rows, columns, 3)`` uint8 BGR, the template's and what was found.
        zooms: ``(N, 2)`` float32.
        same: ``(N,)`` bool, whether they show the same object.
        domains: ``(N,)`` of text.
        groups: ``(N,)`` of text: the scenes' seeds, and the sequences' names.
    """

    pictures: Array
    zooms: Array
    same: Array
    domains: Array
    groups: Array

    def left_out(self) -> Array:
        """``(N,)`` bool: which ones are not learned from, whole scenes and sequences."""
        rests = [
            zlib.crc32(group.encode()) % SEQUENCES_LEFT_OUT
            if domain == FOOTAGE
            else int(group) % SCENES_LEFT_OUT
            for domain, group in zip(self.domains.tolist(), self.groups.tolist(), strict=True)
        ]
        return np.array(rests, np.int64) == 0


Part = tuple[PairSamples, ...]
"""Pairs of each size of :data:`~qatm.runtime.match.comparing.SHAPES`, in this order."""


@dataclass(frozen=True)
class _Order:
    """What a process is to make.

    Attributes:
        path: of the part.
        number: of the part.
        wanted: pairs, or a few more.
        seed: of the samples.
        maker: makes them.
        origin: what they follow from.
    """

    path: Path
    number: int
    wanted: int
    seed: int
    maker: PairMaker
    origin: Mapping[str, Any]


def pair_origin(
    recipe: MatchRecipe, sequences: Sequence[TrackSequence], seed: int
) -> dict[str, Any]:
    """What samples follow from, as plain values.

    Args:
        recipe: of the registration.
        sequences: that frames are taken from.
        seed: of the samples.
    """
    photographs = default_photographs()
    digest = hashlib.sha256()
    for photograph in photographs:
        digest.update(repr(photograph.shape).encode() + photograph.tobytes())
    for font in installed_fonts().files:
        digest.update(font.name.encode())
    for sequence in sequences:
        digest.update(f"{sequence.name} {len(sequence.frames)}".encode())
        digest.update(sequence.truth.tobytes())
    words = f"drawn scenes ({', '.join(DOMAIN_WEIGHTS)}), {len(photographs)} photographs"
    words += f", frames of {len(sequences)} sequences" if sequences else ""
    registration = {
        name: getattr(recipe, name)
        for name in ("rigid_correlation", "core_least", "core_most", "core_correlation")
    }
    return {
        "pictures": words,
        "images": digest.hexdigest(),
        "registration": registration,
        "sample_seed": seed,
    }


def make_pairs(
    folder: Path,
    count: int,
    maker: PairMaker,
    origin: Mapping[str, Any],
    processes: int,
    progress: Progress,
) -> list[Part]:
    """Make the parts of a training that are not there yet, and read all of them.

    Args:
        folder: of the parts; made if missing.
        count: pairs in all, or a few more.
        maker: makes them.
        origin: of :func:`pair_origin`; parts must have the same.
        processes: how many work at once.
        progress: is told what is done, pairs made and pairs in all.

    Raises:
        InputError: a part that is damaged or follows from something else, or sequences without a
            usable frame.
        ImageError: a frame cannot be read.
    """
    check_folder(folder, "samples", make=True)
    parts: dict[int, Part] = {}
    orders: list[_Order] = []
    for number, begin in enumerate(range(0, count, PART)):
        path, wanted = folder / f"part-{number:03d}.npz", min(PART, count - begin)
        part = read_pairs_part(path, origin) if path.exists() else None
        if part is not None and sum(len(each.same) for each in part) >= wanted:
            parts[number] = part
        else:
            orders.append(_Order(path, number, wanted, origin["sample_seed"], maker, origin))
    done = count - sum(order.wanted for order in orders)
    with runner(min(processes, max(1, len(orders)))) as run:
        for order, _ in zip(orders, run(_make_part, orders), strict=True):
            done += order.wanted
            progress("samples", done, count)
            parts[order.number] = read_pairs_part(order.path, origin)
    return [parts[number] for number in sorted(parts)]


def write_pairs_part(path: Path, part: Part, origin: Mapping[str, Any]) -> None:
    """Write a part, whole or not at all."""
    arrays = {
        f"{name}-{field}": array
        for name, samples in zip(_size_names(), part, strict=True)
        for field, array in samples._asdict().items()
    }
    with whole(path) as draft, draft.open("wb") as file:
        np.savez(file, origin=np.array(json.dumps(dict(origin), sort_keys=True)), **arrays)


def read_pairs_part(path: Path, origin: Mapping[str, Any]) -> Part:
    """Read a part.

    Raises:
        InputError: it is damaged, or follows from something else.
    """
    try:
        arrays = read_arrays(path)
        told = json.loads(str(arrays["origin"]))
        part = tuple(
            PairSamples(*(arrays[f"{name}-{field}"] for field in PairSamples._fields))
            for name in _size_names()
        )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it to make it again") from error
    for name, value in origin.items():
        if told.get(name) != value:
            raise InputError(
                f"{path} was made with another {name}: {told.get(name)!r}, now it is {value!r}; "
                "make new samples in another folder"
            )
    return part


def pair_part(number: int, wanted: int, seed: int, maker: PairMaker) -> Part:
    """Pairs of scenes, or of frames, one after the other until there are enough.

    Args:
        number: of the part.
        wanted: how many, or a few more.
        seed: of the samples.
        maker: makes them.

    Raises:
        InputError: none can be made.
        ImageError: a frame cannot be read.
    """
    footage = maker.sequences and number % FOOTAGE_EVERY == FOOTAGE_EVERY - 1
    make = maker.of_frames if footage else maker.of_scene
    first = FIRST_SEED + (seed * MOST_PARTS + number) * PART_SEEDS
    pairs: list[RegisteredPair] = []
    unused = 0
    for place in range(PART_SEEDS):
        made = make(first + place)
        pairs += made
        unused = 0 if made else unused + 1
        if len(pairs) >= wanted:
            return pairs_by_size(pairs)
        if unused == TRIES:
            break
    raise InputError(
        f"{unused} {'frames' if footage else 'scenes'} in a row show nothing that can be compared; "
        "give sequences whose objects have more than 8 pixels a side and are not of one colour"
    )


def pairs_by_size(pairs: Iterable[RegisteredPair]) -> Part:
    """Pairs, those of each size together."""
    every = list(pairs)
    part: list[PairSamples] = []
    for _, columns, rows in SHAPES:
        shape = 2, rows, columns, 3
        own = [pair for pair in every if pair.pictures.shape == shape]
        part.append(
            PairSamples(
                np.array([pair.pictures for pair in own], np.uint8).reshape(-1, *shape),
                np.array([pair.zooms for pair in own], np.float32).reshape(-1, 2),
                np.array([pair.same for pair in own], np.bool_),
                np.array([pair.domain for pair in own], np.str_),
                np.array([pair.group for pair in own], np.str_),
            )
        )
    return tuple(part)


def _make_part(order: _Order) -> int:
    """Make a part and write it; the number of the process that did."""
    part = pair_part(order.number, order.wanted, order.seed, order.maker)
    write_pairs_part(order.path, part, order.origin)
    return os.getpid()


def _size_names() -> list[str]:
    """What the sizes of pictures are called in files."""
    return [f"{columns}x{rows}" for _, columns, rows in SHAPES]
