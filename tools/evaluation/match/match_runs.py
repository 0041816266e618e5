"""Running methods over pairs, piece by piece: what happened with each pair."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ....runtime.boxes import Box, box_iou
from ....runtime.errors import InputError
from ....runtime.images import read_image
from ...baselines import Found, Method, open_method
from .frame_pairs import FramePair, FrameView, strangers
from .variants import Variant

GT_SIZE = "gt-size"
TEMPLATE_SIZE = "template-size"
PROTOCOLS = (GT_SIZE, TEMPLATE_SIZE)

CHUNK = 8
MAP_SIDE = 240


@dataclass(frozen=True)
class MatchTask:
    """One search: a template, a picture, and whether the one is in the other.

    Attributes:
        name: of the pair the picture belongs to.
        video: of that pair.
        template: frame and box of what is looked for.
        search: the picture, and the box of its own object.
        present: whether that object is the one looked for.
        seed: of the choice of an absent object; ``None`` where nothing was chosen.
    """

    name: str
    video: str
    template: FrameView
    search: FrameView
    present: bool = True
    seed: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a method said in one protocol; ``overlap`` is the IoU with the true box."""

    box: Box
    score: float
    found: bool | None
    overlap: float


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        method: who did it: the label of the variant.
        task: what was to be done.
        answers: by protocol; empty if the method failed.
        milliseconds: of encoding, searching and placing; reading files is not counted.
        error: why the method failed.
        quality: the map, small, ``(h, w)`` uint8, where it was asked for.
    """

    method: str
    task: MatchTask
    answers: dict[str, Answer] = field(default_factory=dict)
    milliseconds: float = 0.0
    error: str | None = None
    quality: NDArray[np.uint8] | None = None

    def overlap(self, protocol: str) -> float:
        """IoU with the true box; a failure has 0."""
        answer = self.answers.get(protocol)
        return answer.overlap if answer else 0.0


@dataclass(frozen=True)
class Chunk:
    """Tasks that one process does with one method."""

    variant: Variant
    tasks: tuple[MatchTask, ...]
    protocols: tuple[str, ...]
    maps: bool = False


def present_tasks(pairs: Sequence[FramePair]) -> list[MatchTask]:
    """Each pair as it is."""
    return [MatchTask(pair.name, pair.video, pair.template, pair.search) for pair in pairs]


def absent_tasks(pairs: Sequence[FramePair], seeds: Sequence[int]) -> list[MatchTask]:
    """Each pair as it is and, for each seed, with the template of another video.

    Raises:
        InputError: all pairs are of one video.
    """
    absent = [strangers(pairs, seed) for seed in seeds]
    tasks: list[MatchTask] = []
    for task, pair, *others in zip(present_tasks(pairs), pairs, *absent, strict=True):
        tasks.append(task)
        for seed, other in zip(seeds, others, strict=True):
            if other is None:
                raise InputError(
                    f"all pairs are of video {pair.video!r}; absent objects need pairs of another "
                    "one"
                )
            tasks.append(MatchTask(pair.name, pair.video, other.template, pair.search, False, seed))
    return tasks


def split(
    variants: Sequence[Variant],
    tasks: Sequence[MatchTask],
    protocols: Sequence[str],
    *,
    maps: bool = False,
    together: bool = False,
) -> list[Chunk]:
    """The work in pieces.

    Args:
        variants: the methods, each with its options.
        tasks: all are done with each variant.
        protocols: names of the protocols.
        maps: keep quality maps.
        together: do the same tasks with all variants before the next tasks, so that times can be
            compared whatever else the machine does; otherwise variant by variant.
    """
    pieces = [tuple(tasks[start : start + CHUNK]) for start in range(0, len(tasks), CHUNK)]
    single = [replace(variant, options=replace(variant.options, threads=1)) for variant in variants]
    order = (
        ((variant, piece) for piece in pieces for variant in single)
        if together
        else ((variant, piece) for variant in single for piece in pieces)
    )
    return [Chunk(variant, piece, tuple(protocols), maps) for variant, piece in order]


def run_chunk(chunk: Chunk) -> list[Outcome]:
    """Do the tasks of a chunk, in their order.

    Raises:
        QatmError: the method cannot be opened.
    """
    variant = chunk.variant
    method = open_method(variant.method, variant.options)
    try:
        outcomes = [
            run_task(method, task, chunk.protocols, maps=chunk.maps) for task in chunk.tasks
        ]
        return [replace(outcome, method=variant.label) for outcome in outcomes]
    finally:
        method.close()


def run_task(
    method: Method, task: MatchTask, protocols: Sequence[str], *, maps: bool = False
) -> Outcome:
    """Let a method do one task; what it cannot handle is a failure with a reason."""
    frame, image = read_image(task.template.path), read_image(task.search.path)
    start = time.perf_counter()
    try:
        encoded = method.encode(frame, task.template.box)
        searched = method.search(encoded, image)
        placed = {
            protocol: method.place(searched, task.search.box[2:] if protocol == GT_SIZE else None)
            for protocol in protocols
        }
        elapsed = (time.perf_counter() - start) * 1000.0
        answers = {protocol: _answer(found, task) for protocol, found in placed.items()}
        shown = method.show(encoded, image, placed[protocols[0]]) if maps else None
    # Whatever a method does with a pair, the others go on; the reason is reported.
    except Exception as error:
        elapsed = (time.perf_counter() - start) * 1000.0
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome(method.name, task, milliseconds=elapsed, error=reason)
    quality = None if shown is None else small_map(shown)
    return Outcome(method.name, task, answers, elapsed, quality=quality)


def _answer(found: Found, task: MatchTask) -> Answer:
    """An answer with its overlap.

    Raises:
        ValueError: box or score hold a value that is not finite.
    """
    values = [float(value) for value in (*found.box, found.score)]
    if not np.isfinite(values).all():
        raise ValueError(f"answered with box {tuple(found.box)} and score {found.score}")
    box = Box(*values[:4])
    overlap = box_iou(box, task.search.box) if task.present else 0.0
    return Answer(box, values[4], found.found, overlap)


def small_map(values: NDArray[Any]) -> NDArray[np.uint8]:
    """A map with its range stretched to 0...255, at most :data:`MAP_SIDE` pixels a side."""
    finite = np.nan_to_num(np.asarray(values, np.float32))
    low, high = float(finite.min()), float(finite.max())
    levels = (finite - low) * (255.0 / max(high - low, 1e-12))
    scale = min(1.0, MAP_SIDE / max(levels.shape))
    size = max(1, round(levels.shape[1] * scale)), max(1, round(levels.shape[0] * scale))
    resized = cv2.resize(levels, size, interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)
