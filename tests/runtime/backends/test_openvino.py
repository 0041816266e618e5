"""OpenVINO: what it computes is what ONNX Runtime computes, and nothing falls back silently."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qatm.runtime import Bundle, BundleError, DeviceError, Matcher, Session, Tracker
from qatm.runtime.backends import openvino
from qatm.runtime.backends.devices import AUTO_ORDER, open_backend, works
from qatm.runtime.backends.openvino import OpenVinoBackend, core_of

pytest.importorskip("openvino", reason="OpenVINO is not installed")

BOX = (180, 90, 72, 66)


@pytest.fixture(scope="module")
def session():
    with Session(device="openvino-cpu") as opened:
        yield opened


def test_it_says_what_it_runs_on(session):
    assert session.device == "openvino-cpu"
    assert session.provider == "OpenVINO CPU"
    assert session.info.precision == "fp32"


def test_it_finds_what_onnx_runtime_finds(session, matcher: Matcher, photographs):
    frame = np.ascontiguousarray(photographs["astronaut"][:360, 40:480])
    image = np.ascontiguousarray(frame[5:, 8:])
    with Matcher(session) as ours:
        template = ours.encode_template(frame, BOX)
        found = ours.match(image, templates=[template])[0]
    expected = matcher.match(image, templates=[matcher.encode_template(frame, BOX)])[0]
    assert found.found
    assert found.score == pytest.approx(expected.score, abs=1e-3)
    assert found.box == pytest.approx(tuple(expected.box), abs=0.02)


def test_every_graph_gives_the_same(session):
    bundle = session.bundle
    rows = np.random.default_rng(0).normal(size=(40, 176)).astype(np.float32)
    search = np.random.default_rng(1).normal(size=(176, 9, 11)).astype(np.float32)
    target = (np.arange(40) < 25).astype(np.float32)
    cells = (np.arange(25)[:, None] * 3 + np.arange(6)) % 99
    backend = open_backend(bundle, "cpu")
    inputs = {"template": rows, "target": target, "search": search}
    for role, given in (("match", inputs), ("place", {**inputs, "cells": cells})):
        expected = backend.graph(role).run(given)
        found = session.graph(role).run(given)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())
    names = ["likeness", "likelihood"]
    given = {**inputs, "cells": cells}
    first, second = session.graph("place").run(given, names)
    assert not np.allclose(first, second)
    np.testing.assert_allclose(first, backend.graph("place").run(given, names)[0], atol=1e-4)
    backend.close()


def test_several_threads_run_at_once(session):
    graph = session.graph("features")
    images = [np.full((1, 32, 32 * (1 + i % 3), 3), 20 * i, np.uint8) for i in range(8)]
    alone = [graph.run({"image": image}, ["coarse"])[0] for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: graph.run({"image": image}, ["coarse"])[0], images))
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_it_follows(photographs):
    still = np.ascontiguousarray(photographs["coffee"][:260, :340])
    thing = photographs["astronaut"][30:96, 180:252]
    with Tracker(device="openvino-cpu", threads=1) as tracker:
        for step in range(3):
            frame = still.copy()
            frame[24 + 3 * step : 90 + 3 * step, 30 + 5 * step : 102 + 5 * step] = thing
            if step == 0:
                tracker.init(frame, (30, 24, 72, 66))
            else:
                found, box = tracker.update(frame)
                assert found
                assert box == pytest.approx((30 + 5 * step, 24 + 3 * step, 72, 66), abs=2)


def test_a_device_that_is_absent_is_an_error():
    if "GPU" in core_of("openvino").available_devices:
        pytest.skip("this machine has a GPU for OpenVINO")
    with pytest.raises(DeviceError, match="'openvino-gpu' needs GPU, and OpenVINO sees only CPU"):
        Matcher(device="openvino-gpu")
    assert works(Bundle.load(), "openvino") is None
    assert "openvino" not in AUTO_ORDER


def test_int8_is_refused():
    with pytest.raises(DeviceError, match=r"'openvino-cpu' has no int8 graphs; choose one of auto"):
        Matcher(device="openvino-cpu", precision="int8")


def test_a_precision_that_the_bundle_lacks_is_an_error():
    with pytest.raises(BundleError, match="fp16"):
        Matcher(device="openvino-cpu", precision="fp16")


def test_openvino_that_is_absent_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(DeviceError, match=r"needs OpenVINO, which .*: pip install \"qatm\[openvin"):
        Matcher(device="openvino")


class Elsewhere:
    """A core that compiles for another device than the one asked for."""

    def __init__(self, core):
        self.core = core
        self.available_devices = ["GPU.0"]

    def read_model(self, path):
        return self.core.read_model(path)

    def compile_model(self, model, part, options):
        assert part == "GPU"
        return self.core.compile_model(model, "CPU", options)


def test_another_device_than_asked_for_is_an_error(monkeypatch):
    made = Elsewhere(core_of("openvino"))
    monkeypatch.setattr(openvino, "core_of", lambda _: made)
    with pytest.raises(DeviceError, match=r"was asked for GPU, but runs features.onnx on CPU"):
        OpenVinoBackend(Bundle.load(), "openvino", "auto")


def test_a_closed_graph_says_so():
    backend = open_backend(Bundle.load(), "openvino-cpu")
    graph = backend.graph("features")
    backend.close()
    backend.close()
    with pytest.raises(DeviceError, match="closed"):
        backend.graph("match")
    with pytest.raises(DeviceError, match=r"features.onnx is closed"):
        graph.run({"image": np.zeros((1, 32, 32, 3), np.uint8)})


SIGNALLED = """
import faulthandler, gc, signal
from qatm.runtime import Matcher
if {watched}:
    faulthandler.enable()
matchers = [Matcher(device="openvino-cpu") for _ in range(2)]
while matchers:
    matchers.pop(0).close()
    gc.collect()
signal.signal(signal.SIGINT, lambda *_: print("handled"))
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("watched", [False, True])
def test_signals_still_arrive_after_matchers_were_closed(watched):
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED.format(watched=watched)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
