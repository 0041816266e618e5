"""The matching layer: gradients, values against plain numpy, and what it refuses."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import torch
from torch import Tensor

from qatm.model import MatchingLayer
from qatm.model.matching import KINDS, MatchingKind


def maps(*sizes: tuple[int, int], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 5, *size, generator=generator, dtype=dtype) for size in sizes]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_features_and_temperatures(kind: MatchingKind) -> None:
    layer = MatchingLayer(kind, alpha=6.0).double()
    inputs = [features.requires_grad_() for features in maps((2, 3), (3, 2))]
    names = [name for name, _ in layer.named_parameters()]
    assert names == (["alpha_t", "alpha_s"] if kind == "qatm" else [])

    def call(*values: Tensor) -> Tensor:
        parameters = dict(zip(names, values[2:], strict=True))
        volume = torch.func.functional_call(layer, parameters, values[:2])
        assert isinstance(volume, Tensor)
        return volume

    assert torch.autograd.gradcheck(call, (*inputs, *layer.parameters()))


@pytest.mark.parametrize("root", [False, True])
def test_qatm_is_the_product_of_two_softmaxes(root: bool) -> None:
    source, target = maps((3, 4), (5, 2))
    layer = MatchingLayer("qatm", alpha=12.0, root=root).double()
    with torch.no_grad():
        layer.alpha_s.fill_(7.0)
        volume = layer(source, target)
    assert volume.shape == (2, 12, 5, 2)
    for index in range(2):
        rows, cells = (x[index].flatten(1).T.numpy() for x in (source, target))
        rho = oracle.cosine(rows, cells)
        expected = oracle.softmax(12 * rho, 0) * oracle.softmax(7 * rho, 1)
        expected = np.sqrt(expected) if root else expected
        np.testing.assert_allclose(volume[index].flatten(1), expected, atol=2e-3)


def test_correlation_columns_have_length_one() -> None:
    volume = MatchingLayer("correlation")(*maps((4, 4), (3, 5)))
    assert (volume >= 0).all()
    np.testing.assert_allclose(volume.norm(dim=1), 1.0, atol=1e-4)


def test_a_shifted_picture_is_matched_by_its_shift() -> None:
    (whole,) = maps((6, 6))
    for kind in KINDS:
        best = MatchingLayer(kind)(whole[..., 1:], whole[..., :-1]).detach().argmax(1)
        y, x = best // 5, best % 5
        assert (y[..., 1:] == torch.arange(6)[:, None]).all()
        assert (x[..., 1:] == torch.arange(4)).all()


def test_flat_maps_give_finite_values() -> None:
    flat = torch.ones(1, 4, 3, 3)
    for kind in KINDS:
        assert torch.isfinite(MatchingLayer(kind)(flat, flat)).all()


def test_refused() -> None:
    with pytest.raises(ValueError, match="unknown; choose from qatm, correlation, cosine"):
        MatchingLayer("dot")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="alpha is 0"):
        MatchingLayer(alpha=0)
    with pytest.raises(TypeError, match="needs float32"):
        MatchingLayer()(*maps((2, 2), (2, 2), dtype=torch.float16))
