"""Calibration data, activation ranges and explicit INT8 for the features graph.

Importing this package loads neither onnx nor onnxruntime.
"""

from __future__ import annotations

from .calibration import CalibrationOptions, LayerSensitivity, Quantisation

__all__ = ["CalibrationOptions", "LayerSensitivity", "Quantisation"]
