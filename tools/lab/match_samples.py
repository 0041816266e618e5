"""What the score of matches is fitted to: boxes that are right and boxes that are not.

A mixture of what users look for: pairs of frames of videos as they are and turned and zoomed,
objects of other videos, and drawn scenes of every domain; templates with their frame and without
it; one copy, many, near-duplicates of it, or none; the frame itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.boxes import Box
from ...runtime.errors import InputError
from ...runtime.match.judging import JudgedPose
from ...runtime.match.matcher import Matcher
from ...runtime.match.pose import outline_overlap, wrapped
from ..baselines.poses import NO_POSES, PoseSpan
from ..evaluation.match.frame_pairs import FrameView, holds_pairs
from ..evaluation.pose.pose_errors import lie_of
from ..evaluation.pose.posed_pictures import (
    Border,
    PosedPicture,
    PoseTask,
    Turn,
    ViewTask,
    outline,
    seeded_turn,
    turned,
)
from ..evaluation.presence.presence_domains import PresencePlan, presence_tasks
from ..evaluation.presence.scene_tasks import SceneTask
from ..evaluation.track.sequences import TRUTH, TrackSequence, read_sequences
from ..scenes.generate import DOMAINS, scene

Array = NDArray[Any]

EVERY_POSE = PoseSpan((-180.0, 180.0), (0.5, 2.0))

PAIR_SEEDS = (1001, 1002)
"""Of turns and of absent objects: others than those that evaluations use by themselves."""

FIRST_SCENE, SCENES = 20_000, 160
"""Seeds of drawn scenes of each domain: none that an evaluation draws by itself."""

SEQUENCE_PAIRS = 7
"""Pairs of frames of each sequence."""

GAPS = (20, 40, 60)
"""Frames between the two of a pair."""

SMALLEST_SIDE = 8.0
"""Pixels of the shorter side of an object in a sequence."""

PLACES = 3
"""Places of each search that are judged."""

MANY_PLACES = 10
"""The same where there are copies."""

BEYOND = 3.0
"""What a box counts of a search for what is turned or resized beyond it: there are few."""

COPIES = 0.4
"""What each of many places counts."""

MOST_TURN = 30.0
"""Degrees by which a right box may be turned from the truth."""

MOST_OCTAVES = 0.6
"""Factors of two by which it may differ in size."""

SAME_PIXELS = 0.9
"""Correlation, beside an IoU of :data:`SAME_OUTLINE`, at which an object looks the same in both
poses, as symmetric ones do."""

SAME_OUTLINE = 0.8

NO_TURN = Turn()

OWN_TURNS = (
    *(Turn(angle) for angle in (90.0, 180.0, -90.0, 45.0, -60.0, 120.0)),
    *(Turn(0.0, zoom) for zoom in (0.5, 2.0)),
)
"""Of frames that are searched for what is no longer there as it was."""

NOISE = 2.0
"""Standard deviation in grey values of the noise on a frame that is searched itself."""

JPEG_QUALITY = 90


@dataclass(frozen=True)
class JudgedBox:
    """A box that was judged, and whether it is right.

    Attributes:
        evidence: what was known of it.
        right: whether it overlaps a true one by more than half, in its pose.
        rank: 0 for the best of its search.
        present: whether the search had anything to find.
        domain: what kind of pictures.
        group: what it shares with others: a video, or a scene.
        weight: what it counts.
    """

    evidence: tuple[float, ...]
    right: bool
    rank: int
    present: bool
    domain: str
    group: str
    weight: float = 1.0


@dataclass(frozen=True)
class SampleSearch:
    """A search whose places are judged.

    Attributes:
        task: what is looked for, where, and what is true.
        upright: look for the object as it is, though it may be turned.
        places: how many of its places are judged.
        weight: what each counts.
    """

    task: PoseTask
    upright: bool = False
    places: int = PLACES
    weight: float = 1.0


@dataclass(frozen=True)
class SceneSample:
    """A search that is made of a drawn scene.

    Attributes:
        domain: of the scene.
        seed: of the scene.
    """

    domain: str
    seed: int

    @property
    def group(self) -> str:
        """The scene."""
        return f"{self.domain}-{self.seed}"


@dataclass(frozen=True)
class CutScene(SceneSample):
    """A drawn scene whose template comes without its frame."""

    @property
    def name(self) -> str:
        """Domain and seed."""
        return f"{self.domain}-{self.seed}-cut"

    def load(self) -> PosedPicture:
        """Draw the scene."""
        shown = SceneTask(self.domain, self.seed).load()
        x, y, w, h = (round(value) for value in shown.box)
        cut = np.ascontiguousarray(shown.frame[y : y + h, x : x + w])
        whole = Box(0.0, 0.0, float(w), float(h))
        return PosedPicture(cut, whole, shown.image, shown.truths, shown.poses)


@dataclass(frozen=True)
class OwnScene(SceneSample):
    """The frame of a drawn scene, searched for its own object, a little noisier.

    Attributes: as of :class:`SceneSample`, and
        turn: of the frame, which is searched for the object as it was.
    """

    turn: Turn = NO_TURN

    @property
    def name(self) -> str:
        """Domain and seed."""
        return f"{self.domain}-{self.seed}-own-{self.turn.angle:g}-{self.turn.zoom:g}"

    def load(self) -> PosedPicture:
        """Draw the scene."""
        shown = SceneTask(self.domain, self.seed).load()
        rng = np.random.default_rng(self.seed)
        noisy = shown.frame + rng.normal(0, NOISE, shown.frame.shape)
        image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
        truth = outline(shown.box)
        if self.turn != NO_TURN:
            image, truth = turned(image, truth, self.turn, Border.mean)
        return PosedPicture(shown.frame, shown.box, image, (truth,), NO_POSES)


@dataclass(frozen=True)
class CopiesScene(SceneSample):
    """A drawn scene with several copies, one of which is the template.

    Attributes: as of :class:`SceneSample`, and
        cut: whether the template comes without its frame.
    """

    cut: bool

    @property
    def name(self) -> str:
        """Domain and seed."""
        return f"{self.domain}-{self.seed}-copies"

    def load(self) -> PosedPicture:
        """Draw the scene.

        Raises:
            InputError: it has no copies that lie alike.
        """
        drawn = scene(self.domain, self.seed)
        if drawn.rotation[0] != drawn.rotation[1] or len(drawn.truths) < 2:
            raise InputError(f"scene {self.name} has no upright copies")
        low, high = drawn.truths[0].min(0), drawn.truths[0].max(0)
        (x, y), (right, bottom) = np.rint(low).astype(int), np.rint(high).astype(int)
        box, frame = Box(float(x), float(y), float(right - x), float(bottom - y)), drawn.image
        if self.cut:
            frame = np.ascontiguousarray(frame[y:bottom, x:right])
            box = Box(0.0, 0.0, box.w, box.h)
        return PosedPicture(frame, box, drawn.image, drawn.truths, NO_POSES)


def sample_searches(folder: Path, skipped: Callable[[str], None]) -> list[SampleSearch]:
    """The searches that the score is fitted to.

    Args:
        folder: holds folders of pairs, as for ``qatm eval otb``, and of sequences, as for ``qatm
            eval track``; or is one of pairs.
        skipped: told about what is left out, and why.

    Raises:
        InputError: no such folder, or no pairs.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give one of folders of pairs and sequences")
    folders = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    pairs = [path for path in folders if holds_pairs(path)]
    if not pairs:
        raise InputError(f"{folder} holds no folder of pairs of frames")
    searches: list[SampleSearch] = []
    first = PresencePlan(("video", "turned"), EVERY_POSE, PAIR_SEEDS[0])
    second = PresencePlan(("video",), EVERY_POSE, PAIR_SEEDS[1])
    for path in pairs:
        for plan in (first, second):
            searches += with_upright(presence_tasks([path], plan, skipped))
    sequences = [
        sequence
        for path in folders[1:]
        if any(path.glob(f"*/{TRUTH}"))
        for sequence in read_sequences(path).sequences
    ]
    searches += with_upright(sequence_tasks(sequences))
    return [*searches, *scene_searches(range(FIRST_SCENE, FIRST_SCENE + SCENES))]


def with_upright(tasks: Sequence[PoseTask]) -> list[SampleSearch]:
    """Searches, and some of those of turned objects as if nothing were turned."""
    every = [SampleSearch(task) for task in tasks]
    turned = [task for task in tasks if isinstance(task, ViewTask) and task.turn and task.present]
    return [*every, *(SampleSearch(task, upright=True, weight=BEYOND) for task in turned[::2])]


def scene_searches(seeds: Sequence[int]) -> list[SampleSearch]:
    """Searches of drawn scenes of every domain, in turn with and without their frames."""
    searches: list[SampleSearch] = []
    for domain in DOMAINS:
        for seed in seeds:
            shown = CutScene(domain, seed) if seed % 2 else SceneTask(domain, seed)
            searches.append(SampleSearch(shown))
            if seed % 3 == 0:
                searches.append(SampleSearch(shown, upright=True, weight=BEYOND))
            if seed % 4 == 0:
                searches.append(SampleSearch(OwnScene(domain, seed), places=1))
            if seed % 4 == 1:
                own = OwnScene(domain, seed, OWN_TURNS[seed // 4 % len(OWN_TURNS)])
                searches.append(SampleSearch(own, places=1, weight=BEYOND))
            copies = CopiesScene(domain, seed, cut=bool(seed // 2 % 2))
            searches.append(SampleSearch(copies, places=MANY_PLACES, weight=COPIES))
    return searches


def sequence_tasks(sequences: Sequence[TrackSequence]) -> list[ViewTask]:
    """Pairs of frames of sequences, as they are and turned, with the right and a wrong template."""
    views: list[tuple[str, FrameView, FrameView]] = []
    for sequence in sequences:
        count = len(sequence.frames)
        for number, start in enumerate(
            range(0, count - GAPS[0], max(GAPS[0], count // SEQUENCE_PAIRS))
        ):
            end = min(count - 1, start + GAPS[number % len(GAPS)])
            boxes = [Box(*map(float, sequence.truth[frame])) for frame in (start, end)]
            if all(np.isfinite(box).all() and min(box.w, box.h) >= SMALLEST_SIDE for box in boxes):
                both = [
                    FrameView(sequence.frames[frame], box, sequence.size)
                    for frame, box in zip((start, end), boxes, strict=True)
                ]
                views.append((sequence.name, both[0], both[1]))
    rng = np.random.default_rng(PAIR_SEEDS[0])
    tasks: list[ViewTask] = []
    for number, (name, shown, searched) in enumerate(views):
        strangers = [view for other, view, _ in views if other != name]
        if not strangers:
            continue
        stranger = strangers[int(rng.integers(len(strangers)))]
        for domain, poses in (("sequence", NO_POSES), ("sequence turned", EVERY_POSE)):
            turn = seeded_turn(poses, PAIR_SEEDS[0], number) if poses is EVERY_POSE else None
            for present, template in ((True, shown), (False, stranger)):
                tasks.append(
                    ViewTask(
                        name=f"{name}-{number}-{domain}" + ("" if present else "-absent"),
                        group=name,
                        template=template,
                        search=searched,
                        domain=domain,
                        poses=poses,
                        turn=turn,
                        present=present,
                    )
                )
    return tasks


def judged_boxes(matcher: Matcher, search: SampleSearch) -> Iterator[JudgedBox]:
    """The places of one search, judged by the matcher, and by the truth.

    Raises:
        QatmError: the search cannot be made.
    """
    picture = search.task.load()
    framed = picture.frame.shape[:2] != (round(picture.box.h), round(picture.box.w))
    template = matcher.encode_template(picture.frame, Box(*picture.box) if framed else None)
    asked: dict[str, Any] = {}
    if picture.poses.posed and not search.upright:
        asked = {"rotation": picture.poses.rotation, "scale": picture.poses.scale}
    judged = matcher.evidence(picture.image, [template], search.places, **asked)[0]
    for rank, each in enumerate(judged):
        if not template.flat:
            yield JudgedBox(
                evidence=astuple(each.evidence),
                right=is_right(each, picture.truths, template.size),
                rank=rank,
                present=bool(picture.truths),
                domain=search.task.domain,
                group=search.task.group,
                weight=search.weight,
            )


def is_right(judged: JudgedPose, truths: Sequence[Array], size: tuple[float, float]) -> bool:
    """Whether a box overlaps a true one by more than half, and the object lies so."""
    mine = judged.pose.corners(size)
    for truth in truths:
        overlap = outline_overlap(mine, truth)
        if overlap <= 0.5:
            continue
        lie = lie_of(truth, size)
        turned = abs(wrapped(lie.angle - judged.pose.angle))
        octaves = abs(np.log2(lie.scale / judged.pose.scale))
        alike = overlap > SAME_OUTLINE and judged.evidence.correlation > SAME_PIXELS
        if alike or (turned < MOST_TURN and octaves < MOST_OCTAVES):
            return True
    return False
