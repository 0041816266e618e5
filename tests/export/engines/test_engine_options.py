from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qatm.export.engines.engine_options import (
    EngineOptions,
    feature_profiles,
    match_profiles,
    parse_rows,
    parse_shapes,
    parse_sm,
)
from qatm.runtime.bundle.folder import Bundle
from qatm.runtime.bundle.manifest import TensorInfo
from qatm.runtime.bundle.sidecar import ShapeRange
from qatm.runtime.errors import ExportError


@pytest.fixture(scope="module")
def spec():
    return Bundle.load().spec


def test_parse_shapes():
    (shapes,) = parse_shapes("240x320:480x640:1088x1920")
    assert shapes == ShapeRange((240, 320), (480, 640), (1088, 1920))
    assert str(shapes) == "240x320:480x640:1088x1920"
    (fixed,) = parse_shapes(" 480X640 ")
    assert fixed == ShapeRange((480, 640), (480, 640), (480, 640))
    assert len(parse_shapes("480x640, 1920x1088")) == 2


def test_parse_rows_and_sm():
    assert parse_rows("1:64:256") == ShapeRange((1,), (64,), (256,))
    assert parse_sm("89, 7.5,sm_120,86,86") == (75, 86, 89, 120)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "unreadable"),
        ("480", "unreadable"),
        ("480x640x3", "unreadable"),
        ("240x320:480x640", "unreadable"),
        ("1x1:2x2:3x3:4x4", "unreadable"),
        ("240x320:-480x640:1088x1920", "unreadable"),
        ("0x16", "0 is too small"),
        ("480x640:240x320:1088x1920", "480, 240, 1088 do not grow"),
        ("240x320:480x640:1088x320", "320, 640, 320 do not grow"),
    ],
)
def test_bad_shapes_are_named(text: str, fragment: str):
    with pytest.raises(ExportError, match=fragment):
        parse_shapes(text)


@pytest.mark.parametrize("text", ["", "ampere", "86;89", "8", "1234", "86,"])
def test_bad_sm_is_named(text: str):
    with pytest.raises(ExportError, match="compute capability"):
        parse_sm(text)


@given(st.lists(st.integers(1, 99999), min_size=3, max_size=3).map(sorted))
def test_growing_rows_read_back(sides: list[int]):
    text = ":".join(map(str, sides))
    assert str(parse_rows(text)) == text


@pytest.mark.parametrize(
    ("sizes", "fragment"),
    [
        ("8x16:480x640:960x960", "8 px is below what the network takes; give at least 16"),
        ("240x320:480x640:1080x1920", "1080 px is not a multiple .* give 1072 or 1088"),
        ("250x320:480x640:1088x1920", "250 px is not a multiple"),
    ],
)
def test_sides_the_network_does_not_take(spec, sizes: str, fragment: str):
    options = EngineOptions(image_shapes=parse_shapes(sizes))
    for profiles in (feature_profiles, match_profiles):
        with pytest.raises(ExportError, match=fragment):
            profiles(spec, options)


def test_profiles_made_by_hand_are_checked_too(spec):
    backwards = ShapeRange((640, 640), (480, 480), (960, 960))
    with pytest.raises(ExportError, match="do not grow"):
        feature_profiles(spec, EngineOptions(image_shapes=(backwards,)))
    mixed = ShapeRange((16,), (480, 480), (960, 960))
    with pytest.raises(ExportError, match="differ in dimensions"):
        feature_profiles(spec, EngineOptions(image_shapes=(mixed,)))
    with pytest.raises(ExportError, match="template rows"):
        match_profiles(spec, EngineOptions(template_rows=ShapeRange((9,), (5,), (20,))))


def test_default_profiles_cover_what_the_runtime_sends(spec):
    features, small = feature_profiles(spec, EngineOptions())
    image = features.shapes["image"]
    for shape in ((1, 16, 16, 3), (1, 480, 640, 3), (1, 1088, 1920, 3), (1, 1216, 1216, 3)):
        assert image.admits(shape), shape
    assert not image.admits((2, 480, 640, 3))
    assert not image.admits((480, 640, 3))
    for shape in ((1, 16, 16, 3), (3, 128, 160, 3), (16, 256, 256, 3)):
        assert small.shapes["image"].admits(shape), shape
    alone = spec.with_recipe({"competitors": 0, "max_side": 64.0})
    coarse, fine = match_profiles(alone, EngineOptions())
    assert coarse.shapes["search"].optimum == (176, 60, 80)
    assert fine.shapes["search"].optimum == (176, 120, 160)
    assert coarse.shapes["template"].optimum == (64, 176)
    assert fine.shapes["template"].optimum == (256, 176)
    for profile in (coarse, fine):
        # A 1x1 image is padded to 16x16 and cut back to one cell.
        assert profile.shapes["search"].admits((176, 1, 1))
        assert profile.shapes["search"].admits((176, 1216 // 4, 1920 // 4))


def test_profiles_follow_the_bundle(spec):
    backbone = dataclasses.replace(spec.backbone, align=32)
    changed = spec.with_recipe({"competitors": 2000, "max_side": 128.0})
    other = dataclasses.replace(changed, backbone=backbone)
    coarse, fine = match_profiles(other, EngineOptions())
    assert fine.shapes["target"] == ShapeRange((1,), (1024 + 2000,), (2048 + 2000,))
    assert coarse.shapes["target"] == ShapeRange((1,), (256 + 2000,), (1024 + 2000,))
    few = EngineOptions(template_rows=parse_rows("1:10:20"))
    coarse, _ = match_profiles(other, few)
    assert coarse.shapes["target"] == ShapeRange((1,), (20,), (20,))
    features, small = feature_profiles(other, EngineOptions())
    assert features.shapes["image"].minimum == (1, 32, 32, 3)
    assert small.shapes["image"].minimum == (1, 32, 32, 3)
    ranges = parse_shapes("480x640,640x480")
    assert len(feature_profiles(other, EngineOptions(image_shapes=ranges))) == 2
    assert len(match_profiles(other, EngineOptions(image_shapes=ranges))) == 4


def test_several_small_images_fit_where_the_range_reaches_down_to_them(spec):
    def small(sizes: str) -> list[str]:
        profiles = feature_profiles(spec, EngineOptions(image_shapes=parse_shapes(sizes)))
        return [str(profile.shapes["image"]) for profile in profiles[1:]]

    assert small("64x64:160x128:192x640") == ["1x64x64x3:4x128x128x3:16x192x256x3"]
    assert small("160x144:480x640:480x640") == ["1x160x144x3:4x160x144x3:16x256x256x3"]
    assert small("128x128") == []
    assert small("480x640") == []
    assert small("272x64:480x640:480x640") == []


def test_a_window_is_given_to_graphs_that_have_one_only(spec):
    assert all(not profile.values for profile in match_profiles(spec, EngineOptions()))
    info = spec.files["match.onnx"]
    window = TensorInfo("window", "int64", (2,))
    old = dataclasses.replace(info, inputs=(*info.inputs, window))
    earlier = dataclasses.replace(spec, files={**spec.files, "match.onnx": old})
    for profile in match_profiles(earlier, EngineOptions()):
        assert profile.values["window"].minimum == (1, 1)
        assert profile.values["window"].maximum == profile.shapes["search"].maximum[1:]


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (EngineOptions(engine="tensor"), "'tensor' is unknown; choose auto, none, tensorrt,"),
        (EngineOptions(workspace_mb=0), "workspace is 0 MiB"),
        (EngineOptions(optimisation_level=6), "level is 6; it goes from 0 to 5"),
    ],
)
def test_bad_options(options: EngineOptions, fragment: str):
    with pytest.raises(ExportError, match=fragment):
        options.check()
