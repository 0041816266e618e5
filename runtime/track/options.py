"""How a tracker follows an object; every choice with its default."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import InputError


@dataclass(frozen=True)
class TrackerOptions:
    """Options of a tracker; :meth:`as_dict` and :meth:`from_dict` keep them as plain data.

    Lengths are in *sides*: the root of the target's area.

    Attributes:
        side: the search region is resized until the target's side is this many pixels.
        margin: the search region reaches this many sides beyond the target on each side.
        reach: a move of this many sides away from the predicted place is as likely as
            ``exp(-1/2)``: standard deviation of the prior on moves.
        locality: how far the prior may lower a response, 0 (ignored) to 1.
        momentum: part of the last move that is expected to go on.
        competitors: patches around the target in the first frame that compete with it.
        scale_step: ratio of neighbouring sizes that are tried; 1 keeps the size.
        scale_gain: part of a measured change of size that is believed at once, 0 to 1.
        scale_cost: mean agreement by which a size e times larger or smaller than the first one must
            fit better; a target that has come to look different fits all sizes about equally, and
            its size would drift.
        scale_every: the size is measured in every frame, in every second, and so on.
        max_scale: the size stays within this factor of the first one.
        recent_after: frames after which a look of the target counts as evidence beside the first
            look, and is replaced; 0 keeps to the first look alone.
        recent_weight: part of that look in placing the target, 0 to 1.
        quality_weight: how much the logarithm of the mean quality counts in the score, for each of
            the two looks.
        share_weight: how much the logarithm of the share counts that competitors leave of it.
        agreement_weight: how much the mean agreement of the first look's patches counts.
        score_offset: of the score: a logistic function of all that.
        inertia: part of the belief (log-odds) of the frame before that stays, 0 to below 1; single
            frames then neither lose nor find an object.
        found_score: belief from which the object is tracked; below it its size is not followed.
        lost_score: belief below which the object is lost.
        again_score: score of a single frame at which a lost object is found again where it was last
            seen, or where it seemed to go.
        elsewhere_score: the same anywhere else: among many places, some look right by chance.
        wait: frames that an object is lost before it is looked for elsewhere than where it seemed
            to go.
        probation: sure frames after which an object that was found again is taken for the right
            one; until then its look is not learned, and other places are still compared with it.
        rival_margin: log-odds by which another place must then fit better to be followed instead.
        search_pixels: while lost, the frame is searched as a whole at no more than this many
            pixels.
        search_sizes: sizes, relative to the last one, at which a lost object is looked for.
    """

    side: float = 64.0
    margin: float = 0.6
    reach: float = 0.4
    locality: float = 0.5
    momentum: float = 0.5
    competitors: int = 64
    scale_step: float = 1.1
    scale_gain: float = 0.6
    scale_cost: float = 0.2
    scale_every: int = 2
    max_scale: float = 5.0
    recent_after: int = 6
    recent_weight: float = 0.5
    quality_weight: float = 2.67
    share_weight: float = 3.91
    agreement_weight: float = 10.0
    score_offset: float = 16.7
    inertia: float = 0.7
    found_score: float = 0.5
    lost_score: float = 0.3
    again_score: float = 0.85
    elsewhere_score: float = 0.97
    wait: int = 2
    probation: int = 40
    rival_margin: float = 1.0
    search_pixels: int = 300_000
    search_sizes: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            InputError: a value outside its range.
        """
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not low <= value <= high:
                raise InputError(f"{name} is {value!r}; it must lie between {low:g} and {high:g}")
        if not self.search_sizes or not all(
            math.isfinite(size) and 0.1 <= size <= 10  # noqa: PLR2004
            for size in self.search_sizes
        ):
            raise InputError(
                f"search_sizes is {self.search_sizes!r}; give factors between 0.1 and 10"
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``json.dump``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrackerOptions:
        """Read what :meth:`as_dict` gave; missing options have their defaults.

        Raises:
            InputError: an unknown option, or a value outside its range.
        """
        unknown = set(data) - {field.name for field in fields(cls)}
        if unknown:
            raise InputError(f"tracker options have no {sorted(unknown)[0]!r}; see TrackerOptions")
        values = dict(data)
        if "search_sizes" in values:
            values["search_sizes"] = tuple(values["search_sizes"])
        return cls(**values)


_RANGES: dict[str, tuple[float, float]] = {
    "side": (16, 256),
    "margin": (0.25, 4),
    "reach": (0.05, 10),
    "locality": (0, 1),
    "momentum": (0, 1),
    "competitors": (0, 10_000),
    "scale_step": (1, 1.5),
    "scale_gain": (0, 1),
    "scale_cost": (0, 100),
    "scale_every": (1, 1_000_000),
    "max_scale": (1, 100),
    "quality_weight": (0, 1000),
    "agreement_weight": (0, 1000),
    "share_weight": (0, 1000),
    "recent_weight": (0, 1),
    "recent_after": (0, 1_000_000),
    "score_offset": (-1000, 1000),
    "found_score": (0, 1),
    "lost_score": (0, 1),
    "again_score": (0, 1),
    "elsewhere_score": (0, 1),
    "inertia": (0, 0.999),
    "wait": (0, 1_000_000),
    "probation": (0, 1_000_000),
    "rival_margin": (-100, 100),
    "search_pixels": (10_000, 64_000_000),
}
