"""The sequences of commands that docs/deployment.md gives for devices."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from source_tree import ROOT

PAGE = ROOT / "docs" / "deployment.md"
PROGRAMS = {
    "qatm": "from qatm.tools.start import qatm; qatm()",
    "qatm-export": "from qatm.tools.start import qatm_export; qatm_export()",
}
NEED_A_GPU = {"cuda", "tensorrt", "tensorrt-rtx"}


class DeviceSequence(NamedTuple):
    """One block: what is installed, and what is run then."""

    extras: tuple[str, ...]
    beside: tuple[str, ...]
    commands: tuple[str, ...]


def device_sequences() -> list[DeviceSequence]:
    """Every block that begins with an installation, but for those of the workstation."""
    found: list[DeviceSequence] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        first, *commands = [line[2:] for line in block.splitlines()]
        installed = re.match(r'(?:env/bin/)?pip install "?qatm\[([^\]]*)\]"?(.*)', first)
        if installed and "export" not in installed[1]:
            beside = tuple(shlex.split(installed[2]))
            found.append(DeviceSequence(tuple(installed[1].split(",")), beside, tuple(commands)))
    return found


def runs_without_gpu(command: str) -> bool:
    """Whether a command asks for no GPU; the report of all GPU devices does."""
    words = shlex.split(command)
    return not NEED_A_GPU & set(words) and ("gpu_report" not in command or "cpu" in words)


def arguments(command: str) -> list[str]:
    """What follows ``python`` to run a command of the page."""
    program, *rest = shlex.split(command)
    return rest if program == "python" else ["-c", PROGRAMS[program], *rest]


def shortened(command: str) -> str:
    """The same with the fewest repeats."""
    return re.sub(r"--repeats \d+", "--repeats 1", command)


def names(sequences: Iterable[DeviceSequence]) -> list[str]:
    """For the ids of tests."""
    return [" ".join((",".join(one.extras), *one.beside)) for one in sequences]
