"""The soft-inlier count: its gradient, and that it tells the true transform from others."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from qatm.model.matching import KINDS, MatchingLayer  # noqa: E402
from qatm.model.soft_inliers import inlier_mask, soft_inlier_count  # noqa: E402

SIDE = 8


def cells(side: int = SIDE) -> Any:
    middles = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, placed = (
        torch.rand(2, 9, last, generator=generator, dtype=torch.float64).requires_grad_()
        for last in (4, 2)
    )
    places = cells(2).double()
    assert torch.autograd.gradcheck(
        lambda s, p: soft_inlier_count(s, p, places, 0.2), (scores, placed)
    )


def test_every_match_counts_where_the_transform_sends_it() -> None:
    places = cells()
    mask = inlier_mask(places[None], places, 0.05)
    torch.testing.assert_close(mask[0].diagonal(), torch.ones(SIDE * SIDE))
    off = torch.exp(torch.tensor(-0.5 * (1 / SIDE / 0.05) ** 2))
    torch.testing.assert_close(mask[0, 0, 1], off)
    scores = torch.zeros(1, SIDE * SIDE, SIDE * SIDE)
    scores[0, 3, 3], scores[0, 3, 60] = 0.5, 0.25
    count = soft_inlier_count(scores, places[None], places, 0.01)
    torch.testing.assert_close(count, torch.tensor([0.5]))
    # A wide mask takes in all the scores.
    torch.testing.assert_close(
        soft_inlier_count(scores, places[None], places, 1e3), torch.tensor([0.75])
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_true_transform_has_the_largest_count(kind: Any) -> None:
    source = torch.randn(1, 64, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    target = torch.roll(source, (1, 2), (2, 3))
    scores = MatchingLayer(kind)(source, target).flatten(2).relu().detach()
    places = cells()
    counts = {
        (down, right): float(
            soft_inlier_count(
                scores, places[None] + torch.tensor([right, down]) / SIDE, places, 0.06
            )
        )
        for down in range(-2, 3)
        for right in range(-3, 4)
    }
    assert max(counts, key=lambda shift: counts[shift]) == (1, 2)
    # The pull is towards the true place from where the mask overlaps it.
    placed = (places[None] + torch.tensor([1.5, 1.0]) / SIDE).requires_grad_()
    soft_inlier_count(scores, placed, places, 0.06).sum().backward()
    assert placed.grad is not None
    assert placed.grad[..., 0].mean() > 0
