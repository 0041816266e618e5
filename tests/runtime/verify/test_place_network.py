"""A bundle with a network for places: parity with PyTorch, the seam, bad input, no network."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bundle_copies import without_network

from qatm.export.add_network import add_network
from qatm.export.networks import TrainedNetwork, load_network
from qatm.model.verification_net import VerificationNet
from qatm.runtime import Box, BundleError, InputError, Session, Verifier
from qatm.runtime.bundle.folder import Bundle, default_align_path, default_bundle_path
from qatm.runtime.verify.place_network import compare_with
from qatm.runtime.verify.verification import largest_piece
from qatm.tools.train.checkpoints import write_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedNetwork:
    """Return a network with its first weights, as a training would leave it."""
    folder = tmp_path_factory.mktemp("training")
    backbone = Bundle.load().spec.backbone
    config = {"matching": "qatm", "backbone": backbone.name, "taps": list(backbone.taps)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = VerificationNet("qatm").state_dict()
    return load_network(write_checkpoint(folder, "verify", 1, config, weights, {}), "verify")


@pytest.fixture(scope="module")
def bundle(trained: TrainedNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places") / "bundle"
    return add_network(Bundle.load(), trained, folder).path


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Return a picture that wraps around, of blobs everywhere different."""
    rng = np.random.default_rng(5)
    total = np.zeros((96, 384, 3), np.float32)
    for size in (3, 8, 20):
        wide = np.tile(rng.normal(size=(96, 384, 3)).astype(np.float32), (1, 3, 1))
        blurred = cv2.GaussianBlur(wide, (0, 0), size)[:, 384:768]
        total += blurred / blurred.std()
    return np.clip(128 + 45 * total, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def verifier(bundle: Path, picture: np.ndarray) -> Generator[Verifier, None, None]:
    with Verifier(picture, bundle, "cpu", panorama=True, decide="network") as opened:
        yield opened


def test_the_exported_network_answers_like_pytorch(bundle: Path, trained: TrainedNetwork) -> None:
    loaded = Bundle.load(bundle)
    session = Session(loaded, "cpu", threads=1)
    compare = compare_with(session.network("verify"))
    rng = np.random.default_rng(0)
    channels = loaded.spec.backbone.channels
    for query, reference in (((7, 9), (8, 30)), ((16, 12), (6, 11))):
        one, two = (rng.normal(size=(channels, *s)).astype("float32") for s in (query, reference))
        with torch.no_grad():
            decision, region = trained.module(*(torch.from_numpy(x)[None] for x in (one, two)))

        found, cells = compare(one, two)

        assert found == pytest.approx(float(decision[0]), abs=1e-3)
        np.testing.assert_allclose(cells, region[0].numpy(), atol=1e-3)
    session.close()


def test_a_rolled_reference_is_judged_the_same(
    bundle: Path, verifier: Verifier, picture: np.ndarray
) -> None:
    query = np.ascontiguousarray(np.roll(picture, 60, 1)[:, :128])
    # Half a turn is a whole number of cells at every working resolution.
    rolled = np.ascontiguousarray(np.roll(picture, 192, 1))
    with Verifier(rolled, bundle, "cpu", panorama=True, decide="network") as other:
        moved = other.verify(query)
    found = verifier.verify(query)

    assert moved.score == pytest.approx(found.score, abs=0.02)
    assert found.region.mask.shape == picture.shape[:2]
    assert found.quality.values.min() >= 0
    assert found.quality.values.max() <= 1


def test_pictures_of_one_colour_show_no_place(verifier: Verifier) -> None:
    result = verifier.verify(np.full((96, 128, 3), 70, np.uint8))

    assert (result.score, result.same_place) == (0.0, False)
    assert result.region.box == Box(0, 0, 0, 0)


def test_what_is_asked_for_must_be_there(picture: np.ndarray, tmp_path: Path) -> None:
    bare = without_network(default_bundle_path(), tmp_path / "bare")
    with pytest.raises(BundleError, match="has no network"):
        Verifier(picture, bare, "cpu", decide="network")
    with pytest.raises(BundleError, match="a network for 'align'"):
        Verifier(picture, default_align_path(), "cpu", decide="network")
    with pytest.raises(InputError, match="decide is 'both'"):
        Verifier(picture, device="cpu", decide="both")  # pyright: ignore[reportArgumentType]


def test_the_largest_piece_may_lie_across_the_seam() -> None:
    mask = np.zeros((20, 50), bool)
    mask[5:15, :8] = mask[5:15, 44:] = True
    mask[2:6, 20:26] = True

    across = largest_piece(mask, wraps=True)
    cut = largest_piece(mask, wraps=False)

    assert across.box == Box(44, 5, 14, 10)
    assert across.mask.sum() == 140
    assert not across.mask[3, 22]
    assert cut.box == Box(0, 5, 8, 10)
    assert largest_piece(np.ones((4, 9), bool), wraps=True).box == Box(0, 0, 9, 4)
    assert not largest_piece(np.zeros((4, 9), bool), wraps=True).mask.any()
