"""``bundle.json``: it survives a round trip, older ones load, and every kind of damage is named."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundle_copies import with_recipe
from old_graphs import write_old_bundle

from qatm.runtime import Bundle, BundleError, InputError, Matcher
from qatm.runtime.bundle.folder import default_align_path, default_bundle_path
from qatm.runtime.bundle.manifest import SCHEMA_VERSION, BundleSpec, is_plain_name
from qatm.runtime.bundle.match_recipe import MatchRecipe
from qatm.runtime.bundle.recipes import TASKS, Recipes

FIRST = Path(__file__).resolve().parents[2] / "support" / "manifests"
"""The packaged bundles' manifests as the first version of the project wrote them."""


def manifest() -> dict[str, Any]:
    """The default bundle's manifest, fresh, as JSON would give it."""
    return json.loads(json.dumps(Bundle.load().spec.to_json()))


def test_round_trip() -> None:
    assert BundleSpec.from_json(manifest()) == Bundle.load().spec


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_not_an_object(data: Any) -> None:
    with pytest.raises(BundleError, match="not an object"):
        BundleSpec.from_json(data)


@pytest.mark.parametrize("schema", [None, 0, 3, "1", True])
def test_another_schema_version(schema: Any) -> None:
    with pytest.raises(BundleError, match=f"schema version {schema!r}.*export the bundle again"):
        BundleSpec.from_json({**manifest(), "schema": schema})


@pytest.mark.parametrize("name", ["match", "align"])
def test_the_first_schema_still_loads(name: str) -> None:
    folder = default_bundle_path() if name == "match" else default_align_path()
    old = BundleSpec.from_json(json.loads((FIRST / f"{name}.schema1.json").read_text()))
    new = Bundle.load(folder).spec
    assert (old.schema, new.schema) == (1, SCHEMA_VERSION)
    assert old.recipes.match.alpha == new.recipes.match.alpha
    # Its scores were linear in a few numbers, which the judge of this version has no use for.
    for number in ("judge_centre", "judge_spread", "judge_hidden", "judge_output"):
        assert getattr(old.recipes.match, number) == getattr(MatchRecipe(), number)
    assert old.recipes.verify == new.recipes.verify
    # The graphs have other outputs since.
    added = {"place.onnx", "follow.onnx", "follow.npz", "compare.onnx", "compare.npz"}
    assert set(old.files) == set(new.files) - added
    kept = ("network.onnx", "network.npz")
    assert all(old.files[file].sha256 == new.files[file].sha256 for file in kept)
    assert (old.backbone.taps, old.backbone.label) == (new.backbone.taps, new.backbone.label)
    assert (old.task, old.opset, old.network) == (new.task, new.opset, new.network)
    # It recorded no fits, so that nobody can tell whether its scores were fitted.
    assert not any(old.calibrated(task) for task in TASKS)
    assert BundleSpec.from_json(json.loads(json.dumps(old.to_json()))) == old


@pytest.mark.slow
def test_a_bundle_of_the_first_schema_computes_the_same(
    tmp_path: Path, photographs: dict[str, Any]
) -> None:
    written = write_old_bundle(tmp_path)
    data = json.loads((FIRST / "match.schema1.json").read_text())
    data["files"] = {
        name: data["files"][name] | {"sha256": info.sha256, "bytes": info.bytes}
        for name, info in written.spec.files.items()
    }
    (tmp_path / "bundle.json").write_text(json.dumps(data))
    image = photographs["astronaut"]
    with Matcher() as new, Matcher(tmp_path) as old:
        assert not old.info.calibrated
        found = [
            m.match(image, templates=[m.encode_template(image, (180, 70, 64, 48))])[0]
            for m in (new, old)
        ]
    assert found[0].box == pytest.approx(found[1].box, abs=0.05)
    assert found[0].score == pytest.approx(found[1].score, abs=0.02)


@pytest.mark.parametrize("key", ["backbone", "preprocessing", "recipes", "opset", "files", "fits"])
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
        (("backbone", "taps"), None, "taps is None; it must be a list"),
        (("recipes", "match", "alpha"), math.nan, "alpha is nan"),
        (("recipes", "match", "alpha"), -1, "alpha is -1"),
        (("recipes", "match", "max_pixels"), math.inf, "max_pixels is inf"),
        (("recipes", "match", "competitors"), 3.5, "competitors is 3.5; it must be a whole"),
        (("recipes", "match", "refine"), 1, "refine is 1; it must be true or false"),
        (("recipes", "match", "speed"), 1, "no field 'speed'"),
        (("recipes", "match", "judge_output"), [math.inf], r"judge_output is \[inf\]"),
        (("recipes", "match", "judge_output"), [0.0], "a judge of .* with 0 units"),
        (("recipes", "verify", "levels"), [], r"levels is \[\]"),
        (("recipes", "align", "widths"), [0.1, "wide"], "widths is"),
        (("recipes", "dance"), {}, "no recipe 'dance'"),
        (("recipes", "track"), None, "give an object"),
        (("fits",), [{}], "'task' is missing"),
        (("fits",), [{"task": "dance"}], "a fit is for 'dance'"),
        (("files",), ["features.onnx"], "files is a list; it must be an object"),
        (("files", "features.onnx"), {}, "'inputs' is missing"),
        (("recipes",), None, "recipes is None; it must be an object"),
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


@pytest.mark.parametrize(
    "name", ["../features.onnx", "/etc/passwd", "a/b.onnx", "a\\b.onnx", "C:x.onnx", "..", ".", ""]
)
def test_files_lie_in_the_folder(name: str) -> None:
    assert not is_plain_name(name)
    data = manifest()
    data["files"][name] = data["files"].pop("features.onnx")
    with pytest.raises(BundleError, match="is not a plain name inside the bundle's folder"):
        BundleSpec.from_json(data)
    spec = Bundle.load().spec
    with pytest.raises(ValueError, match="is not a plain name"):
        replace(spec, files={name: spec.files["features.onnx"]})


def test_taps_have_strides_and_channels() -> None:
    backbone = Bundle.load().spec.backbone
    assert [(t.layer, t.stride, t.channels) for t in backbone.layers] == [
        ("2", 4, 24),
        ("4", 8, 40),
        ("10", 16, 112),
    ]
    assert sum(tap.channels for tap in backbone.layers) == backbone.channels
    (image,) = Bundle.load().spec.files["features.onnx"].inputs
    assert image.ranges == {"batch": (1, None), "height": (16, None), "width": (16, None)}


def test_only_what_was_fitted_is_calibrated() -> None:
    spec = Bundle.load().spec
    assert {task: spec.calibrated(task) for task in TASKS} == {
        "match": True,
        "track": True,
        "align": False,
        "verify": True,
    }
    assert Bundle.load(default_align_path()).spec.calibrated("align")
    output = spec.recipes.match.judge_output
    other = (output[0] + 0.1, *output[1:])
    # Another temperature, other numbers or another backbone are not what was fitted.
    assert not spec.with_recipe({"alpha": 12}).calibrated("match")
    assert not with_recipe(Bundle.load(), "match", judge_output=other).spec.calibrated("match")
    assert not replace(spec, backbone=replace(spec.backbone, name="other")).calibrated("track")
    assert spec.with_recipe({"size_rounds": 0}).calibrated("match")


def test_recipe_changes_are_typed() -> None:
    spec = Bundle.load().spec
    recipe = spec.with_recipe({"refine": 0, "competitors": 3.0}).recipes.match
    assert (recipe.refine, recipe.competitors) == (False, 3)
    for changes, words in (
        ({"refine": 2}, "refine is 2; it must be true or false"),
        ({"competitors": 3.5}, "competitors is 3.5; it must be a whole number"),
        ({"speed": 1}, "the recipe has no 'speed'"),
        ({"size_rounds": -1}, "size_rounds is -1"),
        ({"alpha": math.nan}, "alpha is nan"),
    ):
        with pytest.raises(InputError, match=words):
            spec.with_recipe(changes)


def test_recipes_are_written_whole() -> None:
    assert Recipes.from_dict({}) == Recipes()
    assert Recipes.from_dict(json.loads(json.dumps(Recipes().as_dict()))) == Recipes()
