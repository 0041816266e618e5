"""A run held against an earlier one: the ratio of each row to the row of the same key."""

from __future__ import annotations

from typing import Any

from .bench_files import BenchRun
from .benchmark import PACE

Record = dict[str, Any]

MEASURES = (
    *("ms", "slow_ms", "peak_mb", "growth_mb", "ours_ms", "other_ms", "speedup"),
    *("ours_peak_mb", "other_peak_mb", "ours_growth_mb", "other_growth_mb"),
)
"""The fields of rows that are compared."""

HERE, THERE = "this run", "the file"


def ratios(now: BenchRun, then: BenchRun) -> list[Record]:
    """What each measurement is, as a multiple of what it was.

    Args:
        now: this run.
        then: an earlier one.

    Returns:
        For each row of this run a record with ``name`` (``ratio``), ``key``, and for each of
        :data:`MEASURES` that both rows have this run's value over the other's (``None`` where that
        was 0). A row that only one of them has gives a record with ``missing``: where it is
        missing, :data:`HERE` or :data:`THERE`. What this run was not asked for is not missing.
    """
    old = {row["key"]: row for row in then.rows}
    found: list[Record] = []
    for row in now.rows:
        key = row["key"]
        found.append(_ratio(key, row, old[key]) if key in old else _missing(key, THERE))
    new = {row["key"] for row in now.rows}
    asked = [row for row in then.rows if row.get("group") in now.groups]
    return found + [_missing(row["key"], HERE) for row in asked if row["key"] not in new]


def differences(now: BenchRun, then: BenchRun) -> list[str]:
    """What else differs between two runs, so that their ratios say something else than they seem.

    Returns:
        A sentence for each.
    """
    pairs = [
        ("processor", now.machine.get("cpu"), then.machine.get("cpu")),
        ("number of cores", now.machine.get("cores"), then.machine.get("cores")),
        *((what, now.model.get(what), then.model.get(what)) for what in ("device", "precision")),
        ("backbone", now.model.get("backbone"), then.model.get("backbone")),
        ("kind of pictures", now.pictures, then.pictures),
    ]
    said = [f"another {what}: now {a}, then {b}" for what, a, b in pairs if a != b]
    both = now.versions.keys() & then.versions.keys()
    said += [
        f"another version of {name}: now {now.versions[name]}, then {then.versions[name]}"
        for name in sorted(both)
        if now.versions[name] != then.versions[name]
    ]
    if now.pace_ms and then.pace_ms:
        pace = now.pace_ms / then.pace_ms
        said.append(f"between the measurements {PACE} took {pace:.2f} times as long as then")
    return said


def _ratio(key: str, now: Record, then: Record) -> Record:
    """The ratios of one row."""
    both = [name for name in MEASURES if _known(now, name) and _known(then, name)]
    values = {name: round(now[name] / then[name], 3) if then[name] else None for name in both}
    return {"name": "ratio", "key": key, **values}


def _missing(key: str, where: str) -> Record:
    """What stands for a row that only one of the runs has."""
    return {"name": "ratio", "key": key, "missing": where}


def _known(row: Record, name: str) -> bool:
    """Whether a row has a number of this name."""
    return row.get(name) is not None
