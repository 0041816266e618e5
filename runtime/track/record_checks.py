"""What a record of a track may hold: only what a line can say, and is read again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arguments import as_called, as_count, as_float, as_number, as_switch, is_name
from ..boxes import MAX_VALUE, as_box, as_four
from ..errors import InputError, seen
from .presence import HALF_TURN, LOST, TRACKING, UNCERTAIN

STATES = (TRACKING, UNCERTAIN, LOST)


def check_record(record: Any, least_id: int = 0, *, any_score: bool = False) -> None:
    """Refuse a record that could not be read again.

    MOTChallenge has detections of no object, and scores of any size.

    Args:
        record: a :class:`~.records.TrackRecord`.
        least_id: that the format has.
        any_score: a score may be any finite number.

    Raises:
        InputError: something in it is out of range, or no number; names the field.
    """
    _check_count(record.frame, "frame", 0)
    if record.id is not None:
        _check_count(record.id, "id", least_id)
    for name, number, least, most in (
        ("time", record.time, -math.inf, math.inf),
        ("angle", record.angle, -HALF_TURN, HALF_TURN),
        ("scale", record.scale, 0.0, MAX_VALUE),
    ):
        if number is not None:
            _check_number(number, name, least, most)
    as_box(record.box)
    if not (0 <= as_number(record.score, "score") <= 1 or any_score):
        raise InputError(f"score is {record.score}; give 0 to 1")
    if not is_name(record.state, STATES):
        raise InputError(f"state is {seen(record.state)}; give one of {', '.join(STATES)}")
    as_called(record.name)
    as_switch(record.calibrated, "calibrated")
    _check_corners(record.corners)


def check_drawn(track: Any) -> None:
    """Refuse a track that cannot be drawn: one that was made by hand may hold anything.

    Args:
        track: a :class:`~.presence.Track`.

    Raises:
        InputError: its box, score, state or name is none; names the field.
    """
    as_four(track.box, "the box of a track")
    if as_float(track.score) is None:
        raise InputError(f"the score of a track is {seen(track.score)}; give 0 to 1")
    if not is_name(track.state, STATES):
        raise InputError(f"the state of a track is {seen(track.state)}; give {', '.join(STATES)}")
    if not isinstance(track.name, str):
        raise InputError(f"the name of a track is {seen(track.name)}; give text")


def _check_corners(listed: Any) -> None:
    """Refuse corners that could not be read again; there may be none.

    Raises:
        InputError: they are not four points.
    """
    if listed is not None:
        corners = np.asarray(listed, dtype=object)
        if corners.shape != (4, 2):
            raise InputError(f"corners are {seen(listed)}; give four of x and y")
        for number in corners.ravel():
            _check_number(number, "a corner", -MAX_VALUE, MAX_VALUE)


def _check_count(value: Any, name: str, least: int) -> None:
    """Refuse what is no whole number, or is not read again.

    Raises:
        InputError: it is.
    """
    if (number := as_count(value, name)) < least:
        raise InputError(f"{name} is {number}; give {least} or more")


def _check_number(value: Any, name: str, least: float, most: float) -> None:
    """Refuse what is no finite number, or is not read again.

    Raises:
        InputError: it is.
    """
    number = as_number(value, name)
    if not least <= number <= most:
        raise InputError(f"{name} is {number:g}; give {least:g} to {most:g}")
