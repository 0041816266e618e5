"""One ONNX graph to one serialised engine, with every reason a build can fail for."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...runtime.backends.engine import immortal
from ...runtime.bundle.sidecar import ShapeRange
from ...runtime.errors import ExportError
from ...runtime.files import write_bytes
from .engine_options import EngineOptions, GraphProfile
from .flavours import Flavour
from .typed_network import count_layers, found_precision

LOG = logging.getLogger(__name__)

REASONS = 3
"""At most this many of the library's own messages go into an error."""


@dataclass(frozen=True)
class BuiltEngine:
    """A serialised engine.

    Attributes:
        plan: the engine, as the library serialised it.
        layers: layer kind to input dtype to count, of the typed network it was built from.
        precision: what those counts amount to.
    """

    plan: memoryview
    layers: dict[str, dict[str, int]]
    precision: str


class EngineBuilder:
    """Builds engines with one flavour; close to no state, so that one serves many graphs.

    Args:
        flavour: the installed library.
        options: workspace, optimisation level and timing cache.

    Raises:
        ExportError: the library does not start.
    """

    def __init__(self, flavour: Flavour, options: EngineOptions) -> None:
        self._flavour = flavour
        self._options = options
        self._trt = flavour.module
        self._recorder = _recorder(self._trt)
        self._timing_cache: Any = None
        try:
            self._builder = self._trt.Builder(self._recorder)
        except (TypeError, RuntimeError) as error:
            raise ExportError(
                f"{flavour.name} {flavour.version} does not start here: "
                f"{self._reasons() or error}; it needs a working NVIDIA driver"
            ) from error

    def build(
        self, name: str, model: bytes, profiles: Sequence[GraphProfile], sm: Sequence[int]
    ) -> BuiltEngine:
        """Build one engine.

        Args:
            name: what the errors call the graph.
            model: a serialised ONNX model, its types as they shall run.
            profiles: at least one where the graph has dynamic dimensions.
            sm: compute capabilities, where the flavour takes them.

        Raises:
            ExportError: the parser, a profile or the build failed; with the library's reasons.
        """
        self._recorder.messages.clear()
        network = self._parse(name, model)
        config = self._builder.create_builder_config()
        self._configure(config, sm)
        _check_dynamic(name, network, profiles)
        for index, profile in enumerate(profiles):
            self._add_profile(name, network, config, index, profile)
        self._recorder.messages.clear()
        try:
            plan = self._builder.build_serialized_network(network, config)
        except (RuntimeError, MemoryError) as error:
            raise ExportError(f"{name}: the build failed: {error}") from error
        if plan is None:
            targets = ", ".join(map(str, sm))
            raise ExportError(
                f"{name}: {self._flavour.name} {self._flavour.version} built no engine for SM "
                f"{targets}: {self._reasons() or 'it gave no reason'}{self._advice()}"
            )
        self._save_timing_cache(config)
        layers = count_layers(self._trt, network)
        return BuiltEngine(memoryview(plan), layers, found_precision(layers))

    def _parse(self, name: str, model: bytes) -> Any:
        """The typed network of an ONNX model."""
        network = self._builder.create_network(_strongly_typed(self._trt))
        parser = self._trt.OnnxParser(network, self._recorder)
        if not parser.parse(model):
            errors = [parser.get_error(i) for i in range(parser.num_errors)]
            reasons = "; ".join(_parser_reason(error) for error in errors[:REASONS])
            raise ExportError(
                f"{name}: the ONNX parser of {self._flavour.name} {self._flavour.version} "
                f"refuses it: {reasons or self._reasons()}"
            )
        return network

    def _configure(self, config: Any, sm: Sequence[int]) -> None:
        """Set what the options say."""
        trt, options = self._trt, self._options
        # TF32 keeps 10 bits of a float's 23: an FP32 engine would no longer agree with PyTorch.
        config.clear_flag(trt.BuilderFlag.TF32)
        if options.workspace_mb is not None:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
        if options.optimisation_level is not None:
            config.builder_optimization_level = options.optimisation_level
        if self._flavour.cross_targets:
            config.num_compute_capabilities = len(sm)
            for index, target in enumerate(sm):
                capability = trt.ComputeCapability.__members__[f"SM{target}"]
                if not config.set_compute_capability(capability, index):
                    raise ExportError(f"{self._flavour.name} refuses SM {target} as a target")
        if options.timing_cache is not None:
            self._attach_timing_cache(config, options.timing_cache)

    def _add_profile(
        self, name: str, network: Any, config: Any, index: int, profile: GraphProfile
    ) -> None:
        """Add one profile, with shapes, and values where an input decides shapes."""
        added = self._builder.create_optimization_profile()
        for tensor in _inputs(network):
            shapes = profile.shapes.get(tensor.name)
            values = profile.values.get(tensor.name)
            try:
                if tensor.is_shape_tensor and values is not None:
                    added.set_shape_input(tensor.name, *_sides(values))
                elif shapes is not None:
                    added.set_shape(tensor.name, *_sides(shapes))
            except (ValueError, TypeError, RuntimeError) as error:
                raise ExportError(
                    f"{name}: profile {index} of input {tensor.name!r} ({shapes or values}) is "
                    f"refused: {error}"
                ) from error
        if config.add_optimization_profile(added) < 0:
            ranges = ", ".join(f"{key} {value}" for key, value in profile.shapes.items())
            raise ExportError(
                f"{name}: {self._flavour.name} rejects profile {index} ({ranges}): "
                f"{self._reasons() or 'it gave no reason'}"
            )

    def _attach_timing_cache(self, config: Any, path: Path) -> None:
        """Let a build use measured kernel times; the library wants the cache to outlive it."""
        self._timing_cache = config.create_timing_cache(_read_bytes(path))
        cache = self._timing_cache
        # Times of another GPU would choose kernels that are slow or wrong on this one.
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            raise ExportError(
                f"timing cache {path} cannot be used: damaged, or of another GPU or TensorRT "
                f"version ({self._reasons() or 'it gave no reason'}); delete it or name another"
            )

    def _save_timing_cache(self, config: Any) -> None:
        """Write the extended timing cache, whole or not at all."""
        path = self._options.timing_cache
        if path is not None:
            write_whole(path, memoryview(config.get_timing_cache().serialize()))

    def _advice(self) -> str:
        """What to do about a build that ran out of memory."""
        memory = ("OutOfMemory", "within workspace limit")
        if not any(sign in text for text in self._recorder.messages for sign in memory):
            return ""
        limit = self._options.workspace_mb
        first = "" if limit is None else f"a workspace of more than {limit} MiB, or "
        return f"; give {first}smaller maximum shapes"

    def _reasons(self) -> str:
        """The library's own last error messages."""
        messages = self._recorder.messages
        # Without a GPU every error drags this one along.
        relevant = [text for text in messages if "catchCudaError" not in text] or messages
        return "; ".join(_flat(text) for text in relevant[-REASONS:])


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole or not at all.

    Raises:
        ExportError: the disk is full, or the folder cannot be written.
    """
    try:
        write_bytes(path, data)
    except OSError as error:
        raise ExportError(
            f"{path} ({len(data) / 1e6:.1f} MB) {error.strerror}; "
            "make room or choose another folder"
        ) from error


def _recorder(trt: Any) -> Any:
    """A logger of the library that keeps errors and passes the rest on to ``logging``."""

    class Recorder(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.messages: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.messages.append(msg)
            LOG.debug("%s", msg)

    return immortal(Recorder())


def _strongly_typed(trt: Any) -> int:
    """Creation flags of a network whose precision is the graph's: needed by 10, ignored by 11."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _inputs(network: Any) -> list[Any]:
    """The input tensors of a network."""
    return [network.get_input(i) for i in range(network.num_inputs)]


def _sides(shapes: ShapeRange) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    return shapes.minimum, shapes.optimum, shapes.maximum


def _check_dynamic(name: str, network: Any, profiles: Sequence[GraphProfile]) -> None:
    """Refuse a dynamic dimension without a range: it would silently become 1."""
    inputs = {tensor.name: tuple(tensor.shape) for tensor in _inputs(network)}
    for tensor, shape in inputs.items():
        missing = not profiles or any(tensor not in profile.shapes for profile in profiles)
        if -1 in shape and missing:
            raise ExportError(
                f"{name}: dimension {shape.index(-1)} of input {tensor!r} is dynamic and has no "
                "profile; give minimum, optimum and maximum"
            )
    for profile in profiles:
        for tensor, shapes in profile.shapes.items():
            if tensor not in inputs:
                raise ExportError(
                    f"{name}: the profile names input {tensor!r}, which the graph does not have "
                    f"(it has: {', '.join(inputs)})"
                )
            if not all(_fits(inputs[tensor], sides) for sides in _sides(shapes)):
                raise ExportError(
                    f"{name}: input {tensor!r} has shape {inputs[tensor]} (-1 is dynamic), its "
                    f"profile {shapes} does not fit that"
                )


def _fits(shape: Sequence[int], sides: Sequence[int]) -> bool:
    """Whether a shape agrees with one whose -1 stand for anything."""
    return len(shape) == len(sides) and all(
        fixed in (-1, side) for fixed, side in zip(shape, sides, strict=True)
    )


def _read_bytes(path: Path) -> bytes:
    """A timing cache that may not exist yet."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ExportError(f"timing cache {path} cannot be read: {error.strerror}") from error


def _parser_reason(error: Any) -> str:
    """What the parser says, with the operator, which its text often leaves out."""
    where = " ".join(part for part in (error.node_operator(), error.node_name()) if part)
    text = _flat(error.desc())
    if text in ("", "false"):
        text = error.code().name.lower().replace("_", " ")
    return f"operator {where}: {text}" if where else text


def _flat(text: str) -> str:
    """A message of the library without its place in the library's sources, on one line."""
    flat = " ".join(text.split())
    return re.sub(r"\s*\(?In \w+ at /\S+:\d+\)?", "", flat)
