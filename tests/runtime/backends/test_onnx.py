"""Devices: what was asked for is what runs, or an error says why not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from qatm.runtime import Bundle, BundleError, DeviceError, Matcher
from qatm.runtime.backends.devices import open_backend, works
from qatm.runtime.backends.graph import DEVICES, Device, named_device, named_precision
from qatm.runtime.backends.onnx import OnnxBackend, OnnxGraph
from qatm.runtime.bundle.folder import default_bundle_path


def has_cuda() -> bool:
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_device_says_what_it_is(device: str) -> None:
    backend = open_backend(Bundle.load(), device, "auto", 1)
    if device == "cpu" or not has_cuda():
        assert (backend.device, backend.provider) == ("cpu", "CPUExecutionProvider")
    assert backend.precision == "fp32"
    *taps, coarse = backend.graph("features").run({"image": np.zeros((1, 32, 48, 3), np.uint8)})
    assert coarse.shape == (1, 176, 4, 6)
    assert taps[0].shape[2:] == (8, 12)
    assert sum(tap.shape[1] for tap in taps) == 176
    pooled = taps[0].reshape(-1, 4, 2, 6, 2).mean((2, 4))
    np.testing.assert_allclose(coarse[0, : len(pooled)], pooled, atol=1e-4)
    backend.close()


TELEMETRY = """
import os, sys
from qatm import runtime

if sys.argv[1]:
    os.environ["ORT_DISABLE_TELEMETRY"] = sys.argv[1]
runtime.Matcher(device="cpu").close()
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


@pytest.mark.parametrize("said", ["", "0"])
def test_telemetry_is_off_unless_the_environment_says_otherwise(said: str, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", TELEMETRY, said],
        env=environment | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == (said or "1")
    if not said:
        assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("kind", ["device", "precision"])
def test_an_unknown_name_is_refused_with_the_choices(kind: str) -> None:
    with pytest.raises(DeviceError, match=f"{kind} 'tpu' is unknown; choose one of auto"):
        Matcher(**{kind: "tpu"})  # pyright: ignore[reportArgumentType]


def test_threads_are_checked() -> None:
    with pytest.raises(DeviceError, match="threads is 0"):
        Matcher(threads=0)


@pytest.mark.skipif(has_cuda(), reason="this ONNX Runtime has CUDA")
def test_cuda_that_is_absent_is_an_error() -> None:
    with pytest.raises(
        DeviceError,
        match=r"'cuda' needs CUDAExecutionProvider.*uninstall -y onnxruntime, then .*qatm\[gpu\]",
    ):
        Matcher(device="cuda")
    assert "CUDAExecutionProvider" in str(works(Bundle.load(), "cuda"))
    assert works(Bundle.load(), "cpu") is None


@pytest.mark.skipif(has_cuda(), reason="this ONNX Runtime has CUDA")
def test_gpu_is_never_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match=r"no GPU works: .*'tensorrt'.*'tensorrt-rtx'.*'cuda'"):
        Matcher(device="gpu")
    opened: list[str] = []

    def open_on(bundle: Bundle, device: str, precision: str, threads: int | None) -> OnnxBackend:
        opened.append(device)
        if device != "cuda":
            raise DeviceError(f"no {device}")
        return OnnxBackend(bundle, "cpu", "fp32", threads)

    monkeypatch.setattr("qatm.runtime.backends.devices._open", open_on)
    open_backend(Bundle.load(), "gpu").close()
    assert opened == ["tensorrt", "tensorrt-rtx", "cuda"]


def test_names_that_were_read_from_somewhere_are_checked() -> None:
    assert [named_device(name) for name in DEVICES] == list(DEVICES)
    assert named_precision("int8") == "int8"
    with pytest.raises(DeviceError, match=r"device 'cuda:0' is unknown; choose one of auto, gpu,"):
        named_device("cuda:0")
    with pytest.raises(DeviceError, match=r"precision 'half' is unknown; .* fp16, int8"):
        named_precision("half")


@pytest.mark.parametrize("device", ["tensorrt", "tensorrt-rtx"])
def test_tensorrt_that_is_absent_is_an_error(device: Device) -> None:
    with pytest.raises((DeviceError, BundleError), match=r"TensorRT|tensorrt|engine"):
        Matcher(device=device)


def test_a_runtime_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DeviceError, match=r'not installed: pip install "qatm\[cpu\]"'):
        OnnxGraph(Bundle.load().file("match", "fp32"), "cpu")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("raise ImportError('libcudart.so.13: cannot open shared object file')", "libcudart.so.13"),
        ("import a_module_that_is_not_there", "No module named 'a_module_that_is_not_there'"),
        ("raise OSError('DLL load failed')", "DLL load failed"),
    ],
)
def test_a_runtime_that_is_broken_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "onnxruntime.py").write_text(content)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    path = Bundle.load().file("match", "fp32")
    with pytest.raises(DeviceError, match=r"cannot be loaded \(.*install it again: pip") as caught:
        OnnxGraph(path, "cpu")
    assert words in str(caught.value)
    assert "not installed" not in str(caught.value)


def test_a_package_without_a_runtime_in_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is left of one wheel after the other, which owns the same folder, was uninstalled.
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(DeviceError, match="onnxruntime without a runtime in it"):
        OnnxGraph(Bundle.load().file("match", "fp32"), "cpu")


def test_cuda_without_a_driver_is_one_error_and_no_log(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr("qatm.runtime.backends.cuda_memory._driver_name", lambda: "libnone.so.1")
    with pytest.raises(
        DeviceError, match=r"device 'cuda': the NVIDIA driver \(libnone.so.1\) is not"
    ):
        Matcher(device="cuda")
    with Matcher(device="auto") as matcher:
        assert matcher.info.device == "cpu"
    assert capfd.readouterr() == ("", "")


def test_a_provider_that_falls_back_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr("qatm.runtime.backends.cuda_memory.driver_problem", lambda: None)
    real = onnxruntime.InferenceSession

    asked: list[list[tuple[str, dict[str, str]]]] = []

    def fallen(
        model: Any, options: Any, providers: list[tuple[str, dict[str, str]]], **_: object
    ) -> object:
        asked.append(providers)
        return real(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", fallen)
    with pytest.raises(DeviceError, match="fell back to CPUExecutionProvider"):
        Matcher(device="cuda")
    ((name, options),) = asked[0]
    assert name == "CUDAExecutionProvider"
    assert options["use_tf32"] == "0", "FP32 must be FP32"
    assert options["cudnn_conv_algo_search"] == "HEURISTIC", "others take long for each new size"
    with Matcher(device="auto") as matcher:
        assert matcher.info.device == "cpu"


def test_auto_with_int8_passes_over_cuda_which_has_no_int8_graph(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import onnxruntime

    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle_path(), folder)
    shutil.copyfile(folder / "features.onnx", folder / "features.int8-cpu.onnx")
    spec = Bundle.load(folder).spec
    entry = replace(spec.files["features.onnx"], precision="int8-cpu")
    spec = replace(spec, files={**spec.files, "features.int8-cpu.onnx": entry})
    (folder / "bundle.json").write_text(json.dumps(spec.to_json()), encoding="utf-8")
    with Matcher(folder, precision="int8") as matcher:
        assert (matcher.info.device, matcher.info.precision) == ("cpu", "int8-cpu")
    with pytest.raises(DeviceError, match="'cuda' has no INT8 graph; use 'cpu', or TensorRT"):
        Matcher(folder, "cuda", precision="int8")


def test_graphs_are_opened_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    opened: list[str] = []
    real = onnxruntime.InferenceSession
    names = {file.read_bytes(): file.name for file in default_bundle_path().glob("*.onnx")}

    def counted(data: bytes, *arguments: Any, **named: Any) -> object:
        opened.append(names[data])
        return real(data, *arguments, **named)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counted)
    backend = open_backend(Bundle.load(), "cpu", "auto", 1)
    assert opened == ["features.onnx"]
    assert backend.graph("match") is backend.graph("match")
    assert opened == ["features.onnx", "match.onnx"]
    backend.close()
    backend.close()
    for role in ("features", "network"):
        with pytest.raises(DeviceError, match="is closed; open it again"):
            backend.graph(role)
    assert opened == ["features.onnx", "match.onnx"]


@pytest.mark.parametrize("put_back", [False, True])
def test_a_file_replaced_while_it_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, put_back: bool
) -> None:
    import onnxruntime

    folder = Path(shutil.copytree(default_bundle_path(), tmp_path / "bundle"))
    bundle, file = Bundle.load(folder), folder / "features.onnx"
    real, good = onnxruntime.InferenceSession, file.read_bytes()
    # Another name of an output: a graph that can be loaded, but not the one that was hashed.
    other = good.replace(b"coarse", b"coarsf")

    def late(model: str | bytes, *arguments: Any, **named: Any) -> Any:
        file.write_bytes(other)
        session = real(model, *arguments, **named)
        file.write_bytes(good if put_back else other)
        return session

    monkeypatch.setattr(onnxruntime, "InferenceSession", late)
    if put_back:
        graph = open_backend(bundle, "cpu", "auto", 1).graph("features")
        assert isinstance(graph, OnnxGraph)
        assert "coarse" in graph.output_names
    else:
        with pytest.raises(BundleError, match=r"features\.onnx does not have the SHA-256"):
            open_backend(bundle, "cpu", "auto", 1)


def test_a_device_that_is_absent_reads_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    folder = Path(shutil.copytree(default_bundle_path(), tmp_path / "bundle"))
    bundle = Bundle.load(folder)
    (folder / "features.onnx").unlink()
    with pytest.raises(DeviceError, match="lacks"):
        open_backend(bundle, "cuda")
    with pytest.raises(BundleError, match=r"features\.onnx is missing"):
        open_backend(bundle)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX names")
def test_a_file_whose_name_is_no_text_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "match\udcff.onnx"
    path.write_bytes(Bundle.load().file("match", "fp32").read_bytes())
    graph = OnnxGraph(path, "cpu")
    assert graph.provider == "CPUExecutionProvider"
    graph.close()
