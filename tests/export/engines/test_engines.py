"""Engines of a bundle: flavours, sidecars, cache, and what goes wrong on the way."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundle_copies import without_network
from engine_models import small_network

from qatm.export.engines import engines
from qatm.export.engines import flavours as engine_flavours
from qatm.export.engines.engines import EngineOptions, build_engines, parse_rows, parse_shapes
from qatm.export.engines.flavours import Flavour, find_flavour, gpu_capability, load_flavour
from qatm.runtime.bundle.folder import Bundle, default_bundle_path, sha256_of
from qatm.runtime.bundle.sidecar import EngineInfo, ShapeRange, select_engine, sidecar_of
from qatm.runtime.errors import BundleError, DeviceError, ExportError

SMALL = EngineOptions(
    engine="tensorrt-rtx",
    sm=(86,),
    image_shapes=parse_shapes("16x16:48x64:96x128"),
    template_rows=parse_rows("1:16:32"),
    optimisation_level=1,
)


def copy_bundle(folder: Path) -> Bundle:
    return Bundle.load(without_network(default_bundle_path(), folder))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return copy_bundle(tmp_path / "bundle")


@pytest.fixture(scope="module")
def rtx() -> str:
    """Version of TensorRT-RTX."""
    module = pytest.importorskip("tensorrt_rtx", reason='needs pip install "qatm[rtx]"')
    return module.__version__


@pytest.fixture(scope="module")
def built(rtx, tmp_path_factory) -> Bundle:
    """A bundle with engines for SM 86; tests that change it take a copy."""
    bundle = copy_bundle(tmp_path_factory.mktemp("built") / "bundle")
    reports = build_engines(bundle, SMALL)
    assert [report.cached for report in reports] == [False, False, False]
    return bundle


@pytest.fixture
def changed(built: Bundle, tmp_path: Path) -> Bundle:
    shutil.copytree(built.path, tmp_path / "copy")
    return Bundle.load(tmp_path / "copy")


def engine_of(bundle: Bundle, role: str = "features") -> Path:
    return bundle.path / f"{role}.fp32.tensorrt-rtx.sm86.engine"


def add_precision(bundle: Bundle, precision: str, network: bytes) -> Bundle:
    """List a further features file in a bundle, as the exporters do."""
    name = f"features.{precision}.onnx"
    (bundle.path / name).write_bytes(network)
    info = dataclasses.replace(
        bundle.spec.files["features.onnx"],
        precision=precision,
        sha256=sha256_of(bundle.path / name),
        bytes=len(network),
    )
    spec = dataclasses.replace(bundle.spec, files={**bundle.spec.files, name: info})
    (bundle.path / "bundle.json").write_text(json.dumps(spec.to_json()))
    return Bundle.load(bundle.path)


def test_sidecars_say_what_was_built(built: Bundle, rtx: str):
    for role, kind in (("features", "convolution"), ("match", "matrix_multiply")):
        engine = engine_of(built, role)
        info = EngineInfo.load(sidecar_of(engine))
        assert info.path == engine
        assert (info.role, info.precision, info.sm) == (role, "fp32", (86,))
        assert (info.flavour, info.version) == ("tensorrt-rtx", rtx)
        assert info.sha256 == sha256_of(engine)
        assert info.bytes == engine.stat().st_size > 100_000
        assert set(info.layers[kind]) == {"float32"}
        assert info.source_sha256 == built.spec.files[f"{role}.onnx"].sha256
        assert info.build_seconds > 0
        assert info.options["tf32"] is False
        info.check_bundle(built)
        info.check_machine("tensorrt-rtx", rtx, 86)
    features = EngineInfo.load(sidecar_of(engine_of(built)))
    assert features.profiles == (
        {"image": ShapeRange((1, 16, 16, 3), (1, 48, 64, 3), (1, 96, 128, 3))},
        {"image": ShapeRange((1, 16, 16, 3), (4, 96, 128, 3), (16, 96, 128, 3))},
    )
    assert len(EngineInfo.load(sidecar_of(engine_of(built, "match"))).profiles) == 2


def test_nothing_but_engines_and_sidecars_is_added(built: Bundle):
    names = {path.name for path in built.path.iterdir()}
    names -= {"bundle.json", *built.spec.files}
    assert len(names) == 6
    assert all(name.endswith((".engine", ".engine.json")) for name in names)


def test_building_again_is_a_cache_hit(changed: Bundle, monkeypatch):
    monkeypatch.setattr(engines, "EngineBuilder", lambda *_: pytest.fail("built again"))
    seen: list[tuple[str, int, int]] = []
    reports = build_engines(changed, SMALL, progress=lambda *step: seen.append(step))
    assert [report.cached for report in reports] == [True, True, True]
    assert seen == [
        ("features.fp32.tensorrt-rtx.sm86.engine", 0, 3),
        ("match.fp32.tensorrt-rtx.sm86.engine", 1, 3),
        ("compare.fp32.tensorrt-rtx.sm86.engine", 2, 3),
        ("", 3, 3),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"image_shapes": parse_shapes("16x16:32x64:96x128")},
        {"optimisation_level": 0},
        {"workspace_mb": 4096},
    ],
)
def test_other_options_build_again(changed: Bundle, change):
    reports = build_engines(changed, dataclasses.replace(SMALL, **change))
    assert not reports[0].cached


def test_another_version_builds_again(changed: Bundle, monkeypatch):
    found = find_flavour("tensorrt-rtx")
    assert found is not None
    other = dataclasses.replace(found, version="9.9")
    monkeypatch.setattr(engines, "find_flavour", lambda _: other)
    reports = build_engines(changed, SMALL)
    assert [(report.cached, report.info.version) for report in reports] == [(False, "9.9")] * 3


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": 0}', '{"schema": 1}', ""])
def test_a_damaged_sidecar_builds_again(changed: Bundle, damage: str):
    sidecar_of(engine_of(changed)).write_text(damage)
    reports = build_engines(changed, SMALL)
    assert [report.cached for report in reports] == [False, True, True]
    assert EngineInfo.load(sidecar_of(engine_of(changed))).precision == "fp32"


@pytest.mark.parametrize("damage", [b"", None])
def test_a_damaged_engine_builds_again(changed: Bundle, damage: bytes | None):
    engine = engine_of(changed)
    if damage is None:
        engine.unlink()
    else:
        engine.write_bytes(damage)
    assert [report.cached for report in build_engines(changed, SMALL)] == [False, True, True]


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", "float16"), ("int8-trt", "int8")])
def test_reduced_precision(rtx: str, bundle: Bundle, precision: str, dtype: str):
    name = precision.removesuffix("-trt")
    bundle = add_precision(bundle, precision, small_network(name))
    features, match, compare = build_engines(bundle, SMALL, [name])
    assert features.path.name == f"features.{name}.tensorrt-rtx.sm86.engine"
    assert features.info.precision == name
    assert features.info.layers["convolution"] == {dtype: 2}
    assert features.info.source == f"features.{precision}.onnx"
    assert match.info.precision == "fp32"
    assert compare.info.precision == "fp32"


def test_a_file_that_is_not_what_it_is_called(rtx: str, bundle: Bundle):
    bundle = add_precision(bundle, "fp16", small_network("fp32"))
    with pytest.raises(ExportError, match=r"declared fp16, but .* is fp32 \(2 float32 convolution"):
        build_engines(bundle, SMALL, ["fp16"])
    assert not list(bundle.path.glob("*.engine*"))


def test_a_precision_the_bundle_lacks(bundle: Bundle):
    with pytest.raises(BundleError, match=r"no int8-trt features graph \(it has: fp32\)"):
        build_engines(bundle, SMALL, ["int8"])
    with pytest.raises(ExportError, match="no engine has precision 'int4'; choose fp32, fp16"):
        build_engines(bundle, SMALL, ["int4"])


def test_a_target_the_flavour_lacks(rtx: str, bundle: Bundle):
    options = dataclasses.replace(SMALL, sm=(86, 87))
    with pytest.raises(ExportError, match="cannot build for SM 87; it has SM 75, 80, 86"):
        build_engines(bundle, options)


def test_none_builds_nothing(bundle: Bundle, monkeypatch):
    monkeypatch.setattr(engines, "find_flavour", lambda _: pytest.fail("looked for a flavour"))
    assert build_engines(bundle, EngineOptions(engine="none")) == []


@pytest.mark.parametrize("failing", ["engine", "sidecar"])
def test_a_full_disk_leaves_the_engine_before(changed: Bundle, monkeypatch, failing: str):
    real = Path.write_bytes

    def write(path, data):
        if (path.suffix == ".json") != (failing == "sidecar"):
            return real(path, data)
        real(path, data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    options = dataclasses.replace(SMALL, optimisation_level=2)
    with pytest.raises(ExportError, match="No space left on device; make room"):
        build_engines(changed, options)
    monkeypatch.undo()
    EngineInfo.load(sidecar_of(engine_of(changed))).check_bundle(changed)
    assert not [path for path in changed.path.iterdir() if path.name.startswith(".")]
    assert [report.cached for report in build_engines(changed, SMALL)] == [True, True, True]


def test_importing_and_failing_early_needs_neither_torch_nor_tensorrt():
    code = (
        "import sys; from qatm.export import engines; "
        "print(sorted({'torch', 'onnx', 'tensorrt', 'tensorrt_rtx'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


# --- which flavour ---------------------------------------------------------------------------


def fake_module(**members) -> SimpleNamespace:
    """A TensorRT without cross-compilation, as the flavour for data centres and Jetson is."""
    return SimpleNamespace(Builder=object, IBuilderConfig=object, __version__="10.3.0", **members)


@pytest.fixture
def modules(monkeypatch):
    """Python modules that can be imported, by name."""
    found: dict[str, SimpleNamespace | Exception] = {}

    def imported(name: str):
        module = found[name]
        if isinstance(module, Exception):
            raise module
        return module

    monkeypatch.setattr(engine_flavours.importlib.util, "find_spec", found.get)
    monkeypatch.setattr(engine_flavours.importlib, "import_module", imported)
    return found


@pytest.fixture
def gpu(monkeypatch):
    """Set the GPU's compute capability, or why there is none."""

    def set_gpu(value: int | str) -> None:
        monkeypatch.setattr(engine_flavours, "gpu_capability", lambda: value)

    return set_gpu


def test_auto_without_a_flavour_builds_nothing(bundle: Bundle, modules, caplog):
    with caplog.at_level("INFO"):
        assert build_engines(bundle, EngineOptions()) == []
    assert 'pip install "qatm[rtx]"' in caplog.text


def test_a_named_flavour_that_is_missing_is_an_error(bundle: Bundle, modules):
    for engine in ("tensorrt", "tensorrt-rtx"):
        with pytest.raises(ExportError, match=f"engine {engine} was asked for, but .* install"):
            build_engines(bundle, EngineOptions(engine=engine))


def test_auto_prefers_tensorrt_where_it_works(modules, gpu):
    rtx = fake_module()
    rtx.IBuilderConfig = SimpleNamespace(set_compute_capability=None)
    rtx.ComputeCapability = SimpleNamespace(__members__={"SM86": 0, "CURRENT": 1})
    modules |= {"tensorrt": fake_module(), "tensorrt_rtx": rtx}
    gpu(87)
    found = find_flavour("auto")
    assert found is not None
    assert (found.name, found.version) == ("tensorrt", "10.3.0")
    gpu("there is no NVIDIA GPU")
    found = find_flavour("auto")
    assert found is not None
    assert (found.name, found.cross_targets) == ("tensorrt-rtx", (86,))
    del modules["tensorrt_rtx"]
    assert find_flavour("auto") is None


def test_tensorrt_builds_for_the_gpu_it_runs_on(gpu):
    flavour = Flavour("tensorrt", fake_module(), "10.3.0")
    gpu(87)
    assert flavour.target_groups(()) == [(87,)]
    assert flavour.target_groups((87,)) == [(87,)]
    with pytest.raises(ExportError, match="cannot build for SM 86; it has SM 87, the GPU of this"):
        flavour.target_groups((86, 87))
    gpu("there is no NVIDIA driver (libcuda.so.1)")
    with pytest.raises(ExportError, match=r"only on the GPU .* no NVIDIA driver .*build on that"):
        flavour.target_groups(())


@pytest.mark.parametrize("problem", [ImportError("libnvinfer.so.10"), OSError("libcuda.so.1")])
def test_a_flavour_that_cannot_be_loaded(modules, problem: Exception):
    modules["tensorrt"] = problem
    assert str(problem) in str(load_flavour("tensorrt"))


def test_type_stubs_are_not_the_library(modules):
    modules["tensorrt"] = SimpleNamespace()
    assert "is empty, not the library" in str(load_flavour("tensorrt"))


def test_a_library_that_does_not_start(bundle: Bundle, modules, gpu):
    class Builder:
        def __init__(self, logger):
            logger.log(logger.Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    class Logger:
        Severity = SimpleNamespace(ERROR=1, INTERNAL_ERROR=0, INFO=3)

    modules["tensorrt"] = fake_module(ILogger=Logger)
    modules["tensorrt"].Builder = Builder
    gpu(86)
    with pytest.raises(ExportError, match="does not start here: CUDA initialization failure"):
        build_engines(bundle, EngineOptions(engine="tensorrt"))


@pytest.mark.parametrize("problem", ["damaged", "another GPU"])
def test_a_timing_cache_that_cannot_be_used(modules, gpu, bundle: Bundle, tmp_path, problem):
    class Logger:
        Severity = SimpleNamespace(ERROR=1, INTERNAL_ERROR=0, INFO=3)

    def create(data):
        assert data == b"times"
        return None if problem == "damaged" else object()

    def attach(cache, ignore_mismatch):
        assert not ignore_mismatch
        return False

    config = SimpleNamespace(
        create_timing_cache=create,
        set_timing_cache=attach,
        clear_flag=lambda flag: None,
    )
    builder = SimpleNamespace(
        create_network=lambda flags: None, create_builder_config=lambda: config
    )
    modules["tensorrt"] = fake_module(
        ILogger=Logger,
        NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
        OnnxParser=lambda network, logger: SimpleNamespace(parse=lambda model: True),
        BuilderFlag=SimpleNamespace(TF32=0),
    )
    modules["tensorrt"].Builder = lambda logger: builder
    gpu(86)
    path = tmp_path / "orin.cache"
    path.write_bytes(b"times")
    options = EngineOptions(engine="tensorrt", timing_cache=path)
    with pytest.raises(ExportError, match=r"orin\.cache cannot be used: damaged, or of"):
        build_engines(bundle, options)
    assert path.read_bytes() == b"times"


@pytest.mark.gpu
def test_capability_of_a_real_gpu():
    capability = gpu_capability()
    assert isinstance(capability, int)
    assert capability >= 50


# --- what the runtime refuses ------------------------------------------------------------------


def test_select_engine(built: Bundle, rtx: str):
    info = select_engine(built, "features", "fp32", "tensorrt-rtx", rtx, 86)
    assert info.path == engine_of(built)


@pytest.mark.parametrize(
    ("role", "precision", "flavour", "version", "sm", "fragment"),
    [
        ("features", "fp16", "tensorrt-rtx", "", 86, "has no fp16 features engine.*--sm 86"),
        ("features", "fp32", "tensorrt", "", 86, "has no fp32 features engine for tensorrt; "),
        ("match", "fp32", "tensorrt-rtx", "1.0", 86, "engines do not move between versions; b"),
        ("match", "fp32", "tensorrt-rtx", "", 89, r"is for SM 86, this GPU is SM 89;.*--sm 86,89"),
    ],
)
def test_engines_that_do_not_fit(
    built: Bundle, rtx: str, role, precision, flavour, version, sm, fragment
):
    with pytest.raises(DeviceError, match=fragment):
        select_engine(built, role, precision, flavour, version or rtx, sm)


def test_engine_of_another_flavour(built: Bundle, rtx: str):
    info = EngineInfo.load(sidecar_of(engine_of(built)))
    with pytest.raises(DeviceError, match="is for tensorrt-rtx, not tensorrt"):
        info.check_machine("tensorrt", rtx, 86)


def change_sidecar(bundle: Bundle, **values) -> EngineInfo:
    sidecar = sidecar_of(engine_of(bundle))
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **values}))
    return EngineInfo.load(sidecar)


@pytest.mark.parametrize(
    ("values", "fragment"),
    [
        ({"source_sha256": "0" * 64}, r"built from another features\.onnx \(000000000000…"),
        ({"source": "features.fp16.onnx"}, r"built from features\.fp16\.onnx, which bundle"),
        ({"sha256": "0" * 64}, "does not have the SHA-256 of its sidecar"),
        ({"bytes": 1}, "bytes instead of 1"),
        ({"file": "other.engine"}, r"other\.engine is missing"),
    ],
)
def test_engine_of_another_bundle_or_damaged(changed: Bundle, rtx: str, values, fragment: str):
    info = change_sidecar(changed, **values)
    with pytest.raises(BundleError, match=fragment) as caught:
        info.check_bundle(changed)
    assert "qatm-export --engines-only --engine tensorrt-rtx --sm 86" in str(caught.value)
    with pytest.raises(DeviceError, match=fragment):
        select_engine(changed, "features", "fp32", "tensorrt-rtx", rtx, 86)


@pytest.mark.parametrize(
    "values",
    [
        {"file": "../features.onnx"},
        {"flavour": "openvino"},
        {"sm": ["many"]},
        {"profiles": [{"image": {"minimum": [1]}}]},
        {"layers": []},
    ],
)
def test_damaged_sidecars_are_refused(changed: Bundle, rtx: str, values):
    with pytest.raises(BundleError, match="is damaged"):
        change_sidecar(changed, **values)
    with pytest.raises(DeviceError, match="is damaged"):
        select_engine(changed, "features", "fp32", "tensorrt-rtx", rtx, 86)


def test_a_sidecar_that_is_not_there(tmp_path: Path):
    with pytest.raises(BundleError, match="cannot be read"):
        EngineInfo.load(tmp_path / "no.engine.json")
