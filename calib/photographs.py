"""The photographs that the wheel of scikit-image carries: their licences, and who uses which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from ..runtime.errors import CalibrationError, InputError
from ..runtime.images import Image, read_image

CC0 = "CC0"
PUBLIC_DOMAIN = "public domain"
NONE_KNOWN = "no known restrictions"
BENCHMARK = "Middlebury 2014 stereo benchmark"

PHOTOGRAPHS: Mapping[str, str] = MappingProxyType(
    {
        "astronaut.png": PUBLIC_DOMAIN,
        "brick.png": CC0,
        "camera.png": CC0,
        "cell.png": CC0,
        "chelsea.png": CC0,
        "clock_motion.png": PUBLIC_DOMAIN,
        "coffee.png": CC0,
        "coins.png": NONE_KNOWN,
        "grass.png": CC0,
        "gravel.png": CC0,
        "hubble_deep_field.jpg": PUBLIC_DOMAIN,
        "motorcycle_left.png": BENCHMARK,
        "motorcycle_right.png": BENCHMARK,
        "retina.jpg": CC0,
        "rocket.jpg": PUBLIC_DOMAIN,
    }
)
"""File name -> what scikit-image's documentation says about the rights, or where it is from."""

DISPARITY = "motorcycle_disp.npz"
"""Pixels from each point of ``motorcycle_left`` to the same in ``motorcycle_right``."""

CALIBRATION = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png"),
    *("grass.png", "gravel.png", "motorcycle_left.png", "motorcycle_right.png", "retina.jpg"),
    "rocket.jpg",
)
"""To calibrate INT8 with: people, animals, things, textures; colour and grey."""

TRAINING = tuple(name for name, rights in PHOTOGRAPHS.items() if rights in (CC0, PUBLIC_DOMAIN))
"""To train networks with that are given away."""

DEMO = (
    *("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png"),
    *("motorcycle_right.png", "rocket.jpg"),
)
"""To find objects in: the demo, the report of a GPU, tests."""

SPEED = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
"""To measure speed with, in this order."""

PARITY = ("chelsea.png", "coffee.png", "astronaut.png", "motorcycle_left.png")
"""To compare an export with its model on, in this order."""


def find_photographs() -> Path | None:
    """The folder of the photographs, or ``None``; scikit-image is not imported."""
    spec = find_spec("skimage")
    return None if spec is None or spec.origin is None else Path(spec.origin).with_name("data")


def photograph_folder(instead: str = "") -> Path:
    """The folder of the photographs; scikit-image is not imported.

    Args:
        instead: what else the user can do than to install it, for the message.

    Raises:
        InputError: scikit-image is not installed.
    """
    folder = find_photographs()
    if folder is None:
        other = f"{instead}, or " if instead else ""
        raise InputError(
            "scikit-image, which carries the photographs for this, is not installed: "
            f'{other}pip install "qatm[demo]"'
        )
    return folder


def photograph_files(names: Iterable[str], instead: str = "") -> list[Path]:
    """The files of photographs, in the order given; reading one that is gone gives the error.

    Args:
        names: some of :data:`PHOTOGRAPHS`.
        instead: as for :func:`photograph_folder`.

    Raises:
        InputError: scikit-image is not installed.
    """
    folder = photograph_folder(instead)
    return [folder / name for name in names]


def read_photographs(names: Iterable[str]) -> dict[str, Image]:
    """Photographs by name without suffix, in the order given, ``(H, W, 3)`` uint8 BGR.

    Args:
        names: some of :data:`PHOTOGRAPHS`.

    Raises:
        InputError: scikit-image is not installed.
        ImageError: it no longer carries one of them.
    """
    return {file.stem: read_image(file) for file in photograph_files(names)}


def default_photographs() -> list[Path]:
    """The files of the default calibration set.

    Raises:
        CalibrationError: scikit-image is not installed, or no longer carries them.
    """
    try:
        files = photograph_files(CALIBRATION, "give --calib with images of your own")
    except InputError as error:
        raise CalibrationError(str(error)) from error
    found = [file for file in files if file.is_file()]
    if len(found) < len(CALIBRATION) // 2:
        raise CalibrationError(
            f"{files[0].parent} carries {len(found)} of the {len(CALIBRATION)} photographs of the "
            "default set; give --calib with images of your own"
        )
    return found
