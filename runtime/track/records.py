"""Tracks on disk: JSON Lines, CSV and MOTChallenge text, written line by line and read back."""

from __future__ import annotations

import csv
import io
import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..answers import PlainAnswer, plain_box
from ..arguments import as_called, as_count, is_name
from ..boxes import MAX_VALUE, Box, as_box
from ..errors import InputError, first_line, seen
from ..files import as_path, open_regular
from ..growing_file import GrowingFile
from ..json_values import (
    count_of,
    list_of,
    member,
    number_of,
    object_of,
    or_none,
    parse_json,
    shown,
)
from ..kinds import Numeric
from ..limits import FILE_BYTES, LINE_BYTES, TRACK_LINES, TRACK_NAMES
from ..turns import CallLock, in_turn
from .presence import HALF_TURN, LOST, TRACKING, Corners, Track
from .record_checks import STATES, check_record

LOG = logging.getLogger(__name__)

Kind = Literal["jsonl", "csv", "mot"]

KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".txt": "mot",
    ".mot": "mot",
}
COLUMNS: tuple[str, ...] = (
    *("frame", "time", "id", "x", "y", "w", "h", "score", "state"),
    "template",
)
HEADERS = {",".join(names): names for names in (COLUMNS, COLUMNS[:-1])}
"""First lines of CSV, the second one of earlier versions."""

MOT_FIELDS: Numeric[int] = 7
NO_OBJECT: Numeric[int] = -2
"""Of detections of no object, which have the number -1 there."""


@dataclass(frozen=True)
class TrackRecord(PlainAnswer):
    """Where one object is in one frame.

    Attributes:
        frame: index of the frame, from 0.
        time: seconds; ``None`` where the file does not say (MOT).
        box: ``(x, y, w, h)`` in pixels; of a lost object the last one.
        score: 0 to 1.
        state: ``tracking``, ``uncertain`` or ``lost``.
        id: which object; ``None`` if there is only one.
        calibrated: whether the score was fitted for the backbone that it comes from; JSON says so
            where it was not, the other formats have no place for it.
        angle, scale, corners: as of :class:`~.presence.Track`; in JSON alone, where they are sure.
        name: what the object is called; the column ``template``. MOT has no place for it.
    """

    frame: int
    time: float | None
    box: Box
    score: float
    state: str
    id: int | None = None
    calibrated: bool = True
    angle: float | None = None
    scale: float | None = None
    corners: Corners | None = None
    name: str = ""

    def as_dict(self) -> dict[str, Any]:
        """What a line of JSON holds; numbers rounded to what they mean."""
        named = {} if self.id is None else {"id": as_count(self.id, "id")}
        pose = self.angle, self.scale, self.corners
        return {
            "frame": as_count(self.frame, "frame"),
            "time": None if self.time is None else round(float(self.time), 4),
            **named,
            **Track(self.box, self.score, self.state, *pose, name=self.name).as_dict(),
            **({} if self.calibrated else {"calibrated": False}),
        }


def json_text(record: TrackRecord) -> str:
    """A record as one line of JSON, without the end of line."""
    return record.to_json()


def csv_text(record: TrackRecord) -> str:
    """A record as one line of CSV in the order of :data:`COLUMNS`."""
    values = record.as_dict()
    place = (*values["box"], values["score"], record.state)
    # A record is a line, whatever its object is called, and csv of Python 3.10 reads no NUL. A name
    # that is cut off has one quote.
    name = " ".join(record.name.replace("\0", " ").split()).replace('"', '""')
    which = values["frame"], values["time"], values.get("id")
    cells = (*which, *place, f'"{name}"' if name else None)
    return ",".join("" if cell is None else str(cell) for cell in cells)


def mot_text(record: TrackRecord) -> str | None:
    """A record as MOTChallenge has it, where everything counts from 1; ``None`` for a lost one.

    Frame, id, left, top, width, height, score, and three fields that are -1 in the plane.
    """
    if record.state == LOST:
        return None
    x, y, w, h = plain_box(record.box)
    # NumPy's whole numbers may end at 127 or 255.
    frame, number = 1 + as_count(record.frame, "frame"), 1 + as_count(record.id or 0, "id")
    place = f"{round(x + 1, 2)},{round(y + 1, 2)},{w},{h}"
    return f"{frame},{number},{place},{round(float(record.score), 4)},-1,-1,-1"


TEXTS: Mapping[str, Callable[[TrackRecord], str | None]] = {
    "jsonl": json_text,
    "csv": csv_text,
    "mot": mot_text,
}


def kind_of(path: str | Path) -> Kind:
    """The format that the ending of a name stands for.

    Raises:
        InputError: none.
    """
    kind = KINDS.get(Path(path).suffix.lower())
    if kind is None:
        raise InputError(f"tracks {path} must end in {', '.join(KINDS)}")
    return kind


class TrackWriter:
    """Writes records to a file, each complete line at once.

    The ending chooses the format: ``.jsonl``, ``.ndjson``, ``.json`` (one JSON object a line),
    ``.csv`` (with a header) or ``.txt``, ``.mot`` (MOTChallenge; frame, id and pixels count from 1,
    lost objects are left out). What is there is readable at every moment: a line that did not fit
    on a full disk is taken back. A file that is there is replaced at the first record; until
    :meth:`close` it is kept beside the new one as ``NAME.old.ENDING``, and stays there if the
    process is killed or the disk is full. Calls from several threads wait for each other.

    Args:
        path: the file to write.
        kind: ``jsonl``, ``csv`` or ``mot``, whatever the ending. Default: by the ending.

    Raises:
        InputError: unknown ending or kind.
        OSError: the file cannot be written to.
    """

    def __init__(self, path: str | Path, kind: Kind | None = None) -> None:
        self.path = as_path(path, "tracks")
        self.kind: Kind = kind_of(path) if kind is None else kind
        known = is_name(self.kind, tuple(TEXTS))
        if not known:
            raise InputError(f"tracks {path}: kind {seen(kind)} is not one of {', '.join(TEXTS)}")
        self._file = GrowingFile(self.path)
        self._turn = CallLock()

    @in_turn
    def write(self, record: TrackRecord) -> None:
        """Add a record.

        Raises:
            InputError: something in it is not what a line can hold, and be read again.
            OSError: the disk is full, or the writer is closed; the lines so far stay readable.
        """
        if not isinstance(record, TrackRecord):
            raise InputError(f"record is {seen(record)}; give a TrackRecord")
        check_record(record, NO_OBJECT if self.kind == "mot" else 0, any_score=self.kind == "mot")
        text = TEXTS[self.kind](record)
        if text is None:
            return
        head = f"{','.join(COLUMNS)}\n" if self.kind == "csv" and not self._file.size else ""
        self._file.write(f"{head}{text}\n")

    @in_turn
    def close(self) -> None:
        """The file is complete: what it replaced is removed. May be called twice."""
        self._file.close()

    def __enter__(self) -> TrackWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_tracks(path: str | Path, kind: Kind | None = None) -> list[TrackRecord]:
    """Read what :class:`TrackWriter` wrote; a last line that was cut off is left out.

    MOT files have neither time nor state, so theirs are ``None`` and ``tracking``. A million lines
    take up to 1.1 GiB; ``QATM_MAX_TRACK_LINES`` says how many are accepted.

    Raises:
        InputError: missing, more lines than are accepted, or one that is not in the format, which
            the message names.
    """
    file = as_path(path, "tracks")
    kind = kind_of(file) if kind is None else kind
    if not is_name(kind, tuple(PARSERS)):
        raise InputError(f"tracks {file}: kind {seen(kind)} is not one of {', '.join(PARSERS)}")
    try:
        opened = open_regular(file, FILE_BYTES.value)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{error}; set {FILE_BYTES.variable} to accept more") from error
    with io.TextIOWrapper(io.BufferedReader(opened), "utf-8") as lines:
        try:
            return _records(iter(lambda: lines.readline(LINE_BYTES + 1), ""), file, kind)
        except UnicodeDecodeError as error:
            raise InputError(f"{file} is not a text file") from error
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error.strerror}") from error


def _records(lines: Iterable[str], file: Path, kind: Kind) -> list[TrackRecord]:
    """What the lines of a file say.

    Raises:
        InputError: one is not in the format, or there are too many.
        UnicodeDecodeError: one is no text.
    """
    records: list[TrackRecord] = []
    called: set[str] = set()
    most = TRACK_LINES.value + (kind == "csv")
    parse, fields = PARSERS[kind], 0
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_BYTES:
            raise InputError(f"{file}, line {number}: more than {LINE_BYTES} characters")
        if number > most:
            raise InputError(
                f"{file} has more than {most:,} lines; set {TRACK_LINES.variable} to accept more"
            )
        if kind == "csv" and number == 1:
            parse = partial(_from_csv, columns=_columns(line, file))
            continue
        if not (text := line.strip()):
            continue
        try:
            # One number of a line of text may be cut off, and still be one.
            if kind == "mot" and not line.endswith("\n") and text.count(",") < fields:
                raise ValueError(f"it has fewer than {fields + 1} fields")
            records.append(parse(text))
        except (ValueError, TypeError, KeyError, IndexError, csv.Error) as error:
            if not line.endswith("\n") and BEGINNINGS[kind].match(text):
                LOG.warning("%s is cut off in line %d; left out", file, number)
                break
            raise InputError(
                f"{file}, line {number}: {shown(text)} is no {kind} track ({first_line(error)})"
            ) from error
        fields = text.count(",")
        called.add(records[-1].name)
        if len(called) > TRACK_NAMES:
            raise InputError(f"{file}, line {number}: more than {TRACK_NAMES:,} names of objects")
    return records


def _columns(line: str, file: Path) -> tuple[str, ...]:
    """The columns of a CSV file, by its first line.

    Raises:
        InputError: it names others.
    """
    wanted = ",".join(COLUMNS)
    header = line.rstrip("\r\n").removeprefix("\ufeff")
    if header not in HEADERS and (header == line and wanted.startswith(header)):
        LOG.warning("%s is cut off in line 1; left out", file)
    elif header not in HEADERS:
        raise InputError(f"{file}, line 1: {shown(header)} is not the header of tracks: {wanted}")
    return HEADERS.get(header, COLUMNS)


def _from_json(line: str) -> TrackRecord:
    """Read a line of JSON."""
    values = object_of(parse_json(line, LINE_BYTES), "it")
    number = values.get("id")
    calibrated = values.get("calibrated", True)
    if not isinstance(calibrated, bool):
        raise ValueError(f"calibrated is {shown(calibrated)}; it must be true or false")
    return TrackRecord(
        frame=count_of(member(values, "frame"), "frame"),
        time=or_none(member(values, "time"), lambda time: number_of(time, "time")),
        box=as_box(list_of(member(values, "box"), "box", 4)),
        score=number_of(member(values, "score"), "score", 0, 1),
        state=_state(member(values, "state")),
        id=None if number is None else count_of(number, "id"),
        calibrated=calibrated,
        angle=_optional(values, "angle", -HALF_TURN, HALF_TURN),
        scale=_optional(values, "scale", 0, MAX_VALUE),
        corners=_corners(values.get("corners")),
        name=sys.intern(as_called(values.get("template", ""), "template")),
    )


def _optional(values: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    """A number within bounds that may be missing."""
    return or_none(values.get(name), lambda value: number_of(value, name, least, most))


def _corners(listed: Any) -> Corners | None:
    """Four points that may be missing."""
    if listed is None:
        return None
    points = [list_of(point, "corner", 2) for point in list_of(listed, "corners", 4)]
    first, second, third, fourth = (
        (
            number_of(x, "corner", -MAX_VALUE, MAX_VALUE),
            number_of(y, "corner", -MAX_VALUE, MAX_VALUE),
        )
        for x, y in points
    )
    return first, second, third, fourth


def _from_csv(line: str, columns: Sequence[str] = COLUMNS) -> TrackRecord:
    """Read a line of CSV."""
    (cells,) = csv.reader([line], strict=True)
    values = dict(zip(columns, cells, strict=True))
    return TrackRecord(
        frame=count_of(int(values["frame"]), "frame"),
        time=number_of(float(values["time"]), "time") if values["time"] else None,
        box=as_box([float(values[name]) for name in "xywh"]),
        score=number_of(float(values["score"]), "score", 0, 1),
        state=_state(values["state"]),
        id=count_of(int(values["id"]), "id") if values["id"] else None,
        name=sys.intern(as_called(values.get("template", ""), "template")),
    )


def _from_mot(line: str) -> TrackRecord:
    """Read a line of MOTChallenge text."""
    frame, number, x, y, w, h, score = line.split(",")[:MOT_FIELDS]
    box = as_box((float(x) - 1, float(y) - 1, float(w), float(h)))
    return TrackRecord(
        count_of(int(frame) - 1, "frame"),
        None,
        box,
        number_of(float(score), "score"),
        TRACKING,
        count_of(int(number) - 1, "id", NO_OBJECT),
    )


def _state(text: str) -> str:
    """Check the name of a state."""
    if not is_name(text, STATES):
        raise ValueError(f"state is {shown(text)}; it must be one of {', '.join(STATES)}")
    return STATES[STATES.index(text)]


BEGINNINGS: Mapping[str, re.Pattern[str]] = {
    "jsonl": re.compile(r"\{"),
    "csv": re.compile(r"\d"),
    "mot": re.compile(r"[-\d]"),
}
"""How a line begins that was cut off; what begins otherwise is something else."""

PARSERS: Mapping[str, Callable[[str], TrackRecord]] = {
    "jsonl": _from_json,
    "csv": _from_csv,
    "mot": _from_mot,
}
