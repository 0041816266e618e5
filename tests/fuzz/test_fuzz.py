"""A short slice of the trials with damaged input: every kind refuses by name, and is told apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("fuzz.py")
SECONDS = "10"
KINDS = 12


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials run in forked processes")
def test_damaged_input_is_refused_by_name() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), SECONDS], capture_output=True, text=True, check=False
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row for row in rows if row["found"]] == []
    assert done.returncode == 0, done.stderr
    assert len(rows) == KINDS
    assert all(row["refused"] + row["accepted"] == row["tried"] > 0 for row in rows)


def test_what_is_no_refusal_is_found() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r})\n"
        "import fuzz\n"
        "def breaks(folder):\n"
        "    return lambda dice: [][dice.randrange(2) + 5]\n"
        "def dies(folder):\n"
        "    import os\n"
        "    return lambda dice: os.abort()\n"
        "fuzz.KINDS.update(breaks=breaks, dies=dies)\n"
        "for kind in ('breaks', 'dies'):\n"
        "    row = fuzz.run(kind, fuzz.Asked(0.05, 0))\n"
        "    print(fuzz.passed(row), *row['found'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    breaks, dies = done.stdout.splitlines()
    assert breaks.startswith("False IndexError at <string>:4")
    assert dies == "False process ended with -6"
