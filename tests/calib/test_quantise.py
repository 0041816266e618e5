from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from calib_graphs import CHANNELS, features_graph, make_bundle
from onnx import TensorProto, numpy_helper

from qatm.calib import CalibrationOptions
from qatm.calib.artefacts import Calibration, quantise_for_cpu, unsigned_scale
from qatm.calib.float_graph import FloatGraph
from qatm.calib.image_set import open_set
from qatm.calib.moments import MomentSums
from qatm.calib.noise import NOISELESS, sqnr
from qatm.calib.quantise import quantise_features
from qatm.calib.ranges import BINS, entropy_range, histogram, measure, percentile_range
from qatm.calib.rounding import half_steps, round_weights
from qatm.calib.shortcuts import fold_normalisation
from qatm.export.graphs import feature_export, write_onnx
from qatm.model import build_backbone, fold_batch_norm
from qatm.runtime import Bundle, CalibrationError
from qatm.runtime.backends.onnx import OnnxGraph


@pytest.fixture(scope="module")
def array(tmp_path_factory):
    """Twelve pictures with structure, as a .npy file."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (12, 16, 20, 3), np.uint8)
    path = tmp_path_factory.mktemp("calib") / "set.npy"
    np.save(path, small.repeat(6, axis=1).repeat(6, axis=2))
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", features_graph())


def options(array, tmp_path, **extra):
    return CalibrationOptions(
        **{"sources": (str(array),), "images": 8, "cache_folder": tmp_path / "cache", **extra}
    )


def stage(tmp_path, name="stage"):
    folder = tmp_path / name
    folder.mkdir()
    return folder


def load(folder, precision):
    return onnx.load(str(folder / f"features.{precision}.onnx"))


def constants(model):
    return {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}


def run(path, image):
    return OnnxGraph(path, "cpu").run({"image": image}, ["features", "coarse"])


def kinds_run(path):
    """How often each operator is in the graph that ONNX Runtime really runs."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    settings.optimized_model_filepath = str(path.with_suffix(".optimised.onnx"))
    onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    optimised = onnx.load(settings.optimized_model_filepath)
    return Counter(node.op_type for node in optimised.graph.node)


def test_both_files_keep_the_contract(tiny, array, tmp_path):
    folder = stage(tmp_path)
    result = quantise_features(tiny, options(array, tmp_path), folder)
    assert result.files == {
        "features.int8-trt.onnx": "int8-trt",
        "features.int8-cpu.onnx": "int8-cpu",
    }
    assert sorted(path.name for path in folder.iterdir()) == sorted(result.files)
    source = onnx.load(str(tiny.path / "features.onnx")).graph
    for name in result.files:
        graph = onnx.load(str(folder / name)).graph
        assert list(graph.input) == list(source.input)
        assert list(graph.output) == list(source.output)
        for shape in ((1, 64, 96, 3), (3, 32, 48, 3)):
            image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
            truth, other = run(tiny.path / "features.onnx", image), run(folder / name, image)
            assert [a.shape for a in truth] == [a.shape for a in other]
            assert all(a.dtype == np.float32 for a in other)
            assert sqnr(truth, other) > 25
    assert all(ratio > 30 for ratio in result.sqnr.values()), result.sqnr
    assert len(result.images) == 8
    assert result.as_dict()["kept_float"] == {"int8-trt": [], "int8-cpu": []}


def test_the_tensorrt_graph_is_symmetric_with_float_bias(tiny, array, tmp_path):
    folder = stage(tmp_path)
    quantise_features(tiny, options(array, tmp_path), folder)
    model = load(folder, "int8-trt")
    values = constants(model)
    makers = {name: node for node in model.graph.node for name in node.output}
    zeros = [a for name, a in values.items() if name.endswith("_zero")]
    assert zeros
    assert all(a.dtype == np.int8 and not a.any() for a in zeros)
    for node in (n for n in model.graph.node if n.op_type == "Conv"):
        source, weight = (makers[name] for name in node.input[:2])
        assert source.op_type == weight.op_type == "DequantizeLinear"
        assert makers[source.input[0]].op_type == "QuantizeLinear"
        assert values[weight.input[0]].dtype == np.int8
        assert values[weight.input[0]].min() >= -127
        assert values[weight.input[1]].shape == (CHANNELS,), "one scale for each output channel"
        assert weight.attribute[0].i == 0
        assert values[node.input[2]].dtype == np.float16, "the bias is not quantised"
        assert values[source.input[1]] > 0
    kinds = Counter(node.op_type for node in model.graph.node)
    assert kinds["Clip"] == kinds["Relu"] == 1


def test_the_cpu_graph_is_unsigned_and_absorbs_activation_functions(tiny, array, tmp_path):
    folder = stage(tmp_path)
    quantise_features(tiny, options(array, tmp_path), folder)
    model = load(folder, "int8-cpu")
    values = constants(model)
    kinds = Counter(node.op_type for node in model.graph.node)
    assert not kinds["Clip"]
    assert not kinds["Relu"]
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            assert values[node.input[2]].dtype == np.uint8
    makers = {name: node for node in model.graph.node for name in node.output}
    pool = next(n for n in model.graph.node if "coarse" in n.output)
    assert pool.op_type == "Conv"
    for node in (n for n in model.graph.node if n.op_type == "Conv" and n is not pool):
        weight, bias = makers[node.input[1]], makers[node.input[2]]
        assert values[weight.input[0]].dtype == np.int8
        assert values[bias.input[0]].dtype == np.int32
    total = next(n for n in model.graph.node if n.op_type == "Add")
    assert {makers[name].op_type for name in total.input} == {"DequantizeLinear"}
    # ONNX Runtime must find integer operators for all of it.
    optimised = kinds_run(folder / "features.int8-cpu.onnx")
    assert optimised["QLinearConv"] == 4
    assert optimised["QLinearAdd"] == 1
    assert optimised["Conv"] == 1, "the pool only"
    # The image goes into the first of them as the bytes that it has.
    assert not {"Cast", "Sub", "QuantizeLinear"} & set(optimised)


@pytest.mark.parametrize("layer", ["stem", "depth", "mix"])
def test_a_layer_kept_in_float_is_not_quantised_by_onnx_runtime(tiny, array, tmp_path, layer):
    graph = FloatGraph(onnx.load(str(tiny.file("features", "fp32"))))
    images = open_set(options(array, tmp_path), 16)
    ranges, moments = measure(graph, images, options(array, tmp_path))
    weights = {each.node: round_weights(each, moments[each.node]) for each in graph.layers}
    onnx.save(
        quantise_for_cpu(graph, Calibration(ranges, weights), [layer]), str(tmp_path / "kept.onnx")
    )
    optimised = kinds_run(tmp_path / "kept.onnx")
    assert optimised["QLinearConv"] == 3
    assert optimised["Conv"] == 1


def test_ruined_layers_are_found_and_stay_in_float(array, tmp_path):
    bundle = make_bundle(tmp_path / "ruined", features_graph(ruined=True))
    folder = stage(tmp_path)
    result = quantise_features(bundle, options(array, tmp_path), folder)
    for precision in result.files.values():
        assert result.kept_float(precision) == ("project",)
        rows = {row.layer: row for row in result.layers if row.precision == precision}
        assert list(rows) == ["stem", "depth", "project", "mix"]
        assert [row.depthwise for row in rows.values()] == [False, True, False, False]
        others = [rows[name].sqnr for name in ("stem", "depth", "mix")]
        assert rows["project"].sqnr < 24
        assert min(others) > 28
        values = constants(load(folder, precision))
        kept = values["project.weight" if precision == "int8-cpu" else "project.weight_half"]
        assert kept.dtype == (np.float32 if precision == "int8-cpu" else np.float16)
        assert "stem.weight" not in values
    assert min(result.sqnr.values()) > 25


def test_a_network_that_int8_ruins_altogether_is_refused(tiny, array, tmp_path):
    with pytest.raises(CalibrationError, match="ruins every layer"):
        quantise_features(tiny, options(array, tmp_path, float_below=150), stage(tmp_path))


def test_a_network_without_convolutions_is_refused(array, tmp_path):
    bundle = make_bundle(tmp_path / "bundle", features_graph(convolutions=False))
    with pytest.raises(CalibrationError, match="no convolution"):
        quantise_features(bundle, options(array, tmp_path), stage(tmp_path))


def test_damaged_weights_are_refused(array, tmp_path):
    model = features_graph()
    weight = next(c for c in model.graph.initializer if c.name == "project.weight")
    broken = np.full((CHANNELS, CHANNELS, 1, 1), np.nan, np.float32)
    weight.CopyFrom(numpy_helper.from_array(broken, weight.name))
    with pytest.raises(CalibrationError, match="damaged"):
        quantise_features(
            make_bundle(tmp_path / "b", model), options(array, tmp_path), stage(tmp_path)
        )


def test_an_old_opset_is_refused():
    model = features_graph()
    model.opset_import[0].version = 11
    with pytest.raises(CalibrationError, match="opset"):
        FloatGraph(model)


def test_results_repeat_and_the_cache_changes_nothing(tiny, array, tmp_path):
    seen = []
    first, second, third = (stage(tmp_path, name) for name in "abc")
    one = quantise_features(tiny, options(array, tmp_path), first, lambda *s: seen.append(s))
    two = quantise_features(tiny, options(array, tmp_path), second)
    three = quantise_features(tiny, options(array, tmp_path, cache=False), third)
    assert (one.cached, two.cached, three.cached) == (False, True, False)
    assert one.layers == two.layers == three.layers
    assert one.ranges_digest == two.ranges_digest == three.ranges_digest
    for name in one.files:
        contents = {(folder / name).read_bytes() for folder in (first, second, third)}
        assert len(contents) == 1
    labels = list(dict.fromkeys(label for label, _, _ in seen))
    measured = ["measuring channels", "measuring ranges", "counting values", "rounding weights"]
    assert labels[:5] == ["reading images", *measured]
    assert all(1 <= done <= total for _, done, total in seen)
    assert len(list((tmp_path / "cache" / "calibration").iterdir())) == 1


def test_the_cache_is_keyed_by_data_and_options(tiny, array, tmp_path):
    quantise_features(tiny, options(array, tmp_path), stage(tmp_path, "a"))
    for number, extra in enumerate(({"seed": 1}, {"method": "minmax"}, {"images": 9})):
        result = quantise_features(
            tiny, options(array, tmp_path, **extra), stage(tmp_path, f"s{number}")
        )
        assert not result.cached, extra


@pytest.mark.parametrize("damage", [b"", b"not a zip file", None])
def test_a_damaged_cache_is_measured_again(tiny, array, tmp_path, caplog, damage):
    wanted = options(array, tmp_path)
    quantise_features(tiny, wanted, stage(tmp_path, "a"))
    (kept,) = (tmp_path / "cache" / "calibration").iterdir()
    good = kept.read_bytes()
    kept.write_bytes(good[: len(good) // 2] if damage is None else damage)
    assert not quantise_features(tiny, wanted, stage(tmp_path, "b")).cached
    assert "damaged" in caplog.text
    assert quantise_features(tiny, wanted, stage(tmp_path, "c")).cached


def test_a_cache_that_cannot_be_written_is_no_error(tiny, array, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    wanted = options(array, tmp_path, cache_folder=tmp_path / "file")
    assert not quantise_features(tiny, wanted, stage(tmp_path)).cached
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_other_methods_narrow_the_ranges_and_work(tiny, array, tmp_path, method):
    result = quantise_features(tiny, options(array, tmp_path, method=method), stage(tmp_path))
    assert result.method == method
    assert min(result.sqnr.values()) > 20


@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_only_what_has_both_signs_is_narrowed_and_an_image_is_bytes(tiny, array, tmp_path, method):
    graph = FloatGraph(onnx.load(str(tiny.file("features", "fp32"))))
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    fold_normalisation(model)
    wanted = options(array, tmp_path, method=method, percentile=99.0)
    images = open_set(wanted, 16)
    found, _ = measure(FloatGraph(model), images, wanted)
    widest, _ = measure(FloatGraph(model), images, options(array, tmp_path, method="minmax"))
    assert found["sub"] == (-127.0, 128.0)
    assert found["stem6"] == widest["stem6"]
    assert found["depth_relu"] == widest["depth_relu"]
    for name in ("project", "mix", "features"):
        low, high = widest[name]
        assert low < 0 < high
        narrower = low < found[name][0] and found[name][1] < high
        assert narrower == (method == "percentile")


def test_percentile_and_entropy_cut_off_outliers():
    values = np.abs(np.random.default_rng(0).normal(0, 1, 100_000)).astype(np.float32)
    values[0] = 50.0
    limits = (0.0, 50.0)
    counts = histogram(values, limits)
    assert counts.sum() == len(values)
    low, high = percentile_range(counts, limits, 99.9)
    assert low == 0
    assert 3 < high < 3.6
    low, high = entropy_range(counts, limits)
    assert low == 0
    assert high < 40


def test_uniform_values_keep_their_range():
    values = np.linspace(-2, 3, 200_001, dtype=np.float32)
    counts = histogram(values, (-2.0, 3.0))
    assert len(counts) == BINS
    assert entropy_range(counts, (-2.0, 3.0)) == (-2.0, 3.0)
    assert percentile_range(counts, (-2.0, 3.0), 100) == pytest.approx((-2, 3), abs=0.01)


def test_zero_is_exact_in_unsigned_scales():
    for limits in ((0.0, 6.0), (-1.3, 2.9), (0.5, 4.0), (-3.0, -1.0), (0.0, 0.0)):
        scale = unsigned_scale(limits)
        assert scale.step > 0
        assert 0 <= scale.zero <= 255
        least = (0 - int(scale.zero)) * scale.step
        assert least <= min(limits[0], 0) + scale.step


def test_weights_are_rounded_for_the_output_not_for_themselves():
    graph = FloatGraph(features_graph())
    layer = next(layer for layer in graph.layers if layer.label == "mix")
    random = np.random.default_rng(0)
    base = random.normal(2, 1, (1, 1, 40, 40))
    values = {layer.source: (base + random.normal(0, 0.1, (1, CHANNELS, 40, 40))).astype("f4")}
    sums = MomentSums([layer], 1, 0)
    sums.add(values)
    moments = sums.finish()[layer.node]
    rounded = round_weights(layer, moments)
    scale = rounded.scale[:, None, None, None]
    plain = np.clip(np.round(layer.weight / scale), -127, 127)

    def noise(integers):
        error = (layer.weight - integers * scale).reshape(CHANNELS, -1)
        return float(np.einsum("oi,ij,oj->", error, moments.covariance[0], error))

    assert noise(rounded.values) < 0.5 * noise(plain)
    assert rounded.values.dtype == np.int8


def test_steps_are_half_numbers_that_are_large_enough():
    steps = np.array([0.0, 1e-14, 6e-8, 3.1e-6, 1 / 127, 0.25, 3.00001])
    found = half_steps(steps)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, found.astype(np.float16))
    assert (found >= steps).all()
    assert (found > 0).all()
    normal = steps > 1e-4
    assert (found[normal] <= steps[normal] * (1 + 2**-10)).all()
    assert found[5] == 0.25, "a half number stays"


def test_sqnr_of_extremes():
    ones = [np.ones(4, np.float32)]
    assert sqnr(ones, ones) == NOISELESS
    assert sqnr(ones, [np.full(4, np.nan, np.float32)]) == -NOISELESS
    assert sqnr(ones, [np.full(4, 0.9, np.float32)]) == pytest.approx(20, abs=0.01)


@pytest.mark.slow
def test_the_default_bundle_is_quantised(tmp_path):
    folder = stage(tmp_path)
    whole = tmp_path / "whole.onnx"
    backbone = fold_batch_norm(build_backbone("efficientnet-lite0"))
    write_onnx(feature_export(backbone, 16, in_parts=False), whole, 20)
    wanted = CalibrationOptions(images=8, max_side=256, cache_folder=tmp_path / "cache")
    result = quantise_features(Bundle.load(), wanted, folder, float_file=whole)
    assert len(result.layers) == 66
    assert "scikit-image" in result.source
    for precision, bits in (("int8-trt", TensorProto.FLOAT16), ("int8-cpu", TensorProto.FLOAT)):
        assert result.sqnr[precision] > 21
        kept = result.kept_float(precision)
        assert kept == (("blocks.0.depthwise.1",) if precision == "int8-trt" else ())
        model = load(folder, precision)
        integers = [c for c in model.graph.initializer if c.data_type == TensorProto.INT8]
        assert len([c for c in integers if len(c.dims) == 4]) == 33 - len(kept)
        dequantised = [n for n in model.graph.node if n.op_type == "DequantizeLinear"]
        known = {c.name: c.data_type for c in model.graph.initializer}
        assert {known[n.input[1]] for n in dequantised} == {bits}
    # ONNX Runtime's fusion is wrong for FP16 scales; without it the file computes what it says.
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    image = image.repeat(8, axis=0).repeat(8, axis=1)[None]
    sessions = [
        OnnxGraph(whole, "cpu"),
        OnnxGraph(folder / "features.int8-trt.onnx", "cpu", fold_weights=True),
    ]
    truth, found = (session.run({"image": image}, ["coarse"]) for session in sessions)
    assert sqnr(truth, found) > 15
