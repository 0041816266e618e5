"""Calibration data and activation ranges for INT8."""
