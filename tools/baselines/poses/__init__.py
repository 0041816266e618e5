"""The methods that say how an object lies, one file each, behind one interface."""

from __future__ import annotations

from .pose_method import NO_POSES, Posed, PoseMethod, PoseSpan
from .pose_registry import POSE_METHODS, open_pose_method

__all__ = [
    "NO_POSES",
    "POSE_METHODS",
    "PoseMethod",
    "PoseSpan",
    "Posed",
    "open_pose_method",
]
