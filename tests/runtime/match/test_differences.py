"""What tells a copy from what only resembles it, spot by spot."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from bundle_copies import with_recipe

from qatm.runtime import Bundle, BundleError, Matcher
from qatm.runtime.boxes import Box
from qatm.runtime.match.differences import LEAST, Differences
from qatm.runtime.match.pixels import PixelTemplate
from qatm.runtime.match.pose import Pose
from qatm.runtime.match.posed_rows import TemplateView

Images = dict[str, np.ndarray]

BOX = Box(180, 60, 90, 90)
THERE = Pose(*BOX.centre)


def template_of(image: np.ndarray, mask: np.ndarray | None = None) -> PixelTemplate:
    made = PixelTemplate.of(TemplateView.cut(image, BOX, mask, 64 / 90, framed=True))
    assert made is not None
    return made


def test_a_copy_does_not_differ(photographs: Images) -> None:
    image = photographs["astronaut"]
    found = Differences.between(template_of(image), image, THERE)
    assert found.detail > 0.99
    assert max(found.worst_detail, found.middle_detail, found.high_detail) < -2
    assert found.middle == pytest.approx(np.log(LEAST), abs=0.1)


def test_light_from_one_side_says_nothing_of_details(photographs: Images) -> None:
    """It changes the spots of the whole, which it takes for another object."""
    image = photographs["astronaut"]
    columns = np.arange(image.shape[1], dtype=np.float32)[:, None]
    lit = image * 0.6 + np.clip(columns - BOX.x, 0, BOX.w)
    found = Differences.between(template_of(image), np.rint(lit).astype(np.uint8), THERE)
    assert found.detail > 0.97
    assert found.worst_detail < found.inner - 1


def test_one_spot_that_differs_is_seen_beside_ones_that_fit(photographs: Images) -> None:
    image = photographs["astronaut"]
    other = image.copy()
    cv2.rectangle(other, (218, 98), (230, 110), (20, 200, 240), -1)
    template = template_of(image)
    same, changed = (Differences.between(template, each, THERE) for each in (image, other))
    assert changed.worst_detail > same.worst_detail + 2
    assert changed.middle_detail < changed.worst_detail - 2
    assert changed.detail < same.detail


def test_what_a_mask_leaves_out_is_no_surrounding(photographs: Images) -> None:
    image = photographs["astronaut"]
    mask = np.zeros(image.shape[:2], bool)
    mask[60:150, 180:232] = True
    template = template_of(image, mask)
    behind = image.copy()
    behind[60:150, 236:270] = 255
    found = Differences.between(template, behind, THERE)
    assert found.detail > 0.97
    assert found.worst_detail < 0


def test_what_is_flat_has_no_details(photographs: Images) -> None:
    image = photographs["astronaut"]
    flat = np.full_like(image, 90)
    assert Differences.between(template_of(image), flat, THERE) == Differences.unknown()
    assert Differences.unknown().detail == 0


def older() -> Bundle:
    """A bundle as earlier versions wrote them, whose judge knows less."""
    bundle = Bundle.load()
    recipe = bundle.spec.recipes.match
    rows = np.reshape(recipe.judge_hidden, (len(recipe.judge_output) - 1, -1))
    return with_recipe(
        bundle,
        "match",
        judge_centre=recipe.judge_centre[2:],
        judge_spread=recipe.judge_spread[2:],
        judge_hidden=tuple(rows[:, 2:].ravel().tolist()),
    )


def test_a_judge_of_other_evidence_is_refused() -> None:
    words = "weighs 24 pieces of evidence, this version has 26; export it again"
    with pytest.raises(BundleError, match=words):
        Matcher(older(), device="cpu")
