"""``qatm verify`` and ``qatm eval verify``, and the panoramas that the evaluation makes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from qatm.model.verification_net import VerificationNet
from qatm.runtime import InputError
from qatm.runtime.bundle.folder import default_align_path
from qatm.tools.cli import app
from qatm.tools.evaluation.verify.panoramas import Turns, find_turns, render
from qatm.tools.evaluation.verify.place_pairs import read_queries
from qatm.tools.evaluation.verify.place_runs import read_names
from qatm.tools.train.checkpoints import write_checkpoint

SIZE = (150, 110)
FOCAL = 160.0
YAWS = (-0.62, -0.3, 0.0, 0.27, 0.6)


def qatm(*args: object) -> Any:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def refused(result: Any, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def half(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def yaw(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def shoot(world: np.ndarray) -> list[np.ndarray]:
    """Return photos that a turning camera takes of a picture, which hangs far away."""
    intrinsic = np.array([[FOCAL, 0, (SIZE[0] - 1) / 2], [0, FOCAL, (SIZE[1] - 1) / 2], [0, 0, 1]])
    height, width = world.shape[:2]
    plane = np.array([[FOCAL, 0, (width - 1) / 2], [0, FOCAL, (height - 1) / 2], [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return [
        cv2.warpPerspective(world, plane @ yaw(angle) @ np.linalg.inv(intrinsic), SIZE, flags=flags)
        for angle in YAWS
    ]


@pytest.fixture(scope="module")
def photos(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    parts = [half(photographs[name])[:200] for name in ("motorcycle_left", "coffee")]
    wide = np.hstack([parts[0], parts[1][:, :300]])
    return shoot(cv2.resize(wide, (620, 260), interpolation=cv2.INTER_AREA))


@pytest.fixture(scope="module")
def turns(photos: list[np.ndarray]) -> Turns:
    return find_turns(photos)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, photographs: dict[str, np.ndarray]) -> Path:
    """Return a folder with two homography pairs and a scene that is none."""
    folder = tmp_path_factory.mktemp("places")
    pairs = folder / "homography"
    pairs.mkdir()
    for name, model in (
        ("chelsea", [[1.5, 0.1, -14], [-0.05, 1.4, -6], [0.0005, 0, 1]]),
        ("rocket", [[0.9, 0, 10], [0.05, 0.95, 4], [0, 0.0003, 1]]),
    ):
        picture = cv2.resize(photographs[name], (112, 84), interpolation=cv2.INTER_AREA)
        matrix = np.array(model)
        other = cv2.warpPerspective(
            picture, matrix, (112, 84), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        cv2.imwrite(str(pairs / f"{name}A.png"), picture)
        cv2.imwrite(str(pairs / f"{name}B.png"), other)
        np.savetxt(pairs / f"{name}_model.txt", matrix)
    lonely = folder / "panoramas" / "lonely"
    lonely.mkdir(parents=True)
    cv2.imwrite(str(lonely / "only.png"), picture)
    return folder


# --- panoramas


def test_turns_of_the_camera_are_recovered(turns: Turns) -> None:
    assert sorted(turns.rotations) == list(range(len(YAWS)))
    assert turns.focals == pytest.approx([FOCAL] * 5, rel=0.08)
    ahead = [turns.rotations[k][:, 2] for k in range(len(YAWS))]
    angles = np.arctan2([a[0] for a in ahead], [a[2] for a in ahead])
    np.testing.assert_allclose(np.diff(angles), np.diff(YAWS), atol=0.02)
    assert max(abs(a[1]) for a in ahead) < 0.02


def test_a_photo_is_placed_where_the_panorama_shows_it(
    photos: list[np.ndarray], turns: Turns
) -> None:
    full = render(photos, turns, range(len(photos)))
    part = render(photos, turns, [0, 2, 4])

    mask = full.place(turns, 1)

    assert full.valid.mean() > 0.7
    columns = np.flatnonzero(mask.any(0))
    middle = (YAWS[1] - full.corner[0]) * full.focal
    offset = np.arctan2(turns.rotations[2][0, 2], turns.rotations[2][2, 2]) - YAWS[2]
    assert columns.mean() == pytest.approx(middle + offset * full.focal, abs=4)
    assert 0.8 < mask.sum() / (SIZE[0] * SIZE[1]) < 1.1
    assert part.image.shape == full.image.shape


def test_a_photo_of_another_zoom_setting_is_placed_too(photos: list[np.ndarray]) -> None:
    middle = photos[2][25:85, 35:115]
    closer = cv2.resize(middle, SIZE, interpolation=cv2.INTER_CUBIC)
    turns = find_turns([*photos, np.asarray(closer, np.uint8)])

    assert 5 in turns.rotations
    assert turns.focals[5] / turns.focals[2] == pytest.approx(SIZE[0] / 80, rel=0.08)
    np.testing.assert_allclose(turns.rotations[5], turns.rotations[2], atol=0.02)


def test_photos_that_share_nothing_make_no_panorama(photographs: dict[str, np.ndarray]) -> None:
    alone = [
        np.asarray(cv2.resize(photographs[name], SIZE), np.uint8) for name in ("coffee", "chelsea")
    ]
    with pytest.raises(InputError, match="no two of the photos overlap"):
        find_turns(alone)
    with pytest.raises(InputError, match="different sizes"):
        find_turns([alone[0], alone[1][:90]])


# --- qatm verify


def test_verify_answers_with_status_json_and_picture(places: Path, tmp_path: Path) -> None:
    pairs = places / "homography"
    picture = tmp_path / "shown.png"

    same = qatm(
        "verify", pairs / "chelseaB.png", pairs / "chelseaA.png", "--json", "--save", picture
    )
    other = qatm("verify", pairs / "rocketB.png", pairs / "chelseaA.png")

    assert same.exit_code == 0, same.output
    line: dict[str, Any] = json.loads(same.stdout)
    assert set(line) == {"query", "reference", "same_place", "score", "box", "calibrated", "ms"}
    assert line["same_place"] is True
    assert line["score"] > 0.5
    assert len(line["box"]) == 4
    assert cv2.imread(str(picture)) is not None
    assert other.exit_code == 1, other.output
    assert "not the same place" in other.stdout


def test_verify_goes_through_a_folder(places: Path, tmp_path: Path) -> None:
    pairs = places / "homography"
    folder = tmp_path / "queries"
    folder.mkdir()
    flat = np.full((60, 80, 3), 40, np.uint8)
    cv2.imwrite(str(folder / "a.png"), flat)
    cv2.imwrite(str(folder / "b.png"), flat[:20])

    result = qatm("verify", folder, pairs / "chelseaA.png", "--json", "--save", tmp_path / "out")

    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert (answer["same_place"], answer["score"], answer["box"]) == (False, 0.0, None)
    assert "b.png: query is 80x20 px" in result.stderr
    assert (tmp_path / "out" / "a-match.png").is_file()


def test_verify_refuses_what_it_cannot_use(places: Path, tmp_path: Path) -> None:
    picture = places / "homography" / "chelseaA.png"

    refused(qatm("verify", tmp_path / "none.png", picture), "does not exist")
    refused(qatm("verify", picture, tmp_path / "none.png"), "does not exist")
    refused(qatm("verify", picture, picture, "--min-score", "1.5"), "--min-score")
    refused(qatm("verify", picture, picture, "--save", picture), "overwrite an input")
    network = ("--decide", "network", "--model", default_align_path())
    refused(qatm("verify", picture, picture, *network), "has a network for 'align'")


# --- qatm eval verify


def test_numbered_pairs_are_one_place(places: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        for part in ("A.png", "B.png", "_model.txt"):
            source = places / "homography" / f"chelsea{part}"
            (tmp_path / f"cat{number}{part}").write_bytes(source.read_bytes())
    with pytest.raises(InputError, match="one place only"):
        read_queries(tmp_path, 1, 0)


def test_cases_have_both_directions_and_other_places(places: Path) -> None:
    found = read_queries(places, others=2, seed=0)

    assert len(found.queries) == 4 + 4 * 2
    assert found.problems == ["lonely: 1 photos; a scene needs at least 4"]
    there, back = found.queries[:2]
    assert (there.name, there.reference.name) == ("chelseaB", "chelseaA")
    assert (back.name, back.reference.name) == ("chelseaA", "chelseaB")
    strangers = [case for case in found.queries if not case.same]
    assert all(case.group != case.reference.group for case in strangers)
    # B shows more than A.
    assert there.truth is not None
    assert there.truth.mean() > 0.95
    assert back.truth is not None
    assert 0.3 < back.truth.mean() < 0.8


def test_a_scene_is_queried_with_the_photos_it_is_not_made_of(
    tmp_path: Path, photos: list[np.ndarray], places: Path
) -> None:
    scene = tmp_path / "panoramas" / "street"
    scene.mkdir(parents=True)
    for k, photo in enumerate(photos):
        cv2.imwrite(str(scene / f"{k}.png"), photo)
    (tmp_path / "homography").symlink_to(places / "homography")

    cases = [case for case in read_queries(tmp_path, 1, 0).queries if case.group == "street"]
    own = [case for case in cases if case.same]

    assert {(case.reference.name, case.name) for case in own} >= {
        ("street-0", "1.png"),
        ("street-0", "3.png"),
        ("street-1", "2.png"),
    }
    assert all(case.truth is not None and case.truth.any() for case in own)


def test_eval_prints_a_line_for_each_method_and_saves_the_cases(
    places: Path, tmp_path: Path
) -> None:
    table = tmp_path / "cases.csv"
    result = qatm(
        *("eval", "verify", places / "homography", "--method", "qatm,sift"),
        *("--others", "1", "--processes", "1", "--json", "--save", table),
    )

    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["method"] for line in lines] == ["qatm", "sift"]
    assert (lines[0]["positives"], lines[0]["negatives"]) == (4, 4)
    assert lines[0]["roc_auc"] == 1.0
    assert lines[0]["region_iou"] > 0.85
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    assert {row["method"] for row in rows} == {"qatm", "sift"}
    assert sum(row["iou"] == "" for row in rows) == 8


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training that only made its first weights."""
    folder = tmp_path_factory.mktemp("network")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = VerificationNet("correlation").state_dict()
    write_checkpoint(folder, "verify", 1, {"matching": "correlation"}, weights, {})
    return folder


def test_eval_compares_trained_networks(places: Path, network: Path) -> None:
    result = qatm(
        *("eval", "verify", places / "homography", "--network", network, "--network", network),
        *("--others", "1", "--processes", "1", "--json"),
    )

    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["method"] for line in lines] == ["network-correlation", "network-correlation-2"]
    assert lines[0]["roc_auc"] == lines[1]["roc_auc"]
    assert 0 <= lines[0]["region_iou"] <= 1
    assert (lines[0]["positives"], lines[0]["negatives"]) == (4, 4)


def test_eval_refuses_networks_that_are_not_there(places: Path, tmp_path: Path) -> None:
    refused(qatm("eval", "verify", places, "--network", tmp_path), "no checkpoint")
    pairs = places / "homography"
    other = ("--method", "network", "--processes", "1", "--model", default_align_path())
    refused(qatm("eval", "verify", pairs, *other), "has a network for 'align'")


def test_eval_refuses_wrong_usage_before_any_work(places: Path, tmp_path: Path) -> None:
    refused(qatm("eval", "verify", tmp_path), "no usable place")
    refused(qatm("eval", "verify", tmp_path / "none"), "not a folder")
    refused(qatm("eval", "verify", places, "--method", "magic"), "magic", "choose from")
    refused(qatm("eval", "verify", places, "--save", tmp_path / "x.txt"), ".csv")
    assert read_names(["all"]) == ("qatm", "correlation", "cosine", "sift", "orb")
    with pytest.raises(InputError, match="no method"):
        read_names([" "])
