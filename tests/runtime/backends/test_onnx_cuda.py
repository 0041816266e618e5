"""ONNX Runtime on CUDA: how it is opened, with a double in its place; and on a GPU, for real."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatm.runtime import Bundle, Matcher
from qatm.runtime.backends.devices import open_backend
from qatm.runtime.bundle.folder import default_bundle_path

Opened = list[tuple[Any, dict[str, str]]]

SIZES = (64, 96)


def picture(width: int) -> np.ndarray:
    return np.random.default_rng(width).integers(0, 256, (1, 64, width, 3), dtype=np.uint8)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Pretend that there is CUDA; return both kinds of options of each session as it is opened."""
    import onnxruntime

    real = onnxruntime.InferenceSession
    found: Opened = []

    class CudaDouble:
        """Says that it is where it was asked to be, and computes on the CPU."""

        def __init__(self, model: Any, options: Any, **named: Any) -> None:
            ((self._name, provider_options),) = named["providers"]
            found.append((options, provider_options))
            inner = real(model, options, providers=["CPUExecutionProvider"])
            self.run = inner.run
            self.get_inputs, self.get_outputs = inner.get_inputs, inner.get_outputs

        def get_providers(self) -> list[str]:
            return [self._name]

    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr("qatm.runtime.backends.cuda_memory.driver_problem", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", CudaDouble)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    return found


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Return a copy of the default bundle, with its features once more by the name of FP16."""
    folder = Path(shutil.copytree(default_bundle_path(), tmp_path / "bundle"))
    data = json.loads((folder / "bundle.json").read_text())
    shutil.copyfile(folder / "features.onnx", folder / "features.fp16.onnx")
    files = data["files"]
    files["features.fp16.onnx"] = {**files["features.onnx"], "precision": "fp16"}
    (folder / "bundle.json").write_text(json.dumps(data))
    return Bundle.load(folder)


def test_each_size_of_an_image_is_planned_once(bundle: Bundle, opened: Opened) -> None:
    backend = open_backend(bundle, "cuda", "fp32")
    graph = backend.graph("features")
    for width in SIZES * 3:
        assert graph.run({"image": picture(width)}, ["coarse"])[0].shape[-1] == width // 8
    assert len(opened) == len(SIZES)


def test_a_graph_without_convolutions_has_one_session(bundle: Bundle, opened: Opened) -> None:
    backend = open_backend(bundle, "cuda", "fp32")
    graph, channels = backend.graph("match"), bundle.spec.backbone.channels
    before = len(opened)
    for count in (4, 9):
        rows = np.random.default_rng(count).random((count, channels), np.float32)
        search = np.ones((channels, 4, 5), np.float32)
        inputs = {"template": rows, "target": np.ones(count, np.float32), "search": search}
        assert graph.run(inputs)[0].shape == (4, 5)
    assert len(opened) == before


def test_the_cpu_has_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    found: list[object] = []
    real = onnxruntime.InferenceSession

    def counted(*arguments: Any, **named: Any) -> object:
        found.append(arguments[0])
        return real(*arguments, **named)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counted)
    backend = open_backend(Bundle.load(), "cpu")
    for width in SIZES:
        backend.graph("features").run({"image": picture(width)})
    backend.close()
    assert len(found) == 1


def test_later_sessions_are_of_the_file_that_was_checked(bundle: Bundle, opened: Opened) -> None:
    graph = open_backend(bundle, "cuda", "fp32").graph("features")
    first = graph.run({"image": picture(64)})
    (bundle.path / "features.onnx").write_bytes(b"another file")
    graph.run({"image": picture(96)})
    assert len(opened) == 2
    for ours, again in zip(first, graph.run({"image": picture(64)}), strict=True):
        np.testing.assert_array_equal(ours, again)


def test_fp16_may_use_the_tensor_cores_and_fp32_is_fp32(bundle: Bundle, opened: Opened) -> None:
    backend = open_backend(bundle, "cuda")
    assert backend.precision == "fp16"
    backend.graph("match")
    assert [options["use_tf32"] for _, options in opened] == ["1", "0"]
    assert {options["cudnn_conv_algo_search"] for _, options in opened} == {"HEURISTIC"}


def test_cuda_is_asked_to_repeat_exactly(bundle: Bundle, opened: Opened) -> None:
    backend = open_backend(bundle, "cuda", "fp32")
    for role in ("match", "place"):
        backend.graph(role)
    # The matching graph repeats without being asked, and takes several times as long when it is.
    asked = [session.use_deterministic_compute for session, _ in opened]
    assert asked == [True, False, True]


@pytest.mark.usefixtures("opened")
def test_libraries_of_nvidias_wheels_are_loaded_in_silence(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    loaded: list[str] = []

    def preload() -> None:
        loaded.append("libcudnn.so.9")
        print("Failed to load libcublasLt.so.13")  # noqa: T201

    monkeypatch.setattr(onnxruntime, "preload_dlls", preload)
    open_backend(bundle, "cpu")
    assert loaded == []
    open_backend(bundle, "cuda")
    assert loaded
    assert capsys.readouterr().out == ""
    monkeypatch.delattr(onnxruntime, "preload_dlls")
    open_backend(bundle, "cuda")


@pytest.fixture(scope="module")
def on_gpu() -> Iterator[Matcher]:
    """Return a matcher on CUDA."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA")
    with Matcher(device="cuda") as matcher:
        yield matcher


@pytest.mark.gpu
@pytest.mark.parametrize("size", [(240, 320), (480, 640), (720, 1280)])
def test_matches_on_a_gpu_are_those_of_the_cpu(
    on_gpu: Matcher, photographs: dict[str, np.ndarray], size: tuple[int, int]
) -> None:
    import cv2

    frame = cv2.resize(photographs["astronaut"], size[::-1])
    box = (size[1] // 3, size[0] // 4, 48, 56)
    image = np.roll(frame, (9, 14), (0, 1))
    with Matcher(device="cpu") as reference:
        expected = reference.match(image, templates=[reference.encode_template(frame, box)])[0]
    template = on_gpu.encode_template(frame, box)
    found = [on_gpu.match(image, templates=[template])[0] for _ in range(3)]
    assert found[0] == found[1] == found[2]
    np.testing.assert_allclose(found[0].box, expected.box, atol=0.1)
    assert found[0].score == pytest.approx(expected.score, abs=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("count", [80, 176])
@pytest.mark.parametrize("size", [(8, 10), (30, 40), (68, 120)])
def test_qualities_on_a_gpu_repeat_exactly(
    on_gpu: Matcher, count: int, size: tuple[int, int]
) -> None:
    graph, rng = on_gpu.session.graph("match"), np.random.default_rng(count)
    channels = on_gpu.session.bundle.spec.backbone.channels
    inputs = {
        "template": rng.random((count, channels), np.float32),
        "target": (np.arange(count) < count - 64).astype(np.float32),
        "search": rng.random((channels, *size), np.float32),
    }
    first = graph.run(inputs)
    for _ in range(20):
        for ours, again in zip(first, graph.run(inputs), strict=True):
            np.testing.assert_array_equal(ours, again)


@pytest.mark.gpu
@pytest.mark.parametrize("box", [(150, 100, 60, 60), (20, 200, 450, 12)])
def test_matches_of_any_shape_on_a_gpu_repeat_exactly(
    on_gpu: Matcher, photographs: dict[str, np.ndarray], box: tuple[int, int, int, int]
) -> None:
    frame = photographs["astronaut"]
    template = on_gpu.encode_template(frame, box)
    image = np.roll(frame, (9, 14), (0, 1))
    first, *others = [on_gpu.match(image, templates=[template])[0] for _ in range(6)]
    assert others == [first] * 5


@pytest.mark.gpu
def test_sizes_in_turn_are_as_fast_as_one_size_on_a_gpu(on_gpu: Matcher) -> None:
    import time

    graph = on_gpu.session.graph("features")

    def milliseconds(width: int) -> float:
        start = time.perf_counter()
        graph.run({"image": picture(width)})
        return 1e3 * (time.perf_counter() - start)

    for width in SIZES:
        milliseconds(width)
    alone = np.median([milliseconds(SIZES[0]) for _ in range(20)])
    in_turn = np.median([milliseconds(width) for width in SIZES * 10])
    assert in_turn < 3 * alone + 5
