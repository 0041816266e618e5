"""Damaged files that are read: pictures, tracks, sidecars of engines, videos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import cv2
import numpy as np
from mutations import damaged_bytes, damaged_header, damaged_json_text

from qatm.calib import CalibrationOptions
from qatm.calib.image_set import open_set
from qatm.runtime import Bundle, Video, VideoWriter, read_image, read_tracks
from qatm.runtime.bundle.folder import default_bundle_path
from qatm.runtime.bundle.sidecar import EngineInfo
from qatm.tools.evaluation.speed.bench_files import BenchRun, read_run
from qatm.tools.evaluation.speed.bench_ratios import differences, ratios

Trial = Callable[[Random], None]

ENGINE = b"no engine"
SIDECAR = {
    "sha256": hashlib.sha256(ENGINE).hexdigest(),
    "schema": 1,
    "file": "f.engine",
    "flavour": "tensorrt",
    "version": "10.3",
    "sm": [75],
    "role": "features",
    "precision": "fp16",
    "layers": {"conv": {"half": 3}},
    "key": "k",
    "source": "features.onnx",
    "source_sha256": "0" * 64,
    "bytes": len(ENGINE),
    "build_seconds": 1.5,
    "options": {"tf32": False},
    "profiles": [
        {"image": {side: [1, 16, 16, 3] for side in ("minimum", "optimum", "maximum")}},
    ],
}
TRACK = {"frame": 3, "time": 0.12, "box": [1, 2, 3, 4], "score": 0.5, "state": "tracking"}
CSV_HEAD = b"frame,time,id,x,y,w,h,score,state"
CSV_ROW = b"3,0.12,,1,2,3,4,0.5,tracking"
MOT_ROW = b"3,1,1,2,3,4,0.5,-1,-1,-1"
PICTURES = (".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm", ".gif", ".hdr", ".jp2", ".pam")
VIDEOS = ((".avi", "MJPG"), (".mp4", "mp4v"), (".mkv", "MJPG"))


def picture() -> np.ndarray:
    """A small picture with structure."""
    noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (160, 120)))


def picture_trials(folder: Path) -> Trial:
    image = picture()
    seeds: dict[str, bytes] = {}
    for ending in PICTURES:
        done, data = cv2.imencode(ending, image.astype("f4") if ending == ".hdr" else image)
        if done:
            seeds[ending] = data.tobytes()

    def trial(dice: Random) -> None:
        ending = dice.choice(sorted(seeds))
        path = folder / f"x{ending}"
        first = dice.choice((32, 64, 400, None))
        path.write_bytes(damaged_bytes(dice, seeds[ending], first))
        read_image(path)

    return trial


def track_trials(folder: Path) -> Trial:
    def line(dice: Random) -> bytes:
        whole = json.dumps(TRACK).encode()
        return dice.choice((damaged_json_text(dice, TRACK), damaged_bytes(dice, whole), whole))

    def trial(dice: Random) -> None:
        form = dice.choice((".jsonl", ".csv", ".mot"))
        path = folder / f"x{form}"
        if form == ".jsonl":
            rows = [line(dice) for _ in range(3)]
        elif form == ".csv":
            head = CSV_HEAD if dice.random() < 0.9 else damaged_bytes(dice, CSV_HEAD)
            rows = [head, *(damaged_bytes(dice, CSV_ROW) for _ in range(2))]
        else:
            rows = [damaged_bytes(dice, MOT_ROW) for _ in range(3)]
        path.write_bytes(b"\n".join(rows))
        for record in read_tracks(path):
            record.as_dict()

    return trial


def sidecar_trials(folder: Path) -> Trial:
    bundle = Bundle.load(default_bundle_path(), check=False)
    sidecar = {**SIDECAR, "source_sha256": bundle.file_hash("features", "fp32")}
    path = folder / "f.engine.json"
    (folder / "f.engine").write_bytes(ENGINE)

    def trial(dice: Random) -> None:
        path.write_bytes(damaged_json_text(dice, sidecar))
        EngineInfo.load(path).check_bundle(bundle)

    return trial


def array_trials(folder: Path) -> Trial:
    path = folder / "x.npy"
    np.save(path, np.stack([picture()] * 4))
    data = path.read_bytes()

    def trial(dice: Random) -> None:
        path.write_bytes(damaged_header(dice, data))
        for image in open_set(CalibrationOptions(sources=(str(path),), images=4), 16):
            image.max()

    return trial


def bench_trials(folder: Path) -> Trial:
    path = folder / "run.json"
    machine = {"cpu": "some processor", "cores": 2, "system": "Linux"}
    model = {"backbone": "net", "precision": "fp32", "device": "cpu", "provider": "some"}
    row = {"key": "a", "name": "scaling", "group": "growth", "ms": 2.5, "peak_mb": None}
    good = BenchRun(machine, {"numpy": "2.0"}, model, ["growth"], pace_ms=3.0, rows=[row] * 3)
    good.save(path)
    document = json.loads(path.read_text(encoding="utf-8"))

    def trial(dice: Random) -> None:
        path.write_bytes(damaged_json_text(dice, document))
        then = read_run(path, "--against")
        for line in (*ratios(good, then), *ratios(then, good)):
            json.dumps(line, allow_nan=False)
        "".join((*differences(good, then), *differences(then, good)))

    return trial


def video_trials(folder: Path) -> Trial:
    image = picture()
    seeds: dict[str, bytes] = {}
    for ending, _ in VIDEOS:
        path = folder / f"seed{ending}"
        with VideoWriter(path, 25) as writer:
            for index in range(5):
                writer.write(np.roll(image, 3 * index, 1))
        seeds[ending] = path.read_bytes()

    def trial(dice: Random) -> None:
        ending = dice.choice(sorted(seeds))
        path = folder / f"x{ending}"
        first = dice.choice((64, 400, None, None))
        path.write_bytes(damaged_bytes(dice, seeds[ending], first))
        with Video(path) as video:
            for index, _ in enumerate(video):
                if index > 50:
                    break

    return trial
