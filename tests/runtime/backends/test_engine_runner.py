"""How engines are run, on stand-ins that keep the rules of CUDA and TensorRT."""

from __future__ import annotations

import logging
import re
import threading

import numpy as np
import pytest
from cuda_double import FakeEngine, FakeMemory, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from qatm.runtime.backends.engine_profiles import choose_profile
from qatm.runtime.backends.engine_runner import EngineRunner
from qatm.runtime.bundle.sidecar import ShapeRange
from qatm.runtime.errors import DeviceError

NAMES = {"x": ("rows", "columns")}
WIDE = profile((1, 1), (8, 8), (512, 512))


def make(**options):
    memory = FakeMemory(graphs=options.pop("memory_graphs", True))
    own = options.pop("own_graphs", False)
    profiles = options.pop("profiles", (WIDE,))
    engine = FakeEngine(
        memory, profiles, host=options.pop("host", False), fails=options.pop("fails", "")
    )
    outputs = options.pop("outputs", ("double", "sum"))
    return EngineRunner(engine.access(own), memory, outputs, NAMES, **options), engine, memory


def numbers(rows: int, columns: int, seed: int = 0):
    return np.random.default_rng(seed).random((rows, columns), np.float32)


def check(runner, x):
    double, total = runner.run({"x": x})
    np.testing.assert_array_equal(double, 2 * x)
    np.testing.assert_allclose(total, [x.sum()], rtol=1e-5)


def test_first_run_warms_up_second_captures_later_ones_replay():
    runner, engine, memory = make()
    held, launches = [], []
    for seed in range(5):
        check(runner, numbers(4, 6, seed))
        held.append(runner.graphs_held)
        launches.append(memory.launches)
    assert held == [0, 1, 1, 1, 1]
    assert launches == [0, 0, 1, 2, 3]
    assert len(engine.contexts) == 1
    assert engine.executions == 5
    runner.close()


def test_each_shape_has_its_own_context_and_graph():
    runner, engine, memory = make()
    shapes = [(4, 6), (6, 4), (9, 9)]
    for seed in range(4):
        for shape in shapes:
            check(runner, numbers(*shape, seed))
    assert len(engine.contexts) == len(shapes) == runner.graphs_held == memory.graphs
    assert {context.scratch for context in engine.contexts} == {engine.contexts[0].scratch}
    runner.close()


def test_kept_shapes_are_bounded_and_the_oldest_goes_first():
    runner, engine, memory = make(shapes_kept=2)
    for shape in [(2, 2), (3, 3)]:
        for seed in range(3):
            check(runner, numbers(*shape, seed))
    check(runner, numbers(2, 2))
    check(runner, numbers(4, 4))
    assert runner.shapes_held == 2
    assert memory.graphs == runner.graphs_held == 1
    made = len(engine.contexts)
    check(runner, numbers(2, 2))
    assert len(engine.contexts) == made
    check(runner, numbers(3, 3))
    assert len(engine.contexts) == made + 1
    runner.close()


def test_buffers_grow_and_never_shrink_and_stale_graphs_go():
    runner, _, memory = make()
    for seed in range(3):
        check(runner, numbers(4, 4, seed))
    assert memory.graphs == 1
    small = runner.device_bytes
    check(runner, numbers(300, 300))
    assert memory.graphs == 0
    large = runner.device_bytes
    assert large > small
    blocks = set(memory.blocks)
    for seed in range(3):
        check(runner, numbers(4, 4, seed))
        check(runner, numbers(300, 300, seed))
    assert runner.device_bytes == large
    assert set(memory.blocks) == blocks
    assert memory.graphs == 2
    runner.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=1, max_size=12))
def test_any_sequence_of_shapes_gives_right_results_and_leaks_nothing(shapes):
    runner, _, memory = make(shapes_kept=3)
    for seed, (rows, columns) in enumerate(shapes):
        check(runner, numbers(rows, columns, seed))
    runner.close()
    assert (memory.blocks, memory.streams, memory.graphs, memory.depth) == ({}, 0, 0, 0)


def test_results_are_copies():
    runner, _, _ = make(outputs=("double",))
    first = runner.run({"x": numbers(3, 3, 1)})[0]
    kept = first.copy()
    runner.run({"x": numbers(3, 3, 2)})
    np.testing.assert_array_equal(first, kept)


def test_outputs_not_asked_for_have_memory_but_are_not_copied():
    runner, engine, memory = make(outputs=("sum",))
    x = numbers(5, 5)
    assert len(runner.run({"x": x})) == 1
    assert set(engine.contexts[0].addresses) == {"x", "double", "sum"}
    assert sum(block is not None for block in memory.blocks.values()) == 3 + 2 + 1


def test_inputs_need_not_be_contiguous():
    runner, _, _ = make()
    check(runner, numbers(6, 8)[::2, ::-1])
    check(runner, numbers(6, 8).T)


@pytest.mark.parametrize(
    "options", [{"memory_graphs": False}, {"graphs": False}, {"own_graphs": True}]
)
def test_no_graphs_where_they_are_not_possible_or_not_wanted(options):
    runner, engine, memory = make(**options)
    for seed in range(4):
        check(runner, numbers(4, 4, seed))
    assert (memory.launches, runner.graphs_held, engine.executions) == (0, 0, 4)


def test_a_failed_capture_is_said_once_and_runs_go_on(caplog):
    runner, _, memory = make()
    memory.capture_fails = True
    with caplog.at_level(logging.WARNING):
        for seed in range(4):
            check(runner, numbers(4, 4, seed))
    assert [record.message for record in caplog.records] == [
        "no CUDA graph, running without: CUDA failed capturing a graph: not permitted"
    ]


def test_host_inputs_decide_shapes_and_are_part_of_the_key():
    wide = {"x": WIDE["x"], "cut": ShapeRange((), (), ())}
    runner, engine, _ = make(host=True, profiles=(wide,))
    x = numbers(6, 4)
    for _ in range(3):
        for rows in (2, 5):
            double, total = runner.run({"x": x, "cut": np.array(rows, np.int64)})
            np.testing.assert_array_equal(double, 2 * x[:rows])
            np.testing.assert_allclose(total, [x[:rows].sum()], rtol=1e-6)
    assert len(engine.contexts) == 2
    runner.close()


def test_measure_times_runs_and_leaves_no_events():
    runner, _, memory = make()
    assert runner.measure({"x": numbers(4, 4)}, repeats=5) == [1.5] * 5
    assert memory.events == 0
    assert memory.launches > 0


def test_threads_take_turns():
    runner, _, _ = make()
    errors = []

    def work(seed):
        try:
            for step in range(20):
                check(runner, numbers(2 + (seed + step) % 3, 5, seed))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_close_twice_and_use_after_close():
    runner, _, memory = make()
    check(runner, numbers(2, 2))
    runner.close()
    runner.close()
    assert memory.blocks == {}
    with pytest.raises(DeviceError, match="closed"):
        runner.run({"x": numbers(2, 2)})


@pytest.mark.parametrize(
    ("fails", "text"),
    [
        ("profile", "the test engine did not select profile 0: the log's reason"),
        ("infer", "the test engine cannot infer its shapes: broken graph"),
        ("dynamic", "the shape of double depends on values"),
        ("execute", "the test engine did not run: the log's reason"),
    ],
)
def test_what_tensorrt_refuses_is_an_error_with_its_reason(fails, text):
    runner, engine, memory = make(fails=fails)
    with pytest.raises(DeviceError, match=re.escape(text)):
        runner.run({"x": numbers(2, 2)})
    assert not memory.pending, "nothing may be under way in buffers that the next run uses"
    engine.fails = ""
    check(runner, numbers(2, 2))
    runner.close()
    assert memory.blocks == {}


def test_wrong_inputs_are_refused():
    runner, _, _ = make()
    with pytest.raises(DeviceError, match="takes x, but was given y"):
        runner.run({"y": numbers(2, 2)})
    with pytest.raises(DeviceError, match="takes x as float32, not float64"):
        runner.run({"x": np.zeros((2, 2))})
    with pytest.raises(DeviceError, match=r"no output 'other'.*double, sum"):
        make(outputs=("other",))


SMALL = profile((4, 4), (8, 8), (16, 16))
LARGE = profile((16, 16), (64, 64), (128, 128))
TALL = profile((64, 2), (64, 2), (128, 4))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4, 4), 0), ((15, 16), 0), ((17, 16), 1), ((128, 128), 1), ((128, 2), 2), ((16, 16), 0)],
)
def test_profile_is_chosen_by_size(shape, expected):
    assert choose_profile((SMALL, LARGE, TALL), {"x": shape}, NAMES, "engine") == expected


def test_profile_tuned_for_the_size_wins_where_several_admit_it():
    assert choose_profile((WIDE, LARGE), {"x": (64, 64)}, NAMES, "engine") == 1
    assert choose_profile((WIDE, LARGE), {"x": (16, 16)}, NAMES, "engine") == 0
    assert choose_profile((WIDE, WIDE), {"x": (16, 16)}, NAMES, "engine") == 0


@pytest.mark.parametrize(
    ("profiles", "shape", "text"),
    [
        ((SMALL,), (17, 4), "engine: rows of x is 17, the engine takes 4 to 16; "),
        ((SMALL,), (4, 3), "engine: columns of x is 3, the engine takes 4 to 16; "),
        ((SMALL, LARGE), (129, 4), "rows of x is 129, the engine takes 4 to 16 or 16 to 128; "),
        ((SMALL, LARGE), (4, 128), "no profile takes x 4x128 together, only x 4x4 to 16x16 or x "),
        ((SMALL,), (0, 4), "rows of x is 0"),
        ((SMALL,), (4, 4, 4), "x has 3 dimensions instead of 2"),
        ((profile((4, 4), (4, 4), (4, 4)),), (5, 4), "rows of x is 5, the engine takes 4; "),
    ],
)
def test_size_outside_every_profile_is_named_with_the_range(profiles, shape, text):
    with pytest.raises(DeviceError, match=re.escape(text)) as caught:
        choose_profile(profiles, {"x": shape}, NAMES, "engine")
    assert "\n" not in str(caught.value)


def test_unnamed_dimensions_are_numbered():
    with pytest.raises(DeviceError, match="dimension 1 of x is 99"):
        choose_profile((SMALL,), {"x": (4, 99)}, {}, "engine")


def test_each_context_selects_its_profile():
    runner, engine, _ = make(profiles=(SMALL, LARGE))
    check(runner, numbers(8, 8))
    check(runner, numbers(60, 60))
    check(runner, numbers(8, 9))
    assert [context.profile for context in engine.contexts] == [0, 1, 0]
