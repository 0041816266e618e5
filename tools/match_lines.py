"""The matches in an image as lines: JSON, text for people, and rows of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime import Match
from ..runtime.answers import rounded
from ..runtime.errors import InputError, plain
from ..runtime.files import check_folder, write_text
from .destinations import check_new_file, which_file
from .shown_files import ShownFile

COLUMNS = (
    *("image", "template", "found", "score", "margin", "x", "y", "w", "h", "angle", "scale"),
    *("x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4", "calibrated"),
)
"""Of the table; the four corners begin at the template's top left and go round clockwise."""


@dataclass(frozen=True)
class MatchLine:
    """The matches in one image, best first, and the time that finding them took.

    Attributes:
        name: of the image's file.
        shown: the image.
        matches: each has the name of its object.
        milliseconds: spent on finding them.
        calibrated: whether the scores were fitted for the backbone.
        several: whether several objects were looked for.
        posed: whether they may lie otherwise than they were shown.
    """

    name: str
    shown: ShownFile
    matches: Sequence[Match]
    milliseconds: float
    calibrated: bool
    several: bool = False
    posed: bool = False

    @property
    def found(self) -> bool:
        """Whether an object is in the image."""
        return any(match.found for match in self.matches)

    def record(self) -> dict[str, Any]:
        """The answer as ``--json`` prints it."""
        return {
            "image": self.name,
            "found": self.found,
            "matches": [match.as_dict() for match in self.matches],
            **self.shown.field(),
            "calibrated": self.calibrated,
            "ms": round(self.milliseconds, 1),
        }

    def lines(self) -> list[str]:
        """The answer for people: one line per match."""
        lines = []
        for match in self.matches:
            name = f"{match.name}: " if self.several else ""
            box = ",".join(f"{value:.2f}" for value in match.box)
            verdict = "found" if match.found else "not found, best candidate"
            pose = ""
            if self.posed:
                pose = f", angle {rounded(match.angle, 2):.2f}, scale {match.scale:.3f}"
            lines.append(f"{self.name}: {name}{verdict}, score {match.score:.4f}, box {box}{pose}")
        lines[0] += f" ({self.milliseconds:.1f} ms)"
        # Names of files and templates may have anything in them.
        return [plain(line) for line in lines]

    def rows(self) -> list[tuple[str | float, ...]]:
        """The answer as rows of a table, one per match, in the order of :data:`COLUMNS`."""
        rows: list[tuple[str | float, ...]] = []
        for match in self.matches:
            values = match.as_dict()
            corners = [value for corner in values["corners"] for value in corner]
            rows.append(
                (
                    self.name,
                    match.name,
                    _truth(match.found),
                    *(values["score"], values["margin"], *values["box"]),
                    *(values["angle"], values["scale"], *corners),
                    _truth(self.calibrated),
                )
            )
        return rows


def check_table(file: Path, inputs: Iterable[Path]) -> None:
    """See that the table can be written, before any work is done; its folder is made.

    Raises:
        InputError: it does not end in .csv, would overwrite an input, or cannot be written.
    """
    check_new_file("--csv", file, (".csv",))
    if which_file(file) in {which_file(path) for path in inputs}:
        raise InputError(f"--csv {file} would overwrite an input; choose another name")
    check_folder(file.parent, f"--csv {file}", make=True)


def write_table(file: Path, rows: Iterable[tuple[str | float, ...]]) -> None:
    """Write the table as UTF-8, whole or not at all.

    Raises:
        OSError: it cannot be written; the message names it.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(rows)
    write_text(file, text.getvalue())


def _truth(value: bool) -> str:
    """True or false as JSON writes them."""
    return "true" if value else "false"
