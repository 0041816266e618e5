"""Running methods over pictures with known poses, piece by piece: what happened with each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ...baselines import MethodOptions
from ...baselines.base import Array
from ...baselines.poses import Posed, PoseMethod, open_pose_method
from ..metrics import HALF
from .pose_errors import PoseErrors, best_truth, errors_between, lie_of
from .posed_pictures import PosedPicture, PoseTask

PIECE = 4


class PoseTimes(NamedTuple):
    """Milliseconds that encoding the template and searching the picture took."""

    encode: float = 0.0
    search: float = 0.0


@dataclass(frozen=True)
class PoseOutcome:
    """What became of a task.

    Attributes:
        method: who did it.
        task: what was to be done.
        present: whether the object is there.
        corners: eight numbers, the answer's outline; ``None`` where there is no answer.
        score: of the answer.
        found: the method's own "it is there".
        overlap: IoU with the nearest true outline; 0 where there is no answer, or no object.
        errors: against that outline, if they overlap at all.
        times: of the method alone, without reading and drawing pictures.
        error: why the method failed.
    """

    method: str
    task: PoseTask
    present: bool
    corners: tuple[float, ...] | None = None
    score: float = 0.0
    found: bool = False
    overlap: float = 0.0
    errors: PoseErrors | None = None
    times: PoseTimes = field(default_factory=PoseTimes)
    error: str | None = None

    @property
    def right(self) -> bool:
        """Whether the outline overlaps a true one by more than half."""
        return self.overlap > HALF

    @property
    def outline(self) -> Array | None:
        """``(4, 2)`` corners of the answer."""
        return None if self.corners is None else np.reshape(self.corners, (4, 2))


@dataclass(frozen=True)
class PosePiece:
    """Tasks that one process does with one method."""

    method: str
    options: MethodOptions
    tasks: tuple[PoseTask, ...]


def pose_pieces(
    methods: Sequence[str], options: MethodOptions, tasks: Sequence[PoseTask]
) -> list[PosePiece]:
    """The work in pieces, method by method."""
    starts = range(0, len(tasks), PIECE)
    return [
        PosePiece(method, options, tuple(tasks[start : start + PIECE]))
        for method in methods
        for start in starts
    ]


def run_piece(piece: PosePiece) -> list[PoseOutcome]:
    """Do the tasks of a piece, in their order.

    Raises:
        QatmError: the method cannot be opened, or a picture cannot be read.
    """
    method = open_pose_method(piece.method, piece.options)
    try:
        return [run_pose_task(method, task) for task in piece.tasks]
    finally:
        method.close()


def run_pose_task(method: PoseMethod, task: PoseTask) -> PoseOutcome:
    """Let a method do one task; what it cannot handle is a failure with a reason."""
    picture = task.load()
    present = bool(picture.truths)
    start = time.perf_counter()
    try:
        encoded = method.encode(picture.frame, picture.box, picture.poses)
        middle = time.perf_counter()
        posed = method.find(encoded, picture.image)
        end = time.perf_counter()
        times = PoseTimes((middle - start) * 1000.0, (end - middle) * 1000.0)
        return _outcome(method.name, task, picture, posed, times)
    # Whatever a method does with a picture, the others go on; the reason is reported.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return PoseOutcome(method.name, task, present, error=reason)


def median_times(outcomes: Sequence[PoseOutcome]) -> PoseTimes:
    """Median over the tasks that did not fail, of each part."""
    known = [outcome.times for outcome in outcomes if outcome.error is None] or [PoseTimes()]
    return PoseTimes(*(statistics.median(part) for part in zip(*known, strict=True)))


def _outcome(
    method: str, task: PoseTask, picture: PosedPicture, posed: Posed, times: PoseTimes
) -> PoseOutcome:
    """An answer held against the truth.

    Raises:
        ValueError: the answer holds a value that is not finite.
    """
    present = bool(picture.truths)
    if not np.isfinite(posed.score):
        raise ValueError(f"answered with score {posed.score}")
    if posed.corners is None:
        return PoseOutcome(method, task, present, None, posed.score, posed.found, times=times)
    corners = np.asarray(posed.corners, float).reshape(4, 2)
    if not np.isfinite(corners).all():
        raise ValueError(f"answered with corners {corners.ravel().tolist()}")
    overlap, errors = 0.0, None
    if present:
        overlap, truth = best_truth(corners, picture.truths)
        size = picture.box.w, picture.box.h
        if overlap > 0:
            errors = errors_between(lie_of(corners, size), lie_of(truth, size))
    flat = tuple(map(float, corners.ravel()))
    return PoseOutcome(
        method, task, present, flat, float(posed.score), posed.found, overlap, errors, times
    )
