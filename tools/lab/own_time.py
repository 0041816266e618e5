"""How long a process had for itself, without the time for which others had its processor.

What is done "for half a second", or "has no end after a minute", would otherwise depend on what
else a busy machine does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

NANOSECONDS = 1e9

SHORTEST_S = 0.002
"""For which is waited at least before the clock is looked at again."""


def waited_s(process: int) -> float:
    """Seconds for which the main thread of a process was ready to run and had no processor.

    By the kernel's account; 0 where there is none, or no such process any more.
    """
    try:
        words = Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return int(words[1]) / NANOSECONDS


class OwnTime:
    """A clock that stands still while a process waits for a processor.

    Args:
        process: its number.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._waited = waited_s(process)
        self._waited_since = 0.0
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """That the process had since this clock was made, asleep or not."""
        elapsed = time.perf_counter() - self._began
        # Of a process that has ended nobody knows any more for how long it waited.
        self._waited_since = max(self._waited_since, waited_s(self._process) - self._waited)
        return elapsed - self._waited_since

    def until(self, seconds: float, wait: Callable[[float], bool]) -> bool:
        """Wait until something has happened, or the process had so many seconds.

        Args:
            seconds: that it may have.
            wait: waits for so many seconds of the wall clock at most; whether it has happened.

        Returns:
            Whether it has happened.
        """
        while (left := seconds - self.seconds) > 0:
            if wait(max(left, SHORTEST_S)):
                return True
        return wait(0.0)
