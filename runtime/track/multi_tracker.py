"""``MultiTracker``: follow several objects, encoding shared parts of a frame once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import overload

from ..answers import ms_since
from ..arguments import as_count
from ..backends.graph import Device, Precision
from ..boxes import BoxLike
from ..errors import InputError
from ..images import AnyImage, Image, as_bgr
from ..patches.kept_look import KeptTemplate
from ..patches.region import Region, RegionFeatures
from ..session import Session, Source
from ..session_task import practice_box, practice_picture
from ..turns import in_turn
from ..value_range import widened
from .encoding import encode_regions
from .follower import Follower
from .frame_stream import StreamView
from .options import TrackerOptions
from .presence import Track
from .shared_regions import group_regions, part_of
from .tracker_base import TrackerBase


class MultiTracker(TrackerBase):
    """Follows several objects independently of each other, each under a number of its own.

    Where search regions of similar scale overlap, the part of the frame that they share is encoded
    once. Arguments and errors as :class:`~.tracker.Tracker`.
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
        self._followers: dict[int, Follower] = {}
        self._views: dict[int, StreamView] = {}
        self._next = 0
        self._served = -1

    @property
    def ids(self) -> list[int]:
        """Numbers of the objects that are followed."""
        return list(self._followers)

    @overload
    def add(
        self,
        frame: AnyImage,
        box: BoxLike,
        *,
        template: KeptTemplate | None = None,
        value_range: Sequence[float] | None = None,
        name: str | None = None,
    ) -> int: ...

    @overload
    def add(
        self,
        frame: AnyImage,
        box: BoxLike | None = None,
        *,
        template: KeptTemplate,
        value_range: Sequence[float] | None = None,
        name: str | None = None,
    ) -> int: ...

    @in_turn
    def add(
        self,
        frame: AnyImage,
        box: BoxLike | None = None,
        *,
        template: KeptTemplate | None = None,
        value_range: Sequence[float] | None = None,
        name: str | None = None,
    ) -> int:
        """Begin to follow another object.

        Frames that are not uint8 are shown in the range of the first object's frame, widened to
        those of the objects that are added later.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR, the frame that shows it.
            box: ``(x, y, w, h)``; may be sub-pixel and may stick out of the frame.
            template: how the object looks, as for ``Tracker.init``, also without a box.
            value_range: as for ``Tracker.init``; give all objects the same.
            name: what it is called in :attr:`.Track.name`; ``None`` is the template's name.

        Returns:
            Its number; numbers are not used again.

        Raises:
            ImageError: not a usable image.
            BoxError: malformed, or outside the frame.
            InputError, TemplateError: as ``Tracker.init``, or a value range that is not the one of
                the objects before.
        """
        follower, values, picture, track = self._follow(frame, box, template, value_range, name)
        self._values = values if not self._followers else widened(self._values, values)
        number, self._next = self._next, self._next + 1
        self._followers[number] = follower
        self._views[number] = StreamView(picture, track)
        return number

    @in_turn
    def warm_up(self, size: tuple[int, int] = (640, 480)) -> None:
        """Do what the first frames would wait for; see :meth:`.SessionTask.warm_up`."""
        kept = self._followers, self._views, self._values, self._next, self._served
        self._followers, self._views = {}, {}
        picture = practice_picture(size)
        try:
            self.add(picture, practice_box(size))
            for _ in range(2):
                self.track(picture)
        finally:
            self._followers, self._views, self._values, self._next, self._served = kept

    @in_turn
    def remove(self, number: int) -> None:
        """Stop following an object.

        Raises:
            InputError: no object has this number.
        """
        number = as_count(number, "number")
        if number not in self._followers:
            raise InputError(f"no object {number} is followed; numbers in use: {self.ids}")
        del self._followers[number], self._views[number]

    @in_turn
    def track(self, frame: AnyImage) -> dict[int, Track]:
        """The next frame, for every object; see :meth:`.Tracker.track`.

        Raises:
            ImageError: not a usable image.
            InputError: :meth:`add` was not called.
        """
        self._check_open()
        start = time.perf_counter()
        if not self._followers:
            raise InputError("no object to follow: call add(frame, box) first")
        picture = as_bgr(frame, "frame", self._values)
        self._budget.begin()
        shown = self._shown(picture)
        resting = {number for number, follower in self._followers.items() if follower.rests}
        regions = {
            number: follower.region()
            for number, follower in self._followers.items()
            if number not in resting and not follower.glance(shown[number])
        }
        seen = self._encode(shown, regions)
        pixels = sum(region.width * region.height for region in regions.values())
        for number in regions:
            moved = partial(self._views[number].moved, picture)
            pixels += self._followers[number].look(shown[number], seen.pop(number), moved)
        self._budget.looked(pixels)
        tracks: dict[int, Track] = {}
        order = self._in_turn()
        for place, number in enumerate(order):
            self._budget.share(len(order) - place, owed=number in resting)
            idle = self._budget.idle
            tracks[number] = self._followers[number].conclude(shown[number])
            if idle and not self._budget.idle:
                self._served = number
        for number, follower in self._followers.items():
            if number not in tracks:
                tracks[number] = follower.conclude(shown[number])
        for number, view in self._views.items():
            tracks[number] = view.conclude(picture, tracks[number])
        spent = ms_since(start)
        for number, view in self._views.items():
            view.latest = replace(tracks[number], ms=spent)
        return {number: view.latest for number, view in self._views.items()}

    def _shown(self, picture: Image) -> dict[int, Image]:
        """The frame as each object's follower sees it; one array for those of one size."""
        sizes: dict[tuple[int, int], Image] = {}
        for number, view in self._views.items():
            view.take(picture)
            self._followers[number].repeated = view.repeated
            if view.size not in sizes:
                sizes[view.size] = view.shown(picture)
        return {number: sizes[view.size] for number, view in self._views.items()}

    def _in_turn(self) -> list[int]:
        """The objects to be searched for, beginning after the one that was served first before."""
        searching = [number for number, follower in self._followers.items() if follower.searches]
        return sorted(searching, key=lambda number: (number <= self._served, number))

    @in_turn
    def reset(self) -> None:
        """Forget all objects; numbers go on."""
        self._followers.clear()
        self._views.clear()
        self._values = None

    def _encode(
        self, shown: dict[int, Image], regions: dict[int, Region]
    ) -> dict[int, RegionFeatures]:
        """Features of every region, each shared part encoded once."""
        seen: dict[int, RegionFeatures] = {}
        for frame in {id(frame): frame for frame in shown.values()}.values():
            alike = {n: region for n, region in regions.items() if shown[n] is frame}
            groups = group_regions(alike, self._encoder.align, self.options.same_scale)
            wholes = encode_regions(self._encoder, frame, [whole for whole, _ in groups])
            for features, (_, members) in zip(wholes, groups, strict=True):
                for number in members:
                    alone = len(members) == 1
                    seen[number] = (
                        features
                        if alone
                        else part_of(features, regions[number], self._encoder.coarse_stride)
                    )
        return seen
