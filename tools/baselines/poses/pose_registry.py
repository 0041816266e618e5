"""Which methods find poses, as data; each is imported only when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..base import MethodOptions
from ..registry import CLASSIC, MethodInfo, made
from .pose_method import PoseMethod

POSE_METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        "qatm": MethodInfo(
            "qatm_poses",
            "QatmPoses",
            "what Matcher() does with rotation and scale",
            "this project",
            "features",
        ),
        "sift": MethodInfo(
            "keypoint_poses", "SiftPoses", "SIFT, similarity by RANSAC", "Lowe, IJCV 2004"
        ),
        "orb": MethodInfo(
            "keypoint_poses", "OrbPoses", "ORB, similarity by RANSAC", "Rublee et al., ICCV 2011"
        ),
        "masked": MethodInfo(
            "masked_poses", "MaskedPoses", "masked correlation, 24 angles and 7 sizes", CLASSIC
        ),
        "corrmatch": MethodInfo(
            "corrmatch_poses", "CorrmatchPoses", "corrmatch over turns, 7 sizes", "corrmatch, PyPI"
        ),
        "mtm": MethodInfo(
            "mtm_poses",
            "MtmPoses",
            "Multi-Template-Matching, 24 angles and 7 sizes",
            "Thomas and Gehrig, BMC Bioinformatics 2020",
        ),
    }
)
"""Name of a method -> what it is, in the order of the table."""


def open_pose_method(name: str, options: MethodOptions) -> PoseMethod:
    """Make a method ready.

    Raises:
        InputError: an unknown name, or a package that the method needs is not installed.
        BundleError: the bundle cannot be used.
        DeviceError: the device cannot be used.
    """
    return made(POSE_METHODS, __package__, name, options)
