from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from qatm.calib import CalibrationOptions
from qatm.calib import photographs as defaults
from qatm.calib.image_set import list_items, open_set
from qatm.runtime import CalibrationError, ImageError


def options(*sources, **extra):
    return CalibrationOptions(sources=tuple(map(str, sources)), **{"images": 6, **extra})


def noise(seed, height=60, width=90):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_folder(folder, count, first=0):
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        cv2.imwrite(str(folder / f"image{number}.png"), noise(number))
    return folder


def write_video(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for number in range(frames):
        writer.write(cv2.GaussianBlur(noise(number, 64, 96), (0, 0), 3))
    writer.release()
    return path


def test_a_folder_is_sampled_with_a_seed(tmp_path):
    folder = write_folder(tmp_path / "photos", 9)
    first, again = open_set(options(folder), 16), open_set(options(folder), 16)
    other = open_set(options(folder, seed=5), 16)
    assert first.names == again.names
    assert first.digest == again.digest
    assert set(first.names) != set(other.names) or first.digest != other.digest
    assert len(set(first.names)) == 6
    shapes = {image.shape for image in first}
    assert shapes == {(64, 96, 3)}, "padded to the multiple that the runtime uses"


def test_large_images_are_shrunk_and_small_sets_filled_up_with_crops(tmp_path):
    folder = write_folder(tmp_path / "photos", 4)
    views = open_set(options(folder, images=10, max_side=64), 16)
    assert len(views) == 10
    assert len(set(views.names)) == 4
    assert all(max(image.shape[:2]) <= 64 for image in views)
    assert len({image.tobytes() for image in views}) == 10


def test_glob_video_and_array_are_sources(tmp_path):
    folder = write_folder(tmp_path / "photos", 5)
    video = write_video(tmp_path / "film.avi", 7)
    array = tmp_path / "frames.npy"
    np.save(array, np.stack([noise(i) for i in range(5)]))
    for source, count in ((folder / "*.png", 5), (video, 7), (array, 5)):
        items, words = list_items([str(source)])
        assert len(items) == count
        assert words == str(source)
        views = open_set(options(source, images=4), 16)
        assert len(set(views.names)) == 4
    items, _ = list_items([str(folder), str(video), str(array)])
    assert len(items) == 17


@pytest.mark.skipif(os.name == "nt", reason="no colons in names")
def test_what_a_video_is_called_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "film.avi", 3).rename("udp:film.avi")
    items, _ = list_items(["udp:film.avi"])
    assert items[2].read().shape == (64, 96, 3)


def test_patterns_of_pictures_videos_and_arrays(tmp_path):
    folder = tmp_path / "day[1]"
    write_folder(folder, 5)
    (folder / "notes.txt").write_text("no picture")
    write_video(folder / "a.avi", 7)
    write_video(folder / "b.avi", 2)
    for name in ("a", "b", "c"):
        np.save(folder / f"{name}.npy", np.stack([noise(i) for i in range(4)]))
    for pattern, count in (("*.png", 5), ("*", 5), ("*.avi", 9), ("?.npy", 12)):
        assert len(list_items([f"{folder}/{pattern}"])[0]) == count
    for pattern in ("*.mp4", "*.jpg"):
        with pytest.raises(ImageError, match="matches no file"):
            list_items([f"{folder}/{pattern}"])
    with pytest.raises(ImageError, match=r"matches only .*notes\.txt: no image"):
        list_items([f"{folder}/*.txt"])


def test_video_frames_are_the_right_ones(tmp_path):
    items, _ = list_items([str(write_video(tmp_path / "film.avi", 6))])
    for number in (4, 0, 2):
        expected = cv2.GaussianBlur(noise(number, 64, 96), (0, 0), 3)
        assert np.abs(items[number].read().astype(int) - expected).mean() < 6


def test_unusable_images_are_skipped_by_name(tmp_path):
    folder = write_folder(tmp_path / "photos", 5)
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("no image")
    cv2.imwrite(str(folder / "tiny.png"), noise(0, 20, 90))
    views = open_set(options(folder, images=8), 16)
    assert {name.rsplit("/", 1)[-1] for name in views.skipped} == {
        "empty.png",
        "text.jpg",
        "tiny.png",
    }
    assert "0 bytes" in views.skipped[str(folder / "empty.png")]
    assert "90x20" in views.skipped[str(folder / "tiny.png")]
    assert not set(views.names) & set(views.skipped)


def test_too_few_images_are_refused_with_the_reasons(tmp_path):
    folder = write_folder(tmp_path / "photos", 3)
    (folder / "empty.png").write_bytes(b"")
    with pytest.raises(CalibrationError, match=r"3 usable .* out of 4, at least 4 .*0 bytes"):
        open_set(options(folder), 16)


def test_sources_without_images_are_refused(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(ImageError, match="holds no image"):
        open_set(options(tmp_path / "none"), 16)
    with pytest.raises(ImageError, match="matches no file"):
        open_set(options(tmp_path / "*.png"), 16)
    with pytest.raises(CalibrationError, match="does not exist"):
        open_set(options(tmp_path / "missing.png"), 16)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_sets_of_one_colour_are_refused(tmp_path, value):
    np.save(tmp_path / "flat.npy", np.full((5, 64, 64, 3), value, np.uint8))
    with pytest.raises(CalibrationError, match="one colour"):
        open_set(options(tmp_path / "flat.npy"), 16)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((5, 64, 64, 3), np.float32),
        np.zeros((5, 3, 64, 64), np.uint8),
        np.zeros((64, 64), np.uint8),
        np.zeros((0, 64, 64, 3), np.uint8),
        np.array([{"a": 1}], dtype=object),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path, array):
    np.save(tmp_path / "bad.npy", array, allow_pickle=True)
    with pytest.raises(CalibrationError, match=r"bad\.npy"):
        open_set(options(tmp_path / "bad.npy"), 16)


def test_damaged_and_missing_arrays_are_refused(tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY broken")
    with pytest.raises(CalibrationError, match="is not an array that can be read"):
        open_set(options(tmp_path / "bad.npy"), 16)
    with pytest.raises(CalibrationError, match="does not exist"):
        open_set(options(tmp_path / "missing.npy"), 16)


def test_an_archive_under_the_name_of_an_array_is_refused(tmp_path):
    with (tmp_path / "bad.npy").open("wb") as file:
        np.savez(file, noise(0))
    with pytest.raises(CalibrationError, match=r"bad\.npy is not an array that can be read"):
        open_set(options(tmp_path / "bad.npy"), 16)


def test_videos_without_frames_are_refused(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"not a film")
    with pytest.raises(CalibrationError, match="cannot be opened"):
        open_set(options(tmp_path / "broken.mp4"), 16)
    with pytest.raises(CalibrationError, match="does not exist"):
        open_set(options(tmp_path / "missing.mp4"), 16)
    with pytest.raises(CalibrationError, match=r"no frames|cannot be opened"):
        open_set(options(write_video(tmp_path / "none.avi", 0)), 16)


def test_the_default_set_is_what_scikit_image_carries(monkeypatch):
    items, words = list_items([])
    assert words == f"{len(defaults.CALIBRATION)} photographs that scikit-image carries"
    assert all(min(item.read().shape[:2]) >= 200 for item in items)
    monkeypatch.setattr(defaults, "find_spec", lambda name: None)
    with pytest.raises(CalibrationError, match=r"qatm\[demo\]"):
        list_items([])


@pytest.mark.parametrize(
    "extra",
    [{"method": "magic"}, {"images": 3}, {"images": 10**6}, {"percentile": 20}, {"max_side": 8}],
)
def test_options_out_of_range_are_refused(extra):
    with pytest.raises(CalibrationError):
        CalibrationOptions(**extra)
