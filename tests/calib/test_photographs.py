"""The photographs that scikit-image carries: one list, and what is chosen from it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from qatm.calib import photographs
from qatm.calib.photographs import (
    CALIBRATION,
    DEMO,
    PARITY,
    PHOTOGRAPHS,
    SPEED,
    TRAINING,
    default_photographs,
    find_photographs,
    photograph_files,
    photograph_folder,
    read_photographs,
)
from qatm.runtime import CalibrationError, ImageError, InputError, read_image
from qatm.tools.train.pictures import open_images

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("runtime", "model", "calib", "export", "tools")


def test_the_selections_are_those_that_stored_figures_were_made_with() -> None:
    assert [name.split(".")[0] for name in CALIBRATION] == [
        *("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel"),
        *("motorcycle_left", "motorcycle_right", "retina", "rocket"),
    ]
    assert [name.split(".")[0] for name in TRAINING] == [
        *("astronaut", "brick", "camera", "cell", "chelsea", "clock_motion", "coffee", "grass"),
        *("gravel", "hubble_deep_field", "retina", "rocket"),
    ]
    assert [name.split(".")[0] for name in DEMO] == [
        *("astronaut", "chelsea", "coffee", "motorcycle_left", "motorcycle_right", "rocket"),
    ]
    assert SPEED == ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
    assert PARITY == ("chelsea.png", "coffee.png", "astronaut.png", "motorcycle_left.png")


def test_every_photograph_is_carried_and_has_its_rights() -> None:
    chosen = {*CALIBRATION, *TRAINING, *DEMO, *SPEED, *PARITY}
    assert chosen == set(PHOTOGRAPHS)
    assert all(PHOTOGRAPHS.values())
    for file in photograph_files(PHOTOGRAPHS):
        assert min(read_image(file).shape[:2]) >= 200, file


def test_what_is_trained_on_is_what_the_licence_page_says() -> None:
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    (listed,) = re.findall(r"calls CC0 or public domain: ([a-z_, ]+)\.", notice)
    assert re.split(", | and ", listed) == [name.split(".")[0] for name in TRAINING]


def test_photographs_are_read_by_name_in_the_order_given() -> None:
    images = read_photographs(["rocket.jpg", "brick.png"])
    assert list(images) == ["rocket", "brick"]
    for image, file in zip(
        images.values(), photograph_files(["rocket.jpg", "brick.png"]), strict=True
    ):
        assert np.array_equal(image, read_image(file))
    with pytest.raises(ImageError, match=r"gone\.png does not exist"):
        read_photographs(["gone.png"])


def test_without_scikit_image_every_user_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(photographs, "find_spec", lambda _: None)
    assert find_photographs() is None
    words = r'scikit-image.*not installed: {}pip install "qatm\[demo\]"$'
    with pytest.raises(InputError, match=words.format("")):
        photograph_folder()
    with pytest.raises(InputError, match=words.format("give a folder of pictures.*, or ")):
        open_images(None)
    with pytest.raises(CalibrationError, match=words.format("give --calib.*, or ")):
        default_photographs()


def test_a_wheel_that_lost_most_of_them_cannot_calibrate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(photographs, "find_photographs", lambda: tmp_path)
    for name in CALIBRATION[:7]:
        (tmp_path / name).touch()
    assert default_photographs() == [tmp_path / name for name in CALIBRATION[:7]]
    for name in CALIBRATION[5:7]:
        (tmp_path / name).unlink()
    with pytest.raises(CalibrationError, match="carries 5 of the 12 photographs"):
        default_photographs()


def test_no_other_module_names_or_looks_for_them() -> None:
    by_hand = re.compile(r"astronaut\.png|find_spec\(\"skimage\"\)")
    found = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if by_hand.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"calib/photographs.py"}
