"""ZNCC: normalised correlation after taking the mean of each channel away."""

from __future__ import annotations

import cv2
import numpy as np

from .base import Array
from .correlation import EPSILON, ColourMethod, box_sums, cross_sums, defined
from .deep import DeepWindowMethod


class Zncc(ColourMethod):
    """``cv2.TM_CCOEFF_NORMED`` on colour; published AUC .54."""

    name = "zncc"
    mode = cv2.TM_CCOEFF_NORMED

    def similarity(self, values: Array, template: Array) -> Array:
        """The correlation, 0 where template or window have one colour and it is not defined."""
        del template
        return defined(values)


class ZnccDeep(DeepWindowMethod):
    """Correlation of features about their means; AUC .67 on VGG features (Deep-DIM's README)."""

    name = "zncc-deep"

    def similarity(self, template: Array, search: Array) -> Array:
        """``Σ(S - S̄)(T - T̄) / √(Σ(S - S̄)² Σ(T - T̄)²)``, means per channel and window."""
        height, width = template.shape[1:]
        centred = template - template.mean((1, 2), keepdims=True)
        energy = box_sums(np.square(search).sum(0), height, width)
        for plane in search:
            energy -= np.square(box_sums(plane, height, width)) / (height * width)
        norms = np.sqrt(np.maximum(energy, EPSILON) * max(np.square(centred).sum(), EPSILON))
        return cross_sums(centred, search) / norms
