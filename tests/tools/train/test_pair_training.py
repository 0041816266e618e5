"""The network that compares pixels from samples to a checkpoint: changes, training, command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from qatm.export.networks import load_network  # noqa: E402
from qatm.runtime import Bundle, InputError  # noqa: E402
from qatm.tools.cli import app  # noqa: E402
from qatm.tools.train.checkpoints import find_checkpoints  # noqa: E402
from qatm.tools.train.default_networks import app as default_app  # noqa: E402
from qatm.tools.train.loop import learning_rate, train  # noqa: E402
from qatm.tools.train.pair_samples import FIRST_SEED, Part, pairs_by_size  # noqa: E402
from qatm.tools.train.pair_scenes import RegisteredPair  # noqa: E402
from qatm.tools.train.pair_training import CompareTask, PairBatch, changed  # noqa: E402
from qatm.tools.train.pictures import texture  # noqa: E402
from qatm.tools.train.training_options import TrainOptions  # noqa: E402

ORIGIN = {"pictures": "made-up", "sample_seed": 4}


def made_up(count: int, first: int = FIRST_SEED) -> Part:
    """Pairs of textures in another light, half of them with something in the middle."""
    random = np.random.default_rng(first)
    pairs: list[RegisteredPair] = []
    for number in range(count):
        columns, rows = ((64, 64), (88, 48), (128, 32))[number % 3]
        own = cv2.resize(texture(number % 7), (columns, rows)).astype(np.float32)
        seen = own * random.uniform(0.7, 1) + random.normal(0, 4, own.shape) + 10
        same = bool(random.integers(2))
        if not same:
            seen[rows // 2 - 8 : rows // 2 + 8, columns // 2 - 8 : columns // 2 + 8] += 90
        pictures = np.clip([own, seen], 0, 255).astype(np.uint8)
        # Three pairs have a scene, so that one in 25 scenes has three sizes.
        group = str(first + number // 3)
        pairs.append(RegisteredPair(pictures, np.zeros(2, np.float32), same, "parts", group))
    return pairs_by_size(pairs)


@pytest.fixture(scope="module")
def parts() -> list[Part]:
    left_out = [made_up(3, FIRST_SEED + 25 * number) for number in range(1, 13)]
    return [made_up(240), *left_out]


def options(folder: Path, **changes: Any) -> TrainOptions:
    usual = {"steps": 40, "batch": 32, "learning_rate": 5e-3, "checkpoint_every": 20}
    return TrainOptions(folder, threads=1, **{**usual, **changes})


def batch(rows: int = 4, columns: int = 6) -> PairBatch:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (3, 2, rows, columns, 3), generator=generator).float()
    return PairBatch(pictures, torch.zeros(3, 2), torch.tensor([1.0, 0, 1]))


def test_both_pictures_are_changed_alike() -> None:
    before = batch()
    before.pictures[:, 1] = before.pictures[:, 0]
    seen: set[bytes] = set()
    for seed in range(40):
        after = changed(before, np.random.default_rng(seed))
        assert after.pictures.shape == before.pictures.shape
        assert torch.equal(after.pictures[:, 0], after.pictures[:, 1])
        assert torch.equal(after.same, before.same)
        assert 0 < after.zooms.abs().max() < 0.5
        seen.add(after.pictures.numpy().tobytes())
    # Two turns, two mirrors and six orders of colours.
    assert 15 < len(seen) <= 24


def test_square_pictures_are_turned_by_quarters() -> None:
    before = batch(4, 4)
    own = before.pictures.sum(4)
    turned = {
        tuple(torch.equal(torch.rot90(own, turn, (2, 3)), after) for turn in range(4))
        for after in (
            changed(before, np.random.default_rng(seed)).pictures.sum(4) for seed in range(40)
        )
    }
    assert len(turned) == 5  # four turns, and mirrored ones


def test_the_rate_rises_first() -> None:
    usual = options(Path(), steps=100)
    rates = [learning_rate(usual, step, 0.15) for step in range(100)]
    assert rates[0] == pytest.approx(2e-4)
    assert rates[15] == max(rates) == 5e-3
    assert rates[:16] == sorted(rates[:16])
    assert rates[15:] == sorted(rates[15:], reverse=True)
    assert rates[-1] < 1e-5


def test_it_learns_ranks_and_resumes_bit_for_bit(parts: list[Part], tmp_path: Path) -> None:
    task = CompareTask(parts, ORIGIN, width=6)
    whole = train(task, options(tmp_path / "whole"))
    assert np.mean(whole.losses[-5:]) < np.mean(whole.losses[:5]) - 0.15
    assert task.ranked()["parts"] > 0.8

    (tmp_path / "parts").mkdir()
    first = find_checkpoints(tmp_path / "whole")[0]
    (tmp_path / "parts" / first.name).write_bytes(first.read_bytes())
    done = train(CompareTask(parts, ORIGIN, width=6), options(tmp_path / "parts", resume=True))
    assert done.started_at == 20
    assert done.losses == whole.losses[20:]

    network = load_network(tmp_path / "parts", "compare")
    told = network.info()
    assert (told["task"], told["width"], told["sample_seed"], told["seed"]) == ("compare", 6, 4, 0)
    assert (told["samples"], told["steps"], told["trained_steps"]) == (228, 40, 40)
    assert (told["batch"], told["learning_rate"], told["pictures"]) == (32, 5e-3, "made-up")


def test_what_is_left_out_is_not_learned_from(parts: list[Part]) -> None:
    task = CompareTask(parts, ORIGIN, width=6)
    # Scenes 0, 25, 50 and 75 of the first part, and all others.
    assert (task.config["samples"], task.config["left_out"]) == (228, 48)
    same = CompareTask([made_up(3), *parts[:1]], ORIGIN, width=6)
    one, other = (each.batch(np.random.default_rng(1), 8) for each in (task, same))
    assert torch.equal(one.pictures, other.pictures)
    with pytest.raises(InputError, match="all 3 samples are left out"):
        CompareTask([made_up(3)], ORIGIN)


def test_one_kind_alone_has_no_rank(parts: list[Part]) -> None:
    alike = tuple(samples._replace(same=np.ones_like(samples.same)) for samples in parts[0])
    assert math.isnan(CompareTask([alike], ORIGIN, width=6).ranked()["parts"])


def cli(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["train", "compare", *map(str, arguments)])


def test_the_command_trains_and_refuses(tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = ("--samples", 30, "--steps", 2, "--batch", 4, "--threads", 1, "--out", out)
    done = cli(*given)
    assert done.exit_code == 0, done.output
    assert "compare: drawn scenes (parts, letters" in done.stderr
    network = load_network(out, "compare")
    told = json.loads(json.dumps(network.info()))
    assert (told["width"], told["sample_seed"], told["trained_steps"]) == (20, 0, 2)
    assert len(told["images"]) == 64

    part = out / "samples" / "part-000.npz"
    before = part.stat().st_mtime_ns
    again = cli(*given)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "--resume" in again.stderr
    resumed = cli(*given, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "resumed after step 2" in resumed.stderr
    other = cli(*given, "--resume", "--sample-seed", 1)
    assert other.exit_code == 2
    assert "was made with another sample_seed: 0, now it is 1" in other.stderr
    assert part.stat().st_mtime_ns == before


def test_unusable_arguments_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        ((tmp_path / "none",), "is no folder"),
        ((tmp_path / "empty",), "holds no sequences"),
        (("--samples", 0), "--samples"),
        (("--sample-seed", -1), "--sample-seed"),
    ):
        done = cli(*arguments, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert words in done.stderr
    assert not (tmp_path / "out").exists()
    help_ = cli("--help")
    assert help_.exit_code == 0
    assert "SEQUENCES" in help_.stdout


@pytest.mark.slow
def test_the_default_one_goes_into_its_bundle(tmp_path: Path) -> None:
    names = ("--bundles", tmp_path / "bundles", "--out", tmp_path / "run")
    given = ("--task", "compare", "--samples", 20, "--steps", 1, *names)
    done = CliRunner().invoke(default_app, [str(value) for value in given])
    assert done.exit_code == 0, done.output
    made = Bundle.load(tmp_path / "bundles" / "default_bundle")
    assert made.precisions("compare")
    told = made.spec.compare
    assert (told["task"], told["width"], told["trained_steps"]) == ("compare", 20, 1)
    assert f"SHA-256 {made.file_hash('compare', 'fp32')}" in done.stdout
