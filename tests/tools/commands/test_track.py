"""``qatm track`` as a user runs it: results, files, exit statuses, bad input, Ctrl-C."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from matroska import write_matroska
from moving_scene import moving, write_video
from typer.testing import CliRunner

from qatm.runtime import Box, Track, box_iou, frames, read_tracks
from qatm.runtime.drawing.draw_tracks import COLOURS, draw_tracks
from qatm.tools import process
from qatm.tools.cli import app
from qatm.tools.demo.demo_video import FRAMES, HIDDEN, DemoShot, describe, judge, shoot
from qatm.tools.drawing import window
from qatm.tools.drawing.following import Summary, states_in_short
from qatm.tools.drawing.track_outputs import check_names

MARK = "30,70,64,58"
ELSEWHERE = "200,20,60,60"
COUNT = 8
AWAY = 16


def qatm(*args):
    return CliRunner().invoke(app, ["track", *map(str, args)])


def refused(result, *words):
    """Wrong input: status 2, one line on stderr with these words, nothing on stdout."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for word in ("error: ", *words):
        assert word in result.stderr


@pytest.fixture(scope="module")
def shots(photographs):
    return moving(photographs, COUNT)


@pytest.fixture(scope="module")
def film(tmp_path_factory, shots) -> Path:
    """A video of an object that moves."""
    return write_video(tmp_path_factory.mktemp("film") / "film.avi", [image for image, _ in shots])


@pytest.fixture(scope="module")
def gone(tmp_path_factory, photographs) -> Path:
    """A video whose object is in the first frame only."""
    images = [image for image, _ in moving(photographs, AWAY, gone=range(1, AWAY))]
    return write_video(tmp_path_factory.mktemp("gone") / "gone.avi", images)


def test_one_json_object_a_frame(film, shots):
    result = qatm(film, "--box", MARK, "--json", "-")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["frame"] for record in records] == list(range(COUNT))
    assert records[0] == {
        "frame": 0, "time": 0.0, "box": [30, 70, 64, 58], "score": 1.0, "state": "tracking",
    }  # fmt: skip
    for record, (_, truth) in zip(records, shots, strict=True):
        pose = ["angle", "scale", "corners"] if record["frame"] else []
        assert list(record) == ["frame", "time", "box", "score", "state", *pose]
        assert record["state"] == "tracking"
        assert record["time"] == pytest.approx(record["frame"] / 25, abs=1e-3)
        assert 0.5 < record["score"] <= 1
        assert box_iou(record["box"], truth) > 0.8


def test_every_file_at_once(film, tmp_path):
    files = [tmp_path / name for name in ("out.mp4", "out.jsonl", "out.csv", "out.txt")]
    options = [
        x for pair in zip(("--save", "--json", "--csv", "--mot"), files, strict=True) for x in pair
    ]
    result = qatm(film, "--box", MARK, *options, "--frames", 5)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{film}: 5 frames; after the first: tracking 4, tracker ")
    as_json, as_csv, as_mot = (read_tracks(file) for file in files[1:])
    assert [replace(record, angle=None, scale=None, corners=None) for record in as_json] == as_csv
    assert as_json[3].angle == pytest.approx(0, abs=2)
    assert as_json[3].scale == pytest.approx(1, abs=0.05)
    assert [record.box for record in as_mot] == [record.box for record in as_json]
    images = [frame.image for frame in frames(files[0])]
    assert len(images) == 5
    x, y, _, _ = as_json[3].box
    corner = images[3][round(y) - 1 : round(y) + 3, round(x) + 10 : round(x) + 40]
    assert corner[..., 1].max() > 150, "a green line at the top of the box"


def test_several_objects_have_numbers(film, tmp_path):
    file = tmp_path / "out.csv"
    result = qatm(film, "--box", MARK, "--multi", ELSEWHERE, "--csv", file, "--frames", 4)
    assert result.exit_code == 0, result.output
    assert [(record.frame, record.id) for record in read_tracks(file)] == [
        (frame, number) for frame in range(4) for number in (0, 1)
    ]
    assert "object 0: 4 frames" in result.stdout
    assert "object 1: 4 frames" in result.stdout


def test_objects_may_have_names(film, tmp_path):
    file = tmp_path / "out.csv"
    given = ["--box", f"eye={MARK}", "--multi", f"left ear={ELSEWHERE}", "--frames", 3]
    result = qatm(film, *given, "--csv", file)
    assert result.exit_code == 0, result.output
    assert [record.name for record in read_tracks(file)] == ["eye", "left ear"] * 3
    assert "object 1: left ear: 3 frames" in result.stdout
    result = qatm(film, "--box", f"eye={MARK}", "--frames", 3, "--json", "-")
    assert [json.loads(line)["template"] for line in result.stdout.splitlines()] == ["eye"] * 3


def test_lost_object(gone, tmp_path):
    lines, mot = tmp_path / "out.jsonl", tmp_path / "out.mot"
    result = qatm(gone, "--box", MARK, "--json", lines, "--mot", mot)
    records = read_tracks(lines)
    last = records[-1]
    assert last.state == "lost", result.output
    assert [record.frame for record in records] == list(range(AWAY))
    lost = [record for record in records if record.state == "lost"]
    assert len({record.box for record in lost}) == 1, "the last box stays"
    assert f"lost {len(lost)}" in result.stdout
    assert len(read_tracks(mot)) == AWAY - len(lost)


def test_status_tells_whether_it_was_seen_again():
    summary = Summary()
    found, lost = Track(Box(1, 2, 3, 4), 0.9, "tracking"), Track(Box(1, 2, 3, 4), 0.1, "lost")
    summary.add({None: found}, 1)
    assert not summary.found, "the first frame is given"
    assert list(summary.lines("film", 0)) == ["film: 1 frame; after the first: nothing"]
    summary.add({None: lost}, 1)
    assert not summary.found
    summary.add({None: found}, 1)
    assert summary.found
    expected = "film: 3 frames, 2 dropped; after the first: tracking 1, lost 1, tracker 1.0 fps"
    assert list(summary.lines("film", 2)) == [expected]


def test_never_seen_again_is_status_one(film, tmp_path):
    assert qatm(film, "--box", MARK, "--frames", 1).exit_code == 1


def test_folder_from_a_later_frame(shots, tmp_path):
    for number, (image, _) in enumerate(shots):
        cv2.imwrite(str(tmp_path / f"shot{number + 7}.png"), image)
    mark = ",".join(map(str, shots[2][1]))
    result = qatm(tmp_path, "--box", mark, "--start", 2, "--frames", 3, "--fps", 10, "--json", "-")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["frame"] for record in records] == [2, 3, 4]
    assert [record["time"] for record in records] == [0.2, 0.3, 0.4]
    assert box_iou(records[-1]["box"], shots[4][1]) > 0.8


def test_live(film, tmp_path):
    table, save = tmp_path / "out.csv", tmp_path / "out.avi"
    result = qatm(film, "--box", MARK, "--live", "--csv", table, "--save", save)
    assert result.exit_code in {0, 1}, result.output
    records = read_tracks(table)
    assert records[-1].frame == COUNT - 1
    dropped = COUNT - len(records)
    assert (f"{dropped} dropped" in result.stdout) == (dropped > 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["FILM"], ["--box X,Y,W,H", "--select"]),
        (["FILM", "--box", "1,2,3"], ["--box '1,2,3'"]),
        (["FILM", "--multi", "a,b,c,d"], ["--multi 'a,b,c,d'"]),
        (["FILM", "--multi", f"={MARK}"], ["--multi", "no name before the ="]),
        (["FILM", "--box", f"{'a' * 1001}={MARK}"], ["name is 'aaa", "up to 1000"]),
        (["FILM", "--box", "1,2,0,4"], ["width 0"]),
        (["FILM", "--box", "900,2,30,30"], ["outside the 320x240 frame"]),
        (["FILM", "--box", MARK, "--select"], ["either --box"]),
        (["none.mp4", "--box", MARK], ["none.mp4", "does not exist"]),
        (["EMPTY", "--box", MARK], ["0 bytes"]),
        (["camera ! appsink", "--box", MARK], ["appsink"]),
        (["99", "--box", MARK], ["camera 99"]),
        (["FILM", "--box", MARK, "--start", "99"], ["no frame 99"]),
        (["FILM", "--box", MARK, "--frames", "0"], ["--frames"]),
        (["FILM", "--box", MARK, "--fps", "nan"], ["--fps"]),
        (["FILM", "--box", MARK, "--fps", "0"], ["fps 0"]),
        (["FILM", "--box", MARK, "--save", "a.gif"], ["a.gif", ".mp4"]),
        (["FILM", "--box", MARK, "--save", "none/a.mp4"], ["none", "cannot be written"]),
        (["FILM", "--box", MARK, "--csv", "none/a.csv"], ["none/a.csv", "cannot be written"]),
        (["FILM", "--box", MARK, "--save", "FILM"], ["overwrite the source"]),
        (["FILM", "--box", MARK, "--csv", "-"], ["--csv -", "only --json"]),
        (["FILM", "--box", MARK, "--mot", "-"], ["--mot -", "only --json"]),
        (["FILM", "--box", MARK, "--csv", "a", "--mot", "a"], ["--mot a", "file of --csv"]),
        (["FILM", "--box", MARK, "--model", "none"], ["none"]),
    ],
)
def test_wrong_usage(film, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    names = {"FILM": str(film), "EMPTY": str(empty)}
    refused(qatm(*[names.get(argument, argument) for argument in arguments]), *words)
    assert {path.name for path in tmp_path.iterdir()} <= {"empty.mp4", "a"}


def test_source_that_breaks_off_keeps_what_there_was(shots, tmp_path):
    for number, (image, _) in enumerate(shots[:4]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    (tmp_path / "3.png").write_bytes(b"junk")
    save, table = tmp_path / "out.mp4", tmp_path / "out.csv"
    result = qatm(tmp_path, "--box", MARK, "--save", save, "--csv", table)
    assert result.exit_code == 2
    assert "3.png is not an image" in result.stderr
    assert "3 frames" in result.stdout
    assert len(list(frames(save))) == len(read_tracks(table)) == 3


def test_damaged_video_is_a_warning(shots, tmp_path):
    data = write_video(tmp_path / "film.avi", [image for image, _ in shots] * 2).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(data[: len(data) // 2])
    result = qatm(cut, "--box", MARK)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"warning: {cut} is damaged or cut off")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", [["--box", MARK, "--show"], ["--select"]])
@pytest.mark.parametrize("display", ["", ":0"])
def test_window_where_there_is_none(film, monkeypatch, option, display):
    if "GUI:                           NONE" not in cv2.getBuildInformation():
        pytest.skip("this OpenCV has windows")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(window.sys, "platform", "linux")
    word = "opencv-python-headless" if display else "DISPLAY"
    refused(qatm(film, *option), option[-1], word)


def read_terminal(master: int, screen: bytearray) -> None:
    """Collect what is written on a terminal until nobody has it open any more."""
    with suppress(OSError):
        while data := os.read(master, 1 << 12):
            screen += data


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and terminals")
@pytest.mark.parametrize("request_to_end", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_whoever_ends_it_gets_complete_files(shots, tmp_path, request_to_end):
    images = [image for image, _ in shots] * 100
    film = write_video(tmp_path / "long.avi", images)
    save, table = tmp_path / "out.mp4", tmp_path / "out.csv"
    master, terminal = os.openpty()
    screen = bytearray()
    reader = threading.Thread(target=read_terminal, args=(master, screen))
    command = [film, "--box", MARK, "--save", save, "--csv", table]
    run = subprocess.Popen(
        [sys.executable, "-m", "qatm", "track", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    reader.start()
    while run.poll() is None and (not table.exists() or table.read_text().count("\n") < 4):
        time.sleep(0.02)
    run.send_signal(getattr(signal, request_to_end))
    output, _ = run.communicate(timeout=60)
    reader.join(60)
    os.close(master)
    assert run.returncode == 130, output
    count = len(read_tracks(table))
    assert 3 <= count < len(images)
    assert count - 1 <= len(list(frames(save))) <= count
    assert b"fps" in screen
    assert b"Traceback" not in screen
    assert "frames; after the first" in output


# Pictures, progress, warnings.


def test_colours_tell_the_state():
    black = np.zeros((240, 320, 3), np.uint8)
    for state, colour in COLOURS.items():
        drawn = draw_tracks(black, {None: Track(Box(100, 100, 80, 60), 0.5, state)})
        assert (drawn == colour).all(axis=2).sum() > 100
    assert not black.any(), "the frame itself is left alone"


def test_lost_box_is_dashed():
    black = np.zeros((240, 320, 3), np.uint8)
    edges = {}
    for state, colour in COLOURS.items():
        drawn = draw_tracks(black, {3: Track(Box(100, 100, 80, 60), 0.5, state)})
        edges[state] = (drawn[159, 100:180] == colour).all(axis=1).mean()
    assert edges["tracking"] > 0.95
    assert edges["uncertain"] > 0.95
    assert 0.3 < edges["lost"] < 0.8


def test_states_in_short():
    found, lost = (Track(Box(1, 2, 3, 4), 0.5, state) for state in ("tracking", "lost"))
    assert states_in_short({None: lost}) == "lost"
    assert states_in_short({0: found, 1: lost, 2: found}) == "2 tracking, 1 lost"


def test_warnings_come_last_and_once(capsys):
    logger = logging.getLogger("qatm.runtime.video.video")
    with process.warnings_last():
        logger.warning("%s is\nbroken", "film")
        logger.warning("film is broken")
        assert capsys.readouterr().err == ""
    assert capsys.readouterr().err == "warning: film is broken\n"


# The demo's video.


@pytest.fixture(scope="module")
def demo_shots(photographs):
    return list(shoot(photographs))


def test_demo_video_is_true(demo_shots):
    assert len(demo_shots) == FRAMES
    assert demo_shots[0].visible == pytest.approx(1, abs=0.05)
    hidden = [number for number, shot in enumerate(demo_shots) if shot.visible <= HIDDEN]
    assert 5 < len(hidden) < 40
    assert hidden == list(range(hidden[0], hidden[-1] + 1)), "hidden once"
    assert demo_shots[-1].visible > 0.9
    for shot in demo_shots:
        assert shot.box.x > 0
        assert shot.box.x + shot.box.w < shot.image.shape[1]


def perfect(shots: list[DemoShot]) -> list[Track]:
    return [Track(s.box, 1.0, "lost" if s.visible <= HIDDEN else "tracking") for s in shots]


def test_demo_judges(demo_shots):
    verdict = judge(demo_shots, perfect(demo_shots), 2.0)
    assert verdict.right
    assert verdict.overlap == pytest.approx(1)
    assert verdict.noticed == verdict.hidden > 5
    assert verdict.back == 0
    assert verdict.fps == pytest.approx((FRAMES - 1) / 2)
    assert "right" in describe(verdict)


@pytest.mark.parametrize("wrong", ["blind", "asleep", "elsewhere"])
def test_demo_is_not_easily_pleased(demo_shots, wrong):
    tracks = perfect(demo_shots)
    if wrong == "blind":
        tracks = [Track(t.box, 1.0, "tracking") for t in tracks]
    elif wrong == "asleep":
        first = next(n for n, t in enumerate(tracks) if t.state == "lost")
        tracks[first:] = [tracks[first]] * (FRAMES - first)
    else:
        tracks = [Track(t.box._replace(x=t.box.x + 60), 1.0, t.state) for t in tracks]
    verdict = judge(demo_shots, tracks, 2.0)
    assert not verdict.right
    assert "WRONG" in describe(verdict)


def test_records_and_saved_video_keep_the_clock_of_the_source(shots, tmp_path):
    times = (0.0, 0.04, 0.08, 0.2, 0.24, 12.0, 12.04, 12.08)
    film = write_matroska(tmp_path / "film.mkv", [image for image, _ in shots], times)
    save, lines = tmp_path / "out.avi", tmp_path / "out.jsonl"
    result = qatm(film, "--box", MARK, "--save", save, "--json", lines)
    assert result.exit_code == 0, result.output
    assert [record.time for record in read_tracks(lines)] == pytest.approx(times, abs=1e-3)
    saved = list(frames(save))
    assert saved[-1].time == pytest.approx(times[-1], abs=0.021)
    for (image, _), stamp in zip(shots, times, strict=True):
        (shown,) = [frame.image for frame in saved if abs(frame.time - stamp) < 0.02]
        # The drawn box and the text leave these rows alone.
        assert np.abs(shown[210:].astype(float) - image[210:]).mean() < 6


def test_trails_are_drawn_unless_nobody_wants_them(film, tmp_path):
    drawn = []
    for trail in (0, 25):
        save = tmp_path / f"{trail}.avi"
        result = qatm(film, "--box", MARK, "--save", save, "--trail", trail)
        assert result.exit_code == 0, result.output
        drawn.append(list(frames(save))[-1].image.astype(int))
    assert 0 < (np.abs(drawn[0] - drawn[1]).max(axis=2) > 60).sum() < 2000


def test_a_further_box_is_a_further_object(film):
    result = qatm(film, "--box", MARK, "--box", "20,20,60,60", "--json", "-", "--frames", 2)
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [0, 1, 0, 1]


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_the_source_by_another_name_is_not_overwritten(film, tmp_path, link):
    other = tmp_path / "other.avi"
    source = tmp_path / "film.avi"
    source.write_bytes(film.read_bytes())
    link(source, other)
    for option in ("--save", "--csv", "--json", "--mot"):
        refused(qatm(source, "--box", MARK, option, other), "overwrite the source")
    with source.open("rb") as piped:
        command = [sys.executable, "-m", "qatm", "track", "-", "--box", MARK, "--save", str(other)]
        done = subprocess.run(command, stdin=piped, capture_output=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"overwrite the source" in done.stderr
    assert source.read_bytes() == film.read_bytes()


@pytest.mark.parametrize("source", ["rtsp://h/s?token=[1]", "http://h/a.mp4?b=*", "none*.png", "0"])
def test_a_source_that_is_no_file_is_compared_with_none(tmp_path, source):
    check_names({"--csv": tmp_path / "tracks.csv"}, source)


def test_a_frame_of_the_source_is_not_overwritten(shots, tmp_path):
    for number, (image, _) in enumerate(shots[:2]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    for source in (tmp_path, tmp_path / "*.png"):
        refused(qatm(source, "--box", MARK, "--csv", tmp_path / "1.png"), "overwrite the source")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "1.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX names")
def test_a_video_whose_name_is_no_text_is_named(film, tmp_path):
    odd = tmp_path / "odd\udcff.avi"
    odd.write_bytes(film.read_bytes())
    refused(qatm(odd, "--box", MARK), r"odd\udcff.avi", "no UTF-8", "rename it")
    result = qatm(film, "--box", f"cup\udcff={MARK}", "--csv", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    assert read_tracks(tmp_path / "out.csv")[0].name == r"cup\udcff"
