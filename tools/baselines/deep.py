"""The features of a bundle, for methods that compare them in other ways than QATM."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...runtime.boxes import box_in_frame
from ...runtime.errors import TemplateError
from ...runtime.images import Image
from ...runtime.patches.encoder import Encoder
from ...runtime.patches.windows import CellRange
from ...runtime.session import Session
from .base import Array, MethodOptions, Size, WindowMethod, Windows, inside_span


@dataclass(frozen=True)
class DeepTemplate:
    """A template cut out of the feature map of its frame.

    Attributes:
        cells: ``(C, h, w)`` float32 raw features.
        shift: pixels from the centre of the cells to the centre of the box, ``(x, y)``.
        size: width and height of the box.
    """

    cells: Array
    shift: tuple[float, float]
    size: Size


class DeepFeatures:
    """Fine feature maps of pictures at their own resolution.

    Args:
        options: names the bundle and the device.
    """

    def __init__(self, options: MethodOptions) -> None:
        self.bundle = options.open_bundle()
        self.backend = Session(self.bundle, options.device, threads=options.threads)
        self._encoder = Encoder(self.backend)
        self.stride = self._encoder.stride

    def encode(self, image: Image) -> Array:
        """The features of a picture, ``(C, H/s, W/s)`` float32."""
        features = self._encoder.encode(image, 1.0)
        rows, columns = self._encoder.fine_shape(features)
        return self._encoder.fine_window(features, CellRange(0, 0, rows, columns))

    def template(self, frame: Image, box: Sequence[float]) -> DeepTemplate:
        """Encode the whole frame and cut the box out, on whole cells.

        Raises:
            BoxError: malformed, or outside the frame.
        """
        asked = box_in_frame(box, frame.shape[1], frame.shape[0])
        cells = self.encode(frame)
        left, right = inside_span(asked.x / self.stride, asked.w / self.stride, cells.shape[2])
        top, bottom = inside_span(asked.y / self.stride, asked.h / self.stride, cells.shape[1])
        middle = ((left + right) / 2 * self.stride, (top + bottom) / 2 * self.stride)
        shift = (asked.centre[0] - middle[0], asked.centre[1] - middle[1])
        cut = np.ascontiguousarray(cells[:, top:bottom, left:right])
        return DeepTemplate(cut, shift, (asked.w, asked.h))

    def search(self, template: DeepTemplate, image: Image) -> Array:
        """The features of a picture that is not smaller than the template.

        Raises:
            TemplateError: it is smaller.
        """
        cells = self.encode(image)
        height, width = template.cells.shape[1:]
        if height > cells.shape[1] or width > cells.shape[2]:
            raise TemplateError(
                f"the template ({width}x{height} cells) is larger than the picture "
                f"({cells.shape[2]}x{cells.shape[1]} cells)"
            )
        return cells

    def windows(self, values: Array, template: DeepTemplate, image: Image) -> Windows:
        """Scores of windows one cell apart."""
        height, width = template.cells.shape[1:]
        x, y = template.shift
        return Windows(
            values=values,
            centre=(width / 2 * self.stride + x, height / 2 * self.stride + y),
            step=(self.stride, self.stride),
            size=template.size,
            image=(image.shape[1], image.shape[0]),
        )

    def close(self) -> None:
        """Release the runtime's sessions."""
        self.backend.close()


class DeepWindowMethod(WindowMethod):
    """Compares the features of the template with those of each window."""

    def __init__(self, options: MethodOptions) -> None:
        self._features = DeepFeatures(options)

    def encode(self, frame: Image, box: Sequence[float]) -> DeepTemplate:
        """Cut the template out of the features of its frame."""
        return self._features.template(frame, box)

    def search(self, encoded: DeepTemplate, image: Image) -> Windows:
        """Compare the template with each window."""
        cells = self._features.search(encoded, image)
        template, search = scaled_by_channel(encoded.cells, cells)
        return self._features.windows(self.similarity(template, search), encoded, image)

    @abstractmethod
    def similarity(self, template: Array, search: Array) -> Array:
        """Score each window: ``(C, h, w)`` and ``(C, H, W)`` to ``(H - h + 1, W - w + 1)``."""

    def close(self) -> None:
        """Release the runtime's sessions."""
        self._features.close()


def scaled_by_channel(template: Array, search: Array) -> tuple[Array, Array]:
    """Divide each channel by its deviation in the picture, so that no tap outweighs the others."""
    deviation = search.std((1, 2), keepdims=True)
    scale = np.where(deviation > 1e-3, 1.0 / np.maximum(deviation, 1e-3), 0.0).astype(np.float32)
    return template * scale, search * scale
