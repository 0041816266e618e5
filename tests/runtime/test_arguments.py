"""Arguments of every wrong kind: an error of ours, never one of Python or of a library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
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
    Trails,
    Verifier,
    Video,
    VideoWriter,
    draw_matches,
    draw_tracks,
    expand_sources,
    frames,
    read_image,
    read_tracks,
    to_rows,
)
from qatm.runtime.arguments import as_called, as_count, as_number, as_switch, few_floats, is_name
from qatm.runtime.errors import seen
from qatm.runtime.files import as_path

ODD: tuple[Any, ...] = (
    *(None, True, 1.5, -1, 0, 10**400, float("nan"), float("inf"), "x", "", b"x", "a\0b", "\udcff"),
    *([], [1], {}, object(), (1, "a"), [[1]], 1e308, (0, 1e6, 1e6, 1)),
    *(np.array(3), np.array([1.0, 2.0]), np.float64("nan"), np.array(["a"]), np.zeros((0, 3))),
)


class Long(Sequence[float]):
    """A sequence that claims a length without end."""

    def __len__(self) -> int:
        return 1 << 62

    def __getitem__(self, place: Any) -> Any:
        return 1.0


MORE_ODD: tuple[Any, ...] = (
    *(((1, 2), 3), range(10**18), Long(), 10**5000, -(10**5000), [1, 10**5000], "\ud800", "a\0"),
    *(np.arange(2), np.timedelta64(5, "s"), np.array(1j), np.array(1, object), np.ones((4, 1))),
    *(
        np.ma.masked,
        np.ma.array([9, 9, 50, 50], mask=[False, True, False, False]),
        np.ma.array(1, mask=True),
    ),
    *(
        np.ma.masked_less(np.ones((120, 160), np.float32), 2),
        memoryview(bytes(16)).cast("B", (4, 4)),
    ),
    *(Decimal(5), Fraction(1, 2), "x" * 3000, {64, 48}, iter((64, 48))),
)
"""What numpy makes arrays of with a warning, in years, or not at all."""

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
        floats = image.astype(np.float32)
        tracker.init(image, box)
        track = tracker.track(image)

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
            "match batch": matcher.match_batch,
            "matcher warm_up": matcher.warm_up,
            "evidence top_k": small(lambda value: matcher.evidence(image, top_k=value)),
            "template image": matcher.encode_template,
            "template box": lambda value: matcher.encode_template(image, value),
            "template mask": lambda value: matcher.encode_template(image, box, value),
            "template name": lambda value: matcher.encode_template(image, box, name=value),
            "template range": lambda value: matcher.encode_template(image, box, value_range=value),
            "template range of floats": lambda value: matcher.encode_template(
                floats, box, value_range=value
            ),
            "template rotation": lambda value: matcher.encode_template(image, box, rotation=value),
            "template save": template.save,
            "template load": Template.load,
            "matcher device": lambda value: Matcher(session.bundle, value).close(),
            "matcher precision": lambda value: Matcher(precision=value, device="cpu").close(),
            "matcher device beside": lambda value: Matcher(session, value).close(),
            "matcher precision beside": lambda value: Matcher(session, precision=value).close(),
            "matcher threads beside": lambda value: Matcher(session, threads=value).close(),
            "matcher hash beside": lambda value: Matcher(session, sha256=value).close(),
            "session warm_up": session.warm_up,
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
            "list of sources": expand_sources,
            "rows": to_rows,
            "drawn matches": lambda value: draw_matches(image, value),
            "drawn scale": lambda value: draw_matches(image, [], value),
            "drawn tracks": lambda value: draw_tracks(image, value),
            "drawn number": lambda value: draw_tracks(image, {value: track}),
            "trails": Trails,
            "read_tracks": read_tracks,
            "read_tracks kind": lambda value: read_tracks("none.csv", value),
            "track writer": lambda value: TrackWriter(value).close(),
            "track writer kind": lambda value: TrackWriter("a.csv", value).close(),
            "video": lambda value: Video(value).close(),
            "video start": lambda value: Video(["a.png"], start=value).close(),
            "video fps": lambda value: Video(["a.png"], fps=value).close(),
            "video live": lambda value: Video([image], live=value).close(),
            "frames": lambda value: next(frames(value), None),
            "frame": lambda value: next(frames([value]), None),
            "frames fps": lambda value: list(frames([image, image], fps=value)),
            "video writer": lambda value: VideoWriter(value).close(),
            "video writer fps": lambda value: VideoWriter("a.avi", value).close(),
            "video writer gap": lambda value: VideoWriter("a.avi", longest_gap=value).close(),
            "video writer free": lambda value: VideoWriter("a.avi", min_free=value).close(),
            "video writer time": lambda value: VideoWriter("c.avi").write(image, value),
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
        for value in (*ODD, *MORE_ODD):
            try:
                hash(value)
            except (TypeError, ValueError):
                if name == "drawn number":
                    continue
            reason = raw_failure(lambda: call(value))  # noqa: B023
            if reason:
                raw.append(f"{name}({seen(value)}): {reason}")
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
    for bad in (True, 2.0, "3", None, np.array([3]), [3], 1 << 64, np.ma.array(3, mask=True)):
        with pytest.raises(InputError, match=r"n is .*; give a whole number"):
            as_count(bad, "n")
    for bad in (True, "2", None, np.array([2.0]), [2], float("nan"), 10**400, 1j, np.array(1j)):
        with pytest.raises(InputError, match=r"x is .*; give a finite number"):
            as_number(bad, "x")
    assert is_name("a", ("a", "b"))
    assert not is_name(np.array(["a", "b"]), ("a", "b"))


def test_short_rows() -> None:
    for good in ((1, 2.0), [1, 2], np.array([1, 2]), iter((1, 2)), (Decimal(1), Fraction(2))):
        assert few_floats(good, 2) == [1.0, 2.0]
    assert len(few_floats(range(10**18), 2)) == 3
    for bad in (None, 5, "12", b"12", (1, "2"), (1, None), (1, (2,)), np.ones((2, 1)), (True, 2)):
        assert few_floats(bad, 2) == []
    assert few_floats(np.ma.array([1, 2], mask=[False, True]), 2) == []
    assert few_floats((1, float("inf")), 2) == [1, float("inf")]


def test_names_are_plain_text() -> None:
    class Text(str):
        __slots__ = ()

    assert type(as_called(Text("cup"))) is str
    assert as_called(Text("cup")) == "cup"
    for bad in ("\ud800", "a" * 1001, 5):
        with pytest.raises(InputError, match=r"name is .*give text"):
            as_called(bad)


def test_switches() -> None:
    assert as_switch(np.bool_(True), "live")
    assert not as_switch(0, "live")
    for bad in ("yes", None, np.arange(2), 1.0):
        with pytest.raises(InputError, match=r"live is .*; give True or False"):
            as_switch(bad, "live")


def test_paths() -> None:
    assert as_path("a/b") == Path("a/b")
    for bad, words in (
        ("", "video is empty; name a file or folder, '.' for the current folder"),
        ("a\0b", "holds a NUL character"),
        ("a\ud800", "holds half a character, which no path can"),
        (b"a", "give the path of a file or folder"),
        (None, "give the path of a file or folder"),
    ):
        with pytest.raises(InputError, match=words):
            as_path(bad, "video")  # pyright: ignore[reportArgumentType]
