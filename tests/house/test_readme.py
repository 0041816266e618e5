"""Every command block of the README is run, and the Python blocks too."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from qatm.runtime import VideoWriter

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = {"qatm": "qatm.tools.cli", "qatm-export": "qatm.tools.commands.export"}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = "".join(blocks("console")).splitlines()
    return [re.sub(r"\s+#.*", "", line[2:]) for line in lines if line.startswith("$ ")]


def write_cat_video(path: Path, cat) -> None:
    """A camera that moves a little over a photograph."""
    with VideoWriter(path, 25.0) as video:
        for step in range(6):
            video.write(cat[step : step + 280, step : step + 440].copy())


@pytest.fixture(scope="session")
def workplace(tmp_path_factory, photographs) -> Path:
    """A folder with the files that the commands name."""
    torch = pytest.importorskip("torch")
    from qatm.model import build_backbone

    folder = tmp_path_factory.mktemp("readme")
    cat = photographs["chelsea"]
    cv2.imwrite(str(folder / "first.jpg"), cat)
    cv2.imwrite(str(folder / "scene.jpg"), cat[4:, 6:])
    cv2.imwrite(str(folder / "object.png"), cat[80:144, 120:184])
    write_cat_video(folder / "video.mp4", cat)
    (folder / "photos").mkdir()
    for name in ("chelsea", "coffee"):
        cv2.imwrite(str(folder / "photos" / f"{name}.jpg"), photographs[name])
    network = build_backbone("mobilenet-v2", "random").network
    torch.save(network.state_dict(), folder / "mobilenet_v2.pth")
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(command)
    return subprocess.run(
        [sys.executable, "-m", MODULES[program], *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_there_are_commands():
    assert len(commands()) > 8


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make ")])
def test_make_targets_exist(command):
    subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("pip ")])
def test_extras_exist(command):
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = re.search(r"qatm\[(.*)\]", command)
    assert asked
    assert set(asked[1].split(",")) <= set(project["optional-dependencies"])


@pytest.mark.slow
@pytest.mark.minutes
def test_the_commands_run_in_their_order(workplace):
    exports = [c for c in commands() if c.startswith("qatm-export")]
    others = [c for c in commands() if c.startswith("qatm ")]
    for command in (*exports, *others):
        done = run(command, workplace)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_the_python_blocks_run(photographs, capsys, tmp_path, monkeypatch):
    cat = photographs["chelsea"]
    write_cat_video(tmp_path / "video.mp4", cat)
    monkeypatch.chdir(tmp_path)
    moved = cat[4:, 6:].copy()
    names = {"frame": cat, "image": moved, "first_frame": cat, "next_frame": moved}
    exec(compile("".join(blocks("python")), "README.md", "exec"), names)
    assert "True" in capsys.readouterr().out
    assert names["found"]
