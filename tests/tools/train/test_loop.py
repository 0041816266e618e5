"""The training loop: it learns, resumes exactly, refuses other trainings, logs each step once."""

from __future__ import annotations

import csv
import os
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tensorboardX.proto.event_pb2 import Event, SessionLog  # noqa: E402

from qatm.runtime import InputError  # noqa: E402
from qatm.tools.train import loop  # noqa: E402
from qatm.tools.train.checkpoints import find_checkpoints, open_checkpoint  # noqa: E402
from qatm.tools.train.loop import TrainOptions, learning_rate, train  # noqa: E402
from qatm.tools.train.training_log import CSV_NAME  # noqa: E402


class KilledError(Exception):
    """Stands for a kill."""


class Line:
    """Learns the numbers of a line from noisy points."""

    name = "line"

    def __init__(self, slope: float = 3.0, dies_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Dropout(0.1))
        self.config = {"slope": slope}
        self.dies_at = dies_at
        self.asked = 0

    def batch(self, rng: np.random.Generator, size: int) -> Any:
        self.asked += 1
        if self.asked == self.dies_at:
            raise KilledError
        x = rng.uniform(-1, 1, (size, 1))
        y = self.config["slope"] * x + 1 + rng.normal(0, 0.01, x.shape)
        return torch.from_numpy(x).float(), torch.from_numpy(y).float()

    def loss(self, batch: Any) -> Any:
        loss = (self.network(batch[0]) - batch[1]).square().mean()
        return loss, {"slope": float(self.network[0].weight.detach())}


def options(out: Path, **changes: Any) -> TrainOptions:
    usual = {"steps": 60, "batch": 32, "learning_rate": 0.1, "checkpoint_every": 10, "threads": 1}
    return TrainOptions(out, **{**usual, **changes})


def rows(folder: Path) -> list[list[str]]:
    return list(csv.reader((folder / CSV_NAME).read_text(encoding="utf-8").splitlines()))


def test_the_loss_falls_and_every_step_is_logged(tmp_path):
    before = torch.get_num_threads()
    done = train(Line(), options(tmp_path))
    assert np.mean(done.losses[-5:]) < 0.3 * np.mean(done.losses[:5])
    assert torch.get_num_threads() == before
    names, *numbers = rows(tmp_path)
    assert names == ["step", "loss", "slope", "rate", "seconds"]
    assert [int(row[0]) for row in numbers] == list(range(1, 61))
    assert [path.name for path in find_checkpoints(tmp_path)] == [
        "step-0000050.pt",
        "step-0000060.pt",
    ]


def test_a_killed_training_resumes_bit_for_bit(tmp_path):
    whole = train(Line(), options(tmp_path / "whole"))
    with pytest.raises(KilledError):
        train(Line(dies_at=37), options(tmp_path / "parts"))
    assert len(rows(tmp_path / "parts")) == 37
    done = train(Line(), options(tmp_path / "parts", resume=True))
    assert done.started_at == 30
    assert done.losses == whole.losses[30:]
    states = [torch.load(part.checkpoint, weights_only=True) for part in (whole, done)]
    for name, value in states[0]["weights"].items():
        assert torch.equal(value, states[1]["weights"][name])
    logged = rows(tmp_path / "parts")
    assert [row[:4] for row in logged] == [row[:4] for row in rows(tmp_path / "whole")]
    again = train(Line(), options(tmp_path / "parts", resume=True))
    assert again.losses == ()
    assert again.checkpoint == done.checkpoint


def test_a_gpu_adds_in_one_order_only_while_it_trains(monkeypatch):
    monkeypatch.setenv(loop.CUBLAS_WORKSPACE[0], ":16:8")
    with loop._ordered_sums("cpu"):
        assert not torch.are_deterministic_algorithms_enabled()
    with loop._ordered_sums("cuda"):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert os.environ[loop.CUBLAS_WORKSPACE[0]] == ":16:8"
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()


@pytest.mark.gpu
def test_a_training_on_a_gpu_resumes_bit_for_bit(tmp_path):
    from qatm.tools.train.alignment_training import AlignTask
    from qatm.tools.train.pictures import open_images, texture

    for seed in range(4):
        cv2.imwrite(str(tmp_path / f"{seed}.png"), texture(seed, 200))

    def trained(folder: str, **changes: Any) -> Any:
        usual = {"steps": 12, "batch": 1, "learning_rate": 0.01, "checkpoint_every": 6}
        chosen = options(tmp_path / folder, device="cuda", threads=None, **{**usual, **changes})
        return train(AlignTask(open_images(tmp_path), device="cuda"), chosen)

    whole = trained("whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    find_checkpoints(tmp_path / "parts")[-1].unlink()
    done = trained("parts", resume=True)
    assert done.started_at == 6
    assert done.losses == whole.losses[6:]
    states = [torch.load(part.checkpoint, weights_only=True) for part in (whole, done)]
    for name, value in states[0]["weights"].items():
        assert torch.equal(value, states[1]["weights"][name])


def test_another_training_is_not_continued(tmp_path):
    train(Line(), options(tmp_path, steps=2))
    with pytest.raises(InputError, match="--resume"):
        train(Line(), options(tmp_path, steps=2))
    with pytest.raises(InputError, match=r"its slope is 3.0, now it is 4.0"):
        train(Line(4.0), options(tmp_path, steps=2, resume=True))
    with pytest.raises(InputError, match=r"its steps is 2, now it is 3"):
        train(Line(), options(tmp_path, steps=3, resume=True))
    with pytest.raises(InputError, match="of 'line', not of 'align'"):
        open_checkpoint(tmp_path, "align")
    newest = find_checkpoints(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        train(Line(), options(tmp_path, steps=2, resume=True))
    assert not list(tmp_path.glob(".step-*"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"schedule": "steps"}, "schedule is 'steps'"),
        ({"threads": 0}, "threads is 0"),
        ({"learning_rate": 1e25}, "loss is (inf|nan) at step"),
    ],
)
def test_refused(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        train(Line(), options(tmp_path, **changes))


def test_the_rate_falls_to_zero_or_stays():
    usual = options(Path(), steps=10)
    rates = [learning_rate(usual, step) for step in range(10)]
    assert rates[0] == 0.1
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01
    assert learning_rate(options(Path(), schedule="constant"), 7) == 0.1


def events(file: Path) -> list[Any]:
    """What an event file holds: a length and its checksum, the data and theirs, again and again."""
    data, found = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return found


def test_event_files_hold_every_number(tmp_path):
    train(Line(), options(tmp_path, steps=3))
    (file,) = tmp_path.glob("events.out.tfevents.*")
    # 24 bytes follow; the checksum of that is a CRC-32C, masked.
    assert file.read_bytes()[:12].hex() == "1800000000000000a37f4b22"
    first, *steps = events(file)
    assert first.file_version == "brain.Event:2"
    assert [event.step for event in steps] == [1, 2, 3]
    for event, row in zip(steps, rows(tmp_path)[1:], strict=True):
        values = {value.tag: value.simple_value for value in event.summary.value}
        assert list(values) == ["loss", "slope", "rate", "seconds"]
        assert values["loss"] == pytest.approx(float(row[1]), rel=1e-4)
    assert abs(steps[0].wall_time - time.time()) < 100


def test_events_beyond_the_checkpoint_are_forgotten_those_in_it_are_kept(tmp_path):
    with pytest.raises(KilledError):
        train(Line(dies_at=13), options(tmp_path, steps=20))
    train(Line(), options(tmp_path, steps=20, resume=True))
    before, after = map(events, sorted(tmp_path.glob("events.out.tfevents.*")))
    assert before[-1].step == 12
    # TensorBoard forgets what has the step of a start, or a later one.
    assert (after[1].step, after[1].session_log.status) == (11, SessionLog.START)
    assert [event.step for event in after[2:]] == list(range(11, 21))
