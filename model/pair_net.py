"""A network that tells whether two registered pictures show the same object.

One is the template, the other what lies where it was found, sampled in its pose. Light, blur, noise
and what shows behind an object differ between two pictures of it; what tells it from a
near-duplicate may be one tip, hole or letter. Six convolutions see both pictures and their
difference; what they find anywhere, and in the mean, decides.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

GREY = (0.114, 0.587, 0.299)
"""Of blue, green and red in brightness."""

FLAT = 2.0
"""Least deviation of grey values that a picture is divided by."""

PICTURE = 9
"""Channels of both pictures and of their difference."""

ZOOMS = 2
"""Numbers that come beside the pictures: how much they were enlarged or reduced."""


class PairNet(nn.Module):
    """Log-odds that two registered pictures show the same object.

    Args:
        width: channels of the first convolutions; the deeper ones have 1.6, 2.4 and 3.2 times as
            many.
        hidden: width of the linear layer between.

    Raises:
        ValueError: fewer than 5 channels.
    """

    def __init__(self, width: int, *, hidden: int = 32) -> None:
        super().__init__()
        if width < 5:  # noqa: PLR2004
            raise ValueError(f"width is {width}; the network has at least 5 channels")
        wider, deeper, deepest = (width * part // 5 for part in (8, 12, 16))
        self.width = width
        self.pictures = nn.Sequential(
            *_convolution(PICTURE, width, 5, 2),
            *_convolution(width, width, 3, 1),
            *_convolution(width, wider, 3, 2),
            *_convolution(wider, wider, 3, 1),
            *_convolution(wider, deeper, 3, 2),
            *_convolution(deeper, deepest, 3, 1),
        )
        self.decide = nn.Sequential(
            nn.Linear(2 * deepest + ZOOMS, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(self, template: Tensor, seen: Tensor, zooms: Tensor) -> tuple[Tensor]:
        """Compare pictures.

        Args:
            template: ``(N, H, W, 3)`` BGR, 0 to 255.
            seen: ``(N, H, W, 3)``, the same of where the object is supposed to be.
            zooms: ``(N, 2)``, logarithms of samples per pixel of the image, and of the template.

        Returns:
            One tensor ``(N,)``: the log-odds.
        """
        own, other = _standard(template), _standard(seen)
        maps = self.pictures(torch.cat([own, other, own - other], 1))
        found = torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), zooms], 1)
        return (self.decide(found)[:, 0],)


def _convolution(before: int, after: int, side: int, stride: int) -> list[nn.Module]:
    """A convolution, normalised and rectified."""
    return [
        nn.Conv2d(before, after, side, stride, side // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]


def _standard(pictures: Tensor) -> Tensor:
    """Pictures ``(N, 3, H, W)`` without their mean colour, of unit variance of brightness."""
    apart = pictures.permute(0, 3, 1, 2)
    apart = apart - apart.mean((2, 3), keepdim=True)
    grey = (apart * torch.tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)
    deviation = grey.square().mean((1, 2, 3), keepdim=True).sqrt()
    return apart / deviation.clamp_min(FLAT)
