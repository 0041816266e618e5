"""The commands on pictures of more than 8 bits: what they find, and what they say of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from moving_scene import moving
from thermal import BOX, counts, grey, truth
from typer.testing import CliRunner

from qatm.runtime import Box, InputError, box_iou, read_image, read_tracks
from qatm.tools.cli import app
from qatm.tools.shown_files import parse_limits

MARK = ",".join(map(str, BOX))
NOTE = r"note: {} holds {}: values ([-.\d]+) to ([-.\d]+) are shown as black to white"


def qatm(*args: object) -> Any:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def noted(line: str, file: str, kind: str = "uint16") -> tuple[float, float]:
    """The values that a line on stderr names."""
    found = re.fullmatch(NOTE.format(re.escape(file), kind), line)
    assert found is not None, line
    return float(found[1]), float(found[2])


@pytest.fixture(scope="module")
def thermal(tmp_path_factory: pytest.TempPathFactory, photographs: dict[str, np.ndarray]) -> Path:
    """A frame and a scene that span 4 K, a warmer scene in Celsius, and one of 8 bits."""
    folder = tmp_path_factory.mktemp("thermal")
    frame, scene = (grey(photographs["chelsea"], moved) for moved in (False, True))
    warm = counts(scene, 29800, 30200, 2).astype(np.float32) / 100
    pictures = {
        "frame.png": counts(frame, 29500, 29900),
        "scene.png": counts(scene, 29500, 29900, 1),
        "warm.tif": np.where(scene > 250, np.nan, warm - 273.15).astype(np.float32),
        "plain.png": scene.astype(np.uint8),
    }
    for name, picture in pictures.items():
        assert cv2.imwrite(str(folder / name), picture)
    return folder


def test_match_finds_what_spans_a_few_kelvin_and_says_how(thermal: Path) -> None:
    frame, scene = thermal / "frame.png", thermal / "scene.png"
    result = qatm("match", scene, "--frame", frame, "--box", MARK, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert box_iou(Box(*record["matches"][0]["box"]), truth()) > 0.9
    first, second = result.stderr.splitlines()
    assert noted(first, str(frame)) == pytest.approx((29510, 29800), abs=25)
    assert noted(second, str(scene)) == pytest.approx(record["value_range"])
    assert result.output.count("note:") == 2


def test_match_takes_other_types_beside_each_other(thermal: Path, tmp_path: Path) -> None:
    images = [thermal / name for name in ("scene.png", "warm.tif", "plain.png")]
    saved = tmp_path / "out"
    result = qatm(
        "match", *images, "--frame", images[0].with_name("frame.png"), "--box", MARK, "--json",
        "--save", saved,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in result.stdout.splitlines()]
    for record in records:
        assert record["found"]
        assert box_iou(Box(*record["matches"][0]["box"]), truth()) > 0.9
    assert ["value_range" in record for record in records] == [True, True, False]
    low, high = noted(result.stderr.splitlines()[2], str(images[1]), "float32")
    assert 20 < low < high < 35
    assert all(read_image(file).std() > 20 for file in saved.iterdir())


def test_match_keeps_to_a_named_range(thermal: Path) -> None:
    arguments = ["match", thermal / "scene.png", "--frame", thermal / "frame.png", "--box", MARK]
    result = qatm(*arguments, "--json", "--value-range", "29000,30500")
    assert json.loads(result.stdout)["value_range"] == [29000, 30500]
    assert json.loads(result.stdout)["found"]
    for line, name in zip(result.stderr.splitlines(), ("frame", "scene"), strict=True):
        assert noted(line, str(thermal / f"{name}.png")) == (29000, 30500)
    for text in ("29000", "1,b", "2,1", "nan,3", "1,2,3"):
        result = qatm(*arguments, "--value-range", text)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("error: --value-range")


def test_8_bits_are_not_mentioned(thermal: Path) -> None:
    plain = thermal / "plain.png"
    result = qatm("match", plain, "--frame", plain, "--box", MARK, "--value-range", "0,9")
    assert result.exit_code == 0
    assert result.stderr == ""


def test_align_says_how_it_shows_both(thermal: Path, tmp_path: Path) -> None:
    frame, warm = thermal / "frame.png", thermal / "warm.tif"
    saved = tmp_path / "bent.png"
    result = qatm("align", frame, warm, "--json", "--save", saved)
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert noted(result.stderr.splitlines()[0], str(frame)) == tuple(record["source_value_range"])
    low, high = noted(result.stderr.splitlines()[1], str(warm), "float32")
    assert (low, high) == pytest.approx(record["target_value_range"], rel=1e-5)
    assert read_image(saved).std() > 20


def test_verify_says_how_it_shows_them(thermal: Path) -> None:
    query, reference = thermal / "scene.png", thermal / "frame.png"
    result = qatm("verify", query, reference, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert noted(result.stderr.splitlines()[0], str(reference))[0] > 29000
    assert noted(result.stderr.splitlines()[1], str(query)) == tuple(record["value_range"])
    result = qatm("verify", query, reference, "--json", "--value-range", "29000,30000")
    assert json.loads(result.stdout)["value_range"] == [29000, 30000]


def test_track_says_how_it_shows_the_first_frame(
    tmp_path: Path, photographs: dict[str, np.ndarray]
) -> None:
    shots = moving(photographs, 4)
    for number, (image, _) in enumerate(shots):
        cv2.imwrite(str(tmp_path / f"{number}.png"), counts(image.mean(2), 29500, 29900, number))
    out = tmp_path / "tracks.jsonl"
    mark = ",".join(f"{value:g}" for value in shots[0][1])
    result = qatm("track", tmp_path, "--box", mark, "--json", out, "--save", tmp_path / "out.avi")
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert noted(line, f"first frame of {tmp_path}") == pytest.approx((29500, 29900), abs=30)
    for record, (_, box) in zip(read_tracks(out), shots, strict=True):
        assert box_iou(record.box, box) > 0.8
    result = qatm("track", tmp_path, "--box", mark, "--value-range", "29000,31000")
    assert noted(result.stderr.splitlines()[0], f"first frame of {tmp_path}") == (29000, 31000)


def test_limits_are_two_numbers() -> None:
    assert parse_limits(None) is None
    assert parse_limits("-20,40.5") == (-20, 40.5)
    with pytest.raises(InputError, match=r"--range '5' is not LOW,HIGH"):
        parse_limits("5", "--range")
