"""The two graphs of a bundle on TensorRT or TensorRT for RTX."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.folder import Bundle
from ..bundle.sidecar import FLAVOURS, EngineInfo, rebuild_hint, select_engine, sidecars
from ..errors import BundleError, DeviceError
from .cuda_memory import CudaMemory, driver_problem, open_memory
from .engine import TensorRTEngine, flavour_version

Array = NDArray[Any]

PRECISION_ORDER = ("fp16", "fp32", "int8")
"""What ``auto`` takes: the fastest features that give the same boxes, INT8 only on request or
where there is nothing else."""

MATCH_PRECISION = "fp32"
"""The matching graph's exponentials and normalisations need it."""

WINDOW = (1, 1)
"""The matching graph's own candidates are not used, so any window will do."""


class TensorRTBackend:
    """Runs the engines of a bundle.

    Args:
        bundle: where the dimensions' names come from.
        features: the checked engine of the features graph.
        match: the checked engine of the matching graph.
        memory: CUDA; closed together with the backend.

    Attributes:
        device: ``tensorrt`` or ``tensorrt-rtx``.
        provider: library, CUDA package, GPU, and who makes CUDA graphs.
        precision: of the features engine, as found in it.
    """

    def __init__(
        self, bundle: Bundle, features: EngineInfo, match: EngineInfo, memory: CudaMemory
    ) -> None:
        self.device = features.flavour
        self.precision = features.precision
        self._channels = bundle.spec.backbone.channels
        with ExitStack() as stack:
            stack.callback(memory.close)
            self._features = TensorRTEngine(
                features, memory, ("features", "coarse"), _dimension_names(bundle, features)
            )
            stack.callback(self._features.close)
            self._match = TensorRTEngine(
                match, memory, ("quality",), _dimension_names(bundle, match)
            )
            stack.callback(self._match.close)
            self._stack = stack.pop_all()
        graphs = self._features.graphs
        self.provider = (
            f"{FLAVOURS[features.flavour]} {features.version}, {memory.provider}, "
            f"{memory.device_name} (SM {memory.compute_capability}), CUDA graphs: {graphs}"
        )

    @property
    def engines(self) -> dict[str, TensorRTEngine]:
        """The engines by role; for measurements."""
        return {"features": self._features, "match": self._match}

    def features(self, image: Array) -> tuple[Array, Array]:
        """Encode one image.

        Args:
            image: ``(H, W, 3)`` uint8 BGR, sides multiples of the bundle's ``align``.

        Returns:
            ``(C, H/s, W/s)`` float32 and its 2x2 means ``(C, H/2s, W/2s)``.

        Raises:
            DeviceError: a side outside every profile of the engine, or CUDA failed.
        """
        fine, coarse = self._features.run(image=image[None])
        return fine[0], coarse[0]

    def quality(self, rows: Array, target: Array, search: Array) -> Array:
        """Quality map ``(H, W)`` of rows ``(M, C)``, flags ``(M,)`` and a map ``(C, H, W)``."""
        window = np.array(WINDOW, np.int64)
        return self._match.run(template=rows, target=target, search=search, window=window)[0]

    def takes_image(self, height: int, width: int) -> bool:
        """Whether a profile of the features engine takes an image of this size."""
        return self._features.admits(image=(1, height, width, 3))

    def takes_match(self, rows: int, height: int, width: int) -> bool:
        """Whether a profile of the matching engine takes so many rows and a map of this size."""
        return self._match.admits(
            template=(rows, self._channels), target=(rows,), search=(self._channels, height, width)
        )

    def close(self) -> None:
        """Release engines, buffers and context. May be called twice."""
        self._stack.close()


def open_tensorrt(bundle: Bundle, flavour: str, precision: str = "auto") -> TensorRTBackend:
    """Open the engines of a bundle that this machine can run.

    Args:
        bundle: holds the engines and their sidecars.
        flavour: ``tensorrt`` or ``tensorrt-rtx``.
        precision: ``auto`` takes the first of :data:`PRECISION_ORDER` that there is.

    Raises:
        DeviceError: no driver, no engine of this flavour and precision in the bundle, one for
            another version, GPU or ONNX file, a damaged one, or a package is missing.
    """
    if flavour not in FLAVOURS:
        raise DeviceError(f"flavour {flavour!r} is unknown; choose one of {', '.join(FLAVOURS)}")
    # Cheap reasons first: nothing heavy is imported where TensorRT has no chance.
    if problem := driver_problem():
        raise DeviceError(f"device {flavour!r}: {problem}")
    wanted = PRECISION_ORDER if precision == "auto" else (precision,)
    present = _precisions_present(bundle, flavour)
    candidates = [name for name in wanted if name in present]
    if not candidates:
        kind = "" if precision == "auto" else f"{precision} "
        have = f" (it has: {', '.join(present)})" if present else ""
        raise DeviceError(
            f"bundle {bundle.path} has no {kind}engine for {flavour}{have}; {_how(flavour)}"
        )
    version = flavour_version(flavour)
    memory = open_memory()
    try:
        infos = _select(bundle, flavour, version, memory.compute_capability, candidates)
    except BaseException:
        memory.close()
        raise
    return TensorRTBackend(bundle, *infos, memory)


def _select(
    bundle: Bundle, flavour: str, version: str, sm: int, precisions: list[str]
) -> tuple[EngineInfo, EngineInfo]:
    """The features engine of the first precision that fits this machine, and the match engine."""
    match = select_engine(bundle, "match", MATCH_PRECISION, flavour, version, sm)
    reasons: list[str] = []
    for precision in precisions:
        try:
            return select_engine(bundle, "features", precision, flavour, version, sm), match
        except DeviceError as error:
            reasons.append(str(error))
    raise DeviceError("; ".join(reasons))


def _precisions_present(bundle: Bundle, flavour: str) -> list[str]:
    """Precisions of the features engines for a flavour, whether or not they fit this machine."""
    found: list[str] = []
    for path in sidecars(bundle.path):
        try:
            info = EngineInfo.load(path)
        except BundleError as error:
            raise DeviceError(str(error)) from error
        if info.flavour == flavour and info.role == "features":
            found.append(info.precision)
    return found


def _how(flavour: str) -> str:
    """How to get engines."""
    if flavour == "tensorrt":
        return rebuild_hint(flavour, ())
    command = f"qatm-export --engines-only --engine {flavour} --sm NN BUNDLE"
    return f"build them: {command}, with this GPU's compute capability"


def _dimension_names(bundle: Bundle, info: EngineInfo) -> dict[str, tuple[int | str, ...]]:
    """What the dimensions of an engine's inputs are called in the bundle."""
    return {tensor.name: tensor.shape for tensor in bundle.spec.files[info.source].inputs}
