"""The public names of ``runtime``: each listed once, all there, and none of them taken back."""

from __future__ import annotations

import inspect
from collections import Counter
from types import ModuleType

from source_tree import imports_of, source_of

from qatm import runtime

PROMISED = frozenset(
    {
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
    }
)
"""Names that programs use by now: more may come, none of these may go."""


def test_promised_names_are_still_there():
    assert set(runtime.__all__) >= PROMISED


def test_names_are_listed_once():
    assert not [name for name, count in Counter(runtime.__all__).items() if count > 1]
    imported = Counter(one.name for one in imports_of(source_of("runtime/__init__.py")))
    assert not [name for name, count in imported.items() if count > 1]


def test_every_listed_name_is_something():
    for name in runtime.__all__:
        thing = getattr(runtime, name)
        assert not isinstance(thing, ModuleType), f"{name} is only a module"
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__module__.startswith("qatm.runtime."), f"{name} comes from elsewhere"


def test_everything_that_the_package_imports_is_listed():
    bound = {one.name for one in imports_of(source_of("runtime/__init__.py")) if one.level}
    assert bound == set(runtime.__all__)
