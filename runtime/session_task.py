"""What everything that computes with a session has in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np

from .arguments import as_size, is_name
from .backends.graph import Device, Precision
from .boxes import Box
from .bundle.folder import Bundle
from .errors import DeviceError, InputError, seen
from .images import Image
from .kinds import Numeric
from .session import Session, Source

SQUARE: Numeric[int] = 8
"""Pixels of a side of the squares of a practice picture."""

PRACTICE_SIDE: Numeric[int] = 64
"""Pixels of a side of the object in it."""

TaskT = TypeVar("TaskT", bound="SessionTask")


@dataclass(frozen=True)
class MatcherInfo:
    """What a matcher, tracker, aligner or verifier runs on.

    Attributes:
        bundle: folder of the bundle.
        backbone: network and taps.
        precision: of the features graph.
        device: the device in use, never the one merely asked for.
        provider: the inference library's word for what runs the graphs.
        alpha: factor on the similarity.
        stride: pixels per cell at the working resolution.
        threshold: score from which the task says that it found what it was asked for.
        hashes: SHA-256 of each file of the bundle.
        calibrated: whether the task's score was fitted for this backbone; otherwise it ranks, but
            the threshold means little.
    """

    bundle: str
    backbone: str
    precision: str
    device: str
    provider: str
    alpha: float
    stride: int
    threshold: float
    hashes: dict[str, str] = field(repr=False)
    calibrated: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return asdict(self)


def practice_picture(size: tuple[int, int]) -> Image:
    """A picture of a size, full of squares, to be computed with while nobody waits.

    Raises:
        InputError: a side is no whole number from 1 on, or there are more pixels than
            :mod:`.limits` allow.
    """
    width, height = as_size(size)
    shape = (-(-height // SQUARE), -(-width // SQUARE), 3)
    squares = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return squares.repeat(SQUARE, 0).repeat(SQUARE, 1)[:height, :width].copy()


def practice_box(size: tuple[int, int]) -> Box:
    """An object in it: 64 x 64 pixels, or what fits into half of a smaller picture."""
    width, height = as_size(size)
    side = max(1, min(PRACTICE_SIDE, width // 2, height // 2))
    return Box.around((width / 2, height / 2), side, side)


class SessionTask:
    """What everything that computes with a session has in common.

    Args:
        source: a session to share, or a bundle to open.
        device: where to open a bundle.
        precision: of a bundle.
        threads: for a bundle.
        sha256: what its ``bundle.json`` must have, as for ``Session``.

    Attributes:
        session: what it computes with; other tasks can share it.

    Raises:
        InputError: a device, precision, number of threads or hash beside a session, or a hash
            that is none or stands beside a bundle that was loaded.
        BundleError: the bundle is missing, damaged, lacks the precision, or is not the one that
            ``sha256`` is of.
        DeviceError: what was asked for is not available here, or the session is closed.
    """

    TASK = ""
    """The task's name: whose recipe it uses."""

    def __init__(
        self,
        source: Source | Session | None,
        device: Device,
        precision: Precision,
        threads: int | None,
        sha256: str | None = None,
    ) -> None:
        if isinstance(source, Session):
            asked = {
                "device": device,
                "precision": precision,
                "threads": threads,
                "sha256": sha256,
            }
            # Arrays compare with nothing as a whole.
            beside = [
                name
                for name, value in asked.items()
                if value is not None and not is_name(value, ("auto",))
            ]
            if beside:
                name = beside[0]
                raise InputError(
                    f"{name} is {seen(asked[name])}, but a session is open already (on "
                    f"{source.device}, {source.precision}); give {name} to the Session"
                )
            self._made = None
            self._use = source.join()
        else:
            # Kept open with the task, so that others may share what it opened.
            self._made = Session(
                source, device, precision=precision, threads=threads, sha256=sha256
            )
            self._use = self._made.join()
        self.session = self._use.session

    @property
    def bundle(self) -> Bundle:
        """The bundle it computes with."""
        return self.session.bundle

    @property
    def info(self) -> MatcherInfo:
        """What it runs on."""
        info, spec = self.session.info, self.bundle.spec
        return MatcherInfo(
            bundle=info.bundle,
            backbone=info.backbone,
            precision=info.precision,
            device=info.device,
            provider=info.provider,
            alpha=spec.recipes.match.alpha,
            stride=info.stride,
            threshold=self._threshold(),
            hashes=info.hashes,
            calibrated=info.calibrated[self.TASK],
        )

    def __repr__(self) -> str:
        closed = ", closed" if self._use.closed else ""
        return f"{type(self).__name__}({self.session!r}{closed})"

    def close(self) -> None:
        """Give its part of the session up; it cannot be used afterwards. May be called twice.

        A session that the task opened by itself takes no new users then, and stays with those that
        share it.
        """
        self._use.close()
        if self._made is not None:
            self._made.close()

    def __enter__(self: TaskT) -> TaskT:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def warm_up(self, size: tuple[int, int] = (640, 480)) -> None:
        """Do what the first picture would wait for: load the graphs that are loaded when they are
        needed, and plan and reserve memory for a size, which takes long on a GPU.

        Answers, and what was set or is followed, stay as they are.

        Args:
            size: width and height of the pictures to come.
        """
        raise NotImplementedError

    def _threshold(self) -> float:
        """The score from which it says "found"."""
        raise NotImplementedError

    def _check_open(self) -> None:
        """Refuse to go on after :meth:`close`.

        Raises:
            DeviceError: it is closed.
        """
        if self._use.closed:
            raise DeviceError(f"this {type(self).__name__.lower()} is closed; make a new one")
