"""The fit of the score of matches: drawn boxes in, a record out that the recipe takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from bundle_copies import with_recipe

from qatm.runtime import Bundle, InputError, Matcher, QatmError, Session
from qatm.runtime.bundle.fits import FitRecord
from qatm.runtime.match.judging import BoxEvidence
from qatm.tools.evaluation.metrics import roc_auc
from qatm.tools.lab import match_fit as fits
from qatm.tools.lab.match_fit import (
    domain_figures,
    family_of,
    fit_boxes,
    free,
    match_fit,
    sample_weights,
    signs,
    stored_numbers,
)
from qatm.tools.lab.match_samples import JudgedBox, judged_boxes, sample_searches
from qatm.tools.lab.score_fits import ScoreFit

EVERY = 101
"""Of the searches of the fit, one is judged."""

NAMES = [entry.name for entry in fields(BoxEvidence)]


def drawn_boxes(count: int, seed: int) -> list[JudgedBox]:
    """Boxes of three domains; likelihood and worst spot tell which are right."""
    rng = np.random.default_rng(seed)
    boxes = []
    for number in range(count):
        right = bool(rng.random() < 0.5)
        evidence = rng.normal(0, 1, len(NAMES))
        evidence[NAMES.index("likelihood")] = rng.normal(-1 if right else -4, 1)
        evidence[NAMES.index("worst_spot")] = rng.normal(0 if right else 2, 1)
        domain = ("video", "turned", "icons")[number % 3]
        boxes.append(
            JudgedBox(
                evidence=tuple(float(value) for value in evidence),
                right=right,
                rank=number // 3 % 2,
                present=right or bool(rng.random() < 0.3),
                domain=domain,
                group=f"{domain}-{number}",
            )
        )
    return boxes


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(device="cpu") as opened:
        yield opened


@pytest.fixture(scope="module")
def boxes() -> list[JudgedBox]:
    return drawn_boxes(240, 0)


@pytest.fixture(scope="module")
def found(session: Session, boxes: list[JudgedBox]) -> ScoreFit:
    return match_fit(session, boxes, "drawn")


def test_the_record_says_what_was_fitted_to_what(found: ScoreFit, boxes: list[JudgedBox]) -> None:
    record = found.record
    assert (record.task, record.command) == ("match", "qatm lab fit match DIR")
    assert record.data == "240 boxes of 120 searches: drawn; and drawn scenes"
    assert (record.backbone, record.alpha) == ("efficientnet-lite0:2+4+10", 25.0)
    best = [box for box in boxes if box.rank == 0]
    present = sum(box.present for box in best)
    assert (record.figures["present"], record.figures["absent"]) == (present, 120 - present)
    for prefix in ("", "left_out_"):
        assert 0.9 < record.figures[f"{prefix}roc_auc"] <= 1
        assert 0.8 < record.figures[f"{prefix}precision"] <= 1
        assert 0.8 < record.figures[f"{prefix}recall"] <= 1
        assert 0 <= record.figures[f"{prefix}calibration_error"] < 0.2


def test_a_record_survives_its_file(found: ScoreFit) -> None:
    again = FitRecord.from_dict(found.record.as_dict())
    assert again == found.record
    assert all(isinstance(value, tuple) for value in again.numbers.values())


def test_a_record_covers_the_recipe_that_took_its_numbers(
    session: Session, found: ScoreFit
) -> None:
    record = FitRecord.from_dict(found.record.as_dict())
    recipe = session.bundle.spec.recipes.match
    assert not record.covers(recipe, record.backbone, record.alpha)
    assert record.covers(replace(recipe, **record.numbers), record.backbone, record.alpha)


def test_a_fit_reproduces_itself(session: Session, found: ScoreFit, boxes: list[JudgedBox]) -> None:
    """Stored, the fitted numbers are those that come out again; others are called different."""
    assert found.apart > 0.03
    assert not found.same
    assert found.stored == {
        name: getattr(session.bundle.spec.recipes.match, name) for name in found.record.numbers
    }
    stored = with_recipe(session.bundle, "match", **found.record.numbers)
    with Session(stored, "cpu") as again:
        second = match_fit(again, boxes, "drawn")
    assert second.record == found.record
    assert (second.apart, second.same) == (0.0, True)


def test_rounded_numbers_give_the_scores_of_the_fit(
    session: Session, boxes: list[JudgedBox]
) -> None:
    network = fit_boxes(boxes)
    recipe = replace(session.bundle.spec.recipes.match, **stored_numbers(network))
    evidence = np.array([box.evidence for box in boxes])
    assert recipe.judge.odds(evidence) == pytest.approx(network.odds(evidence), abs=0.05)


def test_boxes_of_one_kind_are_refused(session: Session, boxes: list[JudgedBox]) -> None:
    for kind in (True, False):
        chosen = [replace(box, right=kind) for box in boxes]
        with pytest.raises(InputError, match="a fit needs both"):
            match_fit(session, chosen, "drawn")


def test_domains_count_alike_and_footage_more(boxes: list[JudgedBox]) -> None:
    everyone = [*boxes, *(box for box in boxes if box.domain == "icons")]
    kinds = {("video", True): fits.RIGHT_WEIGHT, ("icons", False): fits.WRONG_WEIGHT}
    weights = [
        weight / kinds.get((family_of(box), box.right), 1.0)
        for box, weight in zip(everyone, sample_weights(everyone), strict=True)
    ]
    of = {
        family: sum(w for box, w in zip(everyone, weights, strict=True) if family_of(box) == family)
        for family in ("video", "icons")
    }
    assert of["video"] == pytest.approx(8 * of["icons"])
    first, later = (
        next(w for box, w in zip(boxes, weights, strict=False) if box.rank == rank)
        for rank in (0, 1)
    )
    assert later == pytest.approx(0.4 * first)


def test_what_is_wrong_in_drawn_scenes_counts_more() -> None:
    pairs = [
        JudgedBox((), right, 0, right, domain, domain)
        for domain in ("page", "parts")
        for right in (True, False)
    ]
    page, wrong_page, parts, wrong_parts = sample_weights(pairs)
    assert wrong_page == pytest.approx(fits.WRONG_WEIGHT * page)
    assert wrong_parts == pytest.approx(fits.WRONG_WEIGHT * parts)


def test_turned_footage_is_left_out_with_its_frames(
    boxes: list[JudgedBox], monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = []

    def fit(of: list[JudgedBox], kept: np.ndarray):
        left_out.append({box.domain for box, keep in zip(of, kept, strict=True) if not keep})
        return fit_boxes(drawn_boxes(30, 1))

    monkeypatch.setattr(fits, "fit_boxes", fit)
    scores = fits.left_out_scores(boxes)
    assert sorted(map(sorted, left_out)) == [["icons"], ["turned", "video"]]
    assert ((scores > 0) & (scores < 1)).all()


def test_figures_are_means_over_domains_of_the_best_boxes() -> None:
    def box(domain: str, right: bool, rank: int = 0) -> JudgedBox:
        return JudgedBox((), right, rank, right, domain, domain)

    boxes = [box("icons", True), box("icons", False), box("page", True), box("page", False)]
    boxes += [box("page", False, rank=1), box("parts", True)]
    scores = np.array([0.9, 0.1, 0.8, 0.7, 1.0, 0.2])
    figures = domain_figures(boxes, scores, "some_")
    # All right in icons; half of what is found in page is wrong; of parts there is one kind only.
    assert figures["some_precision"] == pytest.approx((1 + 0.5) / 2)
    assert figures["some_recall"] == figures["some_roc_auc"] == 1
    # Errors of .1 and .1, and of .2 and .7.
    assert figures["some_calibration_error"] == pytest.approx((0.1 + 0.45) / 2)


def test_the_signs_name_pieces_of_evidence() -> None:
    assert set(NAMES) >= fits.FOR | fits.AGAINST
    assert not fits.FOR & fits.AGAINST
    assert signs()[NAMES.index("likelihood")] == 1
    assert signs()[NAMES.index("worst_spot")] == -1
    assert signs()[NAMES.index("poses")] == 0


def test_the_packaged_judge_keeps_to_its_signs() -> None:
    """What speaks for a box never counts against it, whatever else there is, but for its pixels."""
    judge = Bundle.load(None).spec.recipes.match.judge
    rng = np.random.default_rng(0)
    start = judge.centre + judge.spread * rng.normal(0, 2, (500, len(judge.centre)))
    assert free().sum() == len(fits.PIXELS)
    for index, sign in enumerate(np.where(free(), 0.0, signs())):
        if sign:
            more = start.copy()
            more[:, index] += sign * judge.spread[index] * rng.exponential(1, 500)
            assert (judge.odds(more) >= judge.odds(start) - 1e-9).all(), NAMES[index]


@pytest.mark.data
@pytest.mark.slow
def test_the_stored_judge_is_right_about_what_it_was_fitted_to(
    session: Session, data_dir: Path
) -> None:
    """Every so many-th search; all of them take an hour."""
    boxes: list[JudgedBox] = []
    with Matcher(session) as matcher:
        for search in sample_searches(data_dir, lambda _: None)[::EVERY]:
            try:
                boxes += judged_boxes(matcher, search)
            except QatmError:
                continue
    odds = session.bundle.spec.recipes.match.judge.odds(np.array([box.evidence for box in boxes]))
    best = np.array([box.rank == 0 for box in boxes])
    right = np.array([box.right for box in boxes])
    assert best.sum() > 30
    assert roc_auc(right[best], odds[best]) > 0.95
    assert right[best & (odds > 0)].mean() > 0.85
