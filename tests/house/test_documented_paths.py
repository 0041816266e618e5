"""What the pages name exists: paths, modules, commands, make targets, public names."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import typer
from source_tree import ROOT

from qatm import runtime
from qatm.tools.cli import app

FOLDERS = ("runtime", "model", "calib", "export", "tools", "tests", "docs", "examples", "typings")
PAGES = [
    page
    for pattern in ("*.md", "docs/**/*.md", "NOTICE")
    for page in sorted(ROOT.glob(pattern))
    if page.name != "CHANGELOG.md"
]
CHANGELOG = ROOT / "CHANGELOG.md"


def newest_section(text: str) -> str:
    """The first section of a changelog: later ones tell of what has been."""
    return re.split(r"^## ", text, maxsplit=2, flags=re.MULTILINE)[1]


def pages() -> dict[str, str]:
    """Each page's text, and of the changelog the newest section."""
    texts = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}
    return {**texts, "CHANGELOG.md": newest_section(CHANGELOG.read_text("utf-8"))}


def spelled_out(path: str) -> Iterator[str]:
    """A path with braces as the paths that it stands for."""
    pieces = [piece.split(",") for piece in re.split(r"[{}]", path)]
    return map("".join, product(*pieces))


def named_paths(text: str) -> set[str]:
    """Paths into the project's folders, with braces spelled out."""
    start = rf"(?<![\w/.@-])(?:{'|'.join(FOLDERS)})/"
    paths = re.findall(rf"{start}[\w./*-]*(?:{{[\w,./*-]+}}[\w./*-]*)*", text)
    return {path.rstrip(".-") for written in paths for path in spelled_out(written)}


def missing_paths(text: str) -> list[str]:
    """List the paths of a page that lead nowhere; a word in capitals stands for any."""
    patterns = {
        path: re.sub(r"(?<=[/_])[A-Z]{4,}(?=[-.])", "*", path) for path in named_paths(text)
    }
    return sorted(path for path, pattern in patterns.items() if not any(ROOT.glob(pattern)))


def missing_modules(text: str) -> list[str]:
    """List what ``python -m`` is given on a page and cannot run."""
    named = set(re.findall(r"python3? -m (qatm[\w.]*)", text))
    return sorted(name for name in named if not runs(name))


def runs(module: str) -> bool:
    """Tell whether ``python -m`` can run a module."""
    try:
        if (spec := importlib.util.find_spec(module)) is None:
            return False
        if spec.submodule_search_locations is not None:
            return importlib.util.find_spec(f"{module}.__main__") is not None
    except ModuleNotFoundError:
        return False
    assert spec.origin is not None
    return 'if __name__ == "__main__":' in Path(spec.origin).read_text(encoding="utf-8")


def named_commands(text: str) -> set[str]:
    """What follows ``qatm`` in code: up to two words."""
    code = re.findall(r"```(?:console|sh|bash)\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = [line.removeprefix("$ ") for line in "\n".join([*code, *inline]).splitlines()]
    words = [re.match(r"qatm ([a-z][\w-]*)(?: ([a-z][\w-]*)(?![\w./=]))?", line) for line in lines]
    return {" ".join(filter(None, found.groups())) for found in words if found}


def missing_commands(text: str) -> list[str]:
    """List the commands of a page that ``qatm`` does not have."""
    return sorted(command for command in named_commands(text) if not has_command(command))


@cache
def qatm() -> object:
    """The commands of ``qatm`` as a tree."""
    return typer.main.get_command(app)


def has_command(command: str) -> bool:
    """Tell whether ``qatm`` has a command; the second word counts only within a group."""
    group = qatm()
    for word in command.split():
        subcommands = getattr(group, "commands", None)
        if subcommands is None:
            return True
        if word not in subcommands:
            return False
        group = subcommands[word]
    return True


def missing_targets(text: str) -> list[str]:
    """List the targets that ``make`` is given on a page and the Makefile does not have."""
    named = set(re.findall(r"(?:`|\$ )make ([a-z]+)", text))
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    return sorted(named - set(targets))


def missing_names(text: str) -> list[str]:
    """List the names in code after ``runtime.`` that it does not have."""
    named = set(re.findall(r"(?<![\w.-])(?:qatm\.)?runtime\.(?!md\b)([A-Za-z_]\w*)", text))
    modules = {path.stem for path in (ROOT / "runtime").iterdir()}
    return sorted(name for name in named if not hasattr(runtime, name) and name not in modules)


CHECKS = {
    "paths": missing_paths,
    "modules": missing_modules,
    "commands": missing_commands,
    "make": missing_targets,
    "names": missing_names,
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("page", pages())
def test_a_page_names_only_what_exists(page, check):
    assert CHECKS[check](pages()[page]) == []


def test_pages_name_things():
    text = "\n".join(pages().values())
    assert {"README.md", "CHANGELOG.md", "docs/deployment.md"} <= set(pages())
    assert "docs/deployment.md" in named_paths(text)
    assert {"match", "track", "eval otb", "calib report"} <= named_commands(text)


@pytest.mark.parametrize(
    ("check", "text", "missing"),
    [
        ("paths", "`runtime/nowhere.py` and runtime/match/matcher.py.", ["runtime/nowhere.py"]),
        ("paths", "tools/{commands,nowhere}/match.py", ["tools/nowhere/match.py"]),
        ("paths", "docs/*.md, tests/house/; https://example.org/tools/nothing.py", []),
        ("paths", "a shared/runtime/nowhere.py of others", []),
        (
            "paths",
            "model/NAME.py, tests/model/test_NAME.py, docs/NAME/x.md, model/NAME.txt",
            ["docs/NAME/x.md", "model/NAME.txt"],
        ),
        ("modules", "python -m qatm.tools.demo", []),
        ("modules", "python -m qatm.tools.evaluation.device.gpu_report --out DIR", []),
        ("modules", "python -m qatm.tools.nowhere", ["qatm.tools.nowhere"]),
        ("modules", "python -m qatm.nowhere.at.all", ["qatm.nowhere.at.all"]),
        ("modules", "python -m qatm.runtime.boxes", ["qatm.runtime.boxes"]),
        ("modules", "python -m qatm.runtime", ["qatm.runtime"]),
        ("commands", "`qatm match a.png` and `qatm eval otb`", []),
        ("commands", "```console\n$ qatm fly object.png\n```", ["fly"]),
        ("commands", "`qatm eval nothing --json`", ["eval nothing"]),
        ("commands", "`qatm track video.mp4`, `qatm doctor`, qatm words of a sentence", []),
        ("make", "`make demo`, `make nothing`, make sense", ["nothing"]),
        (
            "names",
            "`runtime.Matcher`, `qatm.runtime.Nothing`, runtime.boxes, runtime.md",
            ["Nothing"],
        ),
    ],
)
def test_the_check_sees(check, text, missing):
    assert CHECKS[check](text) == missing


def test_of_the_changelog_only_the_newest_section_counts():
    assert "old" not in newest_section("# All\n\n## New\nthis\n\n## Before\nold\n")
