"""Searches that the score of matches is fitted to, and which of their boxes are right."""

from __future__ import annotations

import dataclasses
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
from eval_pairs import write_three

from qatm.runtime import InputError, Matcher
from qatm.runtime.boxes import Box
from qatm.runtime.match.judging import BoxEvidence, JudgedPose
from qatm.runtime.match.pose import Pose
from qatm.tools.baselines.poses.similarities import outline
from qatm.tools.evaluation.pose.posed_pictures import Turn
from qatm.tools.lab.match_samples import (
    EVERY_POSE,
    FIRST_SCENE,
    MANY_PLACES,
    CopiesScene,
    CutScene,
    OwnScene,
    SampleSearch,
    is_right,
    judged_boxes,
    sample_searches,
    scene_searches,
    sequence_tasks,
)
from qatm.tools.scenes.generate import DOMAINS, scene

SIZE = (60.0, 40.0)
TRUTH = outline(Box(100.0, 80.0, *SIZE))


def judged(
    x: float = 130.0, y: float = 100.0, angle: float = 0.0, scale: float = 1.0, alike: float = 0.0
) -> JudgedPose:
    """A box of that middle, turn and size, whose pixels correlate so much."""
    names = [entry.name for entry in fields(BoxEvidence)]
    nothing = BoxEvidence(**dict.fromkeys(names, 0.0))
    evidence = dataclasses.replace(nothing, correlation=alike)
    return JudgedPose(Pose(x, y, angle, scale), 0.0, 0.0, evidence)


@pytest.mark.parametrize(
    ("box", "right"),
    [
        (judged(), True),
        (judged(x=140.0), True),
        (judged(x=165.0), False),
        (judged(angle=20.0), True),
        (judged(angle=-25.0), True),
        (judged(angle=180.0), False),
        (judged(angle=35.0), False),
        (judged(scale=1.25), True),
        (judged(scale=0.6), False),
        (judged(scale=1.6), False),
        # What looks the same in both poses is right in both.
        (judged(angle=180.0, alike=0.97), True),
        (judged(angle=180.0, alike=0.8), False),
        (judged(x=140.0, angle=180.0, alike=0.97), False),
    ],
)
def test_a_box_is_right_where_it_overlaps_and_lies_so(box: JudgedPose, right: bool) -> None:
    assert is_right(box, (TRUTH,), SIZE) is right


def test_any_true_copy_will_do_and_none_is_none() -> None:
    other = outline(Box(300.0, 20.0, *SIZE))
    assert is_right(judged(330.0, 40.0), (TRUTH, other), SIZE)
    assert not is_right(judged(), (), SIZE)


def test_a_turned_truth_is_right_in_its_turn() -> None:
    truth = Pose(130.0, 100.0, 90.0, 1.5).corners(SIZE)
    assert is_right(judged(angle=80.0, scale=1.4), (truth,), SIZE)
    assert not is_right(judged(angle=-90.0, scale=1.5), (truth,), SIZE)
    assert not is_right(judged(angle=0.0, scale=1.5), (truth,), SIZE)


def test_a_scene_is_cut_copied_and_searched_itself() -> None:
    drawn = scene("parts", FIRST_SCENE)
    x, y, w, h = drawn.box
    own = OwnScene("parts", FIRST_SCENE).load()
    assert own.frame.shape == own.image.shape
    assert np.abs(own.frame.astype(int) - own.image).mean() < 8
    np.testing.assert_allclose(own.truths[0], outline(Box(float(x), float(y), float(w), float(h))))
    cut = CutScene("parts", FIRST_SCENE).load()
    assert cut.frame.shape[:2] == (h, w)
    np.testing.assert_array_equal(cut.frame, drawn.frame[y : y + h, x : x + w])
    turned = OwnScene("parts", FIRST_SCENE, Turn(90.0)).load()
    side = turned.truths[0][1] - turned.truths[0][0]
    np.testing.assert_allclose(side, (0, -w), atol=1e-3)


def test_copies_are_upright_and_cut_from_the_image_itself() -> None:
    loaded = []
    for seed in range(FIRST_SCENE, FIRST_SCENE + 20):
        try:
            loaded.append(CopiesScene("parts", seed, cut=True).load())
        except InputError as error:
            assert "has no upright copies" in str(error)  # noqa: PT017
    assert loaded
    for picture in loaded:
        assert len(picture.truths) > 1
        x, y = np.rint(picture.truths[0].min(0)).astype(int)
        w, h = int(picture.box.w), int(picture.box.h)
        np.testing.assert_array_equal(picture.frame, picture.image[y : y + h, x : x + w])


def test_scenes_of_every_domain_are_searched_in_every_way() -> None:
    searches = scene_searches(range(FIRST_SCENE, FIRST_SCENE + 12))
    assert {search.task.domain for search in searches} == set(DOMAINS)
    for domain in DOMAINS:
        own = [search for search in searches if search.task.domain == domain]
        kinds = {type(search.task).__name__ for search in own}
        assert kinds == {"CutScene", "SceneTask", "OwnScene", "CopiesScene"}
        assert any(search.upright for search in own)
        assert {s.places for s in own if isinstance(s.task, CopiesScene)} == {MANY_PLACES}
        turns = {search.task.turn for search in own if isinstance(search.task, OwnScene)}
        assert len(turns) > 2


def test_pairs_are_searched_as_they_are_turned_and_for_strangers(
    tmp_path: Path, photographs: dict[str, np.ndarray]
) -> None:
    write_three(tmp_path, photographs)
    searches = [
        search
        for search in sample_searches(tmp_path, lambda _: None)
        if search.task.domain not in DOMAINS
    ]
    assert {search.task.domain for search in searches} == {"video", "turned"}
    upright = [search for search in searches if search.upright]
    assert upright
    for search in upright:
        assert search.task.domain == "turned"
        assert search.task.load().poses.posed
    shown = [bool(search.task.load().truths) for search in searches]
    assert 0 < sum(shown) < len(shown)


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no folder of pairs"):
        sample_searches(tmp_path, lambda _: None)
    with pytest.raises(InputError, match="is no folder"):
        sample_searches(tmp_path / "nowhere", lambda _: None)


def test_sequences_give_pairs_with_the_right_and_a_wrong_template(
    tmp_path: Path, photographs: dict[str, np.ndarray]
) -> None:
    from qatm.tools.evaluation.track.sequences import read_sequences

    for name in ("coffee", "chelsea"):
        folder = tmp_path / name / "img"
        folder.mkdir(parents=True)
        small = cv2.resize(photographs[name], (160, 120))
        for number in range(45):
            cv2.imwrite(str(folder / f"{number:04d}.png"), small)
        (tmp_path / name / "groundtruth_rect.txt").write_text("30,20,40,32\n" * 45)
    tasks = sequence_tasks(read_sequences(tmp_path).sequences)
    assert {(task.domain, task.present) for task in tasks} == {
        (domain, present) for domain in ("sequence", "sequence turned") for present in (True, False)
    }
    for task in tasks:
        same = task.template.path.parent == task.search.path.parent
        assert same == task.present
        assert (task.turn is not None) == (task.poses is EVERY_POSE)
        assert len(task.load().truths) == task.present


def test_places_are_judged_by_the_matcher_and_by_the_truth(matcher: Matcher) -> None:
    """A frame searched for its own object: the best place is right; turned, none is."""
    seed = FIRST_SCENE + 4
    (best,) = judged_boxes(matcher, SampleSearch(OwnScene("photo", seed), places=1))
    assert (best.right, best.rank, best.present, best.domain) == (True, 0, True, "photo")
    assert best.group == f"photo-{seed}"
    assert len(best.evidence) == len(fields(BoxEvidence))
    turned = OwnScene("photo", seed, Turn(90.0))
    places = list(judged_boxes(matcher, SampleSearch(turned, places=3)))
    assert [box.rank for box in places] == list(range(len(places)))
    assert 1 <= len(places) <= 3
    assert all(box.present and not box.right for box in places)
