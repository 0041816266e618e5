"""Pairs for the network that compares pixels: labels, pictures, seeds, and parts made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_sequences import write_sequence

from qatm.runtime import Bundle, InputError, Matcher
from qatm.runtime.boxes import Box
from qatm.runtime.match.comparing import SHAPES
from qatm.tools.evaluation.pose.pose_errors import Lie
from qatm.tools.evaluation.track.sequences import read_sequences
from qatm.tools.lab.match_samples import FIRST_SCENE, SCENES
from qatm.tools.scenes.generate import DOMAINS, scene
from qatm.tools.train import pair_samples
from qatm.tools.train.pair_samples import (
    FIRST_SEED,
    MOST_PARTS,
    PART_SEEDS,
    Part,
    make_pairs,
    pair_origin,
    pair_part,
    pairs_by_size,
    read_pairs_part,
)
from qatm.tools.train.pair_scenes import (
    DOMAIN_WEIGHTS,
    FOOTAGE,
    PairMaker,
    RegisteredPair,
    beside,
    symmetric_turn,
)

RECIPE = Bundle.load().spec.recipes.match
SIZES = {(rows, columns) for _, columns, rows in SHAPES}


@pytest.fixture(scope="module")
def drawn() -> list[RegisteredPair]:
    """Pairs of a dozen scenes."""
    return [pair for seed in range(12) for pair in PairMaker(RECIPE).of_scene(FIRST_SEED + seed)]


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory, photographs: dict[str, Any]) -> PairMaker:
    """What makes pairs of a sequence of twelve frames."""
    folder = tmp_path_factory.mktemp("sequences")
    ground, thing = photographs["coffee"][:200, :260], photographs["chelsea"][90:140, 150:210]
    write_sequence(folder / "cat", ground, thing, frames=12)
    return PairMaker(RECIPE, tuple(read_sequences(folder).sequences))


def likeness(pair: RegisteredPair) -> float:
    """Correlation of the grey values of both pictures; 0 where one is flat."""
    one, other = (cv2.cvtColor(each, cv2.COLOR_BGR2GRAY).ravel() for each in pair.pictures)
    return float(np.corrcoef(one, other)[0, 1]) if min(one.std(), other.std()) > 1 else 0.0


def test_what_pairs_are(drawn: list[RegisteredPair]) -> None:
    assert len(drawn) > 20
    for pair in drawn:
        assert pair.pictures.dtype == np.uint8
        assert (pair.pictures.shape[0], pair.pictures.shape[3]) == (2, 3)
        assert pair.pictures.shape[1:3] in SIZES
        assert pair.domain in DOMAIN_WEIGHTS
        assert FIRST_SEED <= int(pair.group) < FIRST_SEED + 12
        assert np.abs(pair.zooms).max() < 4
    assert set(DOMAIN_WEIGHTS) == set(DOMAINS)


def test_copies_look_like_their_template(drawn: list[RegisteredPair]) -> None:
    alike = [likeness(pair) for pair in drawn if pair.same]
    others = [likeness(pair) for pair in drawn if not pair.same]
    assert min(len(alike), len(others)) > 5
    assert np.median(alike) > 0.8
    assert np.median(others) < np.median(alike)


def test_labels_are_the_scenes(drawn: list[RegisteredPair]) -> None:
    pair = drawn[0]
    shown = scene(pair.domain, int(pair.group))
    own = [each.same for each in drawn if each.group == pair.group]
    assert sum(own) == min(6, len(shown.truths))
    assert len(own) - sum(own) == min(6, len(shown.decoys))


def test_pictures_are_those_of_the_matcher(drawn: list[RegisteredPair]) -> None:
    pair = drawn[0]
    shown = scene(pair.domain, int(pair.group))
    with Matcher(device="cpu", threads=1) as matcher:
        template = matcher.encode_template(shown.frame, Box(*map(float, shown.box)))
    assert template.compared is not None
    np.testing.assert_array_equal(template.compared.picture[0], pair.pictures[0])


def test_frames_give_the_object_and_another_place(filmed: PairMaker) -> None:
    made = [pair for seed in range(40) for pair in filmed.of_frames(seed)]
    assert {(pair.domain, pair.group) for pair in made} == {(FOOTAGE, "cat")}
    alike = [likeness(pair) for pair in made if pair.same]
    assert len(alike) > len(made) / 2
    assert np.median(alike) > 0.8
    others = [likeness(pair) for pair in made if not pair.same]
    assert others
    assert max(others) < np.median(alike)


def test_poses_are_off_by_a_little() -> None:
    random, lie = np.random.default_rng(0), Lie(50.0, 40.0, 179.0, 2.0)
    poses = [beside(random, lie, (20.0, 5.0)) for _ in range(500)]
    # The side of the object is 20 pixels.
    assert np.std([pose.x for pose in poses]) == pytest.approx(0.6, rel=0.15)
    assert np.std([pose.y for pose in poses]) == pytest.approx(0.6, rel=0.15)
    assert np.std([pose.angle % 360 for pose in poses]) == pytest.approx(3, rel=0.15)
    assert np.std(np.log([pose.scale for pose in poses])) == pytest.approx(0.04, rel=0.15)
    assert max(abs(pose.angle) for pose in poses) <= 180


def test_symmetric_objects_are_turned() -> None:
    random = np.random.default_rng(0)
    assert {symmetric_turn(random, 1) for _ in range(9)} == {0}
    assert {symmetric_turn(random, 4) for _ in range(60)} == {0, 90, 180, 270}
    assert len({symmetric_turn(random, 0) for _ in range(9)}) == 9


def test_pairs_follow_from_the_seed(drawn: list[RegisteredPair]) -> None:
    again = PairMaker(RECIPE).of_scene(int(drawn[0].group))
    for one, other in zip(again, drawn, strict=False):
        assert one[2:] == other[2:]
        np.testing.assert_array_equal(one.pictures, other.pictures)
        np.testing.assert_array_equal(one.zooms, other.zooms)


class Counting(PairMaker):
    """Notes the seeds, and makes two pairs of most of them, without drawing."""

    def __init__(self, sequences: int = 0) -> None:
        object.__setattr__(self, "sequences", ("any",) * sequences)
        object.__setattr__(self, "asked", [])

    def of_scene(self, seed: int) -> list[RegisteredPair]:
        self.asked.append(seed)  # type: ignore[attr-defined]
        if seed % 10 == 1:
            return []
        return [made_up("parts", str(seed), same) for same in (True, False)]

    def of_frames(self, seed: int) -> list[RegisteredPair]:
        self.asked.append(seed)  # type: ignore[attr-defined]
        return [made_up(FOOTAGE, "cat", True)]


def made_up(domain: str, group: str, same: bool) -> RegisteredPair:
    pictures = np.zeros((2, 64, 64, 3), np.uint8)
    return RegisteredPair(pictures, np.zeros(2, np.float32), same, domain, group)


def test_no_seed_is_used_twice() -> None:
    # Evaluations begin at 0, and the score is fitted to those from FIRST_SCENE on.
    assert FIRST_SEED >= FIRST_SCENE + SCENES
    seeds: list[int] = []
    for seed, number in ((0, 0), (0, 1), (0, MOST_PARTS - 1), (1, 0)):
        maker = Counting()
        pair_part(number, 4, seed, maker)
        seeds += maker.asked  # type: ignore[attr-defined]
    assert min(seeds) == FIRST_SEED
    assert len(set(seeds)) == len(seeds)
    assert seeds[:3] == [FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2]
    assert seeds[3] == FIRST_SEED + PART_SEEDS


def domains_of(part: Part) -> set[str]:
    return {domain for samples in part for domain in samples.domains.tolist()}


def test_one_part_in_six_is_of_frames() -> None:
    numbers = range(12)
    assert all(domains_of(pair_part(n, 2, 0, Counting())) == {"parts"} for n in numbers)
    filmed = [domains_of(pair_part(n, 2, 0, Counting(sequences=1))) == {FOOTAGE} for n in numbers]
    assert [n for n in numbers if filmed[n]] == [5, 11]


def test_whole_scenes_and_sequences_are_left_out() -> None:
    pairs = [made_up("parts", str(FIRST_SEED + n // 2), True) for n in range(100)]
    pairs += [made_up(FOOTAGE, f"clip{n % 30}", True) for n in range(60)]
    samples, *rest = pairs_by_size(pairs)
    assert [len(each.same) for each in rest] == [0, 0]
    left = samples.left_out()
    assert set(samples.groups[left & (samples.domains == "parts")]) == {"100000", "100025"}
    clips = set(samples.groups[left & (samples.domains == FOOTAGE)])
    assert 3 < len(clips) < 17
    assert not clips & set(samples.groups[~left])


def test_parts_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_samples, "PART", 4)
    told: list[tuple[int, int]] = []

    def make(count: int, seed: int = 0) -> tuple[list[Part], list[int]]:
        maker, origin = Counting(), {"sample_seed": seed}
        parts = make_pairs(
            tmp_path, count, maker, origin, 1, lambda _, done, all_: told.append((done, all_))
        )
        return parts, maker.asked  # type: ignore[attr-defined]

    first, asked = make(6)
    assert [sum(len(samples.same) for samples in part) for part in first] == [4, 2]
    assert asked == [100_000, 100_001, 100_002, 200_000]
    assert told == [(4, 6), (6, 6)]
    again, asked = make(6)
    assert asked == []
    for one, other in zip(first, again, strict=True):
        for samples, kept in zip(one, other, strict=True):
            for array, read in zip(samples, kept, strict=True):
                np.testing.assert_array_equal(array, read)
    assert make(8)[1] == [200_000, 200_001, 200_002]
    with pytest.raises(InputError, match="another sample_seed: 0, now it is 1"):
        make(6, seed=1)
    (tmp_path / "part-001.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"part-001\.npz is damaged"):
        make(6)


def test_processes_make_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_samples, "PART", 1)
    maker, origin = PairMaker(RECIPE), pair_origin(RECIPE, [], 0)
    make_pairs(tmp_path, 2, maker, origin, 2, lambda *_: None)
    for number in range(2):
        told = read_pairs_part(tmp_path / f"part-{number:03d}.npz", origin)
        for samples, other in zip(told, pair_part(number, 1, 0, maker), strict=True):
            np.testing.assert_array_equal(samples.pictures, other.pictures)
            np.testing.assert_array_equal(samples.groups, other.groups)


def test_what_shows_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = Counting(sequences=1)
    monkeypatch.setattr(Counting, "of_frames", lambda *_: [])
    with pytest.raises(InputError, match="300 frames in a row show nothing"):
        pair_part(5, 2, 0, maker)


def test_the_origin_tells_sequences_apart(filmed: PairMaker) -> None:
    without, with_them = (pair_origin(RECIPE, each, 3) for each in ((), filmed.sequences))
    assert without["images"] != with_them["images"]
    assert with_them["pictures"].endswith("frames of 1 sequences")
    assert with_them["sample_seed"] == 3
