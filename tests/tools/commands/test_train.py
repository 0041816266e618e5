"""Options that all trainings share: each training has its own usual ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qatm.runtime import QatmError
from qatm.tools.cli import app
from qatm.tools.train import training_options
from qatm.tools.train.training_options import PAIRS, SAMPLES, USUAL, TrainOptions, torch_needed


def cli(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the trainings are called with, instead of training."""
    pytest.importorskip("torch")
    from qatm.tools.train import trainings as work

    given: list[tuple[Any, ...]] = []
    for name in ("train_align", "train_verify", "train_follow", "train_compare", "refine_align"):
        monkeypatch.setattr(work, name, lambda *call, name=name: given.append((name, *call[:-1])))
    return given


@pytest.mark.parametrize(
    ("training", "function", "usual"),
    [
        ("align", "train_align", (40, 1, 0.01, 10)),
        ("verify", "train_verify", (200, 4, 0.003, 50)),
    ],
)
def test_each_training_has_its_usual_options(
    trainings: list[Any], tmp_path: Path, training: str, function: str, usual: tuple[Any, ...]
) -> None:
    assert cli(training, "--out", tmp_path).exit_code == 0
    names = ("steps", "batch", "learning_rate", "checkpoint_every")
    wanted = TrainOptions(tmp_path, **dict(zip(names, usual, strict=True)))
    assert trainings == [(function, None, "qatm", wanted)]
    assert dict(zip(names, usual, strict=True)) == USUAL[training]


def test_options_arrive_where_the_work_is_done(trainings: list[Any], tmp_path: Path) -> None:
    options = ("--out", tmp_path, "--steps", 3, "--seed", 2, "--threads", 1, "--resume")
    done = cli("refine", "run", "pictures", *options)
    assert done.exit_code == 0, done.output
    (call,) = trainings
    assert call[:3] == ("refine_align", Path("run"), Path("pictures"))
    assert call[3] == TrainOptions(
        tmp_path, 3, 8, 3e-3, 2, checkpoint_every=10, threads=1, resume=True
    )
    assert cli("align", "pictures", "--matching", "cosine", "--out", tmp_path).exit_code == 0
    assert trainings[-1][1:3] == (Path("pictures"), "cosine")


def test_the_training_for_following_has_options_of_its_own(
    trainings: list[Any], tmp_path: Path
) -> None:
    assert cli("follow", "objects", "--out", tmp_path).exit_code == 0
    options = TrainOptions(tmp_path, **USUAL["follow"])
    assert trainings == [("train_follow", Path("objects"), None, SAMPLES, options)]
    more = ("--grounds", "photos", "--samples", 7, "--steps", 3)
    assert cli("follow", "objects", "--out", tmp_path, *more).exit_code == 0
    assert trainings[-1][1:4] == (Path("objects"), Path("photos"), 7)
    assert trainings[-1][4].steps == 3
    assert cli("follow", "--out", tmp_path).exit_code == 2


def test_the_training_for_comparing_has_options_of_its_own(
    trainings: list[Any], tmp_path: Path
) -> None:
    assert cli("compare", "--out", tmp_path).exit_code == 0
    options = TrainOptions(tmp_path, **USUAL["compare"])
    assert trainings == [("train_compare", [], PAIRS, 0, options)]
    more = ("--samples", 7, "--sample-seed", 2, "--threads", 1)
    assert cli("compare", "one", "two", "--out", tmp_path, *more).exit_code == 0
    assert trainings[-1][1:4] == ([Path("one"), Path("two")], 7, 2)
    assert trainings[-1][4].threads == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--learning-rate", "0"], "learning_rate is 0.0"),
        (["--learning-rate", "nan"], "nan"),
        (["--steps", "0"], "--steps"),
        (["--matching", "magic"], "'magic' is not one of"),
        (["--out", "FILE"], "cannot be written to"),
    ],
)
def test_unusable_options_are_refused_before_any_work(
    trainings: list[Any], tmp_path: Path, options: list[str], words: str
) -> None:
    (tmp_path / "file").write_text("")
    options = [str(tmp_path / "file") if option == "FILE" else option for option in options]
    out = [] if "--out" in options else ["--out", str(tmp_path / "run")]
    done = cli("align", *out, *options)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert words in line
    assert trainings == []
    assert cli("align").exit_code == 2
    assert not (tmp_path / "run").exists()


def test_what_is_missing_is_named() -> None:
    words = r'no_such_torch is not installed: pip install "qatm'
    with pytest.raises(QatmError, match=words), torch_needed():
        import no_such_torch  # noqa: F401  # pyright: ignore[reportMissingImports]
    assert "typer" not in vars(training_options)
