"""Run a bundle: match a template, with numpy and OpenCV and one inference runtime.

matcher = Matcher()
matcher.set_template(frame, box=(x, y, w, h))   # (H, W, 3) uint8 BGR
best = matcher.match(image)[0]                  # Match(box=…, score=…, found=…)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .errors import (
    BoxError,
    BundleError,
    CalibrationError,
    DeviceError,
    ExportError,
    ImageError,
    InputError,
    PackageError,
    QatmError,
    TemplateError,
    VideoError,
)
from .version import __version__

if TYPE_CHECKING:
    from .align.aligner import Aligner
    from .align.alignment import Alignment
    from .backends.graph import Device, Precision, named_device, named_precision
    from .boxes import Box, box_iou
    from .bundle.folder import Bundle
    from .drawing.draw_matches import draw_matches, draw_quality
    from .drawing.draw_tracks import Trails, draw_tracks
    from .images import expand_sources, read_image, read_values
    from .match.matcher import Matcher
    from .match.matches import Match
    from .match.template import Template
    from .patches.quality import QualityMap
    from .session import Session, SessionInfo
    from .session_task import MatcherInfo
    from .tables import to_detections, to_rows
    from .track.multi_tracker import MultiTracker
    from .track.options import TrackerOptions
    from .track.presence import Track
    from .track.records import TrackRecord, TrackWriter, read_tracks
    from .track.tracker import Tracker
    from .value_range import ValueRange
    from .verify.verification import Verification
    from .verify.verifier import Verifier
    from .video.track_video import track_video
    from .video.video import Frame, Video, frames
    from .video.writer import VideoWriter

__all__ = [
    "Aligner",
    "Alignment",
    "Box",
    "BoxError",
    "Bundle",
    "BundleError",
    "CalibrationError",
    "Device",
    "DeviceError",
    "ExportError",
    "Frame",
    "ImageError",
    "InputError",
    "Match",
    "Matcher",
    "MatcherInfo",
    "MultiTracker",
    "PackageError",
    "Precision",
    "QatmError",
    "QualityMap",
    "Session",
    "SessionInfo",
    "Template",
    "TemplateError",
    "Track",
    "TrackRecord",
    "TrackWriter",
    "Tracker",
    "TrackerOptions",
    "Trails",
    "ValueRange",
    "Verification",
    "Verifier",
    "Video",
    "VideoError",
    "VideoWriter",
    "__version__",
    "box_iou",
    "draw_matches",
    "draw_quality",
    "draw_tracks",
    "expand_sources",
    "frames",
    "named_device",
    "named_precision",
    "read_image",
    "read_tracks",
    "read_values",
    "to_detections",
    "to_rows",
    "track_video",
]

MODULES = {
    "Aligner": "align.aligner",
    "Alignment": "align.alignment",
    "Device": "backends.graph",
    "Precision": "backends.graph",
    "named_device": "backends.graph",
    "named_precision": "backends.graph",
    "Box": "boxes",
    "box_iou": "boxes",
    "Bundle": "bundle.folder",
    "draw_matches": "drawing.draw_matches",
    "draw_quality": "drawing.draw_matches",
    "Trails": "drawing.draw_tracks",
    "draw_tracks": "drawing.draw_tracks",
    "expand_sources": "images",
    "read_image": "images",
    "read_values": "images",
    "Matcher": "match.matcher",
    "Match": "match.matches",
    "Template": "match.template",
    "QualityMap": "patches.quality",
    "MatcherInfo": "session_task",
    "Session": "session",
    "SessionInfo": "session",
    "to_detections": "tables",
    "to_rows": "tables",
    "MultiTracker": "track.multi_tracker",
    "TrackerOptions": "track.options",
    "Track": "track.presence",
    "TrackRecord": "track.records",
    "TrackWriter": "track.records",
    "read_tracks": "track.records",
    "Tracker": "track.tracker",
    "ValueRange": "value_range",
    "Verification": "verify.verification",
    "Verifier": "verify.verifier",
    "track_video": "video.track_video",
    "Frame": "video.video",
    "Video": "video.video",
    "frames": "video.video",
    "VideoWriter": "video.writer",
}
"""Where each name comes from. A module is imported when one of its names is first asked for: who
only matches does not wait for tracking, alignment and video, and help texts for none of them."""

if not TYPE_CHECKING:  # Editors and type checkers take the names from the imports above.

    def __getattr__(name: str) -> object:
        """A public name, from its module."""
        if name in MODULES:
            return getattr(_module(MODULES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def _module(name: str) -> object:
        """One of ours; an OpenCV that is missing or broken is said in one line."""
        try:
            return import_module(f".{name}", __name__)
        except (ImportError, AttributeError) as error:
            problem = import_module(".opencv", __name__).opencv_problem()
            if problem:
                raise PackageError(problem) from error
            raise

    def __dir__() -> list[str]:
        """What there is, imported yet or not."""
        return sorted({*globals(), *__all__})
