"""Calls from several threads of what changes with every call wait for each other."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from qatm.runtime import (
    Box,
    MultiTracker,
    Session,
    Tracker,
    TrackRecord,
    TrackWriter,
    Video,
    VideoError,
    VideoWriter,
    box_iou,
    frames,
    read_tracks,
)
from qatm.runtime.turns import CallLock, in_turn

BOX = (125, 85, 40, 45)


@pytest.fixture(scope="module")
def frame(photographs: dict[str, np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(cv2.resize(photographs["coffee"], (240, 160)))


@pytest.fixture(scope="module")
def session():
    with Session(device="cpu") as opened:
        yield opened


def together(*calls: Callable[[], object], seconds: float = 1.5) -> list[BaseException]:
    """Call each again and again in a thread of its own: what came of it besides answers."""
    problems: list[BaseException] = []
    end = time.monotonic() + seconds

    def again(call: Callable[[], object]) -> None:
        while time.monotonic() < end:
            try:
                call()
            except BaseException as problem:
                problems.append(problem)

    threads = [threading.Thread(target=again, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return problems


def test_objects_come_and_go_while_others_are_followed(session, frame) -> None:
    tracker = MultiTracker(session)
    kept = tracker.add(frame, BOX)
    added: list[int] = []

    def add() -> None:
        added.append(tracker.add(frame, BOX))
        time.sleep(0.01)

    def remove() -> None:
        if len(tracker.ids) > 1:
            tracker.remove(tracker.ids[-1])

    def track() -> None:
        assert box_iou(tracker.track(frame)[kept].box, BOX) > 0.7

    problems = together(track, add, remove, track)
    # The number was in use when it was looked up, and another thread was first.
    assert [problem for problem in problems if "is followed" not in str(problem)] == []
    assert len(added) == len(set(added)) > 1


def test_one_tracker_of_several_threads(session, frame, tmp_path) -> None:
    tracker = Tracker(session)
    tracker.init(frame, BOX)

    def track() -> None:
        assert box_iou(tracker.track(frame).box, BOX) > 0.7

    def save() -> None:
        with Tracker.load(tracker.save(tmp_path / "tracker.npz"), session) as loaded:
            assert box_iou(loaded.track(frame).box, BOX) > 0.7

    assert together(track, track, lambda: tracker.init(frame, BOX), save) == []
    closing = threading.Timer(0.3, tracker.close)
    closing.start()
    problems = together(track, track, seconds=0.8)
    assert {str(problem) for problem in problems} == {"this tracker is closed; make a new one"}


@pytest.mark.parametrize("ending", ["avi", "mp4"])
def test_a_video_of_several_threads(frame, tmp_path, ending) -> None:
    writer = VideoWriter(tmp_path / f"out.{ending}")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(writer.write, [frame] * 60))
        # One that closes it comes between two frames. Without turns this was a crash.
        closed = [pool.submit(writer.write, frame) for _ in range(40)]
        pool.submit(writer.close).result()
    late = [future.exception() for future in closed if future.exception() is not None]
    assert all(isinstance(problem, VideoError) for problem in late)
    assert len(list(frames(writer.path))) == writer.written == 100 - len(late)
    with Video(writer.path) as video, ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(lambda _: [each.index for each in video], range(4)))
    assert sorted(index for share in shares for index in share) == list(range(writer.written))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_tracks_of_several_threads(tmp_path, ending) -> None:
    path = tmp_path / f"tracks.{ending}"
    records = [TrackRecord(n, 0.5, Box(1, 2, 3, 4), 0.5, "tracking") for n in range(400)]
    with TrackWriter(path) as writer, ThreadPoolExecutor(4) as pool:
        list(pool.map(writer.write, records))
    assert sorted(read_tracks(path), key=lambda record: record.frame) == records


class Slow:
    """Has a method that takes its time."""

    def __init__(self) -> None:
        self._turn = CallLock()

    @in_turn
    def work(self, seconds: float) -> str:
        """Take a while."""
        time.sleep(seconds)
        return "done"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="warns of threads, which are the point")
def test_a_child_does_not_wait_for_threads_that_it_has_not(tmp_path: Path) -> None:
    slow = Slow()
    other = threading.Thread(target=slow.work, args=(2,))
    other.start()
    time.sleep(0.1)
    child = os.fork()
    if not child:
        (tmp_path / "said").write_text(slow.work(0))
        os._exit(0)
    until = time.monotonic() + 1.5
    while not (ended := os.waitpid(child, os.WNOHANG)[0]) and time.monotonic() < until:
        time.sleep(0.02)
    if not ended:
        os.kill(child, 9)
    other.join()
    assert ended
    assert (tmp_path / "said").read_text() == "done"
