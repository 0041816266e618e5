"""ONNX Runtime, the only module that imports it: sessions that run where they were asked to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.folder import Bundle
from ..errors import BundleError, DeviceError

Array = NDArray[Any]

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""The provider behind each device this module serves."""

OPTIONS: dict[str, dict[str, str]] = {"cpu": {}, "cuda": {"use_tf32": "0"}}
"""Options of each device's provider: CUDA's would convolve FP32 with the 10 bits of TF32."""

INSTALL = {"cpu": 'pip install "qatm[cpu]"', "cuda": 'pip install "qatm[gpu]"'}
FATAL = 4
"""ONNX Runtime's quietest log level: what matters comes back as an exception or a check here."""


def _import_onnxruntime(device: str) -> Any:
    """Import ONNX Runtime or say how to get it."""
    try:
        import onnxruntime
    except ImportError:
        raise DeviceError(
            f"device {device!r} needs ONNX Runtime, which is not installed: {INSTALL[device]}"
        ) from None
    return onnxruntime


class OnnxSession:
    """One graph on one device.

    Args:
        path: the ONNX file.
        device: ``cpu`` or ``cuda``.
        threads: CPU threads inside an operator; ``None`` lets ONNX Runtime choose.
        fold_weights: turn weights stored in eight bits to floats once, when the file is loaded;
            a graph that computes in INT8 would then compute in floats.

    Raises:
        DeviceError: ONNX Runtime or its provider is missing, or it fell back to another one.
        BundleError: ONNX Runtime cannot load the file.
    """

    def __init__(
        self, path: Path, device: str, threads: int | None = None, *, fold_weights: bool = False
    ) -> None:
        ort = _import_onnxruntime(device)
        wanted = PROVIDERS[device]
        if wanted not in ort.get_available_providers():
            raise DeviceError(
                f"device {device!r} needs {wanted}, which the installed ONNX Runtime "
                f"{ort.__version__} lacks: {INSTALL[device]}"
            )
        options = ort.SessionOptions()
        options.log_severity_level = FATAL
        # A memory pattern is planned for one shape and kept beside the arena; sizes differ here.
        options.enable_mem_pattern = False
        # Threads that spin between runs starve the ones numpy and OpenCV use.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if fold_weights:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            # Without its fallback ONNX Runtime raises instead of printing and taking the CPU.
            self._session = ort.InferenceSession(
                str(path), options, providers=[(wanted, OPTIONS[device])], enable_fallback=0
            )
        except Exception as error:
            if device != "cpu":
                raise DeviceError(
                    f"device {device!r} does not work with {path.name}: {_first_line(error)}"
                ) from error
            raise BundleError(f"ONNX Runtime cannot load {path}: {_first_line(error)}") from error
        self.provider = self._session.get_providers()[0]
        if self.provider != wanted:
            raise DeviceError(
                f"device {device!r} was asked for, but ONNX Runtime fell back to {self.provider}: "
                "no usable GPU, or its CUDA and cuDNN libraries are missing"
            )

    def run(self, inputs: dict[str, Array], outputs: list[str]) -> list[Array]:
        """Run the graph: named arrays in, the named outputs out, in their order."""
        return self._session.run(outputs, inputs)


class OnnxBackend:
    """The two graphs of a bundle on ONNX Runtime.

    Attributes:
        device: ``cpu`` or ``cuda``.
        provider: ONNX Runtime's execution provider really in use.
        precision: of the features graph.
    """

    def __init__(
        self, bundle: Bundle, device: str, precision: str, threads: int | None = None
    ) -> None:
        self.device = device
        self.precision = precision
        features = bundle.file("features", precision)
        self._features = OnnxSession(
            features, device, threads, fold_weights=not precision.startswith("int8")
        )
        self._match = OnnxSession(bundle.file("match", "fp32"), device, threads)
        self.provider = self._features.provider

    def features(self, image: Array) -> tuple[Array, Array]:
        """Encode one image.

        Args:
            image: ``(H, W, 3)`` uint8 BGR, sides multiples of the bundle's ``align``.

        Returns:
            ``(C, H/s, W/s)`` float32 and its 2x2 means ``(C, H/2s, W/2s)``.
        """
        fine, coarse = self._features.run({"image": image[None]}, ["features", "coarse"])
        return fine[0], coarse[0]

    def quality(self, rows: Array, target: Array, search: Array) -> Array:
        """Quality map ``(H, W)`` of rows ``(M, C)``, flags ``(M,)`` and a map ``(C, H, W)``."""
        window = np.ones(2, np.int64)
        inputs = {"template": rows, "target": target, "search": search, "window": window}
        return self._match.run(inputs, ["quality"])[0]

    def takes_image(self, height: int, width: int) -> bool:  # noqa: ARG002
        """Always: the graphs have no bounds."""
        return True

    def takes_match(self, rows: int, height: int, width: int) -> bool:  # noqa: ARG002
        """Always: the graphs have no bounds."""
        return True

    def close(self) -> None:
        """Release the sessions."""
        del self._features, self._match


def _first_line(error: Exception) -> str:
    """The first line of an exception's text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
