"""Warming up: what the first picture would wait for is done before, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from qatm.runtime import (
    Aligner,
    InputError,
    Matcher,
    MultiTracker,
    Session,
    Track,
    Tracker,
    Verifier,
)
from qatm.runtime.backends.onnx import OnnxBackend

BOX = (120, 80, 64, 64)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The graphs that are opened."""
    roles: list[str] = []
    open_graph = OnnxBackend._open

    def noted(backend: OnnxBackend, role: str, threads: int | None) -> Any:
        roles.append(role)
        return open_graph(backend, role, threads)

    monkeypatch.setattr(OnnxBackend, "_open", noted)
    return roles


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(device="cpu", threads=1) as shared:
        yield shared


def test_a_session_loads_its_graphs(session: Session, opened: list[str]) -> None:
    session.warm_up((100, 61))
    assert opened == ["match"]


def tracked(tracker: Tracker, cat: np.ndarray) -> Track:
    tracker.init(cat, BOX)
    return tracker.track(cat)


def tasks(cat: np.ndarray) -> dict[str, Callable[[Session], tuple[Any, Callable[[], Any]]]]:
    """How each task is made, and what it is then asked."""

    def matcher(session: Session) -> tuple[Any, Callable[[], Any]]:
        task = Matcher(session)
        return task, lambda: task.match(cat, templates=[task.encode_template(cat, BOX)])

    def tracker(session: Session) -> tuple[Any, Callable[[], Any]]:
        task = Tracker(session)
        return task, lambda: tracked(task, cat)

    def several(session: Session) -> tuple[Any, Callable[[], Any]]:
        task = MultiTracker(session)
        return task, lambda: (task.add(cat, BOX), task.track(cat))

    def verifier(session: Session) -> tuple[Any, Callable[[], Any]]:
        task = Verifier(cat, session)
        return task, lambda: task.verify(cat).score

    return {"match": matcher, "track": tracker, "several": several, "verify": verifier}


@pytest.mark.parametrize("task", ["match", "track", "several", "verify"])
def test_nothing_is_left_to_load_and_answers_stay(
    photographs: dict[str, np.ndarray], session: Session, opened: list[str], task: str
) -> None:
    make = tasks(photographs["chelsea"])[task]
    warm, ask = make(session)
    warm.warm_up((200, 150))
    loaded = list(opened)
    answer = ask()
    assert opened == loaded, "no graph had to be opened"
    with Session(device="cpu", threads=1) as other:
        assert make(other)[1]() == answer


def test_what_is_set_and_followed_stays(
    photographs: dict[str, np.ndarray], session: Session
) -> None:
    cat = photographs["chelsea"]
    matcher, tracker, several = Matcher(session), Tracker(session), MultiTracker(session)
    matcher.warm_up()
    assert matcher.template is None
    template = matcher.set_template(cat, BOX)
    matcher.warm_up((200, 150), rotation=10)
    assert matcher.template is template
    assert template.poses, "it is encoded at the angles that will be searched"
    tracker.init(cat, BOX)
    number = several.add(cat, BOX)
    latest = tracker.latest
    for task in (tracker, several):
        task.warm_up()
    assert tracker.latest is latest
    assert several.ids == [number]
    assert several.add(cat, BOX) == number + 1
    assert tracker.track(cat).box == pytest.approx(BOX, abs=1)


def test_an_aligner_warms_up_and_sizes_are_checked() -> None:
    with Aligner(device="cpu") as aligner:
        aligner.warm_up((64, 48))
        with pytest.raises(InputError, match="size 0x48 is no picture's"):
            aligner.warm_up((0, 48))


@pytest.mark.parametrize("size", [None, 5, (5.0, 5.0), (0, 48), (1 << 20, 1 << 20), (1, 2, 3)])
def test_a_session_checks_sizes_too(session: Session, size: Any) -> None:
    for task in (session, Tracker(session)):
        with pytest.raises(InputError, match="size"):
            task.warm_up(size)


def test_any_pair_is_a_size(session: Session) -> None:
    pair: Any = {64, 48}
    Tracker(session).warm_up(pair)


def test_a_batch_is_matched_as_its_images_are(
    photographs: dict[str, np.ndarray], session: Session
) -> None:
    cat, cup = photographs["chelsea"], photographs["coffee"]
    matcher = Matcher(session)
    matcher.set_template(cat, BOX, name="eye")
    alone = [matcher.match(image, top_k=2) for image in (cat, cup, cat[5:, 3:])]
    assert matcher.match_batch([cat, cup, cat[5:, 3:]], top_k=2) == alone
    assert matcher.match_batch(np.stack([cat, cat]), 2) == [alone[0]] * 2
    assert matcher.match_batch(image for image in (cat, cup)) == [
        matcher.match(cat),
        matcher.match(cup),
    ]
    assert matcher.match_batch([]) == []
    wrong: Any = [cat, "cup.png"]
    with pytest.raises(InputError, match=r"^image 1: image is str"):
        matcher.match_batch(wrong)
