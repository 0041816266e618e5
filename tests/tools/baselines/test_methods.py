from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from qatm.runtime import InputError, TemplateError, box_iou
from qatm.runtime.boxes import Box
from qatm.tools.baselines import METHODS, MethodOptions, bbs, cotm, ddis, dim, open_method
from qatm.tools.baselines import base as methods_base
from qatm.tools.baselines import correlation as sums
from qatm.tools.baselines.ncc import NccDeep
from qatm.tools.baselines.ssd import SsdDeep
from qatm.tools.baselines.zncc import ZnccDeep

SETUP = MethodOptions(threads=1)
OPENED = [name for name in METHODS if name != "paper-qatm"]
EXACT = 2.0
DEEP_SLACK = 6.0


def scene(photographs, name="coffee") -> np.ndarray:
    return np.ascontiguousarray(photographs[name][120:330, 180:460])


def noise(height, width, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height, width, sigma) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(noise(height, width), (0, 0), sigma), np.uint8)


@pytest.fixture(scope="module", params=OPENED)
def method(request):
    opened = open_method(request.param, SETUP)
    yield opened
    opened.close()


# --- every method


def test_the_object_is_found_where_it_moved_to(method, photographs):
    frame = scene(photographs)
    moved = np.ascontiguousarray(np.roll(frame, (16, -24), (0, 1))[:200, :250])
    box = (142.0, 108.0, 44.0, 51.0)
    found = method.find(method.encode(frame, box), moved)
    slack = DEEP_SLACK if "deep" in method.name or "qatm" in method.name else 4.0
    assert abs(found.box.x - (142 - 24)) <= slack
    assert abs(found.box.y - (108 + 16)) <= slack
    assert np.isfinite(found.score)


def test_the_frame_itself_gives_the_box_back(method, photographs):
    frame = scene(photographs)
    box = (140.4, 106.7, 46.3, 54.9)
    found = method.find(method.encode(frame, box), frame)
    assert box_iou(found.box, box) > 0.8
    assert found.box.w == pytest.approx(box[2], rel=0.15)


def test_gt_size_sets_the_size_of_the_box(method, photographs):
    frame = scene(photographs)
    encoded = method.encode(frame, (142, 108, 44, 51))
    searched = method.search(encoded, frame)
    told, untold = method.place(searched, (60.5, 40.25)), method.place(searched, None)
    assert told.box[2:] == (60.5, 40.25)
    centres = [(f.box.x + f.box.w / 2, f.box.y + f.box.h / 2) for f in (told, untold)]
    assert np.abs(np.array(centres[0]) - np.array(centres[1])).max() <= 12


def test_boxes_lie_inside_the_picture(method, photographs):
    frame = scene(photographs)
    for box in ((-6.5, -4, 40, 44), (250, 180, 45, 40)):
        found = method.find(method.encode(frame, box), frame, (70.0, 80.0))
        assert found.box.x >= 0
        assert found.box.y >= 0
        assert found.box.x + found.box.w <= frame.shape[1] + 1e-6
        assert found.box.y + found.box.h <= frame.shape[0] + 1e-6


def test_the_score_is_higher_for_the_same_object(method, photographs):
    frame = scene(photographs)
    encoded = method.encode(frame, (142, 108, 44, 51))
    other = np.ascontiguousarray(photographs["rocket"][100:310, 100:380])
    assert method.find(encoded, frame).score > method.find(encoded, other).score


def test_flat_pictures_give_finite_answers(method, photographs):
    frame = scene(photographs)
    flat = np.full((80, 90, 3), 128, np.uint8)
    for source, image in ((frame, flat), (flat, frame), (flat, flat)):
        found = method.find(method.encode(source, (20, 20, 24, 30)), image)
        assert np.isfinite([*found.box, found.score]).all()


def test_tiny_templates_and_pictures_of_the_same_size(method):
    image = noise(40, 48)
    for box in ((10, 10, 2, 3), (0, 0, 48, 40), (3, 3, 1, 1)):
        found = method.find(method.encode(image, box), image, (8.0, 9.0))
        assert np.isfinite([*found.box, found.score]).all()


def test_a_picture_smaller_than_the_template_is_refused(method, photographs):
    encoded = method.encode(scene(photographs), (20, 20, 100, 90))
    with pytest.raises(TemplateError, match="larger than the"):
        method.find(encoded, noise(60, 70))


def test_the_map_to_show_has_two_dimensions(method, photographs):
    frame = scene(photographs)
    encoded = method.encode(frame, (142, 108, 44, 51))
    shown = method.show(encoded, frame, method.find(encoded, frame))
    assert shown.ndim == 2
    peak = np.unravel_index(np.argmax(shown), shown.shape)
    scale = frame.shape[0] / shown.shape[0]
    assert 108 - 8 <= (peak[0] + 0.5) * scale <= 108 + 51 + 8
    assert 142 - 8 <= (peak[1] + 0.5) * scale <= 142 + 44 + 8


# --- the registry


def test_an_unknown_method_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"'sift' is unknown; choose from ssd, ncc"):
        open_method("sift", SETUP)


def test_the_paper_needs_weights():
    with pytest.raises(InputError, match="--weights FILE"):
        open_method("paper-qatm", SETUP)


def test_missing_packages_are_named(monkeypatch):
    from qatm.tools.baselines import registry

    def fail(name, package):
        raise ModuleNotFoundError("no", name="torch")

    monkeypatch.setattr(registry, "import_module", fail)
    with pytest.raises(InputError, match=r"paper-qatm needs torch.*qatm\[eval\].*qatm\[export\]"):
        open_method("paper-qatm", SETUP)


def test_names_and_registry_agree():
    for name in OPENED:
        opened = open_method(name, SETUP)
        assert opened.name == name
        opened.close()


# --- windows


def test_a_crop_keeps_what_rounding_and_the_border_took():
    frame = noise(30, 40)
    crop = methods_base.cut_out(frame, (4.6, 7.2, 9.4, 10.0))
    np.testing.assert_array_equal(crop.pixels, frame[7:17, 5:14])
    assert crop.shift == pytest.approx((9.3 - 9.5, 12.2 - 12.0))
    border = methods_base.cut_out(frame, (-4, 25, 10, 10))
    assert border.pixels.shape == (5, 6, 3)
    assert border.shift == pytest.approx((1 - 3, 30 - 27.5))


def test_mean_window_is_the_best_mean():
    values = np.random.default_rng(1).random((12, 17)).astype(np.float32)
    windows = methods_base.mean_window(values, (5.2, 3.4))
    means = np.array([[values[y : y + 3, x : x + 5].mean() for x in range(13)] for y in range(10)])
    np.testing.assert_allclose(windows.values, means, rtol=1e-5)
    y, x = np.unravel_index(means.argmax(), means.shape)
    found = windows.best(None)
    assert found.score == pytest.approx(means.max())
    assert abs(found.box.x + 2.6 - (x + 2.5)) <= 0.11
    assert abs(found.box.y + 1.7 - (y + 1.5)) <= 0.21


def test_windows_show_their_values_at_their_centres():
    values = np.array([[0.0, 1.0], [0.25, 0.5]], np.float32)
    windows = methods_base.Windows(values, (6.0, 5.0), (4.0, 4.0), (8, 6), (20, 16))
    shown = windows.on_picture()
    assert shown.shape == (16, 20)
    assert shown[5, 10] == 1.0
    assert shown[9, 10] == 0.5
    assert shown[0, 0] == 0.0
    assert windows.best(None).box == Box(6, 2, 8, 6)


# --- SSD, NCC, ZNCC on feature maps


@pytest.mark.parametrize(("kind", "mode"), [(NccDeep, "ncc"), (ZnccDeep, "zncc"), (SsdDeep, "ssd")])
def test_sums_over_channels_follow_the_formulas(kind, mode):
    rng = np.random.default_rng(2)
    search = rng.standard_normal((7, 9, 11)).astype(np.float32) + 2
    template = rng.standard_normal((7, 3, 4)).astype(np.float32) + 1
    opened = kind.__new__(kind)
    got = opened.similarity(template, search)
    for y in range(7):
        for x in range(8):
            part, own = search[:, y : y + 3, x : x + 4], template
            if mode == "zncc":
                part = part - part.mean((1, 2), keepdims=True)
                own = own - own.mean((1, 2), keepdims=True)
            if mode == "ssd":
                wanted = 1 / (1 + np.square(part - own).mean())
            else:
                wanted = (part * own).sum() / np.sqrt((part**2).sum() * (own**2).sum())
            assert got[y, x] == pytest.approx(wanted, abs=1e-4)


def test_undefined_correlations_are_zero():
    values = np.array([0.5, np.inf, np.nan, 3.0, -1.0], np.float32)
    assert sums.defined(values).tolist() == [0.5, 0, 0, 0, -1]


# --- BBS


def brute_best_buddies(template, window) -> int:
    """Count mutual nearest neighbours from the definition."""
    h, w, depth = template.shape
    place = np.argwhere(np.ones((h, w))) * bbs.PATCH * bbs.PLACE_UNIT
    own, other = template.reshape(-1, depth), window.reshape(-1, depth)
    appearance = np.square(own[:, None] - other[None]).sum(2)
    places = np.square(place[:, None] - place[None]).sum(2)
    distance = np.rint(appearance * bbs.UNIT) + np.rint(bbs.PLACE_WEIGHT * places * bbs.UNIT)
    forth, back = distance.argmin(1), distance.argmin(0)
    return sum(int(back[j] == i) for i, j in enumerate(forth))


def test_best_buddies_are_mutual_nearest_neighbours():
    rng = np.random.default_rng(3)
    image = 0.3 * rng.random((8, 9, 5)).astype(np.float32)
    template = image[2:5, 3:7] + 0.03 * rng.random((3, 4, 5)).astype(np.float32)
    got = bbs.best_buddies(template, image)
    wanted = [
        [brute_best_buddies(template, image[y : y + 3, x : x + 4]) for x in range(6)]
        for y in range(6)
    ]
    assert np.abs(got - np.array(wanted)).max() <= 1
    assert (got == np.array(wanted)).mean() > 0.9
    assert bbs.best_buddies(image[2:5, 3:7], image)[2, 3] == 12


def test_long_templates_do_not_overflow():
    black, white = np.zeros((3, 900, 3), np.uint8), np.full((3, 900, 3), 255, np.uint8)
    mixed = np.where(np.arange(900)[None, :, None] // 3 % 7 == 0, white, black)
    patches = bbs.patches_of(mixed)
    assert bbs.best_buddies(patches, patches)[0, 0] == 300
    apart = np.square(bbs.patches_of(white) - bbs.patches_of(black)).sum(2).max()
    assert apart < bbs.FARTHEST
    assert apart + bbs.FARTHEST < 2 ** (31 - bbs.INDEX_BITS) / bbs.UNIT


def test_bbs_patches_are_blocks_of_three():
    image = noise(7, 11)
    patches = bbs.patches_of(image)
    assert patches.shape == (2, 3, 27)
    line = np.exp(-np.square([-1, 0, 1]) / (2 * bbs.SIGMA**2))
    weight = np.outer(line, line) / np.outer(line, line).sum()
    wanted = image[3:6, 6:9] / 255.0 * weight[:, :, None]
    np.testing.assert_allclose(patches[1, 2], wanted.ravel(), rtol=1e-5)


# --- DDIS


def test_diversity_follows_the_formula():
    rng = np.random.default_rng(4)
    h, w = 3, 4
    labels = rng.integers(0, h * w, (8, 9))
    got = ddis.diversity(labels, (h, w))
    for y in range(6):
        for x in range(6):
            part = labels[y : y + h, x : x + w]
            total = 0.0
            for (row, column), label in np.ndenumerate(part):
                sharing = int((part == label).sum())
                place = divmod(int(label), w)
                apart = np.hypot(row - place[0], column - place[1])
                total += np.exp(1 - sharing) / (1 + apart)
            assert got[y, x] == pytest.approx(total, rel=1e-4)


def test_identical_windows_have_the_highest_diversity():
    labels = np.zeros((9, 9), int)
    labels[2:5, 3:7] = np.arange(12).reshape(3, 4)
    got = ddis.diversity(labels, (3, 4))
    assert np.unravel_index(got.argmax(), got.shape) == (2, 3)
    assert got.max() == pytest.approx(12, rel=1e-5)


def test_nearest_patches_are_nearest():
    rng = np.random.default_rng(5)
    template, image = rng.random((7, 4)), rng.random((30, 4))
    wanted = np.square(image[:, None] - template[None]).sum(2).argmin(1)
    assert ddis.nearest_patches(template, image).tolist() == wanted.tolist()


# --- CoTM


def test_cooccurrences_are_gaussian_weighted_counts(monkeypatch):
    labels = np.random.default_rng(6).integers(0, 3, (9, 10))
    monkeypatch.setattr(cotm, "NEIGHBOURHOOD", 5)
    got = cotm.cooccurrences(labels, 3)
    line = np.exp(-np.square(np.arange(-2, 3)) / (2 * cotm.SIGMA**2))
    kernel = np.outer(line, line) / np.outer(line, line).sum()
    wanted = np.zeros((3, 3))
    for y, x in np.ndindex(labels.shape):
        for dy, dx in np.ndindex(5, 5):
            other = y + dy - 2, x + dx - 2
            if 0 <= other[0] < 9 and 0 <= other[1] < 10:
                wanted[labels[y, x], labels[other]] += kernel[dy, dx]
    np.testing.assert_allclose(got, wanted, rtol=1e-4)


def test_affinity_is_one_for_independent_colours():
    single = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(cotm.pointwise_affinity(np.outer(single, single) * 70), 1, rtol=1e-6)
    unseen = cotm.pointwise_affinity(np.diag([4.0, 0.0]))
    assert unseen.tolist() == [[1, 0], [0, 0]]


def test_window_affinity_is_a_mean_over_pixels():
    rng = np.random.default_rng(7)
    template, labels = rng.integers(0, 4, (3, 5)), rng.integers(0, 4, (8, 9))
    affinity = rng.random((4, 4)).astype(np.float32)
    got = cotm.window_affinity(template, labels, affinity)
    wanted = affinity[template, labels[2:5, 1:6]].mean()
    assert got.shape == (6, 5)
    assert got[2, 1] == pytest.approx(wanted, rel=1e-4)


def test_few_colours_are_their_own_palette():
    image = np.zeros((6, 6, 3), np.uint8)
    image[:3], image[3:, :2] = (10, 20, 30), (200, 100, 0)
    assert len(cotm.learn_colours(image)) == 3
    assert len(cotm.learn_colours(noise(100, 100))) == cotm.COLOURS


# --- DIM


def test_dim_explains_a_template_by_itself():
    rng = np.random.default_rng(8)
    picture = rng.random((6, 40, 50)).astype(np.float32)
    templates = np.stack([picture[:, 12:22, 20:32], picture[:, 25:35, 3:15]])
    evidence = dim.explain(picture, templates)
    assert evidence.shape == (31, 39)
    assert np.unravel_index(evidence.argmax(), evidence.shape) == (12, 20)
    assert np.sort(evidence.ravel())[-2] < 0.15 * evidence.max()


def test_competitors_do_not_overlap_the_template():
    frame = smooth(60, 80, 2)
    crop = methods_base.cut_out(frame, (30, 20, 16, 14))
    places = [(20, 30), *dim.competitors(frame, crop)]
    assert len(places) == dim.COMPETITORS + 1
    for i, (y, x) in enumerate(places):
        for other_y, other_x in places[:i]:
            assert abs(y - other_y) >= 14 or abs(x - other_x) >= 16
    assert dim.competitors(frame, methods_base.cut_out(frame, (5, 5, 70, 50))) == []


# --- QATM


def test_lean_log_quality_is_that_of_the_formulas(monkeypatch):
    torch = pytest.importorskip("torch")
    from qatm.tools.baselines import paper_qatm
    from qatm.tools.baselines import plain_pytorch as reference

    torch.manual_seed(0)
    rows = [torch.nn.functional.normalize(torch.randn(n, 16), dim=1) for n in (40, 300)]
    wanted = reference.log_quality(rows[0], rows[1], 25.0)
    for block, kept in ((10**6, 10**6), (2000, 10**6), (2000, 1)):
        monkeypatch.setattr(paper_qatm, "BLOCK", block)
        monkeypatch.setattr(paper_qatm, "KEPT", kept)
        torch.testing.assert_close(paper_qatm.lean_log_quality(rows[0], rows[1], 25.0), wanted)


def test_the_published_method_finds_what_was_cut():
    torch = pytest.importorskip("torch")
    from qatm.tools.baselines.paper_qatm import PaperMethod

    def network(pixels):
        return [pixels / 255, torch.nn.functional.avg_pool2d(pixels / 255, 4)]

    image = smooth(60, 72, 1.2)
    method = PaperMethod(SETUP, network)
    encoded = method.encode(image, (24.6, 12.7, 20.9, 24.2))
    assert encoded.crop.shape == (24, 20, 3)
    searched = method.search(encoded, image)
    found = method.place(searched, None)
    assert box_iou(found.box, (24, 12, 20.9, 24.2)) > 0.85
    assert 0 < found.score <= 1
    assert method.place(searched, (30, 20)).box[2:] == (30, 20)
    with pytest.raises(TemplateError, match="larger"):
        method.search(encoded, noise(20, 30))


def test_bad_weights_are_an_input_error(tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match=r"missing\.npz"):
        open_method("paper-qatm", replace(SETUP, weights=tmp_path / "missing.npz"))


def test_the_default_method_answers_like_the_matcher(photographs, matcher):
    frame = scene(photographs)
    opened = open_method("qatm", SETUP)
    found = opened.find(opened.encode(frame, (142, 108, 44, 51)), frame)
    template = matcher.encode_template(frame, (142, 108, 44, 51))
    wanted = matcher.match(frame, templates=[template])[0]
    opened.close()
    assert found.box == pytest.approx(wanted.box, abs=0.05)
    assert found.score == pytest.approx(wanted.score, abs=1e-3)
    assert found.found == wanted.found
