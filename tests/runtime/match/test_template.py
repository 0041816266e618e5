"""Templates: kept, saved, loaded, masked, and cut where the box says, to a fraction of a pixel."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from qatm.runtime import (
    BoxError,
    Bundle,
    ImageError,
    Match,
    Matcher,
    Template,
    TemplateError,
    box_iou,
)
from qatm.runtime.boxes import Box
from qatm.runtime.bundle.match_recipe import MatchRecipe
from qatm.runtime.match.template import working_scale
from qatm.runtime.patches.grid import ScaledMask, cut_grid
from qatm.runtime.patches.taps import DenseCells

Images = dict[str, np.ndarray]
POOL = MatchRecipe().coarse_pool
EYE = (180.0, 60.0, 90.0, 90.0)


def only(matcher: Matcher, image: np.ndarray, template: Template) -> Match:
    return matcher.match(image, templates=[template])[0]


@pytest.fixture(scope="module")
def face(matcher: Matcher, photographs: Images) -> Template:
    return matcher.encode_template(photographs["astronaut"], EYE, name="eye")


@pytest.mark.parametrize("mask", [None, np.arange(90 * 90).reshape(90, 90) % 7 > 0])
def test_a_loaded_template_gives_the_same_match(
    matcher: Matcher, photographs: Images, tmp_path: Path, mask: np.ndarray | None
) -> None:
    image = photographs["astronaut"]
    template = matcher.encode_template(image, EYE, mask, name="Ünïcode name")
    path = template.save(tmp_path / "eye.template")
    assert path == tmp_path / "eye.template"
    assert os.listdir(tmp_path) == ["eye.template"]
    loaded = Template.load(path)
    fields = ("name", "size", "model", "inside", "flat")
    assert [getattr(loaded, f) for f in fields] == [getattr(template, f) for f in fields]
    assert only(matcher, image, loaded) == only(matcher, image, template)


def test_a_saved_template_can_be_read_by_whom_any_file_can(face: Template, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    assert face.save(tmp_path / "t.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_saving_replaces_the_file_or_leaves_it_alone(
    face: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.npz"
    path.write_text("old")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", full)
        with pytest.raises(OSError, match="No space"):
            face.save(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["t.npz"]
    face.save(path)
    assert Template.load(path).size == face.size


def test_a_damaged_file_is_refused(face: Template, tmp_path: Path) -> None:
    path = face.save(tmp_path / "t.npz")
    data = path.read_bytes()
    middle = len(data) // 2
    damaged = (
        b"",
        b"text",
        data[:middle],
        data[:-1],
        data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
    )
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(TemplateError, match=r"t\.npz cannot be read .*encode it again"):
            Template.load(path)
    with pytest.raises(TemplateError, match=r"gone\.npz does not exist"):
        Template.load(tmp_path / "gone.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(TemplateError, match=r"array\.npy cannot be read"):
        Template.load(tmp_path / "array.npy")
    np.savez(path, format=99)
    with pytest.raises(TemplateError, match="has format 99, expected 2"):
        Template.load(path)


@pytest.mark.parametrize("fraction", [0.25, 0.5, 0.75])
def test_the_found_box_moves_with_the_box_by_fractions(
    matcher: Matcher, photographs: Images, face: Template, fraction: float
) -> None:
    image = photographs["astronaut"]
    spec = matcher.bundle.spec.with_recipe({"size_rounds": 0})
    box = (EYE[0] + fraction, EYE[1] - fraction, EYE[2], EYE[3])
    with Matcher(Bundle(matcher.bundle.path, spec), threads=1) as exact:
        start = only(exact, image, face).box
        moved = only(exact, image, exact.encode_template(image, box)).box
    assert moved.x - start.x == pytest.approx(fraction, abs=0.1)
    assert moved.y - start.y == pytest.approx(-fraction, abs=0.1)


@pytest.mark.parametrize(
    "box", [(-30, 100, 80, 80), (-20, -20, 60, 60), (560, 350, 80, 80), (100.5, -25, 64, 64)]
)
def test_a_box_partly_outside_is_found_where_it_was(
    matcher: Matcher, photographs: Images, box: tuple[float, float, float, float]
) -> None:
    template = matcher.encode_template(photographs["coffee"], box)
    assert not template.inside
    match = only(matcher, photographs["coffee"], template)
    assert match.found
    assert match.box == pytest.approx(box, abs=1)


@pytest.mark.parametrize("side", [12, 16, 24])
def test_a_small_template(matcher: Matcher, photographs: Images, side: int) -> None:
    image = photographs["astronaut"][40:240, 100:360]
    box = (120, 66, side, side)
    match = only(matcher, image, matcher.encode_template(image, box))
    assert match.found
    assert match.box == pytest.approx(box, abs=1.5)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (300, 4), (4, 300)])
def test_slivers_are_at_least_answered(
    matcher: Matcher, photographs: Images, shape: tuple[int, int]
) -> None:
    image = photographs["coffee"][:128, :400] if shape[0] < 10 else photographs["coffee"]
    template = matcher.encode_template(image, (50, 60, shape[1], shape[0]))
    match = only(matcher, image, template)
    assert 0 <= match.score <= 1
    assert np.isfinite(match.box).all()


def test_a_crop_works_without_its_frame(matcher: Matcher, photographs: Images) -> None:
    image = photographs["astronaut"]
    x, y, w, h = (int(v) for v in EYE)
    template = matcher.encode_template(image[y : y + h, x : x + w])
    assert template.size == (w, h)
    match = only(matcher, image, template)
    assert match.found
    assert match.box == pytest.approx(EYE, abs=3)
    assert not only(matcher, photographs["coffee"], template).found


def test_a_mask_of_the_image_equals_one_of_the_box(matcher: Matcher, photographs: Images) -> None:
    image = photographs["astronaut"]
    x, y, w, h = (int(v) for v in EYE)
    part = np.zeros((h, w), bool)
    part[15:75, 30:80] = True
    whole = np.zeros(image.shape[:2], bool)
    whole[y : y + h, x : x + w] = part
    a, b = (matcher.encode_template(image, EYE, mask) for mask in (part, whole))
    assert only(matcher, image, a) == only(matcher, image, b)
    grid = a.levels[0].fine
    plain = matcher.encode_template(image, EYE).levels[0].fine
    assert grid.footprint.mean() == pytest.approx(part.mean(), abs=0.06)
    # Masked-out patches compete: every patch of the box still is a row.
    assert len(grid.rows) == len(plain.rows)
    assert int(grid.target.sum()) == int(grid.footprint.sum()) < len(plain.rows)


def test_a_mask_ignores_what_it_hides(matcher: Matcher, photographs: Images) -> None:
    """The object keeps its place when everything around it in the box has changed."""
    image = photographs["astronaut"]
    x, y, w, h = (int(v) for v in EYE)
    mask = np.zeros((h, w), bool)
    mask[20:70, 20:70] = True
    scene = photographs["coffee"].copy()
    scene[200:250, 300:350] = image[y + 20 : y + 70, x + 20 : x + 70]
    masked = only(matcher, scene, matcher.encode_template(image, EYE, mask))
    plain = only(matcher, scene, matcher.encode_template(image, EYE))
    assert masked.box == pytest.approx((280, 180, 90, 90), abs=3)
    assert plain.box != pytest.approx((280, 180, 90, 90), abs=9), "what is behind it misleads"


def same_grids(a: Template, b: Template) -> bool:
    """Whether two templates have equal patches, flags, footprints and offsets at all levels."""
    assert len(a.levels) == len(b.levels)
    pairs = [
        (getattr(one, kind), getattr(other, kind))
        for one, other in zip(a.levels, b.levels, strict=True)
        for kind in ("coarse", "fine")
    ]
    return all(
        np.array_equal(getattr(one, field), getattr(other, field))
        for one, other in pairs
        for field in ("rows", "target", "footprint", "offset")
    )


@pytest.mark.parametrize(
    "box",
    [
        (180, 60, 90, 90),
        (176, 64, 64, 48),
        (181.5, 63.25, 70.0, 64.5),
        (203.3, 111.7, 21.4, 19.2),
        (100.6, 95.1, 12.8, 33.3),
        (37.9, 22.2, 301.7, 280.4),
        (-30.4, 100.2, 80.9, 80.3),
        (440.7, 420.6, 100.3, 120.8),
        (250, 250, 0.4, 60),
        None,
    ],
)
def test_a_mask_that_hides_nothing_changes_nothing(
    matcher: Matcher, photographs: Images, box: tuple[float, float, float, float] | None
) -> None:
    image = photographs["astronaut"][:509, :505]
    plain = matcher.encode_template(image, box)
    masks: list[np.ndarray] = [np.ones(image.shape[:2], bool)]
    if box is not None:
        x, y, w, h = box
        masks.append(np.ones((max(1, round(h)), max(1, round(w))), bool))
        # Every pixel that the box touches, and nothing else.
        exact = np.zeros(image.shape[:2], bool)
        rows = slice(max(0, int(y)), int(np.ceil(y + h)))
        exact[rows, max(0, int(x)) : int(np.ceil(x + w))] = True
        masks.append(exact)
    listed: list[Any] = [mask.tolist() for mask in masks[:2]]
    for mask in [*masks, *listed]:
        masked = matcher.encode_template(image, box, mask)
        assert same_grids(masked, plain)
        assert masked.flat == plain.flat


def test_a_mask_that_hides_nothing_leaves_the_size_to_be_estimated(
    matcher: Matcher, photographs: Images
) -> None:
    image = photographs["astronaut"]
    scene = np.asarray(cv2.resize(image, None, fx=1.15, fy=1.15), np.uint8)
    box = (180.4, 60.3, 90.4, 90.2)
    found = [
        only(matcher, scene, matcher.encode_template(image, box, mask))
        for mask in (None, np.ones((90, 90), bool), np.ones(image.shape[:2], bool))
    ]
    assert found[0].box.w > 1.08 * box[2]
    assert found[1] == found[2] == found[0]


@pytest.mark.parametrize("scale", [(1.0, 1.0), (2.0, 2.0), (0.37, 0.41)])
def test_a_cell_is_masked_if_most_of_what_it_shows_of_the_box_is(
    scale: tuple[float, float],
) -> None:
    """Against a count of many small samples."""
    generator = np.random.default_rng(3)
    pixels = cv2.resize(generator.random((9, 11)), (150, 110), interpolation=cv2.INTER_CUBIC) > 0.5
    box = Box(31.3, 22.6, 71.4, 60.7).scaled(*scale)
    rows, columns = int(np.ceil(110 * scale[1] / 8)), int(np.ceil(150 * scale[0] / 8))
    features = generator.normal(size=(2, rows, columns)).astype(np.float32)
    grid = cut_grid(DenseCells(features), box, ScaledMask(pixels, scale), 8, 0, POOL)
    left, top = box.x - grid.offset[0], box.y - grid.offset[1]
    fine = (np.arange(200) + 0.5) / 200 * 8
    for row, column in np.ndindex(*grid.footprint.shape):
        y, x = top + row * 8 + fine, left + column * 8 + fine
        y = y[(y >= box.y) & (y < box.y + box.h)] / scale[1]
        x = x[(x >= box.x) & (x < box.x + box.w)] / scale[0]
        share = pixels[y.astype(int)[:, None], x.astype(int)].mean()
        if abs(share - 0.5) > 0.02:
            assert grid.footprint[row, column] == (share > 0.5), (row, column, share)
    assert 0 < grid.footprint.mean() < 1


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones((90, 90), np.uint8), "dtype uint8; give booleans"),
        (np.zeros((90, 90), bool), "false everywhere"),
        (np.ones((91, 90), bool), r"\(91, 90\); give \(512, 512\) \(image\) or \(90, 90\) \(box\)"),
        (np.ones((90, 90, 1), bool), r"shape \(90, 90, 1\)"),
        (np.eye(512, dtype=bool)[::-1] & (np.arange(512) > 500), "no patch left"),
    ],
)
def test_a_bad_mask_is_refused(
    matcher: Matcher, photographs: Images, mask: np.ndarray, words: str
) -> None:
    with pytest.raises(TemplateError, match=words):
        matcher.encode_template(photographs["astronaut"], EYE, mask)


@pytest.mark.parametrize(
    "box", [(-90, 0, 80, 80), (512, 0, 10, 10), (0, 0, 0, 10), (0, 0, -5, 10), (1, 2, 3), (9,) * 5]
)
def test_a_bad_box_is_refused(matcher: Matcher, photographs: Images, box: Any) -> None:
    with pytest.raises(BoxError, match=r"^box \("):
        matcher.encode_template(photographs["astronaut"], box)


def test_a_bad_image_is_refused(matcher: Matcher) -> None:
    with pytest.raises(ImageError, match="dtype bool"):
        matcher.encode_template(np.zeros((30, 30, 3), bool))


def test_grey_is_told_from_single_colour(matcher: Matcher) -> None:
    generator = np.random.default_rng(0)
    plain = np.full((60, 60, 3), (9, 99, 199), np.uint8)
    assert matcher.encode_template(plain).flat
    textured = plain.copy()
    textured[20:40, 20:40] = generator.integers(0, 256, (20, 20, 3))
    assert not matcher.encode_template(textured).flat
    assert matcher.encode_template(textured, (0, 0, 18, 18)).flat
    assert matcher.encode_template(textured, (-9, 41, 30, 30)).flat
    hidden = np.ones((60, 60), bool)
    hidden[18:42, 18:42] = False
    assert matcher.encode_template(textured, mask=hidden).flat


def test_a_very_large_frame_gives_nearly_the_same_template(
    matcher: Matcher, photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qatm.runtime.patches import encoder as features

    image = np.tile(photographs["coffee"], (2, 2, 1))
    box = (700.5, 500.0, 64, 64)
    whole = matcher.encode_template(image, box).levels[0].fine
    monkeypatch.setattr(features, "WHOLE", 0)
    recipe = replace(matcher.bundle.spec.recipes.match, frame_border=160)
    monkeypatch.setattr(matcher._templates, "recipe", recipe)
    near = matcher.encode_template(image, box).levels[0].fine
    assert near.rows.shape == whole.rows.shape
    a, b = near.rows - near.rows.mean(0), whole.rows - whole.rows.mean(0)
    similar = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    # The cut has another phase on the network's grid of 16 pixels.
    assert np.median(similar) > 0.9


def test_a_grid_is_cut_on_whole_cells() -> None:
    features = np.arange(2 * 6 * 8, dtype=np.float32).reshape(2, 6, 8)
    source = DenseCells(features)
    grid = cut_grid(source, Box(9, 6, 12, 8), None, 4, 0, POOL)
    assert np.array_equal(grid.footprint, np.ones((2, 3)))
    assert grid.offset in ((9 - 8, 6 - 8), (9 - 8, 6 - 4))
    top, left = (6 - grid.offset[1]) / 4, (9 - grid.offset[0]) / 4
    cells = features[:, int(top) : int(top) + 2, int(left) : int(left) + 3]
    assert np.array_equal(grid.rows, cells.reshape(2, -1).T)
    surrounded = cut_grid(source, Box(9, 6, 12, 8), None, 4, 10_000, POOL)
    assert len(surrounded.rows) == 48
    assert surrounded.target.sum() == 6
    assert np.array_equal(surrounded.own_rows, grid.rows)
    assert len(cut_grid(source, Box(9, 6, 12, 8), None, 4, 7, POOL).rows) == 13


@pytest.mark.parametrize("stride", [4, 8])
def test_the_window_is_centred_on_the_box(stride: int) -> None:
    features = DenseCells(np.zeros((2, 40, 40), np.float32))
    for x, y, w, h in np.random.default_rng(0).uniform(30, 60, (50, 4)):
        grid = cut_grid(features, Box(x, y, w, h), None, stride, 0, POOL)
        rows, columns = grid.footprint.shape
        assert (columns, rows) == (round(w / stride), round(h / stride))
        centre = (w / 2 + grid.offset[0], h / 2 + grid.offset[1])
        half = stride / 2 + 1e-9
        assert abs(centre[0] - columns * stride / 2) <= half
        assert abs(centre[1] - rows * stride / 2) <= half


def test_scales_bring_templates_to_a_useful_size() -> None:
    recipe = MatchRecipe()
    for side in (1, 5, 12, 31, 48, 64, 100, 200, 999, 4000):
        scale = working_scale(side, side, recipe)
        assert scale <= recipe.max_enlarge
        low, high = recipe.min_side / 2**0.25, recipe.max_side * 2**0.25
        assert scale == recipe.max_enlarge or low <= scale * side <= high
    assert working_scale(48, 48, recipe) == 1


def test_iou_of_the_template_with_itself(matcher: Matcher, photographs: Images) -> None:
    image = photographs["chelsea"]
    match = only(matcher, image, matcher.encode_template(image, (100, 60, 200.5, 150.25)))
    assert box_iou(match.box, (100, 60, 200.5, 150.25)) > 0.95
