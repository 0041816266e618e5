"""Run a bundle: match a template, with numpy and OpenCV and one inference runtime.

matcher = Matcher()
matcher.set_template(frame, box=(x, y, w, h))   # (H, W, 3) uint8 BGR
best = matcher.match(image)[0]                  # Match(box=…, score=…, found=…)
"""

from __future__ import annotations

from .align.aligner import Aligner
from .align.alignment import Alignment
from .boxes import Box, box_iou
from .bundle.folder import Bundle
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
    VideoError,
)
from .images import expand_sources, read_image
from .match.matcher import Matcher
from .match.matches import Match
from .match.template import Template
from .patches.quality import QualityMap
from .session import MatcherInfo, Session, SessionInfo
from .track.multi_tracker import MultiTracker
from .track.options import TrackerOptions
from .track.presence import Track
from .track.records import TrackRecord, TrackWriter, read_tracks
from .track.tracker import Tracker
from .verify.verification import Verification
from .verify.verifier import Verifier
from .version import __version__
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
    "DeviceError",
    "ExportError",
    "Frame",
    "ImageError",
    "InputError",
    "Match",
    "Matcher",
    "MatcherInfo",
    "MultiTracker",
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
    "Verification",
    "Verifier",
    "Video",
    "VideoError",
    "VideoWriter",
    "__version__",
    "box_iou",
    "expand_sources",
    "frames",
    "read_image",
    "read_tracks",
    "track_video",
]
