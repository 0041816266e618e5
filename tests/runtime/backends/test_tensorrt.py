"""TensorRT engines: which ones are opened, why others are not, and the real thing on a GPU."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import re
import shutil
import sys
import weakref
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cuda_double import FakeMemory

from qatm.runtime import Bundle
from qatm.runtime.backends import engine as tensorrt_engine
from qatm.runtime.backends import tensorrt as tensorrt_backend
from qatm.runtime.backends.cuda import open_memory
from qatm.runtime.backends.cuda_memory import driver_problem
from qatm.runtime.backends.engine import Complaints, TensorRTEngine, flavour_version, import_flavour
from qatm.runtime.backends.tensorrt import open_tensorrt
from qatm.runtime.bundle.sidecar import FLAVOURS, EngineInfo, ShapeRange
from qatm.runtime.errors import BundleError, DeviceError
from qatm.runtime.patches.encoder import Encoder
from qatm.runtime.session import Session

without_driver = pytest.mark.skipif(driver_problem() is None, reason="there is a driver")
ROLES = ("features", "match")
TAPS = ("tap0", "tap1", "tap2")
MATCHED = ("contested", "alone")
CHANNELS = 176


@pytest.fixture
def bundle(tmp_path):
    """A copy of the default bundle, to put engines into."""
    shutil.copytree(Bundle.load().path, tmp_path / "bundle")
    return Bundle.load(tmp_path / "bundle")


@pytest.fixture
def machine(monkeypatch):
    """A machine with a GPU of SM 86, as far as opening an engine can tell."""
    memory = FakeMemory(sm=86)
    monkeypatch.setattr("qatm.runtime.backends.cuda_memory.driver_problem", lambda: None)
    monkeypatch.setattr(tensorrt_backend, "open_memory", lambda: memory)
    return memory


def add_engine(bundle, role, flavour="tensorrt", precision="fp32", **changes):
    """Put an engine file with a sidecar into a bundle; the file's content is no engine."""
    file = f"{role}.{precision}.{flavour}.engine"
    content = f"not an engine: {file}".encode()
    (bundle.path / file).write_bytes(content)
    values = {
        "file": file,
        "flavour": flavour,
        "version": "10.3.0",
        "sm": (86,),
        "role": role,
        "precision": precision,
        "layers": {},
        "profiles": ({},),
        "source": f"{role}.onnx",
        "source_sha256": bundle.spec.files[f"{role}.onnx"].sha256,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "build_seconds": 1.0,
        "options": {},
        "key": "",
        **changes,
    }
    info = EngineInfo(**values)
    sidecar = bundle.path / f"{file}.json"
    sidecar.write_text(json.dumps(info.to_json()))
    return EngineInfo.load(sidecar)


def fake_library(monkeypatch, flavour="tensorrt", version="10.3.0", engine=None, complaint=""):
    """A library that cannot load anything, or that loads one engine whatever the file holds."""

    class Logger:
        INTERNAL_ERROR, ERROR, WARNING, INFO = range(4)

    class Runtime:
        def __init__(self, logger):
            self.logger = logger

        def deserialize_cuda_engine(self, data):
            self.logger.log(Logger.INFO, "loading")
            self.logger.log(Logger.WARNING, "not quite what I expected")
            if complaint:
                self.logger.log(Logger.ERROR, complaint)
            return engine(data) if engine else None

    library: Any = ModuleType(FLAVOURS[flavour])
    library.__version__ = version
    library.ILogger = Logger
    library.Runtime = Runtime
    library.ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="user managed")
    library.CudaGraphStrategy = SimpleNamespace(DISABLED="off", WHOLE_GRAPH_CAPTURE="whole")
    monkeypatch.setitem(sys.modules, FLAVOURS[flavour], library)
    return library


class RuntimeCache:
    """Kernels that TensorRT for RTX compiled; a configuration only refers to it."""


class VendorEngine:
    """What a library tells about an engine of a bundle; its contexts cannot run."""

    def __init__(self, data):
        features = b"features" in data
        self.rtx = b"rtx" in data
        names = {"image": "UINT8", **dict.fromkeys((*TAPS, "coarse"), "FLOAT")}
        if not features:
            names = dict.fromkeys(("template", "target", "search", *MATCHED), "FLOAT")
        self.names = names
        self.strategies = []
        self.caches: list[weakref.ref[RuntimeCache]] = []
        self.config = SimpleNamespace(
            set_execution_context_allocation_strategy=self.strategies.append,
            create_runtime_cache=RuntimeCache,
            set_runtime_cache=lambda cache: self.caches.append(weakref.ref(cache)),
        )
        self.num_io_tensors = len(names)
        self.num_optimization_profiles = 1

    def get_tensor_name(self, index):
        return list(self.names)[index]

    def get_tensor_dtype(self, name):
        return SimpleNamespace(name=self.names[name])

    def get_tensor_mode(self, name):
        outputs = (*TAPS, "coarse", *MATCHED)
        return SimpleNamespace(name="OUTPUT" if name in outputs else "INPUT")

    def get_tensor_location(self, name):
        return SimpleNamespace(name="DEVICE")

    def is_shape_inference_io(self, name):
        return False

    def get_tensor_profile_shape(self, name, index):
        shapes = {
            "image": [(1, 64, 64, 3), (1, 480, 640, 3), (1, 1216, 1920, 3)],
            "template": [(1, CHANNELS), (64, CHANNELS), (512, CHANNELS)],
            "target": [(1,), (64,), (512,)],
            "search": [(CHANNELS, 8, 8), (CHANNELS, 60, 80), (CHANNELS, 304, 480)],
        }
        return shapes[name]

    def create_runtime_config(self):
        return self.config

    def create_execution_context(self, argument):
        self.strategies.append(argument)


def both(bundle, **options):
    return [add_engine(bundle, role, **options) for role in ROLES]


def refused(bundle, text, flavour="tensorrt", precision="auto"):
    with pytest.raises(DeviceError, match=re.escape(text)) as caught:
        open_tensorrt(bundle, flavour, precision)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@without_driver
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_no_driver(bundle, flavour):
    both(bundle, flavour=flavour)
    refused(bundle, f"device '{flavour}': the NVIDIA driver (", flavour)


def test_unknown_flavour(bundle):
    refused(bundle, "flavour 'cuda' is unknown; choose one of tensorrt, tensorrt-rtx", "cuda")


def test_no_engine_says_the_command(bundle, machine):
    text = refused(bundle, "has no engine for tensorrt; ")
    assert "qatm-export --engines-only --engine tensorrt" in text
    text = refused(bundle, "has no fp16 engine for tensorrt-rtx; ", "tensorrt-rtx", "fp16")
    assert "qatm-export --engines-only --engine tensorrt-rtx --sm" in text


def test_other_precision_is_listed(bundle, machine, monkeypatch):
    both(bundle, precision="fp32")
    refused(bundle, "no int8 engine for tensorrt (it has: fp32)", precision="int8")


def test_package_missing(bundle, machine, monkeypatch):
    both(bundle)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    refused(bundle, "device 'tensorrt' needs the Python package tensorrt, which is not installed")


def test_package_that_cannot_load_its_library(monkeypatch):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "tensorrt":
                raise OSError("libnvinfer.so.10: cannot open shared object file\nmore")

    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(DeviceError, match=r"cannot be loaded \(libnvinfer.so.10: .*file\): pip"):
        import_flavour("tensorrt")


def test_package_of_stubs_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", ModuleType("tensorrt"))
    with pytest.raises(DeviceError, match="tensorrt without a runtime in it"):
        flavour_version("tensorrt")


def test_other_version_gpu_or_onnx(bundle, machine, monkeypatch):
    fake_library(monkeypatch, version="10.7.0")
    both(bundle)
    text = refused(bundle, "built with tensorrt 10.3.0, this machine has 10.7.0")
    assert "qatm-export --engines-only --engine tensorrt" in text
    fake_library(monkeypatch)
    both(bundle, sm=(75, 87))
    refused(bundle, "is for SM 75, SM 87, this GPU is SM 86")
    both(bundle)
    add_engine(bundle, "features", source_sha256="0" * 64)
    refused(bundle, "was built from another features.onnx")
    assert machine.closed


@pytest.mark.parametrize(("sm", "hint"), [(89, "--sm 75,89"), (87, "tensorrt-rtx has no SM 87")])
def test_the_hint_names_an_engine_that_can_be_built(bundle, machine, monkeypatch, sm, hint):
    fake_library(monkeypatch, flavour="tensorrt-rtx")
    machine.compute_capability = sm
    both(bundle, flavour="tensorrt-rtx", sm=(75,))
    text = refused(bundle, hint, "tensorrt-rtx")
    flavour = "tensorrt-rtx" if sm == 89 else "tensorrt"
    assert f"qatm-export --engines-only --engine {flavour} " in text


@pytest.mark.parametrize("harm", ["cut", "change", "remove"])
def test_damaged_engine_file(bundle, machine, monkeypatch, harm):
    fake_library(monkeypatch)
    both(bundle)
    path = bundle.path / "features.fp32.tensorrt.engine"
    data = path.read_bytes()
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if harm == "cut" else b"N" + data[1:])
    text = refused(bundle, str(path))
    assert "qatm-export --engines-only --engine tensorrt" in text


def test_damaged_sidecar(bundle, machine, monkeypatch):
    fake_library(monkeypatch)
    both(bundle)
    (bundle.path / "match.fp32.tensorrt.engine.json").write_text("{")
    refused(bundle, "match.fp32.tensorrt.engine.json cannot be read")


@pytest.mark.parametrize("broken", ["{", "[]", '{"schema": 99}'])
def test_damaged_sidecar_of_another_flavour_blocks_nobody(bundle, machine, monkeypatch, broken):
    fake_library(monkeypatch, engine=VendorEngine)
    both(bundle)
    name = "features.fp16.tensorrt-rtx.sm86-89.engine.json"
    (bundle.path / name).write_text(broken)
    backend = open_tensorrt(bundle, "tensorrt")
    assert (backend.device, backend.precision) == ("tensorrt", "fp32")
    backend.close()
    # Its own device hears of it.
    assert name in refused(bundle, name, "tensorrt-rtx")


def test_engine_that_the_library_refuses(bundle, machine, monkeypatch):
    fake_library(monkeypatch, complaint="Serialization assertion failed: magic tag\nat x.cpp:5")
    both(bundle)
    text = refused(bundle, "tensorrt 10.3.0 cannot load ")
    assert "Serialization assertion failed: magic tag; build it again on this machine" in text
    assert machine.closed
    assert machine.blocks == {}


def test_engine_of_another_graph(bundle, machine, monkeypatch):
    fake_library(monkeypatch, engine=lambda data: VendorEngine(b""))
    both(bundle)
    refused(bundle, "the features engine features.fp32.tensorrt.engine has no output 'tap0'")
    assert (machine.blocks, machine.streams, machine.closed) == ({}, 0, True)


@pytest.mark.parametrize(
    ("have", "precision", "expected"),
    [
        (("fp32",), "auto", "fp32"),
        (("fp32", "fp16"), "auto", "fp16"),
        (("fp32", "int8"), "auto", "fp32"),
        (("int8",), "auto", "int8"),
        (("fp32", "fp16", "int8"), "int8", "int8"),
    ],
)
def test_precision(bundle, machine, monkeypatch, have, precision, expected):
    fake_library(monkeypatch, engine=VendorEngine)
    add_engine(bundle, "match")
    for name in have:
        add_engine(bundle, "features", precision=name)
    backend = open_tensorrt(bundle, "tensorrt", precision)
    assert (backend.device, backend.precision) == ("tensorrt", expected)
    assert backend.provider == "tensorrt 10.3.0, double 1.0, Double (SM 86), CUDA graphs: captured"
    backend.close()
    backend.close()
    assert (machine.blocks, machine.streams, machine.closed) == ({}, 0, True)


def test_sizes_outside_the_profile_are_named_as_in_the_bundle(bundle, machine, monkeypatch):
    fake_library(monkeypatch, engine=VendorEngine)
    both(bundle)
    backend = Session(bundle, "tensorrt")
    with pytest.raises(DeviceError, match="height of image is 2176, the engine takes 64 to 1216"):
        backend.features(np.zeros((2176, 640, 3), np.uint8))
    rows, target = np.zeros((600, CHANNELS), np.float32), np.ones(600, np.float32)
    with pytest.raises(DeviceError, match="rows of template is 600, the engine takes 1 to 512"):
        backend.quality(rows, target, np.zeros((CHANNELS, 9, 9), np.float32))
    with pytest.raises(DeviceError, match=r"map_width of search is 481, .* 8 to 480"):
        backend.quality(rows[:5], target[:5], np.zeros((CHANNELS, 9, 481), np.float32))


def test_what_the_engines_take_is_known_before_they_run(bundle, machine, monkeypatch):
    fake_library(monkeypatch, engine=VendorEngine)
    both(bundle)
    backend = Session(bundle, "tensorrt")
    assert backend.takes_image(64, 1920)
    assert not backend.takes_image(1232, 640)
    assert not backend.takes_image(48, 640)
    assert backend.takes_match(512, 304, 480)
    assert not backend.takes_match(513, 60, 80)
    assert not backend.takes_match(64, 60, 481)
    encoder = Encoder(backend)
    assert encoder.in_one_piece(642, 1920)
    assert not encoder.in_one_piece(640, 1921), "padded to 1936"


def test_engines_of_earlier_outputs_beside_a_bundle_that_was_written_again_are_refused(
    bundle, machine, monkeypatch
):
    """What is asked of them is not in them, and their sidecars name other graphs."""
    fake_library(monkeypatch, engine=VendorEngine)
    for role in ROLES:
        both(bundle)
        add_engine(bundle, role, source_sha256=hashlib.sha256(b"the graph of before").hexdigest())
        text = refused(bundle, f"was built from another {role}.onnx")
        assert "qatm-export --engines-only --engine tensorrt BUNDLE" in text
        assert machine.blocks == {}


@pytest.mark.parametrize("old", [False, True])
def test_only_what_is_used_is_copied(bundle, machine, monkeypatch, old):
    """Matching graphs of earlier versions give windows too, which nobody asks for."""
    written = ("quality", "scores", "boxes") if old else MATCHED

    class Written(VendorEngine):
        def __init__(self, data):
            super().__init__(data)
            if b"match" in data:
                inputs = dict.fromkeys(("template", "target", "search"), "FLOAT")
                self.names = inputs | dict.fromkeys(written, "FLOAT")
                self.num_io_tensors = len(self.names)

        def get_tensor_mode(self, name):
            if name in written:
                return SimpleNamespace(name="OUTPUT")
            return super().get_tensor_mode(name)

    info = bundle.spec.files["match.onnx"]
    outputs = tuple(dataclasses.replace(info.outputs[0], name=name) for name in written)
    files = {**bundle.spec.files, "match.onnx": dataclasses.replace(info, outputs=outputs)}
    given = dataclasses.replace(bundle, spec=dataclasses.replace(bundle.spec, files=files))
    fake_library(monkeypatch, engine=Written)
    both(given)
    backend = open_tensorrt(given, "tensorrt")
    engine = backend.graph("match")
    assert engine._outputs == (("quality",) if old else MATCHED)
    assert engine.inputs == ("template", "target", "search")
    backend.close()


def test_no_room_for_a_context(bundle, machine, monkeypatch):
    fake_library(monkeypatch, engine=VendorEngine)
    both(bundle)
    backend = Session(bundle, "tensorrt")
    with pytest.raises(DeviceError, match="has no room for a context"):
        backend.features(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize(("graphs", "strategy"), [(True, "whole"), (False, "off")])
def test_tensorrt_for_rtx_makes_its_own_graphs(bundle, monkeypatch, graphs, strategy):
    made = []

    def engine(data):
        made.append(VendorEngine(data))
        return made[-1]

    fake_library(monkeypatch, "tensorrt-rtx", "1.7.1", engine)
    info = add_engine(bundle, "features", flavour="tensorrt-rtx", version="1.7.1")
    loaded = TensorRTEngine(info, FakeMemory(), ("coarse",), graphs=graphs)
    assert loaded.graphs == ("library" if graphs else "none")
    assert made[0].config.cuda_graph_strategy == strategy
    assert made[0].strategies == ["user managed"]
    (cache,) = made[0].caches
    assert cache() is not None, "the cache must outlive the contexts"
    loaded.close()
    assert cache() is None


def test_the_first_logger_outlives_its_engine(bundle, monkeypatch):
    library = fake_library(monkeypatch, engine=VendorEngine)
    loggers = []
    make = library.Runtime

    def runtime(logger):
        loggers.append(weakref.ref(logger))
        return make(logger)

    monkeypatch.setattr(library, "Runtime", runtime)
    loaded = TensorRTEngine(add_engine(bundle, "features"), FakeMemory(), ("coarse",))
    loaded.close()
    del loaded
    gc.collect()
    # The library may still log to it on behalf of engines that were opened later.
    assert [logger() is not None for logger in loggers] == [True]


def test_tensor_types_that_numpy_lacks(bundle, monkeypatch):
    class Odd(VendorEngine):
        def get_tensor_dtype(self, name):
            return SimpleNamespace(name="BF16")

    fake_library(monkeypatch, engine=Odd)
    info = add_engine(bundle, "features")
    with pytest.raises(DeviceError, match="has image as BF16, which numpy lacks"):
        TensorRTEngine(info, FakeMemory(), ("coarse",))


def test_complaints_are_kept_short():
    complaints = Complaints()
    assert complaints.take() == "it gave no reason"
    for index in range(100):
        complaints.add(f"line {index}\nand more")
    text = complaints.take()
    assert text.startswith("line 80 | ")
    assert text.endswith("line 99")
    assert complaints.take() == "it gave no reason"


def test_scratch_memory_of_versions_without_the_method():
    context = SimpleNamespace()
    tensorrt_engine._set_scratch(context, 4096, 100)
    assert context.device_memory == 4096


@pytest.fixture
def rtx_engine(bundle):
    """A real engine of TensorRT for RTX, built without a GPU."""
    pytest.importorskip("tensorrt_rtx")
    pytest.importorskip("onnx")
    from qatm.export.engines.engines import EngineOptions, build_engines

    options = EngineOptions(
        engine="tensorrt-rtx",
        sm=(86,),
        image_shapes=(ShapeRange((64, 64), (64, 64), (128, 128)),),
    )
    reports = build_engines(bundle, options)
    return next(report.info for report in reports if report.info.role == "features")


@without_driver
@pytest.mark.slow
def test_real_library_without_a_driver_refuses_in_one_line(rtx_engine):
    memory = FakeMemory(sm=86)
    with pytest.raises(
        DeviceError, match=r"tensorrt-rtx 1\..* cannot load .*cudaError 35"
    ) as caught:
        TensorRTEngine(rtx_engine, memory, ("tap0", "coarse"))
    assert "\n" not in str(caught.value)
    assert "qatm-export --engines-only --engine tensorrt-rtx --sm 86" in str(caught.value)
    assert (memory.blocks, memory.streams) == ({}, 0)


@pytest.mark.slow
def test_real_library_refuses_a_file_that_is_no_engine(rtx_engine):
    data = b"no engine at all" * 100
    rtx_engine.path.write_bytes(data)
    with pytest.raises(BundleError, match="bytes instead of"):
        TensorRTEngine(rtx_engine, FakeMemory(sm=86), ("coarse",))
    digest = hashlib.sha256(data).hexdigest()
    info = dataclasses.replace(rtx_engine, bytes=len(data), sha256=digest)
    with pytest.raises(DeviceError, match="cannot load"):
        TensorRTEngine(info, FakeMemory(sm=86), ("coarse",))


RTX_TARGETS = (75, 80, 86, 89, 120, 121)
"""Compute capabilities that TensorRT for RTX has."""


def usable():
    """The flavours that are installed and can run on this GPU; one that says so where none is."""
    from qatm.export.engines.flavours import gpu_capability

    found = [name for name, module in FLAVOURS.items() if find_spec(module)]
    if gpu_capability() not in RTX_TARGETS and "tensorrt-rtx" in found:
        found.remove("tensorrt-rtx")
    return found or ["tensorrt"]


@pytest.fixture(params=usable())
def opened(request, bundle):
    """The default bundle on TensorRT, its engines built for this machine's GPU, and on the CPU."""
    flavour = request.param
    pytest.importorskip(FLAVOURS[flavour])
    from qatm.export.engines.engines import EngineOptions, build_engines

    memory = open_memory()
    sm = memory.compute_capability
    memory.close()
    targets = (sm,) if flavour == "tensorrt-rtx" else ()
    build_engines(bundle, EngineOptions(engine=flavour, sm=targets))
    with Session(bundle, flavour, precision="fp32") as session, Session(bundle, "cpu") as reference:
        yield session, reference


def photograph(photographs, height, width):
    import cv2

    return cv2.resize(photographs["astronaut"], (width, height))


@pytest.mark.gpu
@pytest.mark.slow
def test_features_and_quality_agree_with_onnx_runtime(opened, photographs):
    backend: Session = opened[0]
    reference = opened[1]
    sizes = [(480, 640), (64, 64), (240, 320), (720, 1280), (480, 640)]
    for height, width in sizes * 3:
        image = photograph(photographs, height, width)
        found, expected = backend.features(image), reference.features(image)
        maps = ((*part.taps, part.coarse) for part in (found, expected))
        for ours, theirs in zip(*maps, strict=True):
            assert ours.shape == theirs.shape
            assert ours.dtype == np.float32
            scale = np.abs(theirs).max()
            assert np.abs(ours - theirs).max() <= 2e-3 * scale, (height, width)
        search = np.ascontiguousarray(expected.coarse)
        for count in (8, 32):
            rows = np.ascontiguousarray(search.reshape(len(search), -1).T[:count])
            target = np.ones(count, np.float32)
            target[count // 2 :] = 0
            quality = backend.quality(rows, target, search)
            truth = reference.quality(rows, target, search)
            for ours, theirs in zip(quality, truth, strict=True):
                assert ours.shape == theirs.shape
                assert np.abs(ours - theirs).max() <= 2e-3, (height, width, count)


@pytest.mark.gpu
@pytest.mark.slow
def test_several_small_images_at_once_are_as_one_by_one(opened, photographs):
    backend: Session = opened[0]
    image = photograph(photographs, 256, 256)
    parts = [np.ascontiguousarray(image[y : y + 96, x : x + 128]) for y in (0, 64) for x in (0, 99)]
    assert backend.graph("features").admits(image=(4, 96, 128, 3))
    for found, part in zip(backend.features_of(parts, 512 * 512), parts, strict=True):
        alone = backend.features(part)
        for ours, theirs in zip(
            (*found.taps, found.coarse), (*alone.taps, alone.coarse), strict=True
        ):
            assert np.abs(ours - theirs).max() <= 2e-3 * np.abs(theirs).max()


@pytest.mark.gpu
@pytest.mark.slow
def test_runs_repeat_exactly_with_and_without_graphs(opened, photographs):
    backend: Session = opened[0]
    image = photograph(photographs, 240, 320)
    engine = backend.graph("features")
    assert isinstance(engine, TensorRTEngine)
    results = [backend.features(image).coarse for _ in range(6)]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-3, atol=1e-4)
    if engine.graphs == "captured":
        assert engine.runner.graphs_held == 1
    times = engine.runner.measure({"image": image[None]}, repeats=10)
    assert len(times) == 10
    assert min(times) > 0


@pytest.mark.gpu
@pytest.mark.slow
def test_many_shapes_stay_within_bounds(opened, photographs):
    backend: Session = opened[0]
    for height in range(64, 64 + 16 * 20, 16):
        backend.features(photograph(photographs, height, 160))
    engine = backend.graph("features")
    assert isinstance(engine, TensorRTEngine)
    assert engine.runner.shapes_held <= 8
    with pytest.raises(DeviceError, match="height of image is 4096"):
        backend.features(np.zeros((4096, 64, 3), np.uint8))
    backend.features(photograph(photographs, 64, 160))


@pytest.mark.gpu
@pytest.mark.slow
def test_engine_for_another_gpu_is_refused(opened, bundle):
    backend: Session = opened[0]
    engine = backend.graph("features")
    assert isinstance(engine, TensorRTEngine)
    info = engine.info
    other = dataclasses.replace(info, sm=(1,))
    memory = open_memory()
    with pytest.raises(DeviceError, match="is for SM 1, this GPU is SM"):
        TensorRTEngine(other, memory, ("coarse",))
    memory.close()
