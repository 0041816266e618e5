"""That OpenCV is missing or broken is said in one line with the cure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from broken_opencv import LACKS_LIBGL, MIXED, OTHER_NUMPY, STATES, break_opencv

from qatm.runtime import opencv

CURES = {
    "absent": ("not installed", 'pip install "qatm[opencv]"'),
    "libgl": (LACKS_LIBGL, "opencv-python-headless"),
    "numpy": (OTHER_NUMPY, "numpy<2"),
    "mixed": (MIXED, "--force-reinstall"),
    "stub": ("without OpenCV in it", "--force-reinstall"),
    "older wheel's files": ("no_such_name", "--force-reinstall"),
}

ASK = """
from qatm import runtime
try:
    runtime.Matcher
except runtime.QatmError as error:
    assert isinstance(error, ImportError), type(error)
    assert "\\n" not in str(error)
    print(error)
"""


def python(code: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_there_is_nothing_wrong_with_a_working_one():
    assert opencv.opencv_problem() is None


@pytest.mark.parametrize("state", STATES)
def test_the_runtime_says_what_is_wrong_and_the_cure(state, tmp_path):
    done = python(ASK, break_opencv(state, tmp_path))
    assert done.returncode == 0, done.stderr
    for words in CURES[state]:
        assert words in done.stdout


def test_a_folder_left_behind_is_no_opencv(monkeypatch):
    left = type(opencv)("cv2")
    left.__path__ = ["/somewhere/cv2"]
    monkeypatch.setattr(opencv, "import_module", lambda _: left)
    monkeypatch.setattr(opencv, "opencv_wheels", lambda: {"opencv-python": "4.10.0.84"})
    monkeypatch.setitem(sys.modules, "cv2", sys.modules["cv2"])
    problem = opencv.opencv_problem()
    assert problem is not None
    assert "/somewhere/cv2" in problem
    assert "pip uninstall -y opencv-python, then" in problem


def test_of_several_wheels_the_one_that_was_chosen_for_a_reason_stays():
    wheels = ("opencv-python-headless", "opencv-contrib-python")
    assert opencv.reinstall(wheels) == (
        "pip uninstall -y opencv-python-headless opencv-contrib-python, then pip install "
        "--force-reinstall --no-deps opencv-contrib-python"
    )


def test_other_import_errors_stay_what_they_are(monkeypatch):
    from qatm import runtime

    monkeypatch.setitem(runtime.MODULES, "Nothing", "no_such_module")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        runtime.Nothing  # type: ignore[attr-defined]  # noqa: B018


def test_names_that_need_no_opencv_come_without_it(tmp_path):
    code = "from qatm import runtime; print(runtime.Box(1, 2, 3, 4).x, runtime.Bundle.load().path)"
    done = python(code, break_opencv("absent", tmp_path))
    assert done.returncode == 0, done.stderr
