"""Writers that write one file again and again, and whether what stands there is whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from ...calib.artefacts import Calibration
from ...calib.cache import load, store
from ...export.engines.build import BuiltEngine
from ...export.engines.engines import publish_engine
from ...export.staging import staging_folder
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
from ...runtime.bundle.folder import default_bundle_path
from ...runtime.bundle.publishing import MANIFEST, publish
from ...runtime.bundle.sidecar import EngineInfo, sidecar_of
from ...runtime.whole_folder import whole_folder
from ..packing.pack import pack
from ..packing.self_test import SelfTest
from ..packing.targets import find_target, pick

Write = Callable[[Path, Callable[[], None]], None]
"""Writes to a path until it is killed or cannot; says when it begins."""

SIDE = 96
FRAMES = 5
LINES = 300
RANGES = 300
FOLDER_CHARACTERS = 100_000
KEY = "0" * 64

PACKED_FOR = ("cpu", "cuda")

ENGINE_SOURCE = "match.onnx"
ENGINE_BYTES = 1 << 20


@dataclass(frozen=True)
class Writer:
    """A kind of file.

    Attributes:
        name: of the file, in a folder of its own.
        write: writes it for ever.
        whole: whether what was read is what was written; raises if it cannot be read.
        there: whether there is anything to be looked at.
        longest_s: for which it works before it is killed.
        modules: that take long to import, and are imported before its processes are forked.
    """

    name: str
    write: Write
    whole: Callable[[Path], bool]
    there: Callable[[Path], bool] = Path.is_file
    longest_s: float = 0.5
    modules: tuple[str, ...] = ()


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
            for number in range(LINES):
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
        with staging_folder(folder) as stage:
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


def write_packs(path: Path, began: Callable[[], None]) -> None:
    """Packs for two targets in turn, each over the one before."""
    loaded = Bundle.load()
    targets = [find_target(name) for name in PACKED_FOR]
    if not path.exists():
        pack(loaded, targets[0], path.parent)
    began()
    for turn in count(1):
        pack(loaded, targets[turn % 2], path.parent, force=True)


def write_engines(path: Path, began: Callable[[], None]) -> None:
    """Two engines of one name in turn, as ``qatm-export --engines-only`` puts them into a bundle.

    They are bytes that no library made: what is tried is how they get to their places.
    """
    if not (path.parent / MANIFEST).exists():
        with whole_folder(path.parent) as part:
            shutil.copytree(default_bundle_path(), part, dirs_exist_ok=True)
    source = Bundle.load(path.parent).spec.files[ENGINE_SOURCE].sha256
    for turn in count():
        plan = bytes([turn % 2]) * ENGINE_BYTES
        built = BuiltEngine(memoryview(plan), {}, "fp32")
        publish_engine(path, built, _sidecar(path.name, source, plan))
        if turn == 0:
            began()


def _sidecar(name: str, source: str, plan: bytes) -> EngineInfo:
    """What is written beside an engine; its key is its first byte."""
    return EngineInfo(
        file=name,
        flavour="tensorrt",
        version="10.3",
        sm=(87,),
        role="match",
        precision="fp32",
        layers={},
        profiles=(),
        source=ENGINE_SOURCE,
        source_sha256=source,
        sha256=hashlib.sha256(plan).hexdigest(),
        bytes=len(plan),
        build_seconds=0.0,
        options={},
        key=str(plan[0]),
    )


def write_trainings(path: Path, began: Callable[[], None]) -> None:
    """A training with a checkpoint at each step, which goes on where the one before was killed."""
    from .line_training import train_line

    began()
    train_line(path.parent)


def _whole_pack(path: Path) -> bool:
    test = SelfTest.load(path.parent)
    names = set(pick(Bundle.load(), find_target(test.target)).files) if test else set()
    return _whole_bundle(path) and set(Bundle.load(path.parent).spec.files) == names


def _whole_engine(path: Path) -> bool:
    bundle = Bundle.load(path.parent)
    info = EngineInfo.load(sidecar_of(path))
    info.check_bundle(bundle)
    return info.key == str(path.read_bytes()[0])


def _whole_training(path: Path) -> bool:
    """Whether it goes on from its newest checkpoint, with each of its steps logged once."""
    from .line_training import logged_steps, newest_step, train_line

    before = newest_step(path.parent)
    train_line(path.parent, 1)
    return logged_steps(path.parent) == list(range(1, before + 2))


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
    """Readable as far as it goes, and beside it, where there was one before, a complete file."""
    found = [path, *path.parent.glob("t.old*.jsonl")]
    frames = [[track.frame for track in read_tracks(file)] for file in found]
    readable = all(numbers == list(range(len(numbers))) for numbers in frames)
    return readable and (len(found) == 1 or any(len(numbers) == LINES for numbers in frames))


def _whole_video(path: Path) -> bool:
    with Video(path) as video:
        return sum(1 for _ in video) == FRAMES


def _has_checkpoint(path: Path) -> bool:
    return any(path.parent.glob("step-*.pt"))


WRITERS: dict[str, Writer] = {
    "template": Writer("t.npz", write_templates, lambda path: Template.load(path).name in "01"),
    "tracker": Writer("k.npz", write_trackers, _whole_tracker),
    "calibration": Writer(f"calibration/{KEY}.npz", write_caches, _whole_cache),
    "tracks": Writer("t.jsonl", write_tracks, _whole_tracks),
    "bundle": Writer(f"bundle/{MANIFEST}", write_bundles, _whole_bundle),
    "folder": Writer("out/one", write_folders, _whole_folder),
    "video": Writer("v.mp4", write_videos, _whole_video),
    "pack": Writer(f"pack/{MANIFEST}", write_packs, _whole_pack, longest_s=2.0),
    "engine": Writer("bundle/match.fp32.tensorrt.sm87.engine", write_engines, _whole_engine),
    "training": Writer(
        "training/checkpoints",
        write_trainings,
        _whole_training,
        there=_has_checkpoint,
        modules=("torch._dynamo",),
    ),
}
