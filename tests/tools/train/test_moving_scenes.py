"""Clips of objects that move: their boxes are true, and all follows from the seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cut_out_files import write_cut_outs

from qatm.runtime import InputError
from qatm.tools.train.cut_outs import SIDE, open_cut_outs
from qatm.tools.train.moving_objects import (
    CANVAS,
    MovingObject,
    ObjectPose,
    Pictures,
    in_light,
    random_part,
)
from qatm.tools.train.moving_poses import HEIGHT, WIDTH
from qatm.tools.train.moving_scenes import (
    QUERIES,
    make_clip,
    mask_box,
    paste,
    to_frame,
)
from qatm.tools.train.pictures import texture

STILL = ObjectPose(0.0, 0.0, 0.0, 0.0, 0.0, np.zeros(2), (WIDTH / 2, HEIGHT / 2), (0.0, 0.0))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    folder = write_cut_outs(tmp_path_factory.mktemp("objects"))
    return Pictures(open_cut_outs(folder), [texture(seed, 200) for seed in range(3)])


def test_cut_outs_are_read_in_order_and_squared(tmp_path: Path) -> None:
    write_cut_outs(tmp_path, 2)
    tall = np.full((200, 100, 4), 255, np.uint8)
    cv2.imwrite(str(tmp_path / "aaa.png"), tall)
    cv2.imwrite(str(tmp_path / "plain.png"), texture(0))
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((50, 50, 4), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    found = open_cut_outs(tmp_path)
    assert [file.name for file in found.files] == ["0.png", "1.png", "aaa.png"]
    assert sorted(Path(name).name for name in found.skipped) == [
        "broken.png",
        "empty.png",
        "plain.png",
    ]
    colours, alpha = found[2]
    assert colours.shape == (SIDE, SIDE, 3)
    assert alpha.max() == 1.0
    columns = np.flatnonzero(alpha[SIDE // 2] > 0.5)
    assert (columns[0], columns[-1]) == pytest.approx((SIDE / 4, 3 * SIDE / 4 - 1), abs=1)
    np.testing.assert_array_equal(found[3].alpha, found[0].alpha)
    assert found.digest == open_cut_outs(tmp_path).digest


@pytest.mark.parametrize("kind", ["missing", "empty", "plain"])
def test_folders_without_cut_outs_are_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "objects"
    if kind != "missing":
        folder.mkdir()
    if kind == "plain":
        cv2.imwrite(str(folder / "plain.png"), texture(0))
    words = "is no folder" if kind == "missing" else "holds no picture with an alpha channel"
    with pytest.raises(InputError, match=words):
        open_cut_outs(folder)


@pytest.mark.parametrize("seed", range(8))
def test_the_box_is_that_of_what_is_drawn(pictures: Pictures, seed: int) -> None:
    thing = MovingObject(pictures, np.random.default_rng(seed))
    pose = replace(STILL, yaw=0.4, pitch=0.2, turn=0.3, zoom=0.2, slant=np.array([2e-4, -3e-4]))
    drawn = thing.draw(pose)
    warp = to_frame(pose, 0.35, thing.stretch)
    box = mask_box(drawn.alpha, warp)
    assert box is not None
    share = paste(np.zeros((HEIGHT, WIDTH, 3), np.float32), drawn, warp)
    rows, columns = np.nonzero(share > 0.5)
    edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(box, edges, atol=1.6)


def test_a_box_grows_and_moves_with_its_pose(pictures: Pictures) -> None:
    thing = MovingObject(pictures, np.random.default_rng(3))
    alpha = thing.draw(STILL).alpha
    moved = replace(STILL, middle=(WIDTH / 2 + 7, HEIGHT / 2 - 5), zoom=np.log(1.5))
    one, other = (mask_box(alpha, to_frame(pose, 0.3, 1.0)) for pose in (STILL, moved))
    assert one is not None
    assert other is not None
    middle = np.array([WIDTH / 2, HEIGHT / 2] * 2)
    np.testing.assert_allclose(other - [7, -5, 7, -5] - middle, 1.5 * (one - middle), atol=1e-3)
    assert mask_box(np.zeros((CANVAS, CANVAS)), np.eye(3)) is None


def test_clips_follow_from_the_seed(pictures: Pictures) -> None:
    one, again, other = (make_clip(pictures, np.random.default_rng(s)) for s in (1, 1, 2))
    assert one is not None
    assert again is not None
    assert other is not None
    assert len(one) == 2 + QUERIES
    for a, b, c in zip(one, again, other, strict=True):
        assert a.image.shape == (HEIGHT, WIDTH, 3)
        assert a.image.dtype == np.uint8
        np.testing.assert_array_equal(a.image, b.image)
        assert a.box == b.box
        assert a.box != c.box
        assert min(a.box.w, a.box.h) > 0


def test_boxes_of_pieces_follow_from_the_seed(pictures: Pictures) -> None:
    clips = (make_clip(pictures, np.random.default_rng(seed), piece=True) for seed in range(4))
    again = (make_clip(pictures, np.random.default_rng(seed), piece=True) for seed in range(4))
    for one, other in zip(clips, again, strict=True):
        assert one is not None
        assert other is not None
        assert [view.box for view in one] == [view.box for view in other]
        assert all(min(view.box.w, view.box.h) > 0 for view in one)


def test_an_object_looks_the_same_in_the_same_pose(pictures: Pictures) -> None:
    for seed in range(4):
        thing = MovingObject(pictures, np.random.default_rng(seed))
        first, again = thing.draw(STILL), thing.draw(STILL)
        np.testing.assert_array_equal(first.colours, again.colours)
        turned = thing.draw(replace(STILL, yaw=0.8))
        assert np.abs(turned.colours - first.colours)[first.alpha > 0.5].mean() > 1


def test_parts_of_photographs_and_lights() -> None:
    random: Any = np.random.default_rng(0)
    for width, height in ((64, 32), (400, 300)):
        assert random_part([texture(1, 100)], random, width, height).shape == (height, width, 3)
    grey = np.full((4, 4, 3), 128.0, np.float32)
    lit = in_light(random, grey)
    assert np.ptp(lit, axis=(0, 1)).max() == 0
    assert np.abs(lit - 128).max() < 70
