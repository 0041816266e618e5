"""Sessions: one opened bundle for all tasks, released with its last user."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatm import runtime
from qatm.runtime import (
    Aligner,
    Bundle,
    BundleError,
    DeviceError,
    InputError,
    Matcher,
    MultiTracker,
    Session,
    Tracker,
    Verifier,
)
from qatm.runtime.bundle import folder

Images = dict[str, np.ndarray]
BOX = (180, 70, 64, 48)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were hashed, in order."""
    names: list[str] = []
    real = folder.read_hashed

    def counted(path: Path, most: int) -> tuple[bytes, str]:
        names.append(path.name)
        return real(path, most)

    monkeypatch.setattr(folder, "read_hashed", counted)
    return names


def test_opening_a_matcher_hashes_each_file_once(hashed: list[str]) -> None:
    Matcher(threads=1).close()
    assert sorted(hashed) == ["compare.onnx", "features.onnx", "match.onnx"]


def test_tasks_of_one_session_open_nothing_again(hashed: list[str], photographs: Images) -> None:
    image = photographs["astronaut"]
    with Session(threads=1) as session:
        tasks = [
            Matcher(session),
            Tracker(session),
            MultiTracker(session),
            Aligner(session),
            Verifier(image, session),
        ]
        assert session.users == 1 + len(tasks)
        assert {task.session for task in tasks} == {session}
        assert all(task.bundle is session.bundle for task in tasks)
        assert sorted(hashed) == ["compare.onnx", "features.onnx", "match.onnx"]
        for task in tasks:
            task.close()
        assert session.users == 1


def test_only_the_precision_that_runs_is_hashed(hashed: list[str], tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(Bundle.load().path, tmp_path / "copy"))
    shutil.copyfile(copy / "features.onnx", copy / "features.fp16.onnx")
    spec = Bundle.load(copy).spec
    half = replace(spec.files["features.onnx"], precision="fp16")
    spec = replace(spec, files={**spec.files, "features.fp16.onnx": half})
    (copy / "bundle.json").write_text(json.dumps(spec.to_json()), encoding="utf-8")
    hashed.clear()
    Matcher(copy, precision="fp16", threads=1).close()
    assert sorted(hashed) == ["compare.onnx", "features.fp16.onnx", "match.onnx"]


def test_each_graph_is_read_once_and_only_if_it_runs(
    monkeypatch: pytest.MonkeyPatch, photographs: Images
) -> None:
    import onnxruntime

    opened: list[str] = []
    real = onnxruntime.InferenceSession

    names = {file.read_bytes(): file.name for file in Bundle.load().path.glob("*.onnx")}

    def counted(data: bytes, *arguments: Any, **named: Any) -> object:
        opened.append(names[data])
        return real(data, *arguments, **named)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counted)
    image = photographs["astronaut"]
    with Session(threads=1) as session:
        Aligner(session).align(image, image)
        with Verifier(image, session) as verifier:
            verifier.verify(image)
        assert opened == ["features.onnx"]
        with Matcher(session) as matcher:
            matcher.set_template(image, BOX)
            assert matcher.match(image)[0].found
            assert matcher.match(image)[0].found
        assert {"features.onnx", "match.onnx"} <= set(opened)
        assert len(set(opened)) == len(opened)


def test_a_file_that_changed_is_hashed_again(hashed: list[str], tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(Bundle.load().path, tmp_path / "copy"))
    bundle = Bundle.load(copy)
    hashed.clear()
    bundle.file("match", "fp32")
    assert hashed == []
    data = (copy / "match.onnx").read_bytes()
    (copy / "match.onnx").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BundleError, match="SHA-256"):
        bundle.file("match", "fp32")


def test_a_shared_session_computes_what_an_own_one_does(photographs: Images) -> None:
    image = photographs["astronaut"]
    moved = np.ascontiguousarray(np.roll(image, (6, -9), (0, 1)))
    with Session(threads=1) as session, Matcher(session) as shared, Matcher(threads=1) as own:
        with Tracker(session) as tracker, Tracker(threads=1) as alone:
            tracker.init(image, BOX)
            alone.init(image, BOX)
            assert tracker.update(moved) == alone.update(moved)
        found = [
            matcher.match(moved, templates=[matcher.encode_template(image, BOX)])
            for matcher in (shared, own)
        ]
        assert found[0] == found[1]
        assert shared.info == own.info


def test_closing_a_task_leaves_the_session_to_the_others(photographs: Images) -> None:
    image = photographs["astronaut"]
    session = Session(threads=1)
    first, second = Matcher(session), Matcher(session)
    first.close()
    first.close()
    assert session.users == 2
    with pytest.raises(DeviceError, match="this matcher is closed; make a new one"):
        first.encode_template(image, BOX)
    second.set_template(image, BOX)
    assert second.match(image)[0].found
    # Its maker gives it up, but it has a user left.
    session.close()
    session.close()
    assert session.users == 1
    assert second.match(image)[0].found
    with pytest.raises(DeviceError, match="this session is closed; make a new one"):
        Tracker(session)
    second.close()
    assert session.users == 0
    with pytest.raises(DeviceError, match=r"features\.onnx is closed; open the bundle again"):
        session.features(np.zeros((32, 32, 3), np.uint8))


def test_a_session_that_a_task_opened_can_be_shared(photographs: Images) -> None:
    image = photographs["astronaut"]
    matcher = Matcher(threads=1)
    session = matcher.session
    tracker = Tracker(session)
    matcher.close()
    matcher.close()
    assert session.users == 1
    tracker.init(image, BOX)
    assert tracker.update(image)[0]
    with pytest.raises(DeviceError, match="this session is closed; make a new one"):
        Aligner(session)
    tracker.close()
    assert session.users == 0
    with Matcher(threads=1) as matcher:
        matcher.session.close()
        template = matcher.encode_template(image, BOX)
        assert matcher.match(image, templates=[template])[0].found


def test_a_task_that_cannot_be_opened_leaves_the_session(photographs: Images) -> None:
    with Session(threads=1) as session:
        with pytest.raises(BundleError, match="a network for 'verify', not one for 'align'"):
            Aligner(session, method="network")
        with pytest.raises(runtime.ImageError, match="8x8"):
            Verifier(np.zeros((8, 8, 3), np.uint8), session)
        assert session.users == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "cpu"}, "device is 'cpu', but a session is open already"),
        ({"precision": "fp32"}, r"precision is 'fp32', .*\(on cpu, fp32\); give precision to the"),
        ({"threads": 2}, "threads is 2, but a session"),
        ({"sha256": "0" * 64}, r"sha256 is '0+\.\.\.0+', but a session"),
    ],
)
def test_what_a_session_decides_is_not_for_its_tasks(options: dict[str, Any], words: str) -> None:
    with Session(device="cpu", threads=1) as session:
        with pytest.raises(InputError, match=words):
            Matcher(session, **options)
        assert session.users == 1


def test_a_bundle_that_was_loaded_serves_every_task(photographs: Images) -> None:
    bundle = Bundle.load()
    image = photographs["chelsea"]
    for task in (Matcher(bundle), Tracker(bundle), Aligner(bundle), Verifier(image, bundle)):
        assert task.bundle is bundle
        task.close()


def test_what_a_session_runs_on() -> None:
    with Session(device="cpu", threads=1) as session:
        info = session.info
        assert (info.device, info.provider, info.precision) == (
            "cpu",
            "CPUExecutionProvider",
            "fp32",
        )
        assert info.backbone == "efficientnet-lite0:2+4+10"
        assert info.calibrated == {"match": True, "track": True, "align": False, "verify": True}
        assert info.as_dict()["hashes"] == info.hashes
        options = runtime.TrackerOptions(found_score=0.6)
        with Tracker(session, options=options) as tracker, Aligner(session) as aligner:
            assert tracker.info.threshold == 0.6
            assert tracker.info.calibrated
            assert not aligner.info.calibrated


def test_threads_share_a_session(photographs: Images) -> None:
    image = photographs["coffee"]

    def look(shift: int) -> list[runtime.Match]:
        # Made, used and closed in a thread of its own.
        with Matcher(session) as matcher:
            template = matcher.encode_template(image, (322, 228, 64, 64))
            return matcher.match(np.roll(image, shift, 1), templates=[template])

    with Session(threads=1) as session:
        expected = [look(shift) for shift in range(4)]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(look, range(4))) == expected
        assert session.users == 1


def test_threads_that_close_one_task_count_as_one_user() -> None:
    with Session(threads=1) as session:
        matcher, other = Matcher(session), Matcher(session)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: matcher.close(), range(64)))
        assert session.users == 2
        other.close()


def test_eight_threads_answer_as_one(photographs: Images) -> None:
    image = np.ascontiguousarray(photographs["astronaut"][:240, :320])
    frames = [np.roll(image, 7 * number, 1) for number in range(8)]

    with Session(device="cpu", threads=1) as session, Matcher(session) as matcher:
        template = matcher.encode_template(image, BOX)

        def work(number: int) -> list[Any]:
            found = matcher.match(frames[number], templates=[template], top_k=3)
            with Tracker(session) as tracker:
                tracker.init(image, BOX)
                steps = [tracker.track(frame) for frame in frames[:3]]
            return [[(*m.box, m.score) for m in found], [(*s.box, s.score) for s in steps]]

        alone = [work(number) for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            for _ in range(2):
                assert list(pool.map(work, range(8))) == alone
        assert session.users == 2
