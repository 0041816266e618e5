from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from qatm.runtime import InputError, TrackerOptions
from qatm.runtime.boxes import Box
from qatm.tools.baselines import nanotrack_onnx as nano
from qatm.tools.baselines.compared_tracker import ComparedTrackerOptions
from qatm.tools.baselines.opencv_trackers import OpenCVTracker
from qatm.tools.baselines.trackers import QatmTracker, open_tracker, tracker_options
from qatm.tools.evaluation.track.footage import plain_video
from qatm.tools.evaluation.track.sequences import read_sequences
from qatm.tools.evaluation.track.track_figures import sequence_record
from qatm.tools.evaluation.track.track_runs import follow

FILL = (7.0, 8.0, 9.0)


def write_graphs(folder: Path, side: float) -> None:
    """Graphs of NanoTrack's shapes that follow what is bright, with square boxes.

    Args:
        folder: for them.
        side: of the boxes, in pixels of the view.
    """
    import onnx
    from onnx import TensorProto, helper

    def floats(name: str, *shape: int):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def save(name: str, nodes, inputs, outputs, constants=()) -> None:
        graph = helper.make_graph(nodes, "bright", inputs, outputs, list(constants))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
        model.ir_version = 8
        onnx.save(model, str(folder / name))

    pool = helper.make_node(
        "AveragePool", ["input"], ["output"], kernel_shape=[15, 15], strides=[16, 16]
    )
    backbone, head = nano.NANOTRACK3_FILES
    save(backbone, [pool], [floats("input", 1, 3, 255, 255)], [floats("output", 1, 3, 16, 16)])
    sides = helper.make_tensor("sides", TensorProto.FLOAT, [1, 4, 15, 15], [side / 2] * 900)
    tenth = helper.make_tensor("tenth", TensorProto.FLOAT, [], [0.1])
    middle = helper.make_tensor("middle", TensorProto.FLOAT, [], [9.0])
    save(
        head,
        [
            helper.make_node(
                "AveragePool", ["input2"], ["smooth"], kernel_shape=[2, 2], strides=[1, 1]
            ),
            helper.make_node("ReduceMean", ["smooth"], ["grey"], axes=[1], keepdims=1),
            helper.make_node("Mul", ["grey", "tenth"], ["bright"]),
            helper.make_node("Sub", ["bright", "middle"], ["there"]),
            helper.make_node("Neg", ["there"], ["absent"]),
            helper.make_node("Concat", ["absent", "there"], ["output1"], axis=1),
            helper.make_node("Identity", ["sides"], ["output2"]),
        ],
        [floats("input1", 1, 3, 8, 8), floats("input2", 1, 3, 16, 16)],
        [floats("output1", 1, 2, 15, 15), floats("output2", 1, 4, 15, 15)],
        [sides, tenth, middle],
    )


@pytest.fixture(scope="session")
def bright_graphs(tmp_path_factory) -> Path:
    """Graphs whose boxes have the size that the view gives to the last one."""
    folder = tmp_path_factory.mktemp("bright")
    write_graphs(folder, nano.TEMPLATE / 2)
    return folder


def spot(x: int, y: int, size: int = 16) -> np.ndarray:
    """A bright square on black, around a point."""
    frame = np.zeros((240, 320, 3), np.uint8)
    frame[y - size // 2 : y + size // 2, x - size // 2 : x + size // 2] = 255
    return frame


# --- NanoTrack v3


def test_a_view_of_the_frames_own_scale_is_a_part_of_it(photographs):
    frame = photographs["coffee"]
    view = nano.square_view(frame, (100.0, 80.0), 40.0, 40, FILL)
    np.testing.assert_array_equal(view, frame[60:100, 80:120])
    beyond = nano.square_view(frame, (0.0, 0.0), 40.0, 40, FILL)
    np.testing.assert_array_equal(beyond[20:, 20:], frame[:20, :20])
    assert (beyond[:20, :20] == FILL).all()


def test_a_larger_view_shows_the_same_place(photographs):
    frame = cv2.GaussianBlur(photographs["coffee"], (0, 0), 3)
    view = nano.square_view(frame, (200.0, 150.0), 64.0, 128, FILL)
    expected = cv2.resize(frame[118:182, 168:232], (128, 128))
    assert np.abs(view[2:-2, 2:-2].astype(int) - expected[2:-2, 2:-2]).max() <= 1


def test_a_view_holds_the_box_and_its_surroundings():
    assert nano.template_side(30.0, 10.0) == pytest.approx(np.sqrt(50 * 30))
    assert nano.template_side(40.0, 40.0) == 80


def test_a_cell_says_where_its_box_is():
    distances = np.zeros((4, 15, 15))
    distances[:, 6, 9] = 10, 20, 30, 24
    offset, size = nano.cell_box(distances, (6, 9))
    # Two cells to the right and one up, and the box reaches farther right and down.
    assert offset == (2 * 16 + 10, -16 + 2)
    assert size == (40, 44)


def test_the_middle_wins_where_nothing_else_counts():
    best, gain = nano.chosen_cell(np.full((15, 15), 0.5), np.full((4, 15, 15), 20.0), (40, 40))
    assert best == (7, 7)
    assert gain == 0.5


def test_changes_of_size_and_shape_cost():
    distances = np.full((4, 15, 15), 20.0)
    # The same area, twice as wide and half as high: the context makes its square 2.25 / 2 larger.
    distances[:, 7, 7] = 40, 10, 40, 10
    best, gain = nano.chosen_cell(np.ones((15, 15)), distances, (40, 40))
    change = np.sqrt((80 + 50) * (20 + 50)) / 80 * 4
    wave = np.hanning(15)[8]
    kept = np.exp((1 - change) * nano.PENALTY)
    assert (1 - nano.WINDOW) * kept + nano.WINDOW < (1 - nano.WINDOW) + nano.WINDOW * wave
    assert best != (7, 7)
    assert gain == 1
    scores = np.zeros((15, 15))
    scores[7, 7] = 0.8
    assert nano.chosen_cell(scores, distances, (40, 40))[1] == pytest.approx(0.8 * kept)


def test_nanotrack3_follows(bright_graphs):
    tracker = open_tracker("nanotrack3", ComparedTrackerOptions(nanotrack3=bright_graphs))
    tracker.init(spot(100, 80), Box(80, 60, 40, 40))
    for i in range(1, 15):
        step = tracker.update(spot(100 + 10 * i, 80 + 6 * i))
        assert step.box is not None
        assert step.state == "tracking"
        assert step.score > 0.8
        assert np.abs(np.subtract(step.box.centre, (100 + 10 * i, 80 + 6 * i))).max() < 8
        assert step.box[2:] == pytest.approx((40, 40))
    tracker.close()


def test_a_size_is_followed_as_far_as_it_is_sure(tmp_path):
    write_graphs(tmp_path, 72.0)
    tracker = nano.NanoTrackOnnx(tmp_path, 1)
    tracker.init(spot(100, 80), Box(80, 60, 40, 40))
    step = tracker.update(spot(100, 80))
    assert step.box is not None
    # 127 pixels of the view show 80 of the frame.
    seen = 72 * 80 / 127
    rate = nano.LEARNING_RATE * step.score * np.exp((1 - seen / 40) * nano.PENALTY)
    assert step.box[2:] == pytest.approx((40 + rate * (seen - 40),) * 2)


def test_a_box_stays_in_the_frame(bright_graphs):
    tracker = nano.NanoTrackOnnx(bright_graphs, 1)
    tracker.init(spot(280, 80), Box(260, 60, 40, 40))
    for _ in range(40):
        step = tracker.update(spot(300, 80))
        assert step.box is not None
        x, y = step.box.centre
        assert 0 <= x <= 320
        assert 0 <= y <= 240
        assert step.box.w >= nano.SMALLEST


def test_what_nanotrack3_lacks_is_named(tmp_path, bright_graphs):
    def opened(folder: Path | None):
        return open_tracker("nanotrack3", ComparedTrackerOptions(nanotrack3=folder))

    with pytest.raises(InputError, match=r"nanotrack3 needs --nanotrack3 DIR, a folder with"):
        opened(None)
    backbone, head = nano.NANOTRACK3_FILES
    (tmp_path / backbone).write_bytes((bright_graphs / backbone).read_bytes())
    with pytest.raises(InputError, match=f"does not hold {head}$"):
        opened(tmp_path)
    (tmp_path / head).write_bytes(b"no network")
    with pytest.raises(InputError, match=f"nanotrack3 cannot be made: .*{head}: "):
        opened(tmp_path)


@pytest.mark.data
@pytest.mark.slow
def test_nanotrack3_on_the_nine_sequences(data_dir):
    folder = Path(os.environ.get("QATM_NANOTRACK3") or data_dir.parent / "peers" / "nanotrackv3")
    if not folder.is_dir():
        pytest.skip(f"no NanoTrack v3 in {folder} (set QATM_NANOTRACK3)")
    tracker = nano.NanoTrackOnnx(folder, 1)
    videos = [plain_video(sequence) for sequence in read_sequences(data_dir / "tracking").sequences]
    records = [sequence_record(follow("nanotrack3", tracker, video)) for video in videos]
    assert np.mean([record["auc"] for record in records]) == pytest.approx(0.57, abs=0.03)


# --- VitTrack


def test_vittrack_gets_its_file(tmp_path, monkeypatch):
    class Parameters:
        net = ""

    class Vit:
        def __init__(self, parameters):
            self.net = parameters.net

    monkeypatch.setattr(cv2, "TrackerVit_Params", Parameters, raising=False)
    monkeypatch.setattr(cv2, "TrackerVit_create", Vit, raising=False)
    file = tmp_path / "vit.onnx"
    with pytest.raises(InputError, match="vittrack needs --vittrack FILE"):
        open_tracker("vittrack", ComparedTrackerOptions())
    with pytest.raises(InputError, match=r"--vittrack .*vit\.onnx is no file"):
        open_tracker("vittrack", ComparedTrackerOptions(vittrack=file))
    file.touch()
    tracker = open_tracker("vittrack", ComparedTrackerOptions(vittrack=file))
    assert isinstance(tracker, OpenCVTracker)
    assert tracker.tracker.net == str(file)


# --- ours


def test_a_changed_recipe_keeps_the_kinds_of_its_numbers():
    plain = tracker_options(None, {})
    changed = tracker_options(
        None, {"search_places": 3.0, "search_sizes": 0.8, "inertia": 0.0, "budget_ms": 20.0}
    )
    assert (changed.search_places, type(changed.search_places)) == (3, int)
    assert changed.search_sizes == (0.8,)
    assert (changed.inertia, changed.budget_ms) == (0.0, 20.0)
    assert isinstance(plain, TrackerOptions)
    assert plain.side == changed.side
    with pytest.raises(InputError, match="has no field 'colour'"):
        tracker_options(None, {"colour": 1.0})


def test_our_tracker_is_opened_with_the_changed_recipe():
    options = ComparedTrackerOptions(threads=1, recipe=(("inertia", 0.25),))
    tracker = open_tracker("qatm", options)
    assert isinstance(tracker, QatmTracker)
    assert tracker.tracker.options == tracker_options(None, {"inertia": 0.25})
    tracker.close()
