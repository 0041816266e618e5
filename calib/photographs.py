"""The default calibration set: photographs that the wheel of scikit-image carries."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ..runtime.errors import CalibrationError

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)
"""People, animals, things, textures; colour and grey. Nothing is downloaded."""


def default_photographs() -> list[Path]:
    """The files of the default set; scikit-image is not imported.

    Raises:
        CalibrationError: scikit-image is not installed, or no longer carries them.
    """
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise CalibrationError(
            "without --calib, INT8 is calibrated with the photographs in scikit-image, which is "
            'not installed: give --calib with images of your own, or pip install "qatm[demo]"'
        )
    folder = Path(spec.origin).parent / "data"
    files = [folder / name for name in PHOTOGRAPHS if (folder / name).is_file()]
    if len(files) < len(PHOTOGRAPHS) // 2:
        raise CalibrationError(
            f"{folder} carries {len(files)} of the {len(PHOTOGRAPHS)} photographs of the default "
            "set; give --calib with images of your own"
        )
    return files
