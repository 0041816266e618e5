"""How a template is found: every number that was fitted or chosen for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import InputError
from ..kinds import Numeric
from .fields import Record, bound, chosen, fitted
from .judge_network import JudgeNetwork
from .judge_numbers import JUDGE_CENTRE, JUDGE_HIDDEN, JUDGE_OUTPUT, JUDGE_SPREAD

MANY = 1_000_000

PLANE_PARAMETERS: Numeric[int] = 8
"""Parameters of a homography."""

LEAST_SPREAD: Numeric[float] = 1e-6
"""No evidence varies by less, and what is divided by it stays finite."""

RETIRED = frozenset(
    {
        *("size_step", "size_steps", "clear_gain", "size_margin"),
        *("slope", "likeness", "offset", "score_slope", "score_likeness", "score_offset"),
        *("judge_weights", "judge_offset"),
    }
)
"""Fields of earlier versions, which estimated sizes by looking one step smaller and larger, and
whose scores were linear in a few numbers."""


@dataclass(frozen=True)
class MatchRecipe(Record):
    """How a template is found.

    What multiplies the work or the pixels of every look is bounded so that an object is still found
    in seconds.

    Attributes:
        alpha: factor on the cosine similarity inside both softmaxes (paper, section 3.2); the
            matching graph has it built in, and the other tasks take it from here.
        competitors: this many patches around the template, those most similar to it, join the
            softmax over the template.
        min_side: templates are enlarged until the root of their area is this many pixels.
        max_side: templates are shrunk until the root of their area is this many pixels.
        max_enlarge: never enlarge by more than this.
        max_pixels: largest image, in pixels at the resolution at which it is searched as a whole.
        whole_pixels: an image of more pixels at the template's own resolution is searched as a
            whole at a lower one, and its best places are looked at by themselves.
        least_side: no lower, though, than where the root of the template's area is this many
            pixels, ...
        tiny_side: ... or, for what is smaller in the image, no lower than the image's own
            resolution and this.
        refine: move each match to where its patches agree best at the finer stride.
        exclusive: patches agree by how surely a cell is its own patch, among all patches and
            competitors; otherwise by similarity alone.
        candidates: this many of the best windows are placed exactly before the best is chosen.
        size_rounds: what is found is looked at so often again, each time in the size that it seemed
            to have; 0 keeps the template's size, as a mask does.
        size_most_rounds: so often at most, as long as each look is better than the one before and
            the size moves by more than ``size_moves`` still.
        size_moves: factor on the size.
        most_zoom: factor on the size beyond which an object is only found if sizes were asked for.
        most_turn: degrees beyond which it is only found if turns were.
        rival_share: windows with less than this share of the best response are no candidates.
        likelihood_weight: what a unit of mean log-likelihood counts beside one of log response
            between candidates.
        close_promise: a place is looked at again if it is behind the best by no more than this, in
            mean log-likelihood and ``pose_similarity`` times the mean cosine.
        response_weight: what a unit of log response counts between places, beside one of the
            judge's log-odds.
        overlap: windows that overlap a better one by more than this IoU are the same match.
        place_margin: cells searched on each side of a place that is known to about a coarse cell.
        look_border: pixels around a box that the network sees when it looks again, and ...
        look_share: ... this share of the box, on each side.
        crop_border: pixels of repeated border around a template that comes without its frame.
        frame_border: pixels of a large frame that are encoded on each side of the box.
        level_border: the same around a template at a lower resolution than its own.
        coarse_pool: cells of the surroundings among which competitors are sought, evenly spread.
        fine_pool: the same at the finer stride: neighbours resemble each other, so that more of
            them give no better ones.
        scale_steps: scales are rounded to this many steps per factor of two, so that templates
            share encodings.
        pose_angle: degrees between two angles at which a first look compares.
        pose_sizes: sizes per factor of two at which it compares.
        pose_depth: dimensions of the patches that it compares.
        pose_apart: sides of the object between two candidates of the same angle and size.
        pose_looks: this many candidates, at least, are looked at upright.
        pose_rounds: the best of them are looked at so often again, each time in a better pose.
        pose_kept: so many of them at first, half as many each time after that.
        pose_similarity: what a unit of mean cosine counts beside one of mean log-likelihood between
            candidates.
        pose_margin: fine cells around its place in which a patch is sought in such a look.
        pose_border: pixels around an upright box that the network sees.
        pose_beyond: degrees outside the range that was asked for at which an object is still found.
        size_beyond: factor on the size outside the range, the same.
        rigid_correlation: an object is rigid if its pixels correlate with the template's by so much
            once they are registered; only then do they say where it is.
        plane_rounds: a planar object is looked at so often again, each time through a better map,
            for each kind of map.
        plane_margin: fine cells around its place in which a patch is sought in such a look.
        plane_prior: patches that a map being no more than a similarity counts as much as: the four
            of a similarity, stretch and slant, and two of perspective.
        plane_likelihood: mean log-likelihood by which patches must fit better through a finer map
            for it to be kept, ...
        plane_least: ... and how well they must fit: what deforms fits badly through any.
        plane_correlation: its pixels decide instead where they correlate by so much through it.
        plane_residual: share of what a similarity leaves unexplained of the pixels, 1 less their
            correlation, that a finer map may leave; the same between affine map and homography.
        core_least: between this correlation, ...
        core_most: ... and this, the inside of the box is registered by itself, and ...
        core_correlation: ... says where the object is if it correlates by so much.
        judge_centre: mean of each piece of the evidence that is judged, in the order of
            ``BoxEvidence``.
        judge_spread: its standard deviation.
        judge_hidden: of the network that judges, see :class:`.JudgeNetwork`.
        judge_output: the same.
        threshold: score from which a match counts as found.
    """

    alpha: float = chosen(25.0, 1e-3, 1000)
    competitors: int = chosen(64, 0, 10_000)
    min_side: float = chosen(32.0, 4, 1024)
    max_side: float = chosen(64.0, 4, 1024)
    max_enlarge: float = chosen(4.0, 1, 64)
    max_pixels: int = bound(64_000_000, 1024, 1 << 40)
    whole_pixels: int = chosen(1_000_000, 1024, 1 << 40)
    least_side: float = chosen(31.0, 4, 1024)
    tiny_side: float = chosen(16.0, 4, 1024)
    refine: bool = chosen(True)
    exclusive: bool = chosen(True)
    candidates: int = chosen(4, 1, 1000)
    size_rounds: int = chosen(1, 0, 100)
    size_most_rounds: int = chosen(4, 0, 100)
    size_moves: float = chosen(1.1, 1, 10)
    most_zoom: float = chosen(1.75, 1, 100)
    most_turn: float = chosen(40.0, 0, 180)
    rival_share: float = chosen(0.3, 0, 1)
    likelihood_weight: float = chosen(0.08, 0, 1000)
    close_promise: float = chosen(3.0, 0, 1000)
    response_weight: float = chosen(12.0, 0, 1000)
    overlap: float = chosen(0.3, 0, 0.99)
    place_margin: int = chosen(2, 0, 100)
    look_border: int = chosen(32, 0, 1024)
    look_share: float = chosen(0.2, 0, 2)
    crop_border: int = chosen(32, 0, 1024)
    frame_border: int = chosen(320, 32, 1 << 16)
    level_border: int = chosen(128, 32, 1 << 16)
    coarse_pool: int = bound(2000, 1, MANY)
    fine_pool: int = chosen(500, 1, MANY)
    scale_steps: int = chosen(2, 1, 100)
    pose_angle: float = chosen(30.0, 1, 90)
    pose_sizes: int = chosen(2, 1, 16)
    pose_depth: int = chosen(48, 1, 10_000)
    pose_apart: float = chosen(0.35, 0, 10)
    pose_looks: int = chosen(10, 1, 1000)
    pose_rounds: int = chosen(2, 0, 32)
    pose_kept: int = chosen(3, 1, 1000)
    pose_similarity: float = chosen(6.0, 0, 1000)
    pose_margin: int = chosen(3, 1, 16)
    pose_border: int = chosen(24, 0, 128)
    pose_beyond: float = chosen(3.0, 0, 180)
    size_beyond: float = chosen(1.05, 1, 10)
    rigid_correlation: float = chosen(0.8, 0, 1)
    core_least: float = chosen(0.4, -1, 1)
    core_most: float = chosen(0.97, -1, 1)
    core_correlation: float = chosen(0.95, 0, 1)
    plane_rounds: int = chosen(2, 0, 32)
    plane_margin: int = chosen(4, 1, 16)
    plane_prior: tuple[float, ...] = chosen((0.0, 0.0, 0.0, 0.0, 0.3, 0.3, 1.0, 1.0), 0, MANY)
    plane_likelihood: float = chosen(0.5, 0, 1000)
    plane_least: float = chosen(-3.0, -1000, 0)
    plane_correlation: float = chosen(0.95, 0, 1)
    plane_residual: float = chosen(0.6, 0, 1)
    judge_centre: tuple[float, ...] = fitted(JUDGE_CENTRE, -1e6, 1e6)
    judge_spread: tuple[float, ...] = fitted(JUDGE_SPREAD, LEAST_SPREAD, 1e6)
    judge_hidden: tuple[float, ...] = fitted(JUDGE_HIDDEN, -1e6, 1e6)
    judge_output: tuple[float, ...] = fitted(JUDGE_OUTPUT, -1e6, 1e6)
    threshold: float = chosen(0.5, 0, 1)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MatchRecipe:
        """Read what :meth:`as_dict` gave, or an earlier version's.

        Raises: as :meth:`Record.from_dict`.
        """
        if not isinstance(data, Mapping):
            return super().from_dict(data)
        kept = {name: value for name, value in data.items() if name not in RETIRED}
        if data.get("size_step") == 0:
            kept.setdefault("size_rounds", 0)
        return super().from_dict(kept)

    def __post_init__(self) -> None:
        """Check the fields, and that they fit together."""
        super().__post_init__()
        if self.min_side > self.max_side:
            raise InputError(f"min_side {self.min_side:g} is above max_side {self.max_side:g}")
        if len(self.plane_prior) != PLANE_PARAMETERS:
            raise InputError(
                f"plane_prior has {len(self.plane_prior)} numbers; give {PLANE_PARAMETERS}, one "
                "for each parameter of a homography"
            )
        JudgeNetwork.of(self.judge_centre, self.judge_spread, self.judge_hidden, self.judge_output)

    @cached_property
    def judge(self) -> JudgeNetwork:
        """The network that weighs what speaks for a box."""
        return JudgeNetwork.of(
            self.judge_centre, self.judge_spread, self.judge_hidden, self.judge_output
        )
