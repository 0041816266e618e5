"""Writers that are killed at random moments, or whose disk is full: what stands there afterwards?

$ python -m qatm.tools.lab.killed_writers 500        # kills, over all kinds
$ python -m qatm.tools.lab.killed_writers 0 100      # full disks
$ python -m qatm.tools.lab.killed_writers 100 20 7   # at the moments of another seed

A process writes one file again and again, in turn with one of two contents, and is killed with
``SIGKILL``; or its files may have a few bytes only, as on a full disk. After each the file has to
be one that loads, whole, and one that was there before is never lost. A file of tracks is written
line by line: it has to be readable as far as it goes, with the last whole one beside it. A training
is resumed by the process that looks. Times are those that a process has for itself, whatever else
the machine does.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
from collections import Counter
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from ...runtime import QatmError
from .endless_writers import WRITERS, Writer, write_caches
from .own_time import OwnTime

PATIENCE_S = 120.0
"""That a process may take for itself until it has begun, met a full disk, or looked."""

GLANCE_S = 0.1
IN_A_FOLDER = 10
"""Kills, after which a fresh folder is begun."""

FULL_AT = (0, 1, 100, 1000, 3000, 8000)
"""Bytes that a file may have on a full disk."""

GOOD, NONE, HALF = 0, 3, 4
"""Exit statuses of a process that looks at a file."""


def _write(writer: Writer, path: Path, full_at: int | None, ready: Any) -> None:
    """The process that writes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if full_at is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (full_at, full_at))
    try:
        writer.write(path, ready.set)
    except (QatmError, OSError):
        sys.exit(GOOD)
    # Only a cache goes on without a word, for it can be measured again.
    sys.exit(GOOD if writer.write is write_caches else HALF)


def _look(writer: Writer, path: Path) -> None:
    """The process that looks at a file; its exit status says what it found."""
    if not writer.there(path):
        sys.exit(NONE)
    try:
        sys.exit(GOOD if writer.whole(path) else HALF)
    except QatmError:
        sys.exit(HALF)


def _over(process: Any, most: float) -> bool:
    """Wait for a process to end; whether it has."""
    process.join(most)
    return process.exitcode is not None


def _end(process: Any) -> None:
    """Wait for a process, and kill it when it has had its time."""
    if not OwnTime(process.pid or 0).until(PATIENCE_S, lambda most: _over(process, most)):
        process.kill()
        process.join()


class Trials:
    """Kills and full disks of one kind, one after another.

    Args:
        kind: of :data:`WRITERS`.
        folder: an empty one.
        seed: of the moments.

    Attributes:
        counts: ``kept`` good files, ``none`` where there was none yet, ``half``, ``lost``;
            ``silent`` full disks of which the writer said nothing.
    """

    def __init__(self, kind: str, folder: Path, seed: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self._writer = WRITERS[kind]
        for name in self._writer.modules:
            import_module(name)
        self._folder = folder
        self._dice = Random(f"{kind}-{seed}")
        self._fork = multiprocessing.get_context("fork")
        self._path = folder
        self._had = False
        self._begun = 0

    def kill(self) -> None:
        """Let a writer work for a moment, kill it, and look."""
        if self._begun % IN_A_FOLDER == 0:
            self._path = self._folder / str(self._begun) / self._writer.name
            self._path.parent.mkdir(parents=True)
            self._had = False
        self._begun += 1
        ready = self._fork.Event()
        process = self._fork.Process(target=_write, args=(self._writer, self._path, None, ready))
        process.start()
        clock = OwnTime(process.pid or 0)
        clock.until(PATIENCE_S, lambda most: ready.wait(min(most, GLANCE_S)) or _over(process, 0))
        clock = OwnTime(process.pid or 0)
        longest = self._dice.random() ** 2 * self._writer.longest_s
        clock.until(longest, lambda most: _over(process, most))
        process.kill()
        process.join()
        self._judge()

    def fill(self) -> None:
        """Let a writer run into a full disk, and look."""
        full_at = self._dice.choice(FULL_AT)
        ready = self._fork.Event()
        process = self._fork.Process(target=_write, args=(self._writer, self._path, full_at, ready))
        process.start()
        _end(process)
        if process.exitcode != GOOD:
            self.counts["silent"] += 1
        self._judge()

    def _judge(self) -> None:
        looked = self._fork.Process(target=_look, args=(self._writer, self._path))
        looked.start()
        _end(looked)
        lost = looked.exitcode == NONE and self._had
        found = {GOOD: "kept", NONE: "none"}.get(looked.exitcode or GOOD, "half")
        self.counts["lost" if lost else found] += 1
        self._had = self._had or found == "kept"


def run(kind: str, kills: int, fills: int, seed: int = 0) -> dict[str, Any]:
    """Kill a kind so often, fill its disk so often, and count what stood there afterwards."""
    with tempfile.TemporaryDirectory(prefix="qatm-kills-") as name:
        trials = Trials(kind, Path(name), seed)
        for _ in range(max(1, kills)):
            trials.kill()
        for _ in range(fills):
            trials.fill()
        return {"kind": kind, "kills": max(1, kills), "full_disks": fills, **trials.counts}


def passed(row: dict[str, Any]) -> bool:
    """Whether nothing was lost, half or unsaid."""
    return not any(row.get(bad) for bad in ("half", "lost", "silent"))


def main() -> None:
    """Run all kinds and print a line of JSON for each; exit status 1 if something was lost."""
    try:
        kills, fills, seed = map(int, (*sys.argv[1:], *("500", "100", "0")[len(sys.argv) - 1 :]))
    except ValueError:
        sys.exit("give the numbers of kills and of full disks, and the seed of the moments")
    rows = []
    for kind in WRITERS:
        rows.append(run(kind, kills // len(WRITERS), fills // len(WRITERS), seed))
        sys.stdout.write(json.dumps(rows[-1]) + "\n")
        sys.stdout.flush()
    sys.exit(not all(map(passed, rows)))


if __name__ == "__main__":
    main()
