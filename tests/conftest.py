"""What every test may use: photographs, the research data, and the rules for tests that need more.

Environment: ``QATM_DATA`` is the folder of the research data (``../shared/data`` by default);
``QATM_REQUIRE_GPU=1`` turns every GPU test that would be skipped into a failure.
``QATM_RUNTIME_ONLY=1`` skips what needs PyTorch or ONNX, where only a device's packages are.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from shared_folders import shared_folder
from worker_threads import limit_threads, threads_per_worker

if TYPE_CHECKING:
    import numpy as np

    from qatm.export.graphs import GraphExport
    from qatm.runtime import Matcher

ROOT = Path(__file__).resolve().parents[1]
EXPORT_PACKAGES = ("torch", "onnx", "onnxscript", "polygraphy", "h5py", "scipy", "sklearn")


def gpu_problem() -> str | None:
    """Say why no NVIDIA GPU can be used, or None when one can; needs only the driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1)"
    count = ctypes.c_int(0)
    if status := driver.cuInit(0):
        return f"the NVIDIA driver does not start (cuInit gives {status})"
    if driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return "no NVIDIA GPU is visible"
    return None


def data_folder() -> Path:
    """Return where the research data should be."""
    return Path(os.environ.get("QATM_DATA") or ROOT.parent / "shared" / "data")


def data_problem() -> str | None:
    """Say why the research data cannot be used, or None when they can."""
    folder = data_folder()
    return None if folder.is_dir() else f"no research data in {folder} (set QATM_DATA)"


def gpu_required() -> bool:
    """Tell whether GPU tests must run."""
    return os.environ.get("QATM_REQUIRE_GPU") == "1"


def pytest_configure() -> None:
    """Give each of several test workers its share of the cores, and the tests a working Ctrl-C."""
    if count := threads_per_worker():
        limit_threads(count)
    # Shells let what runs in their background ignore it, and nohup a terminal that is closed; the
    # programs of a test would inherit that.
    usual = {
        "SIGINT": signal.default_int_handler,
        "SIGTERM": signal.SIG_DFL,
        "SIGHUP": signal.SIG_DFL,
    }
    for name, action in usual.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, action)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests whose hardware or data are not here; let workers begin with the longest."""
    if threads_per_worker():
        items.sort(key=lambda item: item.get_closest_marker("minutes") is None)
    problems = {"gpu": gpu_problem(), "data": data_problem()}
    for item in items:
        for marker, problem in problems.items():
            if problem and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=problem))


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"QATM_REQUIRE_GPU=1, but a GPU test was skipped: {reason}"


def _absent_for_export(text: str) -> str | None:
    """Which package of the export a failure is about, where only the runtime is installed."""
    if os.environ.get("QATM_RUNTIME_ONLY") != "1":
        return None
    absent = (name for name in EXPORT_PACKAGES if f"No module named '{name}" in text)
    return next(absent, None)


def _skip(report: pytest.TestReport | pytest.CollectReport, place: Path, package: str) -> None:
    report.outcome = "skipped"
    report.longrepr = (str(place), 0, f"Skipped: {package} is not installed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped GPU test where GPU tests must run; skip what needs more than the runtime."""
    report = yield
    if call.excinfo is not None and (package := _absent_for_export(str(call.excinfo.value))):
        _skip(report, item.path, package)
    if gpu_required() and item.get_closest_marker("gpu"):
        _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module of GPU tests that skips itself as a whole where GPU tests must run.

    Skip one that needs more than the runtime where only that is.
    """
    report = yield
    if report.failed and (package := _absent_for_export(str(report.longrepr))):
        _skip(report, collector.path, package)
    is_module = isinstance(collector, pytest.Module)
    if gpu_required() and is_module and "mark.gpu" in collector.path.read_text(encoding="utf-8"):
        _forbid_skip(report)
    return report


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of the research data; the test is skipped where it is absent."""
    if problem := data_problem():
        pytest.skip(problem)
    return data_folder()


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Return real photographs by name, (H, W, 3) uint8 BGR, read-only.

    scikit-image carries them; its own loader would download the ones it does not carry.
    """
    from qatm.calib.photographs import DEMO, read_photographs

    images = read_photographs(DEMO)
    for image in images.values():
        image.flags.writeable = False
    return images


@pytest.fixture(scope="session")
def matcher() -> Generator[Matcher, None, None]:
    """Return the matcher of the default bundle; tests pass templates and never set one."""
    from qatm.runtime import Matcher

    with Matcher() as opened:
        yield opened


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of a shallow random network, exported once; copy it to change it."""
    from qatm.export.bundle import ExportOptions, export_bundle

    options = ExportOptions("mobilenet-v2", "random", taps=("3", "6"), joint=True)

    def export(folder: Path) -> None:
        export_bundle(folder / "bundle", options)

    return shared_folder(tmp_path_factory, "tiny", export) / "bundle"


@pytest.fixture(scope="session")
def find_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the default bundle with ``encode.onnx`` and ``find.onnx``; copy it to change it."""
    from dataclasses import replace

    from qatm.export.bundle import write_manifest
    from qatm.export.find.find_files import write_find
    from qatm.runtime.bundle.folder import MANIFEST, Bundle

    def make(folder: Path) -> None:
        bundle = Bundle.load(None)
        for name in (MANIFEST, *bundle.spec.files):
            shutil.copyfile(bundle.path / name, folder / name)
        files = {**bundle.spec.files, **write_find(folder, bundle.spec)}
        write_manifest(folder / MANIFEST, replace(bundle.spec, files=files))

    return shared_folder(tmp_path_factory, "find", make)


@pytest.fixture
def quick_graphs(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export without tracing what the tiny bundle has: such graphs are copied from it."""
    from qatm.export import bundle as bundle_writer
    from qatm.export.graphs import write_onnx

    def copy(export: GraphExport, path: Path, opset: int) -> None:
        if (finished := tiny_bundle / path.name).is_file():
            shutil.copyfile(finished, path)
        else:
            write_onnx(export, path, opset)

    monkeypatch.setattr(bundle_writer, "write_onnx", copy)
