"""Weakly supervised training: it learns, resumes exactly, and refuses what it cannot use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from qatm.model import AlignmentNet  # noqa: E402
from qatm.runtime import Bundle, InputError, QatmError, read_image  # noqa: E402
from qatm.runtime.bundle.folder import default_align_path  # noqa: E402
from qatm.tools.cli import app  # noqa: E402
from qatm.tools.train.checkpoints import open_checkpoint, write_checkpoint  # noqa: E402
from qatm.tools.train.loop import train  # noqa: E402
from qatm.tools.train.pictures import texture  # noqa: E402
from qatm.tools.train.refinement import RefineTask, open_groups  # noqa: E402
from qatm.tools.train.training_options import TrainOptions  # noqa: E402
from qatm.tools.train.warps import make_views  # noqa: E402


class KilledError(Exception):
    """Stands for a kill."""


class One:
    """A single texture."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return texture(self._seed, 300)


class Dies(RefineTask):
    """Is killed in its second step."""

    asked = 0

    def batch(self, rng: np.random.Generator, size: int) -> Any:
        self.asked += 1
        if self.asked > 1:
            raise KilledError
        return super().batch(rng, size)


def cli(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(folder: Path, *pictures: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two kinds: warped views of one texture each."""
    folder = tmp_path_factory.mktemp("kinds")
    for seed in range(2):
        views = make_views(One(seed), np.random.default_rng(seed), 3)
        write(folder / f"kind{seed}", *(view.image for view in views))
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that has only begun."""
    out = tmp_path_factory.mktemp("start")
    bundle = Bundle.load(default_align_path())
    torch.manual_seed(0)
    weights = AlignmentNet().state_dict()
    config = {"matching": "qatm", "features": bundle.file_hash("features", "fp32")}
    write_checkpoint(out, "align", 1, config, weights, {})
    return out


def options(out: Path, **changes: Any) -> TrainOptions:
    usual = {"steps": 3, "batch": 2, "learning_rate": 0.01, "checkpoint_every": 1, "threads": 1}
    return TrainOptions(out, **{**usual, **changes})


def test_pairs_are_of_one_kind(kinds: Path, start: Path) -> None:
    found = open_groups(kinds)
    assert found.groups == {"kind0": (0, 1, 2), "kind1": (3, 4, 5)}
    task = RefineTask(found, start, threads=1)
    batch = task.batch(np.random.default_rng(0), 12)
    every = {
        (index, mirrored): torch.from_numpy(task._encode(index, mirrored))
        for index in range(6)
        for mirrored in (False, True)
    }
    seen = set()
    for pair in zip(*batch, strict=True):
        (one, mirrored), (two, same) = (
            next(key for key, value in every.items() if torch.equal(value, part)) for part in pair
        )
        assert mirrored == same
        assert one != two
        assert one // 3 == two // 3
        seen.add((one // 3, mirrored))
    assert len(seen) == 4


def test_the_share_of_inliers_grows(kinds: Path, start: Path, tmp_path: Path) -> None:
    task = RefineTask(open_groups(kinds), start, threads=1)
    held = task.batch(np.random.default_rng(0), 3)
    task.batch = lambda rng, size: held
    done = train(task, options(tmp_path, steps=8, learning_rate=0.03, checkpoint_every=8))
    assert done.losses[-1] < 0.97 * done.losses[0]
    assert 0 < done.losses[-1] < done.losses[0] <= 2
    stored = open_checkpoint(done.checkpoint, "align")
    assert stored.config["groups"] == {"kind0": 3, "kind1": 3}
    before = open_checkpoint(start, "align").weights
    assert not torch.equal(
        before["trust.over_target.weight"], stored.weights["trust.over_target.weight"]
    )


def test_a_killed_refinement_resumes_bit_for_bit(kinds: Path, start: Path, tmp_path: Path) -> None:
    whole = train(RefineTask(open_groups(kinds), start, threads=1), options(tmp_path / "whole"))
    with pytest.raises(KilledError):
        train(Dies(open_groups(kinds), start, threads=1), options(tmp_path / "parts"))
    command = ("train", "refine", start, kinds, "--out", tmp_path / "parts", "--steps", 3)
    command = (*command, "--batch", 2, "--learning-rate", 0.01, "--checkpoint-every", 1)
    resumed = cli(*command, "--threads", 1, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "resumed after step 1" in resumed.stderr
    states = [open_checkpoint(tmp_path / part, "align") for part in ("whole", "parts")]
    assert [state.step for state in states] == [3, 3]
    for name, value in states[0].weights.items():
        assert torch.equal(value, states[1].weights[name]), name
    assert len(whole.losses) == 3
    # Another start is another training.
    other = cli("train", "refine", whole.checkpoint, *command[3:], "--threads", 1, "--resume")
    assert other.exit_code == 2
    assert "its start is" in other.stderr


def test_useless_folders_are_refused(start: Path, tmp_path: Path) -> None:
    def told(folder: Path) -> str:
        done = cli("train", "refine", start, folder, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert not (tmp_path / "out").exists()
        return done.stderr

    assert "is no folder" in told(tmp_path / "missing")
    flat = write(tmp_path / "flat", texture(0, 80), texture(1, 80))
    assert "no subfolder with pictures" in told(flat)
    write(tmp_path / "one" / "cars", texture(0, 80), texture(1, 80))
    write(tmp_path / "one" / "ships", texture(2, 80), np.zeros((80, 80, 3), np.uint8))
    message = told(tmp_path / "one")
    assert "ships holds a single usable picture" in message
    assert "0 usable pictures out of 1" in told(
        write(tmp_path / "grey" / "walls", np.zeros((80, 80, 3), np.uint8)).parent
    )


def test_pictures_of_no_kind_are_left_out(kinds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    for part in kinds.iterdir():
        write(folder / part.name, *(read_image(file) for file in sorted(part.iterdir())))
    write(folder, texture(9, 80))
    found = open_groups(folder)
    assert sum(len(members) for members in found.groups.values()) == 6
    assert "lies in no subfolder" in found.images.skipped[str(folder / "0.png")]


def test_other_checkpoints_are_refused(kinds: Path, start: Path, tmp_path: Path) -> None:
    found, good = open_groups(kinds), open_checkpoint(start, "align")
    for task, change, words in (
        ("verify", {}, "not of 'align'"),
        ("align", {"features": "0" * 64}, "trained on features 000000000000"),
        ("align", {"matching": "dot"}, "does not fit the network"),
    ):
        config = {**good.config, **change}
        path = write_checkpoint(tmp_path, task, 1, config, good.weights, good.optimiser)
        with pytest.raises(QatmError, match=words):
            RefineTask(found, path)
    with pytest.raises(InputError, match="does not exist"):
        RefineTask(found, tmp_path / "none.pt")
