"""Writers that write one file again and again, and whether what stands there is whole."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from ...calib.artefacts import Calibration
from ...calib.cache import load, store
from ...runtime import (
    Bundle,
    Matcher,
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
FOLDER_CHARACTERS = 100_000
KEY = "0" * 64


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
