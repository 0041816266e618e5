"""What scores are fitted to: evidence for objects that are there, and for ones that are not."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.boxes import Box, box_iou
from ...runtime.errors import InputError, TemplateError
from ...runtime.patches.encoder import Encoder
from ...runtime.patches.region import Region, RegionFeatures
from ...runtime.session import Session
from ...runtime.track.options import TrackerOptions
from ...runtime.track.target import Sighting, TargetModel
from ...runtime.verify.verifier import Verifier
from ..evaluation.track.absences import presence_videos
from ..evaluation.track.footage import Shot, TestVideo
from ..evaluation.track.sequences import usable_sequences
from ..evaluation.track.track_metrics import FOUND_IOU
from ..evaluation.verify.place_pairs import PlaceQuery, read_queries

Array = NDArray[Any]
Each = Callable[[Sequence[Any], str], Iterator[Any]]
"""Goes through the work and shows how far it is."""

TRACK_SEED = 0
"""Of the absences, as ``qatm eval track --presence`` makes them by itself."""

PLACE_FOLDERS = ("homography", "panoramas")

OTHER_PLACES, PLACE_SEED = 6, 0
"""Queries of other places for each reference, and their seed: those of ``qatm eval verify``."""


@dataclass(frozen=True, eq=False)
class ScoreSamples:
    """What a score was given, and what it should have said.

    Attributes:
        arguments: of the recipe's ``score``, and of its ``odds``, for each sample.
        labels: ``(N,)`` bool; whether the object is there.
        groups: ``(N, G)`` names: of the sample's own video or place, and of others that it has
            something of.
        data: where they come from.
    """

    arguments: list[tuple[Any, ...]]
    labels: Array
    groups: Array
    data: str


def track_samples(
    session: Session, folder: Path, each: Each, skipped: Callable[[str], None]
) -> ScoreSamples:
    """What a tracker sees, frame by frame, of objects that come and go, if it is told the truth.

    The videos are those of ``qatm eval track --presence``. The target is looked for where it was in
    the frame before or, while it is away, where it was last seen; always at its first size. Its
    recent look is renewed in each frame that shows it. Frames in which it is there but something
    else fits better belong to neither kind.

    Args:
        session: tracks.
        folder: of sequences, as for ``qatm eval track``.
        each: goes through the videos.
        skipped: told about sequences that cannot be used, and why.

    Raises:
        InputError: no usable sequence, or none in which the object can be made to go away.
    """
    sequences = usable_sequences(folder, skipped).sequences
    videos, problems = presence_videos(sequences, TRACK_SEED)
    for problem in problems:
        skipped(problem)
    if not videos:
        raise InputError(f"{folder} holds no sequence in which the object can be made to go away")
    recipes = session.bundle.spec.recipes
    encoder, options = Encoder(session), TrackerOptions.of(recipes.track)
    rows = []
    for video in each(videos, "looking"):
        for shot, sighting, present in _sightings(video, encoder, recipes.match.alpha, options):
            looks = (tuple(sighting.first), tuple(sighting.recent))
            # What shows a single colour scores 0, whatever is fitted.
            if min(contested for contested, _ in looks) > 0:
                shown = shot.path.parent.parent.name
                rows.append(((looks, sighting.agreement), present, (video.name, shown)))
    data = (
        f"{len(videos)} videos, in which the object goes away (seed {TRACK_SEED}), of "
        f"{len(sequences)} sequences ({fingerprint(folder)}): looked at where the object was a "
        "frame before, at its first size"
    )
    return _samples(rows, data)


def place_samples(
    session: Session, folder: Path, each: Each, skipped: Callable[[str], None]
) -> ScoreSamples:
    """The support of queries for references of the same place and of others.

    Args:
        session: verifies.
        folder: as for ``qatm eval verify``.
        each: goes through the references.
        skipped: told about places that cannot be used, and why.

    Raises:
        InputError: no usable place, or one only.
    """
    found = read_queries(folder, OTHER_PLACES, PLACE_SEED)
    for problem in found.problems:
        skipped(problem)
    by_reference: dict[str, list[PlaceQuery]] = {}
    for query in found.queries:
        by_reference.setdefault(query.reference.name, []).append(query)
    rows = []
    for queries in each(list(by_reference.values()), "verifying"):
        reference = queries[0].reference
        with Verifier(reference.image, session, panorama=False) as verifier:
            for query in queries:
                support = verifier.verify(query.query).support
                rows.append(((support,), query.same, (reference.group, query.group)))
    parts = [folder / kind for kind in PLACE_FOLDERS if (folder / kind).is_dir()] or [folder]
    data = (
        f"{len(by_reference)} references ({'; '.join(map(fingerprint, parts))}), each with its own "
        f"queries and {OTHER_PLACES} of other places (seed {PLACE_SEED})"
    )
    return _samples(rows, data)


def fingerprint(folder: Path) -> str:
    """Name of a folder, and the first digits of a SHA-256 of the names and bytes of its files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{folder.resolve().name}, SHA-256 {digest.hexdigest()[:16]}"


def _sightings(
    video: TestVideo, encoder: Encoder, alpha: float, options: TrackerOptions
) -> Iterator[tuple[Shot, Sighting, bool]]:
    """Each frame of a video, what is seen in it, and whether the object is there."""
    first = video.start
    model = TargetModel(encoder, alpha, options, video.shots[0].load(), first)
    seen_last = before = first
    for shot, row in zip(video.shots[1:], video.truth[1:], strict=True):
        present = not math.isnan(row[0])
        expected = _centre(before if present else seen_last)
        region = Region.around(expected, model.scale, *model.region_size)
        seen = model.encode(shot.load(), region)
        sighting = model.look(seen, expected)
        if not present:
            yield shot, sighting, False
            # Hidden, it moves on, and is looked for there when it comes back.
            before = shot.hide or seen_last
            continue
        truth = Box(*map(float, row))
        _remember(model, seen, truth)
        x, y = sighting.centre
        box = Box(x - first.w / 2, y - first.h / 2, first.w, first.h)
        if box_iou(box, truth) >= FOUND_IOU:
            yield shot, sighting, True
        seen_last = before = truth


def _remember(model: TargetModel, seen: RegionFeatures, truth: Box) -> None:
    """Renew the recent look, unless the object lies outside of what was looked at."""
    try:
        model.remember(seen, _centre(truth))
    except TemplateError:
        return


def _centre(box: Box) -> tuple[float, float]:
    return box.x + box.w / 2, box.y + box.h / 2


def _samples(rows: Sequence[tuple[Any, bool, tuple[str, ...]]], data: str) -> ScoreSamples:
    """Put samples together."""
    arguments, labels, groups = zip(*rows, strict=True) if rows else ((), (), ())
    return ScoreSamples(list(arguments), np.array(labels, bool), np.array(groups), data)
