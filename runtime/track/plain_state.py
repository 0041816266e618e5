"""Values of a running tracker as JSON and arrays, and back: exact, and without pickles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..patches.grid import PatchGrid
from ..patches.region import Region
from .colours import ObjectColours
from .frame_stream import Sample
from .glance import KeptPixels
from .presence import Track
from .spread_search import LikelyPlace
from .target import Evidence, Sighting

Array = NDArray[Any]

RECORDS: tuple[type[Any], ...] = (
    Box,
    Evidence,
    KeptPixels,
    LikelyPlace,
    ObjectColours,
    PatchGrid,
    Region,
    Sample,
    Sighting,
    Track,
)
"""Tuples with names and dataclasses that a state may hold."""

BARE = (bool, int, float, str)

Packed = None | bool | int | float | str | dict[str, Any]
"""What JSON takes: a value as it is, or what it is made of under the name of its kind."""


class StatePacker:
    """Turns values into what JSON takes, and puts arrays aside.

    Args:
        known: values that whoever reads has already, by name: they are named instead.

    Attributes:
        arrays: those put aside, in their order.
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.arrays: list[Array] = []
        self._known = {id(value): name for name, value in known.items()}

    def pack(self, value: Any) -> Packed:
        """A value as JSON takes it.

        Raises:
            TypeError: it is, or holds, something that no state should.
        """
        if id(value) in self._known:
            return {"known": self._known[id(value)]}
        if value is None or type(value) in BARE:
            return value
        if type(value) is np.ndarray:
            self.arrays.append(value)
            return {"array": len(self.arrays) - 1}
        kind, parts = self._made_of(value)
        return {kind: parts}

    def _made_of(self, value: Any) -> tuple[str, list[Any]]:
        """The kind of a value, and what it is made of."""
        kind = type(value)
        parts: list[Any]
        if kind in RECORDS:
            parts = [self.pack(part) for part in _parts(value)]
        elif isinstance(value, np.generic):
            return "scalar", [value.dtype.str, value.item()]
        elif kind is slice:
            parts = [value.start, value.stop, value.step]
        elif kind is dict:
            parts = [[self.pack(key), self.pack(each)] for key, each in value.items()]
        elif kind is deque:
            parts = [value.maxlen, *(self.pack(each) for each in value)]
        elif kind in (tuple, list):
            parts = [self.pack(each) for each in value]
        else:
            raise TypeError(f"{kind.__name__} is no part of a state that can be saved")
        return kind.__name__, parts


class StateUnpacker:
    """Turns back what :class:`StatePacker` made.

    Args:
        arrays: what was put aside.
        known: the values that were named.
    """

    def __init__(self, arrays: Sequence[Array], known: Mapping[str, Any]) -> None:
        self._arrays = arrays
        self._known = known

    def unpack(self, packed: Any) -> Any:
        """The value that was packed.

        Raises:
            ValueError, TypeError, KeyError, IndexError: it was not.
        """
        if packed is None or type(packed) in BARE:
            return packed
        ((kind, parts),) = packed.items()
        makers: dict[str, Callable[[Any], Any]] = {
            "known": self._known.__getitem__,
            "array": self._arrays.__getitem__,
            "scalar": lambda parts: np.dtype(parts[0]).type(parts[1]),
            "slice": lambda parts: slice(*parts),
            "dict": lambda parts: {self.unpack(key): self.unpack(each) for key, each in parts},
            "deque": lambda parts: deque(map(self.unpack, parts[1:]), parts[0]),
            "tuple": lambda parts: tuple(map(self.unpack, parts)),
            "list": lambda parts: list(map(self.unpack, parts)),
        }
        if kind in makers:
            return makers[kind](parts)
        records = {record.__name__: record for record in RECORDS}
        return records[kind](*map(self.unpack, parts))


def _parts(record: Any) -> Sequence[Any]:
    """The values that a record is made of, in the order in which its constructor takes them."""
    if is_dataclass(record):
        return [getattr(record, entry.name) for entry in fields(record)]
    return tuple(record)
