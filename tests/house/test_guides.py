"""The site's pages: their programs and commands run, and everything public is in the reference."""

from __future__ import annotations

import re
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from guide_files import PLACES, TURN, write_guide_files
from guide_pages import DOCS, Block, blocks
from source_tree import ROOT
from typer.testing import CliRunner

from qatm import runtime

PAGES = sorted(
    path.relative_to(DOCS).as_posix()
    for path in (*DOCS.glob("*.md"), *DOCS.glob("guides/*.md"))
    if path.name not in ("accuracy.md", "deployment.md", "graphs.md")
)
"""Pages whose code is run; the three others have tests of their own, or no code."""

PROGRAMS = {"qatm": "qatm.tools.cli", "qatm-export": "qatm.tools.commands.export"}
RUN_ELSEWHERE = ("pip", "make", "npm", "cmake", "python")


def here(page: str) -> list[Block]:
    """The blocks of a page that are for any machine."""
    found = blocks((DOCS / page).read_text(encoding="utf-8"))
    return [block for block in found if not block.machine]


def commands(block: Block) -> list[tuple[str, int]]:
    """The commands of a console block, with the exit status that they say they have."""
    lines = [line[2:] for line in block.code.splitlines() if line.startswith("$ ")]
    parts = [re.fullmatch(r"(.*?)(?:\s+#.*?(?:exit status (\d+).*)?)?", line) for line in lines]
    return [(part[1], int(part[2] or 0)) for part in parts if part]


def run_command(command: str, status: int) -> None:
    """Run a command of ours in this process."""
    program, *arguments = shlex.split(command)
    if program in RUN_ELSEWHERE:
        return
    done = CliRunner().invoke(import_module(PROGRAMS[program]).app, arguments)
    assert done.exit_code == status, f"{command}\n{done.output}\n{done.exception!r}"


@pytest.fixture
def workplace(tmp_path, photographs, monkeypatch) -> Path:
    """A folder with the files that the pages name, and we are in it."""
    write_guide_files(tmp_path, photographs)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_page(page: str) -> dict[str, Any]:
    """Run the blocks of a page in their order, and return what its programs leave behind."""
    names: dict[str, Any] = {"__name__": page}
    for block in here(page):
        if block.language == "python":
            exec(compile(block.code, page, "exec"), names)
        elif block.language == "console":
            for command, status in commands(block):
                run_command(command, status)
    return names


def centre_error(box: runtime.Box, x: float, y: float) -> float:
    """How far the middle of a box is from where it should be, in pixels."""
    return float(np.hypot(box.x + box.w / 2 - x, box.y + box.h / 2 - y))


@pytest.mark.parametrize("page", [page for page in PAGES if here(page)])
def test_the_blocks_of_a_page_run(page, workplace, capsys):
    names = run_page(page)
    if check := OUTCOMES.get(page):
        check(names, capsys.readouterr().out)


def check_find(names: dict[str, Any], _: str) -> None:
    assert names["best"].found
    assert centre_error(names["best"].box, 146, 108) < 2
    assert names["found"] == [True, False]
    assert names["heat"].shape == names["image"].shape[:2]
    assert {match.name for match in runtime_matches(names)} == {"eye", "nose"}


def runtime_matches(names: dict[str, Any]) -> list[runtime.Match]:
    with runtime.Matcher() as matcher:
        return matcher.match(names["image"], templates=[names["eye"], names["nose"]])


def check_copies(names: dict[str, Any], printed: str) -> None:
    assert "5 copies" in printed
    assert names["counts"] == {name: len(places) for name, places in PLACES.items()}


def check_pose(names: dict[str, Any], printed: str) -> None:
    match = names["match"]
    assert match.found
    assert match.angle == pytest.approx(70, abs=2)
    assert match.scale == pytest.approx(1.3, abs=0.05)
    x, y = TURN @ (140.0, 124.0, 1.0)
    assert (names["x"], names["y"]) == pytest.approx((x, y), abs=3)
    assert "turned by 7" in printed


def check_presence(names: dict[str, Any], printed: str) -> None:
    assert names["present"].found
    assert not names["absent"].found
    assert "0.5 0.5" in printed


def check_follow(names: dict[str, Any], _: str) -> None:
    assert set(names["states"]) == {"tracking"}
    assert names["track"].found
    assert centre_error(names["track"].box, 147, 107) < 2
    found = {track.name: track.found for track in names["tracks"].values()}
    assert found == {"eye": True, "nose": True}


def check_align(names: dict[str, Any], _: str) -> None:
    assert names["alignment"].found
    assert names["alignment"].transfer([(152, 112)])[0] == pytest.approx((146, 108), abs=4)
    assert names["verification"].same_place


def check_start(names: dict[str, Any], printed: str) -> None:
    assert re.search(r"nearer.jpg True 0?\.?[\d.]+", printed)
    assert "coffee.jpg False" in printed
    tracks = runtime.read_tracks("tracks.jsonl")
    assert {record.state for record in tracks} == {"tracking"}


def check_embed(names: dict[str, Any], _: str) -> None:
    assert names["follow"](names["frame"].image).found


OUTCOMES = {
    "start.md": check_start,
    "guides/find.md": check_find,
    "guides/copies.md": check_copies,
    "guides/pose.md": check_pose,
    "guides/presence.md": check_presence,
    "guides/follow.md": check_follow,
    "guides/align-verify.md": check_align,
    "guides/embed.md": check_embed,
}


@pytest.mark.parametrize("page", PAGES)
def test_programs_for_other_machines_can_be_read(page):
    for block in blocks((DOCS / page).read_text(encoding="utf-8")):
        if block.language == "python":
            compile(block.code, page, "exec")


def options_of(words: list[str]) -> set[str]:
    """The options of a command of ours."""
    command: Any = typer.main.get_command(import_module(PROGRAMS[words[0]]).app)
    for word in words[1:]:
        command = getattr(command, "commands", {}).get(word, command)
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("page", PAGES)
def test_options_for_other_machines_exist(page):
    found = blocks((DOCS / page).read_text(encoding="utf-8"))
    elsewhere = [block for block in found if block.machine and block.language == "console"]
    for command, _ in (each for block in elsewhere for each in commands(block)):
        words = shlex.split(command.removeprefix("env/bin/"))
        if words[0] in PROGRAMS:
            assert {word for word in words if word.startswith("--")} <= options_of(words)


@pytest.mark.parametrize("page", PAGES)
def test_extras_exist(page):
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"qatm\[([^\]]*)\]", (DOCS / page).read_text(encoding="utf-8"))
    asked = {extra for extras in named for extra in extras.split(",")}
    assert asked <= set(project["optional-dependencies"])


def test_the_reference_shows_what_is_public_once():
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("reference/*.md"))
    named = re.findall(r"^::: qatm\.runtime\.(\w+)$", text, re.MULTILINE)
    assert len(named) == len(set(named)) > 40
    assert set(named) <= set(runtime.__all__)
    assert "<!-- other names -->" in text, "names on no other page have theirs"


def test_every_page_is_in_the_navigation_or_linked():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    texts = {page: page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md")}
    for page in texts:
        name = page.relative_to(DOCS).as_posix()
        links = [text for other, text in texts.items() if other != page and page.name in text]
        assert f" {name}\n" in navigation or links, f"no way leads to {name}"


def test_the_blocks_of_a_page_are_told_apart():
    text = (
        "```python\na = 1\n```\n\n1. x\n\n    ```console\n    $ qatm match a  # exit status 1: no\n"
        '    $ make docs  # all\n    ```\n\n```console title="on the Jetson"\n$ x\n```\n'
    )
    first, second, third = blocks(text)
    assert first == Block("python", "", "a = 1\n")
    assert commands(second) == [("qatm match a", 1), ("make docs", 0)]
    assert third.machine == "on the Jetson"
