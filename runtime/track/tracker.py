"""``Tracker``: follow an object from frame to frame, and say when it is lost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import overload

from ..answers import ms_since
from ..backends.graph import Device, Precision
from ..boxes import BoxLike
from ..errors import InputError, QatmError
from ..images import AnyImage, as_bgr
from ..patches.kept_look import KeptTemplate, ObjectLook
from ..session import Session, Source
from ..session_task import practice_box, practice_picture
from ..turns import in_turn
from .first_look import FirstLook
from .follower import Follower
from .frame_stream import StreamView
from .options import TrackerOptions
from .presence import TRACKING, Track
from .saved_tracker import SavedTracker, read_tracker, unreadable
from .tracker_base import TrackerBase


class Tracker(TrackerBase):
    """Follows one object; the calls are those of OpenCV's ``cv2.Tracker``.

    Frames are ``(H, W, 3)`` uint8 BGR (grey and BGRA are converted; other integers and floats are
    shown in the range of the first frame); boxes are ``(x, y, w, h)`` in pixels. The cost of a
    frame depends neither on its size nor on the object's while the object is tracked. Calls from
    several threads wait for each other; several trackers of one session do not.

    Args:
        bundle: folder written by ``qatm-export``, a bundle that was loaded, or a session to share;
            ``None`` is the bundle inside the package.
        device: ``auto`` (the best that works; :attr:`info` says which), ``gpu`` (the best GPU that
            works), ``cpu``, ``cuda``, ``tensorrt``, ``tensorrt-rtx`` or ``openvino``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        threads: CPU threads; ``None`` lets the runtime choose.
        options: how it follows; ``None`` is the bundle's recipe.
        sha256: what ``bundle.json`` must have, as ``sha256sum bundle.json`` prints it; any other
            bundle is refused before anything of it is opened.

    Raises:
        BundleError: the bundle is missing, damaged, lacks the precision, or is not the one that
            ``sha256`` is of.
        DeviceError: what was asked for is not available here.
        InputError: ``device``, ``precision``, ``threads`` or ``sha256`` beside a session;
            ``sha256`` is no hash, or stands beside a bundle that was loaded.
    """

    def __init__(
        self,
        bundle: Source | Session | None = None,
        device: Device = "auto",
        *,
        precision: Precision = "auto",
        threads: int | None = None,
        options: TrackerOptions | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__(
            bundle, device, precision=precision, threads=threads, options=options, sha256=sha256
        )
        self._follower: Follower | None = None
        self._view: StreamView | None = None

    @property
    def latest(self) -> Track | None:
        """What was said of the last frame, the one of :meth:`init` included; ``None`` before."""
        return None if self._view is None else self._view.latest

    @overload
    def init(
        self,
        frame: AnyImage,
        box: BoxLike,
        *,
        template: KeptTemplate | None = None,
        value_range: Sequence[float] | None = None,
        name: str | None = None,
    ) -> None: ...

    @overload
    def init(
        self,
        frame: AnyImage,
        box: BoxLike | None = None,
        *,
        template: KeptTemplate,
        value_range: Sequence[float] | None = None,
        name: str | None = None,
    ) -> None: ...

    @in_turn
    def init(
        self,
        frame: AnyImage,
        box: BoxLike | None = None,
        *,
        template: KeptTemplate | None = None,
        value_range: Sequence[float] | None = None,
        name: str | None = None,
    ) -> None:
        """Begin to follow an object, shown by its box in a frame, by a template, or by both.

        With a template, the object is known by how it looks there, whatever it looks like in the
        frame. Beside a box, the template is fitted into the box. Without, the object is looked for
        in the whole frame, from half to twice as large as in the template's own, by the means by
        which lost objects are found again; that takes as long as dozens of frames, and longer for
        small objects in large frames. When it is not there, the tracker begins with a lost object,
        which later frames are searched for: :attr:`latest` says so, its box lies in the middle of
        the frame.

        The object of another camera is taken over by ``init(frame, box,
        template=other.template())``, where ``box`` may be left out. A template's mask counts; it
        must be upright, as the object is.

        Args:
            frame: the frame that shows it.
            box: ``(x, y, w, h)``; may be sub-pixel and may stick out of the frame.
            template: a :class:`~..match.template.Template`, also a loaded one, or what
                :meth:`template` of a tracker gives.
            value_range: ``(low, high)``, the values of frames that are not uint8 to show as black
                and white; ``None`` takes the template's or finds them in this frame, see
                :mod:`..value_range`.
            name: what the object is called in :attr:`.Track.name`; ``None`` is the template's name.

        Raises:
            ImageError: not a usable image.
            BoxError: malformed, or outside the frame.
            InputError: neither box nor template; something else than a template; a value range that
                is not two finite numbers, the lower one first; a name that is no text.
            TemplateError: a template of another bundle, or without a picture of the object.
        """
        begun = self._follow(frame, box, template, value_range, name)
        self._follower, self._values = begun.follower, begun.values
        self._view = StreamView(begun.picture, begun.track)

    @in_turn
    def warm_up(self, size: tuple[int, int] = (640, 480)) -> None:
        """Do what the first frames would wait for; see :meth:`.SessionTask.warm_up`."""
        kept = self._follower, self._view, self._values
        picture = practice_picture(size)
        try:
            self.init(picture, practice_box(size))
            for _ in range(2):
                self.track(picture)
        finally:
            self._follower, self._view, self._values = kept

    @in_turn
    def template(self) -> ObjectLook:
        """The first look of the object, for another tracker, of another camera, to begin with.

        Raises:
            InputError: no object is followed.
        """
        self._check_open()
        if self._follower is None or self._view is None:
            raise InputError("no object to hand over: call init(frame, box) first")
        model = self._follower.model
        view = FirstLook(model.frame, model.box).view()
        return ObjectLook(self._model, view, self._values, self._view.latest.name)

    def update(self, frame: AnyImage) -> tuple[bool, tuple[float, float, float, float]]:
        """The next frame, as OpenCV's trackers take it.

        Returns:
            Whether the object is in view, and its box; of a lost object, its last box.

        Raises: as :meth:`track`.
        """
        track = self.track(frame)
        x, y, w, h = track.box
        return track.found, (x, y, w, h)

    @in_turn
    def track(self, frame: AnyImage) -> Track:
        """The next frame.

        It may have another size than the one before: it then counts as the same picture in another
        resolution, also a stretched one, unless it clearly shows the same pixels with some at the
        right and at the bottom cut off or added. Boxes are always in pixels of the frame at hand.
        It may be of another kind too: grey and BGRA frames are converted, and in a uint8 stream one
        of more bits is shown in its own range. One that comes once more, pixel for pixel, counts as
        another, and the object's motion stays what it was. An object that is surely there and still
        is found again by its pixels for some frames, see :attr:`.TrackerOptions.still_frames`.
        After an error everything is as before it: go on with the next frame.

        Raises:
            ImageError: not a usable image.
            InputError: :meth:`init` was not called.
        """
        self._check_open()
        start = time.perf_counter()
        if self._follower is None or self._view is None:
            raise InputError("no object to follow: call init(frame, box) first")
        picture = as_bgr(frame, "frame", self._values)
        follower, view, budget = self._follower, self._view, self._budget
        budget.begin()
        view.take(picture)
        shown, follower.repeated = view.shown(picture), view.repeated
        pixels, rests = 0, follower.rests
        if not rests and not follower.glance(shown):
            region = follower.region()
            pixels = region.width * region.height
            seen = follower.model.encode(shown, region)
            pixels += follower.look(shown, seen, partial(view.moved, picture))
        budget.looked(pixels)
        budget.share(1, owed=rests)
        track = view.conclude(picture, follower.conclude(shown))
        view.latest = replace(track, ms=ms_since(start))
        return view.latest

    @in_turn
    def save(self, path: str | Path) -> Path:
        """Write the running tracker as ``.npz`` (no pickles), whole or not at all.

        :meth:`load` goes on where it was: on the same machine with exactly the boxes that this one
        would give, unless a ``budget_ms`` makes them depend on time. The file holds the first frame
        without loss, as large as a PNG of it, and what later frames have changed.

        Args:
            path: the file.

        Returns:
            The path.

        Raises:
            InputError: no object is followed.
            OSError: it cannot be written; the message names the path.
        """
        self._check_open()
        if self._follower is None or self._view is None:
            raise InputError("no object to save: call init(frame, box) first")
        saved = SavedTracker.of(self._follower, self._view, self._values)
        return saved.write(path, self._model)

    @classmethod
    def load(
        cls,
        path: str | Path,
        bundle: Source | Session | None = None,
        device: Device = "auto",
        *,
        precision: Precision = "auto",
        threads: int | None = None,
        sha256: str | None = None,
    ) -> Tracker:
        """Go on with a tracker that :meth:`save` wrote, with the options that it had.

        Args:
            path: the file.
            bundle, device, precision, threads, sha256: as for a new tracker; the features must be
                those of the bundle that the saved one used.

        Raises:
            InputError: the file is missing, damaged, of another version, or of another bundle.
            BundleError, DeviceError: as a new tracker.
        """
        saved, model = read_tracker(path)
        tracker = cls(
            bundle,
            device,
            precision=precision,
            threads=threads,
            options=saved.options,
            sha256=sha256,
        )
        try:
            tracker._check_model(model, f"saved tracker {path}", "load it with its own bundle")
            tracker._resume(saved)
        except QatmError:
            tracker.close()
            raise
        except Exception as error:
            tracker.close()
            raise unreadable(path, error) from error
        return tracker

    def _resume(self, saved: SavedTracker) -> None:
        """Go on where a saved tracker was."""
        follower = self._follower_of(FirstLook(saved.frame, saved.box))
        view = StreamView(saved.frame, Track(saved.box, 1.0, TRACKING))
        saved.restore(follower, view)
        self._follower, self._view, self._values = follower, view, saved.value_range

    @in_turn
    def reset(self) -> None:
        """Forget the object."""
        self._follower = self._view = self._values = None
