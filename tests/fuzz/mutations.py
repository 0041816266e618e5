"""Damage done to bytes, arrays and JSON, all of it drawn from one generator."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from copy import deepcopy
from random import Random
from typing import Any

import numpy as np

ODD_NUMBERS: tuple[float, ...] = (
    *(0, -1, 1, 2, 3, 7, 0.5, 255, 4096, 65536, 1e6, 1e9, 2**31, 2**63),
    *(1e300, -1e300, 1e-300, float("nan"), float("inf"), float("-inf"), -0.0),
)
ODD_JSON: tuple[Any, ...] = (
    *(None, True, False, "", "x", "a/b", "..", "\0", "é", "x" * 1000),
    *([], {}, [1], {"a": 1}, [[]], [0] * 100),
    *(-1, 0, 1, 2**31, 2**62, 1e300, 0.5),
)
HEADER_BYTES = 128
"""With which an array in a file begins."""

TYPES = ("f2", "f4", "f8", "i1", "i8", "u1", "b1", "c8", "U3")


def damaged_bytes(dice: Random, data: bytes, first: int | None = None) -> bytes:
    """Change, remove and insert bytes; ``first`` keeps it to the beginning, where headers are."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        place = dice.randrange(min(len(changed), first or len(changed)))
        what = dice.random()
        if what < 0.6:
            changed[place] = dice.choice((0, 1, 255, dice.randrange(256)))
        elif what < 0.8:
            del changed[place : place + dice.choice((1, 4, 100))]
        else:
            changed[place:place] = dice.randbytes(dice.choice((1, 4)))
        changed = changed or bytearray(b"x")
    return bytes(changed)


def damaged_json(dice: Random, value: Any) -> Any:
    """A copy with a few values that were changed or taken out, anywhere in it."""
    copy = json.loads(json.dumps(value))
    for _ in range(dice.choice((1, 1, 2, 4))):
        place = copy
        while place:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = dice.choice(list(keys))
            inside = place[key]
            if isinstance(inside, dict | list) and inside and dice.random() < 0.8:
                place = inside
                continue
            _replace(dice, place, key)
            break
    return copy


def _replace(dice: Random, place: Any, key: Any) -> None:
    value = place[key]
    what = dice.random()
    if what < 0.1 and isinstance(place, dict):
        del place[key]
    elif what < 0.7 and isinstance(value, int | float):
        others = (value * 2, value + 1, -value, value / 2, value * 1000, int(value), 0, 1, 1e300)
        place[key] = dice.choice((*others, 2**31, int(abs(value)) * 2))
    else:
        # A copy: what is damaged next may be inside.
        place[key] = deepcopy(dice.choice(ODD_JSON))


def damaged_json_text(dice: Random, value: Any) -> bytes:
    """The text of damaged JSON, at times damaged as text too."""
    text = json.dumps(damaged_json(dice, value)).encode()
    return damaged_bytes(dice, text) if dice.random() < 0.25 else text


def damaged_arrays(dice: Random, arrays: dict[str, Any]) -> dict[str, Any]:
    """Arrays by name with other numbers, shapes and types, or with one missing."""
    changed = dict(arrays)
    for _ in range(dice.choice((1, 1, 2))):
        name = dice.choice(sorted(changed))
        if dice.random() < 0.08 and len(changed) > 1:
            del changed[name]
        else:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                changed[name] = _damaged_array(dice, changed[name])
    return changed


def _damaged_array(dice: Random, array: Any) -> Any:
    what = dice.random()
    if what < 0.5 and array.size and array.dtype.kind in "fiu":
        copy = array.copy()
        # Some numbers are none of an integer array's.
        try:
            copy.reshape(-1)[dice.randrange(copy.size)] = dice.choice(ODD_NUMBERS)
        except (OverflowError, ValueError):
            copy.reshape(-1)[dice.randrange(copy.size)] = 0
        return copy
    if what < 0.7:
        return array[:-1] if array.ndim and len(array) > 1 else array[None]
    if what < 0.78:
        return np.concatenate([array, array]) if array.ndim else array[None]
    if what < 0.88:
        try:
            return array.astype(dice.choice(TYPES))
        except ValueError:
            return array.reshape(-1)
    odd = ("x", 3, 1.5, True, np.zeros((0, 3)), np.zeros((2, 2, 2, 2)))
    return array.T if what < 0.94 else np.asarray(dice.choice(odd))


def damaged_members(dice: Random, archive: bytes) -> bytes:
    """An archive in which the beginning of one array, its header, is damaged and fits its sum."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(changed, "w") as new:
        damaged = dice.choice(old.namelist())
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, damaged_header(dice, data) if name == damaged else data)
    return changed.getvalue()


def damaged_header(dice: Random, data: bytes) -> bytes:
    """An array's bytes with other words in the header, of the length that it says or another."""
    if dice.random() < 0.5:
        return damaged_bytes(dice, data, HEADER_BYTES)
    start = 10
    end = start + int.from_bytes(data[8:start], "little")
    words = data[start:end]
    what = dice.random()
    if what < 0.3:
        words = dice.choice((b"(", b"[", b"{", b"-", b"'", b"#", b"\\\n")) * dice.choice(
            (1, 90, 5000)
        )
    elif what < 0.6:
        words = words.replace(b"(", dice.choice((b"(9**9, ", b"(-1, ", b"(1 << 60, ", b"((", b"")))
    elif what < 0.8:
        words = words.replace(b"<f4", dice.choice((b"|O", b"|V0", b"<f4,<i8", b"10L", b"|S0")))
    else:
        words = damaged_bytes(dice, words)
    length = len(words) if dice.random() < 0.8 else dice.randrange(1 << 16)
    return data[:8] + length.to_bytes(2, "little") + words + data[end:]


def odd_picture(dice: Random) -> Any:
    """An array that is a picture, nearly one, or nothing of the kind."""
    sides = (0, 1, 2, 15, 16, 17, 40, 90)
    shape: tuple[int, ...] = (dice.choice(sides), dice.choice(sides))
    shape = dice.choice((shape, (*shape, 3), (*shape, 3), (*shape, 3), (*shape, 4), (*shape, 2)))
    if dice.random() < 0.1:
        shape = dice.choice(((), (5,), (1, 2, 3, 4), (40, 90, 3, 1)))
    values = np.random.default_rng(dice.randrange(2**32)).random(shape) * 255
    made = values.astype(dice.choice(("u1", "u1", "u1", "u2", "i2", "f4", "f8", "b1", "f2")))
    if made.dtype.kind == "f" and made.size and dice.random() < 0.5:
        made.reshape(-1)[dice.randrange(made.size)] = dice.choice((np.nan, np.inf, -np.inf, 6e4))
    return made


def odd_box(dice: Random) -> Any:
    """A box, as a rule a bad one."""
    if dice.random() < 0.1:
        return dice.choice((None, "x", [1], (1, 2, 3), (1, 2, 3, "4"), [[1, 2, 3, 4]], 5))
    usual = (0, 1, 8, 10.5, 20, 33.3, 48)
    return tuple(dice.choice(usual if dice.random() < 0.8 else ODD_NUMBERS) for _ in range(4))
