"""How well a transform explains the matches of two pictures, as a number with a gradient.

The soft-inlier count of Rocco, Arandjelovic and Sivic, "End-to-end weakly-supervised semantic
alignment" (CVPR 2018, arXiv 1712.06861, section 3): RANSAC judges a transform by how many matches
lie within a distance of where it sends them; summing the scores of all matches under a mask around
those places instead gives a gradient to the transform and to the scores. It needs no marked points,
only pictures that show the same kind of thing.

    c = sum over source cells s and target cells t of  score(s, t) m(s, t)

The paper's mask is 1 within a threshold of the transformed cell and is sampled bilinearly. Here it
is a Gaussian of the distance, so that a match beyond the threshold still pulls.
"""

from __future__ import annotations

from torch import Tensor


def inlier_mask(placed: Tensor, cells: Tensor, width: float) -> Tensor:
    """How nearly each target cell is where the transform sends each source cell.

    Args:
        placed: ``(B, S, 2)`` where it sends the middles of the source's cells.
        cells: ``(T, 2)`` middles of the target's cells, in the same unit.
        width: standard deviation of the distance, in that unit.

    Returns:
        ``(B, S, T)`` in [0, 1].
    """
    distance = (placed[:, :, None] - cells).square().sum(3)
    return (distance * (-0.5 / (width * width))).exp()


def soft_inlier_count(scores: Tensor, placed: Tensor, cells: Tensor, width: float) -> Tensor:
    """The soft-inlier count of a transform, to be made large.

    Args:
        scores: ``(B, S, T)`` of the matches of source and target cells, not negative.
        placed: ``(B, S, 2)`` where the transform sends the middles of the source's cells.
        cells: ``(T, 2)`` middles of the target's cells, in the same unit.
        width: standard deviation of the mask, in that unit.

    Returns:
        ``(B,)``, between 0 and the sum of the scores.
    """
    return (scores * inlier_mask(placed, cells, width)).sum((1, 2))
