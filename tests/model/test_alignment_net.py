"""The alignment network: known maps come back, and it learns through every part."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from qatm.model.alignment_net import (  # noqa: E402
    CELLS,
    AlignmentNet,
    affine_of,
    inverse_of_symmetric,
)

AFFINE = torch.tensor([[[0.8, 0.15, 0.05], [-0.1, 0.9, 0.1]], [[1.3, 0.0, -0.2], [0.1, 1.2, -0.1]]])


def along(network, affine, width=0.03):
    """Weights of pairs that lie along a map, and some that do not."""
    placed = network.centres @ affine[..., :2].transpose(1, 2) + affine[..., 2][:, None]
    distance = (placed[:, :, None] - network.centres).square().sum(3)
    return torch.exp(distance / (-2 * width * width)) + 1e-4


def test_known_maps_are_fitted():
    network = AlignmentNet()
    found = affine_of(network.fit(along(network, AFFINE)))
    corners = torch.tensor([[0.2, 0.2], [0.8, 0.2], [0.5, 0.8]])
    both = [corners @ m[..., :2].transpose(1, 2) + m[..., 2][:, None] for m in (found, AFFINE)]
    assert (both[0] - both[1]).norm(dim=2).max() < 0.02


def test_inverse_by_cofactors():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(5, 3, 3, generator=generator)
    matrix = matrix @ matrix.transpose(1, 2) + 0.1 * torch.eye(3)
    product = inverse_of_symmetric(matrix.flatten(1)) @ matrix
    torch.testing.assert_close(product, torch.eye(3).expand(5, 3, 3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["qatm", "correlation", "cosine"])
def test_every_kind_aligns_a_picture_with_itself_and_learns(kind):
    torch.manual_seed(0)
    network = AlignmentNet(kind)
    features = torch.randn(2, 32, CELLS, CELLS, generator=torch.Generator().manual_seed(1))
    affine, placed = network(features, features, torch.ones(2, CELLS, CELLS))
    torch.testing.assert_close(affine, torch.eye(2, 3).expand(2, 2, 3), atol=0.15, rtol=0)
    # The part that bends starts with nothing.
    straight = network.corners @ affine[..., :2].transpose(1, 2) + affine[..., 2][:, None]
    torch.testing.assert_close(placed, straight)
    (affine.square().sum() + (placed * torch.arange(16)[:, None]).sum()).backward()
    for name, value in network.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name


def test_parts_that_only_differ_in_the_layer():
    sizes = {
        kind: {n: tuple(v.shape) for n, v in AlignmentNet(kind).named_parameters()}
        for kind in ("qatm", "correlation", "cosine")
    }
    assert sizes["correlation"] == sizes["cosine"]
    extra = set(sizes["qatm"]) - set(sizes["cosine"])
    assert extra == {"matching.alpha_t", "matching.alpha_s"}


def test_nothing_usable_stays_finite():
    network = AlignmentNet()
    flat = torch.ones(1, 8, CELLS, CELLS)
    for usable in (torch.zeros(1, CELLS, CELLS), torch.ones(1, CELLS, CELLS)):
        affine, placed = network(flat, flat, usable)
        assert affine.isfinite().all()
        assert placed.isfinite().all()
    with pytest.raises(ValueError, match="matching kind 'dot'"):
        AlignmentNet("dot")  # pyright: ignore[reportArgumentType]
