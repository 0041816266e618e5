"""The methods of the field, one file each, behind one interface."""

from __future__ import annotations

from .base import Found, Method, MethodOptions
from .registry import METHODS, MethodInfo, methods_using, open_method

__all__ = [
    "METHODS",
    "Found",
    "Method",
    "MethodInfo",
    "MethodOptions",
    "methods_using",
    "open_method",
]
