from __future__ import annotations

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from qatm.calib import photographs as carried
from qatm.runtime import Box, Match, Video, read_image
from qatm.tools.demo import demo, demo_video
from qatm.tools.demo.demo import DemoOutcome, DemoScene


def outcome(found, box, truth):
    picture = np.zeros((40, 60, 3), np.uint8)
    case = DemoScene("thing", "scene", picture, Box(1, 1, 9, 9), picture, truth)
    quality = np.zeros((40, 60), np.float32)
    return DemoOutcome(case, Match(Box(*box), 0.5, found), quality, 1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The demo as a user runs it, and the folder that it left behind."""
    out = tmp_path_factory.mktemp("demo") / "demo-output"
    return CliRunner().invoke(demo.app, ["--out", str(out)], env={"COLUMNS": "160"}), out


@pytest.mark.slow
def test_every_answer_is_right(run):
    result, _ = run
    assert "WRONG" not in result.stdout, result.stdout
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_picture_and_video_are_left_and_named(run):
    result, out = run
    assert sorted(path.name for path in out.iterdir()) == [
        "matches.png",
        "tracked.mp4",
        "turned.png",
    ]
    assert str(out / "tracked.mp4") in result.stdout.replace("\n", "")
    with Video(out / "tracked.mp4") as video:
        assert video.count == demo_video.FRAMES
    assert str(out / "matches.png") in result.stdout.replace("\n", "")
    picture = read_image(out / "matches.png")
    assert picture.shape[0] > 500
    assert picture.shape[1] > 1000
    assert picture.std() > 20


@pytest.mark.slow
def test_table_has_a_row_per_case(run, photographs):
    result, _ = run
    cases = demo.all_cases(photographs)
    assert len(cases) >= 6
    for case in cases:
        assert case.thing in result.stdout
    assert result.stdout.count("absent") == sum(case.truth is None for case in cases) > 0


def test_cases_lie_inside_their_pictures(photographs):
    for case in demo.all_cases(photographs):
        for box, picture in ((case.box, case.frame), (case.truth, case.scene)):
            if box is not None:
                height, width = picture.shape[:2]
                assert 0 <= box.x < box.x + box.w <= width, case.thing
                assert 0 <= box.y < box.y + box.h <= height, case.thing


def test_photographs_are_not_changed(photographs):
    copies = {name: picture.copy() for name, picture in photographs.items()}
    demo.all_cases(photographs)
    for name, picture in photographs.items():
        assert (picture == copies[name]).all()


def test_stereo_truth_is_the_measured_disparity():
    disparity = np.full((50, 50), 7.0, np.float32)
    disparity[:, :10] = np.inf
    moved = demo.moved_by_disparity(Box(5, 5, 20, 10), disparity)
    assert moved == Box(-2.0, 5, 20, 10)


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (8, 1.1), (-12, 0.95)])
def test_box_moves_with_the_picture(degrees, scale):
    picture = np.zeros((120, 160, 3), np.uint8)
    box = Box(100, 30, 20, 10)
    cv2.circle(picture, (110, 35), 3, (255, 255, 255), cv2.FILLED)
    changed, moved = demo.turn_and_scale(picture, box, degrees, scale)
    spot = np.argwhere(changed[..., 0] > 128).mean(axis=0)
    assert (moved.y + moved.h / 2, moved.x + moved.w / 2) == pytest.approx(tuple(spot), abs=1)
    assert moved.w == pytest.approx(20 * scale)


def test_changes_are_the_same_every_time(photographs):
    cat = photographs["chelsea"]
    assert (demo.darken_and_noise(cat) == demo.darken_and_noise(cat)).all()
    assert demo.darken_and_noise(cat).mean() < 0.6 * cat.mean()
    assert (demo.blur_and_compress(cat) != cat).any()


def test_right_means_right():
    truth = Box(10, 10, 20, 20)
    assert outcome(True, truth, truth).right
    assert not outcome(False, truth, truth).right, "missed"
    assert not outcome(True, (30, 10, 20, 20), truth).right, "elsewhere"
    assert outcome(False, truth, None).right
    assert not outcome(True, truth, None).right, "imagined"


def test_wrong_answers_are_shown_and_counted(monkeypatch, tmp_path):
    wrong = outcome(True, (1, 1, 5, 5), None)
    monkeypatch.setattr(demo, "PARTS", (demo.find_objects,))
    monkeypatch.setattr(demo, "all_cases", lambda *_: [wrong.case])
    monkeypatch.setattr(demo, "run_case", lambda *_: wrong)
    result = CliRunner().invoke(demo.app, ["--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "WRONG" in result.stdout


def test_odd_number_of_cases_fills_the_sheet():
    some = outcome(True, (1, 1, 5, 5), None)
    one, two, three = (demo.contact_sheet([some] * count).shape for count in (1, 2, 3))
    assert one == two
    assert three[0] == 2 * two[0]


def test_without_the_photographs(monkeypatch, tmp_path):
    monkeypatch.setattr(carried, "find_spec", lambda *_: None)
    result = CliRunner().invoke(demo.app, ["--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "qatm[demo]" in result.stderr
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(demo.app, ["--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
