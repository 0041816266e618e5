"""From the float features graph of a bundle to its two INT8 graphs."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx

from ..runtime.bundle.folder import Bundle, sha256_of
from ..runtime.errors import CalibrationError
from . import cache
from .artefacts import Calibration
from .calibration import (
    PRECISIONS,
    CalibrationOptions,
    LayerSensitivity,
    Progress,
    Quantisation,
    silent,
)
from .equalise import channel_scales, equalised
from .float_graph import FloatGraph
from .image_set import CalibrationSet, open_set
from .noise import sqnr
from .ranges import digest_of, measure
from .rounding import round_weights
from .sensitivity import IMAGES, WRITERS, features_of, layer_sensitivity
from .shortcuts import fold_normalisation

LOG = logging.getLogger(__name__)


def quantise_features(
    bundle: Bundle,
    options: CalibrationOptions,
    stage: Path,
    progress: Progress | None = None,
    images: CalibrationSet | None = None,
    float_file: Path | None = None,
) -> Quantisation:
    """Write ``features.int8-trt.onnx`` and ``features.int8-cpu.onnx`` into a folder.

    Inputs and outputs are those of ``features.onnx``.

    Args:
        bundle: holds the float graph; it is not changed.
        options: images, method, and which layers may stay in float.
        stage: an existing folder.
        progress: told what is being done, steps done and steps in all.
        images: of these options, where they were opened before.
        float_file: the float graph in a form that suits INT8 better, if there is one.

    Returns:
        What was written, and what it costs layer by layer.

    Raises:
        CalibrationError: unusable images, or a network that cannot be quantised.
        ImageError: a folder or pattern without images.
        BundleError: the float graph is missing or damaged.
        OSError: the files cannot be written.
    """
    report = progress or silent
    source = float_file or bundle.file("features", "fp32")
    model = onnx.load(str(source))
    fold_normalisation(model)
    graph = FloatGraph(model)
    if images is None:
        images = open_set(options, bundle.spec.backbone.align, report)
    pictures = list(images.first(IMAGES))
    truth = features_of(graph.model, pictures)
    calibration, cached = _calibrate(graph, images, sha256_of(source), options, report)
    graph = equalised(graph, calibration.scales)
    rows: list[LayerSensitivity] = []
    files: dict[str, str] = {}
    ratios: dict[str, float] = {}
    for precision in PRECISIONS:
        table = layer_sensitivity(
            graph, calibration, precision, pictures, options.float_below, report
        )
        kept = [row.node for row in table if row.kept_float]
        model = WRITERS[precision](graph, calibration, kept)
        _check(model, precision)
        name = f"features.{precision}.onnx"
        onnx.save(model, str(stage / name))
        ratios[precision] = round(sqnr(truth, features_of(model, pictures)), 2)
        LOG.info("%s: %.1f dB, %d layers in float", name, ratios[precision], len(kept))
        rows += table
        files[name] = precision
    return Quantisation(
        files=files,
        layers=tuple(rows),
        sqnr=ratios,
        ranges_digest=digest_of(calibration.ranges),
        method=options.method,
        source=images.source,
        images=images.names,
        skipped=images.skipped,
        cached=cached,
    )


def _calibrate(
    graph: FloatGraph,
    images: CalibrationSet,
    model_hash: str,
    options: CalibrationOptions,
    progress: Progress,
) -> tuple[Calibration, bool]:
    """Measure and round, or take both from the cache; whether they came from there."""
    folder = cache.cache_folder(options)
    key = cache.cache_key(model_hash, images.digest, options)
    kept = cache.load(folder, key) if options.cache else None
    if kept is not None:
        return kept, True
    scales = channel_scales(graph, images, progress)
    graph = equalised(graph, scales)
    ranges, moments = measure(graph, images, options, progress)
    weights = {}
    for done, layer in enumerate(graph.layers, 1):
        weights[layer.node] = round_weights(layer, moments[layer.node])
        progress("rounding weights", done, len(graph.layers))
    calibration = Calibration(ranges, weights, scales)
    if options.cache:
        cache.store(folder, key, calibration)
    return calibration, False


def _check(model: onnx.ModelProto, precision: str) -> None:
    """Make sure that a finished graph is a valid one."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise CalibrationError(f"the {precision} graph is not valid: {error}") from error
