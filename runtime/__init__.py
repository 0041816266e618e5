"""Run a bundle: match a template, with numpy and OpenCV and one inference runtime.

matcher = Matcher()
matcher.set_template(frame, box=(x, y, w, h))   # (H, W, 3) uint8 BGR
best = matcher.match(image)[0]                  # Match(box=…, score=…, found=…)
"""

from __future__ import annotations

from .boxes import Box, box_iou
from .bundle import Bundle
from .errors import (
    BoxError,
    BundleError,
    CalibrationError,
    DeviceError,
    ExportError,
    ImageError,
    InputError,
    QatmError,
    TemplateError,
)
from .images import expand_sources, read_image
from .matcher import Matcher
from .results import Match, MatcherInfo, QualityMap
from .template import Template
from .version import __version__

__all__ = [
    "Box",
    "BoxError",
    "Bundle",
    "BundleError",
    "CalibrationError",
    "DeviceError",
    "ExportError",
    "ImageError",
    "InputError",
    "Match",
    "Matcher",
    "MatcherInfo",
    "QatmError",
    "QualityMap",
    "Template",
    "TemplateError",
    "__version__",
    "box_iou",
    "expand_sources",
    "read_image",
]
