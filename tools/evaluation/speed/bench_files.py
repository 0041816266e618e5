"""The file of ``qatm bench --save``: one JSON document with every row and what made them.

Its fields: ``qatm_bench`` (the version of this format), ``made`` (UTC), ``machine``, ``versions``,
``model``, ``quick``, ``groups`` (those that were measured), ``pictures``, ``pace_ms``, ``left_out``
(``what`` and ``reason``) and ``rows``. One document, because a file that was cut off is then no
file at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from ....runtime import Session
from ....runtime.backends.graph import Device
from ....runtime.errors import InputError
from ....runtime.files import write_text
from ....runtime.json_values import (
    list_of,
    member,
    number_of,
    object_of,
    or_none,
    read_json,
    shown,
    text_of,
)
from .bench_pictures import pictures_used
from .machine import machine, versions

Record = dict[str, Any]

FORMAT = 1
MARK = "qatm_bench"
MOST_ROWS = 4096


@dataclass
class BenchRun:
    """What one run measured, and with what.

    Attributes:
        machine: ``cpu``, ``cores`` and ``system``.
        versions: of the libraries.
        model: ``backbone``, ``precision``, ``device``, ``provider`` and ``sha256`` of its features
            graph.
        groups: that were measured.
        quick: whether little was measured.
        pictures: ``photographs`` or ``drawn``.
        made: when, in UTC.
        pace_ms: how long a fixed piece of work took between the measurements, median: how fast and
            how busy the machine was.
        rows: what was measured.
        left_out: ``what`` could not be measured, and the ``reason``.
    """

    machine: Record
    versions: dict[str, str]
    model: Record
    groups: list[str]
    quick: bool = False
    pictures: str = ""
    made: str = ""
    pace_ms: float | None = None
    rows: list[Record] = field(default_factory=list)
    left_out: list[Record] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the document, whole or not at all; folders above it are made.

        Raises:
            OSError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {MARK: FORMAT, **asdict(self)}
        write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def begin_run(model: str | None, device: Device, groups: Sequence[str], *, quick: bool) -> BenchRun:
    """A run without rows yet.

    Args:
        model: folder of the bundle; ``None`` is the one that ships with the package.
        device: as for ``Matcher``.
        groups: that will be measured.
        quick: whether little will be.

    Raises:
        QatmError: the bundle or the device cannot be used.
    """
    with Session(model, device) as session:
        info = session.info
    features = {name: digest for name, digest in info.hashes.items() if "features" in name}
    return BenchRun(
        machine=machine(),
        versions=versions(),
        model={
            "backbone": info.backbone,
            "precision": info.precision,
            "device": info.device,
            "provider": info.provider,
            "sha256": features,
        },
        groups=list(groups),
        quick=quick,
        pictures=pictures_used(),
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def read_run(path: Path, option: str) -> BenchRun:
    """Read what :meth:`BenchRun.save` wrote.

    Args:
        path: the file.
        option: what named it, for messages.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    try:
        document = read_json(path)
    except OSError as error:
        raise InputError(f"{option} {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        reason = f"no JSON document ({error})"
        raise InputError(f"{option} {path} is {_not_ours(reason)}") from error
    if not isinstance(document, dict) or MARK not in document:
        raise InputError(f"{option} {path} is {_not_ours('another kind of JSON')}")
    if document[MARK] != FORMAT:
        raise InputError(f"{option} {path} is {_not_ours(f'not in format {FORMAT}')}")
    try:
        return _run(document)
    except ValueError as error:
        raise InputError(f"{option} {path} is {_not_ours(f'damaged ({error})')}") from error


def _run(document: Record) -> BenchRun:
    """What a document says, each field of its kind.

    Raises:
        ValueError: a field is missing, unknown or of another kind.
    """
    known = {entry.name for entry in fields(BenchRun)}
    if unknown := document.keys() - known - {MARK}:
        raise ValueError(f"{shown(min(unknown))} is unknown")
    versions = object_of(member(document, "versions"), "versions")
    groups = list_of(member(document, "groups"), "groups", MOST_ROWS)
    rows = list_of(document.get("rows", []), "rows", MOST_ROWS)
    left_out = list_of(document.get("left_out", []), "left_out", MOST_ROWS)
    return BenchRun(
        machine=object_of(member(document, "machine"), "machine"),
        versions={name: text_of(value, name) for name, value in versions.items()},
        model=object_of(member(document, "model"), "model"),
        groups=[text_of(group, "a group") for group in groups],
        quick=document.get("quick") is True,
        pictures=text_of(document.get("pictures", ""), "pictures"),
        made=text_of(document.get("made", ""), "made"),
        pace_ms=or_none(document.get("pace_ms"), partial(number_of, name="pace_ms", low=0)),
        rows=[_row(row) for row in rows],
        left_out=[object_of(entry, "an entry of left_out") for entry in left_out],
    )


def _row(data: Any) -> Record:
    """A row: its key is text, and what was measured are numbers.

    Raises:
        ValueError: it is none.
    """
    row = object_of(data, "a row")
    text_of(member(row, "key"), "key")
    for name in row:
        if name.endswith(("_mb", "ms")):
            or_none(row[name], partial(number_of, name=name))
    return row


def _not_ours(reason: str) -> str:
    """The end of a message about a file that cannot be compared with."""
    return f"{reason}, not a file of measurements: make one with qatm bench --save FILE"
