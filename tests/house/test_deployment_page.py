"""The deployment page: its commands have the options it names, and its extras exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
OTHERS = ("pip", "python3", "source", "trtexec")


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    return [line[2:] for line in "".join(blocks).splitlines() if line.startswith("$ ")]


def help_of(words: list[str]) -> str:
    from qatm.tools.cli import app as qatm
    from qatm.tools.commands.export import app as export
    from qatm.tools.evaluation.device.gpu_report import app as report

    app = {"qatm-export": export, "qatm": qatm, "python": report}[words[0]]
    subcommands = []
    if words[0] == "qatm":
        subcommands = words[1:3] if words[1] in ("bundle", "calib") else words[1:2]
    result = CliRunner().invoke(app, [*subcommands, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_there_are_commands():
    assert len(commands()) > 12


def test_nothing_is_left_to_fill_in():
    assert not re.findall(r"@\w+@|TODO|XXX", PAGE)


@pytest.mark.parametrize("command", [c for c in commands() if not c.startswith(OTHERS)])
def test_options_exist(command):
    words = shlex.split(command)
    if words[0] == "python":
        assert words[1:3] == ["-m", "qatm.tools.evaluation.device.gpu_report"]
    known = set(re.findall(r"--[a-z][a-z0-9-]*", help_of(words)))
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("extras", sorted(set(re.findall(r"qatm\[([a-z0-9,-]+)\]", PAGE))))
def test_extras_exist(extras):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in extras.split(","):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE)


def test_shapes_are_accepted():
    from qatm.export.engines.engine_options import EngineOptions, feature_profiles, parse_shapes
    from qatm.runtime import Bundle

    spec = Bundle.load().spec
    found = re.findall(r"--shapes (\S+)", "\n".join(commands()))
    assert found
    for text in found:
        assert feature_profiles(spec, EngineOptions(image_shapes=parse_shapes(text)))


def test_default_profile_is_the_one_that_is_built():
    from qatm.export.engines.engine_options import EngineOptions, feature_profiles
    from qatm.runtime import Bundle

    profile, _ = feature_profiles(Bundle.load().spec, EngineOptions())
    shapes = profile.shapes["image"]
    sizes = (shapes.minimum, shapes.optimum, shapes.maximum)
    text = ":".join(f"{height}x{width}" for _, height, width, _ in sizes)
    assert f"`{text}`" in PAGE
