"""Which objects a command looks for, and what they are called."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from qatm.runtime import InputError
from qatm.tools.wanted_objects import read_objects, unique_names


@pytest.fixture
def files(tmp_path: Path, photographs: dict[str, np.ndarray]) -> Path:
    """Pictures of two names, three of them in folders of their own, and masks."""
    coffee = photographs["coffee"]
    for name in ("a/logo.png", "b/logo.png", "b/logo-2.png", "frame.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), coffee[:80, :100])
    for number, left in enumerate((0, 50)):
        mask = np.zeros((80, 100), np.uint8)
        mask[:, left : left + 50] = 255
        cv2.imwrite(str(tmp_path / f"mask{number}.png"), mask)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "stems", "names"),
    [
        ([None], ["logo"], ["logo"]),
        ([None, None, None], ["logo", "logo", "logo"], ["logo", "logo-2", "logo-3"]),
        ([None, None, None], ["logo", "logo", "logo-2"], ["logo", "logo-2", "logo-2-2"]),
        ([None, "frame"], ["frame", "frame"], ["frame-2", "frame"]),
        (["b", "a"], ["frame", "frame"], ["b", "a"]),
    ],
)
def test_names_differ(given: list[str | None], stems: list[str], names: list[str]) -> None:
    assert unique_names(given, stems) == names


def test_a_name_is_given_once(files: Path) -> None:
    with pytest.raises(InputError, match="two --box are named 'eye'"):
        read_objects([], files / "frame.png", ["eye=1,1,9,9", "eye=20,1,9,9"], [])
    with pytest.raises(InputError, match="has no name before the ="):
        read_objects([], files / "frame.png", ["=1,1,9,9"], [])


def test_pictures_are_called_by_their_files(files: Path) -> None:
    paths = [files / name for name in ("a/logo.png", "b/logo.png", "b/logo-2.png")]
    objects = read_objects(paths, None, [], [])
    assert [one.name for one in objects] == ["logo", "logo-2", "logo-2-2"]
    assert [one.file for one in objects] == paths
    assert all(one.box is None for one in objects)


def test_boxes_of_one_frame(files: Path) -> None:
    frame = files / "frame.png"
    objects = read_objects([], frame, ["1,2,30,40", " left eye =5,6,7,8", "a=b=1,1,9,9"], [])
    assert [one.name for one in objects] == ["frame", "left eye", "a=b"]
    assert [one.box for one in objects] == [(1, 2, 30, 40), (5, 6, 7, 8), (1, 1, 9, 9)]
    assert objects[0].pixels is objects[1].pixels, "the frame is read once"
    assert objects[0].picture(None).shape == (40, 30, 3)


def test_a_mask_for_all_or_one_for_each(files: Path) -> None:
    templates = [files / "a" / "logo.png", files / "b" / "logo.png"]
    masks = [files / "mask0.png", files / "mask1.png"]
    for given, starts in ((masks[:1], (0, 0)), (masks, (0, 50))):
        objects = read_objects(templates, None, [], given)
        found = [one.mask for one in objects]
        assert all(mask is not None for mask in found)
        assert tuple(int(np.argmax(mask[0])) for mask in found if mask is not None) == starts
    assert [one.mask for one in read_objects(templates, None, [], [])] == [None, None]
    with pytest.raises(InputError, match="2 times --mask for 3 objects"):
        read_objects([*templates, templates[0]], None, [], masks)


@pytest.mark.parametrize(
    ("templates", "frame", "boxes"),
    [
        ([], False, []),
        (["a/logo.png"], True, ["1,1,9,9"]),
        (["a/logo.png"], False, ["1,1,9,9"]),
        ([], True, []),
        ([], False, ["1,1,9,9"]),
    ],
)
def test_what_does_not_go_together(
    files: Path, templates: list[str], frame: bool, boxes: list[str]
) -> None:
    paths = [files / name for name in templates]
    with pytest.raises(InputError, match="--frame"):
        read_objects(paths, files / "frame.png" if frame else None, boxes, [])


def test_names_that_are_no_text_are_written_out(files: Path) -> None:
    odd = files / "odd\udcff.png"
    odd.write_bytes((files / "frame.png").read_bytes())
    (shown,) = read_objects([odd], None, [], [])
    (marked,) = read_objects([], files / "frame.png", ["eye\udcff=1,1,9,9"], [])
    assert (shown.name, marked.name) == (r"odd\udcff", r"eye\udcff")
