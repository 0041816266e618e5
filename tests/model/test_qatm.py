"""The QATM layer against the plain-numpy oracle: values, gradients, flags, the paper's table 1."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import oracle
import pytest
import torch
from torch import Tensor

from qatm.model import QATM, standardise
from qatm.model.qatm import joint_moments

SIZES = [(1, 1, 3), (1, 40, 8), (7, 1, 5), (5, 30, 16), (32, 200, 24), (64, 900, 176)]
DOUBLE = {"dtype": torch.float64}


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def features(rows: int, cells: int, channels: int, **kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """Raw features with offsets, scales, and some template rows copied to the search side."""
    scale = normal(channels, seed=3, **kind).exp()
    template = normal(rows, channels, seed=1, **kind) * scale + 5
    search = normal(cells, channels, seed=2, **kind) * scale + 5
    shared = min(rows, cells) // 2
    search[:shared] = template[:shared] + 0.1 * scale * search[:shared]
    return template, search


def ideal(rho: Any, alpha_t: float, alpha_s: float | None = None, target: Any = None) -> Any:
    """Equations 3 to 5 of similarities ``(M, N)``, in float64."""
    rho = np.asarray(rho, np.float64)
    pairs = oracle.softmax(alpha_t * rho, 0) * oracle.softmax((alpha_s or alpha_t) * rho, 1)
    return pairs.max(0) if target is None else pairs[np.asarray(target) > 0].max(0)


def similarities(rows: Tensor, cells: Tensor) -> Any:
    """``(M, N)`` of unit features, in float64."""
    return rows.double().numpy() @ cells.double().numpy().T


def from_raw(template: Tensor, search: Tensor, alpha: float, target: Tensor | None = None) -> Any:
    """The whole of it from raw features."""
    rho = oracle.cosine(template.double().numpy(), search.double().numpy())
    return ideal(rho, alpha, target=target)


@pytest.fixture(autouse=True)
def no_random_state_is_used() -> Iterator[None]:
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(torch.random.get_rng_state(), before)


# --- against the oracle


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("alpha", [1.0, 12.5, 28.4, 50.0])
def test_layer_equals_the_oracle(size, alpha):
    rows, cells = (unit(part) for part in features(*size))
    with torch.no_grad():
        found = QATM(alpha)(rows, cells)
    truth = ideal(similarities(rows, cells), alpha)
    np.testing.assert_allclose(found.exp().numpy(), truth, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.numpy(), np.log(truth), atol=1e-4)
    assert (found <= 1e-5).all()


@pytest.mark.parametrize("size", SIZES[3:])
def test_layer_on_raw_features_equals_the_oracle(size):
    template, search = features(*size)
    with torch.no_grad():
        found = QATM(25)(*standardise(template, search)).exp().numpy()
    truth = oracle.quality(template.double().numpy(), search.double().numpy(), 25)
    # The small constant in a feature's length, which the oracle does not have, tells here.
    np.testing.assert_allclose(found, truth, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("size", SIZES[2:])
def test_layer_in_double_precision_equals_the_oracle_exactly(size):
    rows, cells = (unit(part) for part in features(*size, **DOUBLE))
    with torch.no_grad():
        found = QATM(25).double()(rows, cells)
    assert found.dtype == torch.float64
    truth = np.log(ideal(similarities(rows, cells), 25))
    np.testing.assert_allclose(found.numpy(), truth, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("size", SIZES[3:])
def test_standardised_rows_equal_the_oracle(size):
    template, search = features(*size)
    found = standardise(template, search)
    truth = oracle.cosine(template.double().numpy(), search.double().numpy())
    np.testing.assert_allclose(similarities(*found), truth, atol=1e-3)
    assert {part.dtype for part in found} == {torch.float32}


def test_moments_are_those_of_both_together():
    template, search = features(6, 20, 4)
    mean, variance = joint_moments(template, search)
    both = torch.cat([template, search]).numpy()
    np.testing.assert_allclose(mean.numpy(), both.mean(0, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(variance.numpy(), both.var(0, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("batch", [(1,), (3,), (2, 3)])
@pytest.mark.parametrize("block", [None, 7])
def test_batch_dimensions_are_matched_one_by_one(batch, block):
    template, search = normal(*batch, 6, 12), normal(*batch, 20, 12, seed=1)
    target = normal(*batch, 6, seed=2) > -0.5
    target[..., 0] = True
    layer = QATM(20, block)
    with torch.no_grad():
        rows, cells = standardise(template, search)
        found = layer(rows, cells, target)
    assert found.shape == (*batch, 20)
    for index in np.ndindex(*batch):
        truth = from_raw(template[index], search[index], 20, target[index])
        np.testing.assert_allclose(found[index].exp().numpy(), truth, rtol=5e-3, atol=1e-6)


def test_two_temperatures_go_to_their_own_softmax():
    rows, cells = (unit(part) for part in features(9, 50, 16))
    layer = QATM()
    with torch.no_grad():
        layer.alpha_t.fill_(30)
        layer.alpha_s.fill_(8)
        found = layer(rows, cells).exp().numpy()
    rho = similarities(rows, cells)
    np.testing.assert_allclose(found, ideal(rho, 30, 8), rtol=1e-3, atol=1e-7)
    swapped = ideal(rho, 8, 30)
    assert np.abs(found / swapped - 1).max() > 0.1


# --- degenerate features


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_flat_features_give_a_low_quality_and_finite_gradients(value):
    template = torch.full((4, 6), value, requires_grad=True)
    search = torch.full((30, 6), value, requires_grad=True)
    found = QATM(25)(*standardise(template, search))
    np.testing.assert_allclose(found.detach().exp().numpy(), 1 / (4 * 30), rtol=1e-4)
    grads = torch.autograd.grad(found.sum(), [template, search])
    assert all(torch.isfinite(g).all() for g in grads)


def test_a_channel_that_never_changes_does_not_matter():
    template, search = features(5, 40, 8)
    constant = [
        torch.cat([part, torch.full((len(part), 1), 7.0)], 1) for part in (template, search)
    ]
    with torch.no_grad():
        without = QATM(25)(*standardise(template, search))
        found = QATM(25)(*standardise(*constant))
    np.testing.assert_allclose(found.numpy(), without.numpy(), atol=1e-4)


@pytest.mark.parametrize("alpha", [60.0, 500.0])
def test_extreme_temperatures_stay_finite(alpha):
    rows = torch.eye(4, 8)
    cells = -torch.eye(4, 8)
    template = rows.clone().requires_grad_()
    found = QATM(alpha)(template, torch.cat([cells, rows[:1]]))
    assert torch.isfinite(found).all()
    (grad,) = torch.autograd.grad(found.sum(), template)
    assert torch.isfinite(grad).all()
    assert float(found[-1].detach().exp()) == pytest.approx(1, abs=1e-6)


# --- competitors


@pytest.mark.parametrize("kind", [torch.bool, torch.float32, torch.int64])
def test_competitors_compete_but_never_win(kind):
    template, search = features(12, 60, 16)
    target = torch.zeros(12, dtype=kind)
    target[:5] = 1
    with torch.no_grad():
        rows, cells = standardise(template, search)
        found = QATM(25)(rows, cells, target).exp().numpy()
        alone = QATM(25)(rows[:5], cells).exp().numpy()
        everybody = QATM(25)(rows, cells).exp().numpy()
    truth = ideal(similarities(rows, cells), 25, target=target)
    np.testing.assert_allclose(found, truth, rtol=2e-3, atol=1e-7)
    # The shared cells of the competitors (rows 5) are theirs: the targets get nothing there.
    assert found[5] < 1e-3
    assert everybody[5] > 100 * found[5]
    assert (found <= alone * (1 + 1e-4)).all()
    assert (found <= everybody * (1 + 1e-4)).all()


def test_flags_that_are_all_true_change_nothing():
    rows, cells = (unit(part) for part in features(6, 30, 8))
    with torch.no_grad():
        assert torch.equal(QATM()(rows, cells, torch.ones(6)), QATM()(rows, cells))


# --- the paper's table 1


def orthogonal_case(copies_in_template: int, copies_in_search: int) -> tuple[Tensor, Tensor]:
    """One pattern M times in the template and N times in the image, the rest different."""
    template = torch.zeros(copies_in_template + 3, 24)
    search = torch.zeros(copies_in_search + 9, 24)
    template[:copies_in_template, 0] = 1
    search[:copies_in_search, 0] = 1
    template[copies_in_template:, 1:4] = torch.eye(3)
    search[copies_in_search:, 4:13] = torch.eye(9)
    return template, search


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 2), (1, 5), (2, 1), (4, 1), (2, 3), (5, 4)])
def test_ideal_scores_of_table_1(m, n):
    template, search = orthogonal_case(m, n)
    with torch.no_grad():
        found = QATM(40)(template, search).exp()
    np.testing.assert_allclose(found[:n].numpy(), 1 / (m * n), rtol=1e-4)


def test_patches_found_nowhere_score_as_chance():
    template, search = orthogonal_case(2, 3)
    with torch.no_grad():
        found = QATM(40)(template, search[3:]).exp()
    chance = 1 / (len(template) * len(search[3:]))
    np.testing.assert_allclose(found.numpy(), chance, rtol=1e-4)


# --- gradients


def double_case() -> tuple[Tensor, Tensor]:
    template, search = features(4, 11, 5, **DOUBLE)
    return template.requires_grad_(), search.requires_grad_()


@pytest.mark.parametrize("block", [None, 4])
@pytest.mark.parametrize("with_target", [False, True])
def test_gradients_of_features_and_both_temperatures(block, with_target):
    template, search = double_case()
    target = torch.tensor([1, 1, 0, 1]) if with_target else None
    alphas = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (9.0, 5.0)]
    layer = QATM(block=block).double()

    def function(template, search, alpha_t, alpha_s):
        values = {"alpha_t": alpha_t, "alpha_s": alpha_s}
        arguments = (*standardise(template, search), target)
        return torch.func.functional_call(layer, values, arguments)

    assert torch.autograd.gradcheck(function, (template, search, *alphas), atol=1e-6)


def test_gradient_equals_finite_differences_of_the_oracle():
    template, search = double_case()
    layer = QATM(10).double()
    weights = normal(11, seed=9, **DOUBLE)
    (layer(*standardise(template, search)).exp() * weights).sum().backward()
    gradient = template.grad
    assert gradient is not None
    rows, cells, step = template.detach().numpy(), search.detach().numpy(), 1e-5
    for index in [(0, 0), (1, 3), (3, 4)]:
        moved = []
        for sign in (1, -1):
            changed = rows.copy()
            changed[index] += sign * step
            moved.append(float(oracle.quality(changed, cells, 10) @ weights.numpy()))
        slope = (moved[0] - moved[1]) / (2 * step)
        assert float(gradient[index]) == pytest.approx(slope, rel=2e-2, abs=1e-6)


@pytest.mark.parametrize("block", [1, 7, 16, 33, 100])
def test_streamed_equals_whole(block):
    template, search = features(10, 33, 12)
    target = torch.arange(10) % 3 > 0
    results = []
    for size in (None, block):
        layer = QATM(18, size)
        inputs = [part.clone().requires_grad_() for part in (template, search)]
        found = layer(*standardise(*inputs), target)
        parameters = [*inputs, layer.alpha_t, layer.alpha_s]
        gradients = torch.autograd.grad(found.exp().sum() + found.mean(), parameters)
        results.append((found.detach(), *gradients))
    for whole, streamed in zip(*results, strict=True):
        scale = float(whole.abs().max())
        np.testing.assert_allclose(streamed.numpy(), whole.numpy(), rtol=1e-4, atol=1e-4 * scale)


def test_streaming_keeps_no_matrix_for_the_backward_pass():
    rows, cells = (unit(part) for part in features(50, 4000, 8))
    rows.requires_grad_()
    kept: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        QATM(25, block=100)(rows, cells).sum().backward()
    assert max(kept) <= 4000 * 8


def test_training_moves_both_temperatures_and_the_features():
    template, search = features(6, 40, 8)
    scale = torch.ones(8, requires_grad=True)
    layer = QATM(5)
    optimiser = torch.optim.Adam([*layer.parameters(), scale], lr=0.5)
    losses = []
    for _ in range(5):
        optimiser.zero_grad()
        found = layer(*standardise(template * scale + scale**2, search * scale))
        loss = -found[:3].mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert float(layer.alpha_t.detach()) != 5.0
    assert float(layer.alpha_s.detach()) != 5.0


# --- the module


def test_state_dict_holds_the_two_scalars():
    layer, other = QATM(12), QATM(30, block=8)
    assert {name: value.shape for name, value in layer.state_dict().items()} == {
        "alpha_t": (),
        "alpha_s": (),
    }
    other.load_state_dict(layer.state_dict())
    assert (float(other.alpha_t.detach()), float(other.alpha_s.detach())) == (12.0, 12.0)
    assert other.block == 8


@pytest.mark.parametrize("alpha", [0, -1.0, math.nan, math.inf])
def test_alpha_must_be_positive(alpha):
    with pytest.raises(ValueError, match=f"alpha is {alpha}"):
        QATM(alpha)


@pytest.mark.parametrize("block", [0, -3])
def test_block_must_be_positive(block):
    with pytest.raises(ValueError, match=f"block is {block}"):
        QATM(25, block)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused(dtype):
    rows, cells = (unit(part).to(dtype) for part in features(4, 9, 6))
    with pytest.raises(TypeError, match="float32"):
        QATM(25).to(dtype)(rows, cells)
