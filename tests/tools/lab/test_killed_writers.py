"""Killed writers and full disks: a few of each kind, and that halves and losses are seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from qatm.tools.lab.killed_writers import WRITERS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the writers are forked")

# A process of its own forks: the one of the tests has threads.
RUN = """
import json, sys
from qatm.tools.lab.killed_writers import run
print(json.dumps(run(sys.argv[1], 2, 1, int(sys.argv[2]))))
"""
CARELESS = """
import json
from pathlib import Path
from qatm.tools.lab import killed_writers as lab

def careless(path, began):
    path.write_text("whole")
    began()
    while True:
        path.write_text("ha")

def forgetful(path, began):
    if path.exists():
        path.unlink()
        began()
        while True: pass
    path.write_text("whole")
    began()
    while True: pass

whole = lambda path: path.read_text() == "whole"
for write in (careless, forgetful):
    lab.WRITERS["x"] = lab.Writer("x.txt", write, whole)
    print(json.dumps(lab.run("x", 2, 0)))
"""


def lines(*words: str) -> list[dict[str, int]]:
    done = subprocess.run(
        [sys.executable, "-c", *words], capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("kind", WRITERS)
def test_nothing_is_lost_or_half(kind: str) -> None:
    (row,) = lines(RUN, kind, "1")
    assert not {"half", "lost", "silent"} & set(row)
    assert row.get("kept", 0) + row.get("none", 0) == 3


def test_halves_and_losses_are_seen() -> None:
    careless, forgetful = lines(CARELESS)
    assert careless["half"] >= 1
    assert forgetful == {"kind": "x", "kills": 2, "full_disks": 0, "kept": 1, "lost": 1}
