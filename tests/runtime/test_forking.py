"""A session that was made before ``fork``: the child has one of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

PROGRAM = """
import os, sys, signal
import numpy as np
from qatm.runtime import Matcher, Session, Tracker
image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
session = Session(device="cpu", threads=3)
matcher, tracker = Matcher(session), Tracker(session)
matcher.set_template(image, (100, 100, 60, 60))
tracker.init(image, (100, 100, 60, 60))
moved = np.roll(image, (5, -7), (0, 1))
expected = matcher.match(moved)[0].box, {before}
child = os.fork()
if child == 0:
    signal.alarm(60)
    def work():
        assert (matcher.match(moved)[0].box, tracker.update(moved)[1]) == expected
    {inside}
    sys.exit(7)
_, status = os.waitpid(child, 0)
assert matcher.match(moved)[0].box == expected[0]
for each in (matcher, tracker, session):
    each.close()
print(os.waitstatus_to_exitcode(status))
"""


def said_by(program: str) -> list[str]:
    """The words that a program prints, which has to end well."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


CLOSING = "[each.close() for each in (matcher, tracker, session)]"


@pytest.mark.parametrize(
    "inside",
    [
        "pass",
        CLOSING,
        "work()",
        f"work(); {CLOSING}",
        "grandchild = os.fork()\n    if grandchild: sys.exit(0 if os.waitpid(grandchild, 0)[1] "
        "== 7 << 8 and not work() else 1)\n    work()",
    ],
    ids=["exits", "closes", "works", "works and closes", "forks again"],
)
def test_a_child_works_closes_and_ends(inside: str) -> None:
    program = PROGRAM.format(inside=inside, before="Tracker.load(saved, session).update(moved)[1]")
    setup = "import tempfile; saved = tempfile.mkdtemp() + '/t.npz'; tracker.save(saved)\n"
    program = program.replace("moved = ", setup + "moved = ", 1)
    assert said_by(program) == ["0" if "grandchild" in inside else "7"]


BESIDE = """
import os, signal, sys, threading, time
import numpy as np
from qatm.runtime import Session
# What the thread does between its runs is little: products of matrices have a lock of OpenBLAS's,
# which a child may inherit from whoever multiplies at the time.
image = np.random.default_rng(0).integers(0, 256, (256, 320, 3), dtype=np.uint8)
session = Session(device="cpu", threads=2)
def work():
    return session.features(image).coarse.sum()
expected, going = work(), True
def keep_working():
    while going:
        work()
thread = threading.Thread(target=keep_working)
thread.start()
found = []
for number in range(6):
    time.sleep(0.01 + 0.007 * number)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        same = work() == expected
        session.close()
        os._exit(7 if same else 1)
    found.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
going = False
thread.join()
print(*found)
"""


def test_a_child_works_that_was_made_while_another_thread_was_working() -> None:
    assert said_by(BESIDE) == ["7"] * 6
