"""``Tracker``: follow an object from frame to frame, and say when it is lost."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from ..backends.devices import open_backend
from ..boxes import box_in_frame
from ..bundle.folder import Bundle
from ..errors import DeviceError, InputError
from ..images import as_bgr
from ..match.matches import MatcherInfo, Track, describe
from ..patches.encoder import Encoder
from .follower import Follower
from .options import TrackerOptions


class TrackerBase:
    """What trackers of one and of several objects have in common: a bundle, opened on a device."""

    def __init__(
        self,
        bundle: str | Path | None = None,
        device: str = "auto",
        *,
        precision: str = "auto",
        threads: int | None = None,
        options: TrackerOptions | None = None,
    ) -> None:
        self.options = TrackerOptions() if options is None else options
        self.bundle = Bundle.load(bundle)
        self._backend = open_backend(self.bundle, device, precision, threads)
        self._encoder = Encoder(self._backend, self.bundle.spec.backbone)
        self._closed = False

    @property
    def info(self) -> MatcherInfo:
        """What this tracker runs on."""
        return describe(self.bundle, self._backend)

    def reset(self) -> None:
        """Forget what is followed."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the runtime's resources; the tracker cannot be used afterwards."""
        self.reset()
        if not self._closed:
            self._backend.close()
            self._closed = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError("this tracker is closed; make a new one")

    def _follow(self, frame: Any, box: Any) -> Follower:
        """Begin to follow an object."""
        self._check_open()
        picture = as_bgr(frame, "frame")
        checked = box_in_frame(box, picture.shape[1], picture.shape[0])
        alpha = self.bundle.spec.recipe.alpha
        return Follower(self._encoder, alpha, self.options, picture, checked)


class Tracker(TrackerBase):
    """Follows one object; the calls are those of OpenCV's ``cv2.Tracker``.

    Frames are ``(H, W, 3)`` uint8 BGR (grey and BGRA are converted); boxes are ``(x, y, w, h)`` in
    pixels. The cost of a frame depends neither on its size nor on the object's while the object is
    tracked. Not for use by several threads at once.

    Args:
        bundle: folder written by ``qatm-export``; ``None`` is the bundle inside the package.
        device: ``auto`` (the best that works; :attr:`info` says which), ``cpu``, ``cuda``,
            ``tensorrt`` or ``tensorrt-rtx``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        threads: CPU threads; ``None`` lets the runtime choose.
        options: how it follows; ``None`` is ``TrackerOptions()``.

    Raises:
        BundleError: the bundle is missing, damaged, or lacks the precision.
        DeviceError: what was asked for is not available here.
    """

    def __init__(
        self,
        bundle: str | Path | None = None,
        device: str = "auto",
        *,
        precision: str = "auto",
        threads: int | None = None,
        options: TrackerOptions | None = None,
    ) -> None:
        super().__init__(bundle, device, precision=precision, threads=threads, options=options)
        self._follower: Follower | None = None

    def __enter__(self) -> Tracker:
        return self

    def init(self, frame: Any, box: Any) -> None:
        """Begin to follow an object.

        Args:
            frame: the frame that shows it.
            box: ``(x, y, w, h)``; may be sub-pixel and may stick out of the frame.

        Raises:
            ImageError: not a usable image.
            BoxError: malformed, or outside the frame.
        """
        self._follower = self._follow(frame, box)

    def update(self, frame: Any) -> tuple[bool, tuple[float, float, float, float]]:
        """The next frame, as OpenCV's trackers take it.

        Returns:
            Whether the object is in view, and its box; of a lost object, its last box.

        Raises: as :meth:`track`.
        """
        track = self.track(frame)
        x, y, w, h = track.box
        return track.found, (x, y, w, h)

    def track(self, frame: Any) -> Track:
        """The next frame; it may have another size than the one before.

        Raises:
            ImageError: not a usable image.
            InputError: :meth:`init` was not called.
        """
        self._check_open()
        if self._follower is None:
            raise InputError("no object to follow: call init(frame, box) first")
        picture = as_bgr(frame, "frame")
        seen = self._follower.model.encode(picture, self._follower.region())
        return self._follower.step(picture, seen)

    def reset(self) -> None:
        """Forget the object."""
        self._follower = None
