"""A trained network tells copies from near-duplicates by their registered pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundle_copies import with_recipe

from qatm.runtime import Bundle, BundleError, Matcher, Session
from qatm.runtime.boxes import Box
from qatm.runtime.match.comparing import (
    SUREST,
    UNKNOWN,
    ComparedTemplate,
    PictureSize,
    PixelComparer,
)
from qatm.runtime.match.pixels import PixelTemplate
from qatm.runtime.match.pose import Pose
from qatm.runtime.match.posed_rows import TemplateView

Images = dict[str, np.ndarray]

BOX = Box(180, 60, 90, 90)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 64), (64, 64, False)),
        ((30, 40), (64, 64, False)),
        ((80, 50), (88, 48, False)),
        ((50, 80), (88, 48, True)),
        ((200, 20), (128, 32, False)),
        ((4, 300), (128, 32, True)),
    ],
)
def test_pictures_are_compared_in_about_their_own_shape(
    size: tuple[int, int], expected: tuple[int, int, bool]
) -> None:
    assert PictureSize.of(size) == expected
    columns, rows, _ = expected
    fitted = PictureSize.of(size).fitted(np.full((size[1], size[0], 3), 7, np.uint8))
    assert fitted.shape == (1, rows, columns, 3)
    assert (fitted == 7).all()


def test_what_stands_is_laid_down() -> None:
    samples = np.zeros((90, 30, 3), np.uint8)
    samples[:45] = 200
    fitted = PictureSize.of((30, 90)).fitted(samples)[0]
    # Its top is on the left.
    assert fitted[:, :60].min() == 200
    assert fitted[:, 68:].max() == 0


def odds_at(session: Session, template: np.ndarray, image: np.ndarray, pose: Pose) -> float:
    view = TemplateView.cut(template, BOX, None, 64 / 90, framed=True)
    pixels = PixelTemplate.of(view)
    assert pixels is not None
    comparer = PixelComparer.of(session)
    assert comparer is not None
    return comparer.odds(ComparedTemplate.of(view, pixels), pixels, image, pose)


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(device="cpu", threads=1)


def test_a_copy_in_another_light_is_surer_than_one_that_differs_in_a_spot(
    photographs: Images, session: Session
) -> None:
    image = photographs["astronaut"]
    there = Pose(*BOX.centre)
    lit = np.clip(image * 0.7 + 30, 0, 255).astype(np.uint8)
    other = lit.copy()
    cv2.rectangle(other, (205, 85), (245, 125), (20, 200, 240), -1)
    same, lighter, changed, elsewhere = (
        odds_at(session, image, image, there),
        odds_at(session, image, lit, there),
        odds_at(session, image, other, there),
        odds_at(session, image, image, Pose(330, 300)),
    )
    assert min(same, lighter) > max(changed, elsewhere) + 2
    assert all(abs(odds) <= SUREST for odds in (same, lighter, changed, elsewhere))


def test_what_a_mask_leaves_out_does_not_count(photographs: Images, session: Session) -> None:
    image = photographs["astronaut"]
    mask = np.zeros(image.shape[:2], bool)
    mask[60:150, 180:245] = True
    view = TemplateView.cut(image, BOX, mask, 64 / 90, framed=True)
    pixels = PixelTemplate.of(view)
    assert pixels is not None
    template = ComparedTemplate.of(view, pixels)
    comparer = PixelComparer(session)
    other = image.copy()
    other[60:150, 248:275] = (0, 255, 0)
    given = [comparer.odds(template, pixels, each, Pose(*BOX.centre)) for each in (image, other)]
    assert given[0] == pytest.approx(given[1], abs=0.5)


def test_matches_carry_what_the_network_says(photographs: Images, session: Session) -> None:
    with Matcher(session) as matcher:
        template = matcher.encode_template(photographs["astronaut"], BOX)
        found = matcher.evidence(photographs["astronaut"], [template], 1)[0][0].evidence
        flat = matcher.encode_template(np.full((90, 90, 3), 90, np.uint8))
        (nothing,) = matcher.evidence(photographs["astronaut"], [flat], 1)[0]
    assert found.comparison > 0
    assert nothing.evidence.comparison == UNKNOWN
    assert nothing.score == 0


def cut_judge(bundle: Bundle) -> Bundle:
    """A bundle whose judge does not know of the comparison."""
    judge = bundle.spec.recipes.match.judge
    return with_recipe(
        bundle,
        "match",
        judge_centre=tuple(judge.centre[:-1]),
        judge_spread=tuple(judge.spread[:-1]),
        judge_hidden=tuple(np.delete(judge.hidden, -2, 1).ravel()),
    )


def bare(bundle: Bundle) -> Bundle:
    """A bundle without the network."""
    files = {n: info for n, info in bundle.spec.files.items() if info.role != "compare"}
    return replace(bundle, spec=replace(bundle.spec, files=files))


def test_a_judge_that_does_not_know_of_it_does_without(photographs: Images) -> None:
    """As those of bundles that other versions wrote."""
    older = cut_judge(bare(Bundle.load()))
    with Matcher(older, "cpu") as matcher:
        template = matcher.encode_template(photographs["astronaut"], BOX)
        (found,) = matcher.evidence(photographs["astronaut"], [template], 1)[0]
    assert found.evidence.comparison == UNKNOWN
    assert found.score > 0.5


def test_a_judge_without_the_network_that_it_knows_of_is_refused() -> None:
    with pytest.raises(BundleError, match="a network says that the bundle lacks"):
        Matcher(bare(Bundle.load()), "cpu")


def test_the_first_bundles_have_a_judge_without_it() -> None:
    from qatm.runtime.bundle.match_recipe import MatchRecipe

    default, package = MatchRecipe(), Bundle.load().spec.recipes.match
    assert len(package.judge_centre) == len(default.judge_centre) + 1


def test_another_network_is_refused(tmp_path: Path) -> None:
    bundle = Bundle.load()
    info = bundle.spec.files["compare.onnx"]
    for changes in ({"inputs": info.inputs[:2]}, {"outputs": ()}):
        files = {**bundle.spec.files, "compare.onnx": replace(info, **changes)}
        other = replace(bundle, spec=replace(bundle.spec, files=files))
        with pytest.raises(BundleError, match=r"compare\.onnx"):
            Matcher(other, "cpu")
