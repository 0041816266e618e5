"""Fills pages with what the code says of itself: the commands, and names on no other page."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

COMMANDS = "<!-- commands -->"
REST = "<!-- other names -->"
REFERENCE = Path(__file__).parents[1] / "reference"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called by mkdocs for every page."""
    if REST in markdown:
        return markdown.replace(REST, "\n\n".join(f"::: qatm.runtime.{name}" for name in others()))
    return markdown.replace(COMMANDS, all_commands()) if COMMANDS in markdown else markdown


def others() -> list[str]:
    """Public names that no page of the reference shows."""
    from qatm import runtime

    text = "".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    shown = set(re.findall(r"^::: qatm\.runtime\.(\w+)$", text, re.MULTILINE))
    return sorted(set(runtime.__all__) - shown)


def all_commands() -> str:
    """Every command as Markdown."""
    from qatm.tools.cli import app
    from qatm.tools.commands.export import app as export

    commands = [*described(typer.main.get_command(app), "qatm")]
    commands += described(typer.main.get_command(export), "qatm-export")
    return "\n\n".join(commands)


def described(command: Any, name: str) -> Iterator[str]:
    """Each command of a tree as Markdown; groups are only gone through."""
    if subcommands := getattr(command, "commands", None):
        for word, each in subcommands.items():
            if not each.hidden:
                yield from described(each, f"{name} {word}")
        return
    rows = [row(each) for each in command.params if not getattr(each, "hidden", False)]
    table = "\n".join(["| | |", "|---|---|", *filter(None, rows)])
    yield f"## {name}\n\n{inspect.cleandoc(command.help or '')}\n\n{table}"


def row(parameter: Any) -> str:
    """An argument or option as the row of a table."""
    if parameter.name == "help":
        return ""
    names = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        names = [(parameter.metavar or parameter.name).upper()]
    kind = "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or ''}".rstrip()
    shown = ", ".join(f"`{each}{kind if each.startswith('-') else ''}`" for each in names)
    text = re.sub(r"\s+", " ", parameter.help or "")
    return f"| {shown.replace('|', ' or ')} | {text.replace('|', ' or ')} |"
