"""Arguments of every wrong kind: an error of ours, never one of Python or of a library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatm.runtime import (
    Aligner,
    Bundle,
    InputError,
    Matcher,
    MultiTracker,
    QatmError,
    Session,
    Template,
    Tracker,
    TrackerOptions,
    TrackWriter,
    Verifier,
    Video,
    VideoWriter,
    expand_sources,
    read_image,
    read_tracks,
)
from qatm.runtime.arguments import as_count, as_number, is_name
from qatm.runtime.files import as_path

ODD: tuple[Any, ...] = (
    *(None, True, 1.5, -1, 0, 10**400, float("nan"), float("inf"), "x", "", b"x", "a\0b", "\udcff"),
    *([], [1], {}, object(), (1, "a"), [[1]], 1e308, (0, 1e6, 1e6, 1)),
    *(np.array(3), np.array([1.0, 2.0]), np.float64("nan"), np.array(["a"]), np.zeros((0, 3))),
)

Call = Callable[[Any], object]


@pytest.fixture(scope="module")
def calls(photographs: dict[str, np.ndarray]) -> Iterator[dict[str, Call]]:
    """Public calls, each with one argument left open."""
    image = np.ascontiguousarray(photographs["astronaut"][:120, :160])
    box = (40, 30, 40, 40)
    with (
        Session(device="cpu", threads=1) as session,
        Matcher(session) as matcher,
        Tracker(session) as tracker,
    ):
        template = matcher.set_template(image, box)
        tracker.init(image, box)

        def small(call: Call) -> Call:
            return lambda value: None if isinstance(value, int) and value > 50 else call(value)

        yield {
            "match image": matcher.match,
            "match top_k": small(lambda value: matcher.match(image, top_k=value)),
            "match min_score": lambda value: matcher.match(image, min_score=value),
            "match templates": lambda value: matcher.match(image, templates=value),
            "match template": lambda value: matcher.match(image, templates=[value]),
            "match region": lambda value: matcher.match(image, region=value),
            "match rotation": lambda value: matcher.match(image, rotation=value),
            "match scale": lambda value: matcher.match(image, scale=value),
            "match suppress": lambda value: matcher.match(image, suppress=value),
            "match fit": lambda value: matcher.match(image, fit=value),
            "evidence top_k": small(lambda value: matcher.evidence(image, top_k=value)),
            "template image": matcher.encode_template,
            "template box": lambda value: matcher.encode_template(image, value),
            "template mask": lambda value: matcher.encode_template(image, box, value),
            "template name": lambda value: matcher.encode_template(image, box, name=value),
            "template range": lambda value: matcher.encode_template(image, box, value_range=value),
            "template save": template.save,
            "template load": Template.load,
            "matcher device": lambda value: Matcher(session.bundle, value).close(),
            "matcher precision": lambda value: Matcher(precision=value, device="cpu").close(),
            "session bundle": lambda value: Session(value, "cpu").close(),
            "session threads": small(lambda value: Session(device="cpu", threads=value).close()),
            "bundle": Bundle.load,
            "tracker options": lambda value: Tracker(session, options=value).close(),
            "tracker frame": lambda value: tracker.init(value, box),
            "tracker box": lambda value: tracker.init(image, value),
            "tracker template": lambda value: tracker.init(image, template=value),
            "tracker save": tracker.save,
            "tracker load": lambda value: Tracker.load(value, session),
            "objects": lambda value: MultiTracker(session).add(image, value),
            "verifier": lambda value: Verifier(image, session, panorama=value).close(),
            "verifier matching": lambda value: Verifier(image, session, matching=value).close(),
            "aligner": lambda value: Aligner(session, method=value).close(),
            "read_image": read_image,
            "sources": lambda value: expand_sources([value]),
            "read_tracks": read_tracks,
            "read_tracks kind": lambda value: read_tracks("none.csv", value),
            "track writer": lambda value: TrackWriter(value).close(),
            "track writer kind": lambda value: TrackWriter("a.csv", value).close(),
            "video": lambda value: Video(value).close(),
            "video start": lambda value: Video(["a.png"], start=value).close(),
            "video fps": lambda value: Video(["a.png"], fps=value).close(),
            "video writer": lambda value: VideoWriter(value).close(),
            "video writer fps": lambda value: VideoWriter("a.avi", value).close(),
            "video writer gap": lambda value: VideoWriter("a.avi", longest_gap=value).close(),
            "video writer free": lambda value: VideoWriter("a.avi", min_free=value).close(),
            "video writer frame": lambda value: VideoWriter("b.avi").write(value),
            "options": TrackerOptions.from_dict,
        }


def raw_failure(call: Callable[[], object]) -> str:
    """How a call fails; nothing if it does not, or with one of the errors that are documented."""
    try:
        call()
    except (QatmError, OSError):
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def test_no_wrong_argument_fails_raw(
    calls: dict[str, Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw: list[str] = []
    for name, call in calls.items():
        for value in ODD:
            reason = raw_failure(lambda: call(value))  # noqa: B023
            if reason:
                raw.append(f"{name}({str(value)[:40]}): {reason}")
    assert not raw, "\n".join(raw)


@pytest.mark.parametrize("name", [entry.name for entry in fields(TrackerOptions)])
def test_options_of_a_tracker(name: str) -> None:
    for value in ODD:
        assert not raw_failure(lambda: TrackerOptions(**{name: value}))  # noqa: B023


def test_numbers_and_counts() -> None:
    for good in (3, np.int64(3), np.array(3), np.uint8(3)):
        assert as_count(good, "n") == 3
    for good in (2.5, np.float32(2.5), np.array(2.5)):
        assert as_number(good, "x") == 2.5
    for bad in (True, 2.0, "3", None, np.array([3]), [3]):
        with pytest.raises(InputError, match=r"n is .*; give a whole number"):
            as_count(bad, "n")
    for bad in (True, "2", None, np.array([2.0]), [2], float("nan"), 10**400, 1j):
        with pytest.raises(InputError, match=r"x is .*; give a finite number"):
            as_number(bad, "x")
    assert is_name("a", ("a", "b"))
    assert not is_name(np.array(["a", "b"]), ("a", "b"))


def test_paths() -> None:
    assert as_path("a/b") == Path("a/b")
    for bad, words in (
        ("", "video is empty; name a file or folder, '.' for the current folder"),
        ("a\0b", "holds a NUL character"),
        (b"a", "give the path of a file or folder"),
        (None, "give the path of a file or folder"),
    ):
        with pytest.raises(InputError, match=words):
            as_path(bad, "video")  # pyright: ignore[reportArgumentType]
