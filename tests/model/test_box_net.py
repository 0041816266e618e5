"""The network that reads boxes: shapes, what counts, folding, and that it can learn."""

from __future__ import annotations

import pytest
import torch

from qatm.model.box_net import CHANGES, MAPS, SIDE, BoxNet
from qatm.model.folding import fold_batch_norm


def made_up(count: int, readings: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, MAPS, SIDE, SIDE, generator=generator)
    return maps, torch.randn(count, readings, generator=generator)


def small_net(readings: int = 6, seed: int = 0) -> BoxNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BoxNet(readings).eval()


@pytest.mark.parametrize("readings", [1, 6, 11])
def test_any_number_of_readings(readings: int) -> None:
    change, doubt = small_net(readings)(*made_up(3, readings))
    assert change.shape == doubt.shape == (3, CHANGES)
    assert torch.isfinite(change).all()
    assert torch.isfinite(doubt).all()


def test_boxes_of_a_batch_do_not_mix() -> None:
    network, (maps, readings) = small_net(), made_up(3)
    together = network(maps, readings)
    alone = network(maps[1:2], readings[1:2])
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[1:2], other)


def test_every_map_and_every_reading_counts() -> None:
    maps, readings = made_up(2)
    inputs = maps.requires_grad_(), readings.requires_grad_()
    change, doubt = small_net()(*inputs)
    (change.sum() + doubt.sum()).backward()
    assert inputs[0].grad is not None
    assert inputs[1].grad is not None
    assert (inputs[0].grad.abs().amax((2, 3)) > 0).all()
    assert (inputs[1].grad.abs() > 0).all()


def test_only_training_leaves_values_out() -> None:
    network, inputs = small_net(), made_up(2)
    torch.testing.assert_close(network(*inputs), network(*inputs), rtol=0, atol=0)
    network.train()
    assert not torch.equal(network(*inputs)[0], network(*inputs)[0])


def test_normalisation_can_be_folded() -> None:
    network, inputs = small_net().train(), made_up(8)
    network(*inputs)
    network.eval()
    before = network(*inputs)
    folded = fold_batch_norm(network)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in folded.modules())
    torch.testing.assert_close(folded(*inputs), before, rtol=1e-4, atol=1e-5)


def test_it_learns_where_the_evidence_lies() -> None:
    network = small_net().train()
    rows, columns = torch.meshgrid(*[torch.linspace(-0.85, 0.85, SIDE)] * 2, indexing="ij")
    generator = torch.Generator().manual_seed(1)
    true = torch.rand(64, CHANGES, generator=generator) * 0.6 - 0.3
    # A bright spot at the place; the readings say the size.
    away = (columns - true[:, 0, None, None]) ** 2 + (rows - true[:, 1, None, None]) ** 2
    maps = torch.exp(-away / 0.05)[:, None].repeat(1, MAPS, 1, 1)
    readings = torch.cat([true[:, 2:], torch.zeros(64, 4)], 1)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(60):
            loss = (network(maps, readings)[0] - true).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    left = (network.eval()(maps, readings)[0] - true).abs().mean()
    assert left < 0.6 * true.abs().mean()


def test_no_readings_are_refused() -> None:
    with pytest.raises(ValueError, match="readings is 0"):
        BoxNet(0)
