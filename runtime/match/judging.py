"""How surely a box is right: what is known at the end, weighed."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

from ..bundle.log_odds import logistic
from ..bundle.match_recipe import MatchRecipe
from ..images import Image
from .pose import Pose
from .registration import UprightLook, by_pixels
from .template import Template


@dataclass(frozen=True)
class BoxEvidence:
    """What speaks for a box, numbers of which more is better unless it says otherwise.

    Attributes:
        likelihood: root of how surely cells are the patches at their places, in [0, 1].
        similarity: mean cosine of patches with the cells at their places.
        likeness: mean cosine of cells with the patch that they resemble most.
        support: part of the patches whose places agree with the pose.
        correlation: of the pixels once they are registered, at least 0.
        sameness: its fourth power: near 1 only where the pixels are nearly the same.
        confusable: how much the template resembles what surrounds it; less is better.
        poses: logarithm of the number of poses tried; less is better.
        standing: how far the best other place is behind, in [0, 1], or twice the likelihood if that
            is more: where an equal copy is what comes close, it says nothing against this one.
    """

    likelihood: float
    similarity: float
    likeness: float
    support: float
    correlation: float
    sameness: float
    confusable: float
    poses: float
    standing: float

    def odds(self, recipe: MatchRecipe) -> float:
        """Log-odds that the box is right."""
        pairs = zip(recipe.judge_weights, astuple(self), strict=True)
        return recipe.judge_offset + sum(weight * value for weight, value in pairs)


@dataclass(frozen=True)
class JudgedPose:
    """A pose, and how surely it is right.

    Attributes:
        pose: registered with the pixels where the object is rigid.
        score: probability that the box is right, in [0, 1].
        evidence: what the score is made of.
    """

    pose: Pose
    score: float
    evidence: BoxEvidence


def judge(
    template: Template,
    image: Image,
    seen: UprightLook,
    poses: int,
    margin: float,
    recipe: MatchRecipe,
) -> JudgedPose:
    """Register what was seen with the image's pixels, and weigh what speaks for it.

    Args:
        template: what was looked for.
        image: ``(H, W, 3)`` uint8 BGR.
        seen: its last look.
        poses: that were tried.
        margin: how far the best other place is behind.
        recipe: of the bundle.
    """
    pose, correlation = by_pixels(template, image, seen.better, recipe)
    correlation = max(0.0, correlation)
    likelihood = math.exp(seen.likelihood / 2)
    evidence = BoxEvidence(
        likelihood,
        seen.similarity,
        seen.likeness,
        seen.support,
        correlation,
        correlation**4,
        template.confusable,
        math.log(poses),
        max(margin, min(1.0, 2 * likelihood)),
    )
    score = 0.0 if template.flat else logistic(evidence.odds(recipe))
    return JudgedPose(pose, score, evidence)
