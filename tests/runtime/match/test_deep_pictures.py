"""Templates and images of more than 8 bits: what is there is found, whatever range it fills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from thermal import BOX, counts, grey, truth

from qatm.runtime import Box, InputError, Matcher, Template, TemplateError, ValueRange, box_iou

Images = dict[str, np.ndarray]

K300 = 30_000
"""Hundredths of a kelvin."""


@pytest.fixture(scope="module")
def levels(photographs: Images) -> tuple[np.ndarray, np.ndarray]:
    """The grey levels of a frame and of a later one."""
    return grey(photographs["chelsea"]), grey(photographs["chelsea"], moved=True)


def right(match: Any) -> bool:
    """Whether the face was found where it is."""
    return match.found and box_iou(match.box, truth()) > 0.9


@pytest.mark.parametrize("span", [255, 400, 600, 1000, 1500, 2040])
def test_a_few_kelvin_are_enough(
    matcher: Matcher, levels: tuple[np.ndarray, np.ndarray], span: int
) -> None:
    frame, scene = counts(levels[0], 29500, 29500 + span), counts(levels[1], 29500, 29500 + span, 1)
    template = matcher.encode_template(frame, BOX)
    best = matcher.match(scene, templates=[template])[0]
    assert right(best)
    assert best.score > 0.8
    kept = template.value_range
    assert kept is not None
    assert kept.kind == "integer"
    assert 29480 < kept.low < kept.high < 29520 + span


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (29200, 30500),
        (29600, 30600),
        (31000, 32000),
        (27000, 28000),
        (40000, 41000),
        (29000, 29300),
    ],
)
def test_warmer_colder_and_flatter_scenes_are_searched_too(
    matcher: Matcher, levels: tuple[np.ndarray, np.ndarray], low: int, high: int
) -> None:
    template = matcher.encode_template(counts(levels[0], 29000, K300), BOX)
    assert right(matcher.match(counts(levels[1], low, high, 1), templates=[template])[0])


@pytest.mark.parametrize("hot", [500, 5_000, 30_000])
@pytest.mark.parametrize("framed", [True, False])
def test_something_glowing_beside_the_object_changes_nothing(
    matcher: Matcher, levels: tuple[np.ndarray, np.ndarray], hot: int, framed: bool
) -> None:
    frame, scene = counts(levels[0], 29000, K300), counts(levels[1], 29000, K300, 1)
    x, y, w, h = BOX
    template = (
        matcher.encode_template(frame, BOX)
        if framed
        else matcher.encode_template(frame[y : y + h, x : x + w])
    )
    scene[100:200, :64] += hot
    assert right(matcher.match(scene, templates=[template])[0])


def test_something_glowing_in_the_frame_does_not_either(
    matcher: Matcher, levels: tuple[np.ndarray, np.ndarray]
) -> None:
    frame, scene = counts(levels[0], 29000, K300), counts(levels[1], 29000, K300, 1)
    frame[100:200, :64] = scene[100:200, :64] = 65535
    template = matcher.encode_template(frame, BOX)
    assert right(matcher.match(scene, templates=[template])[0])


def test_defect_and_masked_pixels_change_nothing(
    matcher: Matcher, levels: tuple[np.ndarray, np.ndarray]
) -> None:
    frame, scene = counts(levels[0], 29000, K300), counts(levels[1], 29000, K300, 1)
    random = np.random.default_rng(0)
    scene.ravel()[random.choice(scene.size, 20, replace=False)] = 65535
    scene.ravel()[random.choice(scene.size, 20, replace=False)] = 0
    template = matcher.encode_template(frame, BOX)
    assert right(matcher.match(scene, templates=[template])[0])
    celsius = (scene.astype(np.float32) - 27315) / 100
    celsius[random.random(celsius.shape) < 0.01] = np.nan
    celsius[:, -12:] = np.nan
    template = matcher.encode_template((frame.astype(np.float32) - 27315) / 100, BOX)
    assert right(matcher.match(celsius, templates=[template])[0])


@pytest.mark.parametrize(
    "kind", [np.uint16, np.int16, np.int32, np.float16, np.float32, np.float64]
)
def test_every_type_gives_the_answer_of_uint8(
    matcher: Matcher, photographs: Images, kind: Any
) -> None:
    frame = photographs["chelsea"][:240, :320]
    scene = np.roll(frame, (9, 14), (0, 1))
    box = (95, 65, 80, 80)
    wanted = matcher.match(scene, templates=[matcher.encode_template(frame, box)])[0]
    small = np.issubdtype(kind, np.floating)
    deep, deeper = ((image / 255 if small else image).astype(kind) for image in (frame, scene))
    template = matcher.encode_template(deep, box)
    best = matcher.match(deeper, templates=[template])[0]
    assert best.box == pytest.approx(wanted.box, abs=0.05)
    assert best.score == pytest.approx(wanted.score, abs=0.01)
    if kind != np.float16:
        assert best == wanted
    mixed = matcher.match(scene, templates=[template])[0]
    assert mixed.box == pytest.approx(wanted.box, abs=0.05)
    evidence, shown = (matcher.evidence(one, [template])[0][0].evidence for one in (deeper, scene))
    assert evidence.likeness == pytest.approx(shown.likeness, 0.02)
    assert (
        matcher.quality_map(deeper, template).values.shape
        == matcher.quality_map(scene, template).values.shape
    )


def test_an_8_bit_template_finds_its_object_in_a_deep_image(
    matcher: Matcher, photographs: Images, levels: tuple[np.ndarray, np.ndarray]
) -> None:
    template = matcher.encode_template(levels[0].astype(np.uint8), BOX)
    assert template.value_range is None
    assert right(matcher.match(counts(levels[1], 29000, K300), templates=[template])[0])


def test_the_range_is_saved_with_the_template(
    matcher: Matcher, levels: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    scene = counts(levels[1], 29200, 30500, 1)
    frame = counts(levels[0], 29000, K300)
    for limits in (None, (28000, 31000)):
        template = matcher.encode_template(frame, BOX, value_range=limits)
        again = Template.load(template.save(tmp_path / "face.npz"))
        assert again.value_range == template.value_range
        assert matcher.match(scene, templates=[again]) == matcher.match(scene, templates=[template])
    assert again.value_range == ValueRange.fixed((28000, 31000))


def test_a_template_that_was_saved_without_a_range_is_read(
    matcher: Matcher, levels: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    path = matcher.encode_template(levels[0].astype(np.uint8), BOX).save(tmp_path / "face.npz")
    with np.load(path) as data:
        assert not {"value_range", "value_kind"} & set(data.files)
    assert Template.load(path).value_range is None
    template = matcher.encode_template(counts(levels[0], 29000, K300), BOX)
    with np.load(template.save(path)) as data:
        broken = {**data, "value_range": np.zeros(3)}
    np.savez(path, **broken)
    with pytest.raises(TemplateError, match="cannot be read"):
        Template.load(path)


def test_several_templates_share_one_picture(
    matcher: Matcher, levels: tuple[np.ndarray, np.ndarray]
) -> None:
    frame, scene = counts(levels[0], 29000, K300), counts(levels[1], 29000, K300, 1)
    other = (180, 130, 70, 70)
    templates = [matcher.encode_template(frame, box) for box in (BOX, other)]
    for match in matcher.match(scene, templates=templates):
        box = (BOX, other)[match.template]
        assert match.found
        assert box_iou(match.box, Box(box[0] + 14, box[1] + 9, *box[2:])) > 0.9
    far = matcher.encode_template(counts(levels[0], 29000, 29010), BOX)
    with pytest.raises(TemplateError, match="too different for one picture"):
        matcher.match(scene, templates=[*templates, far])


def test_a_named_range_is_used_and_checked(
    matcher: Matcher, levels: tuple[np.ndarray, np.ndarray]
) -> None:
    frame, scene = counts(levels[0], 29000, K300), counts(levels[1], 29000, K300, 1)
    template = matcher.encode_template(frame, BOX, value_range=(29000, K300))
    assert template.value_range == ValueRange.fixed((29000, K300))
    assert right(matcher.match(scene, templates=[template])[0])
    warm = counts(levels[1], 40000, 41000)
    best = matcher.match(warm, templates=[template])[0]
    assert (best.found, best.score) == (False, 0), "all white, as it was asked for"
    with pytest.raises(InputError, match="value_range"):
        matcher.encode_template(frame, BOX, value_range=(2, 1))


def test_an_object_of_one_value_is_not_found(matcher: Matcher) -> None:
    frame = np.full((120, 160), 29000, np.uint16)
    frame[:20, ::2] = 30000
    template = matcher.encode_template(frame, (60, 60, 40, 40))
    assert template.flat
    assert matcher.match(frame, templates=[template])[0].score == 0
