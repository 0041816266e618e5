"""The alignment network from training to runtime: task, export, parity, Aligner, evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bundle_copies import without_network
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from qatm.export.add_network import add_network  # noqa: E402
from qatm.export.networks import load_network  # noqa: E402
from qatm.export.parity.network_proof import compare_network  # noqa: E402
from qatm.runtime import Aligner, Bundle, BundleError, ExportError, InputError  # noqa: E402
from qatm.runtime.align.spline import grid_points  # noqa: E402
from qatm.runtime.bundle.folder import default_align_path, default_bundle_path  # noqa: E402
from qatm.tools.cli import app  # noqa: E402
from qatm.tools.train.alignment_training import AlignTask  # noqa: E402
from qatm.tools.train.loop import TrainOptions, train  # noqa: E402
from qatm.tools.train.pictures import open_images, texture  # noqa: E402

AFFINE = np.array([[0.82, 0.1, 30.0], [-0.08, 0.9, 12.0]])


def cli(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(4):
        cv2.imwrite(str(folder / f"{seed}.png"), texture(seed, 200))
    return folder


@pytest.fixture(scope="module")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short training."""
    out = tmp_path_factory.mktemp("trained")
    done = cli("train", "align", pictures, "--out", out, "--steps", 2, "--threads", 1)
    assert done.exit_code == 0, done.output
    assert "loss" in done.stderr
    return out


@pytest.fixture(scope="module")
def bundle(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    network = load_network(trained, "align")
    return add_network(Bundle.load(default_align_path()), network, folder)


@pytest.mark.parametrize("matching", ["qatm", "correlation"])
def test_the_loss_falls_on_one_scene(pictures: Path, tmp_path: Path, matching: Any) -> None:
    task = AlignTask(open_images(pictures), matching, threads=1)
    batch = task.batch(np.random.default_rng(3), 1)
    before = task.loss(batch)[0].item()

    class Same(AlignTask):
        def batch(self, rng: Any, size: int) -> Any:
            return batch

    again = Same(open_images(pictures), matching, threads=1)
    train(again, TrainOptions(tmp_path, steps=8, batch=1, learning_rate=0.02, threads=1))
    assert again.loss(batch)[0].item() < 0.97 * before


def test_training_refuses(trained: Path, tmp_path: Path) -> None:
    command = ("train", "align", tmp_path, "--out", tmp_path / "out")
    done = cli(*command)
    assert done.exit_code == 2
    assert "holds no picture" in done.stderr
    with pytest.raises(ExportError, match="belongs to the task align or verify"):
        load_network(trained, "match")
    with pytest.raises(InputError, match="not of 'verify'"):
        load_network(trained, "verify")
    with pytest.raises(ExportError, match=r"trained on features of taps \['10', '13'\]"):
        load_network(trained, "align").check_features("efficientnet-lite0", (2, 4, 10))


@pytest.mark.slow
def test_the_bundle_computes_what_the_model_does(bundle: Bundle) -> None:
    results = list(compare_network(bundle))
    assert {result.what for result in results} == {"affine", "placed"}
    assert len(results) == 12
    assert all(result.passed for result in results)
    assert bundle.spec.network["matching"] == "qatm"
    assert bundle.spec.network["trained_steps"] == 2


@pytest.mark.slow
def test_changed_weights_are_noticed(bundle: Bundle, tmp_path: Path) -> None:
    copy = Bundle.load(shutil.copytree(bundle.path, tmp_path / "copy"))
    file = copy.file("network-weights", "fp32")
    with np.load(file) as data:
        weights = {name: data[name] for name in data.files}
    weights["trust.over_source.bias"] = weights["trust.over_source.bias"] + 3
    np.savez(file, **weights)
    with pytest.raises(BundleError, match=r"network\.npz"):
        list(compare_network(copy))


@pytest.mark.slow
def test_aligner_runs_it(bundle: Bundle, photographs: dict[str, Any], tmp_path: Path) -> None:
    cat = np.ascontiguousarray(photographs["chelsea"])
    size = (cat.shape[1], cat.shape[0])
    target = cv2.warpAffine(cat, AFFINE, size, borderMode=cv2.BORDER_REFLECT)
    points = grid_points(4, 4) * 0.5 * np.array(size) + 0.25 * np.array(size)
    true = points @ AFFINE[:, :2].T + AFFINE[:, 2]
    with Aligner(bundle.path, "cpu", threads=1, method="network") as aligner:
        alignment = aligner.align(cat, target)
        again = aligner.align(cat, target)
        nothing = aligner.align(cat, np.ascontiguousarray(photographs["rocket"]))
    assert alignment.found
    moved = alignment.transfer(points)
    assert np.hypot(*(moved - true).T).mean() < 0.04 * max(size)
    np.testing.assert_array_equal(moved, again.transfer(points))
    assert alignment.warp(cat).shape == target.shape
    assert not nothing.found
    with pytest.raises(BundleError, match="has no network"):
        Aligner(without_network(bundle.path, tmp_path / "bare"), "cpu", method="network")
    with pytest.raises(InputError, match="method is 'magic'"):
        Aligner(method="magic")  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_evaluation_of_networks(
    bundle: Bundle, photographs: dict[str, Any], tmp_path: Path
) -> None:
    scipy = pytest.importorskip("scipy.io")
    group = tmp_path / "pictures" / "cats"
    group.mkdir(parents=True)
    cat = np.ascontiguousarray(photographs["chelsea"])
    points = grid_points(3, 3) * [200, 150] + [100, 80]
    for name, shift in (("a", 0), ("b", 40)):
        picture = np.roll(cat, shift, axis=1)
        cv2.imwrite(str(group / f"{name}.png"), picture)
        scipy.savemat(group / f"{name}.mat", {"pts_coord": (points + np.array([shift, 0])).T + 1})
    command = ("eval", "align", group.parent, "--json", "--network", bundle.path)
    done = cli(*command, "--method", "network-qatm")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["method"] for row in rows} == {"network-qatm"}
    assert rows[-1]["pck"] > 0.8
    assert cli(*command, "--method", "network-cosine").exit_code == 2
    other = cli(*command[:4], "--network", default_bundle_path())
    assert other.exit_code == 2
    assert "without a network" in other.stderr
