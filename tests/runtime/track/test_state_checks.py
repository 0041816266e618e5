"""Running trackers that somebody else saved: what no tracker saves is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatm.runtime import InputError, QatmError, Session, Tracker
from qatm.runtime.saved_arrays import read_arrays

ODD: tuple[Any, ...] = (
    None,
    True,
    "x",
    [],
    {},
    -1,
    1e300,
    1 << 40,
    [1],
    {"array": 0},
    {"known": 1},
)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(device="cpu", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def frames(photographs: dict[str, Any]) -> list[np.ndarray]:
    image = np.ascontiguousarray(photographs["astronaut"][:120, :160])
    return [np.roll(image, step, 1) for step in range(9)]


@pytest.fixture(scope="module")
def saved(session: Session, frames: list[np.ndarray], tmp_path_factory: Any) -> Path:
    with Tracker(session) as tracker:
        tracker.init(frames[0], (60, 40, 40, 40))
        for frame in frames:
            tracker.update(frame)
        return tracker.save(tmp_path_factory.mktemp("saved") / "t.npz")


def rewritten(saved: Path, target: Path, state: Any) -> Path:
    arrays: dict[str, Any] = dict(read_arrays(saved)) | {"state": np.array(json.dumps(state))}
    with target.open("wb") as file:
        np.savez(file, **arrays)
    return target


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Follower", "centre", {"tuple": ["x", 1.0]}),
        ("Follower", "centre", {"tuple": [1e300, 1.0]}),
        ("Follower", "size", 0.0),
        ("Follower", "size", 1e9),
        ("Follower", "_seen_for", 1.5),
        ("Calm", "_left", -1),
        ("PixelGlance", "kept", {"tuple": []}),
        ("Belief", "state", "asleep"),
        ("TargetModel", "_since", -1),
        ("TargetModel", "recent", {"array": 0}),
        ("TargetModel", "_newer", {"known": "its patches"}),
        ("SpreadSearch", "_waiting", {"deque": [None, 3]}),
        ("StreamView", "size", {"tuple": [1 << 20, 1 << 20]}),
        ("StreamView", "latest", None),
        ("FrameStream", "_samples", {"tuple": [1, 2]}),
    ],
)
def test_what_no_tracker_saves(
    kind: str, name: str, value: Any, saved: Path, tmp_path: Path, session: Session
) -> None:
    state = json.loads(str(read_arrays(saved)["state"]))
    assert name in state[kind]
    state[kind][name] = value
    with pytest.raises(InputError, match=r"t\.npz cannot be read"):
        Tracker.load(rewritten(saved, tmp_path / "t.npz", state), session)


def test_any_change_is_refused_or_goes_on(
    saved: Path, tmp_path: Path, session: Session, frames: list[np.ndarray]
) -> None:
    chance = random.Random(0)
    whole = str(read_arrays(saved)["state"])
    refused = 0
    for _ in range(60):
        state = json.loads(whole)
        place: Any = state
        while isinstance(place, (dict, list)) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = chance.choice(keys)
            if not isinstance(place[key], (dict, list)) or not place[key] or chance.random() < 0.1:
                place[key] = chance.choice(ODD)
                break
            place = place[key]
        try:
            with Tracker.load(rewritten(saved, tmp_path / "t.npz", state), session) as tracker:
                for frame in (frames[0], frames[3][::-1].copy(), frames[3]):
                    assert np.isfinite(tracker.update(frame)[1]).all()
        except QatmError:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize("size", [(60, 160), (120, 80), (121, 160)])
def test_samples_of_a_frame_of_another_size_are_refused(
    saved: Path, session: Session, tmp_path: Path, size: tuple[int, int]
) -> None:
    state = json.loads(str(read_arrays(saved)["state"]))
    text = json.dumps(state["FrameStream"]["_size"])
    assert "120" in text, text
    state["FrameStream"]["_size"] = json.loads(
        text.replace("120", str(size[0])).replace("160", str(size[1]))
    )
    with pytest.raises(InputError, match="cannot be read"):
        Tracker.load(rewritten(saved, tmp_path / "x.npz", state), session)
