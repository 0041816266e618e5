"""What goes into a calibration and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..runtime.errors import CalibrationError

METHODS = ("minmax", "entropy", "percentile")
MIN_IMAGES = 4
"""Fewer usable images than this do not make ranges worth having."""

MAX_IMAGES = 10_000
PRECISIONS = ("int8-trt", "int8-cpu")
REMAINDERS = MappingProxyType({"int8-trt": "fp16", "int8-cpu": "fp32"})
"""The precision of what is not INT8 in the network of each artefact."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True)
class CalibrationOptions:
    """How to calibrate.

    Attributes:
        sources: image files, folders, glob patterns, videos and ``.npy`` arrays; empty is the
            default set, photographs that scikit-image carries in its wheel.
        images: how many views to calibrate with; a set with fewer images is filled up with crops.
        method: ``minmax``, ``entropy`` or ``percentile``: how activation ranges are chosen.
        percentile: of the values that ``percentile`` keeps inside the range.
        seed: of the sampling.
        max_side: images are shrunk until no side is longer, in pixels.
        float_below: a layer is kept in float if quantising it alone brings the features below this
            signal-to-noise ratio, in dB.
        cache: whether to keep ranges for the next time.
        cache_folder: where; ``None`` is ``$XDG_CACHE_HOME/qatm`` or ``~/.cache/qatm``.

    Raises:
        CalibrationError: a value that cannot be used.
    """

    sources: tuple[str, ...] = ()
    images: int = 24
    method: str = "percentile"
    percentile: float = 99.99
    seed: int = 0
    max_side: int = 480
    float_below: float = 24.0
    cache: bool = True
    cache_folder: Path | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise CalibrationError(
                f"calibration method {self.method!r} is unknown; choose {', '.join(METHODS)}"
            )
        if not MIN_IMAGES <= self.images <= MAX_IMAGES:
            raise CalibrationError(
                f"{self.images} calibration images; choose {MIN_IMAGES} to {MAX_IMAGES}"
            )
        if not 50.0 < self.percentile <= 100.0:  # noqa: PLR2004
            raise CalibrationError(
                f"percentile is {self.percentile}; choose a value above 50, up to 100"
            )
        if self.max_side < 64:  # noqa: PLR2004
            raise CalibrationError(f"max_side is {self.max_side}; choose at least 64 pixels")


@dataclass(frozen=True)
class LayerSensitivity:
    """What quantising one convolution alone costs.

    Attributes:
        precision: the artefact, ``int8-trt`` or ``int8-cpu``.
        layer: its name, from its weights.
        node: name of its node in the graph.
        weights: number of weights.
        depthwise: whether each channel is convolved by itself.
        sqnr: signal-to-noise ratio of the features with only this layer in INT8, in dB.
        kept_float: whether it stays in float.
    """

    precision: str
    layer: str
    node: str
    weights: int
    depthwise: bool
    sqnr: float
    kept_float: bool


@dataclass(frozen=True)
class Quantisation:
    """The outcome of quantising a features graph.

    Attributes:
        files: precision of each file written, by its name.
        layers: what each layer costs, for each artefact in the graph's order.
        sqnr: signal-to-noise ratio of the finished features on calibration images, in dB, by
            precision.
        ranges_digest: SHA-256 of the activation ranges.
        method: how ranges were chosen.
        source: the calibration set in words.
        images: names of the images used, one for each view.
        skipped: what was left out, with the reason.
        cached: whether ranges came from the cache.
    """

    files: dict[str, str]
    layers: tuple[LayerSensitivity, ...]
    sqnr: dict[str, float]
    ranges_digest: str
    method: str
    source: str
    images: tuple[str, ...]
    skipped: dict[str, str]
    cached: bool

    def kept_float(self, precision: str) -> tuple[str, ...]:
        """Names of the layers that an artefact keeps in float."""
        return tuple(
            row.layer for row in self.layers if row.precision == precision and row.kept_float
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        record = asdict(self)
        record["kept_float"] = {name: list(self.kept_float(name)) for name in self.files.values()}
        return record


def silent(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
