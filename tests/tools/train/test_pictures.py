"""The pictures to train on, and the views made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from qatm.runtime import InputError
from qatm.runtime.align.spline import grid_points
from qatm.tools.train.pictures import MAX_SIDE, open_images, texture
from qatm.tools.train.warps import SIDE, make_views, random_map, transfer


def write(folder: Path, *pictures: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


def test_a_folder_and_what_is_wrong_with_it(tmp_path):
    folder = write(tmp_path / "deep" / "er", *(texture(seed, 80) for seed in range(4)))
    write(tmp_path / "small", texture(9, 40))
    write(tmp_path / "flat", np.full((90, 90, 3), 7, np.uint8))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    images = open_images(tmp_path)
    assert len(images) == 4
    reasons = " ".join(images.skipped.values())
    for words in ("40x40 px", "of one colour", "broken.jpg"):
        assert words in reasons
    np.testing.assert_array_equal(images[2], texture(2, 80))
    assert open_images(tmp_path).digest == images.digest
    write(folder, texture(99, 80))
    assert open_images(tmp_path).digest != images.digest


def test_useless_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        open_images(tmp_path / "missing")
    with pytest.raises(InputError, match="holds no picture"):
        open_images(tmp_path)
    write(tmp_path, texture(0, 80), np.zeros((90, 90, 3), np.uint8))
    with pytest.raises(InputError, match=r"1 usable pictures out of 2.*of one colour"):
        open_images(tmp_path)


def test_the_default_pictures():
    images = open_images(None)
    assert not images.skipped
    assert "chelsea.png" in images.names
    assert "texture 0" in images.names
    assert not {"coins.png", "ihc.png", "motorcycle_left.png"} & set(images.names)
    assert max(max(images[i].shape) for i in range(len(images))) <= MAX_SIDE


class Textures(Sequence[np.ndarray]):
    """Two textures."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        return texture(index)


def test_maps_have_their_inverses():
    rng = np.random.default_rng(0)
    points = grid_points(5, 5) * 0.6 + 0.2
    for _ in range(5):
        to_scene = random_map(rng)
        back, sure = to_scene.inverse(to_scene(points))
        assert sure.mean() > 0.9
        assert np.abs(back - points)[sure].max() < 0.01
    same = random_map(rng, 0.0)
    np.testing.assert_allclose(same(points), points, atol=1e-6)


def test_views_show_the_same_things_where_they_say_so():
    cells = grid_points(16, 16) * 0.9 + 0.05
    agreement = []
    for seed in range(6):
        first, second = make_views(Textures(), np.random.default_rng(seed), 2)
        again = make_views(Textures(), np.random.default_rng(seed), 2)[1]
        np.testing.assert_array_equal(second.image, again.image)
        placed, known = transfer(first, second, cells)
        if known.sum() < 20:
            continue
        assert ((placed[known] >= 0) & (placed[known] < 1)).all()
        grey = [cv2.cvtColor(view.image, cv2.COLOR_BGR2GRAY) for view in (first, second)]
        values = [
            cv2.blur(picture, (5, 5))[tuple((at[known] * SIDE).astype(int).T[::-1])]
            for picture, at in zip(grey, (cells, placed), strict=True)
        ]
        agreement.append(abs(np.asarray(np.corrcoef(np.stack(values)))[0, 1]))
    assert np.median(agreement) > 0.5
