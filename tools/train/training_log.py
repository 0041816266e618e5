"""The log of a training, as CSV and as an event file that TensorBoard shows."""

from __future__ import annotations

import csv
import os
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from ...runtime.files import whole

CSV_NAME = "log.csv"
CRC_POLYNOMIAL = 0x82F63B78
CRC_MASK = 0xA282EAD8
WORD = 0xFFFFFFFF


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
        self._events: IO[bytes] = (folder / name).open("wb")
        self._event(0, _text(3, "brain.Event:2"))
        if done:
            # Tells TensorBoard to forget what an interrupted run wrote beyond its checkpoint.
            self._event(done, _message(7, _integer(1, 1)))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Log the numbers of a step; the names must be those of the first step."""
        if not self._names:
            self._names = ["step", *values]
            self._rows.writerow(self._names)
        self._rows.writerow([step, *(f"{values[name]:.6g}" for name in self._names[1:])])
        parts = (_message(1, _text(1, name) + _single(2, value)) for name, value in values.items())
        self._event(step, _message(5, b"".join(parts)))

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._csv.flush()
        self._events.flush()

    def __enter__(self) -> TrainLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._csv.close()
        self._events.close()

    def _event(self, step: int, content: bytes) -> None:
        """Append one record: length, data, and a checksum of each."""
        data = b"\x09" + struct.pack("<d", time.time()) + _integer(2, step) + content
        length = struct.pack("<Q", len(data))
        checks = (struct.pack("<I", masked_crc(part)) for part in (length, data))
        self._events.write(length + next(checks) + data + next(checks))


def _kept(path: Path, done: int) -> Iterator[list[str]]:
    """The heading and the rows of steps that a checkpoint contains."""
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file)):
            if number == 0 or (row and row[0].isdigit() and int(row[0]) <= done):
                yield row


def masked_crc(data: bytes) -> int:
    """CRC-32C as record files store it: rotated, with a constant added."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + CRC_MASK) & WORD


def crc32c(data: bytes) -> int:
    """CRC-32 with Castagnoli's polynomial."""
    crc = WORD
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (CRC_POLYNOMIAL if crc & 1 else 0)
    return crc ^ WORD


def _varint(value: int) -> bytes:
    """A whole number in groups of seven bits."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _single(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())
