"""The options that all trainings share: one place, other defaults, the same from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from qatm.runtime import QatmError
from qatm.tools.console import Command
from qatm.tools.train.training_options import TrainOptions, torch_needed, training_command


def command(given: list[Any]) -> Any:
    @training_command(steps=7, learning_rate=0.5)
    def teach(name: str, *, loud: bool = False, options: TrainOptions) -> None:
        """Teach something."""
        given.append((name, loud, options))

    return teach


def test_the_command_line_and_python_say_the_same(tmp_path: Path) -> None:
    given: list[Any] = []
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command(cls=Command)(command(given))

    def cli(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    done = cli("dog", "--loud", "--out", tmp_path, "--seed", 3, "--resume")
    assert done.exit_code == 0, done.output
    command(given)("dog", loud=True, out=tmp_path, seed=3, resume=True)
    assert given[0] == given[1]
    name, loud, options = given[0]
    assert (name, loud) == ("dog", True)
    assert options == TrainOptions(
        *(tmp_path, 7, 1, 0.5, 3),
        checkpoint_every=10,
        resume=True,
    )
    assert cli("dog").exit_code == 2
    refused = cli("dog", "--out", tmp_path, "--learning-rate", 0)
    assert refused.exit_code == 2
    assert "learning_rate is 0.0" in refused.stderr
    assert len(given) == 2
    with pytest.raises(TypeError, match="out"):
        command(given)("dog")


def test_what_is_missing_is_named() -> None:
    words = r'no_such_torch is not installed: pip install "qatm'
    with pytest.raises(QatmError, match=words), torch_needed():
        import no_such_torch  # noqa: F401  # pyright: ignore[reportMissingImports]
