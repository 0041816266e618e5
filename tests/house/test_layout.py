"""The rules of the house: who may import whom, how long a module may be, what gets packaged."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import cv2
import pytest
from source_tree import FOLDERS, MODULES, ROOT, imports_of, package_of, source_of

MAX_LINES = 400

MAY_IMPORT = {
    "runtime": frozenset[str](),
    "model": frozenset[str](),
    "calib": frozenset({"runtime"}),
    "export": frozenset({"model", "calib", "runtime"}),
    "tools": frozenset({"runtime", "model", "export", "calib"}),
}
RUNTIME_AT_IMPORT = frozenset(sys.stdlib_module_names) | {"numpy", "cv2"}
RUNTIME_AT_CALL = frozenset(
    {"onnxruntime", "tensorrt", "tensorrt_rtx", "cuda", "pycuda", "openvino"}
)
RUNTIME_FOR_OTHERS = frozenset({"supervision"})
"""Packages whose classes are made on request, when a function that names them is called."""

HEAVY = ("torch", "onnx", "onnxruntime", "tensorrt", "matplotlib", "typer")


def broken_rules(module: str, source: str) -> list[str]:
    """List what the imports of a module do that its folder may not."""
    package = package_of(module)
    home = package[0]
    problems: dict[str, None] = {}
    for found in imports_of(source):
        if found.level == 0:
            broken = _absolute_problem(package, found.module.split(".")[0], found.at_import)
        elif home == "runtime" and found.level > len(package):
            broken = "climbs out of runtime/"
        else:
            broken = _relative_problem(home, found.parts(package))
        if broken:
            written = "." * found.level + (found.module or found.name)
            problems[f"{module}:{found.line}: import of {written} {broken}"] = None
    return list(problems)


def _absolute_problem(package: list[str], top: str, at_import: bool) -> str | None:
    if top == "qatm" or top in MAY_IMPORT:
        return "is absolute: packages import each other relatively"
    if package[0] != "runtime" or top in RUNTIME_AT_IMPORT or top in RUNTIME_FOR_OTHERS:
        return "belongs inside the function" if top in RUNTIME_FOR_OTHERS and at_import else None
    if top not in RUNTIME_AT_CALL:
        return "is not among what runtime/ may use"
    if package[:2] != ["runtime", "backends"]:
        return "belongs into runtime/backends/, which alone knows inference libraries"
    return "belongs inside the function that needs it" if at_import else None


def _relative_problem(home: str, parts: tuple[str, ...] | None) -> str | None:
    if parts is None:
        return "climbs out of the project"
    if parts[0] != home and parts[0] not in MAY_IMPORT[home]:
        return f"is against the import direction: {home}/ may not use {parts[0]}/"
    return None


def test_there_are_modules_to_check():
    assert {Path(module).parts[0] for module in MODULES} == set(MAY_IMPORT) == set(FOLDERS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_keep_the_direction(module):
    problems = broken_rules(module, source_of(module))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("runtime/a.py", "from ..model import qatm", "climbs out of runtime/"),
        ("runtime/a.py", "def f():\n    from .. import model", "climbs out of runtime/"),
        ("runtime/backends/a.py", "import onnxruntime", "inside the function"),
        (
            "runtime/backends/a.py",
            "try:\n    import tensorrt\nexcept ImportError: ...",
            "inside the",
        ),
        ("runtime/match/a.py", "def f():\n    import onnxruntime", "belongs into"),
        ("runtime/a.py", "def f():\n    import tensorrt.plugin", "belongs into"),
        ("runtime/backends/b/a.py", "def f():\n    import cuda.bindings", ""),
        ("runtime/a.py", "def f():\n    import torch", "not among"),
        ("runtime/a.py", "import qatm.runtime", "is absolute"),
        ("runtime/a.py", "import supervision", "inside the function"),
        ("runtime/a.py", "def f():\n    import supervision", ""),
        ("calib/a.py", "from ..export import cli", "direction"),
        ("model/a.py", "from .. import runtime", "direction"),
        ("tools/baselines/a.py", "from ...runtime import Matcher", ""),
        ("tools/baselines/a.py", "from .. import draw", ""),
        ("tools/baselines/a.py", "from .... import draw", "out of the project"),
        ("tools/a.py", "from runtime import Matcher", "is absolute"),
        ("runtime/backends/a.py", "def f():\n    import onnxruntime\nimport numpy, os", ""),
        ("runtime/track/a.py", "import numpy as np, cv2, os", ""),
        (
            "runtime/backends/a.py",
            "import typing\nif typing.TYPE_CHECKING:\n    import onnxruntime",
            "",
        ),
    ],
)
def test_the_import_check_sees(module, source, complaint):
    problems = broken_rules(module, source)
    assert bool(problems) == bool(complaint)
    assert complaint in "".join(problems)


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_short(module):
    lines = len(source_of(module).splitlines())
    assert lines <= MAX_LINES, f"{module} has {lines} lines: split it"


def test_every_package_is_listed_for_the_wheel():
    # Python 3.10 has no tomllib, but pytest brings tomli there.
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    setuptools = project["tool"]["setuptools"]
    folders = {Path(module).parent.as_posix() for module in MODULES}
    expected = {"qatm." + folder.replace("/", "."): folder for folder in folders}
    expected["qatm"] = "package"
    assert sorted(setuptools["packages"]) == sorted(expected)
    assert setuptools["package-dir"] == expected
    for name, folder in expected.items():
        assert (ROOT / folder / "__init__.py").is_file(), f"{folder}/__init__.py is missing"
        assert (ROOT / folder.split("/")[0] / "py.typed").is_file()
        if "/" not in folder:
            assert "py.typed" in setuptools["package-data"][name]


def run_python(*arguments: str, cwd: Path) -> str:
    """Run a Python of its own, untouched by the environment, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


COPIED_RUNTIME = """
import sys
picture, app, *site_packages = sys.argv[1:]
sys.path[:0] = [app, *site_packages]

import runtime

frame = runtime.read_image(picture)
box = (180, 70, 64, 48)
with runtime.Matcher() as matcher:
    matcher.set_template(frame, box)
    best = matcher.match(frame)[0]

assert runtime.__file__.startswith(app), runtime.__file__
assert not [name for name in sys.modules if name.split(".")[0] in ("qatm", "torch", "onnx")]
assert best.found, best
error = max(abs(a - b) for a, b in zip(best.box, box))
assert error <= 2, (best, error)
print("found")
"""


def test_a_copied_runtime_works_alone(tmp_path, photographs):
    picture, app = tmp_path / "astronaut.png", tmp_path / "app"
    cv2.imwrite(str(picture), photographs["astronaut"])
    shutil.copytree(ROOT / "runtime", app / "runtime")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # Without `site`, .pth files are not read, so an editable install cannot lend its modules.
    packages = dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib")))
    arguments = (str(picture), str(app), *packages)
    assert run_python("-S", "-c", COPIED_RUNTIME, *arguments, cwd=elsewhere) == "found\n"


def test_importing_the_runtime_stays_light(tmp_path):
    code = f"import sys, qatm.runtime; print([n for n in {HEAVY} if n in sys.modules])"
    assert run_python("-c", code, cwd=tmp_path) == "[]\n"
