"""The most memory that a process of its own ever had, by the account of the operating system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path("/proc/self/status")

counted = pytest.mark.skipif(not STATUS.exists(), reason="the system gives no such account")

PEAK = """
def peak():
    # Not getrusage: a process begins there with the peak of whoever started it.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))
"""


def output_of(program: str, *arguments: str, **variables: str) -> list[str]:
    """Lines that a program writes, which may call ``peak()`` for its MiB so far.

    Args:
        program: Python.
        arguments: its ``sys.argv[1:]``.
        variables: of its environment, besides ours.
    """
    done = subprocess.run(
        [sys.executable, "-c", PEAK + program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )
    return done.stdout.splitlines()
