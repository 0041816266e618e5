"""Sessions that keep what was planned for a shape: which one runs what."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import pytest

from qatm.runtime.backends.shape_sessions import ShapeSessions


def image(height: int) -> dict[str, np.ndarray]:
    return {"image": np.zeros((1, height, 32, 3), np.uint8)}


@pytest.fixture
def numbers() -> Iterator[int]:
    """Stand in for sessions: 0 is the first that is opened."""
    return count()


def test_shapes_in_turn_keep_their_sessions(numbers: Iterator[int]) -> None:
    sessions = ShapeSessions(lambda: next(numbers), 3)
    assert sessions.first == 0
    found = [sessions.for_inputs(image(height)) for height in (32, 64, 96, 32, 64, 96, 64)]
    assert found == [0, 1, 2, 0, 1, 2, 1]
    assert sessions.first in (0, 1, 2)


def test_the_one_used_longest_ago_takes_a_further_shape(numbers: Iterator[int]) -> None:
    sessions = ShapeSessions(lambda: next(numbers), 2)
    assert [sessions.for_inputs(image(h)) for h in (32, 64, 32, 96)] == [0, 1, 0, 1]
    assert [sessions.for_inputs(image(h)) for h in (96, 32, 64)] == [1, 0, 1]


def test_one_session_serves_all_shapes(numbers: Iterator[int]) -> None:
    sessions = ShapeSessions(lambda: next(numbers))
    assert {sessions.for_inputs(image(height)) for height in (32, 64, 32, 96)} == {0}


def test_every_input_counts(numbers: Iterator[int]) -> None:
    sessions = ShapeSessions(lambda: next(numbers), 4)
    rows = np.zeros((5, 8), np.float32)
    assert sessions.for_inputs({"rows": rows, **image(32)}) == 0
    assert sessions.for_inputs({"rows": rows[:4], **image(32)}) == 1
    assert sessions.for_inputs({"rows": rows + 1, **image(32)}) == 0


def test_what_is_open_serves_where_no_more_can_be_opened() -> None:
    asked: list[int] = []

    def open_two() -> int:
        asked.append(len(asked))
        if len(asked) > 2:
            raise RuntimeError("out of memory")
        return asked[-1]

    sessions = ShapeSessions(open_two, 8)
    assert [sessions.for_inputs(image(h)) for h in (32, 64, 96, 128, 96)] == [0, 1, 0, 1, 0]
    assert asked == [0, 1, 2], "it must not try again and again"


def test_the_first_must_open() -> None:
    def fail() -> int:
        raise RuntimeError("no GPU")

    with pytest.raises(RuntimeError, match="no GPU"):
        ShapeSessions(fail, 8)


def test_threads_share_the_session_of_a_shape(numbers: Iterator[int]) -> None:
    sessions = ShapeSessions(lambda: next(numbers), 4)
    heights = [32, 64, 96, 128] * 50
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda height: (height, sessions.for_inputs(image(height))), heights))
    assert len(set(found)) == 4
    assert next(numbers) == 4
