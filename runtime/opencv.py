"""What is wrong with the OpenCV that is installed, and the cure."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import redirect_stderr
from importlib import import_module, metadata
from io import StringIO
from types import ModuleType

from .errors import first_line

WHEELS = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
"""All own the module ``cv2``: a second overwrites the first, and removing either breaks both."""

INSTALL = 'pip install "qatm[opencv]", or any other OpenCV of version 4.8 or newer'

USED = ("__version__", "resize", "warpAffine", "INTER_AREA")
"""Some of what is used of OpenCV; what other wheels leave behind in ``cv2`` has none of it."""

SYSTEM_LIBRARIES = ("libGL", "libgthread", "libglib", "libSM", "libXext", "libX11", "libxcb")
"""Libraries of the system that the wheels with windows need and slim containers lack."""

NUMPY_MISMATCHES = ("_ARRAY_API", "multiarray", "numpy.core", "compiled using NumPy")
"""Marks of an OpenCV that was built for another generation of numpy."""


def opencv_problem() -> str | None:
    """Why OpenCV cannot be used here, in one line with the cure; ``None`` where it can."""
    path = list(sys.path)
    try:
        # numpy writes pages about one that was built for another numpy.
        with redirect_stderr(StringIO()):
            opencv = import_module("cv2")
    except Exception as error:  # broken installations fail in ways that nobody can list
        # What fails leaves its own folder there, where its library looks like another OpenCV.
        sys.path[:] = path
        return _import_problem(error)
    return _module_problem(opencv)


def opencv_wheels() -> dict[str, str]:
    """The wheels that own ``cv2`` and are installed, with their versions; an OpenCV without one
    (JetPack's, a distribution's, one built here) is not among them."""
    found: dict[str, str] = {}
    for name in WHEELS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def reinstall(wheels: Iterable[str]) -> str:
    """How to get from several or broken wheels to one that works, in the order of commands."""
    names = list(wheels)
    # One with windows or contributed modules was chosen for them.
    kept = names[-1] if names else "opencv-python-headless"
    remove = f"pip uninstall -y {' '.join(names)}, then " if names else ""
    return f"{remove}pip install --force-reinstall --no-deps {kept}"


def _import_problem(error: Exception) -> str:
    """What an import that failed says."""
    if isinstance(error, ModuleNotFoundError) and error.name == "cv2":
        return f"OpenCV (Python package cv2) is not installed: {INSTALL}"
    text = first_line(error)
    if any(library in text for library in SYSTEM_LIBRARIES):
        wheels = " ".join(opencv_wheels()) or "opencv-python"
        return (
            f"OpenCV cannot be loaded ({text}): this system lacks what its windows need; "
            f"pip uninstall -y {wheels}, then pip install opencv-python-headless, or install the "
            "system's libgl1 and libglib2.0-0"
        )
    if any(mark in text for mark in NUMPY_MISMATCHES):
        return (
            f"OpenCV cannot be loaded ({text}): it was built for another numpy; install a newer "
            'OpenCV, or pip install "numpy<2"'
        )
    return f"OpenCV cannot be loaded ({text}): {reinstall(opencv_wheels())}"


def _module_problem(opencv: ModuleType) -> str | None:
    """What a module ``cv2`` that could be imported lacks."""
    if all(hasattr(opencv, name) for name in USED):
        return None
    # What is tried again after the cure must not find this one.
    sys.modules.pop("cv2", None)
    place = getattr(opencv, "__file__", None) or ", ".join(getattr(opencv, "__path__", ())) or "?"
    return (
        f"a Python package cv2 without OpenCV in it ({place}), as is left where one of two wheels "
        f"was removed: {reinstall(opencv_wheels())}"
    )
