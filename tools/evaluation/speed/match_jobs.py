"""Methods that find a template in pictures: ours, and what it is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .jobs import BenchJob, Facts, Loaded, nothing, template_boxes

if TYPE_CHECKING:
    import numpy as np

TEMPLATE_CELLS = 16
FEATURE_GRID = (120, 160)
FEATURE_STRIDE = 4
RIGHT_IOU = 0.5
"""A box that overlaps the object by more than this is on it."""

SEARCH_GAIN = 1.05
"""The object is a little brighter where it is looked for than in its template."""


def matcher(job: BenchJob) -> Loaded:
    """The runtime on the job's device, templates encoded inside their frame."""
    from ....runtime import Matcher
    from ....runtime.match.template import Template
    from .bench_pictures import photographs

    ours = Matcher(job.model, job.device, precision=job.precision)
    images = photographs(job)
    templates: list[list[Template]] = []

    def encode() -> None:
        boxes = template_boxes(job)
        templates.extend([ours.encode_template(i, box) for box in boxes] for i in images)

    def call(i: int) -> object:
        picture = i % len(images)
        return ours.match(images[picture], templates=templates[picture])

    return Loaded(encode, call)


def in_scene(job: BenchJob) -> Loaded:
    """The runtime looks for an object that has moved since its template was encoded."""
    from ....runtime import Match, Matcher, box_iou
    from .bench_pictures import ObjectScene

    ours = Matcher(job.model, job.device, precision=job.precision)
    scene = ObjectScene(job)
    first, there = scene.boxes()[0], scene.elsewhere()
    shown, searched = scene.frame([first]), scene.frame([there], SEARCH_GAIN)
    found: list[Match] = []

    def call(_: int) -> object:
        found[:] = ours.match(searched)
        return found

    def facts() -> Facts:
        overlap = box_iou(found[0].box, there)
        right = bool(found[0].found and overlap > RIGHT_IOU)
        return {"right": right, "iou": round(overlap, 3), "score": round(found[0].score, 3)}

    return Loaded(lambda: ours.set_template(shown, first), call, facts)


def reference(job: BenchJob) -> Loaded:
    """The paper in plain PyTorch at one grid position for 4 x 4 pixels, random weights."""
    from ...baselines.plain_pytorch import COARSE, PaperQATM
    from .bench_pictures import photographs

    first = PaperQATM(stride=COARSE)
    images = photographs(job)
    methods = [first, *(PaperQATM(first.network, stride=COARSE) for _ in images[1:])]
    x, y, width, height = template_boxes(job)[0]

    def encode() -> None:
        for method, image in zip(methods, images, strict=True):
            method.encode_template(image[y : y + height, x : x + width])

    def call(i: int) -> object:
        picture = i % len(images)
        return methods[picture].match(images[picture])

    return Loaded(encode, call)


def zncc(job: BenchJob) -> Loaded:
    """Zero-mean normalised cross-correlation of OpenCV on colour pixels."""
    import cv2

    from .bench_pictures import photographs

    images = photographs(job)
    x, y, width, height = template_boxes(job)[0]

    def call(i: int) -> object:
        image = images[i % len(images)]
        crop = image[y : y + height, x : x + width]
        return cv2.minMaxLoc(cv2.matchTemplate(image, crop, cv2.TM_CCOEFF_NORMED))

    return Loaded(nothing, call)


def graph(job: BenchJob) -> Loaded:
    """Quality of every cell by the bundle's matching graph on ONNX Runtime's CPU provider."""
    import numpy as np

    from ....runtime import Session
    from ....runtime.patches.quality import quality_map

    session = Session(job.model, "cpu")
    spec = session.bundle.spec
    search, rows = _features(spec.backbone.channels)
    target, alpha = np.ones(len(rows), np.float32), spec.recipes.match.alpha
    return Loaded(nothing, lambda _: quality_map(session, rows, target, search, alpha).contested)


def eager(job: BenchJob) -> Loaded:
    """The same quality by the model's QATM layer in PyTorch."""
    import torch

    from ....model.qatm import QATM, standardise
    from ....runtime.bundle.folder import Bundle

    spec = Bundle.load(job.model).spec
    features, rows = (torch.from_numpy(array) for array in _features(spec.backbone.channels))
    target, layer = torch.ones(len(rows)), QATM(spec.recipes.match.alpha)

    @torch.inference_mode()
    def call(_: int) -> object:
        template, search = standardise(rows, features.flatten(1).T)
        return torch.exp(layer(template, search, target).reshape(FEATURE_GRID))

    return Loaded(nothing, call)


def _features(channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Made-up features of a 640 x 480 picture at stride 4, and the rows of a template in it.

    Returns:
        ``(C, 120, 160)`` and ``(256, C)`` float32.
    """
    import numpy as np

    noise = np.random.default_rng(0).standard_normal((channels, *FEATURE_GRID))
    search = noise.astype(np.float32)
    cut = search[:, 40 : 40 + TEMPLATE_CELLS, 60 : 60 + TEMPLATE_CELLS]
    return search, np.ascontiguousarray(cut.reshape(channels, -1).T)
