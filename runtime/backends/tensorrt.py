"""The graphs of a bundle on TensorRT or TensorRT for RTX."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock

from ..bundle.folder import Bundle
from ..bundle.sidecar import FLAVOURS, EngineInfo, engines_for, rebuild_hint, select_engine
from ..errors import BundleError, DeviceError
from .cuda import open_memory
from .cuda_memory import CudaMemory, check_driver
from .engine import TensorRTEngine, flavour_version

PRECISION_ORDER = ("fp16", "fp32", "int8")
"""What ``auto`` takes: the fastest features that give the same boxes, INT8 only on request or
where there is nothing else."""

SINGLE = "fp32"
"""Of all graphs but the features': exponentials and normalisations need it."""

UNWANTED = {"match": ("scores", "boxes")}
"""Outputs of graphs of earlier versions that are not copied from the device."""


class TensorRTBackend:
    """Runs the engines of a bundle.

    Args:
        bundle: holds the engines; where the dimensions' names come from.
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
        self._bundle = bundle
        self._version = features.version
        self._memory = memory
        self._opening = Lock()
        self._engines: dict[str, TensorRTEngine] = {}
        self.workers = 1
        with ExitStack() as stack:
            stack.callback(memory.close)
            self._stack = stack
            for info in (features, match):
                self._load(info)
            self._stack = stack.pop_all()
        graphs = self._engines["features"].graphs
        self.provider = (
            f"{FLAVOURS[features.flavour]} {features.version}, {memory.provider}, "
            f"{memory.device_name} (SM {memory.compute_capability}), CUDA graphs: {graphs}"
        )

    def graph(self, role: str, *, one_thread: bool = False) -> TensorRTEngine:  # noqa: ARG002
        """The engine with a role; others than ``features`` and ``match`` are loaded when asked for.

        Args:
            role: of the graph.
            one_thread: of no consequence, an engine runs on the device.

        Raises:
            BundleError: the bundle has no such graph, or its file is damaged.
            DeviceError: there is no engine of it for this machine.
        """
        with self._opening:
            if role not in self._engines:
                self._bundle.file(role, SINGLE)
                sm = self._memory.compute_capability
                flavour = self.device
                self._load(select_engine(self._bundle, role, SINGLE, flavour, self._version, sm))
            return self._engines[role]

    def close(self) -> None:
        """Release engines, buffers and context. May be called twice."""
        self._stack.close()

    def _load(self, info: EngineInfo) -> None:
        """Load an engine; it is closed before those that were loaded earlier."""
        file = self._bundle.spec.files[info.source]
        unwanted = UNWANTED.get(info.role, ())
        outputs = [tensor.name for tensor in file.outputs if tensor.name not in unwanted]
        names = {tensor.name: tensor.shape for tensor in file.inputs}
        engine = TensorRTEngine(info, self._memory, outputs, names)
        self._stack.callback(engine.close)
        self._engines[info.role] = engine


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
    check_driver(flavour)
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
    match = select_engine(bundle, "match", SINGLE, flavour, version, sm)
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
    for info in engines_for(bundle, flavour):
        if isinstance(info, BundleError):
            raise DeviceError(str(info)) from info
        if info.role == "features":
            found.append(info.precision)
    return found


def _how(flavour: str) -> str:
    """How to get engines."""
    if flavour == "tensorrt":
        return rebuild_hint(flavour, ())
    command = f"qatm-export --engines-only --engine {flavour} --sm NN BUNDLE"
    return f"build them: {command}, with this GPU's compute capability"
