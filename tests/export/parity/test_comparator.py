from __future__ import annotations

import numpy as np
import pytest

from qatm.export.parity.comparator import compare_with_polygraphy, engine_runners
from qatm.export.parity.runners import Runner
from qatm.runtime import Bundle

pytest.importorskip("polygraphy")

IMAGE = {"image": np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)}


def runner(name: str, shift: float) -> Runner:
    def run(inputs):
        image = inputs["image"].astype(np.float32)
        return {"features": image + shift, "coarse": image * 2}

    return Runner(name, run)


def test_equal_implementations_pass():
    judged = compare_with_polygraphy(runner("a", 0), runner("b", 0), [IMAGE], 1e-6)
    assert judged == {"features": True, "coarse": True}


def test_the_output_that_differs_is_named():
    judged = compare_with_polygraphy(runner("a", 0), runner("b", 1), [IMAGE], 1e-3)
    assert judged == {"features": False, "coarse": True}


def test_the_tolerance_is_relative_to_the_largest_value():
    assert all(compare_with_polygraphy(runner("a", 0), runner("b", 1), [IMAGE], 0.02).values())


def test_a_tolerance_of_the_rms_counts_all_values_together():
    def clipped(inputs):
        found = dict(runner("b", 0).run(inputs))
        found["features"][0, 0, 0, 0] -= 40
        return found

    def judged(found: Runner, limit: float) -> dict[str, bool]:
        return compare_with_polygraphy(runner("a", 0), found, [IMAGE, IMAGE], limit, of_rms=True)

    assert all(judged(Runner("clipped", clipped), 0.4).values())
    assert not compare_with_polygraphy(runner("a", 0), Runner("clipped", clipped), [IMAGE], 0.4)[
        "features"
    ]
    # 55 is the root mean square of 0 to 95; two runs may add up to root two of it.
    assert judged(runner("shifted", 30), 0.4)["features"]
    assert not judged(runner("shifted", 32), 0.4)["features"]


def test_without_engines_there_are_no_engine_runners():
    assert engine_runners(Bundle.load(), ["fp32", "fp16"]) == []


def test_every_run_counts():
    other = {"image": np.zeros_like(IMAGE["image"]) + 7}
    flaky = Runner("flaky", lambda inputs: _off_at_seven(inputs["image"].astype(np.float32)))
    judged = compare_with_polygraphy(runner("a", 0), flaky, [IMAGE, other], 1e-3)
    assert judged == {"features": False, "coarse": True}


def _off_at_seven(image):
    return {"features": image + (image == 7).all(), "coarse": image * 2}
