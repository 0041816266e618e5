"""The log of a training, as CSV and as an event file that TensorBoard shows."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tensorboardX import RecordWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from ...runtime.files import whole

CSV_NAME = "log.csv"
VERSION = "brain.Event:2"


class TrainLog:
    """Writes the numbers of each step to ``log.csv`` and to ``events.out.tfevents.*``.

    Args:
        folder: an existing folder.
        done: steps of an earlier run to go on from; rows beyond them are dropped.
    """

    def __init__(self, folder: Path, done: int = 0) -> None:
        self._path = folder / CSV_NAME
        rows = list(_kept(self._path, done)) if done else []
        self._names: list[str] = rows[0] if rows else []
        # Whole or not at all: a run that ends here must not lose the rows of the earlier one.
        with whole(self._path) as part, part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        self._csv = self._path.open("a", newline="", encoding="utf-8")
        self._rows = csv.writer(self._csv)
        name = f"events.out.tfevents.{time.time_ns() // 1000}.{os.getpid()}"
        # Not its SummaryWriter: that one writes in a thread, and waits for ever on a full disk.
        self._events = RecordWriter(str(folder / name))
        self._event(0, file_version=VERSION)
        if done:
            # Tells TensorBoard to forget what an interrupted run wrote beyond its checkpoint.
            self._event(done + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Log the numbers of a step; the names must be those of the first step."""
        if not self._names:
            self._names = ["step", *values]
            self._rows.writerow(self._names)
        self._rows.writerow([step, *(f"{values[name]:.6g}" for name in self._names[1:])])
        drawn = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._event(step, summary=Summary(value=drawn))

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._csv.flush()
        self._events.flush()

    def __enter__(self) -> TrainLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._csv.close()
        self._events.close()

    def _event(self, step: int, **content: Any) -> None:
        """Append one record."""
        event = Event(wall_time=time.time(), step=step, **content)
        self._events.write(event.SerializeToString())


def _kept(path: Path, done: int) -> Iterator[list[str]]:
    """The heading and the rows of steps that a checkpoint contains."""
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file)):
            if number == 0 or (row and row[0].isdigit() and int(row[0]) <= done):
                yield row
