"""What the tests of the evaluation of trackers share."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from drawn_sequences import Correlation, write_sequence


@pytest.fixture
def kcf(monkeypatch) -> str:
    """The name of a tracker that the smaller OpenCV lacks, and that is quick here."""
    monkeypatch.setattr(cv2, "TrackerKCF_create", Correlation, raising=False)
    return "kcf"


@pytest.fixture
def two(tmp_path, photographs) -> Path:
    """Two tiny sequences, with different separators."""
    small = {name: cv2.resize(photographs[name], (160, 120)) for name in ("coffee", "rocket")}
    eye = cv2.resize(photographs["chelsea"][60:160, 130:230], (32, 24))
    wheel = cv2.resize(photographs["motorcycle_left"][250:400, 100:250], (28, 28))
    folder = tmp_path / "sequences"
    write_sequence(folder / "cup", small["coffee"], eye)
    write_sequence(folder / "launch", small["rocket"], wheel, frames=9, separator="\t")
    (folder / "README.md").write_text("not a sequence")
    return folder
