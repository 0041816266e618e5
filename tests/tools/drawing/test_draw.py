from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qatm.runtime import Box, ImageError, InputError, Match, read_image
from qatm.runtime.drawing.draw_matches import draw_matches, draw_quality
from qatm.runtime.drawing.labels import FOUND_COLOUR, MISSED_COLOUR
from qatm.tools.drawing.draw import (
    PAPER,
    Panel,
    cut,
    side_by_side,
)
from qatm.tools.drawing.saving import plan_pictures, save_picture


def found(*box, template=0, name=""):
    return Match(Box(*box), 0.93, True, template, name=name)


def missed(*box):
    return Match(Box(*box), 0.12, False)


def grey(height, width):
    return np.full((height, width, 3), 128, np.uint8)


def pixels_of(picture, colour):
    return np.argwhere((picture == colour).all(axis=2))


def test_box_is_drawn_on_a_copy_where_it_belongs():
    image = grey(400, 600)
    drawn = draw_matches(image, [found(300, 200, 120, 80)])
    assert (image == 128).all()
    rows, columns = pixels_of(drawn[198:], FOUND_COLOUR).T
    assert abs(columns.min() - 300) <= 2
    assert abs(columns.max() - 419) <= 2
    assert abs(rows.max() + 198 - 279) <= 2


def test_absent_object_is_drawn_differently():
    image = grey(400, 600)
    solid, dashed = (draw_matches(image, [m(300, 200, 120, 80)]) for m in (found, missed))
    assert not len(pixels_of(dashed, FOUND_COLOUR))
    assert (
        0 < len(pixels_of(dashed[250:], MISSED_COLOUR)) < len(pixels_of(solid[250:], FOUND_COLOUR))
    )


def test_several_templates_are_told_apart():
    matches = [found(50, 100, 90, 90), found(250, 100, 90, 90, template=1)]
    alone = draw_matches(grey(300, 400), matches[:1])
    both = draw_matches(grey(300, 400), matches)
    tags = [len(pixels_of(p[60:97, :200], FOUND_COLOUR)) for p in (alone, both)]
    assert tags[1] > tags[0] > 0, "the tag grows by the number of the template"
    named = [replace(match, name="a long name \N{SNOWMAN} and more") for match in matches]
    long = len(pixels_of(draw_matches(grey(300, 400), named)[60:97, :240], FOUND_COLOUR))
    assert long > tags[1], "and by its name"


def test_a_crowd_has_smaller_scores():
    crowd = [found(30 + 90 * (i % 6), 60 + 100 * (i // 6), 40, 40) for i in range(18)]
    few, many = (draw_matches(grey(400, 600), crowd[:n]) for n in (12, 18))
    tags = [len(pixels_of(p[28:58, 20:110], FOUND_COLOUR)) for p in (few, many)]
    assert tags[0] > 1.5 * tags[1] > 0


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (24, 16), (12, 3000), (3000, 12), (2500, 3000)])
@pytest.mark.parametrize("make", [found, missed])
def test_any_size_can_be_drawn(shape, make):
    height, width = shape
    box = (width * 0.4, -1.0, max(1.0, width * 0.2), height * 0.5 + 1)
    image = grey(height, width)
    assert draw_matches(image, [make(*box)]).shape == image.shape
    quality = np.zeros((max(1, height // 4), max(1, width // 4)), np.float32)
    picture = side_by_side(image, cut(image, box), quality, [make(*box)])
    assert picture.dtype == np.uint8
    assert max(picture.shape[:2]) < 3000, "huge images are shown smaller"
    assert min(picture.shape[:2]) > 150, "tiny images are shown larger"


def test_lines_grow_with_the_image():
    small = draw_matches(grey(480, 640), [found(200, 200, 100, 100)])
    large = draw_matches(grey(2400, 3200), [found(1000, 1000, 500, 500)])
    rows = (small[250:251], large[1250:1251])
    green = [len(pixels_of(row, FOUND_COLOUR)) for row in rows]
    assert green[1] >= 3 * green[0] > 0


def test_small_box_stays_visible_inside():
    image = grey(480, 640)
    drawn = draw_matches(image, [found(100, 100, 12, 12)])
    assert (drawn[103:109, 103:109] == 128).all()


@pytest.mark.parametrize(
    "bad", [np.full((4, 4, 3), np.nan), np.zeros((0, 4, 3), np.uint8), "picture"]
)
def test_unusable_image_is_named(bad):
    with pytest.raises(ImageError):
        draw_matches(bad, [])


def test_heat_has_a_fixed_scale():
    low = draw_quality(np.array([[0.0, 0.01]], np.float32))
    high = draw_quality(np.array([[0.01, 1.0]], np.float32))
    assert (low[0, 1] == high[0, 0]).all(), "the same quality has the same colour in every map"
    assert low[0, 0].max() < 10
    assert high[0, 1].max() > 160
    odd = draw_quality(np.array([[np.nan, -1.0, 2.0]], np.float32))
    assert (odd[0, 0] == low[0, 0]).all()
    assert (odd[0, 1] == low[0, 0]).all()
    assert (odd[0, 2] == high[0, 1]).all()


def test_the_three_pictures_are_side_by_side():
    image = np.full((200, 300, 3), (200, 0, 0), np.uint8)
    template = np.full((40, 40, 3), (0, 0, 200), np.uint8)
    quality = np.zeros((50, 75), np.float32)
    picture = side_by_side(image, template, quality, [], panel=Panel(300, 200))
    row = picture[picture.shape[0] // 2]
    order = [
        int(np.argwhere((row == colour).all(axis=1)).mean())
        for colour in ((0, 0, 200), (200, 0, 0))
    ]
    black = int(np.argwhere((row == draw_quality(quality)[0, 0]).all(axis=1)).mean())
    assert order[0] < order[1] < black
    assert (picture[-1] == PAPER).all()


def test_long_and_foreign_captions_are_no_problem():
    captions = ("näme " * 40, "画像.jpg", "")
    picture = side_by_side(
        grey(60, 80), grey(9, 9), np.zeros((4, 4), np.float32), [], captions=captions
    )
    assert picture.ndim == 3


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ((10.2, 5.7, 4.0, 3.0), (4, 5)),
        ((-5, -5, 10, 10), (5, 5)),
        ((95, 45, 50, 50), (5, 5)),
        ((200, 200, 5, 5), (1, 1)),
        ((3, 3, 0.1, 0.1), (1, 1)),
    ],
)
def test_cut_keeps_what_is_inside(box, shape):
    assert cut(grey(50, 100), box).shape[:2] == shape


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG"])
def test_pictures_are_saved_whole(tmp_path, name):
    save_picture(tmp_path / name, grey(8, 9))
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert read_image(tmp_path / name).shape == (8, 9, 3)


def test_failed_save_leaves_nothing(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OSError, match="cannot be written"):
        save_picture(tmp_path / "a.png", grey(8, 9))
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(ImageError, match="70000x1 px does not fit"):
        save_picture(tmp_path / "b.jpg", grey(1, 70000))
    with pytest.raises(InputError, match=r"must end in \.png"):
        save_picture(tmp_path / "b.gif", grey(8, 9))
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_pictures_of_several_images_have_names_of_their_own(tmp_path):
    files = [tmp_path / "a" / "one.jpg", tmp_path / "b" / "ONE.png", tmp_path / "two.png"]
    folder = tmp_path / "out" / "deep"
    names = [path.name for path in plan_pictures(folder, files, []) if path]
    assert names == ["one-match.png", "ONE-match-2.png", "two-match.png"]
    assert folder.is_dir()
    assert plan_pictures(None, files, []) == [None] * 3
