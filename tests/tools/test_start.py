"""The programs start, or say in one line what is missing; the doctor comes to an end always."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from absent_packages import without
from broken_opencv import STATES, break_opencv

BROKEN_LIBRARIES = {
    "onnxruntime": "raise ImportError('libcudart.so.12: cannot open shared object file')",
    "tensorrt": "raise OSError('libnvinfer.so.10: cannot open shared object file')",
    "cuda": "raise RuntimeError('bindings of another version')",
}


def start(program: str, *arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.argv[0] = {program!r}\nfrom qatm.tools import start\n"
    return subprocess.run(
        [sys.executable, "-c", f"{code}start.{program}()", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("program", ["qatm", "qatm_export"])
def test_without_the_packages_of_the_command_line(program, tmp_path):
    done = start(program, "--help", path=without(["typer", "rich"], tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        'error: the commands of qatm need typer, which is not installed: pip install "qatm[cli]"\n'
    )


@pytest.mark.parametrize("program", ["qatm", "qatm_export"])
def test_without_opencv(program, tmp_path):
    done = start(program, "--help", path=break_opencv("absent", tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: OpenCV (Python package cv2) is not installed: pip install ")


@pytest.mark.parametrize("program", ["qatm", "qatm_export"])
def test_an_opencv_for_another_numpy_is_one_line(program, tmp_path):
    done = start(program, "--help", path=break_opencv("numpy", tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith('install a newer OpenCV, or pip install "numpy<2"')


@pytest.mark.parametrize("state", STATES)
def test_the_doctor_survives_every_broken_opencv(state, tmp_path):
    done = start("qatm", "doctor", "--json", path=break_opencv(state, tmp_path))
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    assert report["opencv"]["works"] is False
    assert "OpenCV" in report["problems"][0]
    assert "pip install" in report["problems"][0]
    assert not [place for place in report["opencv"]["hidden"] if str(tmp_path) in place]
    shown = start("qatm", "doctor", path=str(tmp_path))
    assert (shown.returncode, shown.stderr) == (1, "")
    assert report["problems"][0] in shown.stdout


@pytest.mark.parametrize("module", BROKEN_LIBRARIES)
def test_the_doctor_survives_broken_inference_libraries(module, tmp_path):
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text(BROKEN_LIBRARIES[module] + "\n")
    done = start("qatm", "doctor", "--json", path=str(tmp_path))
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert done.returncode == (module == "onnxruntime")
    if module == "onnxruntime":
        if report["devices"]["openvino"]["works"]:
            shown = start("qatm", "doctor", path=str(tmp_path)).stdout.splitlines()[-1]
            assert shown.endswith("not work here; one that is told device='openvino' does")
        assert "libcudart.so.12" in report["problems"][0]
        assert "pip install --force-reinstall" in "".join(report["advice"])


def test_the_doctor_starts_like_the_other_commands(tmp_path):
    done = start("qatm", "doctor", "--help", path=str(tmp_path))
    assert done.returncode == 0
    assert "--model" in done.stdout


ENDED = """
import os, signal, sys
from qatm.tools.start import ending_cleanly

name, when = sys.argv[1:]
if when == "ignored":
    signal.signal(getattr(signal, name), signal.SIG_IGN)

def ask():
    signal.raise_signal(getattr(signal, name))

try:
    with ending_cleanly():
        if when == "child":
            child = os.fork()
            if not child:
                ask()
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print("child", ended == -getattr(signal, name))
        elif when != "after":
            try:
                ask()
                print("went on")
            finally:
                if when == "twice":
                    ask()
                print("completed")
finally:
    if when == "after":
        ask()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    ("when", "status", "said"),
    [
        ("once", 130, "completed"),
        ("twice", 130, "completed"),
        ("ignored", 0, "went on completed"),
        ("child", 0, "child True"),
        ("after", None, ""),
    ],
)
def test_requests_to_end(name: str, when: str, status: int | None, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED, name, when],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (-getattr(signal, name) if status is None else status)
    assert done.stdout.split() == said.split()
    assert done.stderr == ("error: interrupted\n" if status == 130 else "")


DROPPED = """
import signal, sys, time
from pathlib import Path
from qatm.tools.start import ending_cleanly

name, where, folder = sys.argv[1:]
ask = lambda: signal.raise_signal(getattr(signal, name))

class Finalised:
    def __del__(self):
        ask()

with ending_cleanly():
    if where == "finaliser":
        Finalised()
    elif where == "broken-import":
        # An extension module that calls back turns whatever comes there into an ImportError.
        Path(folder, "answers.py").write_text(
            "import signal\\n"
            f"try:\\n    signal.raise_signal(signal.{name})\\n    whole = True\\n"
            "except BaseException:\\n    raise ImportError\\n"
        )
        sys.path.insert(0, folder)
        import answers
        print("imported", answers.whole)
    try:
        time.sleep(20)
        print("went on")
    finally:
        # What completes a file may take its time, and is asked again meanwhile.
        ask()
        time.sleep(0.3)
        print("completed")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    ("where", "said"),
    [("finaliser", "completed"), ("broken-import", "imported True completed")],
)
def test_a_request_that_comes_where_it_is_dropped_is_obeyed_all_the_same(
    name: str, where: str, said: str, tmp_path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DROPPED, name, where, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")
    assert done.stdout.split() == said.split()
