"""The matcher's contract: any image is answered, wrong use is refused, the map is the paper's."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from bundle_copies import with_recipe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import quality

from qatm.runtime import (
    Box,
    Bundle,
    DeviceError,
    ImageError,
    InputError,
    Match,
    Matcher,
    TemplateError,
    box_iou,
)
from qatm.runtime.match.registration import MOST_ZOOM

Images = dict[str, np.ndarray]
EYE = (180, 60, 90, 90)


@st.composite
def pictures(draw: st.DrawFn) -> np.ndarray:
    """Flat, gradient, blocky or noisy pictures, grey or colour, any memory order."""
    height, width = draw(st.integers(16, 200)), draw(st.integers(16, 200))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["flat", "gradient", "blocks", "noise", "spot"]))
    channels = draw(st.sampled_from([1, 3, 4]))
    image = np.full((height, width, channels), generator.integers(0, 256), np.uint8)
    if kind == "gradient":
        image[:] = np.linspace(0, 255, width)[None, :, None]
    elif kind == "blocks":
        cells = generator.integers(0, 256, (height // 8 + 1, width // 8 + 1, channels))
        image[:] = cells.repeat(8, 0).repeat(8, 1)[:height, :width]
    elif kind == "noise":
        image[:] = generator.integers(0, 256, image.shape)
    elif kind == "spot":
        image[height // 2, width // 2] = 255
    return draw(st.sampled_from([image, image[::-1], np.asfortranarray(image)]))


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, Box, np.ndarray]:
    """A frame, a box that at least touches it, and an image that is no smaller than the box."""
    frame, image = draw(pictures()), draw(pictures())
    height, width = image.shape[:2]
    w = draw(st.floats(2, min(width, 2 * frame.shape[1])))
    h = draw(st.floats(2, min(height, 2 * frame.shape[0])))
    x = draw(st.floats(1 - w, frame.shape[1] - 1))
    y = draw(st.floats(1 - h, frame.shape[0] - 1))
    return frame, Box(x, y, w, h), image


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(problems(), st.integers(1, 4))
def test_any_image_is_answered(
    matcher: Matcher, problem: tuple[np.ndarray, Box, np.ndarray], top_k: int
) -> None:
    frame, box, image = problem
    try:
        template = matcher.encode_template(frame, box)
    except TemplateError as error:
        # The sliver inside the frame may be less than half a cell, and nothing else.
        assert "no patch left" in str(error)  # noqa: PT017
        return
    matches = matcher.match(image, top_k=top_k, min_score=0, templates=[template])
    assert 1 <= len(matches) <= top_k
    recipe = matcher.bundle.spec.recipes.match
    # In noise a look may tell the largest step of size each time.
    most = 1.01 * MOST_ZOOM ** max(recipe.size_rounds, recipe.size_most_rounds)
    for match in matches:
        assert np.isfinite(match.box).all()
        assert 0 <= match.score <= 1
        assert match.found
        assert match.box.w / match.box.h == pytest.approx(box[2] / box[3])
        assert 1 / most < match.box.w / box[2] < most
        if template.inside:
            assert min(match.box.x, match.box.y) >= 0
            assert match.box.x + match.box.w <= image.shape[1] + 1e-6
            assert match.box.y + match.box.h <= image.shape[0] + 1e-6
    for a, b in itertools.combinations(matches, 2):
        assert box_iou(a.box, b.box) < 0.5
    values = matcher.quality_map(image, template).values
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() <= 1 + 1e-5


@pytest.mark.parametrize("sizes", [(64, 64), (16, 16), (16, 200), (100, 150), (12, 100)])
@pytest.mark.parametrize("place", ["crop", "whole frame", "corner", "middle"])
def test_a_single_colour_is_never_found(
    matcher: Matcher, sizes: tuple[int, int], place: str
) -> None:
    side, extent = sizes
    frame = np.full((3 * side, 3 * side, 3), (90, 120, 200), np.uint8)
    template = {
        "crop": lambda: matcher.encode_template(frame[:side, :side]),
        "whole frame": lambda: matcher.encode_template(frame[:side, :side], (0, 0, side, side)),
        "corner": lambda: matcher.encode_template(frame, (0, 0, side, side)),
        "middle": lambda: matcher.encode_template(frame, (side, side, side, side)),
    }[place]()
    noise = np.random.default_rng(0).integers(0, 256, (extent, extent, 3), dtype=np.uint8)
    flat = np.full_like(noise, 50)
    for image in (frame[:extent, :extent] if extent <= 3 * side else flat, flat, noise):
        match = matcher.match(image, templates=[template])[0]
        assert match.score < 0.1
        assert not match.found
    textured = matcher.encode_template(noise, (0, 0, side, side))
    match = matcher.match(flat, templates=[textured])[0]
    assert match.score < 0.1
    assert not match.found


def test_info_says_what_runs(matcher: Matcher) -> None:
    info = matcher.info
    spec = Bundle.load().spec
    assert (info.device, info.provider) in [
        ("cpu", "CPUExecutionProvider"),
        ("cuda", "CUDAExecutionProvider"),
    ]
    assert info.backbone.startswith(spec.backbone.name)
    assert (info.alpha, info.stride) == (spec.recipes.match.alpha, spec.backbone.stride)
    assert info.hashes["features.onnx"] == spec.files["features.onnx"].sha256
    assert json.loads(json.dumps(info.as_dict())) == info.as_dict()


def test_a_match_is_frozen_and_plain(matcher: Matcher, photographs: Images) -> None:
    template = matcher.encode_template(photographs["astronaut"], EYE)
    match = matcher.match(photographs["astronaut"], templates=[template])[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        match.score = 1.0  # pyright: ignore[reportAttributeAccessIssue]
    assert [type(v) for v in (*match.box, match.score, match.found, match.template)] == [
        *[float] * 5,
        bool,
        int,
    ]
    assert json.dumps(dataclasses.asdict(match))


def test_the_set_template_is_the_one_that_is_found(photographs: Images) -> None:
    image = photographs["astronaut"]
    with Matcher(threads=1) as matcher:
        with pytest.raises(TemplateError, match=r"no template: call set_template\(\)"):
            matcher.match(image)
        with pytest.raises(TemplateError, match="no template"):
            matcher.quality_map(image)
        assert matcher.template is None
        template = matcher.set_template(image, EYE)
        assert matcher.template is template
        assert matcher.match(image) == matcher.match(image, templates=[template])
        with pytest.raises(InputError):
            matcher.set_template(image, (0, 0, 0, 0))
        assert matcher.template is template


def test_a_closed_matcher_refuses_everything(photographs: Images) -> None:
    image = photographs["astronaut"]
    with Matcher(threads=1) as matcher:
        matcher.set_template(image, EYE)
    matcher.close()
    assert matcher.info.device
    uses = (matcher.match, matcher.evidence, matcher.quality_map)
    for use in (*uses, matcher.encode_template, matcher.set_template):
        with pytest.raises(DeviceError, match="closed; make a new one"):
            use(image)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"top_k": 0}, "top_k is 0"),
        ({"min_score": -0.1}, "min_score is -0.1"),
        ({"min_score": 1.5}, "min_score is 1.5"),
        ({"min_score": math.nan}, "min_score is nan"),
        ({"templates": []}, "list of templates is empty"),
        ({"templates": ["eye.npz"]}, "templates holds a str"),
    ],
)
def test_wrong_options_are_refused(
    matcher: Matcher, photographs: Images, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        matcher.match(photographs["coffee"], **options)


def test_a_template_is_no_list(matcher: Matcher, photographs: Images) -> None:
    template: Any = matcher.encode_template(photographs["astronaut"], EYE)
    with pytest.raises(TemplateError, match=r"give a list of them: \[template\]"):
        matcher.match(photographs["coffee"], templates=template)


def test_a_template_of_another_model_is_refused(matcher: Matcher, photographs: Images) -> None:
    template = matcher.encode_template(photographs["astronaut"], EYE, name="eye")
    other = dataclasses.replace(template, model="0" * 64)
    with pytest.raises(TemplateError, match=r"'eye' was encoded by another model \(000000000000…"):
        matcher.match(photographs["coffee"], templates=[template, other])


def test_a_template_larger_than_the_image_is_refused(matcher: Matcher, photographs: Images) -> None:
    template = matcher.encode_template(photographs["coffee"], (0, 0, 300.5, 40))
    with pytest.raises(TemplateError, match=r"300\.5x40 px\) is larger than the image \(300x300"):
        matcher.match(photographs["astronaut"][:300, :300], templates=[template])
    whole = matcher.encode_template(photographs["coffee"])
    found = matcher.match(photographs["coffee"], templates=[whole])[0].box
    assert found == pytest.approx((0, 0, 600, 400), abs=0.1)


def test_an_image_beyond_the_limit_is_refused(matcher: Matcher, photographs: Images) -> None:
    image = photographs["coffee"]
    small = matcher.encode_template(image, (200, 150, 20, 20))
    assert [level.scale for level in small.levels] == pytest.approx([2**0.5, 1])
    words = r"image 1200x400 px is too large.*20x20 px.*240,000"
    limited = with_recipe(matcher.bundle, "match", max_pixels=600 * 400, whole_pixels=600 * 400)
    with Matcher(limited, threads=1) as other:
        # Too large to enlarge: searched at its own size.
        match = other.match(image, templates=[small])[0]
        assert match.box == pytest.approx((200, 150, 20, 20), abs=2)
        with pytest.raises(ImageError, match=words):
            other.match(np.tile(image, (1, 2, 1)), templates=[small])


@pytest.mark.parametrize(
    "bad",
    [np.zeros((50, 50, 3), bool), np.zeros((50, 50, 5), np.uint8), np.zeros((0, 9, 3), np.uint8)],
)
def test_a_bad_image_is_refused(matcher: Matcher, photographs: Images, bad: np.ndarray) -> None:
    template = matcher.encode_template(photographs["astronaut"], EYE)
    with pytest.raises(ImageError, match=r"^image "):
        matcher.match(bad, templates=[template])
    with pytest.raises(ImageError, match=r"^image "):
        matcher.quality_map(bad, template)


def test_kinds_of_arrays_give_the_same_match(matcher: Matcher, photographs: Images) -> None:
    image = photographs["astronaut"]
    template = matcher.encode_template(image, EYE)
    expected = matcher.match(image, templates=[template])
    alpha = np.dstack([image, np.zeros(image.shape[:2], np.uint8)])
    padded = np.zeros((520, 530, 3), np.uint8)
    padded[3:515, 7:519] = image
    for same in (alpha, np.asfortranarray(image), padded[3:515, 7:519], image[::-1].copy()[::-1]):
        assert matcher.match(same, templates=[template]) == expected
    grey = image.mean(2).astype(np.uint8)
    assert matcher.match(grey, templates=[template])[0].box == pytest.approx(EYE, abs=3)


def test_threads_may_share_a_matcher(matcher: Matcher, photographs: Images) -> None:
    template = matcher.encode_template(photographs["astronaut"], EYE)
    images = [photographs[name] for name in ("astronaut", "coffee", "chelsea")] * 2

    def best(image: np.ndarray) -> list[Match]:
        return matcher.match(image, templates=[template])

    alone = [best(image) for image in images]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(best, images)) == alone


def test_scores_come_from_the_evidence(matcher: Matcher, photographs: Images) -> None:
    image = photographs["chelsea"]
    templates = [
        matcher.encode_template(image, EYE),
        matcher.encode_template(photographs["coffee"], EYE),
        matcher.encode_template(np.full((60, 60, 3), 90, np.uint8), (5, 5, 40, 40)),
    ]
    judge = matcher.bundle.spec.recipes.match.judge
    found = matcher.evidence(image, templates, top_k=3)
    assert [len(some) for some in found] == [3, 3, 3]
    for template, seen in zip(templates, found, strict=True):
        match = matcher.match(image, top_k=3, templates=[template])[0]
        best = seen[0]
        assert match.score == best.score
        np.testing.assert_allclose(match.corners, best.pose.corners(template.size), atol=1e-9)
        assert match.margin == best.margin
        order = [each.preference for each in seen]
        assert order == sorted(order, reverse=True)
        if not template.flat:
            odds = judge.odds(np.array([dataclasses.astuple(best.evidence)]))[0]
            assert best.score == pytest.approx(1 / (1 + math.exp(-odds)))
    own, absent, flat = (seen[0] for seen in found)
    assert own.score > 0.9
    assert absent.score < 0.5
    assert flat.score == 0
    assert own.evidence.likelihood > absent.evidence.likelihood
    assert own.evidence.correlation > 0.99
    with Matcher() as other, pytest.raises(TemplateError, match="no template"):
        other.evidence(image)


TAPS = ["tap0", "tap1", "tap2"]


def joined(taps: list[np.ndarray]) -> np.ndarray:
    """All layers at the finest stride, as PyTorch interpolates them, ``(C, H, W)`` float64."""
    from torch import as_tensor, cat
    from torch.nn.functional import interpolate

    size = taps[0].shape[-2:]
    same = [interpolate(as_tensor(tap), size, mode="bilinear") for tap in taps]
    return cat(same, 1)[0].double().numpy()


@pytest.mark.parametrize(
    ("name", "box"),
    [("astronaut", (176, 64, 64, 48)), ("chelsea", (64, 96, 48, 64)), ("coffee", (32, 16, 40, 40))],
)
def test_the_quality_map_is_the_papers(
    matcher: Matcher, photographs: Images, name: str, box: tuple[int, int, int, int]
) -> None:
    """Box on the grid, sides multiples of 16, scale 1: only the paper's formulas are left."""
    import onnxruntime

    image = np.ascontiguousarray(photographs[name][:272, :400])
    search = np.ascontiguousarray(photographs[name][16:288, 48:448])
    bundle = Bundle.load()
    session = onnxruntime.InferenceSession(
        str(bundle.file("features", "fp32")), providers=["CPUExecutionProvider"]
    )
    features, cells = (
        joined([np.asarray(tap) for tap in session.run(TAPS, {"image": picture[None]})])
        for picture in (image, search)
    )
    x, y, w, h = (side // bundle.spec.backbone.stride for side in box)
    rows = features[:, y : y + h, x : x + w].reshape(len(features), -1).T
    expected = quality(rows, cells.reshape(len(cells), -1).T, bundle.spec.recipes.match.alpha)
    expected = expected.reshape(cells.shape[1:])
    found = matcher.quality_map(search, matcher.encode_template(image, box))
    assert found.cell == (4, 4)
    assert found.size == (search.shape[1], search.shape[0])
    assert expected.max() > 0.2
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-3)
