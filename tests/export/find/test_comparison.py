"""Registered pixels are compared by the network in graphs as in the runtime."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from bundle_copies import seal
from compare_bundles import with_compare
from comparing_judges import not_weighing, weighing
from onnx import numpy_helper
from written_graphs import given_by

from qatm.export.find.comparison import compared_picture, comparison, seen_picture
from qatm.export.find.find_files import write_find
from qatm.export.find.find_models import find_models
from qatm.export.find.patch_nodes import Spot
from qatm.export.find.pixel_nodes import PixelSet
from qatm.export.find.template_pixels import TemplatePicture
from qatm.runtime import Box, Bundle, ExportError, Matcher, Session
from qatm.runtime.match import comparing
from qatm.runtime.match.comparing import UNKNOWN, ComparedTemplate, PixelComparer
from qatm.runtime.match.find_inputs import NO_PICTURE, find_inputs
from qatm.runtime.match.pixels import PixelTemplate
from qatm.runtime.match.pose import Pose
from qatm.runtime.match.posed_rows import TemplateView

LYING, STANDING = Box(40, 60, 150, 75), Box(150, 20, 60, 130)
BOXES = [Box(150, 120, 108, 109), LYING, STANDING, Box(20, 200, 200, 24), Box(300, 9, 22, 240)]
SMALL = Box(230.25, 90, 21.5, 20)
POSES = [(0.3, 0.0, 1.0), (-1.2, 8.0, 1.1), (1.5, -20.0, 0.7), (2.0, 3.0, 2.4), (90.0, 0.0, 1.0)]


@pytest.fixture(scope="module")
def image(photographs) -> np.ndarray:
    return np.ascontiguousarray(photographs["astronaut"][:360, :480])


@pytest.fixture(scope="module")
def scene(image) -> np.ndarray:
    """The image, turned, nearer and darker."""
    matrix = cv2.getRotationMatrix2D((240, 180), 6, 1.12)
    return np.asarray(cv2.warpAffine(image, matrix, (480, 360)) // 4 * 3 + 9, np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    """With a network of random weights, which the judge weighs."""
    folder = tmp_path_factory.mktemp("compare") / "bundle"
    with_compare(Bundle.load(), folder)
    model = onnx.load(str(folder / "compare.onnx"))
    # Or it would say nearly the same of all.
    (last,) = (each for each in model.graph.initializer if each.name == "decide.2.weight")
    last.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(last) * 50, last.name))
    onnx.save(model, str(folder / "compare.onnx"))
    seal(folder, "compare.onnx")
    return weighing(Bundle.load(folder))


def made_ready(image, box: Box, mask=None) -> tuple[TemplateView, PixelTemplate, ComparedTemplate]:
    view = TemplateView.cut(image, box, mask, 1.0, framed=True)
    pixels = PixelTemplate.of(view)
    assert pixels is not None
    return view, pixels, ComparedTemplate.of(view, pixels)


def masked(box: Box, image: np.ndarray) -> np.ndarray:
    """An ellipse in a box."""
    mask = np.zeros(image.shape[:2], np.uint8)
    middle = tuple(round(side) for side in box.centre)
    cv2.ellipse(mask, middle, (round(box.w * 0.45), round(box.h * 0.4)), 0, 0, 360, 1, -1)
    return mask > 0


def alike(found: np.ndarray, expected: np.ndarray) -> None:
    """Whole numbers are at most one off, and few are."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.02


@pytest.mark.parametrize("box", [*BOXES, SMALL])
def test_the_picture_of_a_template(image, box):
    view, pixels, expected = made_ready(image, box)

    def write(image, box, zoom, used, samples):
        x, y, w, h = (box.at(index) for index in range(4))
        return [compared_picture(TemplatePicture(image, x, y, w, h, zoom), used, samples)]

    (found,) = given_by(
        write,
        image=view.image,
        box=np.array(view.box, np.float32),
        zoom=np.array(view.zoom, np.float32),
        used=pixels.used.astype(np.float32),
        samples=np.array(pixels.zoom, np.float32),
    )
    alike(found, expected.picture[0])


def given_at(pixels: PixelTemplate, template: ComparedTemplate, image, pose: Pose):
    """What the nodes take."""
    return {
        "picture": template.picture[0],
        "used": pixels.used.astype(np.float32),
        "zoom": np.array(pixels.zoom, np.float32),
        "image": image,
        "spot": np.array([pose.x, pose.y, np.radians(pose.angle), pose.scale], np.float32),
    }


def pixel_set(used, zoom) -> PixelSet:
    """Of which only these are looked at."""
    return PixelSet(used, used, used, used, zoom)


def spot_of(values) -> Spot:
    return Spot(*(values.at(index) for index in range(4)))


@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("box", [*BOXES, SMALL])
@pytest.mark.parametrize(("off", "angle", "scale"), POSES)
def test_what_is_seen(image, box, off, angle, scale, with_mask):
    mask = masked(box, image) if with_mask else None
    _, pixels, template = made_ready(image, box, mask)
    assert pixels.whole != with_mask
    x, y = box.centre
    pose = Pose(x + off, y - off / 2, angle, scale)

    def write(picture, used, zoom, image, spot):
        return seen_picture(picture, pixel_set(used, zoom), image, spot_of(spot))

    found, zooms = given_by(write, **given_at(pixels, template, image, pose))
    expected, told = comparing.seen_picture(template, pixels, image, pose)
    alike(found, expected[0])
    assert zooms == pytest.approx(told, abs=1e-5)


@pytest.mark.parametrize("box", [BOXES[0], LYING, STANDING])
def test_what_the_network_says(image, box, bundle):
    _, pixels, template = made_ready(image, box)
    network = onnx.load(str(bundle.path / "compare.onnx"))
    x, y = box.centre
    with Session(bundle, device="cpu", threads=1) as session:
        comparer = PixelComparer(session)
        told = []
        for off, angle, scale in POSES:
            pose = Pose(x + off, y - off / 2, angle, scale)

            def write(picture, used, zoom, image, spot):
                return [comparison(network, picture, pixel_set(used, zoom), image, spot_of(spot))]

            (found,) = given_by(write, **given_at(pixels, template, image, pose))
            told.append(comparer.odds(template, pixels, image, pose))
            assert found == pytest.approx(told[-1], abs=2e-3)
    assert np.ptp(told) > 0.5, "it says the same of all"


class Graphs:
    """``encode.onnx`` and ``find.onnx`` of a bundle, as any program opens them."""

    def __init__(self, bundle: Bundle) -> None:
        self.models = find_models(bundle.path, bundle.spec)
        self._sessions = {
            role: ort.InferenceSession(
                model.SerializeToString(), providers=["CPUExecutionProvider"]
            )
            for role, model in self.models.items()
        }

    def __call__(self, role: str, **arrays: np.ndarray) -> dict[str, Any]:
        session = self._sessions[role]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(None, arrays), strict=True))


@pytest.fixture(scope="module")
def graphs(bundle) -> Graphs:
    return Graphs(bundle)


@pytest.fixture(scope="module")
def comparing_matcher(bundle):
    with Matcher(bundle, "cpu") as matcher:
        yield matcher


def agree(found, match):
    assert found["found"] == match.found
    assert found["score"] == pytest.approx(match.score, abs=0.002)
    if match.found:
        assert found["box"] == pytest.approx(tuple(match.box), abs=0.05)


@pytest.mark.parametrize("box", [Box(220, 90, 72, 66), LYING, STANDING, SMALL])
def test_the_graphs_find_what_the_matcher_finds(
    comparing_matcher, matcher, graphs, image, scene, box
):
    template = comparing_matcher.encode_template(image, box)
    match = comparing_matcher.match(scene, templates=[template])[0]
    agree(graphs("find", image=scene, **find_inputs(template)), match)
    encoded = graphs("encode", image=image, box=np.array(box, np.float32))
    alike(encoded["picture"], find_inputs(template)["picture"])
    agree(graphs("find", image=scene, **encoded), match)
    other = matcher.match(scene, templates=[template])[0]
    assert abs(other.score - match.score) > 0.02, "what the network says matters"


def test_a_masked_template(comparing_matcher, graphs, image, scene):
    box = Box(220, 90, 72, 66)
    mask = masked(box, image)[90:156, 220:292]
    template = comparing_matcher.encode_template(image, box, mask)
    assert template.pixels is not None
    assert not template.pixels.whole
    match = comparing_matcher.match(scene, templates=[template])[0]
    agree(graphs("find", image=scene, **find_inputs(template)), match)


def test_where_nothing_can_be_compared(comparing_matcher, graphs, image, scene):
    box = Box(220, 90, 72, 66)
    whole = comparing_matcher.encode_template(image, box)
    template = replace(whole, view=None)
    inputs = find_inputs(template)
    assert inputs["picture"].shape == NO_PICTURE
    assert not inputs["picture"].any()
    match = comparing_matcher.match(scene, templates=[template])[0]
    agree(graphs("find", image=scene, **inputs), match)
    evidence = comparing_matcher.evidence(scene, [template], 1)[0][0].evidence
    assert evidence.comparison == UNKNOWN


def test_a_plain_template(comparing_matcher, graphs, scene):
    plain = np.full((200, 240, 3), 120, np.uint8)
    template = comparing_matcher.encode_template(plain, (60, 50, 70, 60))
    encoded = graphs("encode", image=plain, box=np.array([60, 50, 70, 60], np.float32))
    np.testing.assert_array_equal(encoded["picture"], find_inputs(template)["picture"])
    for inputs in (find_inputs(template), encoded):
        assert graphs("find", image=scene, **inputs)["score"] == 0


def test_a_judge_that_does_not_know_of_the_network(bundle):
    """The graphs are the same with the network in the bundle and without."""

    def made_of(bundle: Bundle) -> list[str]:
        models = find_models(bundle.path, bundle.spec).values()
        for model in models:
            names = [tensor.name for tensor in (*model.graph.input, *model.graph.output)]
            assert "picture" not in names
        return [hashlib.sha256(model.SerializeToString()).hexdigest() for model in models]

    assert made_of(not_weighing(bundle)) == made_of(not_weighing(Bundle.load()))


def test_a_bundle_that_lacks_the_network_is_refused(bundle):
    files = {name: file for name, file in bundle.spec.files.items() if file.role != "compare"}
    with pytest.raises(ExportError, match="a network says that the bundle lacks"):
        find_models(bundle.path, replace(bundle.spec, files=files))


def test_the_files_say_what_they_take(bundle, tmp_path):
    for name in bundle.spec.files:
        (tmp_path / name).symlink_to(bundle.path / name)
    written = write_find(tmp_path, bundle.spec)
    tensors = written["encode.onnx"].outputs[-1], written["find.onnx"].inputs[-1]
    for tensor in tensors:
        assert (tensor.name, tensor.dtype) == ("picture", "float32")
        assert tensor.shape == ("picture_height", "picture_width", 3)
