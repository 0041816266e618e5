"""What becomes of an inference library's objects in a child process made by ``fork``.

A child has none of its parent's threads, and a session of ONNX Runtime that is destroyed there
waits for them, or crashes. So whatever holds such objects is told in the child: it keeps what it
inherited for ever, untouched, and opens its own when it needs some.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any, ClassVar, Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Holds objects that do not survive a fork."""

    def forked(self) -> None:
        """The process is a child now, with one thread; nothing inherited may be used."""
        ...


class ForkWatch:
    """Knows who is to be told; Python itself can be asked once only, and never to stop."""

    _holders: ClassVar[WeakSet[Any]] = WeakSet()
    _asked: ClassVar[bool] = False

    @classmethod
    def add(cls, holder: Forked) -> None:
        """Tell a holder in every child, as long as it exists."""
        cls._holders.add(holder)
        if not cls._asked and hasattr(os, "register_at_fork"):
            cls._asked = True
            os.register_at_fork(after_in_child=cls._tell)

    @classmethod
    def _tell(cls) -> None:
        """A child begins."""
        for holder in list(cls._holders):
            holder.forked()


def keep_for_ever(inherited: object) -> None:
    """Take care that an object is never destroyed, not even when the process ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))
