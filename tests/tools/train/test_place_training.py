"""Made-up places: what is drawn, what is called the same place, and that a network learns it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from qatm.runtime import InputError
from qatm.tools.cli import app
from qatm.tools.train.checkpoints import open_checkpoint
from qatm.tools.train.pictures import texture
from qatm.tools.train.place_scenes import (
    SceneQuery,
    SceneReference,
    SceneSizes,
    Strip,
    make_scenes,
    shown_part,
)
from qatm.tools.train.place_training import cell_shares, pair_weights

SIZES = SceneSizes(64, 64, 160)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    return [texture(seed, 150) for seed in range(5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photos: list[np.ndarray]) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    for number, photo in enumerate(photos):
        cv2.imwrite(str(path / f"{number}.png"), photo)
    return path


def place() -> SceneReference:
    """Two photographs of 100 columns each: the second one enlarged twice, all rolled by 30."""
    one = Strip(3, np.eye(3), 0, 100)
    two = Strip(4, np.array([[2.0, 0, 100], [0, 2, 0], [0, 0, 1]]), 100, 200)
    return SceneReference(np.zeros((64, 200, 3), np.uint8), (one, two), 30)


def test_what_a_reference_shows_of_a_query() -> None:
    sizes = SceneSizes(64, 64, 200)
    corners = np.array([[10, 8], [29, 8], [29, 27], [10, 27.0]])
    blank = np.zeros((64, 64, 3), np.uint8)

    first, share = shown_part(SceneQuery(blank, 3, corners), place(), sizes)
    second, _ = shown_part(SceneQuery(blank, 4, corners + np.array([15, 0])), place(), sizes)
    outside, none = shown_part(SceneQuery(blank, 3, corners + np.array([95, 0])), place(), sizes)
    other = shown_part(SceneQuery(blank, 5, corners), place(), sizes)

    assert share == pytest.approx(1, abs=0.15)
    assert np.flatnonzero(first.any(0)).tolist() == list(range(40, 60))
    assert np.flatnonzero(first.any(1)).tolist() == list(range(8, 28))
    # Columns 150 to 188 of the second photograph's place come after the roll to 180...199, 0...18.
    assert np.flatnonzero(second.any(0)).tolist() == [*range(19), *range(180, 200)]
    assert (outside.any(), none) == (False, 0.0)
    assert (other[0].any(), other[1]) == (False, 0.0)


def test_scenes_follow_from_the_seed(photos: list[np.ndarray]) -> None:
    one, two, three = (
        make_scenes(photos, np.random.default_rng(seed), SIZES, 2, 2) for seed in (1, 1, 2)
    )

    for a, b in zip(one.queries, two.queries, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(one.regions, two.regions)
    assert any((a.image != c.image).any() for a, c in zip(one.queries, three.queries, strict=True))


def test_scenes_have_both_answers_and_true_regions(photos: list[np.ndarray]) -> None:
    drawn = [make_scenes(photos, np.random.default_rng(seed), SIZES, 3, 2) for seed in range(6)]
    same = np.concatenate([scenes.same.ravel() for scenes in drawn])
    regions = np.concatenate([scenes.regions.reshape(-1, 64, 160) for scenes in drawn])

    assert 0.1 < same.mean() < 0.8
    assert regions[same > 0].any((1, 2)).all()
    assert all(query.image.shape == (64, 64, 3) for scenes in drawn for query in scenes.queries)
    assert all(r.image.shape == (64, 160, 3) for scenes in drawn for r in scenes.references)


def test_one_photograph_is_no_choice(photos: list[np.ndarray]) -> None:
    with pytest.raises(InputError, match="at least 2"):
        make_scenes(photos[:1], np.random.default_rng(0), SIZES, 1, 1)


def test_both_answers_weigh_the_same() -> None:
    same = torch.tensor([1.0, 0, 0, 0, 1, 0])
    counts = torch.tensor([1.0, 1, 1, 1, 0, 0])

    weights = pair_weights(same, counts)

    torch.testing.assert_close(weights, torch.tensor([1 / 2, 1 / 6, 1 / 6, 1 / 6, 0, 0]))
    assert pair_weights(torch.zeros(3), torch.ones(3)).sum() == pytest.approx(0.5)


def test_cells_have_the_share_that_is_shown() -> None:
    region = np.zeros((1, 8, 16), bool)
    region[0, :4, 4:16] = True
    np.testing.assert_allclose(cell_shares(region, 8), [[[0.25, 0.5]]])


def run(*args: Any) -> Any:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_training_lowers_the_loss_and_its_network_is_read_back(
    folder: Path, tmp_path: Path
) -> None:
    from qatm.export.networks import load_network
    from qatm.tools.train.loop import TrainOptions, train
    from qatm.tools.train.pictures import open_images
    from qatm.tools.train.place_training import PlacesTask

    task = PlacesTask(open_images(folder), "qatm", threads=1, sizes=(SIZES,))
    held = task.batch(np.random.default_rng(0), 2)
    task.batch = lambda rng, size: held
    options = TrainOptions(tmp_path / "run", steps=25, learning_rate=1e-2, threads=1)

    done = train(task, options)

    assert np.mean(done.losses[-3:]) < 0.75 * np.mean(done.losses[:3])
    again = load_network(done.checkpoint, "verify").module
    with torch.no_grad():
        pair = held.queries[:1], held.references[:1]
        torch.testing.assert_close(again(*pair), task.network.eval()(*pair))


def test_the_command_trains_and_refuses(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ("--steps", 1, "--batch", 1, "--threads", 1, "--matching", "correlation")

    trained = run("train", "verify", folder, "--out", out, *options)
    again = run("train", "verify", folder, "--out", out, *options)
    empty = run("train", "verify", tmp_path / "none", "--out", tmp_path / "other")

    assert trained.exit_code == 0, trained.output
    assert open_checkpoint(out, "verify").config["matching"] == "correlation"
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    assert empty.exit_code == 2
    assert not (tmp_path / "other").exists()
