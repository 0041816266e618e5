"""The proof that a device gives by itself, without PyTorch: against FP32 on its CPU and numpy.

What the FP32 features are, their hash says: they were compared with PyTorch where they were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.folder import Bundle
from ...runtime.bundle.manifest import FileInfo
from ...runtime.bundle.sidecar import FLAVOURS
from ..engines.engines import SOURCES
from .comparator import engine_runners
from .judge import Deviation, Judge, attempt, has_tolerances, ran_on
from .pair_proof import PAIR_KINDS, compare_pairs
from .parity_scenes import (
    CASES,
    ParityPictures,
    ParityScene,
    make_pictures,
    match_inputs,
    place_inputs,
)
from .pose_proof import compare_poses
from .runners import (
    JOINED,
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

Array = NDArray[Any]

JUDGED = ("features", "match", "place", "joint")
"""Roles of the files that need no PyTorch to be judged."""

DEVICES = ("cuda", *FLAVOURS)
"""What is tried beside the CPU."""

WINDOWS = 16
"""Best windows that are compared."""

SINGLE = "fp32"
BELIEVED = "FP32, ONNX Runtime"


def unjudged(bundle: Bundle) -> list[str]:
    """The files that only a machine with PyTorch can judge."""
    files = bundle.spec.files.items()
    return [
        name
        for name, info in files
        if info.role not in JUDGED or not has_tolerances(info.precision)
    ]


def compare_on_device(bundle: Bundle, cases: Sequence[ParityScene] = CASES) -> Iterator[Deviation]:
    """Compare what runs on this device with FP32 on its CPU and with plain numpy, case by case.

    Raises:
        BundleError: a file is damaged, or ONNX Runtime cannot load it.
        DeviceError: ONNX Runtime is not installed.
    """
    proof = _DeviceProof(bundle)
    precisions = ["fp16", SINGLE, *SOURCES]
    others = engine_runners(bundle, list(dict.fromkeys(precisions)), DEVICES)
    try:
        for index, case in enumerate(cases):
            pictures = make_pictures(case, index, bundle.spec.backbone)
            yield from proof.compare(pictures, [(p, runner) for p, runner, _ in others])
        running = [(runner.name, p) for p, runner, _ in others]
        yield from compare_pairs(bundle, running)
        yield from compare_poses(bundle, running)
    finally:
        for _, _, backend in others:
            backend.close()


class _DeviceProof:
    """Runs every file of a bundle on one case after the other."""

    def __init__(self, bundle: Bundle) -> None:
        spec = bundle.spec
        alpha = spec.recipes.match.alpha
        self._coarse_stride = spec.backbone.coarse_stride
        self._steps = tuple(
            max(1, layer.stride // spec.backbone.stride) for layer in spec.backbone.layers
        )
        self._pairs = spec.task in PAIR_KINDS
        self._files = {
            name: (info, self._open(bundle, info))
            for name, info in spec.files.items()
            if name not in unjudged(bundle)
        }
        self._features = self._runner_of("features")
        self._match = self._runner_of("match")
        self._numpy = numpy_match(alpha)
        self._streamed = streamed_match(alpha)
        self._places = numpy_place(alpha), runtime_place(alpha)

    def _open(self, bundle: Bundle, info: FileInfo) -> Runner:
        outputs = tuple(tensor.name for tensor in info.outputs)
        path = bundle.file(info.role, info.precision)
        return onnx_runner(path, outputs, as_written=info.precision == "int8-trt")

    def _runner_of(self, role: str) -> Runner:
        files = self._files.values()
        return next(r for info, r in files if (info.role, info.precision) == (role, SINGLE))

    def compare(
        self, pictures: ParityPictures, others: Sequence[tuple[str, Runner]]
    ) -> Iterator[Deviation]:
        """All comparisons of one case; others are features on other devices, by precision."""
        maps = encode(self._features, pictures)
        joined = numpy_joined(maps, self._steps)[JOINED]
        inputs = match_inputs(pictures, maps["coarse"])
        matched = with_windows(self._numpy.run(inputs), pictures.window, WINDOWS)
        for name, (info, runner) in self._files.items():
            judge = Judge(name, info.precision, pictures.size, self._numpy.name)
            if info.role == "features" and info.precision == SINGLE:
                yield judge.array("coarse", runner.name, maps, {"coarse": _pooled(joined)})
            elif info.role == "features":
                yield from self._other(name, info.precision, runner, pictures, maps, matched)
            elif info.role == "match":
                for each in (self._streamed, runner):
                    found = attempt(
                        lambda each=each: with_windows(each.run(inputs), pictures.window, WINDOWS)
                    )
                    yield from judge.windows(each, found, matched, self._coarse_stride)
            elif info.role == "place":
                yield from self._place(judge, runner, place_inputs(pictures, joined))
            else:
                yield from self._joint(judge, runner, pictures, maps)
        for precision, runner in others:
            name = ran_on(runner.name, precision)
            yield from self._other(name, precision, runner, pictures, maps, matched)

    def _other(
        self,
        name: str,
        precision: str,
        runner: Runner,
        pictures: ParityPictures,
        maps: dict[str, Array],
        matched: dict[str, Array],
    ) -> Iterator[Deviation]:
        """Features in another precision or on another device, then what matching makes of them."""
        kept = precision if has_tolerances(precision) else "int8-trt"
        judge = Judge(name, kept, pictures.size, BELIEVED)
        found = attempt(lambda: encode(runner, pictures))
        yield from (judge.array(what, runner.name, found, maps) for what in maps)
        # What other precisions are worth to bundles for pairs, their pairs of pictures tell.
        if isinstance(found, str) or (self._pairs and kept != SINGLE):
            return
        if any(found[what].shape != array.shape for what, array in maps.items()):
            return
        inputs = match_inputs(pictures, found["coarse"])
        windows = attempt(lambda: with_windows(self._match.run(inputs), pictures.window, WINDOWS))
        chain = Judge(f"{name} + match.onnx", kept, pictures.size, f"{BELIEVED} + numpy")
        yield from chain.windows(self._match, windows, matched, self._coarse_stride)

    def _place(self, judge: Judge, runner: Runner, inputs: dict[str, Array]) -> Iterator[Deviation]:
        """Both ways of placing against the literal one, on the same features."""
        literal, own = self._places
        expected = literal.run(inputs)
        for each in (own, runner):
            found = attempt(lambda each=each: each.run(inputs))
            yield from (judge.array(what, each.name, found, expected) for what in expected)

    def _joint(
        self, judge: Judge, runner: Runner, pictures: ParityPictures, maps: dict[str, Array]
    ) -> Iterator[Deviation]:
        """One graph for a crop and a picture against the two graphs and numpy."""
        crop = self._features.run({"image": pictures.crop})["coarse"][0]
        rows = np.ascontiguousarray(crop.reshape(len(crop), -1).T)
        inputs = {
            "template": rows,
            "target": np.ones(len(rows), np.float32),
            "search": np.ascontiguousarray(maps["coarse"][1]),
        }
        window = int(crop.shape[1]), int(crop.shape[2])
        truth = with_windows(self._numpy.run(inputs), window, WINDOWS)
        expected = {
            "quality": truth["contested"],
            "scores": truth["scores"],
            "boxes": truth["boxes"] * self._coarse_stride,
        }
        asked = {"template": pictures.crop, "image": pictures.both[1:]}
        found = attempt(lambda: runner.run(asked))
        yield from judge.windows(runner, found, expected, 1)


def _pooled(joined: Array) -> Array:
    """Means of 2x2 cells of a map ``(B, C, 2h, 2w)``."""
    count, channels, height, width = joined.shape
    return joined.reshape(count, channels, height // 2, 2, width // 2, 2).mean((3, 5))
