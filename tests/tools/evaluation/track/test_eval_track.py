from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_sequences import write_sequence
from typer.testing import CliRunner

from qatm.runtime import BoxError, read_image
from qatm.runtime.boxes import Box
from qatm.tools.baselines.compared_tracker import ComparedTrackerOptions, Step
from qatm.tools.baselines.opencv_trackers import NANOTRACK_FILES, OpenCVTracker
from qatm.tools.baselines.trackers import open_tracker
from qatm.tools.cli import app
from qatm.tools.evaluation.metrics import TRACK_THRESHOLDS, success_auc, success_curve
from qatm.tools.evaluation.track import absences as track_presence
from qatm.tools.evaluation.track import track_evaluation
from qatm.tools.evaluation.track import track_runs as track_run
from qatm.tools.evaluation.track.footage import Shot, hide_object, plain_video
from qatm.tools.evaluation.track.sequences import TrackSequence, read_sequences, read_truth
from qatm.tools.evaluation.track.track_figures import mean_record, sequence_record
from qatm.tools.evaluation.track.track_files import frame_rows, worst_moments
from qatm.tools.evaluation.track.track_metrics import (
    distances,
    normalised_precision,
    overlaps,
    precision20,
    precision_curve,
    presence,
    presence_figures,
    relative_distances,
)
from qatm.tools.lab import track_soak
from qatm.tools.lab.track_scene import MovingScene
from qatm.tools.lab.track_sizes import measure

ONE_THREAD = ComparedTrackerOptions(threads=1)
KEYS = ["tracker", "sequence", "auc", "precision20", "fps", "frames"]
MORE = ["normalised_precision", "source", "attributes"]
NAN = float("nan")


def qatm(*args):
    return CliRunner().invoke(app, ["eval", "track", *map(str, args)])


def records(result) -> list[dict]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def refused(result, *words):
    """Wrong input: status 2, no traceback, the last line of stderr holds these words."""
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last


# --- metrics


def test_what_a_tracker_gives_that_is_no_box_overlaps_nothing():
    truth = np.full((3, 4), 10.0)
    boxes = np.array([[NAN, 0, 5, 5], [10, 10, -10, 10], [10, 10, 10, 10]], float)
    np.testing.assert_allclose(overlaps(boxes, truth), [0, 0, 1])


def test_overlaps_and_distances_by_hand():
    truth = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [NAN] * 4, [0, 0, 10, 10.0]])
    boxes = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [0, 0, 10, 10], [30, 40, 10, 10.0]])
    np.testing.assert_allclose(overlaps(boxes, truth), [1, 1 / 3, NAN, 0])
    np.testing.assert_allclose(distances(boxes, truth), [0, 5, NAN, 50])


def test_success_counts_what_exceeds_each_threshold():
    ious = np.array([1.0, 0.5, NAN, 0.0])
    curve = success_curve(ious, TRACK_THRESHOLDS)
    assert len(curve) == 21
    # Exactly .5 does not exceed .5, and nothing exceeds 1.
    assert curve[0] == pytest.approx(2 / 3)
    assert curve[9] == pytest.approx(2 / 3)
    assert curve[10] == pytest.approx(1 / 3)
    assert curve[20] == 0
    assert success_auc(ious, TRACK_THRESHOLDS) == pytest.approx((10 * 2 / 3 + 10 * 1 / 3) / 21)
    assert success_auc(np.ones(3), TRACK_THRESHOLDS) == pytest.approx(20 / 21)


def test_precision_counts_up_to_twenty_pixels():
    apart = np.array([0.0, 20.0, 20.01, NAN, 49.5])
    assert precision20(apart) == 0.5
    assert precision_curve(apart)[0] == 0.25
    assert precision_curve(apart)[49] == 0.75
    assert precision_curve(apart)[50] == 1


def test_normalised_precision_by_hand():
    truth = np.array([[0, 0, 10, 20], [0, 0, 10, 20], [NAN] * 4, [0, 0, 10, 20.0]])
    boxes = np.array([[0, 0, 10, 20], [3, 8, 10, 20], [0, 0, 10, 20], [6, 0, 10, 20.0]])
    apart = relative_distances(boxes, truth)
    # .3 of the width and .4 of the height; .6 of the width is beyond the last threshold.
    np.testing.assert_allclose(apart, [0, 0.5, NAN, 0.6])
    assert normalised_precision(apart) == pytest.approx((51 + 1 + 0) / (3 * 51))
    assert normalised_precision(np.zeros(3)) == 1


def states(text: str) -> list[str]:
    return [{"t": "tracking", "u": "uncertain", "l": "lost"}[letter] for letter in text]


def test_presence_by_hand():
    # Twelve frames with the object, away for 12, back for 14.
    ious = np.array([0.8] * 12 + [NAN] * 12 + [0.1] * 3 + [0.7] * 11)
    said = states("t" * 4 + "l" + "t" * 7 + "uutl" + "l" * 7 + "t" + "ltu" + "t" * 9 + "l" + "t")
    found = presence("v", ious, said, [(12, 24)])
    (loss,) = found.losses
    assert (loss.start, loss.stop) == (12, 24)
    # Said "lost" in the fourth frame; "uncertain" does not count.
    assert loss.noticed == 4
    # The box is on it from the fourth frame on.
    assert loss.refound == 4
    # From the tenth on there are three absent frames, of which the last was not called lost.
    assert loss.silent == pytest.approx(2 / 3)
    # Ten frames after the return do not count; two "lost" in the others are wrong.
    assert found.visible == 12 + 14 - 10
    assert found.alarms == 2
    figures = presence_figures([found])
    assert figures["noticed10"] == 1
    assert figures["refound10"] == 1
    assert figures["frames_to_notice"] == 4
    assert figures["false_alarms"] == pytest.approx(2 / 16)


def test_presence_never_noticed_never_refound():
    ious = np.array([0.9] * 5 + [NAN] * 30 + [0.29] * 20 + [NAN] * 30 + [0.9] * 20)
    always = presence("v", ious, states("t" * 105), [(5, 35), (55, 85)])
    assert [loss.noticed for loss in always.losses] == [None, None]
    # In the first return the overlap is just too small; a tracker that stayed has it in the other.
    assert [loss.refound for loss in always.losses] == [None, 1]
    late = presence("v", ious, states("t" * 15 + "l" * 90), [(5, 35), (55, 85)])
    assert [loss.noticed for loss in late.losses] == [11, 1]
    # A right box does not count while the tracker says "lost".
    assert [loss.refound for loss in late.losses] == [None, None]
    figures = presence_figures([always, late])
    assert figures["losses"] == 4
    assert figures["noticed10"] == 0.25
    assert figures["refound10"] == 0.25
    assert figures["frames_to_notice"] == 11
    assert figures["frames_to_refind"] is None


def test_presence_of_nothing_is_unknown():
    figures = presence_figures([])
    assert figures["losses"] == 0
    assert figures["noticed10"] is figures["false_alarms"] is figures["frames_to_notice"] is None


# --- sequences


def test_sequences_are_read_with_any_separator(two):
    found = read_sequences(two)
    assert found.problems == found.remarks == []
    assert [sequence.name for sequence in found.sequences] == ["cup", "launch"]
    first = found.sequences[0]
    assert first.start == (20, 30, 32, 24)
    assert [path.name for path in first.frames[:2]] == ["0001.png", "0002.png"]
    assert first.size == (160, 120)
    assert found.sequences[1].truth.shape == (9, 4)
    # One of them is a folder of sequences too.
    assert [sequence.name for sequence in read_sequences(two / "cup").sequences] == ["cup"]


def test_absent_objects_are_nan(tmp_path):
    path = tmp_path / "truth.txt"
    path.write_text("1,2,3,4\r\nNaN,NaN,NaN,NaN\r\n0 0 0 0\n5; 6; 7.5; 8\n1\t2\t0\t9\n\n")
    expected = [[1, 2, 3, 4], [NAN] * 4, [NAN] * 4, [5, 6, 7.5, 8], [NAN] * 4]
    np.testing.assert_array_equal(read_truth(path), expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("1,2,3,4\n1,2,3\n", "line 2 of truth.txt does not hold x,y,w,h but '1,2,3'"),
        ("1,2,3,4\n\n1,2,3,4", "line 2"),
        ("a b c d", "line 1"),
        ("1,2,inf,4", "line 1"),
        ("50,50,-20,10", "width -20"),
    ],
)
def test_unusable_truth_is_named(tmp_path, text, words):
    path = tmp_path / "truth.txt"
    path.write_text(text)
    with pytest.raises(BoxError, match=words):
        read_truth(path)


def truth_of(folder: Path) -> Path:
    return folder / "cup" / "groundtruth_rect.txt"


BROKEN = {
    "no truth": (lambda f: truth_of(f).unlink(), "has no file groundtruth_rect.txt"),
    "no frames": (
        lambda f: [path.unlink() for path in (f / "cup" / "img").iterdir()],
        "0 frames and 8 boxes",
    ),
    "too few boxes": (lambda f: truth_of(f).write_text("1,2,30,40\n" * 5), "8 frames and 5 boxes"),
    "outside": (lambda f: truth_of(f).write_text("500,2,30,40\n" * 8), "outside the 160x120"),
    "absent": (lambda f: truth_of(f).write_text("0,0,0,0\n" * 8), "absent from the first frame"),
    "words": (lambda f: truth_of(f).write_text("1,2,30,40\n" * 7 + "x"), "line 8"),
    "empty frame": (lambda f: (f / "cup" / "img" / "0001.png").write_bytes(b""), "is empty"),
    "broken later": (lambda f: (f / "cup" / "img" / "0005.png").write_text("x"), "not an image"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_unusable_sequences_are_named_and_counted(two, kcf, case):
    spoil, words = BROKEN[case]
    spoil(two)
    result = qatm(two, "--tracker", kcf, "--json")
    found = records(result)
    skipped = [line for line in result.stderr.splitlines() if line.startswith("error: skipped cup")]
    assert len(skipped) == 1
    assert words in skipped[0]
    assert [record["sequence"] for record in found] == ["launch", "mean"]
    assert found[-1]["skipped"] == 1


def test_a_few_frames_without_a_box_are_left_out(two, photographs):
    boxes = write_sequence(
        two / "long", photographs["coffee"], photographs["chelsea"][:40, :40], frames=22
    )
    lines = [",".join(map(str, box)) for box in boxes[:20]]
    (two / "long" / "groundtruth_rect.txt").write_text("\n".join(lines))
    found = read_sequences(two)
    assert found.remarks == ["long has 22 frames and 20 boxes; the first 20 are used"]
    assert len(found.sequences[-1].frames) == 20


def test_frames_may_be_left_out(two, kcf):
    whole, thinned = (
        records(qatm(two, "--tracker", kcf, "--json", *more)) for more in ([], ["--every", 3])
    )
    assert [r["sequence"] for r in thinned] == [r["sequence"] for r in whole]
    counts = [(r["frames"], t["frames"]) for r, t in zip(whole[:2], thinned[:2], strict=True)]
    assert all(few == -(-many // 3) for many, few in counts)
    sequence = read_sequences(two).sequences[0]
    kept = sequence.thinned(3)
    assert kept.frames == sequence.frames[::3]
    np.testing.assert_array_equal(kept.truth, sequence.truth[::3])


def test_a_sequence_of_which_one_frame_is_left_is_skipped(two, kcf):
    refused(qatm(two, "--tracker", kcf, "--every", 100), "no usable sequence (2 skipped)")
    assert qatm(two, "--tracker", kcf, "--every", 0).exit_code == 2


def test_nothing_usable_is_wrong_input(two, kcf, tmp_path):
    refused(qatm(tmp_path / "none", "--tracker", kcf), "none is no folder")
    (tmp_path / "bare").mkdir()
    refused(qatm(tmp_path / "bare", "--tracker", kcf), "holds no sequences", "img/*.jpg")
    for home in ("cup", "launch"):
        (two / home / "groundtruth_rect.txt").write_text("what?")
    refused(qatm(two, "--tracker", kcf), "no usable sequence (2 skipped)")


def test_nothing_readable_to_the_end_is_wrong_input(two, kcf):
    for home in ("cup", "launch"):
        (two / home / "img" / "0008.png").write_bytes(b"")
    refused(qatm(two, "--tracker", kcf), "read to the end (2 skipped)")


# --- trackers


def test_a_tracker_that_opencv_lacks_names_the_wheel(two, monkeypatch):
    for name in ("TrackerCSRT", "TrackerCSRT_create"):
        for home in (cv2, getattr(cv2, "legacy", None)):
            if hasattr(home, name):
                monkeypatch.delattr(home, name)
    refused(qatm(two, "--tracker", "csrt"), "csrt", "opencv-contrib-python-headless")


def test_a_tracker_that_every_opencv_has(photographs):
    tracker = open_tracker("mil", ONE_THREAD)
    frame = cv2.resize(photographs["coffee"], (160, 120))
    tracker.init(frame, Box(60.4, 40.2, 30.0, 30.0))
    step = tracker.update(np.roll(frame, 2, 1))
    assert step.state == "tracking"
    assert step.box is not None
    assert np.abs(np.subtract(step.box, (62, 40, 30, 30))).max() < 15


def test_legacy_trackers_are_found_and_get_their_box_as_it_is(monkeypatch, photographs):
    class Old:
        def init(self, frame, box):
            self.box = box
            return True

        def update(self, frame):
            return False, (0.0, 0.0, 0.0, 0.0)

    class Legacy:
        TrackerMOSSE_create = Old

    monkeypatch.setattr(cv2, "legacy", Legacy, raising=False)
    monkeypatch.delattr(cv2, "TrackerMOSSE_create", raising=False)
    tracker = open_tracker("mosse", ONE_THREAD)
    assert isinstance(tracker, OpenCVTracker)
    tracker.init(photographs["coffee"], Box(1.5, 2.5, 30.0, 40.0))
    assert tracker.tracker.box == (1.5, 2.5, 30.0, 40.0)
    step = tracker.update(photographs["coffee"])
    assert step.state == "lost"
    assert math.isnan(step.score)


def test_wrong_names_and_missing_files_are_refused(two, tmp_path):
    refused(qatm(two, "--tracker", "kalman"), "'kalman' is unknown", "qatm, csrt, kcf")
    refused(qatm(two, "--tracker", " , "), "names none")
    refused(qatm(two, "--tracker", "nanotrack"), "--nanotrack DIR", "nanotrack_head_sim.onnx")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(qatm(two, "--tracker", "nanotrack", "--nanotrack", empty), "does not hold")
    for file in NANOTRACK_FILES:
        (empty / file).write_bytes(b"no network")
    refused(qatm(two, "--tracker", "nanotrack", "--nanotrack", empty), "cannot be made")
    refused(qatm(two, "--threads", 0), "--threads")


class Broken:
    """Follows the truth with an offset, and fails in one frame."""

    def __init__(self, truth, fails: int) -> None:
        self.truth, self.fails, self.index = truth, fails, 0

    def init(self, frame, box):
        self.update(frame)

    def update(self, frame):
        if self.index == self.fails:
            raise RuntimeError("out of\nideas")
        self.index += 1
        x, y, w, h = self.truth[self.index - 1]
        return Step(Box(x + 3, y, w, h), 0.5, "tracking")

    def close(self):
        pass


def test_a_failing_tracker_counts_with_its_last_box(two):
    video = plain_video(read_sequences(two).sequences[0])
    trace = track_run.follow("broken", Broken(video.truth, 5), video)
    assert trace.error == "frame 5: RuntimeError: out of ideas"
    np.testing.assert_array_equal(trace.boxes[0], video.truth[0])
    np.testing.assert_array_equal(trace.boxes[4], video.truth[4] + [3, 0, 0, 0])
    np.testing.assert_array_equal(trace.boxes[5:], np.repeat(trace.boxes[4:5], 3, 0))
    assert trace.states == ("tracking",) * 5 + ("lost",) * 3
    assert np.isfinite(trace.milliseconds).tolist() == [True] * 5 + [False] * 3
    record = sequence_record(trace)
    assert record["frames"] == 8
    assert record["fps"] == pytest.approx(4000 / trace.milliseconds[1:5].sum(), abs=0.01)
    assert mean_record([trace], 0, 1, 1)["failed"] == 1


def test_a_tracker_that_fails_at_once_keeps_the_first_box(two):
    video = plain_video(read_sequences(two).sequences[0])
    trace = track_run.follow("broken", Broken(video.truth, 0), video)
    np.testing.assert_array_equal(trace.boxes, np.repeat(video.truth[:1], 8, 0))
    assert trace.fps is None
    assert sequence_record(trace)["fps"] is None


def test_boxes_without_size_are_replaced_by_the_last(two):
    class Blind(Broken):
        def update(self, frame):
            self.index += 1
            wrong = [Box(0, 0, 0, 0), Box(NAN, 0, 5, 5), None]
            return Step(wrong[self.index % 3], math.nan, "lost")

    video = plain_video(read_sequences(two).sequences[0])
    trace = track_run.follow("blind", Blind(video.truth, -1), video)
    assert trace.error is None
    np.testing.assert_array_equal(trace.boxes, np.repeat(video.truth[:1], 8, 0))


# --- the command


def test_json_is_a_line_a_sequence_and_the_mean(two, kcf):
    found = records(qatm(two, "--tracker", kcf, "--threads", 1, "--json"))
    assert [record["sequence"] for record in found] == ["cup", "launch", "mean"]
    for record in found[:2]:
        assert list(record) == KEYS + MORE
        assert record["tracker"] == "kcf"
        assert record["fps"] > 0
    assert list(found[2])[:6] == KEYS
    assert [record["frames"] for record in found] == [8, 9, 17]
    for figure in ("auc", "precision20", "normalised_precision"):
        mean = (found[0][figure] + found[1][figure]) / 2
        assert found[2][figure] == pytest.approx(mean, abs=1e-4)
    assert found[2]["sequences"] == 2
    assert found[2]["threads"] == 1
    assert found[2]["failed"] == found[2]["skipped"] == 0
    assert found[2]["precision20"] == found[2]["normalised_precision"] == 1
    assert found[2]["attributes"] == {
        name: {"sequences": 2, "auc": found[2]["auc"]} for name in ("steady", "small")
    }
    assert found[2]["auc"] == pytest.approx(20 / 21, abs=1e-4)


def test_details_are_saved(two, kcf, tmp_path):
    out = tmp_path / "out"
    result = qatm(two, "--tracker", kcf, "--save", out)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["tracker", "sequence", "AUC", "prec20", "nprec", "fps", "frames"]
    assert [line.split()[:4] for line in lines[1:4]] == [
        ["kcf", name, "0.952", "1.000"] for name in ("cup", "launch", "mean")
    ]
    with (out / "track-frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 17
    assert rows[0] | {"iou": "1.0", "state": "tracking", "file": "0001.png", "score": ""} == rows[0]
    assert float(rows[7]["x"]) == float(rows[7]["true_x"]) == 41
    assert read_image(out / "track-curves.png").shape[0] > 300
    assert read_image(out / "track-worst-kcf.jpg").shape[1] == 4 * 320
    assert not (out / "track-losses.csv").exists()


def test_all_leaves_out_what_is_missing(two, kcf, monkeypatch):
    monkeypatch.setattr(track_evaluation, "TRACKERS", ("kcf", "nanotrack"))
    result = qatm(two, "--tracker", "all", "--json")
    assert {record["tracker"] for record in records(result)} == {"kcf"}
    assert "error: nanotrack is left out: nanotrack needs --nanotrack DIR" in result.stderr


def test_several_processes_say_the_same(two):
    """Ours, in processes of their own."""
    figures = [
        [
            {key: record[key] for key in KEYS if key != "fps"}
            for record in records(qatm(two, "--json", "--threads", 1, "--processes", count))
        ]
        for count in (1, 2)
    ]
    assert figures[0] == figures[1]
    assert figures[0][-1]["precision20"] == 1


def test_worst_moments_are_spread_out(two):
    video = plain_video(read_sequences(two).sequences[0])
    trace = track_run.follow("broken", Broken(video.truth, 3), video)
    ((_, frame, iou),) = worst_moments([trace])
    assert frame == 7
    assert iou == pytest.approx(frame_rows(trace)[7]["iou"], abs=0.01)


# --- presence


def sequence(name: str, frames: int, absent: int | None = None) -> TrackSequence:
    """A sequence whose pictures do not exist."""
    truth = np.array([[float(i), 10.0, 20.0, 20.0] for i in range(frames)])
    if absent is not None:
        truth[absent] = NAN
    return TrackSequence(name, tuple(Path(f"{name}/{i}") for i in range(frames)), truth, (160, 120))


def test_presence_videos_hide_and_cut():
    made, problems = track_presence.presence_videos([sequence("a", 250), sequence("b", 250)], 0)
    assert problems == []
    assert [(video.name, video.kind) for video in made] == [
        ("a", "hide"),
        ("a", "cut"),
        ("b", "hide"),
        ("b", "cut"),
    ]
    for video in made:
        absent = np.isnan(video.truth[:, 0])
        inside = np.zeros(len(video.truth), bool)
        for start, stop in video.absences:
            assert stop - start == 30
            inside[start:stop] = True
        assert len(video.absences) == 3
        np.testing.assert_array_equal(absent, inside)
        assert len(video.shots) == len(video.truth)
        assert not inside[:20].any()
        assert not inside[-10:].any()
    hidden, cut = made[:2]
    # While the object is hidden the sequence goes on; a cut stops it.
    assert [shot.path for shot in hidden.shots] == [
        Path(f"a/{i}") for i in range(len(hidden.shots))
    ]
    start, stop = hidden.absences[0]
    assert hidden.shots[start].hide == (start, 10, 20, 20)
    assert hidden.shots[stop].hide is None
    own = [shot.path for shot in cut.shots if shot.path.parent.name == "a"]
    assert own == [Path(f"a/{i}") for i in range(len(own))]
    assert {shot.size for shot in cut.shots if shot.path.parent.name == "b"} == {(160, 120)}
    assert len(cut.shots) == len(own) + 90


def test_presence_videos_follow_from_the_seed():
    both = [sequence("a", 250), sequence("b", 250)]

    def absences(seed):
        return [video.absences for video in track_presence.presence_videos(both, seed)[0]]

    assert absences(3) == absences(3)
    assert absences(3) != absences(4)


def test_presence_takes_long_enough_sequences():
    made, problems = track_presence.presence_videos(
        [sequence("short", 29), sequence("cut", 30), sequence("gap", 200, absent=59)], 0
    )
    assert [video.title for video in made] == ["cut (cut)", "gap (cut)"]
    assert problems == [
        "short is too short to hide its object (29 usable frames)",
        "short is too short for a cut (29 usable frames)",
        "cut is too short to hide its object (30 usable frames)",
        "gap is too short to hide its object (59 usable frames)",
    ]
    made, problems = track_presence.presence_videos([sequence("alone", 60)], 0)
    assert [video.title for video in made] == ["alone (hide)"]
    assert problems == ["alone has no other sequence to cut to"]


@pytest.mark.parametrize(
    "box", [Box(40, 30, 40, 30), Box(0, 0, 50, 60), Box(-10, 50, 60, 80), Box(120, 90, 40, 30)]
)
def test_hiding_leaves_nothing_of_the_object(box):
    frame = np.full((120, 160, 3), 200, np.uint8)
    before = frame.copy()
    x, y, w, h = map(int, box)
    frame[max(0, y) : y + h, max(0, x) : x + w] = (0, 0, 255)
    hidden = hide_object(frame, box)
    np.testing.assert_array_equal(hidden, before)


def test_hiding_borrows_texture_and_spares_the_rest(photographs):
    image = np.ascontiguousarray(photographs["coffee"][:240, :320])
    hidden = hide_object(image, Box(100, 80, 50, 40))
    changed = (hidden != image).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[0] >= 80 - 12
    assert rows[-1] < 120 + 12
    assert columns[0] >= 100 - 14
    assert columns[-1] < 150 + 14
    assert changed[80:120, 100:150].mean() > 0.9
    # Nothing beside it to borrow from: one colour.
    everything = hide_object(image, Box(0, 0, 320, 240))
    assert everything[120, 160].tolist() == pytest.approx(image.mean(axis=(0, 1)).tolist(), abs=1)


def test_cut_frames_have_the_size_of_the_video(two):
    shot = Shot(two / "cup" / "img" / "0001.png", size=(96, 64))
    assert shot.load().shape == (64, 96, 3)


def test_presence_end_to_end(tmp_path, kcf, photographs):
    small = {name: cv2.resize(photographs[name], (160, 120)) for name in ("coffee", "rocket")}
    eye = cv2.resize(photographs["chelsea"][60:160, 130:230], (32, 24))
    wheel = cv2.resize(photographs["motorcycle_left"][250:400, 100:250], (28, 28))
    folder, out = tmp_path / "sequences", tmp_path / "out"
    write_sequence(folder / "cup", small["coffee"], eye, frames=32)
    write_sequence(folder / "launch", small["rocket"], wheel, frames=32)
    command = (folder, "--tracker", kcf, "--presence")
    result = qatm(*command, "--json", "--save", out)
    *_, mean = records(result)
    assert "cup is too short to hide its object (32 usable frames)" in result.stderr
    assert mean["losses"] == 2
    assert mean["noticed10"] == mean["refound10"] == mean["lost_while_away"] == 1
    assert mean["frames_to_notice"] == mean["frames_to_refind"] == 1
    assert mean["false_alarms"] == 0
    # Test videos are in no other figure.
    assert mean["frames"] == 64
    with (out / "track-losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == ["cup (cut)", "launch (cut)"]
    assert [row["noticed"] for row in rows] == ["1", "1"]
    *_, line, _, _ = qatm(*command).stdout.splitlines()
    assert line.split() == ["kcf", "2", "100.0%", "100.0%", "1", "1", "100.0%", "0.0%"]


# --- soak and sizes


def test_the_scene_moves_smoothly_inside_the_frame():
    scene = MovingScene(320, 240, 48)
    boxes = np.array([scene.box(i) for i in range(1000)])
    steps = np.abs(np.diff(boxes[:, :2], axis=0)).max()
    assert 0 < steps <= 0.1 * 48
    assert boxes[:, :2].min() >= 0
    assert (boxes[:, :2] + boxes[:, 2:]).max(axis=0).tolist() == [320, 240]
    with_it, without = scene.frame(7), scene.frame(7, present=False)
    x, y, w, h = map(int, scene.box(7))
    assert (with_it != without).any(axis=2)[y : y + h, x : x + w].mean() > 0.9
    with_it[y : y + h, x : x + w] = without[y : y + h, x : x + w]
    np.testing.assert_array_equal(with_it, without)


class Oracle:
    """Knows the scene."""

    def __init__(self) -> None:
        self.scene, self.index = MovingScene(track_soak.WIDTH, track_soak.HEIGHT, 48), 0

    def init(self, frame, box):
        np.testing.assert_array_equal(frame, self.scene.frame(0))

    def update(self, frame):
        self.index += 1
        here = np.array_equal(frame, self.scene.frame(self.index))
        return Step(self.scene.box(self.index), 1.0, "tracking" if here else "lost")

    def close(self):
        pass


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_soak_reports_ten_times():
    found = list(track_soak.soak_tracker(Oracle(), 600))
    assert [report.frames for report in found] == list(range(60, 601, 60))
    assert all(report.on_object == 1 for report in found)
    # The object is away from the 470th to the 499th frame.
    assert [report.lost for report in found if not math.isnan(report.lost)] == [1, 1]
    assert all(report.memory > 10 for report in found)


def test_memory_counts_from_the_first_whole_period():
    memory = (100.0, 120.0, 121.0, 125.5, 124.0)
    reports = [
        track_soak.SoakReport(400 * i, used, 9.0, 1.0, 1.0) for i, used in enumerate(memory, 1)
    ]
    assert track_soak.memory_growth(reports) == (5.5, 800)
    assert track_soak.memory_growth(reports[:1]) == (0, 0), "nothing is known yet"


def test_sizes_are_measured_in_turn():
    timings = measure(
        lambda: open_tracker("qatm", ONE_THREAD), [32, 48], 2, ((160, 120), (320, 240))
    )
    assert [timing[:3] for timing in timings] == [(160, 120, 32), (320, 240, 48)]
    assert timings[0].ratio == 1
    assert all(timing.ms > 0 and timing.on_object == 1 for timing in timings)


# --- research data


@pytest.mark.data
@pytest.mark.slow
def test_the_nine_sequences(data_dir):
    found = read_sequences(data_dir / "tracking")
    assert found.problems == found.remarks == []
    assert sum(len(sequence.frames) for sequence in found.sequences) == 2617
    made, problems = track_presence.presence_videos(found.sequences, 0)
    assert problems == []
    assert len(made) == 18
    result = qatm(data_dir / "tracking", "--json", "--processes", 2)
    mean = records(result)[-1]
    assert mean["sequences"] == 9
    assert mean["failed"] == 0
    assert mean["auc"] >= 0.57
