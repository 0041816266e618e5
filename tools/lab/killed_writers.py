"""Writers that are killed at random moments, or whose disk is full: what stands there afterwards?

$ python -m qatm.tools.lab.killed_writers 500        # kills, over all kinds
$ python -m qatm.tools.lab.killed_writers 0 100      # full disks

A process writes one file again and again, in turn with one of two contents, and is killed with
``SIGKILL``; or its files may have a few bytes only, as on a full disk. After each the file has to
be one that loads, whole, and one that was there before is never lost. A file of tracks is written
line by line and begun anew: it has to be readable as far as it goes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ...calib.artefacts import Calibration
from ...calib.cache import load, store
from ...runtime import (
    Bundle,
    Matcher,
    QatmError,
    Template,
    Tracker,
    TrackRecord,
    TrackWriter,
    Video,
    VideoWriter,
    read_tracks,
)
from ...runtime.boxes import Box
from ...runtime.bundle.publishing import MANIFEST, publish
from ...runtime.files import STAGE, held_folder, remove_abandoned
from ...runtime.whole_folder import whole_folder

Write = Callable[[Path, Callable[[], None]], None]
"""Writes to a path until it is killed or cannot; says when it begins."""

SIDE = 96
FRAMES = 5
RANGES = 300
LONGEST_S = 0.5
"""For which a writer works before it is killed."""

PATIENCE_S = 120.0
FOLDER_CHARACTERS = 100_000
KEY = "0" * 64
IN_A_FOLDER = 10
"""Kills, after which a fresh folder is begun."""

FULL_AT = (0, 1, 100, 1000, 3000, 8000)
"""Bytes that a file may have on a full disk."""

GOOD, NONE, HALF = 0, 3, 4
"""Exit statuses of a process that looks at a file."""


@dataclass(frozen=True)
class Writer:
    """A kind of file.

    Attributes:
        name: of the file, in a folder of its own.
        write: writes it for ever.
        whole: whether what was read is what was written; raises if it cannot be read.
        keeps: whether a file that is there stays until the next one is whole.
    """

    name: str
    write: Write
    whole: Callable[[Path], bool]
    keeps: bool = True


def picture(seed: int) -> np.ndarray:
    """A picture of noise."""
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def write_templates(path: Path, began: Callable[[], None]) -> None:
    """Two templates in turn."""
    with Matcher(device="cpu", threads=1) as matcher:
        made = [matcher.encode_template(picture(i), (20, 20, 40, 40), name=str(i)) for i in (0, 1)]
    began()
    while True:
        for template in made:
            template.save(path)


def write_trackers(path: Path, began: Callable[[], None]) -> None:
    """A tracker, after each frame."""
    with Tracker(device="cpu", threads=1) as tracker:
        tracker.init(picture(0), (20, 20, 40, 40))
        tracker.save(path)
        began()
        while True:
            tracker.save(path)
            tracker.update(picture(1))


def write_caches(path: Path, began: Callable[[], None]) -> None:
    """Two calibrations in turn; what cannot be written is only logged."""
    ranges = {f"n{number}": (0.0, float(number)) for number in range(RANGES)}
    kept = [Calibration(ranges, {}, {"s": np.full(9, factor)}) for factor in (1.0, 2.0)]
    began()
    for _ in range(1000):
        for each in kept:
            store(path.parents[1], KEY, each)


def write_tracks(path: Path, began: Callable[[], None]) -> None:
    """One line after another."""
    began()
    while True:
        with TrackWriter(path) as writer:
            for number in range(300):
                writer.write(TrackRecord(number, number / 25, Box(1, 2, 3, 4), 0.5, "tracking"))


def write_videos(path: Path, began: Callable[[], None]) -> None:
    """Short videos."""
    frames = [picture(seed) for seed in range(FRAMES)]
    began()
    while True:
        with VideoWriter(path, 25) as writer:
            for frame in frames:
                writer.write(frame)


def write_bundles(path: Path, began: Callable[[], None]) -> None:
    """Two bundles in turn, one of them with a file that the other does not list."""
    folder = path.parent
    default = Bundle.load()
    manifest = json.loads((default.path / MANIFEST).read_text(encoding="utf-8"))
    more = [name for name in manifest["files"] if name.startswith("place")]
    began()
    for turn in count():
        kept = dict(manifest["files"])
        if turn % 2:
            for name in more:
                del kept[name]
        remove_abandoned(folder)
        stage = Path(tempfile.mkdtemp(prefix=STAGE, dir=folder))
        with held_folder(stage):
            for each in kept:
                shutil.copyfile(default.path / each, stage / each)
            (stage / MANIFEST).write_text(json.dumps({**manifest, "files": kept}), encoding="utf-8")
            publish(stage, folder)


def write_folders(path: Path, began: Callable[[], None]) -> None:
    """A folder of two files, in turn with one of two contents."""
    began()
    for turn in count():
        with whole_folder(path.parent) as part:
            for name in (path.name, "other"):
                (part / name).write_text(str(turn % 2) * FOLDER_CHARACTERS)


def _whole_bundle(path: Path) -> bool:
    bundle = Bundle.load(path.parent)
    return all(bundle.file(info.role, info.precision) for info in bundle.spec.files.values())


def _whole_folder(path: Path) -> bool:
    texts = {(path.parent / name).read_text() for name in (path.name, "other")}
    return texts in ({"0" * FOLDER_CHARACTERS}, {"1" * FOLDER_CHARACTERS})


def _whole_tracker(path: Path) -> bool:
    with Tracker.load(path) as tracker:
        return tracker.update(picture(1)) is not None


def _whole_cache(path: Path) -> bool:
    kept = load(path.parents[1], KEY)
    return kept is not None and len(kept.ranges) == RANGES and set(kept.scales["s"]) < {1.0, 2.0}


def _whole_tracks(path: Path) -> bool:
    numbers = [track.frame for track in read_tracks(path)]
    return numbers == list(range(len(numbers)))


def _whole_video(path: Path) -> bool:
    with Video(path) as video:
        return sum(1 for _ in video) == FRAMES


WRITERS: dict[str, Writer] = {
    "template": Writer("t.npz", write_templates, lambda path: Template.load(path).name in "01"),
    "tracker": Writer("k.npz", write_trackers, _whole_tracker),
    "calibration": Writer(f"calibration/{KEY}.npz", write_caches, _whole_cache),
    "tracks": Writer("t.jsonl", write_tracks, _whole_tracks, keeps=False),
    "bundle": Writer(f"bundle/{MANIFEST}", write_bundles, _whole_bundle),
    "folder": Writer("out/one", write_folders, _whole_folder),
    "video": Writer("v.mp4", write_videos, _whole_video),
}


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
    if not path.is_file():
        sys.exit(NONE)
    try:
        sys.exit(GOOD if writer.whole(path) else HALF)
    except QatmError:
        sys.exit(HALF)


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
        ready.wait(PATIENCE_S)
        time.sleep(self._dice.random() ** 2 * LONGEST_S)
        process.kill()
        process.join()
        self._judge()

    def fill(self) -> None:
        """Let a writer run into a full disk, and look."""
        full_at = self._dice.choice(FULL_AT)
        ready = self._fork.Event()
        process = self._fork.Process(target=_write, args=(self._writer, self._path, full_at, ready))
        process.start()
        process.join(PATIENCE_S)
        if process.exitcode != GOOD:
            self.counts["silent"] += 1
            process.kill()
            process.join()
        self._judge()

    def _judge(self) -> None:
        looked = self._fork.Process(target=_look, args=(self._writer, self._path))
        looked.start()
        looked.join(PATIENCE_S)
        if looked.is_alive():
            looked.kill()
            looked.join()
        lost = looked.exitcode == NONE and self._had and self._writer.keeps
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
        kills, fills = (int(word) for word in (*sys.argv[1:], "500", "100")[:2])
    except ValueError:
        sys.exit("give the numbers of kills and of full disks")
    rows = []
    for kind in WRITERS:
        rows.append(run(kind, kills // len(WRITERS), fills // len(WRITERS)))
        sys.stdout.write(json.dumps(rows[-1]) + "\n")
        sys.stdout.flush()
    sys.exit(not all(map(passed, rows)))


if __name__ == "__main__":
    main()
