"""The memory in which ONNX Runtime computes: one arena for all graphs, and when it is given back.

ONNX Runtime keeps what a run took in an arena, for the next one. By itself it makes one for each
graph, though they run one after the other; here all graphs of a process share one, so that the
matching graph computes where the features graph has just done.

A graph that ran once on a 4K frame would hold hundreds of megabytes as long as it is open. A run
that has to take them anew lasts half as long again, so they are given back only when large inputs
have stopped, and when a backend is closed.
"""

from __future__ import annotations

import sys
from threading import Lock
from typing import Any

from ..kinds import Numeric
from ..limits import GRAPH_BYTES

SMALLER: Numeric[int] = 4
"""An input is small if it has less than one in so many of the largest one's bytes."""

WORTH: Numeric[int] = 4 << 20
"""Bytes of inputs from which what a run took is worth giving back: who gives back a little again
and again scatters memory and saves none."""

LULL: Numeric[int] = 50
"""So many small inputs in a row: a second or two of video."""

LEAST_MEMORY: Numeric[int] = 4096
"""Bytes below which ONNX Runtime takes a limit for none."""

HAS_ARENA = sys.maxsize > 1 << 32
"""ONNX Runtime has none in a process of 32 bits, and refuses to run where one is to be shrunk."""

AS_REQUESTED: Numeric[int] = 1
"""The arena grows by what is asked for, not to the next power of two."""


def share_arena(ort: Any) -> bool:
    """Make the process's arena, if it is not there yet; whether there is one.

    Sessions of others do not use it unless they ask for it.

    Args:
        ort: the module ``onnxruntime``.
    """
    if not HAS_ARENA:
        return False
    kind = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = ort.OrtMemoryInfo("Cpu", kind, 0, ort.OrtMemType.DEFAULT)
    most = max(GRAPH_BYTES.value, LEAST_MEMORY)
    limits = {"arena_extend_strategy": AS_REQUESTED, "max_mem": most}
    settings = ort.OrtArenaCfg(limits)
    try:
        # Where one is registered already, that one stays.
        ort.create_and_register_allocator(memory, settings)
    except RuntimeError:
        return False
    return True


class ArenaLull:
    """Watches the inputs of one graph. Several threads may do so at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._largest = 0
        self._recent = 0
        self._small_runs = 0

    def ends_with(self, size: int) -> bool:
        """Count a run; whether what earlier runs took should be given back after it.

        Args:
            size: bytes of its inputs.
        """
        with self._lock:
            if size * SMALLER >= self._largest or self._largest < WORTH:
                self._largest = max(self._largest, size)
                self._recent = self._small_runs = 0
                return False
            self._recent = max(self._recent, size)
            self._small_runs += 1
            if self._small_runs < LULL:
                return False
            self._largest, self._recent, self._small_runs = self._recent, 0, 0
            return True
