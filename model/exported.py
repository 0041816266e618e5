"""The modules that become ONNX graphs: one small ``nn.Module`` is one exported file."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .backbones import Backbone
from .qatm import NEVER, NORM_EPSILON, STD_EPSILON

TINY = torch.finfo(torch.float32).tiny
"""At large alpha the powers of a patch that nothing resembles are all zero; their sum is not."""

CANDIDATES = 16
"""How many windows the joint graph returns."""


class FeatureGraph(nn.Module):
    """``image (B, H, W, 3)`` uint8 BGR to the taps, each at its own stride, and the coarse map.

    The map of all taps at the finest stride is never made: it is five times as large as the taps
    and takes as long as a quarter of the network. Windows of it are put together where they are
    needed, and 2x2 means of it, ``(B, C, H/2s, W/2s)``, here from the taps.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode images; see the class."""
        taps = self.backbone.taps(image.float().permute(0, 3, 1, 2))
        return (*taps, self.backbone.coarse(taps))


class MatchGraph(nn.Module):
    """Template rows and search features to two quality maps (paper, equations 3 to 5).

    Args:
        alpha_t: temperature of the softmax over the template.
        alpha_s: temperature of the softmax over the search positions; equal ones share one exp.
    """

    def __init__(self, alpha_t: float, alpha_s: float) -> None:
        super().__init__()
        self.alpha_t = float(alpha_t)
        self.alpha_s = float(alpha_s)

    def forward(self, template: Tensor, target: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        """Match one template with one image.

        Args:
            template: ``(M, C)`` raw features.
            target: ``(M,)`` float, 1 for the template's own rows, 0 for competitors.
            search: ``(C, H, W)`` raw features.

        Returns:
            The quality of each cell, ``(H, W)`` in [0, 1], twice: ``contested``, with competitors
            in the softmax over the template, and ``alone``, with its own rows only.
        """
        height, width = search.shape[1], search.shape[2]
        below = self.below(template, search.flatten(1))
        powers = torch.exp(below)
        everyone = torch.log(powers.sum(0).clamp_min(TINY))
        own = torch.log((target[None] @ powers)[0].clamp_min(TINY))
        if self.alpha_s != self.alpha_t:
            powers = torch.exp(below * (self.alpha_s / self.alpha_t))
        sums = torch.log(powers.sum(1, keepdim=True).clamp_min(TINY))
        offset = sums + NEVER * (1.0 - target)[:, None]
        best = (below * (1.0 + self.alpha_s / self.alpha_t) - offset).amax(0)
        contested, alone = torch.exp(best - everyone), torch.exp(best - own)
        return contested.reshape(height, width), alone.reshape(height, width)

    def below(self, template: Tensor, search: Tensor) -> Tensor:
        """``alpha_t (cosine - 1)``, ``(M, N)``, of raw rows ``(M, C)`` and features ``(C, N)``.

        The scaling of the search features is moved to the small template side, and their lengths
        to the product's columns, so that the large operand is only centred.
        """
        count = template.shape[0] + search.shape[1]
        mean = (template.sum(0) + search.sum(1)) / count
        rows = template - mean
        cells = search - mean[:, None]
        squares = cells * cells
        variance = ((rows * rows).sum(0) + squares.sum(1)) / count + STD_EPSILON
        rows = rows * torch.rsqrt(variance)
        rows = rows * torch.rsqrt((rows * rows).sum(1, keepdim=True) + NORM_EPSILON)
        lengths = (1.0 / variance)[None] @ squares
        scaled = self.alpha_t * rows * torch.rsqrt(variance)
        return (scaled @ cells) * torch.rsqrt(lengths + NORM_EPSILON) - self.alpha_t


class PlaceGraph(nn.Module):
    """How well a template fits at each shift of its window over a few cells.

    Args:
        alpha: factor on the cosine similarity.
    """

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.match = MatchGraph(alpha, alpha)

    def forward(
        self, template: Tensor, target: Tensor, search: Tensor, cells: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compare a template with the windows of a part of an image.

        Args:
            template: ``(M, C)`` raw features, the template's own rows first.
            target: ``(M,)`` float, 1 for the template's own rows, 0 for competitors.
            search: ``(C, H, W)`` raw features.
            cells: ``(K, S)`` int64: for each of the template's own rows and each shift, the index
                of the cell at the row's place.

        Returns:
            For each shift ``(S,)``: ``likelihood``, the mean log-likelihood of the pairs of a row
            and the cell at its place (paper, equation 3); ``similarity``, the mean of ``alpha
            (cosine - 1)`` over them; ``likeness``, the mean over these cells of the cosine with the
            own row that they resemble most. And of each own row and each cell ``(K, N)``:
            ``pairs``, ``alpha (cosine - 1)`` plus the log-likelihood, at most 0: the log of the
            quality (equation 4) but for the sum over the cells.
        """
        flat = search.flatten(1)
        below = self.match.below(template, flat)
        crowd = torch.log(torch.exp(below).sum(0).clamp_min(TINY))
        nearest = (below - NEVER * (1.0 - target)[:, None]).amax(0)
        own = torch.arange(cells.shape[0], device=cells.device)[:, None] * flat.shape[1]
        similarity = _means(below.flatten(), cells + own)
        likelihood = similarity - _means(crowd, cells)
        likeness = _means(nearest, cells) / self.match.alpha_t + 1.0
        pairs = 2.0 * below[: cells.shape[0]] - crowd
        return likelihood, similarity, likeness, pairs


def _means(values: Tensor, places: Tensor) -> Tensor:
    """Mean ``(S,)`` of values ``(N,)`` at places ``(K, S)``."""
    # Indexing becomes a GatherND, which takes ONNX Runtime several times as long as a Gather.
    return values.index_select(0, places.flatten()).reshape(places.shape).mean(0)


def window_means(values: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of a map in the window that starts at each position.

    Two banded 0/1 matrix products, exact and friendly to every runtime.

    Args:
        values: ``(H, W)``.
        window: ``(2,)`` int64 rows and columns.

    Returns:
        ``(H, W)`` means and ``(H, W)`` bool, true where the window lies inside the map.
    """
    rows = _band(values.shape[0], window[0])
    columns = _band(values.shape[1], window[1])
    sums = rows @ values @ columns.T
    y = torch.arange(values.shape[0], device=values.device)[:, None]
    x = torch.arange(values.shape[1], device=values.device)[None, :]
    valid = (y + window[0] <= values.shape[0]) & (x + window[1] <= values.shape[1])
    return sums / (window[0] * window[1]).to(values.dtype), valid


def _band(size: int, length: Tensor) -> Tensor:
    """``(size, size)`` matrix whose row ``i`` is 1 on columns ``i`` to ``i + length - 1``."""
    i = torch.arange(size, device=length.device)
    offset = i[None, :] - i[:, None]
    return ((offset >= 0) & (offset < length)).to(torch.float32)


def best_windows(response: Tensor, valid: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """The highest local maxima of a response map, with a parabola's sub-cell position.

    Args:
        response: ``(H, W)`` in [0, 1].
        valid: ``(H, W)`` bool.
        window: ``(2,)`` int64 rows and columns.

    Returns:
        ``(K,)`` scores, best first, -1 beyond the last maximum, and ``(K, 4)`` boxes in
        cells, zero there.
    """
    width = response.shape[1]
    inside = torch.where(valid, response, torch.full_like(response, -1.0))
    padded = F.pad(inside[None, None], (1, 1, 1, 1), value=-1.0)
    highest = F.max_pool2d(padded, 3, 1)[0, 0]
    is_peak = valid & (inside >= highest)
    peaks = torch.where(is_peak, inside, torch.full_like(inside, -1.0)).flatten()
    scores, index = torch.cat([peaks, peaks.new_full((CANDIDATES,), -1.0)]).topk(CANDIDATES)
    index = index.clamp(max=peaks.shape[0] - 1)
    y = index // width
    x = index - y * width
    sides = padded[0, 0]
    dy = _parabola(sides[y, x + 1], sides[y + 1, x + 1], sides[y + 2, x + 1])
    dx = _parabola(sides[y + 1, x], sides[y + 1, x + 1], sides[y + 1, x + 2])
    size = window.to(response.dtype)
    boxes = torch.stack(
        [x + dx, y + dy, size[1].expand(CANDIDATES), size[0].expand(CANDIDATES)], dim=1
    )
    # Entries beyond the last maximum would point anywhere.
    return scores, torch.where(scores[:, None] >= 0, boxes, torch.zeros_like(boxes))


def _parabola(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    """Offset of the vertex through three values, 0 where a neighbour lies outside (negative)."""
    bend = before - 2 * middle + after
    usable = (before >= 0) & (after >= 0) & (bend < 0)
    safe = torch.where(usable, bend, torch.full_like(bend, -1.0))
    offset = (0.5 * (before - after) / safe).clamp(-0.5, 0.5)
    return torch.where(usable, offset, torch.zeros_like(offset))


class JointGraph(nn.Module):
    """Template picture and search picture in, windows in pixels out, for ``trtexec`` and C++.

    The template is a crop; every one of its cells is a target. Cells are those of the coarse map.
    """

    def __init__(self, features: FeatureGraph, match: MatchGraph, coarse_stride: int) -> None:
        super().__init__()
        self.features = features
        self.match = match
        self.coarse_stride = coarse_stride

    def forward(self, template: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Match a crop with an image.

        Args:
            template: ``(1, h, w, 3)`` uint8 BGR.
            image: ``(1, H, W, 3)`` uint8 BGR.

        Returns:
            ``quality (H/2s, W/2s)``; ``scores (K,)``, the mean over a window of the root of the
            quality, best first (-1 where there are fewer candidates); and ``boxes (K, 4)``, x, y,
            width and height in pixels of ``image``.
        """
        rows = self.features(template)[-1][0]
        search = self.features(image)[-1][0]
        # Shapes as tensors stay dynamic in the exported graph.
        window = torch.stack(
            [torch.ones_like(rows[0, :, 0]).sum(), torch.ones_like(rows[0, 0]).sum()]
        ).to(torch.int64)
        flat = rows.flatten(1).T
        quality, _ = self.match(flat, torch.ones_like(flat[:, 0]), search)
        scores, boxes = best_windows(*window_means(torch.sqrt(quality), window), window)
        return quality, scores, boxes * self.coarse_stride
