"""What ``qatm bench`` measures: methods that find a template in photographs.

Only the standard library is imported before a method asks for more, so that the memory of one is
not mixed with what another needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

TEMPLATE_CELLS = 16
FEATURE_GRID = (120, 160)

Repeat = Callable[[int], object]


class Loaded(NamedTuple):
    """A method with its libraries, its model and its pictures in memory.

    Attributes:
        encode: prepares the templates; called once.
        call: what is measured; its argument counts repeats.
    """

    encode: Callable[[], object]
    call: Repeat


@dataclass(frozen=True)
class BenchJob:
    """One method at one size.

    Attributes:
        method: a key of ``METHODS``.
        height: of the picture that is searched, in pixels.
        width: the same.
        template: side of each template, in pixels.
        templates: how many are looked for in a picture.
        pictures: how many photographs the repeats go through in turn.
        model: folder of the bundle; ``None`` is the one that ships with the package.
        device: as for ``Matcher``.
    """

    method: str
    height: int = 480
    width: int = 640
    template: int = 64
    templates: int = 1
    pictures: int = 1
    model: str | None = None
    device: str = "auto"


def photographs(job: BenchJob) -> list[np.ndarray]:
    """Photographs that scikit-image carries, ``(H, W, 3)`` uint8 BGR at the job's size.

    Raises:
        InputError: scikit-image is not installed.
    """
    import cv2

    from ....calib.photographs import SPEED, photograph_files
    from ....runtime.images import read_image

    size = job.width, job.height
    names = [SPEED[i % len(SPEED)] for i in range(job.pictures)]
    return [cv2.resize(read_image(file), size) for file in photograph_files(names)]


def template_boxes(job: BenchJob) -> list[tuple[int, int, int, int]]:
    """Boxes ``(x, y, w, h)`` of the templates, spread evenly over the picture."""
    columns = max(1, round(job.templates**0.5))
    rows = -(-job.templates // columns)
    free_x, free_y = job.width - job.template, job.height - job.template
    return [
        (
            round(free_x * (i % columns + 0.5) / columns),
            round(free_y * (i // columns + 0.5) / rows),
            job.template,
            job.template,
        )
        for i in range(job.templates)
    ]


def load(job: BenchJob) -> Loaded:
    """Load the libraries, the model and the pictures of a job."""
    return METHODS[job.method](job)


def prepare(job: BenchJob) -> Repeat:
    """Load what a job needs, encode its templates, and return the call that is measured."""
    method = load(job)
    method.encode()
    return method.call


def _matcher(job: BenchJob) -> Loaded:
    """The runtime on the job's device, templates encoded inside their frame."""
    from ....runtime import Matcher
    from ....runtime.match.template import Template

    matcher = Matcher(job.model, job.device)
    images = photographs(job)
    templates: list[list[Template]] = []

    def encode() -> None:
        boxes = template_boxes(job)
        templates.extend([matcher.encode_template(i, box) for box in boxes] for i in images)

    def call(i: int) -> object:
        picture = i % len(images)
        return matcher.match(images[picture], templates=templates[picture])

    return Loaded(encode, call)


def _reference(job: BenchJob) -> Loaded:
    """The paper in plain PyTorch at one grid position for 4 x 4 pixels, random weights."""
    from ...baselines.plain_pytorch import COARSE, PaperQATM

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


def _zncc(job: BenchJob) -> Loaded:
    """Zero-mean normalised cross-correlation of OpenCV on colour pixels."""
    import cv2

    images = photographs(job)
    x, y, width, height = template_boxes(job)[0]

    def call(i: int) -> object:
        image = images[i % len(images)]
        crop = image[y : y + height, x : x + width]
        return cv2.minMaxLoc(cv2.matchTemplate(image, crop, cv2.TM_CCOEFF_NORMED))

    return Loaded(nothing, call)


def nothing() -> None:
    """For methods that have no templates to encode."""


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


def _graph(job: BenchJob) -> Loaded:
    """The bundle's matching graph on ONNX Runtime's CPU provider, all of its outputs."""
    import numpy as np

    from ....runtime.backends.onnx import OnnxGraph
    from ....runtime.bundle.folder import Bundle

    bundle = Bundle.load(job.model)
    search, rows = _features(bundle.spec.backbone.channels)
    session = OnnxGraph(bundle.file("match", "fp32"), "cpu")
    inputs = {
        "template": rows,
        "target": np.ones(len(rows), np.float32),
        "search": search,
        "window": np.full(2, TEMPLATE_CELLS, np.int64),
    }
    return Loaded(nothing, lambda _: session.run(inputs, ["quality", "scores", "boxes"]))


def _eager(job: BenchJob) -> Loaded:
    """The same matching of the model in PyTorch: QATM layer, window means, best windows."""
    import torch

    from ....model.exported import best_windows, window_means
    from ....model.qatm import QATM, standardise
    from ....runtime.bundle.folder import Bundle

    spec = Bundle.load(job.model).spec
    features, rows = (torch.from_numpy(array) for array in _features(spec.backbone.channels))
    target = torch.ones(len(rows))
    window = torch.tensor([TEMPLATE_CELLS, TEMPLATE_CELLS])
    layer = QATM(spec.recipes.match.alpha)

    @torch.inference_mode()
    def call(_: int) -> object:
        template, search = standardise(rows, features.flatten(1).T)
        log_quality = layer(template, search, target).reshape(FEATURE_GRID)
        response, valid = window_means(torch.exp(0.5 * log_quality), window)
        return torch.exp(log_quality), best_windows(response, valid, window)

    return Loaded(nothing, call)


METHODS: dict[str, Callable[[BenchJob], Loaded]] = {
    "eager": _eager,
    "graph": _graph,
    "matcher": _matcher,
    "reference": _reference,
    "zncc": _zncc,
}
