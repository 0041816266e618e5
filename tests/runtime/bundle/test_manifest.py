"""``bundle.json``: it survives a round trip, and every kind of damage is named."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatm.runtime import Bundle, BundleError
from qatm.runtime.bundle.manifest import BundleSpec, ScoreMap


def manifest() -> dict[str, Any]:
    """The default bundle's manifest, fresh, as JSON would give it."""
    return json.loads(json.dumps(Bundle.load().spec.to_json()))


def test_round_trip() -> None:
    assert BundleSpec.from_json(manifest()) == Bundle.load().spec


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_not_an_object(data: Any) -> None:
    with pytest.raises(BundleError, match="not an object"):
        BundleSpec.from_json(data)


@pytest.mark.parametrize("schema", [None, 0, 2, "1"])
def test_another_schema_version(schema: Any) -> None:
    with pytest.raises(BundleError, match=f"schema version {schema!r}.*export the bundle again"):
        BundleSpec.from_json({**manifest(), "schema": schema})


@pytest.mark.parametrize("key", ["backbone", "preprocessing", "recipe", "score", "opset", "files"])
def test_a_missing_entry_is_named(key: str) -> None:
    data = manifest()
    del data[key]
    with pytest.raises(BundleError, match=f"damaged.*{key}"):
        BundleSpec.from_json(data)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("backbone", "stride"), 0, "stride is 0"),
        (("backbone", "stride"), "four", "four"),
        (("backbone", "align"), 12, "align 12"),
        (("backbone", "taps"), None, "TypeError"),
        (("recipe", "alpha"), math.nan, "alpha is nan"),
        (("recipe", "alpha"), -1, "alpha is -1"),
        (("recipe", "max_pixels"), math.inf, "OverflowError"),
        (("recipe", "speed"), 1, "unknown field 'speed'"),
        (("score", "slope"), math.inf, "slope is inf"),
        (("files",), ["features.onnx"], "AttributeError"),
        (("files", "features.onnx"), {}, "KeyError"),
        (("recipe",), None, "TypeError"),
    ],
)
def test_a_wrong_value_is_named(path: tuple[str, ...], value: Any, words: str) -> None:
    data = manifest()
    entry = data
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    with pytest.raises(BundleError, match=f"bundle.json is damaged.*{words}"):
        BundleSpec.from_json(data)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_scores_rise_with_the_evidence_and_the_likeness(a: float, b: float, fixed: float) -> None:
    score = ScoreMap()
    low, high = sorted((a, b))
    assert 0 <= score(low, fixed) <= score(high, fixed) <= 1
    assert 0 <= score(fixed, low) <= score(fixed, high) <= 1


def test_the_score_is_a_logistic() -> None:
    score = ScoreMap(slope=2.0, likeness=3.0, offset=1.0)
    assert score(math.exp(-0.5), 0.0) == pytest.approx(0.5)
    odds = 2 * math.log(0.2) + 3 * 0.4 + 1
    assert score(0.2, 0.4) == pytest.approx(1 / (1 + math.exp(-odds)))
    assert [score(bad, 1.0) for bad in (0.0, -1.0, math.nan, math.inf)] == [0, 0, 0, 0]
    assert ScoreMap(slope=1e6)(1e-300, 0.0) == pytest.approx(0, abs=1e-300)
