"""The network for boxes from cut-outs to a bundle's file: samples, mirrors, training, command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cut_out_files import write_cut_outs
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from qatm.export.networks import load_network  # noqa: E402
from qatm.runtime import Bundle, InputError  # noqa: E402
from qatm.runtime.bundle.folder import default_bundle_path  # noqa: E402
from qatm.runtime.session import Session  # noqa: E402
from qatm.runtime.track.box_evidence import READINGS  # noqa: E402
from qatm.tools.cli import app  # noqa: E402
from qatm.tools.train import box_samples  # noqa: E402
from qatm.tools.train.box_samples import (  # noqa: E402
    BoxSampler,
    BoxSamples,
    make_samples,
    read_part,
    write_part,
)
from qatm.tools.train.box_training import (  # noqa: E402
    BoxBatch,
    FollowTask,
    mirrored,
    open_scenery,
    transposed,
    upside_down,
)
from qatm.tools.train.checkpoints import find_checkpoints  # noqa: E402
from qatm.tools.train.default_networks import app as default_app  # noqa: E402
from qatm.tools.train.loop import train  # noqa: E402
from qatm.tools.train.training_options import TrainOptions  # noqa: E402


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cut_outs(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def sampler(objects: Path) -> BoxSampler:
    session = Session(default_bundle_path(), "cpu", precision="fp32", threads=1)
    return BoxSampler(session, open_scenery(objects, None).pictures)


@pytest.fixture(scope="module")
def clip(sampler: BoxSampler) -> list[Any]:
    found = (sampler.of_clip(seed) for seed in range(20))
    return next(rows for rows in found if rows is not None)


def made_up(count: int = 40) -> BoxSamples:
    random = np.random.default_rng(0)
    maps = random.uniform(-1, 1, (count, 16, 20, 20)).astype(np.float16)
    changes = random.normal(0, 0.1, (count, 4)).astype(np.float32)
    maps[:, 3], maps[:, 4] = changes[:, 0, None, None], changes[:, 1, None, None]
    readings = random.normal(0, 0.3, (count, READINGS)).astype(np.float32)
    return BoxSamples(maps, readings, changes, np.arange(count) // 6)


def test_what_a_clip_gives(clip: list[Any]) -> None:
    assert len(clip) == 6
    for maps, readings, change in clip:
        assert maps.shape == (16, 20, 20)
        assert readings.shape == (READINGS,)
        assert np.isfinite(maps).all()
        assert maps.min() >= -1.01
        assert maps.max() <= 1.01
        assert np.abs(change[:2]).max() < 1
        assert np.abs(change[2:]).max() < 1.5


def test_the_evidence_points_to_the_box(clip: list[Any]) -> None:
    # From which part of the object cells seem to be, less where they lie: minus the way to it.
    for axis in (0, 1):
        told = [float(-np.median(maps[3 + axis, 6:14, 6:14])) for maps, *_ in clip]
        true = [float(change[axis]) for *_, change in clip]
        assert np.corrcoef(told, true)[0, 1] > 0


def test_parts_are_made_once(
    sampler: BoxSampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    rows = [(np.zeros((16, 20, 20)), np.zeros(READINGS), np.zeros(4))] * 6

    def of_clip(seed: int, **_: Any) -> Any:
        made.append(seed)
        return None if seed == 1 else rows

    monkeypatch.setattr(sampler, "of_clip", of_clip)
    monkeypatch.setattr(box_samples, "PART", 10)
    told: list[tuple[int, int]] = []

    def make(count: int, objects: str = "a") -> BoxSamples:
        origin = {"objects": objects}
        return make_samples(
            tmp_path, count, sampler, origin, lambda _, done, all_: told.append((done, all_))
        )

    first = make(15)
    # Part 0 needs two clips that can be used, part 1 one.
    assert made == [0, 1, 2, 1_000_000]
    assert len(first.maps) == 18
    assert told[-1] == (15, 15)
    assert first.clips.tolist() == [1] * 6 + [3] * 6 + [1_000_001] * 6
    np.testing.assert_array_equal(make(15).clips, first.clips)
    assert len(made) == 4
    assert len(make(20).maps) == 24
    with pytest.raises(InputError, match="another objects: 'a', now it is 'b'"):
        make(15, "b")
    (tmp_path / "part-001.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"part-001\.npz is damaged"):
        make(15)


def test_objects_that_cannot_be_followed(
    sampler: BoxSampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "of_clip", lambda seed, **_: None)
    with pytest.raises(InputError, match="none of 200 clips"):
        make_samples(tmp_path, 5, sampler, {}, lambda *_: None)
    assert not list(tmp_path.iterdir())


def test_a_part_is_read_as_it_was_written(tmp_path: Path) -> None:
    samples = made_up(6)
    write_part(tmp_path / "part.npz", samples, {"readings": READINGS})
    again = read_part(tmp_path / "part.npz", {"readings": READINGS})
    for one, other in zip(samples, again, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def batch() -> BoxBatch:
    samples = made_up(3)
    arrays = samples.maps, samples.readings, samples.changes
    return BoxBatch(*(torch.from_numpy(np.float32(array)) for array in arrays))


@pytest.mark.parametrize("change", [mirrored, upside_down, transposed])
def test_mirrors_are_their_own_inverses(change: Any) -> None:
    before = batch()
    kept = [part.clone() for part in before]
    after = change(before)
    assert not torch.equal(after.maps, before.maps)
    for one, two, three in zip(change(after), before, kept, strict=True):
        torch.testing.assert_close(one, two)
        torch.testing.assert_close(two, three)


def test_mirrors_agree_with_what_is_told() -> None:
    before = batch()
    # Map 3 holds the change to the right, map 4 the one downwards.
    for change in (mirrored, upside_down, transposed):
        maps, _, changes = change(before)
        torch.testing.assert_close(maps[:, 3, 0, 0], changes[:, 0], atol=1e-3, rtol=0)
        torch.testing.assert_close(maps[:, 4, 0, 0], changes[:, 1], atol=1e-3, rtol=0)
    torch.testing.assert_close(transposed(before).readings, -before.readings)
    torch.testing.assert_close(transposed(before).changes[:, 2], before.changes[:, 3])


def test_it_learns_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    origin = {"readings": READINGS, "backbone": "any", "taps": ["1"]}

    def run(folder: str, **changes: Any) -> Any:
        usual = {"steps": 40, "batch": 32, "learning_rate": 3e-3, "checkpoint_every": 20}
        options = TrainOptions(tmp_path / folder, threads=1, **{**usual, **changes})
        return train(FollowTask(made_up(), origin), options)

    whole = run("whole")
    assert np.mean(whole.losses[-5:]) < np.mean(whole.losses[:5]) - 0.3
    (tmp_path / "parts").mkdir()
    first = find_checkpoints(tmp_path / "whole")[0]
    (tmp_path / "parts" / first.name).write_bytes(first.read_bytes())
    done = run("parts", resume=True)
    assert done.started_at == 20
    assert done.losses == whole.losses[20:]
    network = load_network(tmp_path / "parts", "follow")
    assert network.module.readings == READINGS
    told = network.info()
    assert (told["task"], told["samples"], told["clips"]) == ("follow", 40, 7)


def cli(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["train", "follow", *map(str, arguments)])


def test_the_command_trains_and_refuses(objects: Path, tmp_path: Path) -> None:
    out, options = tmp_path / "run", ("--steps", 1, "--batch", 4, "--threads", 1)
    done = cli(objects, "--out", out, "--samples", 6, *options)
    assert done.exit_code == 0, done.output
    assert "follow: 3 cut-outs of a folder" in done.stderr
    assert "6 samples of 1 clips" in done.stderr
    network = load_network(out, "follow")
    spec = Bundle.load().spec
    network.check_features(spec.backbone.name, spec.backbone.taps, spec.recipes.match.alpha)
    told = json.loads(json.dumps(network.info()))
    assert told["objects"] == "3 cut-outs of a folder"
    assert len(told["object_files"]) == 64
    assert "chelsea.png" in told["pictures"]
    assert (told["readings"], told["samples"], told["trained_steps"]) == (READINGS, 6, 1)

    part = out / "samples" / "part-000.npz"
    before = part.stat().st_mtime_ns
    again = cli(objects, "--out", out, "--samples", 6, *options)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "--resume" in again.stderr
    resumed = cli(objects, "--out", out, "--samples", 6, *options, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert part.stat().st_mtime_ns == before


def test_unusable_folders_are_refused(objects: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        ((tmp_path / "none",), "is no folder"),
        ((tmp_path / "empty",), "no picture with an alpha channel"),
        ((objects, "--grounds", tmp_path / "empty"), "holds no picture"),
        ((objects, "--samples", 0), "--samples"),
    ):
        done = cli(*arguments, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert words in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_default_one_needs_objects(tmp_path: Path) -> None:
    bundles = ("--bundles", str(tmp_path / "bundles"), "--out", str(tmp_path / "run"))
    done = CliRunner().invoke(default_app, ["--task", "follow", *bundles])
    assert done.exit_code == 0, done.output
    assert "left out, as no --objects are given" in done.stderr
    assert not (tmp_path / "bundles").exists()
