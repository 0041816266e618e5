"""How time and memory are taken."""

from __future__ import annotations

import pytest

from qatm.runtime.errors import QatmError
from qatm.tools.evaluation.speed import measuring
from qatm.tools.evaluation.speed.bench_methods import prepare
from qatm.tools.evaluation.speed.jobs import BenchJob

pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "PAUSE_SECONDS", 0.0)


def test_calls_alternate_and_start_with_an_unmeasured_one() -> None:
    calls: list[tuple[str, int]] = []
    both = [lambda i: calls.append(("a", i)), lambda i: calls.append(("b", i))]
    times = measuring.interleave(both, 2)
    assert calls == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert [len(side) for side in times] == [2, 2]


def test_fewer_calls_are_spread_over_the_rounds() -> None:
    rounds: list[int] = []
    times = measuring.interleave([lambda _: None, rounds.append], [12, 3])
    assert [len(side) for side in times] == [12, 3]
    assert rounds == [0, 4, 8, 12]


def test_a_fresh_process_is_measured_on_its_own() -> None:
    held = bytearray(200 << 20)
    held[:: 1 << 12] = b"1" * len(held[:: 1 << 12])
    alone = measuring.measure_alone(BenchJob("zncc", height=120, width=160), 1)
    assert alone.ms > 0
    if alone.peak_mb is not None:
        assert alone.growth_mb is not None
        assert 0 <= alone.growth_mb < alone.peak_mb < 200


def test_a_failure_in_the_fresh_process_is_reported() -> None:
    with pytest.raises(QatmError, match="nowhere does not exist"):
        measuring.measure_alone(BenchJob("graph", model="nowhere"), 1)


def test_the_time_inside_onnx_runtime_is_counted_and_the_class_restored() -> None:
    from qatm.runtime.backends.onnx import OnnxGraph

    original = OnnxGraph.run
    call = prepare(BenchJob("graph")).call
    with measuring.session_timer() as spent:
        call(0)
        call(1)
    assert len(spent) == 2
    assert min(spent) > 0
    assert OnnxGraph.run is original
