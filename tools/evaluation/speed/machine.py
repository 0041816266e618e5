"""The machine and the versions that measurements were made with."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from ..device.probes import installed

CPU_FIELDS = ("model name", "Model", "Hardware", "cpu model")
"""What processors of several kinds call themselves in ``/proc/cpuinfo``."""


def machine() -> dict[str, Any]:
    """What computes here: ``cpu``, ``cores`` that this process may use, ``system``."""
    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Versions of Python, of ours and of the libraries that are installed."""
    return {name: version for name, version in installed().items() if version}


def cpu_name(file: Path = Path("/proc/cpuinfo")) -> str:
    """The name of the processor, as well as the system knows it."""
    try:
        lines = [line.split(":", 1) for line in file.read_text().splitlines() if ":" in line]
    except OSError:
        lines = []
    said = {name.strip(): value.strip() for name, value in lines}
    names = [said[field] for field in CPU_FIELDS if said.get(field)]
    return names[0] if names else platform.processor() or platform.machine()


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
