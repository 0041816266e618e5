"""Graphs that take too long are ended, and whoever ran them goes on."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qatm.runtime import DeviceError, InputError
from qatm.runtime.backends import run_watch
from qatm.runtime.backends.graph import Graph
from qatm.runtime.backends.onnx import OnnxGraph
from qatm.runtime.backends.openvino import OpenVinoGraph, core_of

PRODUCTS = 4000
LARGE = {"x": np.zeros((600, 600), np.float32)}
SMALL = {"x": np.zeros((4, 4), np.float32)}

Opened = Callable[[Path], Graph]


def on_onnxruntime(path: Path) -> Graph:
    return OnnxGraph(path, "cpu", 1)


def on_openvino(path: Path) -> Graph:
    pytest.importorskip("openvino")
    return OpenVinoGraph(core_of("openvino-cpu"), path, "CPU", {})


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph of products one after the other: minutes for large matrices, nothing for small."""
    names = ["x", *(f"y{i}" for i in range(PRODUCTS))]
    nodes = [
        helper.make_node("MatMul", [name, name], [product])
        for name, product in itertools.pairwise(names)
    ]
    sides: list[int | str] = ["n", "n"]
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)
        for name in (names[0], names[-1])
    )
    graph = helper.make_graph(nodes, "g", [given], [made])
    path = tmp_path_factory.mktemp("endless") / "endless.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> run_watch.RunWatch:
    """That of the process, in a hurry."""
    monkeypatch.setenv("QATM_MAX_RUN_SECONDS", "1")
    monkeypatch.setattr(run_watch, "PERIOD", 0.05)
    return run_watch.RUN_WATCH


@pytest.mark.parametrize("opened", [on_onnxruntime, on_openvino])
@pytest.mark.usefixtures("watch")
def test_what_takes_too_long_is_ended_and_can_be_run_again(endless: Path, opened: Opened) -> None:
    graph = opened(endless)
    for _ in range(2):
        with pytest.raises(DeviceError, match=r"endless\.onnx was ended after 1 s; .* set QATM_"):
            graph.run(LARGE)
        np.testing.assert_array_equal(graph.run(SMALL)[0], SMALL["x"])
    graph.close()


@pytest.mark.usefixtures("watch")
def test_other_runs_at_the_same_time_are_not(endless: Path) -> None:
    graph, said = on_onnxruntime(endless), []

    def run_large() -> None:
        with pytest.raises(DeviceError, match="was ended"):
            graph.run(LARGE)
        said.append("ended")

    thread = threading.Thread(target=run_large)
    thread.start()
    while thread.is_alive():
        graph.run(SMALL)
    thread.join()
    assert said == ["ended"]
    graph.close()


def test_results_of_what_was_told_to_stop_are_not_used(watch: run_watch.RunWatch) -> None:
    stopped = threading.Event()
    with (
        pytest.raises(DeviceError, match="slow was ended after 1 s"),
        watch.over(Path("slow"), stopped.set),
    ):
        stopped.wait()


def test_its_own_failures_are_as_before(watch: run_watch.RunWatch) -> None:
    with pytest.raises(ZeroDivisionError), watch.over(Path("bad"), print):
        raise ZeroDivisionError
    assert not watch._work


def test_its_thread_is_there_only_while_graphs_run(
    endless: Path, watch: run_watch.RunWatch
) -> None:
    graph = on_onnxruntime(endless)
    graph.run(SMALL)
    assert _watchers() == 1
    while _watchers():
        time.sleep(0.05)
    graph.run(SMALL)
    assert _watchers() == 1
    assert not watch._work
    graph.close()


def _watchers() -> int:
    return sum(thread.name == "qatm-run-watch" for thread in threading.enumerate())


def _end_in_child(graph: OnnxGraph) -> None:
    try:
        graph.run(LARGE)
    except DeviceError:
        sys.exit(7)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.usefixtures("watch")
def test_in_a_child_too(endless: Path) -> None:
    graph = OnnxGraph(endless, "cpu", 1)
    graph.run(SMALL)
    child = multiprocessing.get_context("fork").Process(target=_end_in_child, args=(graph,))
    child.start()
    child.join()
    assert child.exitcode == 7
    graph.close()


def test_the_limit_must_be_a_number(endless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QATM_MAX_RUN_SECONDS", "soon")
    graph = on_onnxruntime(endless)
    with pytest.raises(InputError, match=r"QATM_MAX_RUN_SECONDS is 'soon'; give a whole number"):
        graph.run(SMALL)
    graph.close()
