"""Fits of the scores: known numbers come out of generated samples, stored ones out of the data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundle_copies import with_recipe

from qatm.runtime import Bundle, InputError, Session
from qatm.runtime.bundle.fits import FitRecord
from qatm.tools.lab.score_fits import TRACK, fit_linear, fit_places, labelled_samples
from qatm.tools.lab.score_samples import ScoreSamples, fingerprint, track_samples
from qatm.tools.lab.task_fits import FITS

TRACK_NUMBERS = {
    "quality_weight": 2.67,
    "share_weight": 3.91,
    "agreement_weight": 10.0,
    "score_offset": 16.7,
}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(device="cpu") as opened:
        yield opened


def quietly(items, what):
    return iter(items)


def silent(problem: str) -> None:
    raise AssertionError(problem)


def drawn_sightings(session: Session, count: int) -> ScoreSamples:
    """Evidence whose labels follow the stored score."""
    rng = np.random.default_rng(6)
    recipe = session.bundle.spec.recipes.track
    sightings = []
    for _ in range(count):
        alone = np.exp(rng.uniform(-4, -0.5, 2))
        contested = alone * np.exp(rng.uniform(-2, 0, 2))
        looks = tuple(zip(contested.tolist(), alone.tolist(), strict=True))
        sightings.append((looks, float(rng.uniform(0.1, 0.6))))
    labels = rng.random(count) < [recipe.score(*sample) for sample in sightings]
    return ScoreSamples(sightings, labels, rng.choice(list("abc"), count)[:, None], "drawn")


def test_the_numbers_that_drew_the_samples_come_out(session: Session) -> None:
    found = fit_linear(TRACK, session, drawn_sightings(session, 20_000))
    assert found.stored == TRACK_NUMBERS
    assert found.held == ("agreement_weight",)
    assert found.record.numbers["agreement_weight"] == 10.0
    assert found.record.numbers["quality_weight"] == pytest.approx(2.67, abs=0.15)
    assert found.record.numbers["share_weight"] == pytest.approx(3.91, abs=0.3)


def test_a_record_says_what_was_fitted_to_what(session: Session) -> None:
    record = fit_linear(TRACK, session, drawn_sightings(session, 2000)).record
    assert FitRecord.from_dict(record.as_dict()) == record
    assert (record.task, record.data) == ("track", "drawn")
    assert record.command == "qatm lab fit track DIR"
    assert (record.backbone, record.alpha) == ("efficientnet-lite0:2+4+10", 25.0)
    figures = record.figures
    assert figures["present"] + figures["absent"] == 2000
    assert 0.8 < figures["left_out_roc_auc"] <= figures["roc_auc"] < 1
    assert figures["left_out_log_loss"] < math.log(2)
    recipe = dataclasses.replace(session.bundle.spec.recipes.track, **record.numbers)
    assert record.covers(recipe, record.backbone, record.alpha)


def test_a_fit_reproduces_itself(session: Session) -> None:
    """Stored, the fitted numbers are those that come out again; others are called different."""
    samples = drawn_sightings(session, 500)
    first = fit_linear(TRACK, session, samples)
    stored = with_recipe(session.bundle, "track", **first.record.numbers)
    with Session(stored, "cpu") as again:
        second = fit_linear(TRACK, again, samples)
    assert second.record == first.record
    assert (second.apart, second.same) == (0.0, True)
    with Session(with_recipe(session.bundle, "track", score_offset=3.0), "cpu") as other:
        third = fit_linear(TRACK, other, samples)
    assert third.record == first.record
    assert third.apart > 0.03
    assert not third.same


def test_terms_are_what_the_numbers_are_multiplied_with(session: Session) -> None:
    recipe = session.bundle.spec.recipes.track
    samples = drawn_sightings(session, 50)
    labelled = labelled_samples(TRACK, recipe, samples)
    odds = labelled.terms @ [2.67, 3.91] + labelled.given + 16.7
    assert odds == pytest.approx([recipe.odds(*sample) for sample in samples.arguments])


@pytest.mark.parametrize("kind", [True, False])
def test_one_kind_of_samples_is_refused(session: Session, kind: bool) -> None:
    samples = drawn_sightings(session, 200)
    one_kind = dataclasses.replace(samples, labels=np.full(200, kind))
    with pytest.raises(InputError, match="a fit needs both"):
        fit_linear(TRACK, session, one_kind)


def test_half_support_is_a_quantile_of_other_places(session: Session) -> None:
    supports = [*np.linspace(0, 20, 101), 80.0, 90.0]
    labels = np.array([False] * 101 + [True] * 2)
    samples = ScoreSamples(
        [(float(value),) for value in supports], labels, np.full((103, 1), "a"), "drawn"
    )
    found = fit_places(session, samples)
    assert found.record.numbers == {"half_support": 20.0, "steepness": 5.0}
    assert found.stored == {"half_support": 16.0, "steepness": 5.0}
    assert found.held == ("steepness",)
    assert found.record.figures["recall"] == 1.0
    assert not found.same


def write_sequence(folder: Path, background: np.ndarray, piece: np.ndarray) -> None:
    """A piece of one photograph moves over another."""
    (folder / "img").mkdir(parents=True)
    back, small = cv2.resize(background, (320, 240)), cv2.resize(piece, (64, 58))
    boxes = []
    for number in range(36):
        x, y = 30 + 5 * number, 70 + 3 * number
        frame = back.copy()
        frame[y : y + 58, x : x + 64] = small
        cv2.imwrite(str(folder / "img" / f"{number:04d}.png"), frame)
        boxes.append(f"{x},{y},64,58")
    (folder / "groundtruth_rect.txt").write_text("\n".join(boxes))


def test_sightings_are_of_frames_with_and_without_the_object(
    session: Session, tmp_path: Path, photographs: dict[str, np.ndarray]
) -> None:
    pieces = {"one": photographs["chelsea"][60:150, 110:210], "two": photographs["astronaut"]}
    for (name, piece), background in zip(pieces.items(), ("coffee", "rocket"), strict=True):
        write_sequence(tmp_path / name, photographs[background], piece)
    told: list[str] = []
    samples = track_samples(session, tmp_path, quietly, told.append)
    assert [line for line in told if "too short to hide" not in line] == []
    # Two videos with a cut of 30 frames each.
    assert (~samples.labels).sum() == 60
    assert samples.labels.sum() >= 2 * 30
    score = session.bundle.spec.recipes.track.score
    right = np.array([score(*sample) >= 0.5 for sample in samples.arguments]) == samples.labels
    assert right.mean() > 0.9
    shown = set(map(tuple, samples.groups[~samples.labels].tolist()))
    assert shown == {("one", "two"), ("two", "one")}


def test_a_fingerprint_knows_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    first = fingerprint(tmp_path)
    assert first == fingerprint(tmp_path)
    assert first.startswith(f"{tmp_path.name}, SHA-256 ")
    (tmp_path / "a").write_bytes(b"2")
    second = fingerprint(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, fingerprint(tmp_path)}) == 3


def test_every_fitted_score_has_a_fit() -> None:
    recorded = {fit.task for fit in Bundle.load(None).spec.fits}
    assert recorded == set(FITS)
