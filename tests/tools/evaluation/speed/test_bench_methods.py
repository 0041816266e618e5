"""What ``qatm bench`` calls: each method does what its row says."""

from __future__ import annotations

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from qatm.runtime import TrackerOptions
from qatm.tools.evaluation.speed import bench_pictures, jobs, track_jobs
from qatm.tools.evaluation.speed.bench_methods import METHODS, prepare
from qatm.tools.evaluation.speed.jobs import BenchJob, LeftOut, template_boxes

pytest.importorskip("onnxruntime")

SMALL = BenchJob("", width=320, height=240)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 16])
def test_templates_are_different_places_inside_the_picture(count: int) -> None:
    job = BenchJob("matcher", templates=count)
    boxes = template_boxes(job)
    assert len(set(boxes)) == count
    assert all(x >= 0 and x + w <= job.width for x, _, w, _ in boxes)
    assert all(y >= 0 and y + h <= job.height for _, y, _, h in boxes)


@pytest.mark.parametrize(
    "job",
    [
        BenchJob("in_scene", width=800, height=600, template=24),
        BenchJob("in_scene", width=480, height=360, template=64),
        replace(SMALL, method="tracked"),
        replace(SMALL, method="lost"),
        BenchJob("several", width=480, height=360, templates=3),
        BenchJob("align", width=320, height=240, template=256),
        BenchJob("verify", width=640, height=360, template=256),
    ],
    ids=lambda job: f"{job.method}-{job.width}",
)
def test_what_has_an_answer_finds_it(job: BenchJob) -> None:
    method = prepare(job)
    for i in range(8 if job.method != "verify" else 1):
        method.call(i)
    assert method.facts()["right"] is True


@pytest.mark.parametrize("method", ["in_scene", "tracked", "lost", "several", "align"])
def test_drawn_pictures_do_as_well(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(bench_pictures, "find_photographs", lambda: None)
    count = 2 if method == "several" else 1
    loaded = prepare(BenchJob(method, templates=count))
    for i in range(8):
        loaded.call(i)
    assert loaded.facts()["right"] is True


def test_a_wrong_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from qatm.tools.evaluation.speed.bench_pictures import ObjectScene

    method = prepare(replace(SMALL, method="in_scene"))
    method.call(0)
    assert method.facts()["right"]
    # The picture that is searched shows the object nowhere.
    monkeypatch.setattr(ObjectScene, "frame", lambda self, boxes=(), gain=1.0: self.ground.copy())
    method = prepare(replace(SMALL, method="in_scene"))
    method.call(0)
    assert not method.facts()["right"]


def test_the_matching_graph_and_pytorch_agree() -> None:
    pytest.importorskip("torch")
    quality, eager = (prepare(BenchJob(name)).call(0) for name in ("graph", "eager"))
    np.testing.assert_allclose(np.asarray(quality), np.asarray(eager), atol=1e-4)


def test_a_tracker_that_does_not_give_up_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_jobs, "PATIENCE", 1)
    with pytest.raises(LeftOut, match="did not give up in 1 frames of 320 x 240"):
        prepare(replace(SMALL, method="lost"))


def test_csrt_is_left_out_where_opencv_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for home in (cv2, getattr(cv2, "legacy", None)):
        for name in ("TrackerCSRT", "TrackerCSRT_create"):
            monkeypatch.delattr(home, name, raising=False) if home else None
    with pytest.raises(LeftOut, match="csrt is not in the OpenCV"):
        METHODS["csrt"](BenchJob("csrt"))


def test_a_budget_is_for_trackers_that_know_it() -> None:
    known = "budget_ms" in [entry.name for entry in fields(TrackerOptions)]
    assert track_jobs.knows_budget() is known
    if known:
        prepare(replace(SMALL, method="lost", budget_ms=20.0)).call(0)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "find_spec", lambda _: None)
    with pytest.raises(LeftOut, match=r"torch.*qatm\[export\]"):
        jobs.need_package("torch", "export")
