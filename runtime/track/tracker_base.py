"""What trackers of one object and of several have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..arguments import as_called
from ..backends.graph import Device, Precision
from ..boxes import BoxLike, box_in_frame, check_elongation
from ..errors import InputError, TemplateError
from ..images import AnyImage, Image, as_bgr, as_object_frame
from ..patches.encoder import Encoder
from ..patches.kept_look import KeptTemplate
from ..session import Session, Source
from ..session_task import SessionTask
from ..turns import CallLock, in_turn
from ..value_range import ValueRange
from .budget import SearchBudget
from .first_look import FirstLook, find_in, view_of
from .follower import Follower
from .options import TrackerOptions
from .presence import LOST, TRACKING, Track


class Beginning(NamedTuple):
    """How the following of an object begins.

    Attributes:
        follower: follows it.
        values: in which frames that are not uint8 are shown.
        picture: its first frame as shown, ``(H, W, 3)`` uint8 BGR.
        track: where the object is in it.
    """

    follower: Follower
    values: ValueRange | None
    picture: Image
    track: Track


class TrackerBase(SessionTask):
    """What trackers of one and of several objects have in common."""

    TASK = "track"

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
        if options is not None and not isinstance(options, TrackerOptions):
            raise InputError(f"options is a {type(options).__name__}; give TrackerOptions")
        super().__init__(bundle, device, precision, threads, sha256)
        recipes = self.bundle.spec.recipes
        self.options = TrackerOptions.of(recipes.track) if options is None else options
        self._alpha = recipes.match.alpha
        self._encoder = Encoder(self.session)
        self._model = self.bundle.file_hash("features", "fp32")
        self._budget = SearchBudget(self.options.budget_ms)
        self._values: ValueRange | None = None
        self._turn = CallLock()

    @property
    def value_range(self) -> ValueRange | None:
        """Between which values frames are shown: those of the first one, see
        :mod:`..value_range`; ``None`` for a uint8 frame, which is shown as it is."""
        return self._values

    def reset(self) -> None:
        """Forget what is followed."""
        raise NotImplementedError

    @in_turn
    def close(self) -> None:
        """Forget what is followed and give the session up; cannot be used afterwards."""
        self.reset()
        super().close()

    def _threshold(self) -> float:
        return self.options.found_score

    def _check_model(self, model: str, what: str, remedy: str) -> None:
        """Refuse what another model's features were kept in.

        Raises:
            TemplateError: they were.
        """
        if model != self._model:
            raise TemplateError(
                f"{what} was made with another model ({model[:12]}…, this bundle is "
                f"{self._model[:12]}…); {remedy}, or begin again"
            )

    def _follow(
        self,
        frame: AnyImage,
        box: BoxLike | None,
        template: KeptTemplate | None,
        value_range: Sequence[float] | None,
        name: str | None,
    ) -> Beginning:
        """Begin to follow an object in the frame of a stream."""
        self._check_open()
        if box is None and template is None:
            raise InputError("no object to follow: give its box in the frame, or a template of it")
        called = as_called(getattr(template, "name", "") if name is None else name)
        view = None if template is None else view_of(template, self._check_model)
        kept = None if template is None or value_range is not None else template.value_range
        if kept is None:
            picture, values = as_object_frame(frame, box, value_range, "frame")
        else:
            picture, values = as_bgr(frame, "frame", kept), kept
        placed = None if box is None else box_in_frame(box, picture.shape[1], picture.shape[0])
        if placed is not None:
            check_elongation(placed)
        if view is None:
            assert placed is not None
            follower = self._follower_of(FirstLook(picture, placed))
            return Beginning(follower, values, picture, Track(placed, 1.0, TRACKING, name=called))
        score, seeker = 1.0, None
        if placed is None:
            seeker = self._follower_of(FirstLook.alone(view))
            found = find_in(seeker, picture)
            if found is None:
                seeker.begin_lost((picture.shape[1] / 2, picture.shape[0] / 2))
                track = Track(seeker.box, 0.0, LOST, name=called)
                return Beginning(seeker, values, picture, track)
            placed, score = found
        follower = self._follower_of(FirstLook.drawn(view, picture, placed))
        return Beginning(follower, values, picture, Track(placed, score, TRACKING, name=called))

    def _follower_of(self, look: FirstLook) -> Follower:
        """What follows the object of a first look."""
        return Follower(
            self._encoder, self._alpha, self.options, look.frame, look.box, self._budget
        )
