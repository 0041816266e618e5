"""A network that follows boxes in a bundle: added beside another, taken over, proved, packed."""

from __future__ import annotations

import json
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
from follow_bundles import box_checkpoint, random_box_net, read_box_net, with_follow

from qatm.export import bundle as bundle_writer
from qatm.export.add_network import add_network
from qatm.export.bundle import ExportOptions, export_bundle
from qatm.export.networks import load_network
from qatm.export.packaged_networks import same_features, take_networks
from qatm.export.parity.network_proof import compare_network
from qatm.export.parity.runners import onnx_runner
from qatm.runtime import Bundle, BundleError, ExportError, InputError
from qatm.runtime.bundle.folder import MANIFEST
from qatm.runtime.saved_arrays import read_arrays
from qatm.runtime.track.box_evidence import READINGS
from qatm.tools.packing.targets import TARGETS, find_target, pick


@pytest.fixture(scope="module")
def following(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return with_follow(Bundle.load(), tmp_path_factory.mktemp("follow") / "bundle")


@pytest.fixture
def copied(following: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(following.path, tmp_path / "copied"))


def test_it_stands_beside_the_other_network(following: Bundle) -> None:
    before, after = Bundle.load().spec, following.spec
    others = {name: info for name, info in after.files.items() if "follow" not in info.role}
    kept = {name: info for name, info in before.files.items() if "follow" not in info.role}
    assert others == kept
    assert set(after.files) - set(others) == {"follow.onnx", "follow.npz"}
    assert after.files["follow.npz"].role == "follow-weights"
    assert after.network == before.network
    told = after.follow
    assert (told["task"], told["readings"], told["trained_steps"]) == ("follow", READINGS, 5)
    assert told["objects"] == "3 cut-outs of a folder"


def test_the_graph_computes_what_the_network_does(following: Bundle) -> None:
    maps, readings = torch.randn(1, 16, 20, 20), torch.randn(1, READINGS)
    with torch.no_grad():
        expected = random_box_net()(maps, readings)
    runner = onnx_runner(following.file("follow", "fp32"), ("change", "doubt"))
    found = runner.run({"maps": maps.numpy(), "readings": readings.numpy()})
    for name, values in zip(("change", "doubt"), expected, strict=True):
        np.testing.assert_allclose(found[name], values.numpy(), rtol=1e-4, atol=1e-5)


def test_a_second_one_takes_its_place(following: Bundle, tmp_path: Path) -> None:
    network = read_box_net(box_checkpoint(tmp_path / "run", seed=1))
    again = add_network(following, network, tmp_path / "bundle")
    assert set(again.spec.files) == set(following.spec.files)
    for name, info in again.spec.files.items():
        same = info.sha256 == following.spec.files[name].sha256
        assert same == (not info.role.startswith("follow"))
    assert again.spec.follow["seed"] == 1


def test_the_proof_sees_both_networks(following: Bundle) -> None:
    rows = list(compare_network(following))
    assert all(row.passed for row in rows)
    by_file = {name: {r.what for r in rows if r.artefact == name} for name in following.spec.files}
    assert by_file["follow.onnx"] == {"change", "doubt"}
    assert by_file["network.onnx"] == {"decision", "region"}


def test_the_proof_sees_other_weights(copied: Path) -> None:
    weights: dict[str, Any] = dict(read_arrays(copied / "follow.npz"))
    weights["maps.1.running_mean"] = weights["maps.1.running_mean"] + 1
    np.savez(copied / "follow.npz", **weights)
    seal(copied, "follow.npz")
    rows = [row for row in compare_network(Bundle.load(copied)) if row.artefact == "follow.onnx"]
    assert rows
    assert not any(row.passed for row in rows)


@pytest.mark.parametrize(
    ("readings", "words"),
    [(None, "readings"), ("six", "readings"), (10**9, "readings"), (7, "size mismatch")],
)
def test_another_number_of_readings_is_named(copied: Path, readings: Any, words: str) -> None:
    data = json.loads((copied / MANIFEST).read_text())
    data["follow"]["readings"] = readings
    (copied / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(BundleError, match=rf"follow\.npz does not fit the network .*{words}"):
        list(compare_network(Bundle.load(copied)))


@pytest.mark.parametrize("name", ["follow.onnx", "follow.npz"])
def test_damaged_files_are_named(copied: Path, name: str) -> None:
    data = bytearray((copied / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copied / name).write_bytes(data)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        list(compare_network(Bundle.load(copied)))


def test_an_entry_that_is_no_object_is_refused(copied: Path) -> None:
    data = json.loads((copied / MANIFEST).read_text())
    data["follow"] = "yes"
    (copied / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(BundleError, match="follow is"):
        Bundle.load(copied)


def test_bundles_without_the_entry_are_read(copied: Path) -> None:
    data = json.loads((copied / MANIFEST).read_text())
    del data["follow"]
    (copied / MANIFEST).write_text(json.dumps(data))
    assert Bundle.load(copied).spec.follow == {}


def test_other_features_are_refused(following: Bundle, tmp_path: Path) -> None:
    network = read_box_net(box_checkpoint(tmp_path / "run", taps=["2", "4"]))
    with pytest.raises(ExportError, match=r"trained on features of taps \['2', '4'\]"):
        add_network(following, network, tmp_path / "bundle")
    other = read_box_net(box_checkpoint(tmp_path / "alpha", alpha=3.0))
    with pytest.raises(ExportError, match=r"trained with alpha 3\.0, the bundle's is 25\.0"):
        add_network(following, other, tmp_path / "bundle")
    with pytest.raises(InputError, match="of 'follow', not of 'verify'"):
        load_network(tmp_path / "run", "verify")


def test_bundles_with_the_same_features_take_it_over(following: Bundle, tmp_path: Path) -> None:
    bare = replace(Bundle.load().spec, files={}, follow={})
    taken = take_networks(bare, tmp_path, following)
    assert taken.follow == following.spec.follow
    assert {"follow.npz", "follow.onnx"} <= set(taken.files)
    for name in taken.files:
        assert (tmp_path / name).read_bytes() == (following.path / name).read_bytes()
    stored = replace(bare.backbone, weights={**bare.backbone.weights, "storage": "eight bits"})
    assert same_features(replace(bare, backbone=stored), bare)


@pytest.mark.parametrize("field", ["name", "weights", "layers", "alpha"])
def test_other_features_take_nothing_over(following: Bundle, tmp_path: Path, field: str) -> None:
    bare = replace(Bundle.load().spec, files={}, follow={})
    if field == "alpha":
        match = replace(bare.recipes.match, alpha=24.0)
        other = replace(bare, recipes=replace(bare.recipes, match=match))
    else:
        value = {"name": "other", "weights": {"sha256": "00"}, "layers": bare.backbone.layers[:2]}
        other = replace(bare, backbone=replace(bare.backbone, **{field: value[field]}))
    assert take_networks(other, tmp_path, following).follow == {}
    assert not list(tmp_path.glob("follow*"))


def test_an_export_takes_it_over(
    following: Bundle, tmp_path: Path, quick_graphs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ExportOptions("mobilenet-v2", "random", taps=("3", "6"))
    assert "follow.onnx" not in export_bundle(tmp_path / "one", options).bundle.spec.files
    monkeypatch.setattr("qatm.export.packaged_networks.same_features", lambda one, other: True)

    class Package(Bundle):
        @classmethod
        def load(cls, path: Any = None, **options: Any) -> Bundle:
            return following if path is None else Bundle.load(path, **options)

    monkeypatch.setattr(bundle_writer, "Bundle", Package)
    written = export_bundle(tmp_path / "two", options).bundle
    assert written.file_hash("follow", "fp32") == following.file_hash("follow", "fp32")
    assert written.spec.follow == following.spec.follow


@pytest.mark.parametrize("target", [name for name in TARGETS if name not in ("rtx", "web")])
def test_every_pack_has_it(following: Bundle, target: str) -> None:
    files = pick(following, find_target(target)).files
    assert "follow.onnx" in files
    assert "follow.npz" not in files


def test_the_other_packs_have_it_too() -> None:
    assert all("follow" in target.roles for target in TARGETS.values())
