"""What is installed to try the oldest and the newest versions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OLD_ENOUGH = sys.version_info < (3, 12)


def printed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / ".ci" / "bounds.py", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not OLD_ENOUGH, reason="the oldest versions have no wheels for this Python")
def test_the_oldest_versions_are_the_lower_bounds() -> None:
    lines = printed("oldest", "standard", "demo").stdout.split()
    newest = printed("newest", "standard", "demo").stdout.split()
    assert [re.sub(r"==.*", "", line) for line in lines] == [
        re.sub(r">=.*", "", line) for line in newest
    ]
    assert all("==" in line for line in lines)
    # ONNX Runtime 1.18 for Python 3.11 wants no older one: with 1.24.0 pip finds no versions.
    assert "numpy==1.24.2" in lines


@pytest.mark.skipif(OLD_ENOUGH, reason="the oldest versions have wheels for this Python")
def test_a_python_without_old_wheels_is_refused() -> None:
    done = printed("oldest", "standard")
    assert done.returncode == 1
    assert "make test-oldest PYTHON=python3.10" in done.stderr


def test_the_job_says_how_it_is_called() -> None:
    done = subprocess.run(
        [ROOT / ".ci" / "versions"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "usage: .ci/versions oldest|newest\n"
