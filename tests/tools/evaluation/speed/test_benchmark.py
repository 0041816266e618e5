"""What ``qatm bench`` measures, and the files that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench_records import COMPARISON_KEYS, some_records

from qatm.runtime.errors import QatmError
from qatm.tools.evaluation.speed import benchmark
from qatm.tools.evaluation.speed import jobs as bench_jobs
from qatm.tools.evaluation.speed import measuring as bench_measure
from qatm.tools.evaluation.speed.bench_files import save_records
from qatm.tools.evaluation.speed.benchmark import (
    MEANINGS,
    QUICK,
    Benchmark,
    require_packages,
)
from qatm.tools.evaluation.speed.jobs import BenchJob

pytest.importorskip("torch")
pytest.importorskip("skimage")
pytest.importorskip("onnxruntime")


def test_a_comparison_takes_medians_and_divides_other_by_ours() -> None:
    record = some_records()[0]
    assert record.keys() >= COMPARISON_KEYS
    assert (record["ours_ms"], record["other_ms"], record["speedup"]) == (2.0, 40.0, 20.0)


def test_calls_alternate_and_start_with_an_unmeasured_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_measure, "PAUSE_SECONDS", 0.0)
    calls: list[tuple[str, int]] = []
    times = bench_measure.interleave(
        lambda i: calls.append(("a", i)), lambda i: calls.append(("b", i)), 2
    )
    assert calls == [("a", 0), ("b", 0), ("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert [len(side) for side in times] == [2, 2]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 16])
def test_templates_are_different_places_inside_the_picture(count: int) -> None:
    job = BenchJob("matcher", templates=count)
    boxes = bench_jobs.template_boxes(job)
    assert len(set(boxes)) == count
    assert all(x >= 0 and x + w <= job.width for x, _, w, _ in boxes)
    assert all(y >= 0 and y + h <= job.height for _, y, _, h in boxes)


def test_photographs_have_the_size_of_the_job() -> None:
    pictures = bench_jobs.photographs(BenchJob("zncc", height=90, width=120, pictures=5))
    assert [picture.shape for picture in pictures] == [(90, 120, 3)] * 5
    assert (pictures[0] == pictures[4]).all()
    assert not (pictures[0] == pictures[1]).all()


def test_a_fresh_process_is_measured_on_its_own() -> None:
    held = bytearray(200 << 20)
    held[:: 1 << 12] = b"1" * len(held[:: 1 << 12])
    alone = bench_measure.measure_alone(BenchJob("zncc", height=120, width=160), 1)
    assert alone.ms > 0
    if alone.peak_mb is not None:
        assert alone.growth_mb is not None
        assert 0 <= alone.growth_mb < alone.peak_mb < 200


def test_a_failure_in_the_fresh_process_is_reported() -> None:
    with pytest.raises(QatmError, match="nowhere does not exist"):
        bench_measure.measure_alone(BenchJob("graph", model="nowhere"), 1)


@pytest.mark.parametrize("memory", [100.0, None])
def test_results_are_saved_with_a_plot(tmp_path: Path, memory: float | None) -> None:
    pytest.importorskip("matplotlib")
    records = some_records(memory)
    save_records(records, tmp_path / "new")
    lines = (tmp_path / "new" / "bench.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == records
    assert (tmp_path / "new" / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "find_spec", lambda _: None)
    with pytest.raises(QatmError, match=r"torch.*qatm\[export\]"):
        require_packages()


def test_the_time_inside_onnx_runtime_is_counted_and_the_class_restored() -> None:
    from qatm.runtime.backends.onnx import OnnxGraph

    original = OnnxGraph.run
    call = bench_jobs.prepare(BenchJob("graph"))
    with bench_measure.session_timer() as spent:
        call(0)
        call(1)
    assert len(spent) == 2
    assert min(spent) > 0
    assert OnnxGraph.run is original


def test_graph_and_eager_agree() -> None:
    import numpy as np

    quality, scores, boxes = bench_jobs.prepare(BenchJob("graph"))(0)  # type: ignore[misc]
    eager_quality, (eager_scores, eager_boxes) = bench_jobs.prepare(BenchJob("eager"))(0)  # type: ignore[misc]
    np.testing.assert_allclose(quality, eager_quality, atol=1e-4)
    np.testing.assert_allclose(scores[0], eager_scores[0], atol=1e-4)
    np.testing.assert_allclose(boxes[0], eager_boxes[0], atol=1e-2)


def test_the_steps_cover_what_is_documented() -> None:
    assert len(Benchmark(effort=QUICK).steps()) == len(MEANINGS) + 3
