"""The plain recipe: QATM on the features of a bundle, at their finest stride, and nothing else.

The paper's formulas with the template encoded in its frame: quality of each cell, and the window
with the largest mean of √q. This is what ideas of the default recipe are measured against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...runtime.images import Image
from ...runtime.patches.quality import QualityMap, quality_map
from .base import Array, Found, Method, MethodOptions, Size, mean_window
from .deep import DeepFeatures, DeepTemplate


@dataclass(frozen=True)
class PlainResponse:
    """√q of each pixel ``(H, W)``, and the size of the template's box."""

    values: Array
    size: Size


class QatmPlain(Method):
    """Quality of all cells at stride 4, no competitors, no change of scale."""

    name = "qatm-plain"

    def __init__(self, options: MethodOptions) -> None:
        self._features = DeepFeatures(options)
        self._alpha = self._features.bundle.spec.recipes.match.alpha

    def encode(self, frame: Image, box: Sequence[float]) -> DeepTemplate:
        """Cut the template out of the features of its frame."""
        return self._features.template(frame, box)

    def search(self, encoded: DeepTemplate, image: Image) -> PlainResponse:
        """Score each cell and bring the map to the picture's size."""
        cells = self._features.search(encoded, image)
        rows = np.ascontiguousarray(encoded.cells.reshape(len(cells), -1).T)
        target = np.ones(len(rows), np.float32)
        quality = quality_map(self._features.backend, rows, target, cells, self._alpha).contested
        stride = float(self._features.stride)
        size = (image.shape[1], image.shape[0])
        values = QualityMap(np.sqrt(quality), (stride, stride), size).resized()
        return PlainResponse(values, encoded.size)

    def place(self, searched: PlainResponse, size: Size | None) -> Found:
        """Take the window of the reported size with the largest mean of √q."""
        best = mean_window(searched.values, size or searched.size).best(None)
        return Found(best.box, best.score, np.square(searched.values))

    def close(self) -> None:
        """Release the runtime's sessions."""
        self._features.close()
