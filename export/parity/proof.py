"""The proof that a bundle computes what the model does: numpy = PyTorch = ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...model import Backbone, build_backbone, fold_batch_norm
from ...model.backbones import NETWORKS, RANDOM_WEIGHTS
from ...model.compact import COMPACT, round_weights
from ...model.exported import CANDIDATES
from ...model.weights import packaged_file
from ...runtime.bundle.folder import Bundle, sha256_of
from ...runtime.bundle.manifest import BundleSpec, FileInfo
from ...runtime.errors import ExportError
from ..engines.engines import SOURCES
from ..find.find_models import ENCODE, FIND
from ..graphs import JOINT_OUTPUTS, MATCH_OUTPUTS, PLACE_OUTPUTS, feature_outputs
from ..networks import KINDS
from .comparator import compare_with_polygraphy, engine_runners, polygraphy_installed
from .find_proof import compare_find
from .judge import RMS, Deviation, Judge, attempt, has_tolerances
from .network_proof import compare_network
from .pair_proof import PAIR_KINDS, compare_pairs
from .parity_scenes import (
    CASES,
    ParityPictures,
    ParityScene,
    batches,
    make_pictures,
    match_inputs,
    place_inputs,
)
from .pose_proof import compare_poses
from .runners import (
    JOINED,
    Arrays,
    Runner,
    encode,
    numpy_joined,
    numpy_match,
    numpy_place,
    onnx_runner,
    runtime_place,
    streamed_match,
    with_windows,
)
from .torch_runners import torch_features, torch_joined, torch_joint, torch_match

Array = NDArray[Any]

HALF_VALUES = 20_000
"""Pictures up to this many values go through PyTorch in half too, which is slow on a CPU."""

OTHER_ROLES = (
    *(role for kind in KINDS.values() for role in (kind.role, kind.weights_role)),
    *(ENCODE, FIND),
)
"""Files that are compared with other things than the parts of the model."""


@dataclass(frozen=True)
class TorchReference:
    """The PyTorch side of a bundle.

    Attributes:
        backbone: rebuilt from what the manifest says.
        warning: what makes it doubtful that its weights are the bundle's, or empty.
    """

    backbone: Backbone
    warning: str = ""


@dataclass(frozen=True)
class Artefact:
    """A file of the bundle and what runs it."""

    name: str
    info: FileInfo
    runner: Runner


@dataclass(frozen=True)
class Truth:
    """One case with the believed results: features from PyTorch, matching from numpy."""

    pictures: ParityPictures
    features: dict[str, Array]
    joined: dict[str, Array]
    match_inputs: dict[str, Array]
    match: dict[str, Array]


def load_reference(bundle: Bundle, weights: Path | None = None) -> TorchReference:
    """Build the PyTorch model that a bundle was exported from.

    Args:
        bundle: the bundle.
        weights: its weight file; ``None`` takes those that an installed package carries.

    Raises:
        ExportError: the weights are missing or of another network, or the network is unknown.
    """
    info = bundle.spec.backbone
    source: str | Path | None = weights
    if source is None and info.weights.get("source") == RANDOM_WEIGHTS:
        source = RANDOM_WEIGHTS
    try:
        backbone = build_backbone(info.name, source, info.taps)
        if info.weights.get("storage") == COMPACT:
            backbone = round_weights(fold_batch_norm(backbone))
        package = NETWORKS[info.name].package
        if source is None and package is not None:
            source = packaged_file(*package)
    except ValueError as error:
        raise ExportError(str(error)) from error
    recorded = info.weights.get("sha256")
    if source is None or source == RANDOM_WEIGHTS or recorded in (None, sha256_of(Path(source))):
        return TorchReference(backbone)
    return TorchReference(
        backbone,
        f"{source} is not the weight file that the bundle was exported from "
        f"({info.weights.get('source')}, SHA-256 {recorded}); give that one with --weights",
    )


def compare_bundle(
    bundle: Bundle, backbone: Backbone, cases: Sequence[ParityScene] = CASES
) -> Iterator[Deviation]:
    """Compare every file of a bundle with the model, case by case.

    Raises:
        ExportError: a file has a role or precision that this check does not know.
        BundleError: a file is damaged, or ONNX Runtime cannot load it.
    """
    files = bundle.spec.files.items()
    artefacts = [_open(bundle, *file) for file in files if file[1].role not in OTHER_ROLES]
    engines = engine_runners(bundle, list(SOURCES))
    artefacts += [_engine(bundle, precision, runner) for precision, runner, _ in engines]
    try:
        comparer = _Comparer(bundle.spec, backbone, artefacts)
        for index, case in enumerate(cases):
            yield from comparer.compare(make_pictures(case, index, bundle.spec.backbone))
        yield from compare_network(bundle)
        yield from compare_find(bundle)
        running = [(runner.name, p) for p, runner, _ in engines]
        yield from compare_pairs(bundle, running)
        yield from compare_poses(bundle, running)
    finally:
        for _, _, backend in engines:
            backend.close()


def _engine(bundle: Bundle, precision: str, runner: Runner) -> Artefact:
    """A compiled features engine, judged like the file it was built from."""
    files = bundle.spec.files.values()
    wanted = SOURCES[precision]
    info = next(f for f in files if f.role == "features" and f.precision == wanted)
    return Artefact(f"features engine, {precision}", info, runner)


def _open(bundle: Bundle, name: str, info: FileInfo) -> Artefact:
    """The file with the runner of its kind; further kinds of runner are chosen here."""
    outputs = _outputs(bundle.spec).get(info.role)
    if outputs is None or not has_tolerances(info.precision):
        raise ExportError(
            f"{name} cannot be checked: {info.precision} {info.role} files are not known to this "
            "version of qatm; check the bundle with the version that wrote it"
        )
    written = tuple(tensor.name for tensor in info.outputs)
    if written != outputs:
        raise ExportError(
            f"{name} cannot be checked: its outputs are {', '.join(written) or 'not known'}, this "
            f"version of qatm writes {', '.join(outputs)}; export the bundle again, or check it "
            "with the version that wrote it"
        )
    path = bundle.file(info.role, info.precision)
    as_written = info.precision == "int8-trt"
    return Artefact(name, info, onnx_runner(path, outputs, as_written=as_written))


def _outputs(spec: BundleSpec) -> dict[str, tuple[str, ...]]:
    """The outputs of each role's graph; files of other roles are not known here."""
    return {
        "features": feature_outputs(len(spec.backbone.layers)),
        "match": MATCH_OUTPUTS,
        "place": PLACE_OUTPUTS,
        "joint": JOINT_OUTPUTS,
    }


class _Comparer:
    """Runs every artefact of a bundle on one case after the other."""

    def __init__(self, spec: BundleSpec, backbone: Backbone, artefacts: list[Artefact]) -> None:
        alpha = spec.recipes.match.alpha
        self.spec = spec
        self.artefacts = artefacts
        self.features = torch_features(backbone)
        self._backbone = backbone
        self.match = numpy_match(alpha)
        self.joint = torch_joint(backbone, alpha)
        self.others = (torch_match(alpha), streamed_match(alpha))
        self.place = numpy_place(alpha)
        self.place_without_graph = runtime_place(alpha)
        stride = spec.backbone.stride
        self.steps = tuple(max(1, tap.stride // stride) for tap in backbone.spec.tapped)
        self._pairs = spec.task in PAIR_KINDS
        self.matcher = next(a for a in artefacts if a.info.role == "match")

    @cached_property
    def half(self) -> Runner:
        """The features in PyTorch half, made when the first FP16 file is compared."""
        return torch_features(deepcopy(self._backbone).half_network())

    def compare(self, pictures: ParityPictures) -> Iterator[Deviation]:
        """All comparisons of one case."""
        checks = {
            "features": self._features,
            "match": self._match,
            "place": self._place,
            "joint": self._joint,
        }
        maps = encode(self.features, pictures)
        inputs = match_inputs(pictures, maps["coarse"])
        matched = with_windows(self.match.run(inputs), pictures.window, CANDIDATES)
        truth = Truth(pictures, maps, torch_joined(self._backbone, maps), inputs, matched)
        for artefact in self.artefacts:
            yield from checks[artefact.info.role](artefact, truth)

    def _features(self, artefact: Artefact, truth: Truth) -> Iterator[Deviation]:
        """All outputs and the map they stand for, then what the matching graph makes of them.

        What the other precisions of a bundle for pairs are worth, its pairs of pictures tell.
        """
        runner, believed, expected = artefact.runner, self.features, truth.features
        joined = truth.joined
        small = truth.pictures.both[0].size <= HALF_VALUES
        if artefact.info.precision == "fp16" and small:
            believed = self.half
            expected = encode(believed, truth.pictures)
            joined = torch_joined(self._backbone, expected)
        found = attempt(lambda: encode(runner, truth.pictures))
        judge = self._judge(artefact.name, artefact, truth, believed.name)
        results = [judge.array(what, runner.name, found, expected) for what in expected]
        yield from results
        if isinstance(found, str):
            return
        if polygraphy_installed():
            yield from self._by_polygraphy(believed, runner, truth, results)
        if any(found[what].shape != array.shape for what, array in expected.items()):
            return
        name = f"{runner.name} + numpy"
        yield judge.array(JOINED, name, numpy_joined(found, self.steps), joined)
        if self._pairs and artefact.info.precision != "fp32":
            return
        inputs = match_inputs(truth.pictures, found["coarse"])
        matched = self._matched(self.matcher.runner, inputs, truth)
        chain = f"{artefact.name} + {self.matcher.name}"
        reference = f"{self.features.name} + {self.match.name}"
        judge = self._judge(chain, artefact, truth, reference)
        stride = self.spec.backbone.coarse_stride
        yield from judge.windows(self.matcher.runner, matched, truth.match, stride)

    def _matched(self, runner: Runner, inputs: dict[str, Array], truth: Truth) -> Arrays | str:
        """Quality maps and their windows, or why there are none."""
        return attempt(lambda: with_windows(runner.run(inputs), truth.pictures.window, CANDIDATES))

    def _by_polygraphy(
        self, believed: Runner, runner: Runner, truth: Truth, results: list[Deviation]
    ) -> Iterator[Deviation]:
        """The same comparison made by polygraphy, whose verdict has to be the same."""
        inputs = [{"image": part} for part in batches(truth.pictures)]
        limit, unit = results[0].tolerance, results[0].unit
        judged = compare_with_polygraphy(believed, runner, inputs, limit, of_rms=unit == RMS)
        for result in results:
            agreed = judged[result.what] or not result.passed
            error = result.error if agreed else math.inf
            candidate = f"{result.candidate}, by polygraphy"
            yield replace(result, candidate=candidate, error=error)

    def _match(self, artefact: Artefact, truth: Truth) -> Iterator[Deviation]:
        """Every way of matching against the literal one, on the same features."""
        judge = self._judge(artefact.name, artefact, truth, self.match.name)
        for runner in (*self.others, artefact.runner):
            found = self._matched(runner, truth.match_inputs, truth)
            yield from judge.windows(runner, found, truth.match, self.spec.backbone.coarse_stride)

    def _place(self, artefact: Artefact, truth: Truth) -> Iterator[Deviation]:
        """Both ways of placing against the literal one, on the same features."""
        inputs = place_inputs(truth.pictures, truth.joined[JOINED])
        expected = self.place.run(inputs)
        judge = self._judge(artefact.name, artefact, truth, self.place.name)
        for runner in (self.place_without_graph, artefact.runner):
            found = attempt(lambda runner=runner: runner.run(inputs))
            for what in expected:
                yield judge.array(what, runner.name, found, expected)

    def _joint(self, artefact: Artefact, truth: Truth) -> Iterator[Deviation]:
        """A crop and a picture through features and matching in one graph."""
        inputs = {"template": truth.pictures.crop, "image": truth.pictures.both[1:]}
        found = attempt(lambda: artefact.runner.run(inputs))
        judge = self._judge(artefact.name, artefact, truth, self.joint.name)
        yield from judge.windows(artefact.runner, found, self.joint.run(inputs), 1)

    def _judge(self, what: str, artefact: Artefact, truth: Truth, reference: str) -> Judge:
        size = truth.pictures.size
        return Judge(what, artefact.info.precision, size, reference)
