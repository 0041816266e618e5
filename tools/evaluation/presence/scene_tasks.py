"""Generated scenes as searches."""

from __future__ import annotations

from dataclasses import dataclass

from ....runtime.boxes import Box
from ...baselines.poses import PoseSpan
from ...scenes.generate import scene
from ..pose.posed_pictures import PosedPicture


@dataclass(frozen=True)
class SceneTask:
    """A scene that is drawn when it is needed.

    Attributes:
        domain: of the scene.
        seed: of the scene.
    """

    domain: str
    seed: int

    @property
    def name(self) -> str:
        """Domain and seed."""
        return f"{self.domain}-{self.seed}"

    @property
    def group(self) -> str:
        """Scenes have nothing in common."""
        return self.name

    def load(self) -> PosedPicture:
        """Draw the scene; the poses that its objects were drawn in are searched."""
        drawn = scene(self.domain, self.seed)
        return PosedPicture(
            drawn.frame,
            Box(*map(float, drawn.box)),
            drawn.image,
            drawn.truths,
            PoseSpan(drawn.rotation, drawn.scale),
        )
