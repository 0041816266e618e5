"""What ONNX Runtime's CUDA provider is told, and the libraries that it needs."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
"""Options of CUDA's provider. An exhaustive search takes three times as long for each new shape."""


def load_cuda_libraries(ort: Any) -> None:
    """Load CUDA and cuDNN from NVIDIA's wheels, where the CUDA provider itself does not look.

    Libraries that are missing are no error yet: the system may have them elsewhere.

    Args:
        ort: the module ``onnxruntime``; before its version 1.21 nothing is loaded.
    """
    preload = getattr(ort, "preload_dlls", None)
    if preload is not None:
        # It prints what it does not find; the provider's own error says that too.
        with redirect_stdout(io.StringIO()):
            preload()


def provider_options(device: str, *, half: bool) -> dict[str, str]:
    """What a device's provider is told."""
    if device == "cpu":
        return {}
    # FP32 would be convolved with the 10 bits of TF32. FP16 has no more, and the same option would
    # keep it from the tensor cores.
    return {"use_tf32": str(int(half)), **CUDA_OPTIONS}
