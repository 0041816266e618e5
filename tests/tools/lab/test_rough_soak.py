"""A soak over good and bad frames: what it shows, and that growth is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qatm.tools.lab.rough_soak import DAMAGED, Held, grown, rough_frame, soak
from qatm.tools.lab.track_scene import MovingScene


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system has no /proc")
def test_bad_frames_are_refused_and_nothing_stays_open() -> None:
    reports = list(soak(400))
    assert [report.frames for report in reports] == list(range(40, 401, 40))
    assert reports[-1].refused == 1
    assert reports[-1].matched > 60
    assert reports[-1].descriptors <= reports[2].descriptors
    assert reports[-1].threads <= reports[2].threads


def test_frames_are_good_small_and_damaged() -> None:
    scene = MovingScene(320, 240, 48)
    assert rough_frame(scene, 1).shape == (240, 320, 3)
    assert rough_frame(scene, 650).shape == (180, 240, 3)
    assert rough_frame(scene, 3 * DAMAGED).size == 0
    assert rough_frame(scene, DAMAGED).max() == 0


@pytest.mark.parametrize("more", [{"memory": 2.5}, {"descriptors": 1}, {"threads": 1}])
def test_growth_is_seen(more: dict[str, float]) -> None:
    flat = [Held(10 * i, 100.0 + i % 2, 8, 4, 0, 0, 0) for i in range(10)]
    assert not grown(flat)
    names = {name: getattr(flat[-1], name) + value for name, value in more.items()}
    assert grown([*flat[:-1], replace(flat[-1], **names)])
