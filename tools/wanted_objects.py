"""The objects that a command looks for: pictures of them alone, or boxes in a frame; and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.boxes import Box
from ..runtime.errors import InputError
from ..runtime.images import Image, as_bgr, read_image, read_values
from ..runtime.value_range import ValueRange
from .drawing.draw import cut
from .inputs import parse_named_box, written_out

MASK_LEVEL = 127


@dataclass(frozen=True)
class WantedObject:
    """An object to look for: a picture of it, or a frame with a box; and an optional mask.

    Attributes:
        name: what answers call it; no two objects of a call have the same.
        file: of the picture or the frame.
        pixels: in the type of their file.
        box: ``(x, y, w, h)`` in the frame; ``None`` for a picture of the object alone.
        mask: ``(H, W)``, true on the object.
    """

    name: str
    file: Path
    pixels: NDArray[Any]
    box: Box | None
    mask: NDArray[np.bool_] | None

    def picture(self, values: ValueRange | None) -> Image:
        """The object alone, with what the mask leaves out darkened."""
        crop = as_bgr(self.pixels, value_range=values).copy()
        if self.mask is not None and self.mask.shape == crop.shape[:2]:
            crop[~self.mask] //= 4
        return crop if self.box is None else cut(crop, self.box)


def read_objects(
    templates: Sequence[Path], frame: Path | None, boxes: Sequence[str], masks: Sequence[Path]
) -> list[WantedObject]:
    """Read the objects to look for.

    Args:
        templates: pictures of objects alone.
        frame: a picture that shows objects in their surroundings.
        boxes: where they are in it: ``X,Y,W,H`` or ``NAME=X,Y,W,H``.
        masks: none, one for all objects, or one for each in their order.

    Raises:
        InputError: the options do not go together, or one of them cannot be used.
    """
    if bool(templates) == (frame is not None):
        raise InputError(
            "show the object either with --template FILE, or with --frame FILE and --box X,Y,W,H"
        )
    if templates and boxes:
        raise InputError("--box marks the object in a --frame; --template is the object alone")
    if frame is not None and not boxes:
        raise InputError(
            "--frame needs --box X,Y,W,H: where the object is in it; or --select, to draw it"
        )
    marked = [parse_named_box(text) for text in boxes]
    count = len(marked) or len(templates)
    if len(masks) not in (0, 1, count):
        raise InputError(
            f"{len(masks)} times --mask for {count} objects; give one for all, or one for each in "
            "their order"
        )
    seen = [read_image(mask).max(axis=2) > MASK_LEVEL for mask in masks]
    of_each = seen * count if len(seen) == 1 else seen or [None] * count
    if frame is None:
        names = unique_names([None] * count, [file.stem for file in templates])
        return [
            WantedObject(name, file, read_values(file), None, mask)
            for name, file, mask in zip(names, templates, of_each, strict=True)
        ]
    names = unique_names([name for name, _ in marked], [frame.stem] * count)
    pixels = read_values(frame)
    return [
        WantedObject(name, frame, pixels, box, mask)
        for name, (_, box), mask in zip(names, marked, of_each, strict=True)
    ]


def unique_names(given: Sequence[str | None], stems: Sequence[str]) -> list[str]:
    """Names that differ: those given, and stems, numbered from the second of their kind on.

    Args:
        given: names that the user chose, ``None`` where none was.
        stems: what the others are called.

    Raises:
        InputError: the same name was chosen twice.
    """
    taken: set[str] = set()
    for name in given:
        if name in taken:
            raise InputError(f"two --box are named {name!r}; give each object its own name")
        if name is not None:
            taken.add(name)
    names: list[str] = []
    for name, stem in zip(given, map(written_out, stems), strict=True):
        free, number = stem, 1
        while name is None and free in taken:
            number += 1
            free = f"{stem}-{number}"
        names.append(free if name is None else name)
        taken.add(names[-1])
    return names
