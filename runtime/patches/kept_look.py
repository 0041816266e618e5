"""How an object looked, kept as a picture, so that one task can hand it to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ..boxes import Box
from ..images import Image
from ..value_range import ValueRange

Array = NDArray[Any]


class KeptView(Protocol):
    """A picture of an object, with what surrounds it.

    Attributes:
        image: ``(h, w, 3)`` uint8 BGR.
        box: the object, in its pixels.
        zoom: its pixels per pixel of the frame that it was cut from.
        mask: ``(h, w)`` bool, true on the object, or ``None``.
    """

    @property
    def image(self) -> Image: ...  # noqa: D102
    @property
    def box(self) -> Box: ...  # noqa: D102
    @property
    def zoom(self) -> float: ...  # noqa: D102
    @property
    def mask(self) -> Array | None: ...  # noqa: D102


class KeptTemplate(Protocol):
    """What knows how an object looked: a template, or what a tracker hands over.

    Attributes:
        model: identifies the features that it was made for.
        view: its picture, ``None`` if it was not kept.
        value_range: between which values its frame was shown; ``None`` for a uint8 frame.
    """

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def view(self) -> KeptView | None: ...  # noqa: D102
    @property
    def value_range(self) -> ValueRange | None: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class ObjectView:
    """A :class:`KeptView`; the attributes are its own."""

    image: Image
    box: Box
    zoom: float = 1.0
    mask: Array | None = None


@dataclass(frozen=True, eq=False)
class ObjectLook:
    """A :class:`KeptTemplate`; the attributes are its own."""

    model: str
    view: ObjectView
    value_range: ValueRange | None = None
    name: str = ""
