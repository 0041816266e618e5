"""``encode.onnx`` and ``find.onnx`` give what the matcher gives, whatever a template is like."""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from bundle_copies import with_recipe

from qatm.export.find.find_models import find_models
from qatm.runtime import Matcher, Template
from qatm.runtime.match.find_inputs import NUMBERS, find_inputs
from qatm.runtime.match.searching import search_level

BOX = (180, 90, 72, 66)


class Ort:
    """A graph in ONNX Runtime as any program opens it."""

    def __init__(self, model):
        model = model if isinstance(model, bytes) else str(model)
        self.session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        self.taken = [taken.name for taken in self.session.get_inputs()]
        self.names = [output.name for output in self.session.get_outputs()]

    def __call__(self, **arrays):
        # A graph that compares no pixels takes no picture of a template.
        given = {name: arrays[name] for name in self.taken}
        return dict(zip(self.names, self.session.run(None, given), strict=True))


@pytest.fixture(scope="module")
def find(find_bundle) -> Ort:
    return Ort(find_bundle / "find.onnx")


@pytest.fixture(scope="module")
def encode(find_bundle) -> Ort:
    return Ort(find_bundle / "encode.onnx")


@pytest.fixture(scope="module")
def frame(photographs) -> np.ndarray:
    return np.ascontiguousarray(photographs["astronaut"][:360, 40:480])


@pytest.fixture(scope="module")
def scene(frame) -> np.ndarray:
    """The frame, turned, nearer and darker."""
    matrix = cv2.getRotationMatrix2D((220, 180), 6, 1.12)
    return np.asarray(cv2.warpAffine(frame, matrix, (440, 360)) // 4 * 3 + 9, np.uint8)


def agree(found, match, box=0.05, score=0.01):
    assert found["found"] == match.found
    assert found["score"] == pytest.approx(match.score, abs=score)
    if match.found:
        assert found["box"] == pytest.approx(tuple(match.box), abs=box)
        assert found["scale"] == pytest.approx(match.scale, abs=2e-3)
        assert found["margin"] == pytest.approx(match.margin, abs=0.01)


@pytest.mark.parametrize(
    "box", [BOX, (20.5, 30.25, 130, 40), (230, 200, 24, 20), (-15, 250, 80, 70), (60, 20, 240, 260)]
)
def test_an_object_is_found_where_the_matcher_finds_it(
    matcher: Matcher, encode, find, frame, scene, box
):
    template = matcher.encode_template(frame, box)
    match = matcher.match(scene, templates=[template])[0]
    agree(find(image=scene, **find_inputs(template)), match)
    agree(find(image=scene, **encode(image=frame, box=np.array(box, np.float32))), match)


def test_an_absent_object_is_not_found(matcher: Matcher, encode, find, frame, photographs):
    image = np.ascontiguousarray(photographs["coffee"][:300, :400])
    template = matcher.encode_template(frame, BOX)
    match = matcher.match(image, templates=[template])[0]
    assert not match.found
    agree(find(image=image, **encode(image=frame, box=np.array(BOX, np.float32))), match)


def test_an_object_that_lies_turned_is_not_found(matcher: Matcher, find, frame):
    image = np.ascontiguousarray(np.rot90(frame))
    template = matcher.encode_template(frame, BOX)
    match = matcher.match(image, templates=[template])[0]
    assert not match.found
    agree(find(image=image, **find_inputs(template)), match)


@pytest.fixture(scope="module", params=[100_000, 30_000], ids=["lower", "lowest"])
def thrifty(request, matcher: Matcher) -> Generator[tuple[Matcher, Ort, Ort], None, None]:
    """A matcher and graphs that search pictures of few pixels at a lower resolution already."""
    bundle = with_recipe(matcher.bundle, "match", whole_pixels=request.param)
    models = find_models(bundle.path, bundle.spec)
    encode, find = (Ort(models[role].SerializeToString()) for role in ("encode", "find"))
    with Matcher(bundle) as opened:
        yield opened, encode, find


@pytest.mark.parametrize(
    "box", [BOX, (20.5, 30.25, 130, 40), (230, 200, 24, 20), (-15, 250, 80, 70), (60, 20, 240, 260)]
)
def test_a_large_picture_is_searched_at_a_lower_resolution(thrifty, frame, scene, box):
    matcher, encode, find = thrifty
    template = matcher.encode_template(frame, box)
    recipe, (height, width) = matcher.bundle.spec.recipes.match, scene.shape[:2]
    level = search_level(template, width, height, recipe)
    many = height * width * template.levels[0].scale ** 2 > recipe.whole_pixels
    assert (level is not template.levels[0]) == (many and len(template.levels) > 1)
    assert many or box[2] > 100, "most are searched at a lower one"
    match = matcher.match(scene, templates=[template])[0]
    agree(find(image=scene, **find_inputs(template)), match)
    agree(find(image=scene, **encode(image=frame, box=np.array(box, np.float32))), match)


def test_a_large_picture_without_the_object(thrifty, frame, photographs):
    matcher, encode, find = thrifty
    image = np.ascontiguousarray(photographs["coffee"][:300, :400])
    match = matcher.match(image, templates=[matcher.encode_template(frame, BOX)])[0]
    assert not match.found
    agree(find(image=image, **encode(image=frame, box=np.array(BOX, np.float32))), match)


def test_a_plain_template_scores_nothing(matcher: Matcher, encode, find, scene):
    plain = np.full((200, 240, 3), 120, np.uint8)
    template = matcher.encode_template(plain, (60, 50, 70, 60))
    found = find(image=scene, **find_inputs(template))
    assert (found["score"], found["found"]) == (0, False)
    box = np.array([60, 50, 70, 60], np.float32)
    assert find(image=scene, **encode(image=plain, box=box))["score"] == 0


def test_a_masked_template_is_found(matcher: Matcher, find, frame, scene):
    mask = np.zeros((66, 72), np.uint8)
    cv2.ellipse(mask, (36, 33), (34, 31), 0, 0, 360, 1, -1)
    template = matcher.encode_template(frame, BOX, mask > 0)
    assert not template.levels[0].fine.footprint.all()
    match = matcher.match(scene, templates=[template])[0]
    agree(find(image=scene, **find_inputs(template)), match)


def test_a_saved_template_is_found(matcher: Matcher, find, frame, scene, tmp_path):
    kept = Template.load(matcher.encode_template(frame, BOX).save(tmp_path / "object.npz"))
    agree(find(image=scene, **find_inputs(kept)), matcher.match(scene, templates=[kept])[0])


def test_a_template_without_a_view_is_found(matcher: Matcher, find, frame, scene):
    from dataclasses import replace

    template = replace(matcher.encode_template(frame, BOX), view=None)
    agree(find(image=scene, **find_inputs(template)), matcher.match(scene, templates=[template])[0])


@pytest.mark.parametrize("box", [BOX, (300, 30, 20, 22), (-9.5, 120.25, 60, 190)])
def test_what_is_encoded_is_what_python_encodes(matcher: Matcher, encode, find, frame, box):
    template = matcher.encode_template(frame, box)
    expected = find_inputs(template, compared="picture" in find.taken)
    found = encode(image=frame, box=np.array(box, np.float32))
    assert list(found) == find.taken[1:]
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].shape == array.shape, name
        assert found[name].dtype == array.dtype, name
    numbers = dict(zip(NUMBERS, found["numbers"] - expected["numbers"], strict=True))
    assert max(map(abs, numbers.values())) < 0.05, numbers
    for name in ("levels", "fine_footprint", "coarse_footprint", "fine_offset", "pixels_used"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3, err_msg=name)
    for name in ("pixels_grey", "core_grey"):
        assert found[name] @ expected[name] == pytest.approx(1, abs=1e-4), name
    own = int(expected["fine_target"].sum())
    scale = np.abs(expected["fine_rows"]).max()
    np.testing.assert_allclose(
        found["fine_rows"][:own], expected["fine_rows"][:own], atol=0.02 * scale
    )
    assert np.abs(found["squares"].astype(int) - expected["squares"]).max() <= 2


def test_the_graphs_use_plain_operators_only(find_bundle):
    for name in ("encode", "find"):
        model = onnx.load(str(find_bundle / f"{name}.onnx"))
        assert {entry.domain for entry in model.opset_import} == {""}
        assert model.opset_import[0].version == 20
        assert model.ir_version <= 10
        assert not model.functions
