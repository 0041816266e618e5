"""What ``Matcher()`` does when nobody chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...runtime import Box, Match, Matcher, Template
from ...runtime.images import Image
from .base import Array, Found, Method, MethodOptions, Size, centred


@dataclass(frozen=True)
class SearchedPicture:
    """The best match, and width and height of the picture."""

    match: Match
    image: tuple[int, int]


class QatmDefault(Method):
    """The runtime's matcher with its bundle's recipe.

    Args:
        options: bundle, device and threads of the matcher.
    """

    name = "qatm"

    def __init__(self, options: MethodOptions) -> None:
        self._matcher = Matcher(options.open_bundle(), options.device, threads=options.threads)

    def encode(self, frame: Image, box: Sequence[float]) -> Template:
        """Encode the object in its frame."""
        return self._matcher.encode_template(frame, Box(*box))

    def search(self, encoded: Template, image: Image) -> SearchedPicture:
        """Match."""
        best = self._matcher.match(image, templates=[encoded])[0]
        return SearchedPicture(best, (image.shape[1], image.shape[0]))

    def place(self, searched: SearchedPicture, size: Size | None) -> Found:
        """Take the matcher's box, or a box of the given size around its centre."""
        box, match = searched.match.box, searched.match
        if size is not None:
            box = centred(box.centre, size, searched.image)
        return Found(box, match.score, None, match.found)

    def show(self, encoded: Template, image: Image, found: Found) -> Array | None:
        """The quality map, which matching itself does not need."""
        del found
        return self._matcher.quality_map(image, encoded).values

    def close(self) -> None:
        """Release the runtime's resources."""
        self._matcher.close()
