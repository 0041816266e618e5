"""Frames of more than 8 bits as 8-bit ones, all in the range of the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images import Image, as_bgr, as_object_frame
from ..value_range import ValueRange


class FrameValues:
    """Shows the frames of one source; see :mod:`..value_range`.

    Args:
        limits: the values to show as black and white; ``None`` finds them in the first frame that
            is not uint8.

    Attributes:
        value_range: that range; ``None`` as long as all frames were uint8.
        dtype: the type of those frames.

    Raises:
        InputError: limits that are not two finite numbers, the lower one first.
    """

    def __init__(self, limits: Sequence[float] | None = None) -> None:
        self.value_range: ValueRange | None = None
        self.dtype: np.dtype[Any] | None = None
        self._named = None if limits is None else ValueRange.fixed(limits)

    def shown(self, image: NDArray[Any], name: str) -> Image:
        """A frame as ``(H, W, 3)`` uint8 BGR.

        Args:
            image: ``(H, W)`` or ``(H, W, C)`` in the type of its source.
            name: what messages call it.

        Raises:
            ImageError: not a usable image.
        """
        if image.dtype == np.uint8 or self.value_range is not None:
            return as_bgr(image, name, self.value_range)
        self.dtype = image.dtype
        if self._named is None:
            shown, self.value_range = as_object_frame(image, name=name)
            return shown
        self.value_range = self._named
        return as_bgr(image, name, self._named)
