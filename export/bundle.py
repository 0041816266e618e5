"""Writes a bundle: every file under a temporary name first, so that a half one never loads."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

import onnx

from ..calib.calibration import REMAINDERS, CalibrationOptions, Quantisation, silent
from ..calib.image_set import open_set
from ..calib.quantise import quantise_features
from ..model import Backbone, build_backbone, fold_batch_norm
from ..model.backbones import NETWORKS
from ..model.compact import COMPACT, round_weights
from ..model.weights import packaged_file
from ..runtime.bundle.folder import MANIFEST, Bundle, sha256_of
from ..runtime.bundle.manifest import (
    BackboneInfo,
    BundleSpec,
    FileInfo,
    TapInfo,
)
from ..runtime.bundle.match_recipe import MatchRecipe
from ..runtime.bundle.publishing import publish
from ..runtime.errors import ExportError
from ..runtime.version import __version__
from .engines.engines import (
    EngineOptions,
    EngineReport,
    Progress,
    build_engines,
    check_engines,
    engine_precisions,
)
from .file_entries import describe
from .find.find_files import write_find
from .graph_contract import annotate
from .graphs import (
    DEFAULT_OPSET,
    GraphExport,
    feature_export,
    joint_export,
    least_sizes,
    match_export,
    place_export,
    write_onnx,
)
from .networks import TrainedNetwork
from .packaged_networks import take_networks
from .parity.find_proof import check_find
from .recipe_files import fits_for, recipes_for
from .staging import staging_folder

LOG = logging.getLogger(__name__)

TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")

TASKS = ("match", "align", "verify")
"""What bundles are exported for; verification uses the features of matching."""

ALIGN_TAPS = {"efficientnet-lite0": ("10", "13")}
"""Layers for alignment by backbone; the deeper one knows kinds, the other one places."""


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    Attributes:
        backbone: name in ``model.BACKBONES``.
        weights: a weight file; ``None`` takes those an installed package carries.
        taps: layers to use; ``None`` is the backbone's default.
        opset: of the ONNX files.
        joint: also write the single-graph file.
        find: also write the graphs that find objects by themselves, ``encode`` and ``find``.
        fp16: also write the features graph in FP16.
        int8: also write it in INT8, calibrated like this.
        engines: build these engines from the finished bundle.
        compact: round the weights to eight bits and store them so; a quarter of the size.
        network: a trained network that compares two pictures' features, or none.
        task: one of :data:`TASKS`; the check judges a bundle by what it is for.
        alpha: factor on the similarity; ``None`` is what suits the backbone.
    """

    backbone: str = "efficientnet-lite0"
    weights: str | None = None
    taps: Sequence[str] | None = None
    opset: int = DEFAULT_OPSET
    joint: bool = False
    find: bool = False
    fp16: bool = False
    int8: CalibrationOptions | None = None
    engines: EngineOptions = field(default_factory=lambda: EngineOptions(engine="none"))
    compact: bool = False
    network: TrainedNetwork | None = None
    task: str = "match"
    alpha: float | None = None


@dataclass(frozen=True)
class Exported:
    """What an export made: the bundle, what INT8 cost if it was asked for, and the engines."""

    bundle: Bundle
    quantisation: Quantisation | None
    engines: list[EngineReport]


def export_bundle(
    folder: Path, options: ExportOptions, progress: Progress | None = None
) -> Exported:
    """Export a backbone and its matching graph to a bundle folder.

    Args:
        folder: made if missing; files of an earlier bundle in it are replaced.
        options: what to export.
        progress: told what is being done, steps done and steps in all.

    A bundle with the features of the one inside the package gets its network that follows boxes,
    and every bundle the one that compares pixels.

    Returns:
        The finished bundle, loaded and checked, and what came with it.

    Raises:
        ExportError: unusable weights, taps or opset, a graph that failed its check, or an engine
            that cannot be built.
        CalibrationError: unusable calibration images, or a network that cannot be quantised.
        OSError: the folder cannot be written.
    """
    _check_options(options)
    backbone = _build(options)
    if options.network is not None:
        options.network.check_features(backbone.spec.name, backbone.spec.taps)
    align = bundle_align(backbone)
    # What cannot be built or calibrated is refused before the graphs, which take their time.
    planned = _spec(backbone, options)
    check_engines(planned, options.engines)
    images = None
    if options.int8 is not None:
        images = open_set(options.int8, align, progress or silent)
    exports = _graphs(backbone, options, planned)
    with staging_folder(folder) as stage:
        files = {e.file_name: _write(e, stage, options.opset) for e in exports}
        whole = None if options.int8 is None else _write_whole_blocks(backbone, stage, options)
        if options.network is not None:
            files.update([options.network.write_weights(stage)])
        if options.fp16:
            half = feature_export(backbone.half_network(), align)
            files[half.file_name] = _write(half, stage, options.opset)
        spec = take_networks(replace(planned, files=files), stage, Bundle.load())
        if options.find:
            spec = replace(spec, files={**spec.files, **write_find(stage, spec)})
        write_manifest(stage / MANIFEST, spec)
        quantised = None
        if options.int8 is not None:
            bundle = Bundle.load(stage)
            quantised = quantise_features(bundle, options.int8, stage, progress, images, whole)
            write_manifest(stage / MANIFEST, _with_int8(spec, stage, quantised))
        if whole is not None:
            whole.unlink()
        check_find(Bundle.load(stage))
        publish(stage, folder)
    bundle = Bundle.load(folder)
    engines = build_engines(bundle, options.engines, engine_precisions(bundle), progress)
    return Exported(bundle, quantised, engines)


def _check_options(options: ExportOptions) -> None:
    """Refuse what cannot be exported, before any work.

    Raises:
        ExportError: engines that cannot be built, or options that exclude each other.
        InputError: a factor on the similarity with which nothing could be computed.
    """
    options.engines.check()
    if options.alpha is not None:
        MatchRecipe(alpha=options.alpha)
    if options.find and options.task == "align":
        raise ExportError("find.onnx matches, which --task align is not for; leave --find out")
    if options.compact and options.int8 is not None:
        raise ExportError("compact weights cannot be quantised again; use --compact or --int8")


def _graphs(backbone: Backbone, options: ExportOptions, spec: BundleSpec) -> list[GraphExport]:
    """The graphs that PyTorch exports, but for other precisions."""
    alpha, channels, align = spec.recipes.match.alpha, spec.backbone.channels, spec.backbone.align
    exports = [
        feature_export(backbone, align),
        match_export(channels, alpha),
        place_export(channels, alpha),
    ]
    if options.joint:
        exports.append(joint_export(backbone, alpha, align))
    if options.network is not None:
        exports.append(options.network.graph(channels))
    return exports


def _with_int8(spec: BundleSpec, stage: Path, result: Quantisation) -> BundleSpec:
    """The manifest with the INT8 files and how they were calibrated."""
    least = least_sizes(spec.backbone.align)
    for name, precision in result.files.items():
        model = onnx.load(str(stage / name))
        onnx.save(annotate(model, "features", precision), str(stage / name))
    files = {name: describe(stage / name, "features", p, least) for name, p in result.files.items()}
    calibration = {
        "source": result.source,
        "images": len(result.images),
        "method": result.method,
        "ranges_sha256": result.ranges_digest,
        "sqnr_db": result.sqnr,
        "kept_float": {p: list(result.kept_float(p)) for p in result.files.values()},
        "remainder": dict(REMAINDERS),
    }
    return replace(spec, files={**spec.files, **files}, calibration=calibration)


def taps_of(task: str, backbone: str, taps: str | None) -> list[str] | None:
    """The layers for a task: those named, separated by commas, or the task's own.

    Returns:
        ``None`` for the backbone's default.

    Raises:
        ExportError: the task is unknown, or has no default layers for the backbone.
    """
    if task not in TASKS:
        raise ExportError(f"task {task!r} is unknown; choose from {', '.join(TASKS)}")
    if taps is not None:
        return [tap.strip() for tap in taps.split(",")]
    if task != "align":
        return None
    if backbone not in ALIGN_TAPS:
        raise ExportError(
            f"no layers of {backbone} are known to suit alignment; name some with --taps, deep "
            "ones of stride 16 or 32"
        )
    return list(ALIGN_TAPS[backbone])


def bundle_align(backbone: Backbone) -> int:
    """Image sides must be multiples of this, so that the pooled map has whole cells too."""
    return max(backbone.spec.align, 2 * backbone.spec.stride)


def _build(options: ExportOptions) -> Backbone:
    """The backbone with folded batch normalisation."""
    try:
        backbone = build_backbone(options.backbone, options.weights, options.taps)
    except ValueError as error:
        raise ExportError(str(error)) from error
    folded = fold_batch_norm(backbone)
    return round_weights(folded) if options.compact else folded


def _write(export: GraphExport, stage: Path, opset: int) -> FileInfo:
    """Write one graph and describe it."""
    path = stage / export.file_name
    LOG.info("exporting %s", path.name)
    write_onnx(export, path, opset)
    return describe(path, export.role, export.precision, export.least)


def _write_whole_blocks(backbone: Backbone, stage: Path, options: ExportOptions) -> Path:
    """The features graph that INT8 is made from, which is no part of the bundle."""
    export = feature_export(backbone, bundle_align(backbone), in_parts=False)
    path = stage / f"{export.role}.whole.onnx"
    write_onnx(export, path, options.opset)
    return path


def _spec(backbone: Backbone, options: ExportOptions) -> BundleSpec:
    """What the manifest says, but for the files that are not written yet."""
    spec = backbone.spec
    package = NETWORKS[spec.name].package
    carried = packaged_file(*package) if package and not options.weights else None
    source = carried or Path(options.weights or "")
    weights = {"source": source.name, "licence": spec.licence}
    if source.is_file():
        weights["sha256"] = sha256_of(source)
    if options.compact:
        weights["storage"] = COMPACT
    info = BackboneInfo(
        name=spec.name,
        layers=tuple(TapInfo(str(t.layer), t.stride, t.channels) for t in spec.tapped),
        channels=spec.channels,
        stride=spec.stride,
        coarse_stride=2 * spec.stride,
        align=bundle_align(backbone),
        weights=weights,
    )
    planned = BundleSpec(
        backbone=info,
        preprocessing={"input": "uint8 BGR (B, H, W, 3)", **spec.as_dict()["preprocessing"]},
        recipes=recipes_for(spec.name, options.alpha),
        fits=fits_for(info.label),
        opset=options.opset,
        files={},
        tools=tool_versions(),
        task=options.task,
    )
    return planned if options.network is None else options.network.told_in(planned)


def tool_versions() -> dict[str, str]:
    """Versions of what made a bundle."""
    versions = {"qatm": __version__}
    for name in TOOLS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def write_manifest(path: Path, spec: BundleSpec) -> None:
    """Write ``bundle.json``."""
    path.write_text(json.dumps(spec.to_json(), indent=2) + "\n", encoding="utf-8")
