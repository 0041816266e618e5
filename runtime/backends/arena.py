"""When memory that one large input took is given back.

ONNX Runtime keeps what a run took in its arena, for the next one: a graph that ran once on a 4K
frame would hold hundreds of megabytes as long as it is open. A run that has to take them anew lasts
half as long again, so they are given back only when large inputs have stopped.
"""

from __future__ import annotations

from threading import Lock

from ..kinds import Numeric

SMALLER: Numeric[int] = 4
"""An input is small if it has less than one in so many of the largest one's bytes."""

LULL: Numeric[int] = 50
"""So many small inputs in a row: a second or two of video."""


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
            if size * SMALLER >= self._largest:
                self._largest = max(self._largest, size)
                self._recent = self._small_runs = 0
                return False
            self._recent = max(self._recent, size)
            self._small_runs += 1
            if self._small_runs < LULL:
                return False
            self._largest, self._recent, self._small_runs = self._recent, 0, 0
            return True
