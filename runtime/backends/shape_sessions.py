"""Sessions of ONNX Runtime that each keep what was planned for one shape of their inputs.

On CUDA every convolution is planned anew whenever the shape of its input is another one than in the
session's run before: some milliseconds for each convolution, more than all of them take to run. A
matcher runs whole images and parts of them in turn, so that it would plan in every run.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from ..errors import first_line
from ..forking import keep_for_ever
from ..kinds import Bound

LOG = logging.getLogger(__name__)

SHAPES_HELD: Bound[int] = 8
"""A matcher with six templates runs six shapes in turn, a tracker that searches four."""

Shapes = tuple[tuple[int, ...], ...]


class ShapeSessions:
    """Sessions of one graph, each for the shape that it ran last.

    Several threads may use it at once. With more shapes than sessions, the one used longest ago
    takes the next shape, and plans anew; so it does where no other can be opened.

    Args:
        open_session: opens one more; called once at the start.
        most: how many there may be; one serves all shapes.

    Raises: what ``open_session`` raises.
    """

    def __init__(self, open_session: Callable[[], Any], most: int = 1) -> None:
        self._open = open_session
        self._most = most
        self._lock = Lock()
        self._fresh: Any = open_session()
        self._by_shape: OrderedDict[Shapes, Any] = OrderedDict()

    @property
    def first(self) -> Any:
        """Any of the sessions, for what does not depend on shapes."""
        with self._lock:
            return next(iter(self._by_shape.values())) if self._fresh is None else self._fresh

    def for_inputs(self, inputs: Mapping[str, NDArray[Any]]) -> Any:
        """The session for inputs of these shapes."""
        shapes = tuple(array.shape for array in inputs.values())
        with self._lock:
            found = self._by_shape.pop(shapes, None)
            if found is None:
                found = self._next()
            self._by_shape[shapes] = found
        return found

    def keep_for_ever(self) -> None:
        """Take care that no session is ever destroyed."""
        for session in (self._fresh, *self._by_shape.values()):
            keep_for_ever(session)

    def _next(self) -> Any:
        """A session for a new shape: unused, opened, or the one used longest ago."""
        if self._fresh is not None:
            fresh, self._fresh = self._fresh, None
            return fresh
        if len(self._by_shape) < self._most:
            try:
                return self._open()
            except Exception as error:
                # The memory of the device may be full; those that are there can serve all shapes.
                LOG.info("no more than %d sessions: %s", len(self._by_shape), first_line(error))
                self._most = len(self._by_shape)
        return self._by_shape.popitem(last=False)[1]
