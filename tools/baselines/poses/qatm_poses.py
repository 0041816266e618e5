"""What ``Matcher()`` does when it is asked for poses, and nothing else is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....runtime import Box, Matcher, Template
from ....runtime.images import Image
from ..base import MethodOptions
from .pose_method import Posed, PoseMethod, PoseSpan


class QatmPoses(PoseMethod):
    """The runtime's matcher with its bundle's recipe.

    Args:
        options: bundle, device and threads of the matcher.
    """

    name = "qatm"

    def __init__(self, options: MethodOptions) -> None:
        self._matcher = Matcher(options.open_bundle(), options.device, threads=options.threads)

    def encode(
        self, frame: Image, box: Sequence[float], poses: PoseSpan
    ) -> tuple[Template, dict[str, Any]]:
        """Encode the object in its frame, at all poses too, and say what to ask for."""
        asked: dict[str, Any] = {}
        if poses.posed:
            asked = {"rotation": poses.rotation, "scale": poses.scale}
        return self._matcher.encode_template(frame, Box(*box), **asked), asked

    def find(self, encoded: tuple[Template, dict[str, Any]], image: Image) -> Posed:
        """Match."""
        template, asked = encoded
        best = self._matcher.match(image, templates=[template], **asked)[0]
        return Posed(best.corners, best.score, best.found)

    def close(self) -> None:
        """Release the runtime's resources."""
        self._matcher.close()
