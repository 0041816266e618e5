"""QATM as it was published: VGG19, crop first, joint standardisation, log-mean window.

Cheng, Wu, AbdAlmageed and Natarajan, "QATM: Quality-Aware Template Matching for Deep Learning",
CVPR 2019. The two maps that decide, features and quality, have one position a pixel if the
template has at most 4,000 pixels, otherwise one for every 4 x 4. Published AUC on the 105 pairs,
protocol gt-size: .688; the authors' evaluation with α = 25, run again: .681.

Only the fractions of the template's box are dropped before cutting; rounding them instead is
worth .007.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.boxes import as_box
from ...runtime.errors import InputError
from ...runtime.images import Image
from .base import Array, Found, Method, MethodOptions, Size, check_fits, cut_out, mean_window

if TYPE_CHECKING:
    from torch import Tensor

    from .plain_pytorch import Network, PaperQATM

ALPHA = 25.0
BLOCK = 2_000_000
"""Similarities computed at once."""

KEPT = 400_000_000
"""Similarities kept, in 1.6 GB, so that they are computed only once; more are computed twice."""


@dataclass(frozen=True)
class PaperTemplate:
    """An encoded template and the size of its box."""

    matcher: PaperQATM
    crop: Image
    size: Size


@dataclass(frozen=True)
class PaperResponse:
    """``log √q`` of each pixel, ``(H, W)``, and the size of the template's box."""

    values: Array
    size: Size


class PaperMethod(Method):
    """The published method, with the published settings.

    Args:
        options: :attr:`MethodOptions.weights` names the ImageNet weights of VGG19.
        network: what computes the taps, instead of VGG19.

    Raises:
        InputError: neither weights nor a network, or the weights are missing, damaged or of
            another network.
    """

    name = "paper-qatm"

    def __init__(self, options: MethodOptions, network: Network | None = None) -> None:
        if network is None and options.weights is None:
            raise InputError(
                "method paper-qatm needs the ImageNet weights of VGG19; give --weights FILE "
                "(or set QATM_VGG19)"
            )
        self._network = network or _vgg19(str(options.weights))

    def encode(self, frame: Image, box: Sequence[float]) -> PaperTemplate:
        """Cut the template out in pixels, fractions dropped, then send it through the network."""
        from .plain_pytorch import PaperQATM

        x, y, w, h = as_box(box)
        crop = cut_out(frame, (int(x), int(y), max(1, int(w)), max(1, int(h))))
        matcher = PaperQATM(self._network, alpha=ALPHA, quality=lean_log_quality)
        matcher.encode_template(crop.pixels)
        return PaperTemplate(matcher, crop.pixels, (w, h))

    def search(self, encoded: PaperTemplate, image: Image) -> PaperResponse:
        """Score each pixel."""
        check_fits(encoded.crop, image)
        return PaperResponse(encoded.matcher.log_quality_map(image), encoded.size)

    def place(self, searched: PaperResponse, size: Size | None) -> Found:
        """Take the window of the reported size with the largest geometric mean of √q."""
        best = mean_window(searched.values, size or searched.size).best(None)
        quality = np.exp(2.0 * searched.values)
        return Found(best.box, float(np.exp(best.score)), quality)


def _vgg19(weights: str) -> Network:
    """The network of the paper.

    Raises:
        InputError: the weights cannot be used.
    """
    from ...model.weights import WeightsError
    from .plain_pytorch import paper_network

    try:
        return paper_network(weights)
    except WeightsError as error:
        raise InputError(str(error)) from error


def lean_log_quality(template: Tensor, search: Tensor, alpha: float) -> Tensor:
    """``log √q`` of :func:`reference.log_quality` from one exponential, in a quarter of the memory.

    With ``e = exp(α(ρ - 1))``, which does not underflow for α of the paper's size::

        log √q(s) = log max_t (e / √(Σ_s' e)) - ½ log Σ_t' e

    Args:
        template: ``(M, C)`` rows of length 1.
        search: ``(N, C)`` rows of length 1.
        alpha: the softmax temperature.

    Returns:
        ``(N,)``, at most 0.
    """
    import torch

    # The extra channel takes alpha away in the same product.
    left = torch.cat([alpha * template, template.new_full((len(template), 1), -alpha)], dim=1)
    block = max(1, BLOCK // len(template))
    starts = range(0, len(search), block)
    kept = len(template) * len(search) <= KEPT
    row_sums = template.new_zeros(len(template), 1)
    parts: list[Tensor] = []

    def exponentials(start: int) -> Tensor:
        cells = search[start : start + block]
        return (left @ torch.cat([cells, cells.new_ones(len(cells), 1)], dim=1).T).exp_()

    for start in starts:
        part = exponentials(start)
        row_sums += part.sum(1, keepdim=True)
        if kept:
            parts.append(part)
    root = row_sums.rsqrt()
    result: list[Tensor] = []
    for index, start in enumerate(starts):
        part = parts[index] if kept else exponentials(start)
        column_sums = part.sum(0)
        result.append(part.mul_(root).amax(0).log() - 0.5 * column_sums.log())
    return torch.cat(result)
