"""Which searches ``qatm eval pose`` does: of pairs of frames, or of series with homographies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....runtime.errors import InputError
from ...baselines.poses import PoseSpan
from ..match.frame_pairs import FramePair, usable_pairs
from .homography_series import series_tasks
from .posed_pictures import Border, PoseTask, ViewTask, seeded_turn

RIGID = "rigid"
TURNED = "turned"


@dataclass(frozen=True)
class PosePlan:
    """How the searches are made.

    Attributes:
        poses: turns and sizes that are drawn, and searched.
        seed: of turns and boxes.
        every: take only each so many-th search.
        rigid: search the template's own frame, turned, so that the truth is exact.
        crop: give the methods the cut-out templates only.
        boxes: of a series, for each picture.
        border: of turned pictures.
    """

    poses: PoseSpan
    seed: int = 0
    every: int = 1
    rigid: bool = False
    crop: bool = False
    boxes: int = 12
    border: Border = Border.mean


@dataclass(frozen=True)
class PoseSources:
    """The searches of a folder, and how many of its parts could not be used."""

    tasks: tuple[PoseTask, ...]
    skipped: int


def pose_sources(
    folder: Path, series: Sequence[Path], plan: PosePlan, skipped: Callable[[str], None]
) -> PoseSources:
    """The searches of a folder of pairs, of one series, or of a folder of series.

    Args:
        folder: of pairs, if it holds no series.
        series: folders of series in it.
        plan: how they are made.
        skipped: told about each part that is left out, and why.

    Raises:
        InputError: nothing usable.
    """
    problems: list[str] = []

    def left_out(problem: str) -> None:
        problems.append(problem)
        skipped(problem)

    if not series:
        pairs = usable_pairs(folder, left_out).pairs
        tasks: Sequence[PoseTask] = turned_tasks(pairs, plan)
    else:
        tasks = [
            task
            for one in series
            for task in series_tasks(
                one, plan.poses, plan.boxes, plan.seed, left_out, crop=plan.crop
            )
        ]
    if not tasks:
        raise InputError(f"{folder} holds no box that can be looked for ({len(problems)} skipped)")
    return PoseSources(tuple(tasks[:: plan.every]), len(problems))


def turned_tasks(pairs: Sequence[FramePair], plan: PosePlan) -> list[ViewTask]:
    """Each pair with its search frame turned, or with its template's frame if that is rigid."""
    return [
        ViewTask(
            name=pair.name,
            group=pair.video,
            template=pair.template,
            search=pair.template if plan.rigid else pair.search,
            domain=RIGID if plan.rigid else TURNED,
            poses=plan.poses,
            turn=seeded_turn(plan.poses, plan.seed, number),
            crop=plan.crop,
            border=plan.border,
        )
        for number, pair in enumerate(pairs)
    ]
