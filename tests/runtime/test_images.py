"""Images: reading files, checking arrays, expanding sources, resizing and padding."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qatm.runtime import ImageError, InputError, expand_sources, read_image, read_values
from qatm.runtime.boxes import Box
from qatm.runtime.images import (
    FLAT_RANGE,
    as_bgr,
    as_object_frame,
    batch_problem,
    expand_pattern,
    is_flat,
    is_pattern,
    pad_to_multiple,
    resize_to,
)

Images = dict[str, np.ndarray]


def encoded(image: np.ndarray, suffix: str) -> bytes:
    # OpenCV 4.8 would write floats as logarithms, and lose some.
    plain = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if suffix == ".tif" else []
    ok, data = cv2.imencode(suffix, image, plain)
    assert ok
    return data.tobytes()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".jpg"])
def test_a_file_is_read_as_bgr(photographs: Images, tmp_path: Path, suffix: str) -> None:
    image = photographs["chelsea"]
    path = tmp_path / f"a b{suffix}"
    path.write_bytes(encoded(image, suffix))
    for name in (path, str(path)):
        read = read_image(name)
        assert read.shape == image.shape
        assert read.dtype == np.uint8
        assert np.abs(read.astype(int) - image).mean() < (
            5 if suffix in (".jpg", ".webp") else 1e-9
        )


def test_grey_and_transparent_files_become_bgr(tmp_path: Path) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    (tmp_path / "grey.png").write_bytes(encoded(grey, ".png"))
    assert np.array_equal(read_image(tmp_path / "grey.png"), np.dstack([grey] * 3))
    (tmp_path / "alpha.png").write_bytes(encoded(np.dstack([grey] * 4), ".png"))
    assert read_image(tmp_path / "alpha.png").shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("suffix", "kind", "channels"),
    [
        (".png", np.uint16, 1),
        (".png", np.uint16, 3),
        (".png", np.uint16, 4),
        (".tif", np.uint16, 1),
        (".tif", np.int16, 1),
        (".tif", np.int32, 1),
        (".tif", np.float32, 1),
        (".tif", np.float32, 3),
        (".tif", np.float64, 1),
        (".ppm", np.uint16, 3),
    ],
)
def test_files_of_more_than_8_bits_are_read_as_they_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, kind: Any, channels: int
) -> None:
    values = np.random.default_rng(0).integers(9000, 9800, (24, 32, channels)).astype(kind)
    path = tmp_path / f"deep{suffix}"
    path.write_bytes(encoded(values, suffix))
    capfd.readouterr()
    read = read_values(path)
    assert read.dtype == kind
    first = read[..., 0] if read.ndim == 3 else read
    assert np.array_equal(first, values[..., 0])
    shown = read_image(path)
    assert shown.shape == (24, 32, 3)
    assert shown.dtype == np.uint8
    assert (shown.min(), shown.max()) == (0, 255)
    assert capfd.readouterr().err == "", "OpenCV complains on stderr of what it cannot do"


def test_missing_values_in_a_file_are_kept(tmp_path: Path) -> None:
    values = np.linspace(20, 30, 600, dtype=np.float32).reshape(20, 30)
    values[3:5, 3:5] = np.nan
    path = tmp_path / "masked.tif"
    path.write_bytes(encoded(values, ".tif"))
    assert np.array_equal(read_values(path), values, equal_nan=True)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp", ".bmp"])
def test_files_of_8_bits_are_read_as_ever(photographs: Images, tmp_path: Path, suffix: str) -> None:
    for name, image in (
        ("colour", photographs["chelsea"]),
        ("grey", photographs["chelsea"][..., 0]),
    ):
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(encoded(np.ascontiguousarray(image), suffix))
        plain = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR))
        assert np.array_equal(read_image(path), plain)
        assert np.array_equal(read_values(path), plain)


def test_a_damaged_tiff_is_refused_by_name(tmp_path: Path) -> None:
    data = encoded(np.ones((9, 9), np.float32), ".tif")
    for cut in (4, 8, 12, len(data) // 2):
        path = tmp_path / "cut.tif"
        path.write_bytes(data[:cut])
        with pytest.raises(ImageError, match=r"cut\.tif"):
            read_values(path)


def test_missing_empty_folder_and_text_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("this is no picture")
    for name, words in [
        ("absent.png", "does not exist"),
        ("empty.png", "is empty"),
        ("text.jpg", "is not an image"),
        ("", "is a folder"),
    ]:
        with pytest.raises(ImageError, match=words) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(
    photographs: Images, tmp_path: Path, suffix: str, part: float
) -> None:
    data = encoded(photographs["chelsea"], suffix)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ImageError, match=f"cut{suffix}"):
        read_image(path)


def test_a_thumbnail_does_not_hide_that_the_rest_is_missing(
    photographs: Images, tmp_path: Path
) -> None:
    whole = encoded(photographs["chelsea"], ".jpg")
    thumbnail = b"Exif\0\0" + encoded(photographs["chelsea"][:32, :32], ".jpg")
    header = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    path = tmp_path / "photo.jpg"
    path.write_bytes(whole[:2] + header + whole[2:])
    assert read_image(path).shape == photographs["chelsea"].shape
    path.write_bytes(whole[:2] + header + whole[2 : len(whole) // 2])
    with pytest.raises(ImageError, match="truncated"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_what_a_camera_appends_is_no_damage(
    photographs: Images, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"motion{suffix}"
    path.write_bytes(encoded(photographs["chelsea"], suffix) + bytes(200_000))
    assert read_image(path).shape == photographs["chelsea"].shape


def test_arrays_that_are_converted() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    grey = bgr[..., 0]
    assert np.array_equal(as_bgr(bgr), bgr)
    assert np.array_equal(as_bgr(grey), np.dstack([grey] * 3))
    assert np.array_equal(as_bgr(grey[..., None]), np.dstack([grey] * 3))
    assert np.array_equal(as_bgr(np.dstack([bgr, grey])), bgr)


def test_memory_order_does_not_matter() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    for view in (
        bgr[::-1],
        bgr[:, 1:5],
        bgr[..., ::-1],
        np.asfortranarray(bgr),
        bgr.swapaxes(0, 1),
    ):
        checked = as_bgr(view)
        assert checked.flags.c_contiguous
        assert np.array_equal(checked, view)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        ([[1, 2]], "is list, not a numpy array"),
        ("photo.jpg", "is str, not a numpy array; read files with read_image"),
        (None, "NoneType"),
        (np.full((4, 4, 3), np.nan), "of dtype float64 holds no finite value"),
        (np.zeros((4, 4, 3), bool), "dtype bool; give integers or floats"),
        (np.zeros((4, 4, 3), complex), "dtype complex128"),
        (np.zeros((4, 4, 2), np.uint16), r"\(4, 4, 2\)"),
        (np.zeros((0, 4), np.float32), "holds no pixels"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\) holds no pixels"),
        (np.zeros((4, 0), np.uint8), r"\(4, 0\) holds no pixels"),
        (np.zeros((4, 4, 5), np.uint8), r"\(4, 4, 5\)"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"\(1, 4, 4, 3\)"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
    ],
)
def test_arrays_that_are_refused(array: Any, words: str) -> None:
    with pytest.raises(ImageError, match=f"^scene .*{words}"):
        as_bgr(array, "scene")


def test_sources_are_files_folders_and_patterns(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (folder / name).touch()
    odd = tmp_path / "x[1].png"
    odd.touch()
    assert expand_sources([folder]) == [folder / "a.jpg", folder / "b.PNG"]
    assert expand_sources([f"{folder}/*.jpg", str(odd)]) == [folder / "a.jpg", odd]
    assert expand_sources(["gone.png"]) == [Path("gone.png")]
    (tmp_path / "void").mkdir()
    for sources, words in [
        ([tmp_path / "void"], "void holds no image"),
        ([f"{folder}/*.bmp"], r"\*.bmp' matches no file"),
        ([], "no image given"),
    ]:
        with pytest.raises(ImageError, match=words):
            expand_sources(sources)


def make_tree(root: Path, *names: str) -> Path:
    """Make empty files below a folder, and folders for names that end in a slash."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def expanded(root: Path, pattern: str) -> list[str]:
    """What a pattern below a folder stands for, as names in that folder."""
    found = expand_sources([f"{root}/{pattern}"])
    return [path.relative_to(root).as_posix() for path in found]


def test_a_pattern_takes_the_images_in_folders_that_it_matches(tmp_path: Path) -> None:
    make_tree(tmp_path, "dir2/b.png", "dir1/c.JPG", "dir1/a.png", "dir1/notes.txt", "dir3/")
    assert expanded(tmp_path, "dir*") == ["dir1/a.png", "dir1/c.JPG", "dir2/b.png"]
    make_tree(tmp_path, "dir.png", "dir1/deep/d.png")
    assert expanded(tmp_path, "dir*") == ["dir.png", "dir1/a.png", "dir1/c.JPG", "dir2/b.png"]
    assert expanded(tmp_path, "dir*/") == ["dir1/a.png", "dir1/c.JPG", "dir2/b.png"]


def test_a_pattern_leaves_out_what_is_no_image(tmp_path: Path) -> None:
    make_tree(tmp_path, "b.png", "a.TIFF", "notes.txt", "clip.mp4", "folder.png/")
    assert expanded(tmp_path, "*") == ["a.TIFF", "b.png"]
    assert expanded(tmp_path, "?.*") == ["a.TIFF", "b.png"]


def test_two_stars_stand_for_any_folders_and_find_each_image_once(tmp_path: Path) -> None:
    make_tree(tmp_path, "b.png", "a/x.png", "a/deep/y.png", "a/.hidden/z.png", "a/notes.txt")
    every = ["a/deep/y.png", "a/x.png", "b.png"]
    assert expanded(tmp_path, "**") == every
    assert expanded(tmp_path, "**/*.png") == every
    assert expanded(tmp_path, "**/**/*") == every
    assert expanded(tmp_path, "a/**/y.png") == ["a/deep/y.png"]


def test_many_stars_come_to_a_folder_once(tmp_path: Path) -> None:
    deep = "/".join(f"d{level}" for level in range(20))
    make_tree(tmp_path, f"{deep}/x.png")
    began = time.perf_counter()
    assert expanded(tmp_path, f"{'**/' * 6}*.png") == [f"{deep}/x.png"]
    assert expanded(tmp_path, f"{'**/*/' * 4}*.png") == [f"{deep}/x.png"]
    assert time.perf_counter() - began < 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_what_is_no_file_is_left_out_of_folders_and_patterns(tmp_path: Path) -> None:
    make_tree(tmp_path, "a.png", "shots/")
    os.mkfifo(tmp_path / "b.png")
    (tmp_path / "c.png").symlink_to("b.png")
    (tmp_path / "d.png").symlink_to("a.png")
    (tmp_path / "e.png").symlink_to("/dev/zero")
    (tmp_path / "f.png").symlink_to("gone.png")
    # Reading a link that leads nowhere says so.
    assert expanded(tmp_path, "*.png") == ["a.png", "d.png", "f.png"]
    assert expanded(tmp_path, "") == ["a.png", "d.png", "f.png"]
    os.mkfifo(tmp_path / "shots" / "g.png")
    with pytest.raises(ImageError, match="shots holds no image"):
        expanded(tmp_path, "shots")
    with pytest.raises(ImageError, match=r"shots/g\.png: no image"):
        expanded(tmp_path, "shots/*")
    assert expand_sources([tmp_path / "b.png"]) == [tmp_path / "b.png"], "a pipe that is named"


def test_a_pattern_that_matches_no_image_says_what_it_matches(tmp_path: Path) -> None:
    make_tree(tmp_path, "dir1/", "dir2/notes.txt", "a.txt", "b.csv", "c.mp4", "d.json")
    for pattern, words in [
        ("dir*", f"pattern '{tmp_path}/dir*' matches only {tmp_path}/dir1/, {tmp_path}/dir2/:"),
        ("a.*", f"matches only {tmp_path}/a.txt: no image (.avif, .bmp, "),
        ("?.*", f"{tmp_path}/c.mp4, 1 more: no image"),
        ("e*", "matches no file"),
    ]:
        with pytest.raises(ImageError) as caught:
            expanded(tmp_path, pattern)
        assert words in str(caught.value)


def test_parts_of_a_pattern_that_exist_stand_for_themselves(tmp_path: Path) -> None:
    make_tree(tmp_path, "shots[1]/b.png", "shots[1]/a[2].png", "shots1/c.png", "run/shots[1]/d.png")
    assert expanded(tmp_path, "shots[1]") == ["shots[1]/a[2].png", "shots[1]/b.png"]
    assert expanded(tmp_path, "shots[1]/*.png") == ["shots[1]/a[2].png", "shots[1]/b.png"]
    assert expanded(tmp_path, "shots[1]/a[2].png") == ["shots[1]/a[2].png"]
    assert expanded(tmp_path, "*/shots[1]/*.png") == ["run/shots[1]/d.png"]
    assert expanded(tmp_path, "shots[[]1]/?.png") == ["shots[1]/b.png"]
    assert expanded(tmp_path, "shots[12]/*") == ["shots1/c.png"]


def test_patterns_are_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_tree(tmp_path, "a.png", "sub[1]/b.png"))
    assert expand_pattern("*.png") == [Path("a.png")]
    assert expand_pattern("./*/../*.png") == [Path("sub[1]/../a.png")]
    assert expand_sources(["sub[1]/*"]) == [Path("sub[1]/b.png")]
    assert expand_sources(["**/b.png", "a.png"]) == [Path("sub[1]/b.png"), Path("a.png")]


def test_what_exists_is_no_pattern(tmp_path: Path) -> None:
    make_tree(tmp_path, "x[1].png")
    assert not is_pattern(tmp_path / "x[1].png")
    assert is_pattern(f"{tmp_path}/x[2].png")
    assert is_pattern("a*")
    assert not is_pattern("a.png")


def test_a_single_colour_is_flat() -> None:
    image = np.full((20, 30, 3), (10, 200, 90), np.uint8)
    image[5:10, 5:10] += FLAT_RANGE
    assert is_flat(image)
    image[7, 7, 1] += 1
    assert not is_flat(image)
    assert is_flat(image, Box(8, 8, 10, 10))
    assert not is_flat(image, Box(-4, -4, 11.5, 11.5))
    assert is_flat(image, Box(40, 40, 5, 5)), "nothing to see"
    mask = np.ones((20, 30), np.float32)
    mask[7, 7] = 0
    assert is_flat(image, Box(0, 0, 30, 20), mask)


@settings(max_examples=20, deadline=None)
@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)),
    st.integers(1, 17),
)
def test_padding_repeats_the_edge(grey: np.ndarray, multiple: int) -> None:
    image = as_bgr(grey)
    padded = pad_to_multiple(image, multiple)
    rows, columns = (-(-side // multiple) * multiple for side in grey.shape)
    assert padded.shape == (rows, columns, 3)
    sides = ((0, rows - grey.shape[0]), (0, columns - grey.shape[1]), (0, 0))
    assert np.array_equal(padded, np.pad(image, sides, mode="edge"))


def test_resizing_averages_when_it_shrinks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    half = image.reshape(20, 2, 30, 2, 3).mean((1, 3))
    assert np.abs(resize_to(image, 30, 20) - half).max() <= 1
    assert resize_to(image, 60, 40) is image
    assert resize_to(image, 90, 50).shape == (50, 90, 3)


def test_a_box_that_was_given_as_two_corners_is_told(
    photographs: Images, caplog: pytest.LogCaptureFixture
) -> None:
    cat = photographs["chelsea"]  # 451x300
    as_object_frame(cat, (100, 80, 160, 140))
    as_object_frame(cat, (400, 200, 80, 90))
    assert caplog.text == "", "a box may stick out, and two corners may look like a box"
    as_object_frame(cat, (300, 150, 400, 250), name="frame")
    assert "(300.0, 150.0, 400.0, 250.0) sticks out of the frame (451x300 px)" in caplog.text
    assert "the box is (300, 150, 100, 100)" in caplog.text


def with_exif(webp: bytes, orientation: int, *, big: bool, prefix: bytes = b"") -> bytes:
    """A WebP in the extended form of its container, with EXIF data that name an orientation."""
    order: Any = "big" if big else "little"
    entry = b"".join(
        value.to_bytes(size, order)
        for value, size in ((1, 2), (274, 2), (3, 2), (1, 4), (orientation, 2), (0, 2), (0, 4))
    )
    exif = prefix + (b"MM\0*" if big else b"II*\0") + (8).to_bytes(4, order) + entry
    size = cv2.imdecode(np.frombuffer(webp, np.uint8), cv2.IMREAD_COLOR)
    assert size is not None
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size.shape[1::-1])
    chunks = [
        b"VP8X" + (10).to_bytes(4, "little") + b"\x08\0\0\0" + sides,
        webp[12:],
        b"EXIF" + len(exif).to_bytes(4, "little") + exif + b"\0" * (len(exif) % 2),
    ]
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("orientation", range(10))
def test_a_webp_stands_as_its_exif_data_say(tmp_path: Path, orientation: int, big: bool) -> None:
    plain = np.zeros((32, 48, 3), np.uint8)
    plain[:16, :16] = (255, 0, 0)  # what the camera's sensor had at its top left
    plain[:16, 32:] = (0, 255, 0)
    ok, data = cv2.imencode(".webp", plain, [cv2.IMWRITE_WEBP_QUALITY, 101])
    assert ok
    path = tmp_path / "photo.webp"
    prefix = b"Exif\0\0" if orientation % 2 else b""
    path.write_bytes(with_exif(data.tobytes(), orientation, big=big, prefix=prefix))
    read = read_image(path)
    # Where row 0 and column 0 of the sensor lie (EXIF 2.3, tag 274).
    sides = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}
    corner = sides.get(orientation, "tl")
    y, x = (0 if corner[0] == "t" else -1), (0 if corner[1] == "l" else -1)
    assert read.shape == ((48, 32, 3) if orientation in (5, 6, 7, 8) else (32, 48, 3))
    assert read[y, x].tolist() == [255, 0, 0]
    # The sensor's other top corner: along the row, or along the column where axes are swapped.
    other = (-1 - y, x) if orientation in (5, 6, 7, 8) else (y, -1 - x)
    assert read[other].tolist() == [0, 255, 0]


@pytest.mark.parametrize("suffix", [".avif", ".gif", ".jp2", ".pgm"])
def test_pictures_of_rarer_kinds_in_a_folder_are_not_passed_over(
    photographs: Images, tmp_path: Path, suffix: str
) -> None:
    cat = photographs["chelsea"]
    path = tmp_path / f"cat{suffix}"
    try:
        path.write_bytes(encoded(cat[..., 0].copy() if suffix == ".pgm" else cat, suffix))
    except cv2.error:
        path.write_bytes(b"a picture that this OpenCV cannot write, and may not read")
        with pytest.raises(ImageError, match=rf"cat{suffix} is not an image that OpenCV \d"):
            read_image(path)
    else:
        assert read_image(path).shape == cat.shape
    assert expand_sources([tmp_path]) == [path]
    assert expand_sources([f"{tmp_path}/*"]) == [path]


def test_pictures_that_no_opencv_reads_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.png", "b.HEIC", "c.heic", "notes.txt"):
        (tmp_path / name).touch()
    assert expand_sources([tmp_path]) == [tmp_path / "a.png"]
    assert f"2 pictures in {tmp_path} are left out, such as b.HEIC" in caplog.text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_pipes_are_read_and_devices_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.full((20, 30, 3), 9, np.uint8)
    data = cv2.imencode(".png", image)[1].tobytes()
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    state = os.fstat

    def late(handle: int) -> os.stat_result:
        time.sleep(0.2)
        return state(handle)

    for look in (state, late):
        # A writer may have ended before the reader knows what it opened.
        monkeypatch.setattr(os, "fstat", look)
        writer = threading.Thread(target=lambda: pipe.write_bytes(data))
        writer.start()
        assert np.array_equal(read_image(pipe), image)
        writer.join()
    with pytest.raises(ImageError, match=r"/dev/zero cannot be read: it is a device or pipe"):
        read_image("/dev/zero")


def test_one_name_is_no_list_of_sources():
    with pytest.raises(InputError, match=r"'shots/\*\.jpg'; give a list of names"):
        expand_sources("shots/*.jpg")


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 1), (3,)])
def test_one_picture_is_no_batch(shape):
    assert f"one picture, of shape {shape}" in str(batch_problem(np.zeros(shape, np.uint8)))


@pytest.mark.parametrize("shape", [(2, 20, 30, 3), (2, 20, 30)])
def test_arrays_of_pictures_are_batches(shape):
    array = np.zeros(shape, np.uint8)
    assert batch_problem(array) is None
    assert batch_problem(list(array)) is None
    assert batch_problem(iter(array)) is None


def test_arrays_of_other_classes_are_plain_or_refused() -> None:
    grey = np.arange(1200, dtype=np.float32).reshape(30, 40)
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.asmatrix(grey)
    assert np.array_equal(as_bgr(matrix), as_bgr(grey))
    for mask in (grey > 100, False):
        with pytest.raises(ImageError, match=r"query is a masked array; give query\.filled"):
            as_bgr(np.ma.masked_array(grey, mask), "query")
