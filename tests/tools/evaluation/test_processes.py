"""Workers end with whoever wants their work, at once and without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qatm.tools.evaluation.processes import undisturbed

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")

EVALUATION = """
import time
from qatm.tools.evaluation.processes import runner
from qatm.tools.start import ending_cleanly

if __name__ == "__main__":
    with ending_cleanly(), runner(2) as run:
        for _ in run(time.sleep, [0, 0, 60, 60]):
            print("done", flush=True)
"""


def running(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, *numbers = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(numbers[2]) == session and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
@pytest.mark.parametrize("everybody", [False, True], ids=["alone", "as a terminal does"])
def test_nobody_is_left_and_one_line_is_said(name: str, everybody: bool, tmp_path) -> None:
    program = tmp_path / "evaluation.py"
    program.write_text(EVALUATION)
    process = subprocess.Popen(
        [sys.executable, program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["done\n"] * 2
    assert len(running(process.pid)) >= 3
    (os.killpg if everybody else os.kill)(process.pid, getattr(signal, name))
    _, errors = process.communicate(timeout=20)
    killed = name == "SIGKILL"
    assert process.returncode == (-signal.SIGKILL if killed else 130)
    said = [line for line in errors.splitlines() if killed is False or "Traceback" in line]
    assert said == ([] if killed else ["error: interrupted"])
    until = time.monotonic() + 5
    while running(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert running(process.pid) == []


def test_requests_wait_while_workers_are_started() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with undisturbed():
            # Any other thread may get it, and Python handles it in this one.
            other = threading.Thread(
                target=lambda: (
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM}),
                    os.kill(os.getpid(), signal.SIGTERM),
                )
            )
            other.start()
            other.join()
            assert came == []
        # The system may hand it to yet another thread, which comes to it when it comes to run.
        ends = time.monotonic() + 10
        while not came and time.monotonic() < ends:
            time.sleep(0.01)
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
