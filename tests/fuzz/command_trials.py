"""Command lines put together from right and wrong pieces, each run to its exit status."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from random import Random

import cv2
import typer
from file_trials import Trial, picture

from qatm.runtime import VideoWriter
from qatm.tools.cli import app

OPTIONS = {
    "match": {
        "--top": "2",
        "--min-score": "0.3",
        "--csv": "out.csv",
        "--rotation": "20",
        "--scale": "1.2",
        "--template": "a.png",
        "--save": "out",
        "--region": "0,0,90,90",
        "--fit": "homography",
        "--apart": "0.5",
        "--mask": "a.png",
        "--value-range": "0,255",
        "--device": "cpu",
        "--precision": "fp32",
        "--model": ".",
    },
    "track": {
        "--multi": "30,30,40,40",
        "--csv": "out.csv",
        "--mot": "out.mot",
        "--save": "out.avi",
        "--frames": "2",
        "--start": "1",
        "--fps": "25",
        "--value-range": "0,255",
        "--device": "cpu",
        "--precision": "fp32",
        "--model": ".",
    },
    "verify": {"--min-score": "0.3", "--save": "out", "--device": "cpu", "--model": "."},
    "align": {"--device": "cpu", "--method": "affine", "--model": ".", "--save": "out"},
}
ODD_WORDS = (
    *("", "nan", "inf", "-1", "0", "1e300", "x", "a,b", "0,0,1e6,1", "0,0,0,0", "..", "/dev/null"),
    *("loop.csv", "none.png", "a\nb", "é", "\udcff", "text.txt", "0", "1,2,3", "--", "-"),
)
SOURCES = ("a.png", "a.png", "v.avi", "none.png", "text.txt", ".", "loop.csv")
DOCUMENTED = (0, 1, 2)


class WrongStatusError(Exception):
    """A command ended with a status that is in no help text."""


def command_trials(folder: Path) -> Trial:
    image = picture()
    cv2.imwrite(str(folder / "a.png"), image)
    (folder / "text.txt").write_text("no picture")
    (folder / "loop.csv").symlink_to("loop.csv")
    with VideoWriter(folder / "v.avi", 25) as writer:
        for _ in range(3):
            writer.write(image)
    os.chdir(folder)
    # Once, for it takes ten times as long as most of the lines.
    command = typer.main.get_command(app)

    def trial(dice: Random) -> None:
        words = _line(dice)
        said = io.StringIO()
        status: object = 0
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                command(words, prog_name="qatm")
            except SystemExit as end:
                status = end.code or 0
        if status not in DOCUMENTED or "Traceback" in said.getvalue():
            raise WrongStatusError(f"{words} ends with {status}: {said.getvalue()[-200:]!r}")
        if status == 2:
            raise Refused

    return trial


class Refused(Exception):  # noqa: N818
    """A command said what was wrong."""


def _line(dice: Random) -> list[str]:
    command = dice.choice(sorted(OPTIONS))
    words = [command]
    if command == "match" and dice.random() < 0.8:
        words += ["--frame", "a.png", "--box", "30,30,40,40"]
    if command == "track" and dice.random() < 0.8:
        words += ["--box", "30,30,40,40"]
    for option in dice.sample(sorted(OPTIONS[command]), dice.choice((0, 1, 2))):
        value = OPTIONS[command][option] if dice.random() < 0.5 else dice.choice(ODD_WORDS)
        words += dice.choice(([option, value], [option, value], [f"{option}={value}"], [option]))
    words += [dice.choice(SOURCES) for _ in range(dice.choice((1, 1, 2, 0)))]
    return words
