"""Place verification: known homographies, the seam of a panorama, other places, bad input."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import cv2
import numpy as np
import pytest
from bundle_copies import with_recipe

from qatm.runtime import (
    Aligner,
    Box,
    Bundle,
    BundleError,
    DeviceError,
    ImageError,
    InputError,
    Session,
    Verification,
    Verifier,
)
from qatm.runtime.bundle.folder import default_align_path
from qatm.runtime.bundle.recipes import VerifyRecipe
from qatm.runtime.verify.homography import fit_robustly, transform
from qatm.runtime.verify.pair_matches import match_pairs
from qatm.runtime.verify.reference import wraps_around
from qatm.runtime.verify.verification import region_of
from qatm.runtime.verify.views import bend, plausible, quarter_turns, scaling

RECIPE = VerifyRecipe()
SIZE = (320, 240)
CORNERS = np.array([[0, 0], [319, 0], [319, 239], [0, 239]], np.float32)
SLANTED = np.array([[95, 47], [210, 35], [200, 145], [85, 122]], np.float32)


def view(picture: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the view of a quadrangle of a picture, and the pixels of the picture it shows."""
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), CORNERS)
    shown = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(shown, [np.round(corners).astype(np.int32)], 1)
    return cv2.warpPerspective(picture, matrix, SIZE), shown > 0


def half(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def full_turn() -> np.ndarray:
    """Return a picture whose right edge continues at its left, of blobs everywhere different."""
    rng = np.random.default_rng(5)
    total = np.zeros((160, 640, 3), np.float32)
    for size in (4, 10, 24):
        noise = rng.normal(size=(160, 640, 3)).astype(np.float32)
        wide = np.concatenate([noise] * 3, axis=1)
        blurred = cv2.GaussianBlur(wide, (0, 0), size)[:, 640:1280]
        total += blurred / blurred.std()
    return np.clip(128 + 45 * total, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def place(photographs: dict[str, np.ndarray]) -> np.ndarray:
    return half(photographs["motorcycle_left"])


@pytest.fixture(scope="module")
def verifier(place: np.ndarray) -> Generator[Verifier, None, None]:
    with Verifier(place, device="cpu") as opened:
        yield opened


@pytest.fixture(scope="module")
def turn() -> Generator[tuple[Verifier, np.ndarray], None, None]:
    picture = full_turn()
    with Verifier(picture, device="cpu", panorama=True) as opened:
        yield opened, picture


def test_finds_the_part_that_a_slanted_view_shows(verifier: Verifier, place: np.ndarray) -> None:
    query, shown = view(place, SLANTED)
    brighter = cv2.convertScaleAbs(query, alpha=0.8, beta=35)

    result = verifier.verify(brighter)

    assert result.same_place
    assert result.score > 0.9
    assert overlap(result.region.mask, shown) > 0.9
    columns, rows = (
        np.flatnonzero(result.region.mask.any(0)),
        np.flatnonzero(result.region.mask.any(1)),
    )
    expected = Box(columns[0], rows[0], len(columns), len(rows))
    assert result.region.box == pytest.approx(expected)


def test_finds_a_view_that_lies_on_its_side(verifier: Verifier, place: np.ndarray) -> None:
    query, shown = view(place, SLANTED)

    result = verifier.verify(np.ascontiguousarray(np.rot90(query)))

    assert result.same_place
    assert overlap(result.region.mask, shown) > 0.9


def test_finds_a_reference_that_is_a_detail_of_the_query(place: np.ndarray) -> None:
    detail = np.ascontiguousarray(place[50:175, 90:240])
    with Verifier(detail, device="cpu") as verifier:
        result = verifier.verify(place)

    assert result.same_place
    assert result.region.mask.mean() > 0.97


def test_the_other_view_of_a_stereo_pair_is_the_same_place(
    verifier: Verifier, photographs: dict[str, np.ndarray]
) -> None:
    result = verifier.verify(photographs["motorcycle_right"])

    assert result.same_place
    assert result.region.mask.mean() > 0.8


@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_other_pictures_are_other_places(
    verifier: Verifier, photographs: dict[str, np.ndarray], name: str
) -> None:
    result = verifier.verify(photographs[name])

    assert not result.same_place
    assert result.score < 0.5


def test_the_same_query_gives_the_same_answer(verifier: Verifier, place: np.ndarray) -> None:
    query, _ = view(place, SLANTED)
    first, second = verifier.verify(query), verifier.verify(query)

    assert first.support == second.support
    assert first.region.box == second.region.box
    np.testing.assert_array_equal(first.quality.values, second.quality.values)


def test_quality_is_high_where_the_query_is(verifier: Verifier, place: np.ndarray) -> None:
    query, shown = view(place, SLANTED)
    quality = verifier.verify(query).quality.resized()

    assert quality.shape == shown.shape
    assert quality[shown].mean() > 4 * quality[~shown].mean()


def test_a_query_across_the_seam_is_found(turn: tuple[Verifier, np.ndarray]) -> None:
    verifier, picture = turn
    rolled = np.roll(picture, 100, axis=1)
    query = np.ascontiguousarray(rolled[10:150, :200])

    result = verifier.verify(query)

    assert verifier.wraps
    assert result.same_place
    assert result.region.box.x == pytest.approx(540, abs=8)
    assert result.region.box.w == pytest.approx(200, abs=12)
    shown = np.zeros(picture.shape[:2], bool)
    shown[10:150, 540:] = shown[10:150, :100] = True
    assert overlap(result.region.mask, shown) > 0.9


def test_without_wrapping_only_one_side_of_the_seam_is_left(
    turn: tuple[Verifier, np.ndarray],
) -> None:
    _, picture = turn
    query = np.ascontiguousarray(np.roll(picture, 100, axis=1)[10:150, :200])
    with Verifier(picture, device="cpu", panorama=False) as flat:
        box = flat.verify(query).region.box

    assert box.x + box.w <= picture.shape[1]
    assert box.w < 150


def test_a_query_away_from_the_seam_keeps_its_place(turn: tuple[Verifier, np.ndarray]) -> None:
    verifier, picture = turn
    result = verifier.verify(np.ascontiguousarray(picture[10:150, 250:450]))

    assert result.region.box == pytest.approx(Box(250, 10, 200, 140), abs=8)


def test_wrapping_is_seen_from_the_edges(photographs: dict[str, np.ndarray]) -> None:
    picture = full_turn()

    assert wraps_around(picture, RECIPE)
    assert not wraps_around(np.ascontiguousarray(picture[:, :480]), RECIPE)
    assert not wraps_around(photographs["coffee"], RECIPE)
    assert not wraps_around(np.zeros((100, 400, 3), np.uint8), RECIPE)


def check_refused(result: Verification, shape: tuple[int, ...]) -> None:
    assert result.score == 0.0
    assert not result.same_place
    assert result.region.box == Box(0, 0, 0, 0)
    assert result.region.mask.shape == shape[:2]
    assert not result.region.mask.any()
    assert np.isfinite(result.quality.values).all()


def test_pictures_of_one_colour_show_no_place(verifier: Verifier, place: np.ndarray) -> None:
    flat = np.full((240, 320, 3), 90, np.uint8)
    check_refused(verifier.verify(flat), place.shape)
    with Verifier(flat, device="cpu") as blank:
        check_refused(blank.verify(flat), flat.shape)


def test_very_different_sizes_are_compared(place: np.ndarray) -> None:
    small = cv2.resize(place, (74, 50), interpolation=cv2.INTER_AREA)
    large = cv2.resize(place, None, fx=5, fy=5, interpolation=cv2.INTER_LINEAR)
    with Verifier(small, device="cpu") as verifier:
        result = verifier.verify(large)

    assert result.same_place
    assert result.region.mask.mean() > 0.95


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((20, 200, 3), np.uint8), "200x20 px; both sides must have at least 32"),
        (np.zeros((40, 900, 3), np.uint8), "at most 16 times the short"),
        (np.zeros((100, 100, 3), bool), "dtype bool"),
        ("photo.jpg", "read_image"),
    ],
)
def test_unusable_pictures_are_refused(verifier: Verifier, picture: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        verifier.verify(picture)
    with pytest.raises(ImageError, match=message):
        Verifier(picture, device="cpu")


def test_deep_pictures_are_verified_as_8_bits_are(photographs: dict[str, np.ndarray]) -> None:
    place = cv2.resize(photographs["coffee"], (300, 200), interpolation=cv2.INTER_AREA)
    query = np.ascontiguousarray(place[20:180, 40:260])
    with Verifier(place, device="cpu") as verifier:
        wanted = verifier.verify(query)
    with Verifier(place / 255, device="cpu") as verifier:
        assert verifier.verify(query.astype(np.uint16) * 257).score == wanted.score
    kelvin = [29000 + image.mean(2).round() for image in (place, query)]
    for limits in (None, (28900, 29300)):
        with Verifier(kelvin[0].astype(np.uint16), device="cpu", value_range=limits) as verifier:
            assert verifier.verify(kelvin[1].astype(np.uint16)).same_place
            assert verifier.verify(kelvin[1].astype(np.float32)).same_place
    with pytest.raises(InputError, match="value_range"):
        Verifier(place, device="cpu", value_range=(1,))


def test_wrong_options_are_refused(verifier: Verifier, photographs: dict[str, np.ndarray]) -> None:
    picture = photographs["coffee"]
    with pytest.raises(InputError, match="panorama is 'yes'"):
        Verifier(picture, panorama="yes")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="matching is 'ncc'"):
        Verifier(picture, matching="ncc")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match=r"min_score is 1\.5"):
        verifier.verify(picture, min_score=1.5)


@pytest.mark.parametrize("numbers", [{"levels": (8192.0,)}, {"max_cells": 16}])
def test_levels_that_no_reference_fits_are_refused(
    place: np.ndarray, numbers: dict[str, Any]
) -> None:
    bundle = with_recipe(Bundle.load(), "verify", **numbers)
    with pytest.raises(BundleError, match=r"more than max_cells .*begin levels with a smaller"):
        Verifier(place, bundle, "cpu")


def test_a_query_is_looked_at_again_without_a_turn_or_a_second_try(place: np.ndarray) -> None:
    numbers = {"retried": 0, "turned_from": 8192.0, "sure": 1e6}
    with Verifier(half(place), with_recipe(Bundle.load(), "verify", **numbers), "cpu") as other:
        assert other.verify(half(place)).same_place


def test_a_closed_verifier_says_so(photographs: dict[str, np.ndarray]) -> None:
    verifier = Verifier(cv2.resize(photographs["coffee"], (90, 60)), device="cpu")
    verifier.close()
    with pytest.raises(DeviceError, match="closed"):
        verifier.verify(photographs["coffee"])


def test_min_score_moves_the_decision_only(verifier: Verifier, place: np.ndarray) -> None:
    flat = np.full_like(place, 200)

    assert not verifier.verify(flat).same_place
    assert verifier.verify(flat, min_score=0.0).same_place
    assert not verifier.verify(place, min_score=1.0).same_place or verifier.verify(place).score == 1


def test_info_names_the_device(verifier: Verifier) -> None:
    assert verifier.info.device == "cpu"
    assert verifier.info.threshold == 0.5
    assert verifier.info.calibrated


def test_info_reports_its_own_threshold(place: np.ndarray) -> None:
    small = half(place)
    with Verifier(small, with_recipe(Bundle.load(), "verify", threshold=0.8), "cpu") as strict:
        assert strict.info.threshold == 0.8
        assert strict.bundle.spec.recipes.match.threshold == 0.5
    with Verifier(small, Bundle.load(default_align_path()), "cpu") as other:
        assert not other.info.calibrated


def test_the_recipe_says_how_to_search(place: np.ndarray) -> None:
    numbers = {"smallest": 60, "max_pairs": 1024, "half_support": 1e-3, "threshold": 0.9}
    with Verifier(place, with_recipe(Bundle.load(), "verify", **numbers), "cpu") as other:
        # No level can be searched with so few pairs.
        check_refused(other.verify(place), place.shape)
        with pytest.raises(ImageError, match="100x59 px; both sides must have at least 60"):
            other.verify(np.zeros((59, 100, 3), np.uint8))
    lenient = with_recipe(Bundle.load(), "verify", half_support=1e-3, threshold=0.9)
    with Verifier(place, lenient, "cpu") as other:
        answer = other.verify(place)
        assert answer.score == lenient.spec.recipes.verify.score(answer.support) > 0.999


def test_an_aligner_and_a_verifier_share_a_session(place: np.ndarray) -> None:
    query, _ = view(place, SLANTED)
    with Session(device="cpu", threads=1) as session:
        with Aligner(session) as aligner, Verifier(place, session) as verifier:
            assert aligner.session is verifier.session is session
            assert session.users == 3
            shared = aligner.align(place, query), verifier.verify(query)
        assert session.users == 1
    bundle = Bundle.load()
    with Aligner(bundle, "cpu", threads=1) as aligner:
        assert aligner.align(place, query).score == shared[0].score
    with Verifier(place, bundle, "cpu", threads=1) as verifier:
        assert verifier.verify(query).support == shared[1].support


def test_pairs_agree_with_the_formula() -> None:
    rng = np.random.default_rng(3)
    template, search = rng.normal(size=(7, 12)), rng.normal(size=(9, 12))
    template, search = template.astype(np.float32), search.astype(np.float32)
    both = np.concatenate([template, search])
    rows, cells = ((x - both.mean(0)) / both.std(0) for x in (template, search))
    rows, cells = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, cells))
    powers = np.exp(10 * rows @ cells.T)
    quality = powers / powers.sum(0) * powers / powers.sum(1, keepdims=True)

    found = match_pairs(template, search, 10.0)

    np.testing.assert_allclose(found.quality, quality.max(0), rtol=2e-3)
    mutual = [(i, j) for i, j in enumerate(quality.argmax(1)) if quality[:, j].argmax() == i]
    assert list(zip(found.first, found.second, strict=True)) == mutual
    np.testing.assert_allclose(found.weight, [np.sqrt(quality[pair]) for pair in mutual], rtol=2e-3)


@pytest.mark.parametrize("matching", ["cosine", "correlation"])
def test_plain_matching_pairs_equal_sets_with_themselves(matching: str) -> None:
    rows = np.random.default_rng(4).normal(size=(30, 16)).astype(np.float32)
    order = np.random.default_rng(5).permutation(30)

    found = match_pairs(rows[order], rows, 25.0, matching)

    np.testing.assert_array_equal(found.second, order[found.first])
    assert len(found.first) == 30


def test_robust_fit_recovers_a_homography_among_wrong_matches() -> None:
    rng = np.random.default_rng(0)
    matrix = np.array([[1.1, 0.2, 5], [-0.15, 0.9, 20], [4e-4, -3e-4, 1]])
    first = rng.uniform(0, 250, (120, 2))
    second = transform(matrix, first)
    second[60:] = rng.uniform(0, 300, (60, 2))

    fit = fit_robustly(first, second, np.ones(120), VerifyRecipe(tolerance=8), planar=True)

    assert fit is not None
    grid = rng.uniform(0, 250, (50, 2))
    assert np.abs(transform(fit.matrix, grid) - transform(matrix, grid)).max() < 1.0
    assert fit.inliers[:60].all()
    assert fit.support > 55


def test_robust_fit_gives_up_on_too_few_matches() -> None:
    points = np.random.default_rng(0).uniform(0, 250, (5, 2))
    assert fit_robustly(points, points, np.ones(5), RECIPE) is None
    many = np.repeat(points, 4, 0)
    assert fit_robustly(many, many, np.zeros(20), RECIPE) is None


def test_wild_transforms_are_not_plausible() -> None:
    assert plausible(np.eye(3), 200, 150, RECIPE)
    assert not plausible(np.diag([-1.0, 1, 1]), 200, 150, RECIPE)
    assert not plausible(np.diag([8.0, 0.9, 1]), 200, 150, RECIPE)
    assert not plausible(np.diag([0.05, 0.05, 1]), 200, 150, RECIPE)
    folded = np.array([[1.0, 0, 0], [0, 1, 0], [-0.01, 0, 1]])
    assert not plausible(folded, 200, 150, RECIPE)
    assert not plausible(np.full((3, 3), np.nan), 200, 150, RECIPE)


def test_region_across_the_seam() -> None:
    corners = np.array([[90, 10], [119, 10], [119, 29], [90, 29]], float)

    across = region_of(corners, 40, 100, wraps=True)
    cut = region_of(corners, 40, 100, wraps=False)

    assert across.box == Box(90, 10, 30, 20)
    assert across.mask.sum() == 30 * 20
    assert across.mask[15, 95]
    assert across.mask[15, 5]
    assert cut.box == Box(90, 10, 10, 20)
    left = region_of(corners - (100, 0), 40, 100, wraps=True)
    np.testing.assert_array_equal(left.mask, across.mask)
    assert left.box == across.box


def test_region_of_more_than_a_turn_is_the_whole_width() -> None:
    corners = np.array([[-30, 5], [119, 5], [119, 24], [-30, 24]], float)
    assert region_of(corners, 40, 100, wraps=True).box == Box(0, 5, 100, 20)


def test_quarter_turns_agree_with_numpy() -> None:
    picture = np.arange(12).reshape(3, 4)
    for turns in range(4):
        turned = np.rot90(picture, turns)
        x, y = transform(quarter_turns(turns, picture.shape), np.array([[3.0, 1.0]]))[0]
        assert turned[round(y), round(x)] == picture[1, 3]


def test_bent_picture_shows_the_same_pixels(photographs: dict[str, np.ndarray]) -> None:
    picture = photographs["coffee"]
    matrix = scaling(0.5, 0.5) @ np.array([[1.0, 0, 40], [0, 1, -60], [0, 0, 1]])

    bent = bend(picture, matrix, RECIPE)

    size = bent.shown.shape[::-1]
    # The corner of a pixel-exact drawing with the offset taken off, from the full picture.
    exact = np.array([[1, 0, -bent.offset[0]], [0, 1, -bent.offset[1]], [0, 0, 1]]) @ matrix
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
    expected = cv2.warpPerspective(smooth, exact, size)
    difference = np.abs(bent.image[5:-5, 5:-5].astype(int) - expected[5:-5, 5:-5])
    assert bent.offset == pytest.approx([20, -30], abs=1)
    assert np.median(difference) <= 2
    assert bent.shown[5:-5, 5:-5].all()


def test_score_grows_with_support() -> None:
    scores = [RECIPE.score(support) for support in (0.0, 1e-9, 8.0, 16.0, 32.0, 1e9)]
    assert scores == sorted(scores)
    assert scores[0] == 0.0
    assert scores[3] == pytest.approx(0.5)
    assert scores[-1] <= 1.0
