"""Registered pairs of pictures: a template, and a copy of it, a near-duplicate or another thing.

Nothing is searched: poses are put beside the true ones, about as far as a search is off, and
registered, sampled and resized by the runtime. Drawn scenes have copies and near-duplicates of
every domain; frames of followed objects have what no drawing shows, such as real light, but no
near-duplicates: there another place of the frame is the other thing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...runtime.boxes import Box
from ...runtime.bundle.match_recipe import MatchRecipe
from ...runtime.errors import QatmError
from ...runtime.images import Image
from ...runtime.match.comparing import ComparedTemplate, seen_picture
from ...runtime.match.pixels import PixelTemplate
from ...runtime.match.pose import Pose, wrapped
from ...runtime.match.posed_rows import TemplateView
from ...runtime.match.registration import by_pixels
from ...runtime.match.template import Template, level_scales
from ..baselines.poses import NO_POSES, PoseSpan
from ..evaluation.match.frame_pairs import FrameView
from ..evaluation.pose.pose_errors import Lie, lie_of
from ..evaluation.pose.posed_pictures import PosedPicture, ViewTask, seeded_turn
from ..evaluation.track.sequences import TrackSequence
from ..scenes.generate import scene

Array = NDArray[Any]
Random = np.random.Generator

FOOTAGE = "sequence"
"""Domain of pairs of frames."""

DOMAIN_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "parts": 6.0,
        "letters": 2.0,
        "screen": 1.0,
        "drawing": 0.5,
        "texture": 1.0,
        "plates": 1.2,
        "photo": 1.0,
    }
)
"""How often scenes of each domain are drawn: those oftener whose near-duplicates are harder."""

ALIKE = 6
"""Copies, and near-duplicates, of a scene at most."""

OFF = 0.03
"""Standard deviation of what poses are off, by the object's side, ..."""

TURNED = 3.0
"""... in degrees, ..."""

RESIZED = 0.04
"""... and of the logarithm of their size."""

LOOSE = 1.5
"""Factor on these in footage, whose boxes are known to a few percent only."""

GAPS = (3, 8, 15, 25, 40, 60, 90)
"""Frames between the two of a pair."""

SMALLEST_SIDE = 8.0
"""Pixels of the shorter side of an object in a sequence."""

TURNED_FRAMES = 0.5
"""How often the other frame is turned and zoomed."""

OTHER_PLACES = 0.7
"""How often there is a pair of another place of the frame too."""

ELSEWHERE = 0.8
"""Sides of the object from which a place is another one."""

EVERY_POSE = PoseSpan((-180.0, 180.0), (0.5, 2.0))


class RegisteredPair(NamedTuple):
    """A template's picture, and what was found, as they are compared.

    Attributes:
        pictures: ``(2, rows, columns, 3)`` uint8 BGR.
        zooms: ``(2,)`` float32, see :class:`~qatm.model.pair_net.PairNet`.
        same: whether both show the same object.
        domain: of the scene, or :data:`FOOTAGE`.
        group: what it shares with other pairs: the scene's seed, or the sequence's name.
    """

    pictures: Array
    zooms: Array
    same: bool
    domain: str
    group: str


@dataclass(frozen=True)
class _Known:
    """A template whose pixels can be compared."""

    template: Template
    pixels: PixelTemplate
    compared: ComparedTemplate


@dataclass(frozen=True)
class PairMaker:
    """Makes pairs.

    Attributes:
        recipe: of matching, whose registration is used.
        sequences: that frames are taken from.
    """

    recipe: MatchRecipe
    sequences: tuple[TrackSequence, ...] = ()

    def of_scene(self, seed: int) -> list[RegisteredPair]:
        """Pairs of a drawn scene; none where it shows nothing that can be compared.

        Args:
            seed: decides the domain, the scene and the poses.
        """
        random = np.random.default_rng(seed)
        weights = np.array(list(DOMAIN_WEIGHTS.values()))
        domain = list(DOMAIN_WEIGHTS)[int(random.choice(len(weights), p=weights / weights.sum()))]
        try:
            drawn = scene(domain, seed)
        except QatmError:
            return []
        known = self._known(drawn.frame, Box(*map(float, drawn.box)))
        if known is None:
            return []
        pairs: list[RegisteredPair] = []
        for same, outlines in ((True, drawn.truths), (False, drawn.decoys)):
            for index in random.permutation(len(outlines))[:ALIKE]:
                lie = lie_of(outlines[index], known.template.size)
                turn = symmetric_turn(random, drawn.symmetry)
                if math.isfinite(lie.scale) and lie.scale > 0:
                    pose = beside(random, lie._replace(angle=lie.angle + turn), known.template.size)
                    source = domain, str(seed)
                    pairs.append(self._registered(known, drawn.image, pose, same, source))
        return pairs

    def of_frames(self, seed: int) -> list[RegisteredPair]:
        """One or two pairs of two frames; none where the object is absent, tiny or flat.

        Args:
            seed: decides which frames, how the second is turned, and the poses.

        Raises:
            ImageError: a frame cannot be read.
        """
        random = np.random.default_rng(seed)
        task = self._frames(random, seed)
        picture = None if task is None else task.load()
        known = None if picture is None else self._known(picture.frame, Box(*picture.box))
        if task is None or picture is None or known is None:
            return []
        lie = lie_of(picture.truths[0], known.template.size)
        poses = [(True, beside(random, lie, known.template.size, LOOSE))]
        if random.random() < OTHER_PLACES:
            other = _elsewhere(random, picture, lie, known.template.size)
            poses += [] if other is None else [(False, other)]
        source = FOOTAGE, task.group
        return [self._registered(known, picture.image, pose, same, source) for same, pose in poses]

    def _frames(self, random: Random, seed: int) -> ViewTask | None:
        """Two frames of a sequence."""
        sequence = self.sequences[int(random.integers(len(self.sequences)))]
        gap, count = int(random.choice(GAPS)), len(sequence.frames)
        if count <= gap:
            return None
        start = int(random.integers(count - gap))
        both = (start, start + gap) if random.random() < 0.5 else (start + gap, start)
        boxes = [Box(*map(float, sequence.truth[frame])) for frame in both]
        if not all(np.isfinite(box).all() and min(box.w, box.h) >= SMALLEST_SIDE for box in boxes):
            return None
        views = [
            FrameView(sequence.frames[frame], box, sequence.size)
            for frame, box in zip(both, boxes, strict=True)
        ]
        turned = random.random() < TURNED_FRAMES
        return ViewTask(
            name=f"{sequence.name}-{seed}",
            group=sequence.name,
            template=views[0],
            search=views[1],
            domain=FOOTAGE,
            poses=EVERY_POSE if turned else NO_POSES,
            turn=seeded_turn(EVERY_POSE, seed, 1) if turned else None,
        )

    def _known(self, frame: Image, box: Box) -> _Known | None:
        """A template as the matcher keeps it, without its features; ``None`` where it is flat."""
        framed = frame.shape[:2] != (round(box.h), round(box.w))
        scale = level_scales(box.w, box.h, self.recipe)[0]
        view = TemplateView.cut(frame, box, None, scale, framed=framed)
        template = Template((), (box.w, box.h), inside=True, model="", view=view)
        if template.pixels is None or template.compared is None:
            return None
        return _Known(template, template.pixels, template.compared)

    def _registered(
        self, known: _Known, image: Image, pose: Pose, same: bool, source: tuple[str, str]
    ) -> RegisteredPair:
        """The pair that a pose gives once it is registered."""
        pose, _ = by_pixels(known.template, image, pose, self.recipe)
        seen, zooms = seen_picture(known.compared, known.pixels, image, pose)
        # Both were whole numbers before the network's type was asked for.
        pictures = np.concatenate([known.compared.picture, seen]).astype(np.uint8)
        return RegisteredPair(pictures, zooms[0], same, *source)


def beside(random: Random, lie: Lie, size: tuple[float, float], factor: float = 1.0) -> Pose:
    """A pose that is off by about as much as one that a search found.

    Args:
        random: everything depends on it only.
        lie: the true one.
        size: of the template.
        factor: on how far it is off.
    """
    side = math.sqrt(size[0] * size[1]) * lie.scale
    x, y, turn, zoom = (float(value) * factor for value in random.normal(size=4))
    return Pose(
        lie.x + OFF * side * x,
        lie.y + OFF * side * y,
        wrapped(lie.angle + TURNED * turn),
        lie.scale * math.exp(RESIZED * zoom),
    )


def symmetric_turn(random: Random, symmetry: int) -> float:
    """Degrees after which an object looks the same, see :class:`~..scenes.scene.DrawnScene`."""
    if symmetry == 0:
        return float(random.uniform(0, 360))
    return 360 / symmetry * int(random.integers(symmetry))


def _elsewhere(
    random: Random, picture: PosedPicture, lie: Lie, size: tuple[float, float]
) -> Pose | None:
    """A pose at another place of a picture; ``None`` where the place drawn is not another."""
    rows, columns = picture.image.shape[:2]
    x, y = float(random.uniform(0, columns)), float(random.uniform(0, rows))
    angle = float(random.choice([lie.angle, random.uniform(0, 360)]))
    far = ELSEWHERE * math.sqrt(size[0] * size[1]) * lie.scale
    if max(abs(x - lie.x), abs(y - lie.y)) <= far:
        return None
    return beside(random, Lie(x, y, angle, lie.scale), size, LOOSE)
