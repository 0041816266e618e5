"""Wrong calls are errors in the editor already, and right ones are none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ROOT / ".venv" / "namespace"
"""Where the Makefile links the packages for type checkers."""

PREAMBLE = """
import argparse

import cv2
import numpy as np

import qatm
from qatm import runtime

frame = runtime.read_image("frame.png")
deep = np.zeros((40, 60), np.uint16)
matcher = qatm.Matcher(device="gpu", precision="fp16")
template = matcher.encode_template(frame, (1, 2, 30, 40), name="eye")
tracker, several = qatm.Tracker(), qatm.MultiTracker()
aligner, verifier = qatm.Aligner(), qatm.Verifier(frame)
text: str = argparse.ArgumentParser().parse_args().device
"""

RIGHT = """
matcher.match(deep, templates=[template], region=np.array([0, 0, 9, 9]), rotation=(-30, 30))
matcher.match(cv2.resize(frame, (99, 99)), suppress="all", fit="homography", scale=2)
runtime.Session("bundle", device=runtime.named_device(text), precision="auto")
tracker.init(deep.astype(np.float32), np.zeros(4))
tracker.init(frame, qatm.Box(*cv2.selectROI("title", frame)))
tracker.init(frame, [float(number) for number in text.split(",")])
tracker.init(frame, [1, 2, 3, 4])
matcher.match(frame, rotation=[-30, 30], scale=(1, 2.5))
found, box = tracker.update(cv2.VideoCapture(0).read()[1])
several.add(frame, qatm.Box(1, 2, 3, 4), template=template)
several.add(frame, template=tracker.template(), name="eye")
tracker.init(frame, template=template)
aligner.align(frame, deep).transfer([[1, 2], [3, 4]])
verifier.verify(frame).box
x1, y1, x2, y2 = matcher.match(frame)[0].box.xyxy
"""

WRONG = {
    'qatm.Matcher(device="cuda:0")': "device",
    'qatm.Session(device="GPU")': "device",
    "qatm.Session(device=text)": "device",
    'qatm.Tracker(precision="half")': "precision",
    'qatm.Aligner(method="magic")': "method",
    'qatm.Aligner(matching="dot")': "matching",
    'qatm.Verifier(frame, decide="both")': "decide",
    'qatm.Verifier(frame, panorama="yes")': "panorama",
    "qatm.Verifier(3)": "reference",
    "matcher.match(3)": "image",
    'matcher.match("scene.jpg")': "image",
    "matcher.match([frame])": "image",
    "matcher.match(frame > 3)": "image",
    'matcher.match(frame, suppress="some")': "suppress",
    'matcher.match(frame, fit="plane")': "fit",
    "matcher.match(frame, templates=template)": "templates",
    'matcher.match(frame, region="1,2,3,4")': "region",
    "matcher.match(frame, region=(1, 2, 3))": "region",
    "matcher.match(frame, rotation=(1, 2, 3))": "rotation",
    "matcher.match(frame, scale='2')": "scale",
    "matcher.match(frame, topk=3)": "topk",
    "matcher.set_template(frame, 12)": "box",
    "matcher.set_template(frame, (1, 2, 3))": "box",
    "tracker.init(frame, (1, 2, 3, 4, 5))": "box",
    "several.add(frame, (1, 2, 3))": "box",
    "qatm.TrackerOptions(lost_scor=0.2)": "lost_scor",
    "qatm.Session(devise='cpu')": "devise",
    "matcher.set_template(7, (1, 2, 3, 4))": "image",
    'tracker.init(frame, "1,2,3,4")': "box",
    "tracker.track(None)": "frame",
    "several.add(0, (1, 2, 3, 4))": "frame",
    "several.add(frame)": "add",
    "several.add(frame, value_range=(0, 1))": "add",
    "tracker.init(frame)": "init",
    "tracker.init((1, 2, 3, 4), frame)": "init",
    'tracker.init(frame, template="eye.npz")': "init",
    "matcher.match(frame, 0.5)": "top_k",
    'matcher.match(frame, min_score="0.5")': "min_score",
    "matcher.warm_up((640,))": "size",
    'matcher.match_batch("shots/*.jpg")': "images",
    "runtime.Video(3.5)": "source",
    "runtime.draw_matches(frame, matcher.match(frame)[0])": "matches",
    "runtime.draw_tracks(frame, [tracker.track(frame)])": "tracks",
    "runtime.read_image(frame)": "path",
    'runtime.Box("1", "2", "3", "4")': "x",
    'qatm.Tracker(options={"lost_score": 0.2})': "options",
    'runtime.TrackWriter("x.json", kind="xml")': "kind",
    'runtime.VideoWriter("x.mp4", "25")': "fps",
    "verifier.verify(frame, '0.5')": "min_score",
    "aligner.align(frame, 1)": "target",
    'verifier.verify("query.jpg")': "query",
    "matcher.match(frame)[0].boxes": "boxes",
}
"""Each wrong call, and the word that the complaint has to name."""


@pytest.mark.slow
def test_wrong_calls_are_marked_and_right_ones_are_not(tmp_path: Path) -> None:
    if not NAMES.is_dir():
        pytest.skip("type checkers find the packages in .venv/namespace, which make test links")
    calls = "\n".join([*RIGHT.strip().splitlines(), *WRONG])
    program = tmp_path / "program.py"
    program.write_text(f"{PREAMBLE}\n{calls}\n", encoding="utf-8")
    settings = {
        "include": [str(program)],
        "extraPaths": [str(NAMES)],
        "pythonVersion": "3.10",
        "typeCheckingMode": "standard",
    }
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(settings), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "basedpyright", "--outputjson"),
            *("--pythonpath", sys.executable, "--project", str(project)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    complaints: dict[str, list[str]] = {}
    lines = program.read_text(encoding="utf-8").splitlines()
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        if each["severity"] == "error":
            line = lines[each["range"]["start"]["line"]]
            complaints.setdefault(line, []).append(each["message"])
    unmarked = [call for call in WRONG if call not in complaints]
    assert not unmarked, complaints
    needless = {line: found for line, found in complaints.items() if line not in WRONG}
    assert not needless
    for call, word in WRONG.items():
        assert any(f'"{word}"' in message for message in complaints[call]), complaints[call]
