"""Answers as plain data: the names of the ``--json`` lines, rounded, and short on the screen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from qatm.runtime import (
    Aligner,
    Alignment,
    Box,
    Bundle,
    Frame,
    Match,
    Matcher,
    MultiTracker,
    QualityMap,
    Session,
    Track,
    Tracker,
    Verification,
    Verifier,
)
from qatm.runtime.align.alignment import Parameters
from qatm.runtime.answers import PlainAnswer, rounded, significant
from qatm.runtime.match.pose import Pose
from qatm.runtime.verify.verification import SeenRegion, empty_region

BOX = Box(10.126, 20.0, 30.0, 40.0)
LONGEST = 220
"""Characters of what an answer looks like on the screen."""


def verification(region: SeenRegion, score: float) -> Verification:
    quality = QualityMap(np.zeros((3, 4), np.float32), (4.0, 4.0), (16, 12))
    return Verification(score, score >= 0.5, region, quality)


SEEN = verification(SeenRegion(Box(1.0, 2.0, 3.0, 4.0), np.ones((12, 16), bool)), 0.75)
MATCH = Match.at(Pose(60, 70, 90.0, 2.0), (20, 10), 0.91239, True, 2, margin=0.5, name="eye")
ALIGNED = Alignment(
    Parameters(np.array([[1.0, 0.0, 5.0], [0.0, 1.0, -3.0]]), np.ones((1, 2)), np.zeros((1, 2))),
    0.8,
    True,
    (60, 40),
    (50, 30),
)


def test_a_match_has_the_names_of_the_json_lines() -> None:
    plain = MATCH.as_dict()
    assert plain == {
        "box": [50.0, 50.0, 20.0, 40.0],
        "score": 0.9124,
        "found": True,
        "template": "eye",
        "index": 2,
        "angle": 90.0,
        "scale": 2.0,
        "corners": [[50.0, 90.0], [50.0, 50.0], [70.0, 50.0], [70.0, 90.0]],
        "margin": 0.5,
        "transform": [[0.0, 2.0, 50.0], [-2.0, 0.0, 90.0], [0.0, 0.0, 1.0]],
    }


def test_a_track_an_alignment_and_a_verification_are_plain_data() -> None:
    track = Track(BOX, 0.98765, "uncertain")
    assert track.as_dict() == {
        "box": [10.13, 20.0, 30.0, 40.0],
        "score": 0.9877,
        "state": "uncertain",
    }
    assert ALIGNED.as_dict() == {
        "found": True,
        "score": 0.8,
        "affine": [[1.0, 0.0, 5.0], [0.0, 1.0, -3.0]],
        "control_source": [[1.0, 1.0]],
        "control_target": [[0.0, 0.0]],
    }
    assert SEEN.as_dict() == {"same_place": True, "score": 0.75, "box": [1.0, 2.0, 3.0, 4.0]}
    unseen = verification(empty_region(12, 16), 0.0)
    assert unseen.as_dict() == {"same_place": False, "score": 0.0, "box": None}
    assert unseen.box is None


@pytest.mark.parametrize(
    "answer", [MATCH, Track(BOX, 0.5, "lost"), ALIGNED, SEEN], ids=lambda one: type(one).__name__
)
def test_json_is_strict_and_numpy_scores_are_numbers(answer: PlainAnswer) -> None:
    assert json.loads(answer.to_json()) == answer.as_dict()
    assert "\n" not in answer.to_json()
    strange = replace(answer, score=np.float32(0.25))  # type: ignore[type-var]
    assert json.loads(strange.to_json())["score"] == 0.25
    with pytest.raises(ValueError, match="JSON"):
        replace(answer, score=float("nan")).to_json()  # type: ignore[type-var]


def test_numbers_are_rounded_without_a_sign_of_zero() -> None:
    assert str(rounded(-0.0001, 2)) == "0.0"
    assert rounded(np.float64(1.23456), 2) == 1.23
    assert significant(123456789.123) == 123456800.0
    assert str(significant(-1e-15)) == "0.0"


def test_answers_are_short_on_the_screen(photographs: dict[str, np.ndarray]) -> None:
    cat = photographs["chelsea"]
    assert repr(MATCH) == (
        "Match(Box(x=50, y=50, w=20, h=40), score=0.9124, found=True, template='eye', "
        "angle=90.00, scale=2.000)"
    )
    assert repr(Match(BOX, 0.5, False)) == (
        "Match(Box(x=10.126, y=20, w=30, h=40), score=0.5000, found=False)"
    )
    assert "template=#3" in repr(Match(BOX, 0.5, False, 3))
    assert repr(Track(BOX, 0.5, "lost")).endswith("score=0.5000, state='lost')")
    assert repr(ALIGNED) == (
        "Alignment(60x40 onto 50x30 px, score=0.8000, found=True, 1 control points)"
    )
    assert repr(SEEN) == (
        "Verification(score=0.7500, same_place=True, box=Box(x=1, y=2, w=3, h=4))"
    )
    assert repr(Frame(3, 0.12, cat)) == "Frame(index=3, time=0.120, 451x300 px)"
    assert repr(SEEN.quality) == "QualityMap(4x3 cells of 16x12 px, peak=0.000)"
    with Matcher(device="cpu") as matcher:
        shown = [matcher, matcher.session, matcher.info, matcher.session.info, matcher.bundle]
        shown.append(matcher.set_template(cat, (120, 80, 64, 64), name="eye"))
    assert [text for text in map(repr, shown) if len(text) > 2 * LONGEST] == []
    assert repr(shown[-1]).startswith("Template('eye', 64x64 px, model=")
    assert repr(matcher).endswith("precision='fp32'), closed)")
    assert len(repr(Bundle.load())) < LONGEST


def test_answers_say_how_long_they_took(photographs: dict[str, np.ndarray]) -> None:
    cat = photographs["chelsea"]
    box = (120, 80, 64, 64)
    with Session(device="cpu") as session, Matcher(session) as matcher:
        matcher.set_template(cat, box, name="eye")
        found = matcher.match(cat, region=(0, 0, 300, 300))
        again = matcher.match(cat, region=(0, 0, 300, 300))
        assert found == again, "time is no part of the answer"
        assert found[0].as_dict() == again[0].as_dict()
        with Tracker(session) as tracker, MultiTracker(session) as several:
            tracker.init(cat, box)
            assert tracker.latest is not None
            assert tracker.latest.ms is None
            track = tracker.track(cat)
            assert tracker.latest is track
            several.add(cat, box)
            several.add(cat, (200, 100, 64, 64))
            times = {one.ms for one in several.track(cat).values()}
        with Verifier(cat, session) as verifier:
            verification = verifier.verify(cat)
    with Aligner(device="cpu") as aligner:
        alignment = aligner.align(cat, cat)
    assert [match.name for match in found] == ["eye"]
    assert len(times) == 1
    for spent in (found[0].ms, track.ms, times.pop(), verification.ms, alignment.ms):
        assert spent is not None
        assert 0.5 < spent < 60_000
