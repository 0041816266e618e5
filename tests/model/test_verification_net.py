"""The verification network: any sizes, the seam, gradients, and its exported graph."""

from __future__ import annotations

import pytest
import torch

from qatm.model.matching import KINDS, MatchingKind
from qatm.model.verification_net import VerificationNet


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small_net(matching: MatchingKind = "qatm", seed: int = 0) -> VerificationNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VerificationNet(matching, width=4).eval()


@pytest.mark.parametrize("matching", KINDS)
def test_takes_pictures_of_any_size(matching: MatchingKind) -> None:
    network = small_net(matching)
    for query, reference in (((5, 6), (7, 12)), ((3, 4), (4, 20)), ((9, 2), (5, 4))):
        decision, region = network(features(2, 8, *query), features(2, 8, *reference))
        assert decision.shape == (2,)
        assert region.shape == (2, *reference)
        assert torch.isfinite(decision).all()
        assert torch.isfinite(region).all()


@pytest.mark.parametrize("matching", KINDS)
def test_a_rolled_panorama_gives_the_same_answer(matching: MatchingKind) -> None:
    network = small_net(matching)
    query, reference = features(1, 8, 5, 6), features(1, 8, 7, 14, seed=1)

    decision, region = network(query, reference)
    moved_decision, moved_region = network(query, reference.roll(5, -1))

    torch.testing.assert_close(moved_decision, decision, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(moved_region, region.roll(5, -1), rtol=1e-4, atol=1e-5)


def test_pairs_of_a_batch_do_not_mix() -> None:
    network = small_net()
    query, reference = features(3, 8, 5, 6), features(3, 8, 7, 9, seed=1)

    together = network(query, reference)
    alone = network(query[1:2], reference[1:2])

    torch.testing.assert_close(together[0][1:2], alone[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[1][1:2], alone[1], rtol=1e-4, atol=1e-5)


def test_neighbours_count_where_the_query_is_shown() -> None:
    # The query is a piece of the reference: there, and only there, neighbours agree.
    reference = features(1, 16, 10, 24)
    query = reference[:, :, 2:8, 6:14]
    seen: list[torch.Tensor] = []
    network = small_net()
    network.scale.register_forward_hook(lambda _module, args, _output: seen.append(args[0]))

    network(query, reference)

    shown = torch.zeros(10, 24, dtype=torch.bool)
    shown[3:7, 7:13] = True
    for maps in seen[0][0, 2:]:
        assert maps[shown].mean() > 5 * maps[~shown].mean()


def test_the_twins_differ_in_the_matching_layer_only() -> None:
    names = {kind: set(small_net(kind).state_dict()) for kind in KINDS}

    assert names["correlation"] == names["cosine"]
    assert names["qatm"] - names["cosine"] == {"matching.alpha_t", "matching.alpha_s"}
    for name, value in small_net("cosine").state_dict().items():
        torch.testing.assert_close(small_net("qatm").state_dict()[name], value)


def test_the_temperatures_learn() -> None:
    network = small_net().train()
    decision, region = network(features(2, 8, 5, 6), features(2, 8, 7, 9, seed=1))
    (decision.sum() + region.sum()).backward()

    for alpha in (network.matching.alpha_t, network.matching.alpha_s):
        assert alpha.grad is not None
        assert alpha.grad.abs() > 0


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="'ncc' is unknown"):
        VerificationNet("ncc")  # pyright: ignore[reportArgumentType]
