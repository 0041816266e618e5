"""Methods for two pictures: aligning objects of a kind, and recognising a place."""

from __future__ import annotations

from .jobs import BenchJob, Facts, Loaded, nothing

NEAR = 0.1
"""An aligned corner is right within this share of the target's longer side (PCK@0.1)."""

INSIDE = (0.25, 0.2, 0.4)
"""What of a place a query shows: left and top as shares of it, and its side as share of the
height."""


def align(job: BenchJob) -> Loaded:
    """``Aligner.align``: a square source, and a target in which it is turned and shifted."""
    import cv2
    import numpy as np

    from ....calib.photographs import SPEED
    from ....runtime import Aligner, Alignment
    from .bench_pictures import picture, squared

    ours = Aligner(job.model, job.device, precision=job.precision)
    size, side = (job.width, job.height), job.template
    source = squared(picture(SPEED[0]), side)
    # The source's middle goes to the target's, somewhat turned and a little smaller than it fits.
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), 8.0, 0.9 * min(size) / side)
    matrix[:, 2] += (size[0] - side) / 2, (size[1] - side) / 2
    target = cv2.warpAffine(source, matrix, size, borderMode=cv2.BORDER_REFLECT)
    corners = np.array([(x, y) for y in (0, side - 1) for x in (0, side - 1)], np.float64)
    truth = corners @ matrix[:, :2].T + matrix[:, 2]
    answers: list[Alignment] = []

    def call(_: int) -> object:
        answers[:] = [ours.align(source, target)]
        return answers

    def facts() -> Facts:
        off = np.linalg.norm(answers[0].transfer(corners) - truth, axis=1).max()
        right = answers[0].found and off <= NEAR * max(size)
        return {"right": bool(right), "score": round(answers[0].score, 3)}

    return Loaded(nothing, call, facts)


def open_place(job: BenchJob) -> Loaded:
    """``Verifier(reference)`` in a session that is open: the reference is encoded."""
    from ....runtime import Session, Verifier
    from .bench_pictures import mosaic

    session = Session(job.model, job.device, precision=job.precision)
    place = mosaic(job.width, job.height)

    def call(_: int) -> object:
        Verifier(place, session).close()
        return None

    return Loaded(nothing, call)


def verify(job: BenchJob) -> Loaded:
    """``Verifier.verify``: a square query that shows a part of the reference."""
    import cv2

    from ....runtime import Box, Session, Verification, Verifier, box_iou
    from .bench_pictures import mosaic
    from .match_jobs import RIGHT_IOU

    session = Session(job.model, job.device, precision=job.precision)
    place = mosaic(job.width, job.height)
    left, top, part = INSIDE
    x, y, side = round(left * job.width), round(top * job.height), round(part * job.height)
    query = cv2.resize(place[y : y + side, x : x + side], (job.template, job.template))
    there = Box(*map(float, (x, y, side, side)))
    opened: list[Verifier] = []
    answers: list[Verification] = []

    def call(_: int) -> object:
        answers[:] = [opened[0].verify(query)]
        return answers

    def facts() -> Facts:
        overlap = box_iou(answers[0].region.box, there)
        right = answers[0].same_place and overlap > RIGHT_IOU
        return {
            "right": bool(right),
            "iou": round(overlap, 3),
            "score": round(answers[0].score, 3),
        }

    return Loaded(lambda: opened.append(Verifier(place, session)), call, facts)
