"""Real builds with TensorRT-RTX, which needs no GPU for them."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("onnx", reason="needs the onnx package")
pytest.importorskip("tensorrt_rtx", reason='needs pip install "qatm[rtx]"')

import numpy as np
import onnx
import onnxruntime
from engine_models import model_of, small_network, weights_in_plan
from onnx import TensorProto, helper, numpy_helper

from qatm.export.engines.build import EngineBuilder, write_whole
from qatm.export.engines.engine_options import (
    EngineOptions,
    GraphProfile,
    parse_rows,
    parse_shapes,
)
from qatm.export.engines.engines import build_engines
from qatm.export.engines.flavours import Flavour, find_flavour, load_flavour
from qatm.export.engines.typed_network import (
    PRODUCTS,
    found_precision,
    without_float_products,
)
from qatm.runtime.bundle.folder import Bundle, default_align_path, default_bundle_path
from qatm.runtime.bundle.sidecar import ShapeRange
from qatm.runtime.errors import ExportError

IMAGE = ShapeRange((1, 16, 16, 3), (1, 48, 64, 3), (1, 96, 128, 3))
PROFILE = [GraphProfile({"image": IMAGE}, {})]


@pytest.fixture(scope="module")
def flavour() -> Flavour:
    found = find_flavour("tensorrt-rtx")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def builder(flavour: Flavour) -> EngineBuilder:
    return EngineBuilder(flavour, EngineOptions(optimisation_level=1))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("sm", [(75,), (86, 89, 120)])
def test_precision_is_found_in_the_network(builder: EngineBuilder, precision: str, sm):
    built = builder.build("small", small_network(precision), PROFILE, sm)
    dtype = {"fp32": "float32", "fp16": "float16", "int8": "int8"}[precision]
    assert built.precision == precision
    assert built.layers["convolution"] == {dtype: 2}
    assert built.plan.nbytes > 10_000


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", "float"), ("fp16", "half")])
def test_the_plan_agrees_with_the_network(builder: EngineBuilder, precision: str, dtype: str):
    plan = bytes(builder.build("small", small_network(precision), PROFILE, (86,)).plan)
    assert weights_in_plan(plan) == {dtype: 2}


def test_an_int8_plan_holds_int8_weights(builder: EngineBuilder):
    plan = bytes(builder.build("small", small_network("int8"), PROFILE, (86,)).plan)
    assert weights_in_plan(plan)["int8"] == 2


def test_targets(flavour: Flavour):
    assert {75, 86, 89, 120} <= set(flavour.cross_targets)
    assert flavour.target_groups(()) == [(75,), (86, 89, 120)]
    assert flavour.target_groups((75,)) == [(75,)]
    assert flavour.target_groups((89, 86)) == [(86, 89)]
    with pytest.raises(ExportError, match=r"cannot build for SM 87, 90; it has SM 75, 80, 86, 89"):
        flavour.target_groups((90, 86, 87))


def test_parser_errors_are_told(builder: EngineBuilder):
    with pytest.raises(ExportError, match=r"x\.onnx: the ONNX parser of tensorrt-rtx .* refuses"):
        builder.build("x.onnx", b"not a model", PROFILE, (86,))
    strange = model_of(
        [helper.make_node("Det", ["a"], ["b"])],
        {"a": (TensorProto.FLOAT, [2, 2])},
        {"b": (TensorProto.FLOAT, [])},
    )
    with pytest.raises(ExportError, match="operator Det: unsupported node"):
        builder.build("strange", strange, [], (86,))


def test_dynamic_dimensions_need_a_profile(builder: EngineBuilder):
    model = small_network("fp32")
    for profiles in ([], [GraphProfile({}, {})]):
        with pytest.raises(ExportError, match="dimension 0 of input 'image' is dynamic and has no"):
            builder.build("small", model, profiles, (86,))


@pytest.mark.parametrize(
    ("shapes", "fragment"),
    [
        ({"image": ShapeRange(IMAGE.maximum, IMAGE.optimum, IMAGE.minimum)}, "refused|rejects"),
        ({"image": IMAGE, "picture": IMAGE}, "'picture', which the graph does not have"),
        ({"image": ShapeRange((16,), (16,), (16,))}, r"has shape \(-1, -1, -1, 3\)"),
        (
            {"image": ShapeRange((1, 16, 16, 4), (1, 48, 64, 4), (1, 96, 128, 4))},
            "its profile 1x16x16x4:.* does not fit",
        ),
    ],
)
def test_bad_profiles_are_told(builder: EngineBuilder, shapes, fragment: str):
    with pytest.raises(ExportError, match=fragment):
        builder.build("small", small_network("fp32"), [GraphProfile(shapes, {})], (86,))


def test_a_builder_goes_on_after_an_error(builder: EngineBuilder):
    with pytest.raises(ExportError):
        builder.build("x.onnx", b"not a model", PROFILE, (86,))
    assert builder.build("small", small_network("fp32"), PROFILE, (86,)).precision == "fp32"


def test_several_profiles(builder: EngineBuilder):
    wide = GraphProfile(
        {"image": ShapeRange((1, 16, 256, 3), (1, 32, 256, 3), (1, 64, 512, 3))}, {}
    )
    assert builder.build("small", small_network("fp32"), [*PROFILE, wide], (86,)).plan.nbytes


def test_an_input_that_decides_shapes_gets_values(builder: EngineBuilder):
    model = model_of(
        [helper.make_node("Expand", ["a", "shape"], ["b"])],
        {"a": (TensorProto.FLOAT, [1, 1]), "shape": (TensorProto.INT64, [2])},
        {"b": (TensorProto.FLOAT, ["m", "n"])},
    )
    values = {"shape": ShapeRange((1, 1), (4, 4), (16, 16))}
    assert builder.build("expand", model, [GraphProfile({}, values)], (86,)).plan.nbytes
    with pytest.raises(ExportError):
        builder.build("expand", model, [GraphProfile({}, {})], (86,))


def test_too_little_workspace_says_what_to_do(flavour: Flavour):
    small = EngineBuilder(flavour, EngineOptions(workspace_mb=1))
    with pytest.raises(ExportError, match="more than 1 MiB, or smaller maximum shapes"):
        small.build("small", small_network("fp32"), PROFILE, (86,))


def test_turing_has_no_float_products_and_needs_none(builder: EngineBuilder):
    bundle = Bundle.load()
    model = bundle.file("match", "fp32").read_bytes()
    shapes = {
        "template": ShapeRange((1, 176), (16, 176), (32, 176)),
        "target": ShapeRange((1,), (16,), (32,)),
        "search": ShapeRange((176, 4, 4), (176, 20, 20), (176, 40, 40)),
    }
    profile = [GraphProfile(shapes, {})]
    with pytest.raises(ExportError, match=r"built no engine for SM 75: .*FP32 GEMM"):
        builder.build("match", model, profile, (75,))
    built = builder.build("match", without_float_products(model), profile, (75,))
    assert built.precision == "fp32"
    assert "matrix_multiply" not in built.layers
    assert set(built.layers["reduce"]) == {"float32"}


BUNDLES = {"match": default_bundle_path(), "align": default_align_path()}


@pytest.mark.parametrize(
    ("task", "role"),
    [("match", "match"), ("match", "network"), ("match", "follow"), ("align", "network")],
)
def test_rewritten_products_are_the_same_arithmetic(task: str, role: str):
    bundle = Bundle.load(BUNDLES[task])
    model = bundle.file(role, "fp32").read_bytes()
    rewritten = onnx.load_from_string(without_float_products(model))
    onnx.checker.check_model(rewritten, full_check=True)
    assert not {node.op_type for node in rewritten.graph.node} & set(PRODUCTS)
    rng = np.random.default_rng(0)
    sides: dict[str | int, int] = {"rows": 20, "map_height": 20, "map_width": 22}
    inputs = {
        tensor.name: rng.normal(
            size=[side if isinstance(side, int) else sides.get(side, 20) for side in tensor.shape]
        ).astype(np.float32)
        for tensor in bundle.spec.files[f"{role}.onnx"].inputs
    }
    for name in ("target", "usable"):
        if name in inputs and inputs[name].ndim < 4:
            inputs[name] = (inputs[name] > 0).astype(np.float32)
    before, after = (
        onnxruntime.InferenceSession(m, providers=["CPUExecutionProvider"]).run(None, inputs)
        for m in (model, rewritten.SerializeToString())
    )
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5)


def test_a_product_with_factors_is_refused():
    weights = [numpy_helper.from_array(np.ones((8, 8), np.float32), "w")]
    model = model_of(
        [helper.make_node("Gemm", ["a", "w"], ["b"], alpha=2.0)],
        {"a": (TensorProto.FLOAT, ["m", 8])},
        {"b": (TensorProto.FLOAT, ["m", 8])},
        weights,
    )
    with pytest.raises(ExportError, match=r"b: a Gemm with factors .* leave SM 75 out"):
        without_float_products(model)


@pytest.mark.parametrize("task", list(BUNDLES))
def test_every_graph_of_the_packaged_bundles_is_built_for_turing(task: str, tmp_path):
    shutil.copytree(BUNDLES[task], tmp_path / "bundle")
    options = EngineOptions(
        engine="tensorrt-rtx",
        sm=(75,),
        image_shapes=parse_shapes("32x32:64x64:96x128"),
        template_rows=parse_rows("1:16:32"),
        optimisation_level=1,
    )
    bundle = Bundle.load(tmp_path / "bundle")
    reports = build_engines(bundle, options)
    files = bundle.spec.files.items()
    roles = {info.role for name, info in files if name.endswith(".onnx")} - {"place"}
    assert {report.info.role for report in reports} == roles
    assert all("matrix_multiply" not in report.info.layers for report in reports)


def test_half_products_and_other_graphs_stay():
    plain = small_network("fp32")
    assert without_float_products(plain) == plain
    half = model_of(
        [helper.make_node("MatMul", ["a", "w"], ["b"])],
        {"a": (TensorProto.FLOAT16, ["m", 8])},
        {"b": (TensorProto.FLOAT16, ["m", 8])},
        [numpy_helper.from_array(np.ones((8, 8), np.float16), "w")],
    )
    kinds = [n.op_type for n in onnx.load_from_string(without_float_products(half)).graph.node]
    assert kinds == ["MatMul"]


def test_precision_is_that_of_arithmetic_not_of_sums():
    assert found_precision({}) == "fp32"
    assert found_precision({"reduce": {"float16": 3}}) == "fp32"
    assert found_precision({"convolution": {"float32": 9, "float16": 1}}) == "fp16"
    assert found_precision({"convolution": {"float32": 3, "int8": 30}}) == "int8"


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "a.engine"
    target.write_bytes(b"before")
    with pytest.raises(ExportError, match="cannot be written: No such file"):
        write_whole(tmp_path / "missing" / "a.engine", b"data")
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(ExportError, match="No space left on device"):
        write_whole(target, b"data")
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.engine"]


def test_a_missing_flavour_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert 'pip install "qatm[rtx]"' in str(load_flavour("tensorrt-rtx"))
