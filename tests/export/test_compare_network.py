"""A network that compares pixels in a bundle: added beside others, taken over, proved, packed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_copies import seal

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch
from compare_bundles import WIDTH, pair_checkpoint, random_pair_net, with_compare

from qatm.export.add_network import add_network
from qatm.export.networks import load_network
from qatm.export.packaged_networks import take_networks
from qatm.export.parity.network_proof import compare_network
from qatm.export.parity.runners import onnx_runner
from qatm.model.pair_net import PairNet
from qatm.runtime import Bundle, BundleError, ExportError
from qatm.runtime.saved_arrays import read_arrays
from qatm.tools.packing.targets import TARGETS, find_target, pick


@pytest.fixture(scope="module")
def comparing(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return with_compare(Bundle.load(), tmp_path_factory.mktemp("compare") / "bundle")


def test_it_takes_the_place_of_the_one_before(comparing: Bundle) -> None:
    before, after = Bundle.load().spec, comparing.spec
    assert set(after.files) == set(before.files)
    changed = {name for name, info in after.files.items() if info != before.files[name]}
    assert changed == {"compare.onnx", "compare.npz"}
    assert (after.follow, after.network) == (before.follow, before.network)
    told = after.compare
    assert (told["task"], told["width"], told["trained_steps"]) == ("compare", WIDTH, 5)


@pytest.mark.parametrize("sides", [(64, 64), (48, 88), (32, 128), (24, 40)])
def test_the_graph_computes_what_the_network_does(
    comparing: Bundle, sides: tuple[int, int]
) -> None:
    pictures = [torch.rand(1, *sides, 3) * 255 for _ in range(2)]
    zooms = torch.randn(1, 2)
    with torch.no_grad():
        (expected,) = random_pair_net()(*pictures, zooms)
    inputs = dict(zip(("template", "seen", "zooms"), [*pictures, zooms], strict=True))
    runner = onnx_runner(comparing.file("compare", "fp32"), ("odds",))
    found = runner.run({name: value.numpy() for name, value in inputs.items()})
    np.testing.assert_allclose(found["odds"], expected.numpy(), rtol=1e-4, atol=1e-4)


def test_it_is_checked_against_pytorch(comparing: Bundle) -> None:
    rows = [row for row in compare_network(comparing) if row.artefact == "compare.onnx"]
    assert len(rows) == 3
    assert all(row.error <= row.tolerance for row in rows)


def test_weights_of_another_network_are_refused(comparing: Bundle, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(comparing.path, tmp_path / "copied"))
    weights: dict[str, Any] = dict(read_arrays(copied / "compare.npz"))
    del weights["decide.0.bias"]
    np.savez(copied / "compare.npz", **weights)
    seal(copied, "compare.npz")
    with pytest.raises(BundleError, match=r"compare\.npz does not fit the network"):
        list(compare_network(Bundle.load(copied)))


def test_other_widths_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="train it again"):
        load_network(pair_checkpoint(tmp_path, width=WIDTH + 1), "compare")
    with pytest.raises(ValueError, match="at least 5 channels"):
        PairNet(4)


def test_a_graph_that_holds_another_one_is_not_left_beside_it(
    find_bundle: Path, tmp_path: Path
) -> None:
    network = load_network(pair_checkpoint(tmp_path / "run"), "compare")
    with pytest.raises(ExportError, match="exported without --find"):
        add_network(Bundle.load(find_bundle), network, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_every_bundle_takes_it_over(comparing: Bundle, tmp_path: Path) -> None:
    """It sees pixels, whatever the features are."""
    spec = Bundle.load().spec
    other = replace(spec, files={}, compare={}, backbone=replace(spec.backbone, name="other"))
    taken = take_networks(other, tmp_path, comparing)
    assert taken.compare == comparing.spec.compare
    assert sorted(taken.files) == ["compare.npz", "compare.onnx"]
    for name in taken.files:
        assert (tmp_path / name).read_bytes() == (comparing.path / name).read_bytes()


@pytest.mark.parametrize("target", [name for name in TARGETS if name not in ("rtx", "web")])
def test_every_pack_has_it(comparing: Bundle, target: str) -> None:
    files = pick(comparing, find_target(target)).files
    assert "compare.onnx" in files
    assert "compare.npz" not in files


def test_the_other_packs_have_it_too() -> None:
    assert all("compare" in target.roles for target in TARGETS.values())
