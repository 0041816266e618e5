"""The public names of ``runtime``: each listed once, all there, and none of them taken back."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections import Counter
from types import ModuleType

import pytest
from source_tree import imports_of, source_of

import qatm
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


def test_names_come_from_where_the_type_checker_looks_for_them():
    typed = {
        one.name: one.module
        for one in imports_of(source_of("runtime/__init__.py"))
        if one.level and not one.at_import
    }
    assert typed == runtime.MODULES
    for name, module in runtime.MODULES.items():
        assert getattr(sys.modules[f"qatm.runtime.{module}"], name) is getattr(runtime, name)


def test_names_can_be_listed_and_others_are_refused():
    assert set(dir(runtime)) >= {*runtime.__all__, "__doc__"}
    with pytest.raises(AttributeError, match=r"'qatm\.runtime' has no attribute 'Mather'"):
        _ = runtime.Mather  # pyright: ignore[reportAttributeAccessIssue]


def test_the_package_has_the_names_of_the_runtime():
    assert sorted(qatm.__all__) == sorted(["runtime", *runtime.__all__])
    assert set(dir(qatm)) >= {*qatm.__all__, "__doc__"}
    for name in runtime.__all__:
        assert getattr(qatm, name) is getattr(runtime, name)
    with pytest.raises(AttributeError, match="module 'qatm' has no attribute 'Mather'"):
        _ = qatm.Mather  # pyright: ignore[reportAttributeAccessIssue]


def test_the_package_is_the_command():
    command = [sys.executable, "-I", "-m", "qatm", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == f"qatm {qatm.__version__}\n"


@pytest.mark.parametrize(
    ("statement", "loaded", "left_out"),
    [
        ("import qatm", "errors", "numpy cv2 boxes bundle match track align verify video"),
        ("import qatm; qatm.__version__", "errors", "numpy cv2 boxes bundle match"),
        ("import qatm; qatm.Matcher", "numpy match", "track align verify video"),
        ("import qatm.runtime", "errors", "numpy cv2 boxes bundle match track align verify video"),
        ("from qatm.runtime import BundleError", "errors", "numpy cv2 bundle match"),
        ("from qatm.runtime import Bundle", "bundle", "cv2 match track align verify video"),
        ("from qatm.runtime import Matcher", "numpy match", "track align verify video"),
        ("from qatm.runtime import Aligner", "numpy align", "match track verify video"),
    ],
)
def test_importing_loads_what_was_asked_for(statement, loaded, left_out):
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys\n{statement}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    modules = {name.removeprefix("qatm.runtime.") for name in done.stdout.split()}
    assert modules >= set(loaded.split())
    assert not modules & set(left_out.split())
