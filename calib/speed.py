"""How much faster INT8 is than FP32 on this machine's CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import cv2

from ..runtime.backends.onnx import OnnxGraph
from ..runtime.bundle.folder import Bundle
from ..runtime.images import Image, resize_to
from ..runtime.match.matcher import Matcher
from .calibration import Progress, silent

PRECISION = "int8-cpu"
"""The artefact that is meant for CPUs."""

SIZE = (640, 480)
TEMPLATE = (288, 208, 64, 64)
WARM_UP = 2

Job = Callable[[], Any]


def int8_speed(
    bundle: Bundle, image: Image, repeats: int, progress: Progress = silent
) -> tuple[float, float]:
    """Measure INT8 against FP32 at 640x480 pixels, by CPU time, on one thread.

    The two take turns, so that what else the machine does meets both.

    Args:
        bundle: holds ``int8-cpu``.
        image: what to search; it is resized.
        repeats: how often.
        progress: told about every repetition.

    Returns:
        How many times faster the features alone are, and ``match()`` as a whole.

    Raises:
        BundleError: the bundle has no ``int8-cpu``, or is damaged.
    """
    picture = resize_to(image, *SIZE)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        sessions = [
            OnnxGraph(bundle.file("features", name), "cpu", 1) for name in ("fp32", PRECISION)
        ]
        encoding = _ratio(
            [lambda s=s: s.run({"image": picture[None]}) for s in sessions],
            repeats,
            lambda done: progress("timing features", done, repeats),
        )
        with (
            Matcher(bundle.path, "cpu", precision="fp32", threads=1) as plain,
            Matcher(bundle.path, "cpu", precision="int8", threads=1) as quantised,
        ):
            matchers = (plain, quantised)
            for matcher in matchers:
                matcher.set_template(picture, TEMPLATE)
            matching = _ratio(
                [lambda m=m: m.match(picture) for m in matchers],
                repeats,
                lambda done: progress("timing match()", done, repeats),
            )
    finally:
        cv2.setNumThreads(threads)
    return encoding, matching


def _ratio(jobs: Sequence[Job], repeats: int, tell: Callable[[int], None]) -> float:
    """Median CPU time of the first job divided by that of the second."""
    times: list[list[float]] = [[] for _ in jobs]
    for done in range(-WARM_UP, repeats):
        for job, taken in zip(jobs, times, strict=True):
            start = time.process_time()
            job()
            if done >= 0:
                taken.append(time.process_time() - start)
        tell(max(done + 1, 0))
    return median(times[0]) / median(times[1])
