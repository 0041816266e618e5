"""What ``qatm bench`` measures, step by step."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from bench_records import COMPARISON_KEYS, IDENTITY_KEYS, some_rows

from qatm.tools.evaluation.speed import benchmark, track_costs
from qatm.tools.evaluation.speed.bench_rows import COMPARISONS, COSTS, GROUPS, identity, slow_ms
from qatm.tools.evaluation.speed.benchmark import Benchmark
from qatm.tools.evaluation.speed.efforts import FULL, QUICK
from qatm.tools.evaluation.speed.jobs import BenchJob, LeftOut, Loaded, nothing
from qatm.tools.evaluation.speed.measuring import Measurement
from qatm.tools.evaluation.speed.startup import STEPS, StartupStep
from qatm.tools.evaluation.speed.startup_costs import together, typical

pytest.importorskip("onnxruntime")


def test_a_comparison_takes_medians_and_divides_other_by_ours() -> None:
    row = some_rows()[0]
    assert row.keys() >= COMPARISON_KEYS | IDENTITY_KEYS
    assert (row["ours_ms"], row["other_ms"], row["speedup"]) == (2.0, 40.0, 20.0)


def test_a_key_tells_sizes_and_counts_apart() -> None:
    jobs = [BenchJob("matcher"), BenchJob("matcher", template=32), BenchJob("matcher", width=320)]
    jobs += [BenchJob("matcher", templates=2)]
    keys = [identity("scaling", "growth", job)["key"] for job in jobs]
    assert keys[0] == "scaling 640x480 64x64"
    assert keys[3] == "scaling 640x480 64x64 x2"
    assert len(set(keys)) == 4
    assert identity("objects", "track", jobs[3])["objects"] == 2


def test_nine_in_ten_frames_are_no_slower() -> None:
    assert slow_ms([float(i) for i in range(10, 0, -1)]) == 9.0
    assert slow_ms([5.0]) == 5.0


@pytest.mark.parametrize("effort", [FULL, QUICK], ids=["full", "quick"])
def test_every_group_has_steps_and_every_step_a_group(effort) -> None:
    steps = Benchmark(effort=effort).steps()
    assert {group for step in steps for group in step.groups} == set(GROUPS)
    assert len({step.what for step in steps}) == len(steps)
    for group in GROUPS:
        asked = Benchmark(effort=effort).steps([group])
        assert [step.what for step in asked] == [s.what for s in steps if group in s.groups]


def test_what_the_issue_of_large_pictures_asks_for_is_measured() -> None:
    names = [step.what for step in Benchmark().steps(["large", "memory"])]
    for name in (
        "large 1920x1080 24x24",
        "large 4000x4000 64x64",
        "large 4000x3000 20x20",
        "memory 640x480 64x64",
        "memory 1920x1080 64x64",
    ):
        assert name in names
    assert FULL.tracked == ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
    assert FULL.objects == (1, 2, 4, 8)


def test_a_precision_that_the_bundle_lacks_is_left_out() -> None:
    step = next(s for s in Benchmark(effort=QUICK).steps(["match"]) if s.what == "int8_vs_fp32")
    with pytest.raises(LeftOut, match="int8"):
        step.run()


def test_without_pytorch_its_comparisons_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, extra: str) -> None:
        raise LeftOut(f"{module} {extra}")

    monkeypatch.setattr(benchmark, "need_package", missing)
    steps = {step.what: step for step in Benchmark(effort=QUICK).steps(["match"])}
    for name in ("match_vs_reference", "graph_vs_eager"):
        with pytest.raises(LeftOut, match="torch export"):
            steps[name].run()


def test_large_pictures_are_timed_less_often_but_often_enough() -> None:
    bench = Benchmark()
    sizes = [bench.repeats(BenchJob("matcher", width=w, height=h), 3) for w, h in ((640, 480),)]
    assert sizes == [12]
    assert bench.repeats(BenchJob("matcher", width=1280, height=960), 3) == 3
    assert bench.repeats(BenchJob("matcher", width=4000, height=4000)) == 1


def test_tracked_and_lost_frames_are_held_against_tracked_ones(monkeypatch) -> None:
    alone = Measurement(1.0, 50.0, 5.0)
    monkeypatch.setattr(track_costs, "measure_alone", lambda *_: alone)
    effort = replace(QUICK, tracked=((320, 240),), frames=3)
    rows = {row["name"]: row for row in track_costs.tracked_and_lost(BenchJob("matcher"), effort)}
    assert rows.keys() >= {"tracked", "lost"}
    assert rows["tracked"]["times_tracked"] == 1.0
    assert rows["lost"]["times_tracked"] == pytest.approx(
        rows["lost"]["ms"] / rows["tracked"]["ms"], rel=1e-2
    )
    assert rows["lost"]["right"]
    assert rows["tracked"]["right"]
    assert rows["tracked"]["peak_mb"] == 50.0


def test_a_budget_is_twice_a_tracked_frame_of_its_size(monkeypatch) -> None:
    made: list[BenchJob] = []

    def prepare(job: BenchJob) -> Loaded:
        made.append(job)
        ms = job.width / 100 * (3.0 if job.method == "lost" else 1.0)
        return Loaded(nothing, lambda _: ms, lambda: {"right": True})

    monkeypatch.setattr(track_costs, "knows_budget", lambda: True)
    monkeypatch.setattr(track_costs, "prepare", prepare)
    monkeypatch.setattr(
        track_costs, "interleave", lambda calls, count: [[call(0)] * count for call in calls]
    )
    monkeypatch.setattr(track_costs, "measure_alone", lambda *_: Measurement(1.0, None, None))
    rows = track_costs.tracked_and_lost(BenchJob("matcher"), QUICK)
    budgets = [row["budget_ms"] for row in rows if row["name"] == "lost_budget"]
    assert budgets == [2 * width / 100 for width, _ in QUICK.tracked]
    assert budgets == [job.budget_ms for job in made if job.budget_ms]
    assert all(row["times_tracked"] == 3.0 for row in rows if row["name"] != "tracked")
    assert not any("budget_ms" in row for row in rows if row["name"] != "lost_budget")


def test_each_step_of_the_start_is_measured_from_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", StartupStep.__module__, "{}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    imported = [line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line]
    # Imports end inside out: what the module itself needed first comes before the runtime.
    before = imported[: next(i for i, name in enumerate(imported) if name.startswith("numpy"))]
    assert "cv2" not in before
    assert "onnxruntime" not in before
    assert all(f'"{name}"' in done.stdout for name in STEPS)


def test_the_start_as_a_whole_adds_its_steps_up() -> None:
    steps = [StartupStep("a", 10.0, 50.0, 30.0), StartupStep("b", 5.0, 60.0, 9.5)]
    assert together(steps) == StartupStep("startup_total", 15.0, 60.0, 39.5)
    unknown = [StartupStep("a", 10.0, None, None), StartupStep("b", 5.0, None, None)]
    assert together(unknown) == StartupStep("startup_total", 15.0, None, None)
    row = typical({"key": "k"}, [steps[0], steps[1], StartupStep("c", 6.0, 70.0, 10.0)])
    assert row == {"key": "k", "ms": 6.0, "peak_mb": 60.0, "growth_mb": 10.0}
    assert typical({}, unknown)["peak_mb"] is None


def test_every_row_has_a_name_that_the_tables_know() -> None:
    assert not set(COMPARISONS) & set(COSTS)
