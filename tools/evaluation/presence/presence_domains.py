"""The kinds of pictures that a score is judged on, and the searches of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....runtime.boxes import Box
from ....runtime.errors import InputError, QatmError
from ....runtime.images import expand_sources, read_image
from ...baselines.poses import NO_POSES, PoseSpan
from ...inputs import split_names
from ...scenes.generate import DOMAINS
from ..match.frame_pairs import FramePair, FrameView, holds_pairs, usable_pairs
from ..match.match_runs import MatchTask, absent_tasks
from ..pose.posed_pictures import PoseTask, ViewTask, seeded_turn
from ..pose.textured_boxes import textured_boxes
from .scene_tasks import SceneTask

VIDEO, TURNED, PHOTOGRAPHS = "video", "turned", "photographs"
OF_PAIRS = (VIDEO, TURNED)
POSED = (TURNED, PHOTOGRAPHS)
"""Domains whose pictures are turned and zoomed by seed."""

GIVEN = (*OF_PAIRS, PHOTOGRAPHS)
"""Domains of pictures that are given; the others are generated."""

KNOWN_DOMAINS = (*GIVEN, *DOMAINS)


@dataclass(frozen=True)
class PresencePlan:
    """How the searches are made.

    Attributes:
        domains: names, in the order of the table.
        poses: turns and sizes that given pictures are turned by, and searched for.
        seed: of turns, absent objects, boxes and scenes.
        every: take only each so many-th pair, photograph or scene.
        scenes: of each generated domain.
    """

    domains: tuple[str, ...]
    poses: PoseSpan
    seed: int = 0
    every: int = 1
    scenes: int = 100


def presence_tasks(
    folders: Sequence[Path], plan: PresencePlan, skipped: Callable[[str], None]
) -> list[PoseTask]:
    """The searches of all domains, one domain after the other.

    Args:
        folders: of pairs, or of photographs.
        plan: how the searches are made.
        skipped: told about each part that is left out, and why.

    Raises:
        InputError: a folder that holds nothing usable, or a domain without a folder.
    """
    pairs: list[FramePair] = []
    photographs: list[Path] = []
    for folder in folders:
        if holds_pairs(folder):
            pairs += usable_pairs(folder, skipped).pairs
        else:
            photographs += expand_sources([folder])
    tasks: list[PoseTask] = []
    for domain in plan.domains:
        if domain in OF_PAIRS:
            tasks += pair_tasks(pairs, domain, plan)
        elif domain == PHOTOGRAPHS:
            tasks += photograph_tasks(photographs, plan, skipped)
        else:
            first = plan.seed * plan.scenes
            seeds = range(first, first + plan.scenes, plan.every)
            tasks += [SceneTask(domain, seed) for seed in seeds]
    return tasks


def read_domains(asked: Sequence[str], folders: Sequence[Path]) -> tuple[str, ...]:
    """The domains that are meant; by default all that the folders allow.

    Args:
        asked: names, also several in one, separated by commas.
        folders: of pairs, or of photographs.

    Raises:
        InputError: an unknown domain, one without its folder, a folder that no domain needs, or
            one that does not exist.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(
                f"{folder} is no folder; give one of pairs of frames or of photographs"
            )
    kinds = [holds_pairs(folder) for folder in folders]
    allowed = (
        *(OF_PAIRS if any(kinds) else ()),
        *(() if all(kinds) else (PHOTOGRAPHS,)),
        *DOMAINS,
    )
    names = split_names(asked) or allowed
    for name in names:
        if name not in KNOWN_DOMAINS:
            raise InputError(f"domain {name!r} is unknown; choose from {', '.join(KNOWN_DOMAINS)}")
        if name not in allowed:
            kind = "photographs" if name == PHOTOGRAPHS else "pairs of frames"
            raise InputError(f"domain {name} needs a folder of {kind}; give one")
    for folder, pairs in zip(folders, kinds, strict=True):
        if not set(names) & set(OF_PAIRS if pairs else (PHOTOGRAPHS,)):
            raise InputError(f"none of the domains {', '.join(names)} uses {folder}; leave it out")
    return tuple(name for name in KNOWN_DOMAINS if name in names)


def pair_tasks(pairs: Sequence[FramePair], domain: str, plan: PresencePlan) -> list[ViewTask]:
    """Each pair as it is and with another video's template; in domain ``turned`` turned by seed.

    Raises:
        InputError: all pairs are of one video.
    """
    poses = plan.poses if domain == TURNED else NO_POSES
    number_of = {pair.name: number for number, pair in enumerate(pairs)}

    def view(task: MatchTask) -> ViewTask:
        turn = seeded_turn(poses, plan.seed, number_of[task.name]) if domain == TURNED else None
        return ViewTask(
            name=task.name + ("" if task.present else "-absent"),
            group=task.video,
            template=task.template,
            search=task.search,
            domain=domain,
            poses=poses,
            turn=turn,
            present=task.present,
        )

    tasks = absent_tasks(pairs, [plan.seed])
    kept = {pair.name for pair in pairs[:: plan.every]}
    return [view(task) for task in tasks if task.name in kept]


def photograph_tasks(
    files: Sequence[Path], plan: PresencePlan, skipped: Callable[[str], None]
) -> list[ViewTask]:
    """A box of each photograph, looked for in it, turned and zoomed; and in another photograph.

    Raises:
        InputError: fewer than two photographs can be used.
    """
    views: list[FrameView] = []
    for number, path in enumerate(files):
        try:
            views.append(_textured_view(path, plan.seed, number))
        except QatmError as error:
            skipped(f"{path}: {error}")
    if len(views) < 2:
        raise InputError(
            f"domain {PHOTOGRAPHS} needs two photographs or more that show enough, has {len(views)}"
        )
    rng = np.random.default_rng(plan.seed)
    tasks: list[ViewTask] = []
    for number, view in enumerate(views):
        other = views[(number + int(rng.integers(1, len(views)))) % len(views)]
        name = view.path.stem
        turn = seeded_turn(plan.poses, plan.seed, number)
        tasks += [
            ViewTask(name, name, view, view, PHOTOGRAPHS, plan.poses, turn),
            ViewTask(f"{name}-absent", name, other, view, PHOTOGRAPHS, plan.poses, present=False),
        ]
    return [
        one for start in range(0, len(tasks), 2 * plan.every) for one in tasks[start : start + 2]
    ]


def _textured_view(path: Path, seed: int, number: int) -> FrameView:
    """A photograph with a box that shows enough.

    Raises:
        InputError: it has none.
    """
    image = read_image(path)

    def anywhere(box: Box) -> bool:
        return box.area > 0

    boxes = textured_boxes(image, 1, np.random.default_rng((seed, number)), anywhere)
    if not boxes:
        raise InputError("it shows no place that could be recognised")
    return FrameView(path, boxes[0], (image.shape[1], image.shape[0]))
