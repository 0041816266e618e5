"""Running trackers are saved and go on elsewhere with the same boxes."""

from __future__ import annotations

import json
import zipfile
from collections import deque

import cv2
import numpy as np
import pytest
from moving_scene import moving

from qatm.runtime import Box, InputError, TemplateError, Tracker, TrackerOptions
from qatm.runtime.track.plain_state import StatePacker, StateUnpacker
from qatm.runtime.track.saved_tracker import MADE_AGAIN, SAVED, parts_of
from qatm.runtime.track.spread_search import LikelyPlace


def goes_on_alike(tracker, path, frames):
    """Compare a tracker with the one that was saved of it, frame by frame."""
    with Tracker.load(tracker.save(path), threads=1) as loaded:
        return [loaded.track(frame) for frame in frames] == [tracker.track(f) for f in frames]


def test_every_attribute_is_saved_or_made_again(photographs):
    """Whoever adds one says which; what is not in the file is lost when it is loaded."""
    with Tracker(threads=1) as tracker:
        tracker.init(*moving(photographs, 1)[0])
        follower, view = tracker._follower, tracker._view
        assert follower is not None
        assert view is not None
        parts = parts_of(follower, view)
        assert {type(part) for part in parts} == set(SAVED) == set(MADE_AGAIN)
        for part in parts:
            kept, made = SAVED[type(part)], MADE_AGAIN[type(part)]
            assert not set(kept) & set(made), type(part)
            assert set(kept) | set(made) == set(vars(part)), type(part)


@pytest.mark.parametrize("at", [0, 3, 9, 15, 20])
def test_a_loaded_tracker_gives_the_boxes_of_the_saved_one(photographs, tmp_path, at):
    """Saved at once, while the object is seen, has two looks, is lost, and is found again."""
    shots = moving(photographs, 26, range(11, 19))
    with Tracker(threads=1, options=TrackerOptions(recent_after=3, older_every=1)) as tracker:
        tracker.init(*shots[0])
        tracks = [tracker.track(frame) for frame, _ in shots[1 : at + 1]]
        if at in (15, 20):
            assert tracks[-1].state == ("lost" if at == 15 else "tracking")
        assert goes_on_alike(tracker, tmp_path / "t.npz", [frame for frame, _ in shots[at + 1 :]])


def test_a_tracker_is_saved_in_a_stream_that_has_changed_its_size(photographs, tmp_path):
    shots = [frame for frame, _ in moving(photographs, 12)]
    shots[4:] = [np.asarray(cv2.resize(frame, (480, 200)), np.uint8) for frame in shots[4:]]
    with Tracker(threads=1) as tracker:
        tracker.init(shots[0], moving(photographs, 1)[0][1])
        for frame in shots[1:7]:
            tracker.track(frame)
        assert goes_on_alike(tracker, tmp_path / "t.npz", shots[6:])


def test_frames_of_more_bits_keep_their_range(photographs, tmp_path):
    shots = [(frame.astype(np.uint16) * 9 + 700, box) for frame, box in moving(photographs, 8)]
    with Tracker(threads=1) as tracker:
        tracker.init(*shots[0])
        tracker.track(shots[1][0])
        path = tracker.save(tmp_path / "t.npz")
        with Tracker.load(path, threads=1) as loaded:
            assert loaded.value_range == tracker.value_range is not None
        assert goes_on_alike(tracker, path, [frame for frame, _ in shots[2:]])


def test_saving_changes_nothing_and_replaces_the_file(photographs, tmp_path):
    shots = moving(photographs, 6)
    path = tmp_path / "t.npz"
    path.write_text("older")
    runs = []
    for saves in (False, True):
        with Tracker(threads=1) as tracker:
            tracker.init(*shots[0])
            run = []
            for frame, _ in shots[1:]:
                if saves:
                    assert tracker.save(path) == path
                run.append(tracker.track(frame))
            runs.append(run)
    assert runs[0] == runs[1]
    assert [file.name for file in tmp_path.iterdir()] == ["t.npz"]
    with np.load(path, allow_pickle=False) as data:
        assert "model" in data.files


def test_what_cannot_be_saved_is_named(photographs, tmp_path):
    with Tracker(threads=1) as tracker:
        with pytest.raises(InputError, match="no object to save: call init"):
            tracker.save(tmp_path / "t.npz")
        tracker.init(*moving(photographs, 1)[0])
        with pytest.raises(OSError, match=r"cannot be written.*none"):
            tracker.save(tmp_path / "none" / "t.npz")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def saved(photographs, tmp_path):
    """A file of a tracker."""
    with Tracker(threads=1) as tracker:
        tracker.init(*moving(photographs, 1)[0])
        return tracker.save(tmp_path / "t.npz")


def rewritten(path, **changes):
    """The file with other entries; ``None`` takes one out."""
    with np.load(path, allow_pickle=False) as data:
        entries = {name: data[name] for name in data.files} | changes
    np.savez(path, **{name: value for name, value in entries.items() if value is not None})
    return path


def test_another_bundle_is_refused(saved, tiny_bundle):
    with pytest.raises(TemplateError, match=r"saved tracker .* another model .* its own bundle"):
        Tracker.load(saved, tiny_bundle, "cpu", threads=1)


def test_another_version_is_refused(saved):
    rewritten(saved, tracker_format=99, version="7.8")
    with pytest.raises(InputError, match=r"version 7\.8 \(format 99\).*begin again with init"):
        Tracker.load(saved)


def test_another_state_is_another_version(saved):
    with np.load(saved, allow_pickle=False) as data:
        state = json.loads(str(data["state"]))
    state["Belief"]["_mood"] = 1
    with pytest.raises(InputError, match="was written by version"):
        Tracker.load(rewritten(saved, state=json.dumps(state)))


@pytest.mark.parametrize(
    "changes",
    [
        {"state": None},
        {"state": "{"},
        {"first_frame": np.zeros(9, np.uint8)},
        {"first_box": np.array([1.0, 2.0, -3.0, 4.0])},
        {"options": json.dumps({"side": "large"})},
        {"array0": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_damaged_entries_are_one_error(saved, changes):
    with pytest.raises(InputError, match=r"t\.npz cannot be read .*save the tracker again"):
        Tracker.load(rewritten(saved, **changes))


def test_damaged_files_are_one_error(saved, tmp_path):
    whole = saved.read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2], whole[:400] + b"x" * 90 + whole[490:]):
        saved.write_bytes(damaged)
        with pytest.raises(InputError, match=r"t\.npz cannot be read"):
            Tracker.load(saved)
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("state.npy", "none")
    with pytest.raises(InputError, match="cannot be read"):
        Tracker.load(saved)
    with pytest.raises(InputError, match=r"none\.npz does not exist"):
        Tracker.load(tmp_path / "none.npz")


@pytest.mark.parametrize("variable", ["QATM_MAX_FILE_BYTES", "QATM_MAX_SAVED_BYTES"])
def test_the_variable_is_named_that_raises_a_limit(saved, monkeypatch, variable):
    monkeypatch.setenv(variable, "1000")
    with pytest.raises(InputError, match=rf"t\.npz cannot be read .*set {variable} to accept more"):
        Tracker.load(saved)


def test_the_reason_of_a_refusal_is_said(saved):
    with pytest.raises(InputError, match=r"cannot be read \(array 'first_box' is missing\)"):
        Tracker.load(rewritten(saved, first_box=None))


def test_numbers_beyond_sums_are_refused_without_a_warning(saved):
    with np.load(saved, allow_pickle=False) as data:
        kept = {name: data[name] for name in data.files if name.startswith("array")}
    assert kept
    for name, array in kept.items():
        if array.dtype == np.float32:
            with pytest.raises(InputError, match="is not what a tracker saves"):
                Tracker.load(rewritten(saved, **{name: np.full_like(array, 3e38)}), threads=1)
            rewritten(saved, **{name: array})


def test_a_name_of_a_class_of_its_own_is_saved(photographs, tmp_path):
    class Text(str):
        __slots__ = ()

    with Tracker(threads=1) as tracker:
        tracker.init(*moving(photographs, 1)[0], name=Text("cup"))
        with Tracker.load(tracker.save(tmp_path / "t.npz"), threads=1) as loaded:
            assert loaded.latest is not None
            assert loaded.latest.name == "cup"


def test_values_come_back_as_they_were():
    look = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = object()
    value = {
        1: (0.1, np.float32(0.1), [None, True, "text", first]),
        "two": deque([LikelyPlace((1.5, 2.5), 3.0, known=False)], maxlen=4),
        (3, 4): [look, Box(1.0, 2.0, 3.0, 4.0), slice(1, None, 2)],
    }
    packer = StatePacker({"first": first})
    text = json.dumps(packer.pack(value))
    back = StateUnpacker(packer.arrays, {"first": first}).unpack(json.loads(text))
    assert back[1] == value[1]
    assert type(back[1][1]) is np.float32
    assert back["two"] == value["two"]
    assert back["two"].maxlen == 4
    assert back[3, 4][0] is look
    assert back[3, 4][1:] == value[3, 4][1:]
    with pytest.raises(TypeError, match="object"):
        StatePacker({}).pack([object()])
