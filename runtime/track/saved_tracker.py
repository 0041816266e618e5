"""A running tracker as a file: what cannot be computed again, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box, box_in_frame, check_elongation
from ..errors import InputError, first_line
from ..files import as_path, whole
from ..images import Image, as_bgr, decode_values
from ..json_values import object_of, parse_json
from ..kinds import Numeric
from ..limits import SAVED_BYTES
from ..saved_arrays import array_of, read_arrays, text_of_array
from ..value_range import ValueRange
from ..version import __version__
from .calm import Calm
from .follower import Follower
from .frame_stream import FrameStream, StreamView
from .glance import PixelGlance
from .options import TrackerOptions
from .plain_state import StatePacker, StateUnpacker
from .presence import Belief
from .redetect import WholeFrameSearch
from .spread_search import SpreadSearch
from .state_checks import check_attribute, check_stream
from .target import TargetModel

Array = NDArray[Any]

FORMAT: Numeric[int] = 4
"""Of saved trackers."""

SAVED: Mapping[type[Any], tuple[str, ...]] = {
    Follower: (
        "centre",
        "size",
        "angle",
        "aspect",
        "_move",
        "_sure",
        "_sure_angle",
        "_sure_aspect",
        "_settled",
        "_seen_for",
        "_fit",
        "_lost_for",
        "_doubted",
        "_score",
    ),
    Calm: ("_left", "_trends"),
    PixelGlance: ("kept",),
    TargetModel: (
        "recent",
        "_newer",
        "_recent_patches",
        "_newer_patches",
        "_older_patches",
        "_next_older_patches",
        "_reads_older",
        "_kept",
        "_since",
        "_unseen",
        "colours",
    ),
    Belief: ("state", "_odds"),
    WholeFrameSearch: ("_searches",),
    SpreadSearch: ("_waiting", "_turn", "_searched", "refused"),
    StreamView: ("size", "factors", "latest"),
    FrameStream: ("_size", "_samples"),
}
"""Attributes that are saved: what the frames so far have made of them."""

NAMED = {kind.__name__: names for kind, names in SAVED.items()}
"""The same by the names of the classes, as files have them."""

MADE_AGAIN: Mapping[type[Any], tuple[str, ...]] = {
    Follower: (
        "options",
        "model",
        "search",
        "_budget",
        "_spread",
        "_belief",
        "_calm",
        "_glance",
        "_seen",
        "repeated",
    ),
    Calm: ("_options",),
    PixelGlance: ("_likeness", "_margin"),
    TargetModel: (
        "encoder",
        "alpha",
        "options",
        "frame",
        "box",
        "flat",
        "side",
        "scale",
        "region_size",
        "centre",
        "coarse",
        "_compared",
        "_patches",
        "first_patches",
        "_network",
    ),
    Belief: ("_recipe",),
    WholeFrameSearch: ("model", "_grids"),
    SpreadSearch: ("_search", "_look"),
    StreamView: ("repeated", "_stream"),
    FrameStream: (),
}
"""Those that are not: they hold within one frame only, or follow from the first frame and the
options."""


@dataclass(frozen=True)
class SavedTracker:
    """What a file says of a tracker.

    Attributes:
        options: its own.
        frame: ``(H, W, 3)`` uint8 BGR, its first frame as its follower saw it.
        box: the object in it.
        value_range: in which frames that are not uint8 are shown.
        state: by class, what :data:`SAVED` names, packed.
        arrays: that belong to it.
    """

    options: TrackerOptions
    frame: Image
    box: Box
    value_range: ValueRange | None
    state: Mapping[str, Mapping[str, Any]]
    arrays: tuple[Array, ...]

    @classmethod
    def of(cls, follower: Follower, view: StreamView, values: ValueRange | None) -> SavedTracker:
        """Everything there is to keep of a tracker."""
        model = follower.model
        packer = StatePacker(_known(model))
        state = {
            type(part).__name__: {
                name: packer.pack(getattr(part, name)) for name in SAVED[type(part)]
            }
            for part in parts_of(follower, view)
        }
        arrays = tuple(packer.arrays)
        return cls(follower.options, model.frame, model.box, values, state, arrays)

    def restore(self, follower: Follower, view: StreamView) -> None:
        """Bring a follower that has just begun, and its view, to this state.

        Raises:
            ValueError, TypeError, KeyError, IndexError: the state is damaged.
        """
        model = follower.model
        unpacker = StateUnpacker(self.arrays, _known(model))
        coarse, fine = model.coarse, model.first_patches
        looks = {"recent": coarse, "_newer": coarse}
        looks |= {name: fine for name in SAVED[TargetModel] if name.endswith("_patches")}
        for part in parts_of(follower, view):
            kind = type(part).__name__
            for name, packed in self.state[kind].items():
                value = unpacker.unpack(packed)
                check_attribute(kind, name, value, looks)
                setattr(part, name, value)
        stream = vars(vars(view)["_stream"])
        check_stream(stream["_size"], stream["_samples"])

    def write(self, path: str | Path, model: str) -> Path:
        """Write it as ``.npz`` (no pickles), whole or not at all; returns the path.

        Args:
            path: the file.
            model: identifies the features.

        Raises:
            OSError: it cannot be written; the message names the path.
        """
        target = as_path(path, "saved tracker")
        _, picture = cv2.imencode(".png", self.frame)
        data: dict[str, Any] = {
            "tracker_format": FORMAT,
            "version": __version__,
            "model": model,
            "options": json.dumps(self.options.as_dict()),
            "first_frame": picture,
            "first_box": np.asarray(self.box, np.float64),
            "state": json.dumps(self.state, allow_nan=False),
        }
        if self.value_range is not None:
            data |= self.value_range.record()
        data |= {f"array{number}": array for number, array in enumerate(self.arrays)}
        with whole(target) as part, part.open("wb") as file:
            np.savez_compressed(file, **data)
        return target


def read_tracker(path: str | Path) -> tuple[SavedTracker, str]:
    """Read what :meth:`SavedTracker.write` wrote; also the model that it names.

    Raises:
        InputError: missing, damaged, something else, or of another version.
    """
    file = as_path(path, "saved tracker")
    try:
        data = read_arrays(file)
        state = {
            kind: object_of(names, kind)
            for kind, names in object_of(
                parse_json(text_of_array(data, "state"), SAVED_BYTES.value), "state"
            ).items()
        }
        number = int(array_of(data, "tracker_format", "iu", ()))
        written = number, text_of_array(data, "version")
        current = written[0] == FORMAT and _names(state) == _names(NAMED)
        saved = _saved(data, state) if current else None
        model = text_of_array(data, "model")
    except FileNotFoundError:
        raise InputError(
            f"saved tracker {path} does not exist; write one with Tracker.save"
        ) from None
    except Exception as error:
        raise unreadable(path, error) from error
    if saved is None:
        raise InputError(
            f"saved tracker {path} was written by version {written[1]} (format {written[0]}), this "
            f"is version {__version__} (format {FORMAT}); load it there, or begin again with init"
        )
    return saved, model


def unreadable(path: str | Path, error: Exception) -> InputError:
    """What to say of a file that is damaged, or beyond a limit."""
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return InputError(
        f"saved tracker {path} cannot be read ({kind}{first_line(error)}); save the tracker again "
        "with Tracker.save"
    )


def _saved(data: dict[str, Array], state: dict[str, dict[str, Any]]) -> SavedTracker:
    """What is in a file of this version."""
    count = sum(name.startswith("array") for name in data)
    frame = decode_values(array_of(data, "first_frame", "u", (None,)).tobytes())
    if frame is None or frame.dtype != np.uint8:
        raise ValueError("no picture")
    picture = as_bgr(frame, "first frame")
    sides = array_of(data, "first_box", "f", (4,)).tolist()
    box = box_in_frame(sides, picture.shape[1], picture.shape[0])
    check_elongation(box)
    return SavedTracker(
        TrackerOptions.from_dict(object_of(parse_json(text_of_array(data, "options")), "options")),
        picture,
        box,
        ValueRange.recorded(data),
        state,
        tuple(data[f"array{number}"] for number in range(count)),
    )


def _names(state: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The names of what is kept, in one order."""
    return {kind: sorted(names) for kind, names in state.items()}


def parts_of(follower: Follower, view: StreamView) -> tuple[Any, ...]:
    """The objects that a tracker's state is spread over, each of another class."""
    inner = vars(follower)
    return (
        follower,
        follower.model,
        inner["_belief"],
        inner["_calm"],
        inner["_glance"],
        follower.search,
        inner["_spread"],
        view,
        vars(view)["_stream"],
    )


def _known(model: TargetModel) -> dict[str, Any]:
    """What a state may share with the first look, which is made again."""
    return {"first look": model.coarse, "its patches": model.first_patches}
