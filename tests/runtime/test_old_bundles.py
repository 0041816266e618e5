"""Bundles that earlier versions wrote give the answers that they gave."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from bundle_copies import with_recipe
from old_graphs import older_judge, write_old_bundle

from qatm.runtime import Bundle, Matcher, Session, Tracker, TrackerOptions

pytestmark = pytest.mark.slow
Images = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_old_bundle(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def sessions(old: Bundle) -> Iterator[tuple[Session, Session]]:
    # Scores are those of a judge, and the earlier bundle has an earlier one.
    new = with_recipe(Bundle.load(), "match", **older_judge())
    with Session(old, "cpu") as before, Session(new, device="cpu") as after:
        yield before, after


def test_its_manifest_says_so(old: Bundle) -> None:
    data = json.loads((old.path / "bundle.json").read_text())
    assert [output["name"] for output in data["files"]["features.onnx"]["outputs"]] == [
        "features",
        "coarse",
    ]
    assert "place.onnx" not in data["files"]


def test_what_its_graphs_compute(sessions, photographs: Images) -> None:
    before, after = sessions
    assert before.tap_steps == (1,)
    assert after.tap_steps == (1, 2, 4)
    image = np.ascontiguousarray(photographs["astronaut"][:160, :208])
    old, new = before.features(image), after.features(image)
    assert [tap.shape for tap in old.taps] == [(176, 40, 52)]
    assert [tap.shape for tap in new.taps] == [(24, 40, 52), (40, 20, 26), (112, 10, 13)]
    np.testing.assert_allclose(old.coarse, new.coarse, atol=2e-3)
    rows = np.ascontiguousarray(new.coarse.reshape(176, -1)[:, :40].T)
    target = np.repeat([1, 0], 20).astype(np.float32)
    ours, theirs = (s.quality(rows, target, new.coarse) for s in (after, before))
    np.testing.assert_allclose(ours.contested, theirs.contested, atol=1e-4)
    # The earlier graph is run once more for it, without competitors in the standardisation too.
    np.testing.assert_allclose(ours.alone, theirs.alone, atol=0.1)
    assert before.fit(rows, target, new.coarse, np.zeros((20, 1), np.int64)) is None


def test_matches_are_the_same(sessions, photographs: Images) -> None:
    image = photographs["astronaut"]
    for box in ((176, 64, 64, 48), (300, 200, 90, 70), (200, 100, 24, 24)):
        answers = []
        for session in sessions:
            with Matcher(session) as matcher:
                matcher.set_template(image, box)
                answers.append(matcher.match(np.roll(image, (9, -14), (0, 1)), top_k=2)[0])
        assert answers[0].found
        assert answers[1].found
        assert answers[0].box == pytest.approx(answers[1].box, abs=0.05)
        assert answers[0].score == pytest.approx(answers[1].score, abs=0.02)


def test_tracks_are_the_same(sessions, photographs: Images) -> None:
    image = photographs["coffee"]
    boxes = []
    for session in sessions:
        # An old bundle has no network that reads boxes.
        with Tracker(session, options=TrackerOptions(network_weight=0)) as tracker:
            tracker.init(image, (322, 228, 64, 64))
            for step in (3, 6, 9):
                found, box = tracker.update(np.roll(image, (step, -step), (0, 1)))
                assert found
            boxes.append(box)
    assert boxes[0] == pytest.approx(boxes[1], abs=0.05)
