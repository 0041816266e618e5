"""What graphs are doing: runs that take too long are ended, and forks wait for the others.

A graph of a strange bundle must not hang a process. Inference libraries stop between two operators
when they are told to, so that what is ended has taken a little longer than it may. And a child
that is forked while a library works in another thread inherits its locks as they are, locked by a
thread that the child does not have: the first session that it opens would wait for ever.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread, get_ident

from ..errors import DeviceError
from ..forking import ForkWatch
from ..kinds import Numeric
from ..limits import RUN_SECONDS

PERIOD: Numeric[float] = 1.0
"""Seconds between two looks at what is running."""

NAP: Numeric[float] = 0.001
"""Seconds between two looks of a fork."""

PATIENCE: Numeric[float] = 5.0
"""Seconds that a fork waits for the lock, which is held for microseconds: whoever forks in a
handler of a signal may hold it himself."""


@dataclass
class Busy:
    """What a library does in a thread.

    Attributes:
        thread: in which.
        deadline: reading of ``time.monotonic()`` at which it is ended.
        stop: ends it; called from another thread.
        ended: whether it was.
    """

    thread: int
    deadline: float = math.inf
    stop: Callable[[], object] | None = None
    ended: bool = False


class RunWatch:
    """Knows what libraries are doing, ends what takes too long, and makes forks wait.

    Its thread is there while graphs run, and for a second or two after that.
    """

    def __init__(self) -> None:
        self._work: dict[int, Busy] = {}
        self._begun = 0
        self._watching = False
        self._lock, self._stopping = Lock(), Lock()
        self._held = False
        ForkWatch.add(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._wait_for_others, after_in_parent=self._go_on)

    def forked(self) -> None:
        """In a child process: the thread is not there, and nothing is running."""
        self._lock, self._stopping = Lock(), Lock()
        self._work, self._watching, self._held = {}, False, False

    @contextmanager
    def over(self, path: Path, stop: Callable[[], object]) -> Iterator[None]:
        """Watch over a run of a graph.

        Args:
            path: of the graph, for messages.
            stop: ends the run; called from another thread, and only while it runs.

        Raises:
            DeviceError: it took longer than :data:`~..limits.RUN_SECONDS` and was ended.
            InputError: the variable of that limit is no number.
        """
        seconds = RUN_SECONDS.value
        run = Busy(get_ident(), time.monotonic() + seconds, stop)
        number = self._begin(run)
        failure = None
        try:
            yield
        except Exception as error:
            failure = error
        finally:
            self._end(number)
        if run.ended:
            raise DeviceError(
                f"{path} was ended after {seconds:,} s; give smaller images, or set "
                f"{RUN_SECONDS.variable} if the device needs more"
            ) from failure
        if failure is not None:
            raise failure

    @contextmanager
    def opening(self) -> Iterator[None]:
        """No process is forked while a library opens a graph, which takes as long as it takes."""
        number = self._begin(Busy(get_ident()))
        try:
            yield
        finally:
            self._end(number)

    def _begin(self, work: Busy) -> int:
        """Keep what a library begins to do; its number."""
        with self._lock:
            self._begun += 1
            self._work[self._begun] = work
            if work.stop is not None and not self._watching:
                # None can be started while Python ends, or where the system has no more of them.
                with suppress(RuntimeError):
                    Thread(target=self._watch, name="qatm-run-watch", daemon=True).start()
                    self._watching = True
            return self._begun

    def _end(self, number: int) -> None:
        """It is done, and is not stopped any more: that would hit what comes next."""
        with self._stopping:
            self._work.pop(number, None)

    def _watch(self) -> None:
        """What the thread does: until nothing has begun since it last looked."""
        seen = -1
        while True:
            now = time.monotonic()
            with self._lock:
                if not self._work and self._begun == seen:
                    self._watching = False
                    return
                seen = self._begun
            with self._stopping:
                for run in list(self._work.values()):
                    if now >= run.deadline and not run.ended and run.stop is not None:
                        run.ended = True
                        run.stop()
            time.sleep(PERIOD)

    def _wait_for_others(self) -> None:
        """Before a fork: let nothing begin, and what other threads do end."""
        self._held = self._lock.acquire(timeout=PATIENCE)
        own = get_ident()
        while any(work.thread != own for work in list(self._work.values())):
            time.sleep(NAP)

    def _go_on(self) -> None:
        """After a fork, in the parent."""
        if self._held:
            self._held = False
            self._lock.release()


RUN_WATCH = RunWatch()
"""That of the process."""
