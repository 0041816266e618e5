"""The files that the pages' commands and programs name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from qatm.runtime import VideoWriter

Image = NDArray[np.uint8]

TURN = cv2.getRotationMatrix2D((152, 112), 70.0, 1.3)
"""How ``turned.jpg`` shows the cat: turned about its eye, and nearer."""

PLACES = {
    "eye": ((30, 20), (170, 40), (310, 25), (95, 190), (400, 180)),
    "badge": ((240, 130), (20, 280)),
}
"""Where ``sheet.png`` has its copies: their top left corners."""


def write_cat_video(path: Path, cat: Image) -> None:
    """A camera that moves a little over a photograph."""
    with VideoWriter(path, 25.0) as video:
        for step in range(6):
            video.write(cat[step : step + 280, step : step + 440].copy())


def write_guide_files(folder: Path, photographs: Mapping[str, Image]) -> None:
    """Everything that a page takes for given."""
    cat, coffee = photographs["chelsea"], photographs["coffee"]
    turned = cv2.warpAffine(cat, TURN, (451, 300), borderMode=cv2.BORDER_REFLECT)
    pieces = {"eye": cat[80:144, 120:184], "badge": photographs["astronaut"][344:426, 132:212]}
    sheet = np.asarray(coffee[:380, :500] // 2, np.uint8)
    for name, piece in pieces.items():
        for x, y in PLACES[name]:
            sheet[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
    pictures = {
        "first.jpg": cat,
        "scene.jpg": cat[4:, 6:],
        "turned.jpg": turned,
        "sheet.png": sheet,
        "photos/chelsea.jpg": cat,
        "photos/coffee.jpg": coffee,
        **{f"{name}.png": piece for name, piece in pieces.items()},
    }
    (folder / "photos").mkdir()
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), picture)
    write_cat_video(folder / "video.mp4", cat)
