"""Tiny pairs of frames for the tests of ``qatm eval``, and how to run it on them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from typer.testing import CliRunner

from qatm.tools.cli import app

BOTH = ["gt-size", "template-size"]


def qatm(*args):
    return CliRunner().invoke(app, ["eval", *map(str, args)])


def records(result) -> list[dict]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def refused(result, *words):
    """Wrong input: status 2, nothing on stdout, the last line of stderr holds these words."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    for word in words:
        assert word in last


def write_frame(folder, number, frm, video, frame, image, box, separator=","):
    """One picture and its box, named as in the data sets (both boxes say frm1)."""
    cv2.imwrite(str(folder / f"pair{number:04d}_frm{frm}_{video}_{frame:04d}.png"), image)
    text = separator.join(f"{value:.2f}" for value in box)
    (folder / f"pair{number:04d}_frm1_{video}_{frame:04d}.txt").write_text(text)


def write_pair(folder, number, video, photograph, separator=","):
    """A pair whose second frame is the first, moved by (-10, 6)."""
    image = np.ascontiguousarray(photograph[60:220, 60:260])
    moved = np.roll(image, (6, -10), (0, 1))
    write_frame(folder, number, 2, video, 120, moved, (70, 66, 40, 36), separator)
    write_frame(folder, number, 1, video, 20, image, (80, 60, 40, 36), separator)


def write_three(folder, photographs) -> Path:
    """Three tiny pairs of three videos, with different separators, and a file that is no pair."""
    names = ("coffee", "chelsea", "astronaut")
    for number, (name, separator) in enumerate(zip(names, (",", " ", "\t"), strict=True), 1):
        write_pair(folder, number, name, photographs[name], separator)
    (folder / "README.md").write_text("not a pair")
    return folder
