"""Matches and tracks for other programs: rows of tables, and detections of ``supervision``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .answers import NOT_PLAIN, odd_answer, plain_box, rounded
from .arguments import as_switch, is_row
from .errors import InputError
from .match.matches import Match
from .track.presence import LOST, Track

if TYPE_CHECKING:
    import supervision

Tracks = Mapping[int, Track] | Mapping[int | None, Track]
"""Of one frame, by the number of the object."""

Answers = Iterable[Match] | Iterable[Track] | Match | Track | Tracks
"""Of one picture or frame."""


def to_rows(answers: Answers, **more: Any) -> list[dict[str, Any]]:
    """Matches or tracks as flat rows: ``pandas.DataFrame(to_rows(matches))`` is a table of them.

    Args:
        answers: what ``Matcher.match``, ``Tracker.track`` or ``MultiTracker.track`` gave.
        more: further columns, the same in each row: ``image="a.jpg"``, ``frame=7``; they come
            first.

    Returns:
        A row per match or track, of numbers, strings and truth values alone, with the names of
        ``as_dict``: of a match ``template``, ``index``, ``found``, ``score``, ``margin``, its box
        as ``x``, ``y``, ``w``, ``h`` in pixels, ``angle``, ``scale``, and its corners as ``x1``,
        ``y1`` to ``x4``, ``y4``; of a track ``id``, ``template``, ``state``, ``found``, ``score``
        and its box.

    Raises:
        InputError: something else than matches or tracks, or one with what no task answers.
    """
    return [{**more, **_row(number, one)} for number, one in _numbered(answers)]


def to_detections(answers: Answers, *, every: bool = False) -> supervision.Detections:
    """Matches or tracks as ``supervision.Detections``, for its annotators, zones and sinks.

    ``confidence`` is the score. Of matches, ``class_id`` and ``data["class_name"]`` say which
    template it is, and ``data["corners"]``, ``(N, 4, 2)``, how it lies. Of tracks, ``tracker_id``
    is the number of the object, where it has one, ``class_id`` is 0, and ``data["class_name"]``
    holds the names, where there are any.

    Args:
        answers: as for :func:`to_rows`.
        every: keep matches that are not found and tracks that are lost too.

    Raises:
        InputError: ``supervision`` is not installed, or something else than matches or tracks.
    """
    every = as_switch(every, "every")
    try:
        from supervision import Detections
    except ImportError as error:
        raise InputError(
            f"to_detections() needs the package supervision ({error}): pip install supervision"
        ) from error
    kept = [(number, one) for number, one in _numbered(answers) if every or one.found]
    if not kept:
        return Detections.empty()
    matches = [one for _, one in kept if isinstance(one, Match)]
    numbers = [number for number, _ in kept]
    data: dict[str, Any] = {}
    if matches:
        data["class_name"] = np.array([match.name or str(match.template) for match in matches])
        data["corners"] = np.stack([match.corners for match in matches])
    names = [one.name for _, one in kept if isinstance(one, Track)]
    if any(names):
        data["class_name"] = np.array(names)
    alone = matches or None in numbers
    return Detections(
        xyxy=np.array([one.box.xyxy for _, one in kept], np.float32),
        confidence=np.array([one.score for _, one in kept], np.float32),
        class_id=np.array([one.template for one in matches] or [0] * len(kept), int),
        tracker_id=None if alone else np.array(numbers, int),
        data=data,
    )


def _numbered(answers: Answers) -> Sequence[tuple[int | None, Match | Track]]:
    """Each match or track with the number of its object."""
    if isinstance(answers, Match | Track):
        return [(None, answers)]
    if isinstance(answers, Mapping):
        pairs: list[tuple[Any, Any]] = list(answers.items())
    elif is_row(answers):
        pairs = []
        for one in cast("Iterable[Any]", answers):
            pairs.append((None, one))
            # It may go on without end.
            if not isinstance(one, Match | Track):
                break
    else:
        pairs = [(None, answers)]
    kinds = {type(one) for _, one in pairs}
    if not (kinds <= {Match} or kinds <= {Track}):
        seen = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise InputError(
            f"the answers are {seen}; give a list of matches, a track, or tracks by their numbers"
        )
    return pairs


def _row(number: int | None, one: Match | Track) -> dict[str, Any]:
    """A match or track as one row.

    Raises:
        InputError: it was made by hand, and holds what is no number or text.
    """
    try:
        return _match_row(one) if isinstance(one, Match) else _track_row(number, one)
    except NOT_PLAIN as error:
        raise odd_answer(one, error) from error


def _match_row(match: Match) -> dict[str, Any]:
    """A match as one row."""
    values = match.as_dict()
    places = {
        f"{axis}{corner}": value
        for corner, point in enumerate(values["corners"], 1)
        for axis, value in zip("xy", point, strict=True)
    }
    names = ("template", "index", "found", "score", "margin")
    return {
        **{name: values[name] for name in names},
        **dict(zip("xywh", values["box"], strict=True)),
        "angle": values["angle"],
        "scale": values["scale"],
        **places,
    }


def _track_row(number: int | None, track: Track) -> dict[str, Any]:
    """A track as one row."""
    return {
        "id": number,
        "template": track.name,
        "state": track.state,
        "found": track.state != LOST,
        "score": rounded(track.score, 4),
        **dict(zip("xywh", plain_box(track.box), strict=True)),
    }
