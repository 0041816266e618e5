"""What gets published: the sdist builds the wheel, and the wheel alone runs in a clean place."""

from __future__ import annotations

import configparser
import email
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import cv2
import pytest
from moving_scene import moving, write_video
from readme_renderer import markdown
from shared_folders import shared_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("runtime", "model", "export", "calib", "tools")
NEEDED_SETUPTOOLS = 77
NO_INDEX = ("Connection", "No matching distribution found for numpy", "Temporary failure in name")
"""What pip says where it reaches no index."""

NOT_SOURCE = shutil.ignore_patterns(
    ".*", "build", "dist", "*.egg-info", "__pycache__", "demo-output", "node_modules"
)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from this environment's settings and return what it prints."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=keep,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


def isolation() -> list[str]:
    """Return the option that builds with the setuptools already here, if it is new enough."""
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        return []
    return ["--no-isolation"] if int(version.split(".")[0]) >= NEEDED_SETUPTOOLS else []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist, away from the working tree."""

    def build(folder: Path) -> None:
        source, out = folder / "source", folder / "dist"
        shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
        run(sys.executable, "-m", "build", *isolation(), "--outdir", out, source, cwd=folder)

    out = shared_folder(tmp_path_factory, "built-package", build) / "dist"
    assert len(list(out.glob("*.tar.gz"))) == 1
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> set[str]:
    """Return the names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a new environment that holds the wheel with what a CPU installs."""
    folder = tmp_path_factory.mktemp("clean")
    python = new_environment(folder)
    install(python, f"{wheel}[standard]")
    return python


def new_environment(folder: Path) -> Path:
    """Return the Python of an empty environment."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def install(python: Path, *wanted: str, report: Path | None = None) -> None:
    """Install into an environment, or skip where nothing can be downloaded.

    Args:
        python: of the environment.
        wanted: what.
        report: only write what would be installed there.
    """
    # A pip of its own and bytecode of whole libraries would take most of the time.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    dry = [] if report is None else ["--dry-run", "--report", str(report)]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-compile", *dry, *wanted],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode and any(sign in done.stderr for sign in NO_INDEX):
        reason = f"nothing can be installed here: {done.stderr.splitlines()[-1]}"
        if os.environ.get("QATM_REQUIRE_INSTALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    assert done.returncode == 0, done.stderr


def is_source(path: Path) -> bool:
    """Tell a file of ours from what tools leave behind."""
    parts = path.relative_to(ROOT).parts
    return path.is_file() and not any(p.startswith(".") or p == "__pycache__" for p in parts)


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel_files):
    expected = {
        f"qatm/{path.relative_to(ROOT).as_posix()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if is_source(path)
    }
    expected |= {f"qatm/{name}" for name in ("__init__.py", "__main__.py", "py.typed")}
    assert {name for name in wheel_files if ".dist-info/" not in name} == expected
    assert expected >= {f"qatm/{folder}/py.typed" for folder in FOLDERS}
    bundle = {"bundle.json", "features.onnx", "match.onnx", "network.onnx", "network.npz"}
    for folder in ("default_bundle", "default_align"):
        assert expected >= {f"qatm/runtime/{folder}/{name}" for name in bundle}


def test_the_wheel_carries_licences_and_commands(wheel, wheel_files):
    licences = {PurePosixPath(name).name for name in wheel_files if "/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}
    commands = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = (name for name in wheel_files if name.endswith("entry_points.txt"))
        commands.read_string(archive.read(entry_points).decode())
    assert set(commands["console_scripts"]) == {"qatm", "qatm-export"}


def tracked_files() -> set[str]:
    """The files of the project, as git knows them."""
    try:
        listing = run("git", "-c", "core.quotepath=off", "ls-files", cwd=ROOT)
    except (AssertionError, OSError):
        pytest.skip("not a git repository: nothing tells what belongs to the project")
    return {name for name in listing.splitlines() if not name.startswith(".")}


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    (archive,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    return root


def test_the_sdist_is_complete(unpacked):
    packed = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    missing = {name for name in tracked_files() if (ROOT / name).is_file()} - packed
    assert not missing


def test_an_example_of_the_sdist_runs_where_the_wheel_is(
    unpacked, clean_python, photographs, tmp_path
):
    film = write_video(tmp_path / "film.avi", [image for image, _ in moving(photographs, 4)])
    example = unpacked / "examples" / "webcam_tracker.py"
    options = ("--box", "30,70,64,58", "--save", tmp_path / "tracked.avi")
    printed = run(clean_python, "-I", example, film, *options, cwd=tmp_path)
    assert [line.split()[0] for line in printed.splitlines()] == ["1", "2", "3"]


def test_the_description_can_be_shown_without_the_project(wheel, wheel_files):
    (name,) = (name for name in wheel_files if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Description-Content-Type"] == "text/markdown"
    shown = markdown.render(str(metadata.get_payload()))
    assert shown is not None
    assert ">qatm</h1>" in re.sub(r"<a [^>]*></a>", "", shown)
    assert "<table>" in shown
    leads = re.findall(r'(?:src|href)="([^"]*)"', shown)
    assert leads
    safe = ("https://", "#user-content-")
    assert not [address for address in leads if not address.startswith(safe)]


MATCH = """
import importlib.metadata, importlib.util, sys
import qatm
from qatm import runtime

frame = runtime.read_image(sys.argv[1])
with runtime.Matcher() as matcher:
    matcher.set_template(frame, (180, 70, 64, 48))
    best = matcher.match(frame)[0]
assert best.found, best
assert qatm.Matcher is runtime.Matcher
assert qatm.__version__ == runtime.__version__ == importlib.metadata.version("qatm")
for absent in ("torch", "onnx", "tensorrt"):
    assert importlib.util.find_spec(absent) is None, absent
print("found")
"""


def test_the_wheel_matches_with_what_a_cpu_installs(clean_python, photographs, tmp_path):
    picture = tmp_path / "astronaut.png"
    cv2.imwrite(str(picture), photographs["astronaut"])
    printed = run(clean_python, "-I", "-W", "error", "-c", MATCH, picture, cwd=tmp_path)
    assert printed == "found\n"


def test_the_commands_start_with_what_a_cpu_installs(clean_python, tmp_path):
    listing = run(clean_python.with_name("qatm"), "--help", cwd=tmp_path)
    assert "match" in listing
    assert run(clean_python, "-m", "qatm", "--help", cwd=tmp_path) == listing
    assert "bundle" in run(clean_python.with_name("qatm-export"), "--help", cwd=tmp_path).lower()


def test_a_pack_proves_itself_where_only_that_is_installed(clean_python, tiny_bundle, tmp_path):
    qatm = clean_python.with_name("qatm")
    run(qatm, "bundle", "pack", tiny_bundle, "packed", "--for", "cpu", cwd=tmp_path)
    assert "Matcher() works here: cpu" in run(qatm, "doctor", "--model", "packed", cwd=tmp_path)
    assert "passed: " in run(qatm, "check", "packed", cwd=tmp_path)
    report = ("-m", "qatm.tools.evaluation.device.gpu_report")
    assert "BUNDLE" in run(clean_python, *report, "--help", cwd=tmp_path)


def test_an_opencv_that_is_there_stays_as_it_is(wheel, tmp_path):
    """Only what pip would install is asked for."""
    (tmp_path / "env").mkdir()
    python, report = new_environment(tmp_path / "env"), tmp_path / "report.json"
    install(python, f"{wheel}[cpu,cli]", report=report)
    planned = {one["metadata"]["name"].lower() for one in json.loads(report.read_text())["install"]}
    assert {"qatm", "numpy"} <= planned
    assert not {name for name in planned if "opencv" in name}
    assert not {"onnxruntime", "onnxruntime-gpu"} <= planned
