"""The trained network that reads how a followed box really lies."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..bundle.manifest import FOLLOW_ROLE
from ..bundle.track_recipe import TrackRecipe
from ..session import Session
from .box_evidence import CELLS, MAPS, READINGS, GridEvidence
from .patch_motion import MotionReading, Point


class BoxReading(NamedTuple):
    """How a box differs from what was supposed, by the network.

    Attributes:
        across: of its middle, in the supposed width.
        down: the same in the supposed height.
        zoom: natural logarithm of its size over the supposed one.
        aspect: natural logarithm of its width over its height, over that of the supposed one.
    """

    across: float
    down: float
    zoom: float
    aspect: float


class BoxNetwork:
    """Reads boxes from evidence; see :mod:`.box_evidence`.

    Args:
        session: of a bundle that has such a network.

    Raises:
        BundleError: the graph takes or gives something else than such a network.
        DeviceError: the device does not work with it, or has no engine for it.
    """

    def __init__(self, session: Session) -> None:
        shapes = {"maps": (1, MAPS, CELLS, CELLS), "readings": (1, READINGS)}
        self._graph = session.box_network(shapes)

    @classmethod
    def of(cls, session: Session) -> BoxNetwork | None:
        """The network of a session's bundle; ``None`` where the bundle has none."""
        return cls(session) if session.bundle.precisions(FOLLOW_ROLE) else None

    def read(self, evidence: GridEvidence) -> BoxReading:
        """How the box lies that the evidence was gathered around.

        Raises:
            BundleError: the graph gave something else than such a network.
            DeviceError: the device failed.
        """
        inputs = {"maps": evidence.maps[None], "readings": evidence.readings[None]}
        change, _ = self._graph.run(inputs)
        across, down, width, height = (float(value) for value in change[0])
        return BoxReading(across, down, (width + height) / 2, width - height)


def joined(
    patches: MotionReading | None, told: BoxReading, place: Point, here: Point, recipe: TrackRecipe
) -> MotionReading:
    """What the patches and the network say together; they are wrong in different ways.

    Args:
        patches: what the patches say; ``None`` is that nothing has changed.
        told: what the network says.
        place: of the object's middle by the network, in pixels of the frame.
        here: where it was supposed to be.
        recipe: how much the network counts.
    """
    part, most = recipe.network_weight, math.log(recipe.most_zoom)
    zoom = part * min(max(told.zoom, -most), most)
    aspect = recipe.network_shape * told.aspect
    if patches is None:
        return MotionReading(math.exp(zoom), place, 1.0, 0.0, 0.0, aspect)
    zoom += (1 - part) * math.log(patches.zoom)
    trust = math.exp(recipe.network_trust)
    share = trust / (trust + patches.trust)
    x, y = _on_the_way(here, place, share)
    left, top = _on_the_way(here, patches.centre, (1 - part * share) * patches.believed)
    centre = x + left - here[0], y + top - here[1]
    return MotionReading(math.exp(zoom), centre, 1.0, patches.trust, patches.turn, aspect)


def _on_the_way(here: Point, there: Point, part: float) -> Point:
    """A part of the way from one point to another."""
    return here[0] + part * (there[0] - here[0]), here[1] + part * (there[1] - here[1])
