"""QATM as the paper describes it, in plain PyTorch: the yardstick for speed, memory and accuracy.

Cheng, Wu, AbdAlmageed and Natarajan, "QATM: Quality-Aware Template Matching for Deep Learning",
CVPR 2019. Nothing here is optimised beyond what the description asks for: VGG19 over the picture,
the whole similarity matrix in memory, and both softmaxes kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...runtime.errors import TemplateError

PAPER_ALPHA = 28.4
FULL_RESOLUTION_PIXELS = 4000
COARSE = 4
PAPER_TAPS = ("conv1_2", "conv3_4")

Network = Callable[[Tensor], Sequence[Tensor]]
"""Pictures ``(1, 3, H, W)`` float32 BGR 0...255 -> one feature map ``(1, C_i, H_i, W_i)`` a tap."""

Quality = Callable[[Tensor, Tensor, float], Tensor]
"""Template and search rows of length 1 and alpha -> ``log √q``, as :func:`log_quality`."""


def feature_grid(taps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Bring every tap to one grid (bilinear, corners aligned) and stack the channels.

    Args:
        taps: feature maps ``(1, C_i, H_i, W_i)``.
        size: ``(rows, columns)`` of the grid.

    Returns:
        ``(sum of C_i, rows, columns)``.
    """
    resized = [
        F.interpolate(tap, size=size, mode="bilinear", align_corners=True)[0] for tap in taps
    ]
    return torch.cat(resized)


def standardise(template: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
    """Give each channel mean 0 and deviation 1 over both pictures, then each row length 1.

    Mean and population deviation are taken over template and search positions together.

    Args:
        template: ``(M, C)``.
        search: ``(N, C)``.

    Returns:
        Both, with the same shapes. A constant channel becomes 0.
    """
    rows = torch.cat([template, search])
    deviation, mean = torch.std_mean(rows, dim=0, correction=0)
    rows = F.normalize((rows - mean) / deviation.clamp_min(1e-6), dim=1)
    return rows[: len(template)], rows[len(template) :]


def log_quality(template: Tensor, search: Tensor, alpha: float = PAPER_ALPHA) -> Tensor:
    """Score every search position by its best template patch.

    With ``ρ`` the cosine similarity of two rows::

        L(t|s) = exp(αρ(t,s)) / Σ_t' exp(αρ(t',s))
        L(s|t) = exp(αρ(t,s)) / Σ_s' exp(αρ(t,s'))
        q(s)   = max_t L(t|s) · L(s|t)

    Args:
        template: ``(M, C)`` rows of length 1.
        search: ``(N, C)`` rows of length 1.
        alpha: the softmax temperature, which multiplies ρ.

    Returns:
        ``(N,)``, ``log √q``, at most 0.
    """
    similarity = alpha * template @ search.T
    template_likelihood = torch.softmax(similarity, dim=0)
    search_likelihood = torch.softmax(similarity, dim=1)
    quality = (template_likelihood * search_likelihood).amax(dim=0)
    return quality.clamp_min(torch.finfo(quality.dtype).tiny).sqrt().log()


def best_window(response: Tensor, size: tuple[int, int]) -> tuple[int, int, float]:
    """Find the window with the largest sum among those that lie inside the map.

    Args:
        response: ``(H, W)``.
        size: ``(width, height)`` of the window.

    Returns:
        Left column, top row and the *mean* of the response in that window.
    """
    width, height = size
    integral = F.pad(response.double(), (1, 0, 1, 0)).cumsum(0).cumsum(1)
    rows = integral[height:] - integral[:-height]
    sums = rows[:, width:] - rows[:, :-width]
    top, left = divmod(int(sums.argmax()), sums.shape[1])
    return left, top, float(sums[top, left]) / (width * height)


class PaperQATM:
    """Template matching as published: features of VGG19, matrix, two softmaxes, window sum.

    Features are conv1_2 and conv3_4 after their ReLU (64 + 256 channels), and the template is cut
    out in pixels *before* it goes through the network. A picture's grid has one position a pixel
    if the template has at most 4,000 pixels, otherwise one for every 4 x 4.

    Args:
        network: what computes the taps; ``None`` builds VGG19.
        weights: of that VGG19: a file, or ``"random"`` (seeded), which does for speed and memory.
        alpha: the softmax temperature.
        stride: pixels a grid position; ``None`` decides by the template's size, as published.
        quality: what scores the positions; :func:`log_quality` holds the whole matrix and more.

    Attributes:
        network: the same, so that several templates can share it.
        stride: pixels a grid position, for the template encoded last.
    """

    def __init__(
        self,
        network: Network | None = None,
        *,
        weights: str = "random",
        alpha: float = PAPER_ALPHA,
        stride: int | None = None,
        quality: Quality = log_quality,
    ) -> None:
        self.alpha = alpha
        self._quality = quality
        self.network = paper_network(weights) if network is None else network
        self._fixed_stride = stride
        self.stride = stride or COARSE
        self._size = (0, 0)
        self._template: Tensor | None = None

    def encode_template(self, crop: np.ndarray) -> None:
        """Keep the features of what shall be found.

        Args:
            crop: ``(h, w, 3)`` uint8 BGR, the object and nothing else.
        """
        height, width = crop.shape[:2]
        published = 1 if height * width <= FULL_RESOLUTION_PIXELS else COARSE
        self.stride = self._fixed_stride or published
        self._size = (width, height)
        self._template = self._features(crop).flatten(1).T

    def log_quality_map(self, image: np.ndarray) -> np.ndarray:
        """Score every position of a picture: ``log √q`` of :func:`log_quality`, at most 0.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.

        Returns:
            ``(H, W)`` float32, the grid resized to the picture (bilinear, corners aligned).

        Raises:
            TemplateError: no template has been encoded.
        """
        return self._response(image).numpy()

    def match(
        self, image: np.ndarray, size: tuple[int, int] | None = None
    ) -> tuple[tuple[int, int, int, int], float]:
        """Find the window whose qualities have the largest product.

        The sum of ``log √q`` over a window of given size orders windows as their geometric mean
        does; the score is that mean, ``exp(mean of log √q)``.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            size: ``(width, height)`` of the window in pixels; ``None`` takes the template's.

        Returns:
            The box ``(x, y, w, h)`` in pixels and its score in [0, 1].

        Raises:
            TemplateError: no template has been encoded, or it does not fit into the picture.
        """
        width, height = size or self._size
        if height > image.shape[0] or width > image.shape[1]:
            raise TemplateError(
                f"a window of {width} x {height} px does not fit into a picture of "
                f"{image.shape[1]} x {image.shape[0]} px: take a larger picture"
            )
        left, top, mean = best_window(self._response(image), (width, height))
        return (left, top, width, height), float(np.exp(mean))

    @torch.inference_mode()
    def _response(self, image: np.ndarray) -> Tensor:
        if self._template is None:
            raise TemplateError("no template: call encode_template(crop) first")
        features = self._features(image)
        grid = features.shape[1:]
        template, search = standardise(self._template, features.flatten(1).T)
        quality = self._quality(template, search, self.alpha).reshape(1, 1, *grid)
        size = image.shape[0], image.shape[1]
        return F.interpolate(quality, size=size, mode="bilinear", align_corners=True)[0, 0]

    @torch.inference_mode()
    def _features(self, image: np.ndarray) -> Tensor:
        height, width = image.shape[:2]
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
        grid = max(height // self.stride, 1), max(width // self.stride, 1)
        return feature_grid(self.network(pixels), grid)


def paper_network(weights: str = "random") -> Network:
    """VGG19 with the taps of the paper: conv1_2 and conv3_4 after their ReLU.

    Args:
        weights: file of ImageNet weights, or ``"random"`` (seeded).

    Raises:
        WeightsError: the file is missing, damaged or holds another network.
    """
    from ...model.backbones import build_backbone

    backbone = build_backbone("vgg19", weights, PAPER_TAPS)
    return lambda pixels: backbone.network(backbone.preprocess(pixels))
