"""``Aligner``: known warps come back, nothing wild comes out, bad input is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bundle_copies import with_recipe
from typer.testing import CliRunner

from qatm.runtime import Aligner, Alignment, Bundle, ImageError, InputError, read_image
from qatm.runtime.align.affine import PairScores, cosine_scores, fit_affine, pair_scores
from qatm.runtime.align.alignment import Parameters
from qatm.runtime.align.maps import IDENTITY, compose, invert, transform
from qatm.runtime.align.spline import fit_thin_plate, grid_points
from qatm.runtime.bundle.folder import default_align_path
from qatm.runtime.bundle.recipes import AlignRecipe

AFFINE = np.array([[0.82, 0.1, 30.0], [-0.08, 0.9, 12.0]])


@pytest.fixture(scope="module")
def aligner() -> Iterator[Aligner]:
    with Aligner(device="cpu", threads=1) as made:
        yield made


@pytest.fixture
def cat(photographs: dict[str, Any]) -> Any:
    return np.ascontiguousarray(photographs["chelsea"])


def inner_points(size: tuple[int, int]) -> Any:
    return grid_points(4, 4) * 0.5 * np.array(size) + 0.25 * np.array(size)


def errors(found: Any, true: Any) -> Any:
    return np.hypot(*(found - true).T)


# --- the fit


def test_an_affine_map_is_read_off_exact_matches() -> None:
    points = np.random.default_rng(0).uniform(0.1, 0.9, (40, 2))
    matrix = np.array([[0.8, 0.1, 0.1], [-0.1, 0.9, 0.05]])
    pairs = PairScores(np.eye(40), points, transform(matrix, points))
    fit = fit_affine(pairs, AlignRecipe())
    np.testing.assert_allclose(fit.matrix, matrix, atol=1e-6)
    assert fit.support == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(compose(fit.matrix, invert(fit.matrix)), IDENTITY, atol=1e-9)


@pytest.mark.parametrize("scales", [(100.0,), (0.01, 100.0)])
def test_scales_at_which_nothing_meets_fit_nothing(scales: tuple[float, ...]) -> None:
    points = grid_points(4, 4) * 0.5 + 0.25
    pairs = PairScores(np.eye(16), points, points)
    fit = fit_affine(pairs, AlignRecipe(scales=scales))
    assert np.isfinite(fit.matrix).all()
    assert 0 <= fit.support <= 1


def test_scores_are_the_product_of_both_likelihoods() -> None:
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(6, 3, 4)), rng.normal(size=(6, 2, 5))
    pairs = pair_scores(source, target, 10.0)
    assert pairs.values.shape == (12, 10)
    assert (pairs.values.sum(0) <= 1 + 1e-6).all()
    assert (pairs.values.sum(1) <= 1 + 1e-6).all()
    same = pair_scores(source, source, 40.0)
    assert (np.diag(same.values) > 0.9).all()
    np.testing.assert_array_equal(cosine_scores(source, source).values > 0, np.eye(12, dtype=bool))


def test_a_spline_goes_through_its_points_or_stays_affine() -> None:
    control = grid_points(4, 4)
    bent = control + 0.05 * np.sin(5 * control[:, ::-1])
    weights = np.ones(len(control))
    np.testing.assert_allclose(
        fit_thin_plate(control, control, bent, weights, 1e-9)(control), bent, atol=1e-4
    )
    stiff = fit_thin_plate(control, control, bent, weights, 1e9)
    ends = stiff(np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]))
    np.testing.assert_allclose(ends[0] + ends[2], 2 * ends[1], atol=1e-4)


# --- known warps


def test_a_known_affine_warp_is_recovered(aligner: Aligner, cat: Any) -> None:
    size = (cat.shape[1], cat.shape[0])
    target = cv2.warpAffine(cat, AFFINE, size, borderMode=cv2.BORDER_REFLECT)
    alignment = aligner.align(cat, target)
    assert alignment.found
    points = inner_points(size)
    true = points @ AFFINE[:, :2].T + AFFINE[:, 2]
    assert errors(alignment.transfer(points), true).mean() < 0.02 * max(size)
    warped = alignment.warp(cat)
    assert warped.shape == target.shape
    inside = (slice(80, 220), slice(120, 330))
    before = np.abs(cat[inside].astype(int) - target[inside]).mean()
    assert np.abs(warped[inside].astype(int) - target[inside]).mean() < 0.7 * before


def test_sizes_may_differ_and_nothing_is_random(aligner: Aligner, cat: Any) -> None:
    target = cv2.resize(cat[:, 60:400], (90, 160), interpolation=cv2.INTER_AREA)
    first, second = aligner.align(cat, target), aligner.align(cat, target)
    assert first.found
    assert first.target_size == (90, 160)
    points = inner_points((cat.shape[1], cat.shape[0]))
    true = (points - [60, 0]) * [90 / 340, 160 / cat.shape[0]]
    assert errors(first.transfer(points), true).mean() < 0.04 * 160
    np.testing.assert_array_equal(first.transfer(points), second.transfer(points))


# --- nothing to align


def test_nothing_reliable_is_a_plain_stretch(
    aligner: Aligner, cat: Any, photographs: dict[str, Any]
) -> None:
    flat = np.full((60, 200, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    rocket = np.ascontiguousarray(photographs["rocket"])
    for other in (flat, noise, rocket):
        alignment = aligner.align(cat, other)
        assert not alignment.found
        assert alignment.score < 0.5
        height, width = other.shape[:2]
        corners = np.array([[-0.5, -0.5], [cat.shape[1] - 0.5, cat.shape[0] - 0.5]])
        np.testing.assert_allclose(
            alignment.transfer(corners), [[-0.5, -0.5], [width - 0.5, height - 0.5]], atol=1e-6
        )
        assert alignment.warp(cat).shape == other.shape
    assert aligner.align(flat, flat).score == 0


def test_extreme_shapes_are_taken(aligner: Aligner, cat: Any) -> None:
    strip = np.ascontiguousarray(cat[100:120])
    alignment = aligner.align(strip, np.repeat(cat, 3, axis=1))
    assert np.isfinite(alignment.transfer(np.zeros((1, 2)))).all()
    assert 0 <= alignment.score <= 1


def test_deep_pictures_are_aligned_as_8_bits_are(aligner: Aligner, cat: Any) -> None:
    bent = cv2.warpAffine(cat, np.array([[0.95, 0.05, 6], [-0.04, 0.97, 9]]), cat.shape[1::-1])
    plain = aligner.align(cat, bent)
    deep = aligner.align(cat / 255, bent.astype(np.uint16) * 257)
    assert deep.score == plain.score
    assert np.array_equal(deep.parameters.affine, plain.parameters.affine)
    kelvin = [29000 + 2.0 * image[..., 0] for image in (cat, bent)]
    found = aligner.align(kelvin[0].astype(np.uint16), kelvin[1].astype(np.float32))
    assert found.found
    points = np.array([[80.0, 60.0], [200.0, 150.0]])
    assert np.abs(found.transfer(points) - plain.transfer(points)).max() < 4
    named = aligner.align(*kelvin, value_range=(29000, 29510))
    assert named.found


@pytest.mark.parametrize(
    "kind", [np.uint16, np.int16, np.int32, np.float16, np.float32, np.float64]
)
@pytest.mark.parametrize("splined", [False, True])
def test_warping_keeps_values_and_type(kind: Any, splined: bool) -> None:
    shift = np.array([[1.0, 0, 3], [0, 1, 2]])
    corners = np.array([[0.0, 0], [39, 0], [0, 29], [39, 29], [20, 15]])[: 5 if splined else 0]
    parameters = Parameters(shift, corners, corners + shift[:, 2])
    alignment = Alignment(parameters, 1.0, True, (40, 30), (40, 30))
    values = (1200 + 10 * np.arange(40) + 5 * np.arange(30)[:, None]).astype(kind)
    warped = alignment.warp(values)
    assert warped.dtype == kind
    assert warped.shape == (30, 40)
    np.testing.assert_allclose(warped[3:, 4:], values[1:-2, 1:-3], atol=2)
    assert alignment.warp(np.dstack([values] * 3)).shape == (30, 40, 3)
    assert alignment.warp((values / 9).astype(np.uint8)).shape == (30, 40, 3), "as BGR"


def test_refused(aligner: Aligner, cat: Any) -> None:
    with pytest.raises(ImageError, match=r"source is 15x40 px.*at least 16"):
        aligner.align(np.zeros((40, 15, 3), np.uint8), cat)
    with pytest.raises(ImageError, match="target has dtype bool"):
        aligner.align(cat, cat > 9)
    with pytest.raises(InputError, match=r"value_range is \(3, 2\)"):
        aligner.align(cat, cat, value_range=(3, 2))
    with pytest.raises(InputError, match="matching is 'dot'"):
        Aligner(matching="dot")  # pyright: ignore[reportArgumentType]
    alignment = aligner.align(np.zeros((20, 20, 3), np.uint8), cat)
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        alignment.transfer([1, 2, 3])
    with pytest.raises(InputError, match="was 20x20 px"):
        alignment.warp(cat)


# --- its recipe


def test_info_reports_its_own_threshold() -> None:
    recipe = with_recipe(Bundle.load(default_align_path()), "align", threshold=0.71)
    with Aligner(recipe, "cpu", threads=1) as aligner:
        assert aligner.info.threshold == 0.71
        assert aligner.bundle.spec.recipes.match.threshold == 0.5


def test_it_is_calibrated_on_its_own_bundle_only() -> None:
    with Aligner(device="cpu", threads=1) as own, Aligner(Bundle.load(), "cpu", threads=1) as other:
        assert own.info.calibrated
        assert not other.info.calibrated
        assert other.info.as_dict()["calibrated"] is False


def test_the_threshold_decides(aligner: Aligner, cat: Any) -> None:
    target = cv2.resize(cat[:, 60:400], (90, 160), interpolation=cv2.INTER_AREA)
    score = aligner.align(cat, target).score
    assert 0.5 < score < 1
    strict = with_recipe(aligner.bundle, "align", threshold=min(1.0, score + 1e-3))
    with Aligner(strict, "cpu", threads=1) as other:
        alignment = other.align(cat, target)
    assert not alignment.found
    assert alignment.score == score
    assert not len(alignment.parameters.control_source)


def test_the_recipe_says_how_to_align(aligner: Aligner, cat: Any) -> None:
    target = np.ascontiguousarray(cat[:, ::2])
    numbers = {"spline_points": 5, "largest_bend": 1e-3, "smallest": 40}
    with Aligner(with_recipe(aligner.bundle, "align", **numbers), "cpu", threads=1) as other:
        parameters = other.align(cat, target).parameters
        with pytest.raises(ImageError, match=r"source is 39x50 px.*at least 40"):
            other.align(np.zeros((50, 39, 3), np.uint8), cat)
    assert parameters.control_source.shape == (25, 2)
    straight = transform(parameters.affine, parameters.control_source)
    # A thousandth of the target's sides, and what rounding adds.
    moved = np.abs(parameters.control_target - straight) / [target.shape[1], target.shape[0]]
    assert 1e-6 < moved.max() < 1.001e-3


# --- commands


@pytest.fixture(scope="module")
def cli() -> Any:
    from qatm.tools.cli import app

    def call(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


def test_command_aligns_and_says_when_it_does_not(cli: Any, cat: Any, tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("a.png", "b.png", "flat.png")]
    turned = cv2.warpAffine(cat, AFFINE, (cat.shape[1], cat.shape[0]))
    for name, picture in zip(names, (cat, turned, np.zeros_like(cat)), strict=True):
        cv2.imwrite(str(name), picture)
    saved, shown = tmp_path / "out" / "warped.png", tmp_path / "out" / "both.png"
    done = cli("align", names[0], names[1], "--json", "--warped", saved, "--save", shown)
    assert done.exit_code == 0
    record = json.loads(done.stdout)
    assert record["found"] is True
    assert np.array(record["affine"]).shape == (2, 3)
    assert read_image(saved).shape == cat.shape
    assert read_image(shown).shape[1] > 3 * cat.shape[1]
    same = cli("align", names[0], names[1], "--warped", saved, "--save", saved)
    assert same.exit_code == 2
    assert "--save and --warped both name" in same.stderr
    own = cli("align", names[0], names[1], "--warped", names[0])
    assert "--warped" in own.stderr
    assert "would overwrite an input" in own.stderr
    assert cli("align", names[0], names[2]).exit_code == 1
    assert cli("align", names[0], tmp_path / "missing.png").exit_code == 2


def test_evaluation_counts_points(cli: Any, cat: Any, tmp_path: Path) -> None:
    scipy = pytest.importorskip("scipy.io")
    group = tmp_path / "pictures" / "cats"
    group.mkdir(parents=True)
    points = inner_points((cat.shape[1], cat.shape[0]))
    moved = np.array([[1.0, 0.0, 90.0], [0.0, 1.0, 10.0]])
    shifted = cv2.warpAffine(
        cat, moved, (cat.shape[1], cat.shape[0]), borderMode=cv2.BORDER_REFLECT
    )
    for name, picture, marks in (("a", cat, points), ("b", shifted, points + np.array([90, 10]))):
        cv2.imwrite(str(group / f"{name}.png"), picture)
        scipy.savemat(group / f"{name}.mat", {"pts_coord": marks.T + 1})
    (group / "c.mat").write_bytes(b"nothing")
    save = tmp_path / "details"
    done = cli("eval", "align", group.parent, "--json", "--save", save, "--method", "identity,qatm")
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    scores = {(row["method"], row["group"]): row["pck"] for row in rows}
    assert scores["identity", "mean"] == 0
    assert scores["qatm", "cats"] > 0.9
    assert {row["pairs"] for row in rows} == {2}
    assert "c.mat" in done.stderr
    assert len((save / "align-pairs.csv").read_text().splitlines()) == 5


def test_evaluation_refuses(cli: Any, tmp_path: Path) -> None:
    assert cli("eval", "align", tmp_path).exit_code == 2
    assert cli("eval", "align", tmp_path / "missing").exit_code == 2
    assert cli("eval", "align", tmp_path, "--method", "magic").exit_code == 2
