"""The GPU report: its comparisons for real on the CPU, its texts, and all of it on a GPU."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from qatm.calib.report import promoted
from qatm.runtime import Bundle, DeviceError, InputError, QatmError
from qatm.runtime.backends.cuda_memory import driver_problem
from qatm.runtime.backends.engine_profiles import admitting, choose_profile
from qatm.runtime.bundle.sidecar import ShapeRange
from qatm.tools.evaluation.device import gpu_checks, gpu_report
from qatm.tools.evaluation.device.gpu_checks import Examination, Latency, examine
from qatm.tools.evaluation.device.gpu_engines import admitted, bounds, refusals
from qatm.tools.evaluation.device.gpu_report import (
    GpuReport,
    find_precisions,
    make_report,
    write_report,
)
from qatm.tools.evaluation.device.gpu_scenes import (
    LIMITS,
    SIDE,
    Check,
    compare,
    make_scenes,
    reference,
    relative_difference,
)

without_gpu = pytest.mark.skipif(driver_problem() is None, reason="there is a driver")
SIZES = ((112, 144), (130, 141))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The default bundle, and once more as FP16 and INT8: the same numbers under other names."""
    folder = tmp_path_factory.mktemp("report") / "bundle"
    shutil.copytree(Bundle.load().path, folder)
    data = json.loads((folder / "bundle.json").read_text())
    for precision in ("fp16", "int8-cpu", "int8-trt"):
        name = f"features.{precision}.onnx"
        shutil.copyfile(folder / "features.onnx", folder / name)
        data["files"][name] = {**data["files"]["features.onnx"], "precision": precision}
    (folder / "bundle.json").write_text(json.dumps(data))
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def cases(bundle):
    scenes = make_scenes(SIZES)
    return list(zip(scenes, reference(bundle, scenes), strict=True))


@pytest.fixture(scope="module")
def report(bundle):
    return make_report(bundle, ("cpu", "tensorrt"), 1, SIZES)


def run(*arguments):
    return CliRunner().invoke(gpu_report.app, [str(a) for a in arguments])


def test_scenes_have_their_sizes_and_textured_templates(photographs):
    for scene, (height, width) in zip(make_scenes(SIZES), SIZES, strict=True):
        assert scene.frame.shape == scene.search.shape == (height, width, 3)
        x, y, w, h = (int(side) for side in scene.box)
        assert (w, h) == (SIDE, SIDE)
        assert scene.frame[y : y + h, x : x + w].std() > 20


def test_the_reference_finds_what_was_moved(cases):
    for scene, truth in cases:
        assert truth.box.x == pytest.approx(scene.box.x + 11, abs=2)
        assert truth.box.y == pytest.approx(scene.box.y + 7, abs=2)


def test_the_cpu_agrees_with_itself_at_every_precision(report):
    assert report.passed
    found = {run.precision: run for run in report.examinations}
    assert list(found) == ["fp32", "fp16", "int8"]
    for run_ in found.values():
        assert "CPU" in run_.provider
        whats = [check.what for check in run_.checks]
        assert whats.count("box") == len(SIZES)
        assert {"features", "quality", "score", "runs what was asked for"} <= set(whats)
        assert {"features, 4 reruns", "match, 4 reruns", "features, 4 at once"} <= set(whats)
        timed = {(time.what, time.size) for time in run_.latencies}
        assert timed == {
            (what, f"{h}x{w}") for what in ("features", "quality", "match()") for h, w in SIZES
        }
        assert all(0 < time.median_ms <= time.p90_ms for time in run_.latencies)


@pytest.mark.slow
def test_fp16_differs_a_little_and_does_not_pass_as_fp32(tmp_path, quick_graphs):
    pytest.importorskip("torch")
    from qatm.export.bundle import ExportOptions, export_bundle

    options = ExportOptions("mobilenet-v2", "random", taps=("3", "6"), fp16=True)
    made = export_bundle(tmp_path / "bundle", options).bundle
    scenes = make_scenes(SIZES[:1])
    cases = list(zip(scenes, reference(made, scenes), strict=True))
    half = examine(made, "cpu", "fp16", cases, 1)
    with promoted(made, "fp16") as folder:
        pretended = examine(Bundle.load(folder), "cpu", "fp32", cases, 1)
    for found, passed in ((half, True), (pretended, False)):
        (features,) = (check for check in found.checks if check.what == "features")
        assert features.value is not None
        assert features.value > LIMITS["fp32"]["features"]
        assert features.passed is passed
        assert found.passed is passed, found.checks


def test_each_quantity_is_judged(cases):
    scene, truth = cases[0]
    bad = dataclasses.replace(
        truth,
        features=(*truth.features[:-1], truth.features[-1] * 1.5),
        quality=truth.quality + np.float32(0.5),
        box=truth.box._replace(x=truth.box.x + 5),
        score=truth.score + 0.5,
    )
    for precision in LIMITS:
        seen = {c.what: c for c in compare(precision, scene, bad, truth)}
        failed = {what for what, check in seen.items() if not check.passed}
        assert failed == set(LIMITS[precision])
        assert seen["box"].value == pytest.approx(5)
        assert seen["features"].value == pytest.approx(0.5)


def test_nan_and_other_shapes_fail(cases):
    scene, truth = cases[0]
    first, *others = truth.features
    broken = dataclasses.replace(truth, features=(np.full_like(first, np.nan), *others))
    seen = {c.what: c for c in compare("fp16", scene, broken, truth)}
    assert not seen["features"].passed
    assert seen["box"].passed
    cut = dataclasses.replace(truth, features=(first[:, 1:], *others))
    (only,) = compare("fp16", scene, cut, truth)
    assert not only.passed
    assert "instead of" in only.detail


def test_relative_difference():
    ones = np.ones((2, 3), np.float32)
    assert relative_difference(ones * 1.1, ones) == pytest.approx(0.1, rel=1e-5)
    assert relative_difference(ones, ones[:1]) == float("inf")
    assert relative_difference(ones * 2, ones * 0) == 2


def test_runs_that_change_are_found():
    numbers = iter(range(10))
    found = Examination("cuda", "fp32")
    check = gpu_checks._rerun(found, "features", "", lambda: np.array([1.0 + next(numbers)]))
    assert not check.passed
    assert check.value == pytest.approx(gpu_checks.ROUNDS)
    nan = iter((1.0, float("nan"), 1.0, 1.0, 1.0))
    assert not gpu_checks._rerun(found, "features", "", lambda: np.array([next(nan)])).passed


@pytest.mark.parametrize(("device", "passed"), [("tensorrt", False), ("tensorrt-rtx", True)])
def test_kernels_compiled_while_running_may_round_differently(device, passed):
    values = iter((1.0, 1.0, 1.0 + 1e-6, 1.0, 1.0))
    found = Examination(device, "fp32")
    check = gpu_checks._rerun(found, "features", "", lambda: np.array([next(values)]))
    assert check.passed is passed


def fake_engine(run=None, role="features"):
    """An engine with the profiles and the texts of a real one."""
    shapes = ShapeRange((1, 32, 32, 3), (1, 64, 64, 3), (1, 128, 96, 3))
    profiles: tuple[dict[str, ShapeRange], ...] = ({"image": shapes},)
    names = {"image": ("batch", "height", "width", 3)}
    if role == "match":
        rows = (ShapeRange((1, 4), (8, 4), (16, 4)), ShapeRange((1,), (8,), (16,)))
        cells = ShapeRange((4, 1, 1), (4, 8, 8), (4, 16, 16))
        profiles = ({"template": rows[0], "target": rows[1], "search": cells},)

    def really(inputs):
        sizes = {name: array.shape for name, array in inputs.items()}
        choose_profile(profiles, sizes, names, "the test engine")
        return [np.zeros((1, 2), np.float32)]

    return SimpleNamespace(
        info=SimpleNamespace(profiles=profiles, role=role),
        inputs=tuple(profiles[0]),
        run=run or really,
        admits=lambda **shapes: bool(admitting(profiles, shapes)),
    )


@pytest.mark.parametrize(("role", "step", "count"), [("features", 16, 4), ("match", 1, 4)])
def test_sizes_outside_the_profiles_must_be_refused(role, step, count):
    checks = list(refusals(role, fake_engine(role=role), step))  # pyright: ignore[reportArgumentType]
    assert len(checks) == count
    assert all(check.passed for check in checks), checks
    assert all("the engine takes" in check.detail for check in checks)


def test_an_engine_that_takes_anything_fails():
    def anything(inputs):
        return [np.zeros(1, np.float32)]

    checks = list(refusals("features", fake_engine(anything), 16))  # pyright: ignore[reportArgumentType]
    assert [check.detail for check in checks] == ["it ran"] * 4
    assert not any(check.passed for check in checks)


def test_a_refusal_that_names_no_range_fails():
    def curt(inputs):
        raise DeviceError("wrong size")

    checks = list(refusals("features", fake_engine(curt), 16))  # pyright: ignore[reportArgumentType]
    assert not any(check.passed for check in checks)


@pytest.mark.parametrize("role", ["features", "match"])
def test_bounds_of_the_profiles_must_run(role):
    engine = fake_engine(role=role)
    checks = list(bounds(role, engine))  # pyright: ignore[reportArgumentType]
    assert [check.passed for check in checks] == [True, True]

    def wrong(inputs):
        if max(max(array.shape) for array in inputs.values()) > 32:
            raise DeviceError("out of memory")
        return [np.array([np.nan])]

    checks = list(bounds(role, fake_engine(wrong, role)))  # pyright: ignore[reportArgumentType]
    assert not any(check.passed for check in checks)


def test_pictures_outside_the_profiles_are_left_out():
    engines = {"features": fake_engine()}
    assert admitted(engines, (64, 96, 3))  # pyright: ignore[reportArgumentType]
    assert not admitted(engines, (64, 112, 3))  # pyright: ignore[reportArgumentType]
    assert admitted({}, (64, 112, 3))


def test_whatever_goes_wrong_is_a_failed_check(bundle, cases, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("CUDA error 700:\nan illegal memory access")

    monkeypatch.setattr(gpu_checks, "Session", broken)
    found = examine(bundle, "cuda", "fp32", cases, 1)
    assert not found.passed
    (check,) = found.checks
    assert check.detail == "RuntimeError: CUDA error 700: an illegal memory access"


def test_report_files(report, tmp_path):
    write_report(report, tmp_path / "new" / "report")
    folder = tmp_path / "new" / "report"
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "report.md"]
    data = json.loads((folder / "report.json").read_text())
    assert data["passed"] is True
    assert [r["precision"] for r in data["examinations"]] == ["fp32", "fp16", "int8"]
    assert "tensorrt" in data["absent"]
    text = (folder / "report.md").read_text()
    assert text.startswith("# GPU report: passed")
    assert "## Latency" in text
    assert "## Failed checks" not in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_report_of_a_failure_with_engines(tmp_path):
    state = {"file": "f.engine", "bytes": 1, "graphs": "captured", "graphs_held": 1}
    state |= {"shapes_held": 2, "device_bytes": 3 << 20, "device_bytes_at_most": 5 << 20}
    run_ = Examination("tensorrt", "fp16", "TensorRT | 10.3", {"features": {**state}}, 512.0)
    run_.checks.append(Check("box", "480x640", False, float("inf"), 1.0, "px", "x 1 | y 2"))
    run_.latencies.append(Latency("features", "480x640", "GPU", 1.25, 1.5, 100))
    run_.skipped.append("1080x1920")
    machine = {"platform": "here", "versions": {"numpy": "2"}, "gpu": {"works": True}}
    machine["gpu"] |= {"gpus": ["a GPU"], "cuda": "12.6"}
    report = GpuReport("b", "net", machine, {"cuda": "no"}, [run_])
    write_report(report, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# GPU report: FAILED")
    for part in (
        "| tensorrt | fp16 | box at 480x640 inf px (limit 1): x 1 / y 2 |",
        "| tensorrt | fp16 | features | 480x640 | GPU | 1.250 | 1.500 | 100 |",
        "captured | 1 for 2 shapes | 3.0 | 5.0 |",
        "| tensorrt | fp16 | 512 | 1080x1920 |",
        "| cuda |  | absent | no |",
    ):
        assert part in text
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["examinations"][0]["checks"][0]["value"] is None


def test_an_empty_examination_has_not_passed():
    assert not Examination("cuda", "fp32").passed
    assert not GpuReport("b", "net", {}).passed


def test_report_into_a_file_is_refused(report, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(QatmError, match="taken"):
        write_report(report, tmp_path / "taken")


def test_unknown_device(bundle):
    with pytest.raises(InputError, match="choose cpu, cuda, tensorrt, tensorrt-rtx"):
        make_report(bundle, ("gpu",))


def test_precisions_of_a_device(bundle):
    assert find_precisions(bundle, "cpu") == ["fp32", "fp16", "int8"]
    assert gpu_report._present(bundle, "cuda") == ["fp32", "fp16"]
    assert gpu_report._present(bundle, "tensorrt") == []


def test_a_failed_check_is_exit_status_1(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_report, "SIZES", SIZES[:1])
    monkeypatch.setitem(LIMITS["fp32"], "score", -1.0)
    defaults = (make_report.__defaults__ or ())[:-1]
    monkeypatch.setattr(make_report, "__defaults__", (*defaults, SIZES[:1]))
    result = run(bundle.path, "--device", "cpu", "--repeats", 1, "--out", tmp_path / "out")
    assert result.exit_code == 1, result.output
    assert "error: cpu fp32: score at 112x144" in result.stderr
    assert result.stdout.startswith("FAILED: ")
    assert (tmp_path / "out" / "report.md").read_text().startswith("# GPU report: FAILED")


@without_gpu
def test_no_gpu_is_one_line_and_exit_status_2(bundle, tmp_path):
    result = run(bundle.path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: no GPU device works here")
    assert all(f"{device}: " in line for device in ("cuda", "tensorrt", "tensorrt-rtx"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["missing-bundle"], [], ["--repeats", "0", "x"]])
def test_wrong_usage_is_one_line_and_exit_status_2(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")


@pytest.mark.gpu
@pytest.mark.slow
def test_the_whole_report_on_a_gpu(tmp_path):
    from qatm.calib.calibration import CalibrationOptions
    from qatm.export.bundle import ExportOptions, export_bundle
    from qatm.export.engines.engines import EngineOptions, build_engines
    from qatm.export.engines.flavours import gpu_capability, load_flavour

    options = ExportOptions(fp16=True, int8=CalibrationOptions())
    made = export_bundle(tmp_path / "bundle", options).bundle
    here = gpu_capability()
    assert isinstance(here, int), here
    for name in ("tensorrt", "tensorrt-rtx"):
        flavour = load_flavour(name)
        if isinstance(flavour, str) or (
            flavour.cross_targets and here not in flavour.cross_targets
        ):
            continue
        targets = (here,) if flavour.cross_targets else ()
        build_engines(made, EngineOptions(engine=name, sm=targets), ("fp32", "fp16", "int8"))
    result = run(made.path, "--out", tmp_path / "out", "--repeats", 20)
    text = (tmp_path / "out" / "report.md").read_text() if result.exit_code < 2 else ""
    assert result.exit_code == 0, f"{result.output}\n{text}"
    data = json.loads((tmp_path / "out" / "report.json").read_text())
    assert data["machine"]["gpu"]["works"]
    for found in data["examinations"]:
        clocks = {time["clock"] for time in found["latencies"]}
        assert clocks == ({"wall"} if found["device"] == "cuda" else {"wall", "GPU"})
        for state in found["engines"].values():
            assert state["graphs"] in ("captured", "library", "none")
            assert (state["graphs_held"] > 0) == (state["graphs"] == "captured")
