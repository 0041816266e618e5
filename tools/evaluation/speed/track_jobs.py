"""Methods that follow objects: ours while it sees them and while one is lost, and CSRT."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from .jobs import BenchJob, Facts, LeftOut, Loaded
from .match_jobs import RIGHT_IOU

if TYPE_CHECKING:
    from ....runtime import Session, TrackerOptions

PATIENCE = 200
"""Frames within which an object that is gone has to be given up."""

SETTLE = 10
"""Frames after that, in which the search gets ready what it uses from then on."""


def knows_budget() -> bool:
    """Whether the trackers of this version take a budget."""
    from ....runtime import TrackerOptions

    return "budget_ms" in {entry.name for entry in fields(TrackerOptions)}


def tracked(job: BenchJob) -> Loaded:
    """One object in sight, by ``Tracker``."""
    from ....runtime import Session, Tracker, box_iou
    from .bench_pictures import ObjectScene

    session = Session(job.model, job.device, precision=job.precision)
    ours = Tracker(session, options=_options(job, session))
    scene = ObjectScene(job)
    frames = scene.frames()
    right: list[bool] = []

    def call(i: int) -> object:
        at = (i + 1) % len(frames)
        track = ours.track(frames[at])
        right.append(track.found and box_iou(track.box, scene.boxes(at)[0]) > RIGHT_IOU)
        return track

    return Loaded(
        lambda: ours.init(frames[0], scene.boxes()[0]), call, lambda: {"right": all(right)}
    )


def lost(job: BenchJob) -> Loaded:
    """One object that was lost, in frames that do not show it, by ``Tracker``."""
    from ....runtime import Session, Tracker
    from .bench_pictures import ObjectScene

    session = Session(job.model, job.device, precision=job.precision)
    ours = Tracker(session, options=_options(job, session))
    scene = ObjectScene(job)
    shown, empty = scene.frame(scene.boxes()), scene.out_of_focus()
    right: list[bool] = []

    def encode() -> None:
        ours.init(shown, scene.boxes()[0])
        for _ in range(PATIENCE):
            if not ours.track(empty).found:
                break
        else:
            raise LeftOut(
                f"the tracker did not give up in {PATIENCE} frames of {job.width} x {job.height} "
                "that do not show the object"
            )
        for _ in range(SETTLE):
            ours.track(empty)

    def call(_: int) -> object:
        track = ours.track(empty)
        right.append(not track.found)
        return track

    return Loaded(encode, call, lambda: {"right": all(right)})


def several(job: BenchJob) -> Loaded:
    """Several objects in sight, by ``MultiTracker``."""
    from ....runtime import MultiTracker, Session, box_iou
    from .bench_pictures import ObjectScene

    session = Session(job.model, job.device, precision=job.precision)
    ours = MultiTracker(session, options=_options(job, session))
    scene = ObjectScene(job)
    frames = scene.frames()
    right: list[bool] = []

    def encode() -> None:
        for box in scene.boxes():
            ours.add(frames[0], box)

    def call(i: int) -> object:
        at = (i + 1) % len(frames)
        tracks = ours.track(frames[at])
        pairs = zip(tracks.values(), scene.boxes(at), strict=True)
        right.append(
            all(track.found and box_iou(track.box, box) > RIGHT_IOU for track, box in pairs)
        )
        return tracks

    return Loaded(encode, call, lambda: {"right": all(right)})


def csrt(job: BenchJob) -> Loaded:
    """One object in sight, by OpenCV's CSRT.

    Raises:
        LeftOut: the OpenCV that is installed lacks it.
    """
    from ....runtime import Box, box_iou
    from ....runtime.errors import InputError
    from ...baselines.opencv_trackers import opencv_factory
    from .bench_pictures import ObjectScene

    try:
        create, whole = opencv_factory("CSRT", "csrt")
    except InputError as error:
        raise LeftOut(str(error)) from error
    other: Any = create()
    scene = ObjectScene(job)
    frames = scene.frames()
    right: list[bool] = []

    def encode() -> None:
        box = scene.boxes()[0]
        other.init(frames[0], tuple(map(int, box)) if whole else tuple(box))

    def call(i: int) -> object:
        at = (i + 1) % len(frames)
        found, box = other.update(frames[at])
        right.append(bool(found) and box_iou(Box(*map(float, box)), scene.boxes(at)[0]) > RIGHT_IOU)
        return box

    def facts() -> Facts:
        return {"right": all(right)}

    return Loaded(encode, call, facts)


def _options(job: BenchJob, session: Session) -> TrackerOptions:
    """The options of the bundle's recipe, with the job's budget if it has one."""
    from ....runtime import TrackerOptions

    changes: dict[str, Any] = {"budget_ms": job.budget_ms} if job.budget_ms else {}
    return replace(TrackerOptions.of(session.bundle.spec.recipes.track), **changes)
