"""Folders of small pictures with an alpha channel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from qatm.tools.train.pictures import texture


def write_cut_outs(folder: Path, count: int = 3, side: int = 96) -> Path:
    """Write discs of textures, cut out."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        alpha = np.zeros((side, side), np.uint8)
        cv2.circle(alpha, (side // 2, side // 2), side // 3 + number, (255,), -1, cv2.LINE_AA)
        picture = cv2.resize(texture(number), (side, side))
        cv2.imwrite(str(folder / f"{number}.png"), np.dstack([picture, alpha]))
    return folder
