"""Live sources: a thread reads all the time and keeps nothing but the newest frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ..kinds import Bound

Item = TypeVar("Item")

WAKE_S: Bound[float] = 0.5
PATIENCE_S: Bound[float] = 1.0


class Newest(Generic[Item]):
    """The newest item of an iterator that is read in a thread; what nobody asked for is dropped.

    The end of the iterator, or the error it raises, comes after its last item. The thread is a
    daemon: one that hangs in a driver keeps neither the program nor :meth:`close` waiting.

    Args:
        items: read in the thread only.
        release: called in the thread after the last item, however it ends.
        due: seconds after the start at which an item may be given out, for sources that could be
            read faster than they happen; ``None``: as soon as it is read.
    """

    def __init__(
        self,
        items: Iterator[Item],
        release: Callable[[], None],
        due: Callable[[Item], float] | None = None,
    ) -> None:
        self._state = _State[Item]()
        thread = threading.Thread(
            target=_read_all, args=(self._state, items, release, due), name="qatm-live", daemon=True
        )
        self._thread = thread
        thread.start()

    @property
    def dropped(self) -> int:
        """How many items were replaced by newer ones before anybody asked for them."""
        return self._state.dropped

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        """Wait for an item that was not given out yet."""
        state = self._state
        with state.changed:
            while not state.slot and not state.ended:
                # Without a limit Ctrl-C would not get through on Windows.
                state.changed.wait(WAKE_S)
            if state.slot:
                return state.slot.pop()
            error, state.error = state.error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and wait a moment for it."""
        self._state.stop.set()
        self._thread.join(PATIENCE_S)

    def __del__(self) -> None:
        state = getattr(self, "_state", None)
        if state is not None:
            state.stop.set()


class _State(Generic[Item]):
    """What the thread and the one who asks share; the thread must not hold on to the latter."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.stop = threading.Event()
        self.slot: list[Item] = []
        self.ended = False
        self.error: Exception | None = None
        self.dropped = 0


def _read_all(
    state: _State[Item],
    items: Iterator[Item],
    release: Callable[[], None],
    due: Callable[[Item], float] | None,
) -> None:
    """The thread: put every item into the slot, over the one that is there."""
    start = time.monotonic()
    error = None
    try:
        for item in items:
            if due is not None:
                wait = start + due(item) - time.monotonic()
                # A time may be further away than the system can wait for.
                state.stop.wait(min(max(0.0, wait), threading.TIMEOUT_MAX))
            if state.stop.is_set():
                break
            with state.changed:
                state.dropped += len(state.slot)
                state.slot[:] = [item]
                state.changed.notify_all()
    except Exception as problem:  # handed over to the one who asks
        error = problem
    try:
        release()
    finally:
        with state.changed:
            state.error, state.ended = error, True
            state.changed.notify_all()
