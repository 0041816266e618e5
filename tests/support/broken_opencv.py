"""Installations of OpenCV that do not work, each as a folder for ``PYTHONPATH``."""

from __future__ import annotations

from pathlib import Path

from absent_packages import without

LACKS_LIBGL = "libGL.so.1: cannot open shared object file: No such file or directory"
OTHER_NUMPY = "numpy.core.multiarray failed to import"
MIXED = 'ERROR: recursion is detected during loading of "cv2" binary extensions.'

BUILT_FOR_NUMPY_1 = f"""
import os, sys
home = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(home, "cv2.py"), "w") as library:
    library.write("raise ImportError({OTHER_NUMPY!r})")
sys.path.insert(1, home)
sys.stderr.write("A module that was compiled using NumPy 1.x cannot be run in ...\\n")
raise ImportError({OTHER_NUMPY!r})
"""
"""As OpenCV 4.8 beside numpy 2: numpy's pages on stderr, and its own folder left in the path."""

IMPORTS = {
    "libgl": f"raise ImportError({LACKS_LIBGL!r})",
    "numpy": BUILT_FOR_NUMPY_1,
    "mixed": f"raise ImportError({MIXED!r})",
    "stub": "",
    "older wheel's files": "import os\nos.no_such_name",
}
"""What ``cv2/__init__.py`` does in each state; ``absent`` is one more."""

STATES = ("absent", *IMPORTS)


def break_opencv(state: str, folder: Path) -> str:
    """Make OpenCV broken in processes that have the folder on their ``PYTHONPATH``.

    Args:
        state: one of :data:`STATES`.
        folder: gets what is needed.

    Returns:
        The value for ``PYTHONPATH``.
    """
    if state == "absent":
        return without(["cv2"], folder)
    package = folder / "cv2"
    package.mkdir()
    (package / "__init__.py").write_text(IMPORTS[state] + "\n", encoding="utf-8")
    return str(folder)
