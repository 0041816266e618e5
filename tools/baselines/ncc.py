"""NCC: the cosine of template and window as vectors, on colour and on features."""

from __future__ import annotations

import cv2
import numpy as np

from .base import Array
from .correlation import EPSILON, ColourMethod, box_sums, cross_sums, defined
from .deep import DeepWindowMethod


class Ncc(ColourMethod):
    """``cv2.TM_CCORR_NORMED`` on colour; published AUC .48."""

    name = "ncc"
    mode = cv2.TM_CCORR_NORMED

    def similarity(self, values: Array, template: Array) -> Array:
        """The cosine, 0 where template or window are black and it is not defined."""
        del template
        return defined(values)


class NccDeep(DeepWindowMethod):
    """Normalised correlation of features; published AUC .612 (VGG), .67 (Deep-DIM's README)."""

    name = "ncc-deep"

    def similarity(self, template: Array, search: Array) -> Array:
        """``ΣST / √(ΣS² ΣT²)`` over each window."""
        height, width = template.shape[1:]
        energy = box_sums(np.square(search).sum(0), height, width) * np.square(template).sum()
        return cross_sums(template, search) / np.sqrt(np.maximum(energy, EPSILON))
