"""JSON of ours, read strictly."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from qatm.runtime.json_values import (
    count_of,
    list_of,
    member,
    number_of,
    object_of,
    parse_json,
    read_json,
    text_of,
)
from qatm.runtime.limits import JSON_BYTES, JSON_DEPTH


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_what_json_is_for() -> None:
    value = {"a": [1, 2.5, None, True, "ü"], "b": {"c": -1}}
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(nested(JSON_DEPTH)) is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (nested(JSON_DEPTH + 1), "more than 32 objects or lists"),
        (nested(100_000), "more than 32 objects or lists"),
        ('{"a":' * 50_000, "more than 32 objects or lists"),
        ("NaN", "NaN is no JSON"),
        ("[1, -Infinity]", "-Infinity is no JSON"),
        ("1e999", "too large to be computed with"),
        ('{"a": [-1e400]}', "too large to be computed with"),
        ("9" * 30, "more than 64 bits"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' is named twice"),
        (r'"\ud800"', "surrogates"),
        (r'{"\udfff": 1}', "surrogates"),
        ("{} {}", "Extra data"),
        ("", "Expecting value"),
        (b"\xff\xfe", "decode"),
        ("{}".encode("utf-16"), "decode"),
        ("7" * (JSON_BYTES + 1), "more than 4,194,304 bytes"),
    ],
)
def test_what_is_refused(text: str | bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_json(text)


def test_values_are_what_they_should_be() -> None:
    assert count_of(3, "n", 1, 3) == 3
    assert number_of(3, "x") == 3.0
    assert text_of("a", "t") == "a"
    assert list_of([1], "l", 1) == [1]
    assert object_of({}, "o") == {}
    assert member({"a": None}, "a") is None
    for value in (True, 2.0, "2", None, 4, 0, [], 1 << 64):
        with pytest.raises(ValueError, match=r"n is .* whole number from 1 to 3"):
            count_of(value, "n", 1, 3)
    for value in (True, "2", None, float("nan"), float("inf"), 1.5):
        with pytest.raises(ValueError, match=r"x is .* finite number from 0 to 1"):
            number_of(value, "x", 0, 1)
    with pytest.raises(ValueError, match="l has 2 entries; at most 1"):
        list_of([1, 2], "l", 1)
    with pytest.raises(ValueError, match="'b' is missing"):
        member({"a": 1}, "b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_pipes_devices_and_folders_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"device or pipe|directory"):
            read_json(path)
    (tmp_path / "large.json").write_bytes(b" " * (JSON_BYTES + 1))
    with pytest.raises(ValueError, match=r"large\.json has more than 4,194,304 bytes"):
        read_json(tmp_path / "large.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    (tmp_path / "real.json").write_text("[1]")
    assert read_json(tmp_path / "link.json") == [1]


def test_very_many_names_of_which_the_last_is_there_twice() -> None:
    many = ",".join(f'"{number}":0' for number in range(300_000))
    start = time.process_time()
    with pytest.raises(ValueError, match="'a' is named twice"):
        parse_json(f'{{{many},"a":1,"a":2}}')
    assert time.process_time() - start < 5
