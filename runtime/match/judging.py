"""How surely a box is right: what is known at the end, weighed by a small network."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from ..bundle.log_odds import logistic
from ..bundle.match_recipe import MatchRecipe
from ..errors import BundleError
from ..images import Image
from ..kinds import Numeric
from ..session import Session
from .comparing import UNKNOWN, PixelComparer
from .differences import Differences, mean_tint
from .pose import Pose
from .registration import UprightLook, by_pixels
from .template import Template

REFUSED: Numeric[float] = -100.0
"""Log-odds of what cannot be the object."""


@dataclass(frozen=True)
class BoxEvidence:
    """What speaks for a box, and what has to be known to weigh it.

    Attributes:
        likelihood: mean log of how surely cells are the patches at their places, at most 0.
        similarity: mean cosine of patches with the cells at their places.
        likeness: mean cosine of cells with the patch that they resemble most.
        support: part of the patches whose places agree with the pose.
        worst_patches: as ``likelihood``, of the least sure tenth.
        most_patches: of half.
        best_patches: of nine tenths.
        correlation: of the pixels once they are registered, at least 0.
        worst_spot: how much the spot differs that differs most, see :class:`.Differences`.
        inner_spot: the same inside the ellipse in the box.
        low_spot: of the tenth of these that differ least.
        middle_spot: of half.
        high_spot: of nine tenths.
        detail: correlation of what is left without the mean of the surroundings, see
            :class:`.Differences`.
        worst_detail: how much of it differs in the spot that differs most.
        middle_detail: in half of the spots.
        high_detail: in nine tenths.
        tint: difference of the mean colours without their brightness, in 20 grey values.
        standing: how far the best other place is behind, in [0, 1], or twice the root of how surely
            the patches are there if that is more: where an equal copy is what comes close, it says
            nothing against this one.
        confusable: how much the template resembles what surrounds it.
        poses: logarithm of the number of poses tried.
        even: part of the template's picture that is even, see :class:`.Grain`.
        smooth: the same, less strictly.
        noise: of its picture.
        edges: of its picture.
        comparison: log-odds that the registered pixels are the template's, by the network that
            compares them; :data:`~.comparing.UNKNOWN` where there is none.
    """

    likelihood: float
    similarity: float
    likeness: float
    support: float
    worst_patches: float
    most_patches: float
    best_patches: float
    correlation: float
    worst_spot: float
    inner_spot: float
    low_spot: float
    middle_spot: float
    high_spot: float
    detail: float
    worst_detail: float
    middle_detail: float
    high_detail: float
    tint: float
    standing: float
    confusable: float
    poses: float
    even: float
    smooth: float
    noise: float
    edges: float
    comparison: float = UNKNOWN


@dataclass(frozen=True)
class Tried:
    """What else is known of a pose.

    Attributes:
        poses: how many were tried.
        margin: how far the best other place is behind, in [0, 1].
        flat: whether the image shows a single colour there.
    """

    poses: int
    margin: float
    flat: bool = False


@dataclass(frozen=True)
class JudgedPose:
    """A pose, and how surely it is right.

    Attributes:
        pose: registered with the pixels where the object is rigid.
        odds: logarithm of how much likelier the box is right than wrong.
        margin: how far the best other place is behind, in [0, 1].
        evidence: what the odds are made of.
        prior: logarithm of what else makes it likelier than others of the same template: how
            exclusive its window is. Copies lower it alike, so it is no part of the score.
        rigid: whether its pixels fit.
        beyond: whether it lies outside what was searched.
    """

    pose: Pose
    odds: float
    margin: float
    evidence: BoxEvidence
    prior: float = 0.0
    rigid: bool = False
    beyond: bool = False

    @property
    def preference(self) -> float:
        """What one place of a template is chosen by.

        The surer pixels that fit are, the more they decide; elsewhere how exclusive a place is
        says more. What lies outside is told of only if nothing inside comes close.
        """
        unsure = 1 - logistic(2 * (self.odds - SURE)) if self.rigid else 1.0
        return self.odds + self.prior * unsure - (OUTSIDE if self.beyond else 0.0)

    @property
    def score(self) -> float:
        """Probability that the box is right, in [0, 1]; 0 of what was not asked for."""
        return 0.0 if self.beyond or self.odds <= REFUSED else logistic(self.odds)


SURE: Numeric[float] = 2.0
"""Log-odds of pixels that fit from which they decide more than a window does."""

OUTSIDE: Numeric[float] = 5.0
"""Log-odds by which a place inside what was searched may be behind one outside."""

TINTS: Numeric[float] = 20.0
"""Grey values of a unit of ``tint``."""


def comparer_for(session: Session) -> PixelComparer | None:
    """The network of a bundle that compares pixels, as far as its judge weighs what it says.

    Raises:
        BundleError: another version fitted the judge, to other evidence; or the network is missing
            or takes or gives something else.
        DeviceError: the device does not work with it, or has no engine for it.
    """
    comparer = PixelComparer.of(session)
    known, here = len(session.bundle.spec.recipes.match.judge_centre), len(fields(BoxEvidence))
    if known == here and comparer is None:
        raise BundleError(
            "the bundle's judge weighs what a network says that the bundle lacks; export it again"
        )
    if known not in (here, here - 1):
        raise BundleError(
            f"the bundle is of another version: its judge weighs {known} pieces of evidence, this "
            f"version has {here}; export it again"
        )
    return comparer


def judge(
    template: Template,
    image: Image,
    pose: Pose,
    seen: UprightLook,
    tried: Tried,
    recipe: MatchRecipe,
    comparer: PixelComparer | None,
) -> JudgedPose:
    """Register a pose with the image's pixels, and weigh what speaks for it.

    Args:
        template: what was looked for.
        image: ``(H, W, 3)`` uint8 BGR.
        pose: where its patches lie.
        seen: the look that says so.
        tried: what else is known.
        recipe: of the bundle.
        comparer: its network that compares pixels, if it has one.
    """
    pose, correlation = by_pixels(template, image, pose, recipe)
    pixels, grain = template.pixels, template.grain
    spots = Differences.unknown() if pixels is None else Differences.between(pixels, image, pose)
    own, mask = template.tint
    sides = pose.matrix() * template.size
    tint = np.linalg.norm(mean_tint(image, sides, (pose.x, pose.y), mask) - own)
    known = (
        seen.likelihood,
        seen.similarity,
        seen.likeness,
        seen.support,
        *seen.surest,
        max(0.0, correlation),
        *spots,
        min(2.0, float(tint) / TINTS),
        max(tried.margin, min(1.0, 2 * math.exp(seen.likelihood / 2))),
        template.confusable,
        math.log(tried.poses),
        *grain,
        _compared(template, image, pose, comparer),
    )
    evidence = BoxEvidence(*known)
    nothing = template.flat or tried.flat
    # Where a bundle has no such network, its judge does not know of the last piece.
    weighed = np.array([known[: len(recipe.judge_centre)]])
    odds = REFUSED if nothing else float(recipe.judge.odds(weighed)[0])
    rigid = correlation >= recipe.rigid_correlation
    return JudgedPose(pose, odds, tried.margin, evidence, rigid=rigid)


def _compared(
    template: Template, image: Image, pose: Pose, comparer: PixelComparer | None
) -> float:
    """What the network says of the pixels, as far as there are any to compare."""
    pixels, picture = template.pixels, template.compared
    if comparer is None or pixels is None or picture is None:
        return UNKNOWN
    return comparer.odds(picture, pixels, image, pose)
